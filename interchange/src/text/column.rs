//! One column under construction from text.
//!
//! - A value either goes in whole or leaves the column as it was.
//! - `truncate` takes rows back, so a bad value later in a line undoes the line.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, TimeUnit};

use crate::error::BadValue;
use crate::text::number::{parse_decimal, parse_f64, parse_i64, parse_u64};
use crate::text::strings::{Strings, Symbols, checked};
use crate::text::time::{Civil, TimeReader, time_of_day};
use crate::type_name::{TypeName, nanoseconds_per, time_unit_name};

/// Which rows are null; costs nothing until one is.
#[derive(Default)]
struct Validity {
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    /// Notes that row number `rows` is valid.
    #[inline]
    fn push_valid(&mut self) {
        if let Some(bits) = &mut self.bits {
            bits.append(true);
        }
    }

    fn push_null(&mut self, rows: usize) {
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(rows + 1);
            bits.append_n(rows, true);
            bits
        });
        bits.append(false);
    }

    fn truncate(&mut self, rows: usize) {
        if let Some(bits) = &mut self.bits {
            bits.truncate(rows);
        }
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        let nulls = NullBuffer::new(self.bits.take()?.finish());
        (nulls.null_count() > 0).then_some(nulls)
    }
}

/// The values of a column, by how they are stored.
enum Values {
    Bool(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Decimal(Vec<i128>, u8, i8),
    Date(Vec<i32>),
    Time32(Vec<i32>, TimeUnit),
    Time64(Vec<i64>, TimeUnit),
    Timestamp(Vec<i64>, Box<TimeReader>, Option<Arc<str>>),
    Duration(Vec<i64>, TimeUnit),
    Symbol(Symbols),
    Utf8(Strings),
    Binary(Strings),
}

/// One column under construction.
pub(crate) struct Column {
    values: Values,
    validity: Validity,
    rows: usize,
    required: bool,
}

/// Runs `$body` with the vector or builder of any storage.
macro_rules! each {
    ($values:expr, $v:ident => $vector:expr, $b:ident => $other:expr) => {
        match $values {
            Values::Bool($b) => $other,
            Values::I8($v) => $vector,
            Values::I16($v) => $vector,
            Values::I32($v) | Values::Date($v) | Values::Time32($v, _) => $vector,
            Values::I64($v) | Values::Time64($v, _) | Values::Timestamp($v, ..) | Values::Duration($v, _) => {
                $vector
            }
            Values::U8($v) => $vector,
            Values::U16($v) => $vector,
            Values::U32($v) => $vector,
            Values::U64($v) => $vector,
            Values::F32($v) => $vector,
            Values::F64($v) => $vector,
            Values::Decimal($v, ..) => $vector,
            Values::Symbol($b) => $other,
            Values::Utf8($b) | Values::Binary($b) => $other,
        }
    };
}

impl Column {
    /// An empty column. `times` reads a timestamp column, whose zone is `zone`; a `required` column refuses nulls.
    pub(crate) fn new(name: TypeName, times: &TimeReader, zone: Option<Arc<str>>, required: bool) -> Self {
        let values = match name {
            TypeName::Bool => Values::Bool(BooleanBufferBuilder::new(0)),
            TypeName::I8 => Values::I8(Vec::new()),
            TypeName::I16 => Values::I16(Vec::new()),
            TypeName::I32 => Values::I32(Vec::new()),
            TypeName::I64 => Values::I64(Vec::new()),
            TypeName::U8 => Values::U8(Vec::new()),
            TypeName::U16 => Values::U16(Vec::new()),
            TypeName::U32 => Values::U32(Vec::new()),
            TypeName::U64 => Values::U64(Vec::new()),
            TypeName::F32 => Values::F32(Vec::new()),
            TypeName::F64 => Values::F64(Vec::new()),
            TypeName::Decimal { precision, scale } => Values::Decimal(Vec::new(), precision, scale),
            TypeName::Date => Values::Date(Vec::new()),
            TypeName::Time(unit @ (TimeUnit::Second | TimeUnit::Millisecond)) => {
                Values::Time32(Vec::new(), unit)
            }
            TypeName::Time(unit) => Values::Time64(Vec::new(), unit),
            TypeName::Timestamp(_) => Values::Timestamp(Vec::new(), Box::new(times.clone()), zone),
            TypeName::Duration(unit) => Values::Duration(Vec::new(), unit),
            TypeName::Symbol => Values::Symbol(Symbols::new()),
            TypeName::Utf8 => Values::Utf8(Strings::new()),
            TypeName::Binary => Values::Binary(Strings::new()),
        };
        Column {
            values,
            validity: Validity::default(),
            rows: 0,
            required,
        }
    }

    /// Whether the empty string is a value of this column.
    pub(crate) fn is_text(&self) -> bool {
        matches!(
            self.values,
            Values::Symbol(_) | Values::Utf8(_) | Values::Binary(_)
        )
    }

