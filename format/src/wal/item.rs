//! What a record carries: rows, coverage, deletions.

use super::packed::{Packed, pack_integers, pack_raw};
use crate::bytes::{Reader, Writer};
use crate::coverage::Coverage;
use crate::error::FormatError;
use crate::item::{MUST_UNDERSTAND, next_item, write_item};
use crate::manifest::Deletion;
use crate::types::ColumnType;

/// Bytes that a column of rows has at least: id, type, validity flag, width and length of its values.
const COLUMN_LEN_MIN: usize = 4 + 1 + 1 + 1 + 4;

/// Tags of the items in a log record.
pub mod tag {
    /// Rows of one table.
    pub const ROWS: u16 = 1;
    /// What is known of a range of a series.
    pub const COVERAGE: u16 = 2;
    /// Rows committed before are hidden.
    pub const DELETION: u16 = 3;
}

/// One item of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalItem<'a> {
    /// Rows of one table.
    Rows(WalRows<'a>),
    /// What is known of a range of a series.
    Coverage(Coverage),
    /// Rows committed before are hidden. Its commit time is that of the record.
    Delete(Deletion),
}

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalRows<'a> {
    /// Id of the table.
    pub table: u32,
    /// Rows.
    pub rows: usize,
    /// Columns; those that are missing are null.
    pub columns: Vec<WalColumn<'a>>,
}

/// One column of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalColumn<'a> {
    /// Its id.
    pub column_id: u32,
    /// Its type when the rows were written.
    pub column_type: ColumnType,
    /// One bit per row, least significant first, 1 = not null; `None` without nulls.
    pub validity: Option<&'a [u8]>,
    /// Items of each row, u32, for text, bytes and variable lists.
    pub lengths: Option<Packed<'a>>,
    /// The values.
    pub values: Packed<'a>,
}

/// A column to be written.
#[derive(Debug, Clone, Copy)]
pub struct WalValues<'a> {
    /// Its id.
    pub column_id: u32,
    /// Its type.
    pub column_type: &'a ColumnType,
    /// As [`WalColumn::validity`].
    pub validity: Option<&'a [u8]>,
    /// Items of each row, little-endian u32, for text, bytes and variable lists.
    pub lengths: Option<&'a [u8]>,
    /// The values as a plain column file has them.
    pub values: &'a [u8],
}

/// Appends rows of one table as an item.
///
/// # Panics
/// When the item would be 4 GiB or more.
pub fn encode_wal_rows<'a>(
    writer: &mut Writer,
    table: u32,
    rows: u32,
    columns: impl ExactSizeIterator<Item = WalValues<'a>>,
) {
    write_item(writer, tag::ROWS, MUST_UNDERSTAND, |writer| {
        writer.u32(table);
        writer.u32(rows);
        writer.count(columns.len());
        columns.for_each(|column| column.encode(writer));
    });
}

impl WalValues<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.column_id);
        self.column_type.encode(writer);
        writer.bool(self.validity.is_some());
        writer.raw(self.validity.unwrap_or_default());
        if let Some(lengths) = self.lengths {
            pack_integers(writer, lengths, 4);
        }
        match integer_width(self.column_type) {
            Some(width) => pack_integers(writer, self.values, width),
            None => pack_raw(writer, self.values),
        }
    }
}

/// Bytes of a value that is an integer, whatever it stands for.
fn integer_width(column_type: &ColumnType) -> Option<usize> {
    use crate::types::Number as N;
    match column_type {
        ColumnType::Number(N::F32 | N::F64)
        | ColumnType::Decimal128 { .. }
        | ColumnType::FixedList { .. } => None,
        other => other.value_width(),
    }
}

impl WalItem<'_> {
    /// Appends what is known of a range. Rows are appended with [`encode_wal_rows`].
    pub fn encode_coverage(writer: &mut Writer, coverage: &Coverage) {
        write_item(writer, tag::COVERAGE, MUST_UNDERSTAND, |writer| {
            coverage.encode(writer)
        });
    }

    /// Appends a deletion.
    pub fn encode_deletion(writer: &mut Writer, deletion: &Deletion) {
        write_item(writer, tag::DELETION, MUST_UNDERSTAND, |writer| {
            deletion.encode(writer)
        });
    }
}

