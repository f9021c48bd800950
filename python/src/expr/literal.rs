//! Values of Python as literals.

use arrow_schema::DataType;
use gapless::query::Expr;
use gapless::query::expr::Value;
use gapless::scan::Literal;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDate, PyDateTime, PyDelta, PyFloat, PyInt, PyString};

use crate::duration::length;
use crate::error::invalid;
use crate::time::{instant, numpy_class};

/// Digits after the point of a decimal literal at most.
const SCALE_MAX: usize = 37;

/// A value as an expression.
pub(crate) fn literal(value: &Bound<'_, PyAny>) -> PyResult<Expr> {
    if value.get_type().name()?.to_cow()? == "Decimal" {
        return decimal(value);
    }
    if value.is_instance_of::<PyDate>() && !value.is_instance_of::<PyDateTime>() {
        let day: i64 = value.call_method0("toordinal")?.extract()?;
        // 1970-01-01 is the day 719,163 of the calendar.
        let days = Expr::Literal(Value::Plain(Literal::I64(day - 719_163)));
        return Ok(days.cast(DataType::Int32).cast(DataType::Date32));
    }
    self::value(value).map(Expr::Literal)
}

/// A value as the engine knows it.
pub(crate) fn value(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if value.is_none() {
        return Ok(Value::Null);
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(Value::Plain(Literal::Bool(value.extract()?)));
    }
    if value.is_instance_of::<PyInt>() {
        return integer(value);
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Value::Plain(Literal::F64(value.extract()?)));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::Plain(Literal::Text(text.to_cow()?.into_owned())));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Value::Plain(Literal::Binary(bytes.as_bytes().to_vec())));
    }
    if value.is_instance_of::<PyDateTime>() {
        return instant(value).map(Value::Timestamp);
    }
    if value.is_instance_of::<PyDelta>() {
        return length(value).map(Value::Duration);
    }
    match numpy_class(value)?.as_deref() {
        Some("datetime64") => instant(value).map(Value::Timestamp),
        Some("timedelta64") => length(value).map(Value::Duration),
        // Scalars of NumPy have their value as Python's.
        Some(class) if class != "ndarray" && value.hasattr("item")? => {
            self::value(&value.call_method0("item")?)
        }
        _ => Err(invalid(format!(
            "{} is no literal: there are None, bool, int, float, str, bytes, Decimal, aware datetime, date and timedelta",
            value.repr()?
        ))),
    }
}

fn integer(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(Value::Plain(Literal::I64(number)));
    }
    let number: u64 = value
        .extract()
        .map_err(|_| invalid(format!("the integer {value} does not fit into 64 bits")))?;
    Ok(Value::Plain(Literal::U64(number)))
}

/// A decimal with as many digits after the point as are written.
fn decimal(value: &Bound<'_, PyAny>) -> PyResult<Expr> {
    let text: String = value.call_method1("__format__", ("f",))?.extract()?;
    let places = text.split_once('.').map_or(0, |(_, part)| part.len());
    if places > SCALE_MAX
        || !text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte))
    {
        return Err(invalid(format!(
            "the decimal {text} has no finite value of at most 38 digits"
        )));
    }
    let scale = i8::try_from(places).unwrap_or(i8::MAX);
    Ok(Expr::Literal(Value::Plain(Literal::Text(text))).cast(DataType::Decimal128(38, scale)))
}
