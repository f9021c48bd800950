//! `segment.meta`: what a segment holds, down to the statistics of every page.
//!
//! Decoding proves that the parts agree: page counts with rows, file sizes with types and rows, ids and
//! names with each other. It does not look at the column files.

use crate::bytes::{Reader, Writer, tags};
use crate::checksum::{seal, unseal};
use crate::encoded::{ENCODED_PAGE_LEN, EncodedPage, EncodedPart};
use crate::error::FormatError;
use crate::index::{read_bitmap, write_bitmap};
use crate::item::{Item, MUST_UNDERSTAND, next_item, write_item};
use crate::page::{PAGE_STATS_LEN, PageStats, page_count, page_rows};
use crate::types::{ColumnType, NULL_CODE};
use crate::vector::{Encoding, HEADER_LEN};
use crate::version::{read_prelude, write_prelude};
use roaring::RoaringBitmap;
use std::collections::HashSet;

/// The first eight bytes of `segment.meta`.
pub const SEGMENT_MAGIC: &[u8; 8] = b"GAPLSEG\0";
/// Bytes of `segment.meta` before its items.
pub const SEGMENT_HEADER_LEN: usize = 72;
/// Most rows of a segment, and most bytes of one variable-length column in it.
pub const SEGMENT_ROWS_MAX: u64 = (1 << 31) - 1;
/// Item tag: the series present.
pub const ITEM_SERIES: u16 = 1;
/// Item tag: one column.
pub const ITEM_COLUMN: u16 = 2;

/// Offset of the total length in the header.
const LENGTH_AT: usize = 16;
/// Bytes of one stored attribute: kind, index bytes, checksum.
const ATTRIBUTE_LEN: usize = 17;

/// A verified property of a column chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttributeKind {
    /// Values ascend; no index file.
    Sorted,
    /// Equal values are adjacent; `<column>.parted`.
    Parted,
    /// Any order; `<column>.grouped`.
    Grouped,
    /// No value twice; `<column>.unique`.
    Unique,
}
tags!(AttributeKind { Sorted = 0, Parted = 1, Grouped = 2, Unique = 3 });

impl AttributeKind {
    /// `sorted`, `parted`, `grouped` or `unique`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sorted => "sorted",
            Self::Parted => "parted",
            Self::Grouped => "grouped",
            Self::Unique => "unique",
        }
    }
}

/// An attribute of a column chunk and its index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Which property.
    pub kind: AttributeKind,
    /// Size of the whole index file; 0 for sorted.
    pub index_bytes: u64,
    /// Checksum of the index file's body; 0 for sorted.
    pub checksum: u64,
}

/// One column of a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnMeta {
    /// The column's name when the segment was written.
    pub name: String,
    /// Its id in the table, which a rename does not change.
    pub column_id: u32,
    /// What it holds.
    pub column_type: ColumnType,
    /// How values, offsets and validity are stored.
    pub encoding: Encoding,
    /// Nulls in the segment.
    pub null_count: u64,
    /// Size of the whole values file.
    pub values_bytes: u64,
    /// Size of the whole offsets file; 0 when there is none.
    pub offsets_bytes: u64,
    /// Size of the whole validity file; 0 when there is none.
    pub validity_bytes: u64,
    /// Attributes, each kind at most once.
    pub attributes: Vec<Attribute>,
    /// Statistics, one per [`crate::PAGE_ROWS`] rows.
    pub pages: Vec<PageStats>,
    /// How each page is stored, when the encoding is paged; else empty.
    pub encoded: Vec<EncodedPage>,
}

/// The content of `segment.meta`.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentMeta {
    /// Id of the segment, repeated in the header of each of its files.
    pub segment: u64,
    /// When it was built, in nanoseconds since the Unix epoch.
    pub created_at: i64,
    /// Rows.
    pub rows: u64,
    /// Smallest time.
    pub min_time: i64,
    /// Largest time, inclusive.
    pub max_time: i64,
    /// Id of the time column.
    pub time_column: u32,
    /// Id of the series column, if the table has one.
    pub series_column: Option<u32>,
    /// Codes of the series present; [`NULL_CODE`] is not among them.
    pub series: RoaringBitmap,
    /// Whether there are rows with a null series.
    pub null_series: bool,
    /// The columns.
    pub columns: Vec<ColumnMeta>,
}

