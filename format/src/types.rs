//! Column types and their stored form.

use crate::bytes::{Reader, Writer, tags};
use crate::error::FormatError;

/// The symbol code of a null: sorts last, and no domain ever assigns it.
pub const NULL_CODE: u32 = u32::MAX;

/// The resolution of times, timestamps and durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeUnit {
    /// 1 s.
    Second,
    /// 1/1,000 s.
    Millisecond,
    /// 1/1,000,000 s.
    Microsecond,
    /// 1/1,000,000,000 s.
    Nanosecond,
}
tags!(TimeUnit { Second = 0, Millisecond = 1, Microsecond = 2, Nanosecond = 3 });

impl TimeUnit {
    /// `s`, `ms`, `us` or `ns`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Microsecond => "us",
            Self::Nanosecond => "ns",
        }
    }
}

/// A machine number; also the element type of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Number {
    /// Signed, 1 byte.
    I8,
    /// Signed, 2 bytes.
    I16,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
    /// Unsigned, 1 byte.
    U8,
    /// Unsigned, 2 bytes.
    U16,
    /// Unsigned, 4 bytes.
    U32,
    /// Unsigned, 8 bytes.
    U64,
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 8 bytes.
    F64,
}
tags!(Number { I8 = 1, I16 = 2, I32 = 3, I64 = 4, U8 = 5, U16 = 6, U32 = 7, U64 = 8, F32 = 9, F64 = 10 });

impl Number {
    /// Bytes of one value.
    pub const fn width(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// `i8` to `f64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Whether it is an integer without sign.
    pub const fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64)
    }

    /// Whether it is f32 or f64.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false, bit-packed, least significant bit first.
    Bool,
    /// A machine number.
    Number(Number),
    /// A decimal number: an i128 times 10^-scale.
    Decimal128 {
        /// Significant digits, 1 to 38.
        precision: u8,
        /// Digits after the point; negative for multiples of powers of ten.
        scale: i8,
    },
    /// Days since 1970-01-01, an i32.
    Date,
    /// Time of day: i32 for seconds and milliseconds, i64 for microseconds and nanoseconds.
    Time(TimeUnit),
    /// Time since 1970-01-01T00:00Z, an i64; the zone is for display.
    Timestamp {
        /// Resolution.
        unit: TimeUnit,
        /// IANA name or fixed offset, or none.
        zone: Option<String>,
    },
    /// A span of time, an i64.
    Duration(TimeUnit),
    /// A u32 code into a symbol domain.
    Symbol {
        /// Name of the domain.
        domain: String,
    },
    /// Text: offsets and UTF-8 bytes.
    Utf8,
    /// Bytes: offsets and bytes.
    Binary,
    /// The same number of numbers in every row.
    FixedList {
        /// Element type.
        item: Number,
        /// Elements per row, at least 1.
        len: u32,
    },
    /// Any number of numbers: offsets and numbers.
    List(Number),
}

/// Widest row of a fixed-size list, in bytes.
pub const FIXED_LIST_BYTES_MAX: u64 = 1 << 24;

