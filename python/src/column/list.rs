//! Lists of Python values, one by one.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeListBuilder, ListBuilder, PrimitiveBuilder, StringBuilder,
    StringDictionaryBuilder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};

use crate::duration::length;
use crate::error::invalid;
use crate::time::instant;
use crate::type_text;

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// The array of the values of any iterable.
pub(super) fn array(values: &Bound<'_, PyAny>, to: &DataType) -> PyResult<ArrayRef> {
    use DataType as D;
    use TimeUnit as U;
    Ok(match to {
        D::Boolean => booleans(values)?,
        D::Int8 => numbers::<Int8Type>(values, to, &integer)?,
        D::Int16 => numbers::<Int16Type>(values, to, &integer)?,
        D::Int32 => numbers::<Int32Type>(values, to, &integer)?,
        D::Int64 => numbers::<Int64Type>(values, to, &integer)?,
        D::UInt8 => numbers::<UInt8Type>(values, to, &integer)?,
        D::UInt16 => numbers::<UInt16Type>(values, to, &integer)?,
        D::UInt32 => numbers::<UInt32Type>(values, to, &integer)?,
        D::UInt64 => numbers::<UInt64Type>(values, to, &integer)?,
        D::Float32 => numbers::<Float32Type>(values, to, &|value| Ok(float(value)? as f32))?,
        D::Float64 => numbers::<Float64Type>(values, to, &float)?,
        D::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            numbers::<Decimal128Type>(values, to, &|value| decimal(value, precision, scale))?
        }
        D::Date32 => numbers::<Date32Type>(values, to, &day)?,
        D::Time32(U::Second) => {
            numbers::<Time32SecondType>(values, to, &|value| narrow(time_of_day(value)?, 1_000_000_000))?
        }
        D::Time32(_) => {
            numbers::<Time32MillisecondType>(values, to, &|value| narrow(time_of_day(value)?, 1_000_000))?
        }
        D::Time64(U::Microsecond) => {
            numbers::<Time64MicrosecondType>(values, to, &|value| whole(time_of_day(value)?, 1_000))?
        }
        D::Time64(_) => numbers::<Time64NanosecondType>(values, to, &time_of_day)?,
        D::Timestamp(unit, zone) => {
            let is_local = zone.is_none();
            let at = |value: &Bound<'_, PyAny>| whole(time(value, is_local)?, unit_ns(*unit));
            match unit {
                U::Second => numbers::<TimestampSecondType>(values, to, &at)?,
                U::Millisecond => numbers::<TimestampMillisecondType>(values, to, &at)?,
                U::Microsecond => numbers::<TimestampMicrosecondType>(values, to, &at)?,
                U::Nanosecond => numbers::<TimestampNanosecondType>(values, to, &at)?,
            }
        }
        D::Duration(unit) => {
            let ns = |value: &Bound<'_, PyAny>| whole(length(value)?, unit_ns(*unit));
            match unit {
                U::Second => numbers::<DurationSecondType>(values, to, &ns)?,
                U::Millisecond => numbers::<DurationMillisecondType>(values, to, &ns)?,
                U::Microsecond => numbers::<DurationMicrosecondType>(values, to, &ns)?,
                U::Nanosecond => numbers::<DurationNanosecondType>(values, to, &ns)?,
            }
        }
        D::Utf8 => texts(values)?,
        D::Dictionary(_, _) => symbols(values)?,
        D::Binary => bytes(values)?,
        D::List(item) => lists(values, item.data_type(), None)?,
        D::FixedSizeList(item, len) => lists(values, item.data_type(), Some(*len))?,
        other => {
            return Err(invalid(format!(
                "lists are not read as {}",
                type_text::name(other)
            )));
        }
    })
}

/// Each value with its place, nothing for null.
fn each<'py>(
    values: &Bound<'py, PyAny>,
    mut take: impl FnMut(Option<&Bound<'py, PyAny>>) -> PyResult<()>,
) -> PyResult<()> {
    let items = values
        .try_iter()
        .map_err(|_| invalid("a column is a list, an array, or anything else that is iterable"))?;
    for (row, item) in items.enumerate() {
        let item = item?;
        let taken = if is_null(&item)? {
            take(None)
        } else {
            take(Some(&item))
        };
        taken.map_err(|error| invalid(format!("row {row}: {}", error.value(values.py()))))?;
    }
    Ok(())
}

