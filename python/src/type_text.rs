//! Column types as text: `"float64"`, `"timestamp[ns, UTC]"`, `"symbol"`, `"decimal128(18, 4)"`, `"list<float64>"`.
//!
//! The names of Arrow, with `symbol` for a dictionary of text, and the short ones of the command (`f64`).

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use gapless::{Error, Result};

/// Text of many repetitions, stored as codes of a symbol domain.
pub(crate) fn symbol() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

/// The type of a name.
///
/// # Errors
/// `Invalid`, listing the names there are.
pub(crate) fn parse(text: &str) -> Result<DataType> {
    let text = text.trim();
    simple(text)
        .or_else(|| with_arguments(text))
        .or_else(|| list(text))
        .ok_or_else(|| unknown(text))
}

fn simple(text: &str) -> Option<DataType> {
    Some(match text {
        "bool" | "boolean" => DataType::Boolean,
        "int8" | "i8" => DataType::Int8,
        "int16" | "i16" => DataType::Int16,
        "int32" | "i32" => DataType::Int32,
        "int64" | "i64" => DataType::Int64,
        "uint8" | "u8" => DataType::UInt8,
        "uint16" | "u16" => DataType::UInt16,
        "uint32" | "u32" => DataType::UInt32,
        "uint64" | "u64" => DataType::UInt64,
        "float32" | "f32" | "float" => DataType::Float32,
        "float64" | "f64" | "double" => DataType::Float64,
        "date" | "date32" | "date32[day]" => DataType::Date32,
        "utf8" | "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "symbol" => symbol(),
        _ => return None,
    })
}

/// `name[arguments]` or `name(arguments)`.
fn with_arguments(text: &str) -> Option<DataType> {
    let (name, rest) = text.split_once(['[', '('])?;
    let arguments = rest.strip_suffix([']', ')'])?;
    let parts: Vec<&str> = arguments.split(',').map(str::trim).collect();
    match (name.trim(), parts.as_slice()) {
        ("timestamp", [unit]) => Some(DataType::Timestamp(time_unit(unit)?, None)),
        ("timestamp", [unit, zone]) => {
            let zone = zone.strip_prefix("tz=").unwrap_or(zone);
            Some(DataType::Timestamp(time_unit(unit)?, Some(zone.into())))
        }
        ("time" | "time32" | "time64", [unit]) => Some(match time_unit(unit)? {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit => DataType::Time64(unit),
        }),
        ("duration", [unit]) => Some(DataType::Duration(time_unit(unit)?)),
        ("decimal" | "decimal128", [precision]) => decimal(precision, "0"),
        ("decimal" | "decimal128", [precision, scale]) => decimal(precision, scale),
        _ => None,
    }
}

fn decimal(precision: &str, scale: &str) -> Option<DataType> {
    let (precision, scale): (u8, i8) = (precision.parse().ok()?, scale.parse().ok()?);
    let fits =
        (1..=38).contains(&precision) && (0..=38).contains(&scale) && scale.unsigned_abs() <= precision;
    fits.then_some(DataType::Decimal128(precision, scale))
}

/// `list<float64>`, `fixed_size_list<float64>[10]`, and the same with Arrow's `item: `.
fn list(text: &str) -> Option<DataType> {
    let (name, rest) = text.split_once('<')?;
    let (item, rest) = rest.rsplit_once('>')?;
    let item = item.split_once(':').map_or(item, |(_, item)| item).trim();
    let item = simple(item).filter(DataType::is_numeric)?;
    let item = Arc::new(Field::new("item", item, true));
    match (name.trim(), rest.trim()) {
        ("list" | "large_list", "") => Some(DataType::List(item)),
        ("fixed_size_list", rest) => {
            let len: i32 = rest.strip_prefix('[')?.strip_suffix(']')?.trim().parse().ok()?;
            (len > 0).then_some(DataType::FixedSizeList(item, len))
        }
        _ => None,
    }
}

fn time_unit(text: &str) -> Option<TimeUnit> {
    Some(match text {
        "s" => TimeUnit::Second,
        "ms" => TimeUnit::Millisecond,
        "us" => TimeUnit::Microsecond,
        "ns" => TimeUnit::Nanosecond,
        _ => return None,
    })
}

fn unknown(text: &str) -> Error {
    Error::invalid(format!(
        "{text:?} is no column type: there are bool, int8 to int64, uint8 to uint64, float32, float64, decimal128(p, s), date32, \
         time64[unit], timestamp[unit, zone], duration[unit], symbol, utf8, binary, list<number> and \
         fixed_size_list<number>[length]; units are s, ms, us and ns"
    ))
}

/// The name of a type, as [`parse`] reads it.
pub(crate) fn name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Date32 => "date32".to_owned(),
        DataType::Utf8 => "utf8".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => "symbol".to_owned(),
        DataType::Timestamp(unit, None) => format!("timestamp[{}]", unit_name(*unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp[{}, {zone}]", unit_name(*unit)),
        DataType::Time32(unit) => format!("time32[{}]", unit_name(*unit)),
        DataType::Time64(unit) => format!("time64[{}]", unit_name(*unit)),
        DataType::Duration(unit) => format!("duration[{}]", unit_name(*unit)),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision}, {scale})"),
        DataType::List(item) => format!("list<{}>", name(item.data_type())),
        DataType::FixedSizeList(item, len) => {
            let mut text = format!("fixed_size_list<{}>", name(item.data_type()));
            // Writing into a string does not fail.
            let _ = write!(text, "[{len}]");
            text
        }
        other => other.to_string().to_lowercase(),
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