impl ColumnType {
    /// The type as people write it: `f64`, `timestamp(ns, UTC)`, `symbol(sym)`, `list(f64)`, `f64[10]`.
    pub fn name(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Number(number) => number.name().into(),
            Self::Decimal128 { precision, scale } => format!("decimal({precision}, {scale})"),
            Self::Date => "date".into(),
            Self::Time(unit) => format!("time({})", unit.name()),
            Self::Timestamp { unit, zone: None } => format!("timestamp({})", unit.name()),
            Self::Timestamp {
                unit,
                zone: Some(zone),
            } => {
                format!("timestamp({}, {zone})", unit.name())
            }
            Self::Duration(unit) => format!("duration({})", unit.name()),
            Self::Symbol { domain } => format!("symbol({domain})"),
            Self::Utf8 => "utf8".into(),
            Self::Binary => "binary".into(),
            Self::FixedList { item, len } => format!("{}[{len}]", item.name()),
            Self::List(item) => format!("list({})", item.name()),
        }
    }

    /// Bytes per row of the values file, or `None` for bool (bit-packed) and for variable length.
    pub fn value_width(&self) -> Option<usize> {
        match self {
            Self::Bool | Self::Utf8 | Self::Binary | Self::List(_) => None,
            Self::Number(number) => Some(number.width()),
            Self::Decimal128 { .. } => Some(16),
            Self::Time(TimeUnit::Second | TimeUnit::Millisecond) => Some(4),
            Self::Date | Self::Symbol { .. } => Some(4),
            Self::Time(_) | Self::Timestamp { .. } | Self::Duration(_) => Some(8),
            Self::FixedList { item, len } => Some(item.width().saturating_mul(*len as usize)),
        }
    }

    /// Bytes per value in the body of the values file, as its header says it: 0 for bool (bit-packed),
    /// 1 for text and bytes, the element's width for variable lists, else [`Self::value_width`].
    pub fn body_width(&self) -> u32 {
        match self {
            Self::Bool => 0,
            Self::Utf8 | Self::Binary => 1,
            Self::List(item) => item.width() as u32,
            _ => self
                .value_width()
                .and_then(|width| u32::try_from(width).ok())
                .unwrap_or(u32::MAX),
        }
    }

    /// Whether an offsets file stands beside the values.
    pub fn has_offsets(&self) -> bool {
        matches!(self, Self::Utf8 | Self::Binary | Self::List(_))
    }

    /// The byte that names the type in vector headers and in front of its parameters.
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Bool => 0,
            Self::Number(number) => number.tag(),
            Self::Decimal128 { .. } => 11,
            Self::Date => 12,
            Self::Time(_) => 13,
            Self::Timestamp { .. } => 14,
            Self::Duration(_) => 15,
            Self::Symbol { .. } => 16,
            Self::Utf8 => 17,
            Self::Binary => 18,
            Self::FixedList { .. } => 19,
            Self::List(_) => 20,
        }
    }

    /// Appends tag and parameters.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.tag());
        match self {
            Self::Bool | Self::Number(_) | Self::Date | Self::Utf8 | Self::Binary => {}
            Self::Decimal128 { precision, scale } => {
                writer.u8(*precision);
                writer.i8(*scale);
            }
            Self::Time(unit) | Self::Duration(unit) => writer.u8(unit.tag()),
            Self::Timestamp { unit, zone } => {
                writer.u8(unit.tag());
                writer.bool(zone.is_some());
                if let Some(zone) = zone {
                    writer.string(zone);
                }
            }
            Self::Symbol { domain } => writer.string(domain),
            Self::FixedList { item, len } => {
                writer.u8(item.tag());
                writer.u32(*len);
            }
            Self::List(item) => writer.u8(item.tag()),
        }
    }

    /// Reads tag and parameters.
    ///
    /// # Errors
    /// `Unsupported` for an unknown tag, `Corrupt` for parameters outside their limits.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let tag = reader.u8("column type")?;
        if let Some(number) = Number::from_tag(tag) {
            return Ok(Self::Number(number));
        }
        Ok(match tag {
            0 => Self::Bool,
            11 => decode_decimal(reader)?,
            12 => Self::Date,
            13 => Self::Time(reader.tag(TimeUnit::from_tag, "time unit")?),
            14 => {
                let unit = reader.tag(TimeUnit::from_tag, "time unit")?;
                let zone = match reader.bool("zone flag")? {
                    true => Some(reader.string("zone")?.to_owned()),
                    false => None,
                };
                Self::Timestamp { unit, zone }
            }
            15 => Self::Duration(reader.tag(TimeUnit::from_tag, "time unit")?),
            16 => Self::Symbol {
                domain: reader.string("domain")?.to_owned(),
            },
            17 => Self::Utf8,
            18 => Self::Binary,
            19 => decode_fixed_list(reader)?,
            20 => Self::List(reader.tag(Number::from_tag, "list element type")?),
            _ => {
                return Err(FormatError::unsupported(
                    offset,
                    format!("column type: found tag {tag}, which this version does not know"),
                ));
            }
        })
    }
}

fn decode_decimal(reader: &mut Reader<'_>) -> Result<ColumnType, FormatError> {
    let offset = reader.offset();
    let precision = reader.u8("decimal precision")?;
    let scale = reader.i8("decimal scale")?;
    if !(1..=38).contains(&precision) || i16::from(scale) > i16::from(precision) {
        return Err(FormatError::corrupt(
            offset,
            format!(
                "decimal: found precision {precision}, scale {scale}, expected 1 to 38 digits and no larger scale"
            ),
        ));
    }
    Ok(ColumnType::Decimal128 { precision, scale })
}

fn decode_fixed_list(reader: &mut Reader<'_>) -> Result<ColumnType, FormatError> {
    let item = reader.tag(Number::from_tag, "list element type")?;
    let offset = reader.offset();
    let len = reader.u32("list length")?;
    let width = u64::from(len) * item.width() as u64;
    if len == 0 || width > FIXED_LIST_BYTES_MAX {
        return Err(FormatError::corrupt(
            offset,
            format!("fixed list: found {width} bytes per row, expected 1 to {FIXED_LIST_BYTES_MAX}"),
        ));
    }
    Ok(ColumnType::FixedList { item, len })
}