pub(super) fn decode_items(mut reader: Reader<'_>) -> Result<Vec<WalItem<'_>>, FormatError> {
    let mut items = Vec::new();
    while let Some(item) = next_item(&mut reader)? {
        let mut payload = item.payload.clone();
        items.push(match item.tag {
            tag::ROWS => WalItem::Rows(WalRows::decode(&mut payload)?),
            tag::COVERAGE => WalItem::Coverage(Coverage::decode(&mut payload)?),
            tag::DELETION => WalItem::Delete(Deletion::decode(&mut payload)?),
            _ => {
                item.skip("log record")?;
                continue;
            }
        });
        payload.finish("log record item")?;
    }
    Ok(items)
}

impl<'a> WalRows<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, FormatError> {
        let table = reader.u32("table id")?;
        let offset = reader.offset();
        let rows = reader.u32("rows")? as usize;
        let count = reader.count(COLUMN_LEN_MIN, "column count")?;
        // Columns bound the rows: without any, a forged number of rows would be believed.
        if rows > 0 && count == 0 {
            return Err(FormatError::corrupt(
                offset,
                format!("rows: found {rows} rows without a column"),
            ));
        }
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(WalColumn::decode(reader, rows)?);
        }
        Ok(Self { table, rows, columns })
    }
}

impl<'a> WalColumn<'a> {
    fn decode(reader: &mut Reader<'a>, rows: usize) -> Result<Self, FormatError> {
        let column_id = reader.u32("column id")?;
        let column_type = ColumnType::decode(reader)?;
        let validity = match reader.bool("validity flag")? {
            true => Some(reader.raw(rows.div_ceil(8), "validity")?),
            false => None,
        };
        let lengths = match column_type.has_offsets() {
            true => Some(Packed::decode(reader, 4, Some(rows), "lengths")?),
            false => None,
        };
        let values = match (&column_type, column_type.value_width()) {
            (ColumnType::Bool, _) => Packed::decode(reader, 1, Some(rows.div_ceil(8)), "values")?,
            (_, Some(width)) => Packed::decode(reader, width, Some(rows), "values")?,
            (_, None) => Packed::decode(reader, 1, None, "values")?,
        };
        Ok(Self {
            column_id,
            column_type,
            validity,
            lengths,
            values,
        })
    }
}

impl WalColumn<'_> {
    /// Checks what [`WalRecord::items`](super::WalRecord::items) leaves to whoever reads the values: that the lengths
    /// of variable values add up to the bytes that are there, and that text is UTF-8 row by row.
    ///
    /// # Errors
    /// `Corrupt`, with offset 0: the message names the row.
    pub fn verify(&self) -> Result<(), FormatError> {
        let Some(lengths) = &self.lengths else {
            return Ok(());
        };
        let wrong = |what: String| {
            let id = self.column_id;
            Err(FormatError::corrupt(0, format!("column {id}: {what}")))
        };
        let mut bytes = vec![0; lengths.len()];
        lengths.unpack(&mut bytes);
        let width = u64::from(self.column_type.body_width());
        let (lengths, _) = bytes.as_chunks::<4>();
        let items: u64 = lengths
            .iter()
            .map(|len| u64::from(u32::from_le_bytes(*len)))
            .sum();
        let mut values = vec![0; self.values.len()];
        self.values.unpack(&mut values);
        if items.checked_mul(width) != Some(values.len() as u64) {
            return wrong(format!(
                "found {} bytes, expected {items} values of {width}",
                values.len()
            ));
        }
        if self.column_type != ColumnType::Utf8 {
            return Ok(());
        }
        let mut rest = values.as_slice();
        for (row, len) in lengths.iter().enumerate() {
            let len = u32::from_le_bytes(*len) as usize;
            let (text, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let is_null = self.validity.is_some_and(|bits| !bit(bits, row));
            if !is_null && std::str::from_utf8(text).is_err() {
                return wrong(format!("row {row}: found bytes that are not UTF-8"));
            }
            rest = behind;
        }
        Ok(())
    }
}

fn bit(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}