    /// Adds the value written as `text`.
    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), BadValue> {
        match self.try_push(text) {
            Ok(()) => {}
            Err(bad) => {
                // Blanks around a number are common enough, and cost only here.
                let trimmed = text.trim_ascii();
                if self.is_text() || trimmed.len() == text.len() || self.try_push(trimmed).is_err() {
                    return Err(bad);
                }
            }
        }
        self.validity.push_valid();
        self.rows += 1;
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, text: &[u8]) -> Result<(), BadValue> {
        match &mut self.values {
            Values::I64(values) => values.push(parse_i64(text).ok_or_else(|| not_an_integer(text, "i64"))?),
            Values::F64(values) => values.push(parse_f64(text).ok_or_else(|| not_a_number(text, "f64"))?),
            Values::Symbol(symbols) => symbols.push(text)?,
            Values::Timestamp(values, times, _) => values.push(times.read(text)?),
            Values::Utf8(strings) => strings.push(checked(text)?.as_bytes()),
            other => push_rarer(other, text)?,
        }
        Ok(())
    }

    /// Adds a null.
    pub(crate) fn push_null(&mut self) -> Result<(), BadValue> {
        if self.required {
            return Err(BadValue::new("the time is missing").hint("every row needs a time"));
        }
        match &mut self.values {
            Values::Bool(bits) => bits.append(false),
            Values::Symbol(symbols) => symbols.push_null(),
            Values::Utf8(strings) | Values::Binary(strings) => strings.push(&[]),
            values => each!(values, v => v.push(Default::default()), _b => ()),
        }
        self.validity.push_null(self.rows);
        self.rows += 1;
        Ok(())
    }

    /// Takes back all but the first `rows` rows.
    pub(crate) fn truncate(&mut self, rows: usize) {
        each!(&mut self.values, v => v.truncate(rows), b => b.truncate(rows));
        self.validity.truncate(rows);
        self.rows = self.rows.min(rows);
    }