impl SegmentMeta {
    /// The whole content of `segment.meta`.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256 + self.columns.len() * 256);
        write_prelude(&mut writer, SEGMENT_MAGIC);
        writer.count(self.columns.len());
        writer.u64(0);
        writer.u64(self.segment);
        writer.i64(self.created_at);
        writer.u64(self.rows);
        writer.i64(self.min_time);
        writer.i64(self.max_time);
        writer.u32(self.time_column);
        writer.optional_id(self.series_column);
        write_item(&mut writer, ITEM_SERIES, MUST_UNDERSTAND, |writer| {
            writer.bool(self.null_series);
            write_bitmap(writer, &self.series);
        });
        for column in &self.columns {
            write_item(&mut writer, ITEM_COLUMN, MUST_UNDERSTAND, |writer| {
                column.encode(writer)
            });
        }
        writer.patch_u64(LENGTH_AT, writer.len() as u64 + 8);
        seal(writer)
    }

    /// Reads the whole content of `segment.meta`.
    ///
    /// # Errors
    /// `Unsupported` for a newer version or an item that must be understood; `Corrupt` for anything else that is
    /// wrong, torn when the file is shorter than it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        read_prelude(&mut reader, SEGMENT_MAGIC)?;
        let column_count = reader.u32("column count")? as usize;
        let length = reader.u64("segment.meta length")?;
        check_length(length, bytes.len() as u64)?;
        let covered = unseal(bytes, 0, "segment.meta")?;
        let mut reader = Reader::with_base(covered.get(24..).unwrap_or_default(), 24);
        let mut meta = Self {
            segment: reader.u64("segment")?,
            created_at: reader.i64("creation time")?,
            rows: reader.u64("rows")?,
            min_time: reader.i64("min time")?,
            max_time: reader.i64("max time")?,
            time_column: reader.u32("time column")?,
            series_column: reader.optional_id("series column")?,
            series: RoaringBitmap::new(),
            null_series: false,
            columns: Vec::new(),
        };
        meta.check_header()?;
        meta.decode_items(&mut reader)?;
        meta.check_columns(column_count)?;
        Ok(meta)
    }

    /// The column with the id `column_id`.
    pub fn column(&self, column_id: u32) -> Option<&ColumnMeta> {
        self.columns.iter().find(|column| column.column_id == column_id)
    }

    fn decode_items(&mut self, reader: &mut Reader<'_>) -> Result<(), FormatError> {
        let mut has_series = false;
        while let Some(item) = next_item(reader)? {
            match item.tag {
                ITEM_SERIES if has_series => {
                    return Err(FormatError::corrupt(item.offset, "series item: found twice"));
                }
                ITEM_SERIES => {
                    has_series = true;
                    self.decode_series(item)?;
                }
                ITEM_COLUMN => self.columns.push(ColumnMeta::decode(item, self.rows)?),
                _ => item.skip("segment.meta")?,
            }
        }
        match has_series {
            true => Ok(()),
            false => Err(FormatError::corrupt(
                reader.offset(),
                "series item: found none, expected one",
            )),
        }
    }

    fn decode_series(&mut self, item: Item<'_>) -> Result<(), FormatError> {
        let mut payload = item.payload;
        self.null_series = payload.bool("null series flag")?;
        let base = payload.offset();
        self.series = read_bitmap(payload.raw(payload.remaining(), "series")?, base, "series bitmap")?;
        if self.series.contains(NULL_CODE) {
            return Err(FormatError::corrupt(base, "series bitmap: found the null code"));
        }
        let present = self.null_series || !self.series.is_empty();
        if present && self.series_column.is_none() {
            return Err(FormatError::corrupt(
                base,
                "series bitmap: found series without a series column",
            ));
        }
        Ok(())
    }

    fn check_header(&self) -> Result<(), FormatError> {
        if self.rows > SEGMENT_ROWS_MAX {
            return Err(FormatError::corrupt(
                40,
                format!("rows: found {}, expected at most {SEGMENT_ROWS_MAX}", self.rows),
            ));
        }
        if self.min_time > self.max_time {
            return Err(FormatError::corrupt(
                48,
                format!("time range: found {} to {}", self.min_time, self.max_time),
            ));
        }
        Ok(())
    }

    fn check_columns(&self, column_count: usize) -> Result<(), FormatError> {
        if self.columns.len() != column_count {
            return Err(FormatError::corrupt(
                12,
                format!(
                    "columns: found {} items, expected {column_count}",
                    self.columns.len()
                ),
            ));
        }
        let ids: HashSet<u32> = self.columns.iter().map(|column| column.column_id).collect();
        let names: HashSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        if ids.len() != column_count || names.len() != column_count {
            return Err(FormatError::corrupt(12, "columns: found a name or an id twice"));
        }
        let time = self.column(self.time_column).map(|column| &column.column_type);
        if !matches!(time, Some(ColumnType::Timestamp { .. })) {
            return Err(FormatError::corrupt(
                64,
                self.no_such_column("time", self.time_column, "timestamp"),
            ));
        }
        let Some(id) = self.series_column else {
            return Ok(());
        };
        let series = self.column(id).map(|column| &column.column_type);
        if !matches!(series, Some(ColumnType::Symbol { .. })) {
            return Err(FormatError::corrupt(
                68,
                self.no_such_column("series", id, "symbol"),
            ));
        }
        Ok(())
    }

    fn no_such_column(&self, role: &str, id: u32, expected: &str) -> String {
        let found = self
            .column(id)
            .map_or("no such column".to_owned(), |column| column.column_type.name());
        format!("{role} column {id}: found {found}, expected a {expected} column")
    }
}

