//! Instants from Python: nanoseconds since the epoch, aware `datetime`, pandas, numpy, ISO text with a zone.
//!
//! What has no zone is refused: nobody knows which instant it means. `numpy.datetime64` has none by definition and
//! counts from the epoch in UTC, so it is taken as UTC.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDate, PyDateTime, PyFloat, PyInt, PyString, PyTzInfo};

use crate::error::invalid;

const NS_PER_S: i128 = 1_000_000_000;

/// An instant: nanoseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant(pub(crate) i64);

impl<'a, 'py> FromPyObject<'a, 'py> for Instant {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        instant(&value).map(Self)
    }
}

/// A range `[start, end)`; what is not given has no bound.
pub(crate) fn range(start: Option<Instant>, end: Option<Instant>) -> std::ops::Range<i64> {
    start.map_or(i64::MIN, |at| at.0)..end.map_or(i64::MAX, |at| at.0)
}

/// The instant that a Python value means.
pub(crate) fn instant(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(number) = value.cast::<PyInt>() {
        if value.is_instance_of::<PyBool>() {
            return Err(refused(value, "is no time"));
        }
        return number
            .extract()
            .map_err(|_| refused(value, "does not fit into 64 bits of nanoseconds since the epoch"));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return iso(text.to_cow()?.as_ref());
    }
    if value.is_instance_of::<PyDateTime>() {
        return of_datetime(value);
    }
    match numpy_class(value)?.as_deref() {
        Some("datetime64") => of_datetime64(value),
        Some("timedelta64") => Err(refused(value, "is a length of time, not a time")),
        Some(class) if class != "ndarray" && value.hasattr("__index__")? => value
            .extract()
            .map_err(|_| refused(value, "does not fit into 64 bits of nanoseconds since the epoch")),
        _ if value.is_instance_of::<PyDate>() => Err(refused(
            value,
            "is a day, which begins at another time in each zone: give a datetime with tzinfo, or text such as \
             \"2026-11-20T00:00:00Z\"",
        )),
        _ if value.is_instance_of::<PyFloat>() => Err(refused(
            value,
            "is a float, which does not hold nanoseconds exactly: give an int of nanoseconds since the epoch",
        )),
        _ => Err(refused(
            value,
            "is no time: give an int of nanoseconds since the epoch, an aware datetime, a pandas or numpy time, or ISO text \
             with a zone",
        )),
    }
}

/// The name of a class of NumPy, if the value is of one.
pub(crate) fn numpy_class(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let class = value.get_type();
    let is_numpy = class.module()?.to_cow()?.split('.').next() == Some("numpy");
    if !is_numpy {
        return Ok(None);
    }
    Ok(Some(class.name()?.to_cow()?.into_owned()))
}

/// `datetime`, and what pandas derives from it.
fn of_datetime(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let class = value.get_type();
    if class.name()?.to_cow()? == "NaTType" {
        return Err(refused(value, "is no time"));
    }
    if value.getattr("tzinfo")?.is_none() || value.call_method0("utcoffset")?.is_none() {
        return Err(refused(
            value,
            "has no zone, so it is no certain instant: give tzinfo, for example datetime.timezone.utc",
        ));
    }
    if class.module()?.to_cow()?.starts_with("pandas") {
        return value.getattr("value")?.extract();
    }
    let since = value.call_method1("__sub__", (epoch(value.py())?,))?;
    let (days, seconds, micros): (i128, i128, i128) = (
        since.getattr("days")?.extract()?,
        since.getattr("seconds")?.extract()?,
        since.getattr("microseconds")?.extract()?,
    );
    in_range(value, (days * 86_400 + seconds) * NS_PER_S + micros * 1_000)
}

fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyDateTime>> {
    static EPOCH: PyOnceLock<Py<PyDateTime>> = PyOnceLock::new();
    EPOCH
        .get_or_try_init(py, || {
            let utc = PyTzInfo::utc(py)?.to_owned();
            PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc)).map(Bound::unbind)
        })
        .map(|epoch| epoch.bind(py))
}

/// Counts of its own unit since the epoch, in UTC.
fn of_datetime64(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let count: i64 = value.call_method1("astype", ("int64",))?.extract()?;
    if count == i64::MIN {
        return Err(refused(value, "is no time"));
    }
    let (unit, step) = numpy_unit(&value.getattr("dtype")?)?;
    if let Some(ns) = unit_ns(&unit) {
        return in_range(value, i128::from(count) * i128::from(step) * ns);
    }
    match unit.as_str() {
        "M" | "Y" => {
            let days: i64 = value
                .call_method1("astype", ("datetime64[D]",))?
                .call_method1("astype", ("int64",))?
                .extract()?;
            in_range(value, i128::from(days) * 86_400 * NS_PER_S)
        }
        _ => Err(refused(value, "is finer than nanoseconds, or of no unit")),
    }
}

/// The unit of a type of NumPy's times, and how many of it one count is.
pub(crate) fn numpy_unit(dtype: &Bound<'_, PyAny>) -> PyResult<(String, i64)> {
    let numpy = dtype.py().import("numpy")?;
    numpy.call_method1("datetime_data", (dtype,))?.extract()
}

/// Nanoseconds of a unit of NumPy's of fixed length.
pub(crate) fn unit_ns(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => NS_PER_S,
        "m" => 60 * NS_PER_S,
        "h" => 3_600 * NS_PER_S,
        "D" => 86_400 * NS_PER_S,
        "W" => 7 * 86_400 * NS_PER_S,
        _ => return None,
    })
}

fn iso(text: &str) -> PyResult<i64> {
    let error = match text.trim().parse::<jiff::Timestamp>() {
        Ok(at) => return i64::try_from(at.as_nanosecond()).map_err(|_| invalid(outside(text))),
        Err(error) => error,
    };
    // With a zone of the IANA database: 2026-11-20T09:30[America/New_York].
    if let Ok(zoned) = text.trim().parse::<jiff::Zoned>() {
        return i64::try_from(zoned.timestamp().as_nanosecond()).map_err(|_| invalid(outside(text)));
    }
    if text.trim().parse::<jiff::civil::DateTime>().is_ok() {
        return Err(invalid(format!(
            "the time {text:?} has no zone, so it is no certain instant: end it with Z for UTC, or with an offset such as +01:00"
        )));
    }
    Err(invalid(format!(
        "{text:?} is no time: give ISO text such as \"2026-11-20T14:30:00Z\" ({error})"
    )))
}

fn outside(what: &str) -> String {
    format!("the time {what} lies outside of 1677-09-21 to 2262-04-11, the range of nanoseconds")
}

fn in_range(value: &Bound<'_, PyAny>, ns: i128) -> PyResult<i64> {
    i64::try_from(ns).map_err(|_| invalid(outside(&shown(value))))
}

fn shown(value: &Bound<'_, PyAny>) -> String {
    value
        .repr()
        .map_or_else(|_| "value".to_owned(), |text| text.to_string())
}

fn refused(value: &Bound<'_, PyAny>, why: &str) -> PyErr {
    invalid(format!("the time {} {why}", shown(value)))
}