    /// The column, which is empty again afterwards.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.validity.finish();
        self.rows = 0;
        Ok(match &mut self.values {
            Values::Bool(bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Values::I8(v) => array::<Int8Type>(v, nulls)?,
            Values::I16(v) => array::<Int16Type>(v, nulls)?,
            Values::I32(v) => array::<Int32Type>(v, nulls)?,
            Values::I64(v) => array::<Int64Type>(v, nulls)?,
            Values::U8(v) => array::<UInt8Type>(v, nulls)?,
            Values::U16(v) => array::<UInt16Type>(v, nulls)?,
            Values::U32(v) => array::<UInt32Type>(v, nulls)?,
            Values::U64(v) => array::<UInt64Type>(v, nulls)?,
            Values::F32(v) => array::<Float32Type>(v, nulls)?,
            Values::F64(v) => array::<Float64Type>(v, nulls)?,
            Values::Decimal(v, precision, scale) => {
                let values = primitive::<Decimal128Type>(v, nulls)?;
                Arc::new(values.with_precision_and_scale(*precision, *scale)?)
            }
            Values::Date(v) => array::<Date32Type>(v, nulls)?,
            Values::Time32(v, TimeUnit::Second) => array::<Time32SecondType>(v, nulls)?,
            Values::Time32(v, _) => array::<Time32MillisecondType>(v, nulls)?,
            Values::Time64(v, TimeUnit::Microsecond) => array::<Time64MicrosecondType>(v, nulls)?,
            Values::Time64(v, _) => array::<Time64NanosecondType>(v, nulls)?,
            Values::Timestamp(v, times, zone) => timestamps(v, nulls, times.unit, zone.clone())?,
            Values::Duration(v, TimeUnit::Second) => array::<DurationSecondType>(v, nulls)?,
            Values::Duration(v, TimeUnit::Millisecond) => array::<DurationMillisecondType>(v, nulls)?,
            Values::Duration(v, TimeUnit::Microsecond) => array::<DurationMicrosecondType>(v, nulls)?,
            Values::Duration(v, TimeUnit::Nanosecond) => array::<DurationNanosecondType>(v, nulls)?,
            Values::Symbol(symbols) => symbols.finish(nulls)?,
            Values::Utf8(strings) => Arc::new(strings.finish_utf8(nulls)?),
            Values::Binary(strings) => Arc::new(strings.finish_binary(nulls)?),
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<PrimitiveArray<T>, ArrowError> {
    let rows = values.len();
    let values = std::mem::replace(values, Vec::with_capacity(rows));
    PrimitiveArray::try_new(ScalarBuffer::from(values), nulls)
}

fn array<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(primitive::<T>(values, nulls)?))
}

fn timestamps(
    values: &mut Vec<i64>,
    nulls: Option<NullBuffer>,
    unit: TimeUnit,
    zone: Option<Arc<str>>,
) -> Result<ArrayRef, ArrowError> {
    Ok(match unit {
        TimeUnit::Second => {
            Arc::new(primitive::<TimestampSecondType>(values, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Millisecond => {
            Arc::new(primitive::<TimestampMillisecondType>(values, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(primitive::<TimestampMicrosecondType>(values, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(primitive::<TimestampNanosecondType>(values, nulls)?.with_timezone_opt(zone))
        }
    })
}

fn push_rarer(values: &mut Values, text: &[u8]) -> Result<(), BadValue> {
    match values {
        Values::Bool(bits) => {
            bits.append(parse_bool(text).ok_or_else(|| BadValue::new("is not true or false (bool)"))?)
        }
        Values::I8(v) => v.push(narrow(text, "i8")?),
        Values::I16(v) => v.push(narrow(text, "i16")?),
        Values::I32(v) => v.push(narrow(text, "i32")?),
        Values::U8(v) => v.push(narrow(text, "u8")?),
        Values::U16(v) => v.push(narrow(text, "u16")?),
        Values::U32(v) => v.push(narrow(text, "u32")?),
        Values::U64(v) => v.push(parse_u64(text).ok_or_else(|| not_an_integer(text, "u64"))?),
        Values::F32(v) => {
            let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            v.push(parsed.ok_or_else(|| not_a_number(text, "f32"))?);
        }
        Values::Decimal(v, precision, scale) => v.push(decimal(text, *precision, *scale)?),
        Values::Date(v) => v.push(date(text)?),
        Values::Time32(v, unit) => {
            v.push(i32::try_from(time(text, *unit)?).map_err(|_| not_a_time_of_day())?)
        }
        Values::Time64(v, unit) => v.push(time(text, *unit)?),
        Values::Duration(v, unit) => {
            let unit = time_unit_name(*unit);
            v.push(parse_i64(text).ok_or_else(|| BadValue::new(format!("is not a whole number of {unit}")))?);
        }
        Values::Binary(strings) => strings.push(&hexadecimal(text)?),
        // The common ones were handled by the caller.
        Values::I64(_) | Values::F64(_) | Values::Symbol(_) | Values::Timestamp(..) | Values::Utf8(_) => {}
    }
    Ok(())
}

/// `true` or `false`, as JSON, Python or SQL write it.
pub(crate) fn parse_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

fn narrow<T: TryFrom<i64>>(text: &[u8], name: &str) -> Result<T, BadValue> {
    let value = parse_i64(text).ok_or_else(|| not_an_integer(text, name))?;
    T::try_from(value).map_err(|_| BadValue::new(format!("does not fit {name}")))
}

fn decimal(text: &[u8], precision: u8, scale: i8) -> Result<i128, BadValue> {
    let bad = || {
        BadValue::new(format!(
            "is not a number that fits decimal({precision},{scale}) exactly"
        ))
    };
    let value = parse_decimal(text, u32::try_from(scale).unwrap_or(0)).ok_or_else(bad)?;
    let limit = 10i128.checked_pow(u32::from(precision)).ok_or_else(bad)?;
    if value.unsigned_abs() < limit.unsigned_abs() {
        Ok(value)
    } else {
        Err(bad())
    }
}

fn date(text: &[u8]) -> Result<i32, BadValue> {
    let civil = Civil::parse(text)?;
    if civil.has_time {
        Err(BadValue::new(
            "has a time of day, but the column holds days (date)",
        ))
    } else {
        Ok(civil.days())
    }
}

fn time(text: &[u8], unit: TimeUnit) -> Result<i64, BadValue> {
    let (nanoseconds, rest) = time_of_day(text)?;
    let divisor = nanoseconds_per(unit);
    if !rest.is_empty() || nanoseconds % divisor != 0 {
        return Err(not_a_time_of_day());
    }
    Ok(nanoseconds / divisor)
}

fn not_a_time_of_day() -> BadValue {
    BadValue::new("is not a time of day (hh:mm:ss), or finer than the column's unit")
}

fn hexadecimal(text: &[u8]) -> Result<Vec<u8>, BadValue> {
    let bad = || BadValue::new("is not hexadecimal digits (binary)");
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.chunks(2)
        .map(pair)
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(bad)
}

fn not_an_integer(text: &[u8], name: &str) -> BadValue {
    match parse_f64(text.trim_ascii()) {
        Some(value) if value.is_finite() && value.fract() == 0.0 => {
            BadValue::new(format!("does not fit an integer ({name})")).hint("pass --type {column}=f64")
        }
        Some(_) => BadValue::new(format!("is not an integer ({name})")).hint("pass --type {column}=f64"),
        None => not_a_number(text, name),
    }
}

fn not_a_number(text: &[u8], name: &str) -> BadValue {
    let bad = BadValue::new(format!("is not a number ({name})"));
    if text.contains(&b',') {
        bad.hint("use --delimiter ';' or --type {column}=utf8")
    } else {
        bad.hint("pass --type {column}=symbol, or =utf8 if most values differ")
    }
}