fn check_length(length: u64, found: u64) -> Result<(), FormatError> {
    let least = SEGMENT_HEADER_LEN as u64 + 8;
    if length < least || found > length {
        return Err(FormatError::corrupt(
            LENGTH_AT as u64,
            format!("segment.meta length: found {found} bytes, expected {length} and at least {least}"),
        ));
    }
    if found < length {
        return Err(FormatError::torn(0, "segment.meta", length, found));
    }
    Ok(())
}

impl ColumnMeta {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.column_id);
        writer.string(&self.name);
        self.column_type.encode(writer);
        writer.u8(self.encoding.tag());
        writer.u64(self.null_count);
        writer.u64(self.values_bytes);
        writer.u64(self.offsets_bytes);
        writer.u64(self.validity_bytes);
        writer.count(self.attributes.len());
        for attribute in &self.attributes {
            writer.u8(attribute.kind.tag());
            writer.u64(attribute.index_bytes);
            writer.u64(attribute.checksum);
        }
        writer.count(self.pages.len());
        self.pages.iter().for_each(|page| page.encode(writer));
        self.encoded.iter().for_each(|page| page.encode(writer));
    }

    fn decode(item: Item<'_>, rows: u64) -> Result<Self, FormatError> {
        let mut reader = item.payload;
        let mut column = Self {
            column_id: reader.u32("column id")?,
            name: reader.string("column name")?.to_owned(),
            column_type: ColumnType::decode(&mut reader)?,
            encoding: reader.tag(Encoding::from_tag, "encoding")?,
            null_count: reader.u64("null count")?,
            values_bytes: reader.u64("values size")?,
            offsets_bytes: reader.u64("offsets size")?,
            validity_bytes: reader.u64("validity size")?,
            attributes: Vec::new(),
            pages: Vec::new(),
            encoded: Vec::new(),
        };
        column.decode_attributes(&mut reader)?;
        column.decode_pages(&mut reader, rows)?;
        column.decode_encoded(&mut reader, rows)?;
        reader.finish("column item")?;
        column.check_sizes(rows, item.offset)?;
        Ok(column)
    }

    fn decode_attributes(&mut self, reader: &mut Reader<'_>) -> Result<(), FormatError> {
        let offset = reader.offset();
        let count = reader.count(ATTRIBUTE_LEN, "attribute count")?;
        for _ in 0..count {
            let attribute = Attribute {
                kind: reader.tag(AttributeKind::from_tag, "attribute")?,
                index_bytes: reader.u64("index size")?,
                checksum: reader.u64("index checksum")?,
            };
            let sized = match attribute.kind {
                AttributeKind::Sorted => attribute.index_bytes == 0,
                _ => attribute.index_bytes >= HEADER_LEN as u64,
            };
            if !sized || self.attributes.iter().any(|other| other.kind == attribute.kind) {
                return Err(FormatError::corrupt(
                    offset,
                    format!(
                        "column {:?}: found attribute {} twice or with an index of {} bytes",
                        self.name,
                        attribute.kind.name(),
                        attribute.index_bytes
                    ),
                ));
            }
            self.attributes.push(attribute);
        }
        Ok(())
    }

    fn decode_pages(&mut self, reader: &mut Reader<'_>, rows: u64) -> Result<(), FormatError> {
        let offset = reader.offset();
        let count = reader.count(PAGE_STATS_LEN, "page count")?;
        if count as u64 != page_count(rows) {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "column {:?}: found {count} pages, expected {} for {rows} rows",
                    self.name,
                    page_count(rows)
                ),
            ));
        }
        self.pages.reserve_exact(count);
        let mut nulls = 0;
        for page in 0..count as u64 {
            let offset = reader.offset();
            let stats = PageStats::decode(reader)?;
            let range = page_rows(page, rows);
            stats.check(&self.column_type, range.end - range.start, offset)?;
            nulls += u64::from(stats.null_count);
            self.pages.push(stats);
        }
        if nulls != self.null_count {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "column {:?}: found {nulls} nulls in its pages, expected {}",
                    self.name, self.null_count
                ),
            ));
        }
        Ok(())
    }

    fn decode_encoded(&mut self, reader: &mut Reader<'_>, rows: u64) -> Result<(), FormatError> {
        if self.encoding == Encoding::Plain {
            return Ok(());
        }
        if reader.remaining() / ENCODED_PAGE_LEN < self.pages.len() {
            return Err(FormatError::torn(
                reader.offset(),
                "encoded pages",
                (self.pages.len() * ENCODED_PAGE_LEN) as u64,
                reader.remaining() as u64,
            ));
        }
        self.encoded.reserve_exact(self.pages.len());
        for (page, stats) in (0..).zip(&self.pages) {
            let offset = reader.offset();
            let encoded = EncodedPage::decode(reader)?;
            let range = page_rows(page, rows);
            let has_validity = self.validity_bytes > 0;
            encoded.check(
                &self.column_type,
                range.end - range.start,
                stats,
                has_validity,
                offset,
            )?;
            self.encoded.push(encoded);
        }
        Ok(())
    }

    /// Compares the file sizes with what type and rows, or the encoded pages, imply.
    fn check_sizes(&self, rows: u64, offset: u64) -> Result<(), FormatError> {
        let wrong = |file: &str, found: u64| {
            let message = format!(
                "column {:?} ({}): found {found} bytes of {file}, which {rows} rows do not take",
                self.name,
                self.column_type.name()
            );
            Err(FormatError::corrupt(offset, message))
        };
        if self.encoding == Encoding::Paged {
            let decoded = self
                .encoded
                .iter()
                .fold(0, |sum, page| page.decoded_len.saturating_add(sum));
            let has_offsets = self.column_type.has_offsets();
            if self.paged_bytes(|page| page.values) != self.values_bytes
                || has_offsets && decoded > SEGMENT_ROWS_MAX
            {
                return wrong("values", self.values_bytes);
            }
            let offsets = if has_offsets {
                self.paged_bytes(|page| page.offsets)
            } else {
                0
            };
            if self.offsets_bytes != offsets {
                return wrong("offsets", self.offsets_bytes);
            }
            let validity = self.paged_bytes(|page| page.validity);
            if self.validity_bytes != validity && !(self.validity_bytes == 0 && self.null_count == 0) {
                return wrong("validity", self.validity_bytes);
            }
            return Ok(());
        }
        let header = HEADER_LEN as u64;
        let bits = header + rows.div_ceil(8);
        if !self.values_bytes_fit(rows) {
            return wrong("values", self.values_bytes);
        }
        let offsets = if self.column_type.has_offsets() {
            header + 4 * (rows + 1)
        } else {
            0
        };
        if self.offsets_bytes != offsets {
            return wrong("offsets", self.offsets_bytes);
        }
        if self.validity_bytes != bits && !(self.validity_bytes == 0 && self.null_count == 0) {
            return wrong("validity", self.validity_bytes);
        }
        Ok(())
    }

    /// Size of a file whose body is one part of every encoded page.
    fn paged_bytes(&self, part: impl Fn(&EncodedPage) -> EncodedPart) -> u64 {
        let slots = self.encoded.iter().map(|page| part(page).slot());
        slots.fold(HEADER_LEN as u64, u64::saturating_add)
    }

    fn values_bytes_fit(&self, rows: u64) -> bool {
        let Some(body) = self.values_bytes.checked_sub(HEADER_LEN as u64) else {
            return false;
        };
        match self.column_type.value_width() {
            Some(width) => rows.checked_mul(width as u64) == Some(body),
            None if self.column_type == ColumnType::Bool => body == rows.div_ceil(8),
            None => body <= SEGMENT_ROWS_MAX && body % u64::from(self.column_type.body_width()) == 0,
        }
    }
}