fn is_null(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is_none() {
        return Ok(true);
    }
    let class = value.get_type();
    let name = class.name()?;
    let name = name.to_cow()?;
    match name.as_ref() {
        "NAType" | "NaTType" => Ok(true),
        "datetime64" | "timedelta64" => value.ne(value),
        _ => Ok(false),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    values: &Bound<'_, PyAny>,
    to: &DataType,
    read: &dyn Fn(&Bound<'_, PyAny>) -> PyResult<T::Native>,
) -> PyResult<ArrayRef> {
    let mut builder = PrimitiveBuilder::<T>::new().with_data_type(to.clone());
    each(values, |value| {
        builder.append_option(value.map(read).transpose()?);
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

fn booleans(values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let mut builder = BooleanBuilder::new();
    each(values, |value| {
        builder.append_option(value.map(|value| value.extract::<bool>()).transpose()?);
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

/// A text; pandas has NaN for one that is missing.
fn some_text<'a>(value: Option<&'a Bound<'_, PyAny>>) -> PyResult<Option<Cow<'a, str>>> {
    let is_there = |value: &&Bound<'_, PyAny>| !value.extract::<f64>().is_ok_and(f64::is_nan);
    value.filter(is_there).map(text).transpose()
}

fn texts(values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let mut builder = StringBuilder::new();
    each(values, |value| {
        builder.append_option(some_text(value)?);
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

fn symbols(values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let mut builder = StringDictionaryBuilder::<UInt32Type>::new();
    each(values, |value| {
        match some_text(value)? {
            Some(text) => drop(builder.append(text).map_err(|error| invalid(error.to_string()))?),
            None => builder.append_null(),
        }
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

fn bytes(values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let mut builder = BinaryBuilder::new();
    each(values, |value| {
        let value = value.map(|value| value.extract::<Vec<u8>>()).transpose()?;
        builder.append_option(value);
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

/// Lists of numbers, all of the same length where one is given.
fn lists(values: &Bound<'_, PyAny>, item: &DataType, len: Option<i32>) -> PyResult<ArrayRef> {
    macro_rules! lists_of {
        ($($name:ident => $type:ident),*) => {
            match item {
                $(DataType::$name => lists_of::<$type>(values, item, len),)*
                other => Err(invalid(format!("lists of {other} are not stored"))),
            }
        };
    }
    lists_of!(
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type, UInt8 => UInt8Type,
        UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type, Float32 => Float32Type, Float64 => Float64Type
    )
}

fn lists_of<T: ArrowPrimitiveType>(
    values: &Bound<'_, PyAny>,
    item: &DataType,
    len: Option<i32>,
) -> PyResult<ArrayRef> {
    let read = |list: &Bound<'_, PyAny>| -> PyResult<Vec<Option<T::Native>>> {
        let items = super::array(list, item)?;
        let items = super::as_type(items, item)?;
        let items = items.as_any().downcast_ref::<arrow_array::PrimitiveArray<T>>();
        Ok(items.map(|items| items.iter().collect()).unwrap_or_default())
    };
    let Some(len) = len else {
        let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new());
        each(values, |list| {
            builder.append_option(list.map(read).transpose()?);
            Ok(())
        })?;
        return Ok(Arc::new(builder.finish()));
    };
    let mut builder = FixedSizeListBuilder::new(PrimitiveBuilder::<T>::new(), len);
    let nulls = usize::try_from(len).unwrap_or(0);
    each(values, |list| {
        let items = list.map(read).transpose()?;
        if let Some(items) = items.as_ref().filter(|items| items.len() != nulls) {
            return Err(invalid(format!(
                "a list of {} values where each has {len}",
                items.len()
            )));
        }
        let is_there = items.is_some();
        let items = items.unwrap_or_else(|| vec![None; nulls]);
        items
            .into_iter()
            .for_each(|item| builder.values().append_option(item));
        builder.append(is_there);
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

fn text<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, str>> {
    match value.cast::<PyString>() {
        Ok(text) => text.to_cow(),
        Err(_) => Err(no(value, "text")),
    }
}

fn integer<T: for<'a, 'py> FromPyObject<'a, 'py>>(value: &Bound<'_, PyAny>) -> PyResult<T> {
    if value.is_instance_of::<PyBool>() {
        return Err(no(value, "integer"));
    }
    value
        .extract()
        .map_err(|_| no(value, "integer that the column holds"))
}

fn float(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyString>() {
        return Err(no(value, "number"));
    }
    let float: f64 = value.extract().map_err(|_| no(value, "number"))?;
    // An integer that a float does not hold would come out as another.
    if value.is_instance_of::<PyInt>() && value.call_method0("__float__")?.ne(value)? {
        return Err(no(value, "number that a float holds exactly"));
    }
    Ok(float)
}

/// Digits of `decimal.Decimal`, of text or of an integer, all of which the scale has.
fn decimal(value: &Bound<'_, PyAny>, precision: u8, scale: i8) -> PyResult<i128> {
    let class = value.get_type();
    if value.is_instance_of::<pyo3::types::PyFloat>() || value.is_instance_of::<PyBool>() {
        return Err(no(value, "decimal: give decimal.Decimal or text"));
    }
    let is_decimal = class.name()?.to_cow()? == "Decimal";
    let text = if is_decimal {
        value.call_method1("__format__", ("f",))?.extract::<String>()?
    } else {
        value.str()?.to_cow()?.into_owned()
    };
    digits(text.trim(), precision, scale).ok_or_else(|| {
        no(
            value,
            &format!("decimal of {precision} digits, {scale} of them after the point"),
        )
    })
}

fn digits(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let scale = usize::try_from(scale).ok()?;
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || part.len() > scale || !are_digits(whole) || !are_digits(part)
    {
        return None;
    }
    let number: i128 = format!("{whole}{part:0<scale$}").parse().ok()?;
    let fits = number < 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    fits.then_some(sign * number)
}

/// Days since the epoch.
fn day(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    if value.is_instance_of::<PyInt>() {
        return integer(value);
    }
    if let Ok(text) = value.cast::<PyString>() {
        let date: jiff::civil::Date = text.to_cow()?.parse().map_err(|_| no(value, "date"))?;
        let since = date - jiff::civil::date(1970, 1, 1);
        return Ok(since.get_days());
    }
    // 1970-01-01 is the day 719,163 of the calendar.
    let ordinal: i32 = value
        .call_method0("toordinal")
        .and_then(|day| day.extract())
        .map_err(|_| no(value, "date"))?;
    Ok(ordinal - 719_163)
}

/// Nanoseconds since midnight.
fn time_of_day(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    if value.is_instance_of::<PyInt>() {
        let ns: i64 = integer(value)?;
        return match (0..NS_PER_DAY).contains(&ns) {
            true => Ok(ns),
            false => Err(no(value, "time of day: 0 to 86,399,999,999,999 nanoseconds")),
        };
    }
    if let Ok(text) = value.cast::<PyString>() {
        let time: jiff::civil::Time = text.to_cow()?.parse().map_err(|_| no(value, "time of day"))?;
        let seconds =
            (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
        return Ok(seconds * 1_000_000_000 + i64::from(time.subsec_nanosecond()));
    }
    let part = |name: &str| -> PyResult<i64> {
        value
            .getattr(name)
            .and_then(|part| part.extract())
            .map_err(|_| no(value, "time of day"))
    };
    let seconds = (part("hour")? * 60 + part("minute")?) * 60 + part("second")?;
    Ok((seconds * 1_000_000 + part("microsecond")?) * 1_000)
}

/// An instant; in a column without a zone a wall clock's time, which has none either.
fn time(value: &Bound<'_, PyAny>, is_local: bool) -> PyResult<i64> {
    let is_naive = is_local && value.hasattr("tzinfo")? && value.getattr("tzinfo")?.is_none();
    if !is_naive {
        return instant(value);
    }
    let utc = pyo3::types::PyTzInfo::utc(value.py())?.to_owned();
    let named = pyo3::types::PyDict::new(value.py());
    named.set_item("tzinfo", utc)?;
    instant(&value.call_method("replace", (), Some(&named))?)
}

/// A count of a coarser unit.
fn whole(ns: i64, unit: i64) -> PyResult<i64> {
    if ns % unit != 0 {
        return Err(invalid(format!("{ns} ns is finer than the column's unit")));
    }
    Ok(ns / unit)
}

fn narrow(ns: i64, unit: i64) -> PyResult<i32> {
    i32::try_from(whole(ns, unit)?).map_err(|_| invalid("the time is out of range"))
}

fn unit_ns(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn no(value: &Bound<'_, PyAny>, what: &str) -> PyErr {
    let shown = value
        .repr()
        .map_or_else(|_| "the value".to_owned(), |text| text.to_string());
    invalid(format!("{shown} is no {what}"))
}
