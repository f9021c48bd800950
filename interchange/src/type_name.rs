//! The names of column types, as written after `--type col=` and shown in decisions.

use std::fmt;
use std::str::FromStr;

use arrow_schema::{DataType, TimeUnit};

use crate::error::{InterchangeError, Result};

/// The type of a column that a text file can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeName {
    /// `true` or `false`.
    Bool,
    /// Signed 8 bits.
    I8,
    /// Signed 16 bits.
    I16,
    /// Signed 32 bits.
    I32,
    /// Signed 64 bits.
    I64,
    /// Unsigned 8 bits.
    U8,
    /// Unsigned 16 bits.
    U16,
    /// Unsigned 32 bits.
    U32,
    /// Unsigned 64 bits.
    U64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// 128-bit decimal.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// A day.
    Date,
    /// A time of day.
    Time(TimeUnit),
    /// An instant; naive text needs a zone.
    Timestamp(TimeUnit),
    /// A span, written as a count of its unit.
    Duration(TimeUnit),
    /// Text of few distinct values, stored as codes of a symbol domain.
    Symbol,
    /// Text.
    Utf8,
    /// Bytes, written as hexadecimal digits.
    Binary,
}

impl TypeName {
    /// The Arrow type of a column of this type; `zone` is that of a timestamp.
    pub fn data_type(self, zone: Option<&str>) -> DataType {
        match self {
            TypeName::Bool => DataType::Boolean,
            TypeName::I8 => DataType::Int8,
            TypeName::I16 => DataType::Int16,
            TypeName::I32 => DataType::Int32,
            TypeName::I64 => DataType::Int64,
            TypeName::U8 => DataType::UInt8,
            TypeName::U16 => DataType::UInt16,
            TypeName::U32 => DataType::UInt32,
            TypeName::U64 => DataType::UInt64,
            TypeName::F32 => DataType::Float32,
            TypeName::F64 => DataType::Float64,
            TypeName::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            TypeName::Date => DataType::Date32,
            TypeName::Time(unit @ (TimeUnit::Second | TimeUnit::Millisecond)) => DataType::Time32(unit),
            TypeName::Time(unit) => DataType::Time64(unit),
            TypeName::Timestamp(unit) => DataType::Timestamp(unit, zone.map(Into::into)),
            TypeName::Duration(unit) => DataType::Duration(unit),
            TypeName::Symbol => symbol_type(),
            TypeName::Utf8 => DataType::Utf8,
            TypeName::Binary => DataType::Binary,
        }
    }
}

/// The Arrow type of a symbol column: codes of a dictionary of text.
pub(crate) fn symbol_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

/// The unit named `s`, `ms`, `us` or `ns`.
///
/// # Errors
/// `Invalid` when it is another word.
pub fn parse_time_unit(text: &str) -> Result<TimeUnit> {
    match text.trim() {
        "s" => Ok(TimeUnit::Second),
        "ms" => Ok(TimeUnit::Millisecond),
        "us" => Ok(TimeUnit::Microsecond),
        "ns" => Ok(TimeUnit::Nanosecond),
        other => Err(InterchangeError::invalid("is not a time unit")
            .with_value(other.as_bytes())
            .with_hint("units are s, ms, us and ns")),
    }
}

/// The name of a unit: `s`, `ms`, `us` or `ns`.
pub fn time_unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

/// How many nanoseconds one `unit` has.
pub(crate) fn nanoseconds_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            TypeName::Bool => "bool",
            TypeName::I8 => "i8",
            TypeName::I16 => "i16",
            TypeName::I32 => "i32",
            TypeName::I64 => "i64",
            TypeName::U8 => "u8",
            TypeName::U16 => "u16",
            TypeName::U32 => "u32",
            TypeName::U64 => "u64",
            TypeName::F32 => "f32",
            TypeName::F64 => "f64",
            TypeName::Date => "date",
            TypeName::Symbol => "symbol",
            TypeName::Utf8 => "utf8",
            TypeName::Binary => "binary",
            TypeName::Decimal { precision, scale } => {
                return write!(f, "decimal({precision},{scale})");
            }
            TypeName::Time(unit) => return write!(f, "time({})", time_unit_name(*unit)),
            TypeName::Timestamp(unit) => return write!(f, "timestamp({})", time_unit_name(*unit)),
            TypeName::Duration(unit) => return write!(f, "duration({})", time_unit_name(*unit)),
        };
        f.write_str(name)
    }
}

