//! [`Groups`]: rows in groups or windows, until aggregates say what is wanted of each.

use gapless::query::{Bucket, Grouped, Query, Rolled, Windowed};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::aggregate::aggregates;
use crate::duration::length;
use crate::error::py_error;
use crate::scan::Scan;

/// Rows in groups, or with a window for each, of `Scan.group_by`, `window_join` and `rolling`: `agg` says what is
/// wanted of them.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Groups {
    kind: Kind,
    series: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Grouped(Grouped),
    Windowed(Windowed),
    Rolled(Rolled),
}

impl From<Grouped> for Kind {
    fn from(grouped: Grouped) -> Self {
        Self::Grouped(grouped)
    }
}

impl From<Windowed> for Kind {
    fn from(windowed: Windowed) -> Self {
        Self::Windowed(windowed)
    }
}

impl From<Rolled> for Kind {
    fn from(rolled: Rolled) -> Self {
        Self::Rolled(rolled)
    }
}

impl Groups {
    /// Groups or windows of the rows of a scan.
    pub(crate) fn new(kind: impl Into<Kind>, of: &Scan) -> Self {
        Self {
            kind: kind.into(),
            series: of.series_column().map(str::to_owned),
        }
    }
}

#[pymethods]
impl Groups {
    /// Aggregates over each group or window, under the names given; without one under its own: `agg(gapless.count(),
    /// high=gapless.max("price"))`.
    ///
    /// Of `group_by` the columns are the keys, the start of the bucket under the name of the time column, and the
    /// aggregates; rows come by keys, then bucket. Of `window_join` and `rolling` they are all columns and the
    /// aggregates.
    #[pyo3(signature = (*aggregates, **named))]
    fn agg(
        &self,
        py: Python<'_>,
        aggregates: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Scan> {
        let wanted = self::aggregates(aggregates, named)?;
        let query: Query = match &self.kind {
            Kind::Grouped(grouped) => grouped.clone().agg(wanted),
            Kind::Windowed(windowed) => windowed.clone().agg(wanted),
            Kind::Rolled(rolled) => rolled.clone().agg(wanted),
        };
        Scan::of_query(py, query, self.series.clone())
    }

    fn __repr__(&self) -> &'static str {
        match self.kind {
            Kind::Grouped(_) => "Groups(of keys and buckets)",
            Kind::Windowed(_) => "Groups(a window of other rows for each row)",
            Kind::Rolled(_) => "Groups(a window for each row)",
        }
    }
}

/// Buckets of time: a length, or calendar units ("1d", "1w", "1mo", "1q", "1y") in a zone.
pub(crate) fn bucket(
    every: &Bound<'_, PyAny>,
    zone: Option<&str>,
    origin: Option<i64>,
    offset: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bucket> {
    let mut bucket = Bucket::new(&text(every)?).map_err(py_error)?;
    if let Some(zone) = zone {
        bucket = bucket.zone(zone).map_err(py_error)?;
    }
    if let Some(origin) = origin {
        bucket = bucket.origin(origin);
    }
    if let Some(offset) = offset {
        bucket = bucket.offset(&text(offset)?).map_err(py_error)?;
    }
    Ok(bucket)
}

fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.cast::<PyString>() {
        Ok(text) => Ok(text.to_cow()?.into_owned()),
        Err(_) => Ok(format!("{}ns", length(value)?)),
    }
}
