//! The values of a batch as text, for CSV and JSON lines.
//!
//! - Floats are the shortest text that reads back as the same double (`1.0`, `1e300`, `NaN`, `inf`).
//! - Instants are ISO 8601 with nine decimals, with `Z` when the column has a zone: they are written in UTC.
//! - Binary is hexadecimal, a duration a count of its unit, a list is written as in JSON.

use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{InterchangeError, Result};
use crate::write::instant::{push_day, push_instant, push_time};

/// What sort of text a value is, which settles its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    /// JSON takes it bare: a number, true or false.
    Literal,
    /// A JSON array.
    Array,
    /// Text that may hold anything.
    Text,
}

/// One column of a batch, ready to be written value by value.
pub(crate) struct Cells {
    array: ArrayRef,
    pub(crate) kind: CellKind,
}

/// Whether a column of this type can be written as text.
pub(crate) fn check_type(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) | DataType::RunEndEncoded(..) => {}
        DataType::Interval(_)
        | DataType::Decimal256(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..) => {}
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::Float16 | DataType::Date64 => {}
        DataType::Dictionary(_, value) => return check_type(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if item.data_type().is_numeric() =>
        {
            return check_type(item.data_type());
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {}
        _ => return Ok(()),
    }
    Err(
        InterchangeError::unsupported(format!("columns of type {data_type} cannot be written as text"))
            .with_hint("write Parquet or Arrow instead"),
    )
}

impl Cells {
    pub(crate) fn new(array: &ArrayRef) -> Result<Self> {
        check_type(array.data_type())?;
        let to = match array.data_type() {
            DataType::Dictionary(_, value) => Some(value.as_ref().clone()),
            DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8),
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Some(DataType::Binary)
            }
            _ => None,
        };
        let array = match to {
            None => array.clone(),
            Some(to) => {
                let plain = arrow_cast::cast(array, &to);
                let plain = plain.map_err(|error| InterchangeError::unsupported(error.to_string()))?;
                return Cells::new(&plain);
            }
        };
        let kind = match array.data_type() {
            DataType::Boolean => CellKind::Literal,
            DataType::Duration(_) => CellKind::Literal,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => CellKind::Array,
            number if number.is_numeric() => CellKind::Literal,
            _ => CellKind::Text,
        };
        Ok(Cells { array, kind })
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.array.data_type() == &DataType::Null || self.array.is_null(row)
    }

    /// Appends the value of `row`, which is not null.
    pub(crate) fn push(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let array = self.array.as_ref();
        // Writing to a vector does not fail.
        macro_rules! shown {
            ($type:ty, $format:literal) => {{
                let _ = write!(out, $format, array.as_primitive::<$type>().value(row));
            }};
        }
        match array.data_type() {
            DataType::Boolean => out.extend_from_slice(if array.as_boolean().value(row) {
                b"true"
            } else {
                b"false"
            }),
            DataType::Int8 => shown!(Int8Type, "{}"),
            DataType::Int16 => shown!(Int16Type, "{}"),
            DataType::Int32 => shown!(Int32Type, "{}"),
            DataType::Int64 => shown!(Int64Type, "{}"),
            DataType::UInt8 => shown!(UInt8Type, "{}"),
            DataType::UInt16 => shown!(UInt16Type, "{}"),
            DataType::UInt32 => shown!(UInt32Type, "{}"),
            DataType::UInt64 => shown!(UInt64Type, "{}"),
            DataType::Float32 => shown!(Float32Type, "{:?}"),
            DataType::Float64 => shown!(Float64Type, "{:?}"),
            DataType::Decimal128(..) => {
                out.extend_from_slice(
                    array
                        .as_primitive::<Decimal128Type>()
                        .value_as_string(row)
                        .as_bytes(),
                );
            }
            DataType::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
            DataType::Binary => {
                for byte in array.as_binary::<i32>().value(row) {
                    let _ = write!(out, "{byte:02x}");
                }
            }
            DataType::List(_) => return push_list(&array.as_list::<i32>().value(row), out),
            DataType::LargeList(_) => return push_list(&array.as_list::<i64>().value(row), out),
            DataType::FixedSizeList(..) => {
                return push_list(&array.as_fixed_size_list().value(row), out);
            }
            _ => return push_temporal(array, row, out),
        }
        Ok(())
    }
}

fn push_list(items: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    let cells = Cells::new(items)?;
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        let start = out.len();
        if cells.is_null(item) {
            out.extend_from_slice(b"null");
        } else {
            cells.push(item, out)?;
        }
        // JSON has no such numbers: they are strings.
        if let Some(b"NaN" | b"inf" | b"-inf") = out.get(start..) {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }
    out.push(b']');
    Ok(())
}

fn push_temporal(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
    macro_rules! count {
        ($type:ty) => {
            i64::from(array.as_primitive::<$type>().value(row))
        };
    }
    let count = match array.data_type() {
        DataType::Date32 => count!(Date32Type),
        DataType::Time32(TimeUnit::Second) => count!(Time32SecondType),
        DataType::Time32(_) => count!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => count!(Time64MicrosecondType),
        DataType::Time64(_) => count!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => count!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => count!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => count!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => count!(TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => count!(DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => count!(DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => count!(DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => count!(DurationNanosecondType),
        other => {
            return check_type(other).and(Err(InterchangeError::unsupported(format!("the type {other}"))));
        }
    };
    let pushed = match array.data_type() {
        DataType::Date32 => push_day(out, count),
        DataType::Time32(unit) | DataType::Time64(unit) => push_time(out, count, *unit),
        DataType::Timestamp(unit, zone) => push_instant(out, count, *unit).map(|()| {
            if zone.is_some() {
                out.push(b'Z');
            }
        }),
        _ => write!(out, "{count}").ok(),
    };
    pushed.ok_or_else(|| {
        InterchangeError::invalid("is outside of the years 0 to 9999")
            .with_value(count.to_string().as_bytes())
    })
}

/// The columns of a batch, or the name of the column that cannot be written.
pub(crate) fn cells_of(batch: &arrow_array::RecordBatch) -> Result<Vec<Cells>> {
    let fields: Vec<&Arc<arrow_schema::Field>> = batch.schema_ref().fields().iter().collect();
    let cells = batch.columns().iter().zip(fields);
    cells
        .map(|(array, field)| Cells::new(array).map_err(|error| error.in_column(field.name())))
        .collect()
}
