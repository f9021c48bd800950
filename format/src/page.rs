//! Page statistics: what `segment.meta` knows about 65,536 rows of one column.

use crate::bytes::{Reader, Writer};
use crate::error::FormatError;
use crate::types::ColumnType;
use std::ops::Range;

/// Rows of a page. The last page of a chunk may be shorter.
pub const PAGE_ROWS: usize = 65_536;
/// Stored bytes of one page's statistics.
pub const PAGE_STATS_LEN: usize = 64;

/// The smallest or largest value of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Unknown: no value that is not null, or a type without bounds.
    None,
    /// Integers, dates, times, timestamps and durations, except u64.
    I64(i64),
    /// u64 values and symbol codes.
    U64(u64),
    /// f32 and f64 values; never NaN.
    F64(f64),
    /// Decimals, unscaled.
    I128(i128),
}

/// Statistics and checksums of one page.
#[derive(Debug, Clone, PartialEq)]
pub struct PageStats {
    /// Smallest value, nulls and NaN ignored.
    pub min: Bound,
    /// Largest value, nulls and NaN ignored.
    pub max: Bound,
    /// Whether a NaN is among the values.
    pub has_nan: bool,
    /// Nulls among the rows.
    pub null_count: u32,
    /// Checksum of the page's bytes in the values file.
    pub checksum: u64,
    /// Checksum of the page's offsets, first to last inclusive; 0 without an offsets file.
    pub offsets_checksum: u64,
    /// Checksum of the page's bytes in the validity file; 0 without one.
    pub validity_checksum: u64,
}

/// Pages of a chunk of `rows` rows.
pub const fn page_count(rows: u64) -> u64 {
    rows.div_ceil(PAGE_ROWS as u64)
}

/// The rows of page `page` in a chunk of `rows` rows; empty behind the last page.
pub fn page_rows(page: u64, rows: u64) -> Range<u64> {
    let start = page.saturating_mul(PAGE_ROWS as u64).min(rows);
    start..start.saturating_add(PAGE_ROWS as u64).min(rows)
}

impl Bound {
    /// The tag of the bound's kind.
    pub const fn tag(self) -> u8 {
        match self {
            Self::None => 0,
            Self::I64(_) => 1,
            Self::U64(_) => 2,
            Self::F64(_) => 3,
            Self::I128(_) => 4,
        }
    }

    /// The tag of the bounds that values of `column_type` have.
    pub const fn tag_for(column_type: &ColumnType) -> u8 {
        use crate::types::Number;
        match column_type {
            ColumnType::Number(Number::F32 | Number::F64) => 3,
            ColumnType::Number(Number::U64) | ColumnType::Symbol { .. } => 2,
            ColumnType::Number(_)
            | ColumnType::Date
            | ColumnType::Time(_)
            | ColumnType::Timestamp { .. }
            | ColumnType::Duration(_) => 1,
            ColumnType::Decimal128 { .. } => 4,
            ColumnType::Bool
            | ColumnType::Utf8
            | ColumnType::Binary
            | ColumnType::FixedList { .. }
            | ColumnType::List(_) => 0,
        }
    }

    /// Whether both are unknown, or both are of one kind and `self` is not above `max`.
    fn is_at_most(self, max: Self) -> bool {
        match (self, max) {
            (Self::None, Self::None) => true,
            (Self::I64(min), Self::I64(max)) => min <= max,
            (Self::U64(min), Self::U64(max)) => min <= max,
            (Self::F64(min), Self::F64(max)) => min <= max,
            (Self::I128(min), Self::I128(max)) => min <= max,
            _ => false,
        }
    }

    /// Sixteen bytes, the unused ones zero.
    const fn bits(self) -> u128 {
        match self {
            Self::None => 0,
            Self::I64(value) => value as u64 as u128,
            Self::U64(value) => value as u128,
            Self::F64(value) => value.to_bits() as u128,
            Self::I128(value) => value as u128,
        }
    }

    fn from_bits(tag: u8, bits: u128, offset: u64) -> Result<Self, FormatError> {
        let low = bits as u64;
        let bound = match tag {
            0 => Self::None,
            1 => Self::I64(low as i64),
            2 => Self::U64(low),
            3 => Self::F64(f64::from_bits(low)),
            4 => Self::I128(bits as i128),
            _ => {
                return Err(FormatError::unsupported(
                    offset,
                    format!("bound: found tag {tag}, which this version does not know"),
                ));
            }
        };
        if bound.bits() != bits {
            return Err(FormatError::corrupt(
                offset,
                "bound: found bytes set beyond its width",
            ));
        }
        Ok(bound)
    }
}

impl PageStats {
    /// Appends the 64 bytes.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.min.tag());
        writer.u8(self.max.tag());
        writer.bool(self.has_nan);
        writer.u8(0);
        writer.u32(self.null_count);
        writer.u64(self.checksum);
        writer.u64(self.offsets_checksum);
        writer.u64(self.validity_checksum);
        writer.u128(self.min.bits());
        writer.u128(self.max.bits());
    }

    /// Reads the 64 bytes.
    ///
    /// # Errors
    /// `Unsupported` for an unknown kind of bound; `Corrupt` when min is above max or the bounds are of two kinds.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let (min_tag, max_tag) = (reader.u8("min tag")?, reader.u8("max tag")?);
        let has_nan = reader.bool("NaN flag")?;
        reader.u8("reserved")?;
        let null_count = reader.u32("null count")?;
        let checksum = reader.u64("page checksum")?;
        let offsets_checksum = reader.u64("offsets checksum")?;
        let validity_checksum = reader.u64("validity checksum")?;
        let min = Bound::from_bits(min_tag, reader.u128("min")?, offset)?;
        let max = Bound::from_bits(max_tag, reader.u128("max")?, offset)?;
        if !min.is_at_most(max) {
            return Err(FormatError::corrupt(
                offset,
                "page bounds: found a minimum that is not below the maximum, or of another kind",
            ));
        }
        Ok(Self {
            min,
            max,
            has_nan,
            null_count,
            checksum,
            offsets_checksum,
            validity_checksum,
        })
    }

    /// Checks the statistics against the column's type and the page's rows.
    pub(crate) fn check(&self, column_type: &ColumnType, rows: u64, offset: u64) -> Result<(), FormatError> {
        let tag = Bound::tag_for(column_type);
        if self.min.tag() != 0 && self.min.tag() != tag {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "page bounds: found tag {}, expected {tag} for {}",
                    self.min.tag(),
                    column_type.name()
                ),
            ));
        }
        if self.has_nan && tag != 3 {
            return Err(FormatError::corrupt(
                offset,
                format!("NaN flag: found on {}", column_type.name()),
            ));
        }
        if u64::from(self.null_count) > rows {
            return Err(FormatError::corrupt(
                offset,
                format!("page nulls: found {}, expected at most {rows}", self.null_count),
            ));
        }
        Ok(())
    }
}
