//! One Arrow column, value by value, as text for people. What programs read is made by `gapless-interchange`.
//!
//! - Instants are UTC in ISO 8601, with `Z` when the column has a zone, and with as many decimals as their column needs.
//! - Durations are human. Binary is hexadecimal.
//! - Floats are the shortest text that reads back as the same number. Within lists, which are JSON, NaN and infinities are
//!   strings, and so are decimals.
//! - Structs, which only SQL makes, are JSON objects; what is left (intervals, maps, unions) has Arrow's own text.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use gapless_interchange::plain_type;
use jiff::Timestamp;
use serde_json::{Number, Value};

use super::unit::{decimals, duration, with_decimals};
use crate::error::CliError;

/// A column, ready to be shown.
pub(crate) struct Values {
    array: ArrayRef,
    decimals: usize,
}

macro_rules! value {
    ($array:expr, $type:ty, $row:expr) => {
        $array.as_primitive::<$type>().value($row)
    };
}

impl Values {
    /// Prepares a column; symbols become their text.
    pub(crate) fn new(array: &ArrayRef) -> Result<Self, CliError> {
        if let Some(plain) = shown_type(array.data_type()) {
            let plain = arrow_cast::cast(array, &plain).map_err(|error| {
                CliError::internal(format!("cannot read values of {}: {error}", array.data_type()))
            })?;
            return Self::new(&plain);
        }
        let array = ArrayRef::clone(array);
        let decimals = match array.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, _) => array
                .as_primitive::<TimestampNanosecondType>()
                .iter()
                .flatten()
                .map(decimals)
                .max()
                .unwrap_or(0),
            DataType::Timestamp(unit, _) => unit_decimals(*unit),
            _ => 9,
        };
        Ok(Self { array, decimals })
    }

    /// Whether the value of a row is null.
    fn is_null(&self, row: usize) -> bool {
        self.array.data_type() == &DataType::Null || self.array.is_null(row)
    }

    /// The value of a row as text; empty when it is null.
    pub(crate) fn text(&self, row: usize) -> String {
        if self.is_null(row) {
            return String::new();
        }
        match self.json(row) {
            Value::String(text) => text,
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                format!("[{}]", items.join(", "))
            }
            other => other.to_string(),
        }
    }

    /// The value of a row as JSON.
    fn json(&self, row: usize) -> Value {
        let array = &self.array;
        if self.is_null(row) {
            return Value::Null;
        }
        match array.data_type() {
            DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
            DataType::Int8 => value!(array, Int8Type, row).into(),
            DataType::Int16 => value!(array, Int16Type, row).into(),
            DataType::Int32 => value!(array, Int32Type, row).into(),
            DataType::Int64 => value!(array, Int64Type, row).into(),
            DataType::UInt8 => value!(array, UInt8Type, row).into(),
            DataType::UInt16 => value!(array, UInt16Type, row).into(),
            DataType::UInt32 => value!(array, UInt32Type, row).into(),
            DataType::UInt64 => value!(array, UInt64Type, row).into(),
            DataType::Float32 => {
                // Through its text, so that 0.1 stays 0.1.
                let text = format!("{:?}", value!(array, Float32Type, row));
                float(text.parse().unwrap_or(f64::NAN), text)
            }
            DataType::Float64 => {
                let value = value!(array, Float64Type, row);
                float(value, format!("{value:?}"))
            }
            DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row).into(),
            DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().value_as_string(row).into(),
            DataType::Utf8 => array.as_string::<i32>().value(row).into(),
            DataType::Binary => hex(array.as_binary::<i32>().value(row)).into(),
            DataType::List(_) => self.list(&array.as_list::<i32>().value(row)),
            DataType::FixedSizeList(..) => self.list(&array.as_fixed_size_list().value(row)),
            DataType::Struct(_) => self.object(array.as_struct(), row),
            _ => self.temporal(row),
        }
    }

    fn list(&self, items: &ArrayRef) -> Value {
        match Values::new(items) {
            Ok(values) => (0..items.len()).map(|item| values.json(item)).collect(),
            Err(_) => Value::Null,
        }
    }

    fn object(&self, row_of: &StructArray, row: usize) -> Value {
        let value = |array: &ArrayRef| match Values::new(&array.slice(row, 1)) {
            Ok(values) => values.json(0),
            Err(_) => Value::Null,
        };
        let fields = row_of.fields().iter().zip(row_of.columns());
        fields
            .map(|(field, array)| (field.name().clone(), value(array)))
            .collect()
    }

    fn temporal(&self, row: usize) -> Value {
        let array = &self.array;
        match array.data_type() {
            DataType::Date32 => {
                let day = i64::from(value!(array, Date32Type, row));
                let text = Timestamp::from_second(day.saturating_mul(86_400)).map(|time| time.to_string());
                match text.ok().and_then(|text| text.get(..10).map(str::to_owned)) {
                    Some(date) => date.into(),
                    None => day.into(),
                }
            }
            DataType::Time32(TimeUnit::Second) => {
                time_of_day(i64::from(value!(array, Time32SecondType, row)), TimeUnit::Second)
            }
            DataType::Time32(_) => time_of_day(
                i64::from(value!(array, Time32MillisecondType, row)),
                TimeUnit::Millisecond,
            ),
            DataType::Time64(TimeUnit::Microsecond) => {
                time_of_day(value!(array, Time64MicrosecondType, row), TimeUnit::Microsecond)
            }
            DataType::Time64(_) => {
                time_of_day(value!(array, Time64NanosecondType, row), TimeUnit::Nanosecond)
            }
            DataType::Timestamp(unit, zone) => {
                let count = match unit {
                    TimeUnit::Second => value!(array, TimestampSecondType, row),
                    TimeUnit::Millisecond => value!(array, TimestampMillisecondType, row),
                    TimeUnit::Microsecond => value!(array, TimestampMicrosecondType, row),
                    TimeUnit::Nanosecond => value!(array, TimestampNanosecondType, row),
                };
                self.timestamp(count, *unit, zone.is_some())
            }
            DataType::Duration(unit) => {
                let count = match unit {
                    TimeUnit::Second => value!(array, DurationSecondType, row),
                    TimeUnit::Millisecond => value!(array, DurationMillisecondType, row),
                    TimeUnit::Microsecond => value!(array, DurationMicrosecondType, row),
                    TimeUnit::Nanosecond => value!(array, DurationNanosecondType, row),
                };
                duration(i128::from(count) * i128::from(unit_ns(*unit))).into()
            }
            other => {
                let shown = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default())
                    .and_then(|shown| shown.value(row).try_to_string());
                shown.unwrap_or_else(|_| format!("<{other}>")).into()
            }
        }
    }

    fn timestamp(&self, count: i64, unit: TimeUnit, zoned: bool) -> Value {
        let time = Timestamp::from_nanosecond(i128::from(count) * i128::from(unit_ns(unit)));
        match with_decimals(time.ok(), self.decimals) {
            Some(text) if zoned => text.into(),
            Some(text) => text.trim_end_matches('Z').into(),
            // Outside of the years that a calendar has.
            None => count.into(),
        }
    }
}

