//! The values of a batch as text, for CSV and JSON.
//!
//! - Floats are the shortest text that reads back as the same double (`1.0`, `1e300`, `NaN`, `inf`).
//! - Decimals have all their digits. JSON has them as strings, because most readers would make doubles of them, and `NaN` and
//!   infinities too, which it lacks.
//! - Instants are ISO 8601 with nine decimals, with `Z` when the column has a zone: they are written in UTC.
//! - Binary is hexadecimal, a duration a count of its unit. Lists and structs are written as in JSON.
//! - What is left (intervals, maps, unions) has Arrow's own text.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{InterchangeError, Result};
use crate::write::instant::{push_day, push_instant, push_time};

/// What sort of text a value is, which settles its quotes in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellKind {
    /// JSON takes it bare: a number, true or false.
    Literal,
    /// A JSON array or object.
    Nested,
    /// Text that may hold anything.
    Text,
}

/// One column of a batch, ready to be written value by value.
pub(crate) struct Cells {
    array: ArrayRef,
    kind: CellKind,
    /// The fields of a struct: the key as JSON, and the values.
    fields: Vec<(Vec<u8>, Cells)>,
}

/// The type that values of another one are written as, in text that people read; `None` for those that are written as they are.
///
/// ```
/// use arrow_schema::DataType;
/// assert_eq!(gapless_interchange::plain_type(&DataType::LargeUtf8), Some(DataType::Utf8));
/// assert_eq!(gapless_interchange::plain_type(&DataType::Int64), None);
/// ```
#[must_use]
pub fn plain_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::ListView(item) => DataType::List(item.clone()),
        DataType::LargeListView(item) => DataType::LargeList(item.clone()),
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        _ => return None,
    })
}

impl Cells {
    pub(crate) fn new(array: &ArrayRef) -> Result<Self> {
        if let Some(plain) = plain_type(array.data_type()) {
            let plain = arrow_cast::cast(array, &plain);
            return Cells::new(&plain.map_err(|error| InterchangeError::unsupported(error.to_string()))?);
        }
        let kind = match array.data_type() {
            DataType::Boolean | DataType::Duration(_) => CellKind::Literal,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => CellKind::Nested,
            DataType::Struct(_) => CellKind::Nested,
            DataType::Decimal128(..) | DataType::Decimal256(..) => CellKind::Text,
            number if number.is_numeric() => CellKind::Literal,
            _ => CellKind::Text,
        };
        Ok(Cells {
            array: array.clone(),
            kind,
            fields: fields_of(array)?,
        })
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.array.data_type() == &DataType::Null || self.array.is_null(row)
    }

    /// Appends the value of `row` as JSON.
    pub(crate) fn push_json(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let start = out.len();
        match self.kind {
            CellKind::Nested => return self.push(row, out),
            CellKind::Literal => {
                self.push(row, out)?;
                // JSON has no such numbers: they are strings.
                if let Some(b"NaN" | b"inf" | b"-inf") = out.get(start..) {
                    out.insert(start, b'"');
                    out.push(b'"');
                }
            }
            CellKind::Text => {
                self.push(row, out)?;
                let text = out.split_off(start);
                push_json_text(&text, out);
            }
        }
        Ok(())
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
        macro_rules! decimal {
            ($type:ty) => {{
                let text = array.as_primitive::<$type>().value_as_string(row);
                out.extend_from_slice(text.as_bytes());
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
            DataType::Decimal128(..) => decimal!(Decimal128Type),
            DataType::Decimal256(..) => decimal!(Decimal256Type),
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
            DataType::Struct(_) => return self.push_struct(row, out),
            _ => return push_temporal(array, row, out),
        }
        Ok(())
    }

    fn push_struct(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        for (index, (key, cells)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            cells.push_json(row, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

/// The fields of a struct, ready to be written; nothing for everything else.
fn fields_of(array: &ArrayRef) -> Result<Vec<(Vec<u8>, Cells)>> {
    let Some(array) = array.as_struct_opt() else {
        return Ok(Vec::new());
    };
    let fields = array.fields().iter().zip(array.columns());
    fields
        .map(|(field, values)| Ok((json_key(field.name()), Cells::new(values)?)))
        .collect()
}

fn push_list(items: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    let cells = Cells::new(items)?;
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        cells.push_json(item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// A name and the colon after it.
pub(crate) fn json_key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    push_json_text(name.as_bytes(), &mut key);
    key.push(b':');
    key
}

fn push_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// What has no text of ours.
fn push_shown(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
    let shown = ArrayFormatter::try_new(array, &FormatOptions::default())
        .and_then(|shown| shown.value(row).try_to_string());
    let text = shown.map_err(|error| {
        InterchangeError::unsupported(format!(
            "columns of type {} cannot be written as text: {error}",
            array.data_type()
        ))
        .with_hint("write Parquet or Arrow instead")
    })?;
    out.extend_from_slice(text.as_bytes());
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
        _ => return push_shown(array, row, out),
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
    let fields = batch.schema_ref().fields().iter();
    let cells = batch.columns().iter().zip(fields);
    cells
        .map(|(array, field)| Cells::new(array).map_err(|error| error.in_column(field.name())))
        .collect()
}
