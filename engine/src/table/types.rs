//! Arrow types to column types and back.
//!
//! One column type has one Arrow type on reading. Several Arrow types may be written into it: what is
//! lossless (large offsets, views, dictionaries of any key width, coarser time units) is converted by
//! [`crate::write`], anything else is refused by name.

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit as ArrowUnit};
use gapless_format::{ColumnType, Number, TimeUnit};

use crate::error::{Error, Result};

/// The Arrow type in which a column of `column_type` is read.
pub fn arrow_type(column_type: &ColumnType) -> DataType {
    match column_type {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Number(number) => arrow_number(*number),
        ColumnType::Decimal128 { precision, scale } => DataType::Decimal128(*precision, *scale),
        ColumnType::Date => DataType::Date32,
        ColumnType::Time(unit @ (TimeUnit::Second | TimeUnit::Millisecond)) => {
            DataType::Time32(arrow_unit(*unit))
        }
        ColumnType::Time(unit) => DataType::Time64(arrow_unit(*unit)),
        ColumnType::Timestamp { unit, zone } => {
            DataType::Timestamp(arrow_unit(*unit), zone.as_deref().map(Arc::from))
        }
        ColumnType::Duration(unit) => DataType::Duration(arrow_unit(*unit)),
        ColumnType::Symbol { .. } => {
            DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
        }
        ColumnType::Utf8 => DataType::Utf8,
        ColumnType::Binary => DataType::Binary,
        ColumnType::FixedList { item, len } => {
            DataType::FixedSizeList(item_field(*item), i32::try_from(*len).unwrap_or(i32::MAX))
        }
        ColumnType::List(item) => DataType::List(item_field(*item)),
    }
}

/// The Arrow type in which a column travels inside the engine: as [`arrow_type`], symbols as their codes.
pub fn storage_type(column_type: &ColumnType) -> DataType {
    match column_type {
        ColumnType::Symbol { .. } => DataType::UInt32,
        other => arrow_type(other),
    }
}

/// How many units of a wider time type make one of a narrower, where they differ.
pub(crate) fn unit_factor(from: &ColumnType, to: &ColumnType) -> Option<i64> {
    use ColumnType as C;
    let (from, to) = match (from, to) {
        (C::Time(from), C::Time(to))
        | (C::Duration(from), C::Duration(to))
        | (C::Timestamp { unit: from, .. }, C::Timestamp { unit: to, .. }) => (*from, *to),
        _ => return None,
    };
    let factor = unit_ns(from) / unit_ns(to);
    (factor > 1).then_some(factor)
}

fn unit_ns(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// The column type that takes values of an Arrow type. `domain` is the symbol domain to use if it
/// is a dictionary of strings.
///
/// # Errors
/// `Unsupported`, naming the column and its type, for an Arrow type outside the design.
pub fn column_type(field: &Field, domain: &str) -> Result<ColumnType> {
    Ok(match field.data_type() {
        DataType::Boolean => ColumnType::Bool,
        DataType::Decimal128(precision, scale) => ColumnType::Decimal128 {
            precision: *precision,
            scale: *scale,
        },
        DataType::Date32 => ColumnType::Date,
        DataType::Time32(unit) | DataType::Time64(unit) => ColumnType::Time(format_unit(*unit)),
        DataType::Timestamp(unit, zone) => ColumnType::Timestamp {
            unit: format_unit(*unit),
            zone: zone.as_ref().map(|zone| zone.to_string()),
        },
        DataType::Duration(unit) => ColumnType::Duration(format_unit(*unit)),
        DataType::Dictionary(_, values) if is_text(values) => ColumnType::Symbol {
            domain: domain.to_owned(),
        },
        text if is_text(text) => ColumnType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ColumnType::Binary,
        DataType::FixedSizeList(item, len) if *len > 0 => ColumnType::FixedList {
            item: list_item(field, item)?,
            len: len.unsigned_abs(),
        },
        DataType::List(item) | DataType::LargeList(item) => ColumnType::List(list_item(field, item)?),
        other => match number(other) {
            Some(number) => ColumnType::Number(number),
            None => return Err(refused(field.name(), other)),
        },
    })
}

/// Whether an Arrow type holds strings.
pub fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn refused(column: &str, data_type: &DataType) -> Error {
    Error::unsupported(format!(
        "column {column:?} has the Arrow type {data_type}, which gapless does not store; cast it to one of bool, \
         integers, floats, decimal128, date32, time, timestamp, duration, utf8, binary, dictionary of utf8, or a \
         list of numbers"
    ))
}

fn list_item(field: &Field, item: &Field) -> Result<Number> {
    number(item.data_type()).ok_or_else(|| refused(field.name(), field.data_type()))
}

fn item_field(item: Number) -> Arc<Field> {
    Arc::new(Field::new("item", arrow_number(item), true))
}

/// The Arrow type of a number.
pub fn arrow_number(number: Number) -> DataType {
    match number {
        Number::I8 => DataType::Int8,
        Number::I16 => DataType::Int16,
        Number::I32 => DataType::Int32,
        Number::I64 => DataType::Int64,
        Number::U8 => DataType::UInt8,
        Number::U16 => DataType::UInt16,
        Number::U32 => DataType::UInt32,
        Number::U64 => DataType::UInt64,
        Number::F32 => DataType::Float32,
        Number::F64 => DataType::Float64,
    }
}

fn number(data_type: &DataType) -> Option<Number> {
    Some(match data_type {
        DataType::Int8 => Number::I8,
        DataType::Int16 => Number::I16,
        DataType::Int32 => Number::I32,
        DataType::Int64 => Number::I64,
        DataType::UInt8 => Number::U8,
        DataType::UInt16 => Number::U16,
        DataType::UInt32 => Number::U32,
        DataType::UInt64 => Number::U64,
        DataType::Float32 => Number::F32,
        DataType::Float64 => Number::F64,
        _ => return None,
    })
}

fn arrow_unit(unit: TimeUnit) -> ArrowUnit {
    match unit {
        TimeUnit::Second => ArrowUnit::Second,
        TimeUnit::Millisecond => ArrowUnit::Millisecond,
        TimeUnit::Microsecond => ArrowUnit::Microsecond,
        TimeUnit::Nanosecond => ArrowUnit::Nanosecond,
    }
}

fn format_unit(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Millisecond,
        ArrowUnit::Microsecond => TimeUnit::Microsecond,
        ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
    }
}

/// A column in the storage type of a column type that is at least as wide.
///
/// # Errors
/// `Corrupt` when the array's values do not fit.
pub(crate) fn widened(
    array: &arrow_array::ArrayRef,
    column_type: &ColumnType,
) -> crate::error::Result<arrow_array::ArrayRef> {
    let to = storage_type(column_type);
    if *arrow_array::Array::data_type(array) == to {
        return Ok(Arc::clone(array));
    }
    let options = arrow_cast::CastOptions {
        safe: false,
        ..Default::default()
    };
    arrow_cast::cast_with_options(array, &to, &options)
        .map_err(|error| Error::corrupt(format!("a stored column does not convert to {to}: {error}")))
}