impl FromStr for TypeName {
    type Err = InterchangeError;

    /// Reads a type name; the unit in parentheses may be left out and is then `ns`.
    fn from_str(text: &str) -> Result<Self> {
        let (name, argument) = match text.trim().split_once('(') {
            Some((name, rest)) => (
                name.trim(),
                Some(rest.strip_suffix(')').ok_or_else(|| unknown(text))?),
            ),
            None => (text.trim(), None),
        };
        let unit = || argument.map_or(Ok(TimeUnit::Nanosecond), parse_time_unit);
        let plain = match name {
            "time" => return Ok(TypeName::Time(unit()?)),
            "timestamp" => return Ok(TypeName::Timestamp(unit()?)),
            "duration" => return Ok(TypeName::Duration(unit()?)),
            "decimal" => return decimal(argument).ok_or_else(|| unknown(text)),
            "bool" => TypeName::Bool,
            "i8" => TypeName::I8,
            "i16" => TypeName::I16,
            "i32" => TypeName::I32,
            "i64" => TypeName::I64,
            "u8" => TypeName::U8,
            "u16" => TypeName::U16,
            "u32" => TypeName::U32,
            "u64" => TypeName::U64,
            "f32" => TypeName::F32,
            "f64" => TypeName::F64,
            "date" => TypeName::Date,
            "symbol" => TypeName::Symbol,
            "utf8" => TypeName::Utf8,
            "binary" => TypeName::Binary,
            _ => return Err(unknown(text)),
        };
        if argument.is_some() {
            Err(unknown(text))
        } else {
            Ok(plain)
        }
    }
}

fn decimal(argument: Option<&str>) -> Option<TypeName> {
    let (precision, scale) = argument?.split_once(',')?;
    let (precision, scale) = (
        precision.trim().parse::<u8>().ok()?,
        scale.trim().parse::<u8>().ok()?,
    );
    let fits = (1..=38).contains(&precision) && scale <= precision;
    fits.then_some(TypeName::Decimal {
        precision,
        scale: i8::try_from(scale).ok()?,
    })
}

fn unknown(text: &str) -> InterchangeError {
    InterchangeError::invalid("is not a column type").with_value(text.as_bytes()).with_hint(
        "types are bool, i8 to i64, u8 to u64, f32, f64, decimal(p,s), date, time(unit), timestamp(unit), \
         duration(unit), symbol, utf8 and binary; units are s, ms, us and ns",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_name_reads_back_as_itself() {
        for name in [
            "bool",
            "i8",
            "u64",
            "f32",
            "f64",
            "date",
            "symbol",
            "utf8",
            "binary",
            "decimal(18,4)",
            "time(us)",
            "timestamp(ms)",
            "duration(s)",
        ] {
            let read: TypeName = name.parse().unwrap();
            assert_eq!(read.to_string(), name);
        }
        assert_eq!(
            "timestamp".parse::<TypeName>().unwrap(),
            TypeName::Timestamp(TimeUnit::Nanosecond)
        );
    }

    #[test]
    fn a_wrong_type_name_is_refused_with_the_list_of_types() {
        for name in [
            "float",
            "i64(3)",
            "decimal(0,0)",
            "decimal(39,2)",
            "decimal(4,5)",
            "timestamp(min)",
            "time(s",
            "",
        ] {
            let error = name.parse::<TypeName>().unwrap_err();
            assert!(error.hint.is_some(), "{name}");
        }
    }
}