/// The type that the values of another one are shown as: that in which they are written to files, and lists are of one kind.
fn shown_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::LargeList(item) => Some(DataType::List(item.clone())),
        other => plain_type(other),
    }
}

fn float(value: f64, text: String) -> Value {
    Number::from_f64(value).map_or(Value::String(text), Value::Number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unit_ns(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn unit_decimals(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

fn time_of_day(count: i64, unit: TimeUnit) -> Value {
    let ns = i128::from(count) * i128::from(unit_ns(unit));
    if !(0..86_400_000_000_000).contains(&ns) {
        return count.into();
    }
    let (seconds, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!("{rest:09}");
    match fraction.get(..unit_decimals(unit)) {
        Some(digits) if !digits.is_empty() => format!("{hour:02}:{minute:02}:{second:02}.{digits}").into(),
        _ => format!("{hour:02}:{minute:02}:{second:02}").into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::*;
    use arrow_schema::Field;

    use super::*;

    /// Each value alone, and within a list.
    fn shown(array: impl Array + 'static) -> (Vec<String>, Vec<String>) {
        let array: ArrayRef = Arc::new(array);
        let values = Values::new(&array).unwrap();
        (
            (0..array.len()).map(|row| values.text(row)).collect(),
            (0..array.len()).map(|row| values.json(row).to_string()).collect(),
        )
    }

    #[test]
    fn floats_keep_every_bit_and_lists_have_no_bare_nan() {
        let (text, json) = shown(Float64Array::from(vec![
            0.1,
            1.0,
            f64::NAN,
            f64::NEG_INFINITY,
            -0.0,
            1e300,
        ]));
        assert_eq!(text, ["0.1", "1.0", "NaN", "-inf", "-0.0", "1e+300"]);
        assert_eq!(json, ["0.1", "1.0", "\"NaN\"", "\"-inf\"", "-0.0", "1e+300"]);
        let (_, json) = shown(Float32Array::from(vec![0.1f32, f32::INFINITY]));
        assert_eq!(json, ["0.1", "\"inf\""]);
    }

    #[test]
    fn instants_show_the_decimals_of_their_column() {
        let array = TimestampNanosecondArray::from(vec![Some(0), Some(1_500_000), None]).with_timezone("UTC");
        let (text, json) = shown(array);
        assert_eq!(
            text,
            ["1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.001500Z", ""]
        );
        assert_eq!(json[2], "null");
        let (_, json) = shown(TimestampSecondArray::from(vec![i64::MAX, 1]));
        assert_eq!(json, [i64::MAX.to_string(), "\"1970-01-01T00:00:01\"".to_owned()]);
    }

    #[test]
    fn dates_times_durations_and_bytes_have_their_usual_form() {
        assert_eq!(
            shown(Date32Array::from(vec![15_706, -1])).0,
            ["2013-01-01", "1969-12-31"]
        );
        assert_eq!(
            shown(Time64MicrosecondArray::from(vec![1])).0,
            ["00:00:00.000001"]
        );
        assert_eq!(shown(Time32SecondArray::from(vec![86_399])).0, ["23:59:59"]);
        assert_eq!(
            shown(DurationMillisecondArray::from(vec![90_500])),
            (vec!["1m 30.5s".into()], vec!["\"1m 30.5s\"".into()])
        );
        assert_eq!(shown(BinaryArray::from(vec![&b"\x00\xff"[..]])).0, ["00ff"]);
        let decimal = Decimal128Array::from(vec![12_345])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_eq!(shown(decimal).1, ["\"123.45\""]);
    }

    #[test]
    fn what_only_sql_makes_is_shown_too() {
        assert_eq!(shown(StringViewArray::from(vec!["a"])).1, ["\"a\""]);
        assert_eq!(shown(LargeStringArray::from(vec!["a"])).0, ["a"]);
        assert_eq!(shown(BinaryViewArray::from(vec![&b"\x00\xff"[..]])).0, ["00ff"]);
        assert_eq!(shown(NullArray::new(1)), (vec!["".into()], vec!["null".into()]));
        let interval = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 0)]);
        assert_eq!(shown(interval).0, ["1 mons 2 days"]);
        let fields: Vec<(Arc<Field>, ArrayRef)> = vec![
            (
                Arc::new(Field::new("a", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![1])),
            ),
            (
                Arc::new(Field::new("b", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec![None::<&str>])),
            ),
        ];
        assert_eq!(shown(StructArray::from(fields)).1, ["{\"a\":1,\"b\":null}"]);
    }

    #[test]
    fn lists_are_arrays() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), Some(2)]),
            Some(vec![]),
        ]);
        assert_eq!(
            shown(list),
            (
                vec!["[1, 2]".into(), "[]".into()],
                vec!["[1,2]".into(), "[]".into()]
            )
        );
    }
}
