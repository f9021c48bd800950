//! Lengths of time from Python: text such as `"5s"`, nanoseconds, `timedelta`, pandas, numpy.

use gapless::duration_ns;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDelta, PyInt, PyString};

use crate::error::{invalid, py_error};
use crate::time::{numpy_class, numpy_unit, unit_ns};

/// A length of time in nanoseconds; negative is backward.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length(pub(crate) i64);

impl<'a, 'py> FromPyObject<'a, 'py> for Length {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        length(&value).map(Self)
    }
}

/// The nanoseconds that a Python value means.
pub(crate) fn length(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(text) = value.cast::<PyString>() {
        return duration_ns(text.to_cow()?.as_ref()).map_err(py_error);
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return value.extract();
    }
    if value.is_instance_of::<PyDelta>() {
        return of_timedelta(value);
    }
    if numpy_class(value)?.as_deref() == Some("timedelta64") {
        return of_timedelta64(value);
    }
    Err(refused(value))
}

/// `timedelta`, and what pandas derives from it.
fn of_timedelta(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(ns) = value.getattr("value") {
        return ns.extract();
    }
    let (days, seconds, micros): (i128, i128, i128) = (
        value.getattr("days")?.extract()?,
        value.getattr("seconds")?.extract()?,
        value.getattr("microseconds")?.extract()?,
    );
    let ns = ((days * 86_400 + seconds) * 1_000_000 + micros) * 1_000;
    i64::try_from(ns).map_err(|_| refused(value))
}

fn of_timedelta64(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let count: i64 = value.call_method1("astype", ("int64",))?.extract()?;
    let (unit, step) = numpy_unit(&value.getattr("dtype")?)?;
    let ns = unit_ns(&unit)
        .filter(|_| count != i64::MIN)
        .and_then(|ns| i64::try_from(i128::from(count) * i128::from(step) * ns).ok());
    ns.ok_or_else(|| refused(value))
}

fn refused(value: &Bound<'_, PyAny>) -> PyErr {
    let shown = value
        .repr()
        .map_or_else(|_| "value".to_owned(), |text| text.to_string());
    invalid(format!(
        "{shown} is no length of time: give text of a number and one of ns, us, ms, s, m, h, d, w, such as \"1m\", an int of \
         nanoseconds, or a timedelta"
    ))
}
