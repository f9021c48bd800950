//! [`Scan`]: rows, and what is done with them, not yet run.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use gapless::query::Query;
use gapless::{Error, Gap, GapQuery, Result, Snapshot};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::to_schema_pycapsule;

use crate::batches::{self, Batches, Source};
use crate::call::{self, engine};
use crate::error::{self, invalid};
use crate::rows::Rows;
use crate::schema::Schema;

/// How long rows are read before signals are looked for.
const SIGNALS: Duration = Duration::from_millis(50);

/// Rows of a table and what is done with them. Nothing is read before `to_arrow`, `to_pandas`, `to_polars`,
/// `to_batches` or `count`; it may be read any number of times and gives the same rows each time.
///
/// It has `__arrow_c_stream__`, so that pyarrow, polars and DuckDB read it as it is, batch by batch.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Scan {
    /// What is read, where it is a table, and the version of which.
    scan: Option<gapless::Scan>,
    snapshot: Option<Snapshot>,
    /// What is done with it; the scan itself where there is nothing more to do.
    query: Option<Query>,
    /// The name of the series column, where there is one.
    series: Option<String>,
    interval: Option<i64>,
}

impl Scan {
    pub(crate) fn of_table(snapshot: Snapshot, scan: gapless::Scan, interval: Option<i64>) -> Self {
        let meta = scan.meta();
        let series = meta.series_column.and_then(|column| meta.column(column));
        Self {
            series: series.map(|column| column.name.clone()),
            scan: Some(scan),
            snapshot: Some(snapshot),
            query: None,
            interval,
        }
    }

    /// Rows of several steps: what cannot be of a step is said now.
    pub(crate) fn of_query(py: Python<'_>, query: Query, series: Option<String>) -> PyResult<Self> {
        engine(py, || query.schema().map(|_| ()))?;
        Ok(Self {
            scan: None,
            snapshot: None,
            query: Some(query),
            series,
            interval: None,
        })
    }

    /// A further step.
    pub(crate) fn then(&self, py: Python<'_>, query: Query) -> PyResult<Self> {
        Self::of_query(py, query, self.series.clone())
    }

    /// What is read, with conditions and columns that only a query has.
    pub(crate) fn narrowed(self, query: Query) -> Result<Self> {
        query.schema()?;
        Ok(Self {
            query: Some(query),
            ..self
        })
    }

    /// What is asked, as the engine knows it.
    pub(crate) fn query(&self) -> Query {
        match (&self.query, &self.scan) {
            (Some(query), _) => query.clone(),
            (None, Some(scan)) => Query::from(scan.clone()),
            (None, None) => Query::from(Err(Error::internal("a scan of nothing"))),
        }
    }

    fn columns(&self) -> Result<SchemaRef> {
        match (&self.query, &self.scan) {
            (None, Some(scan)) => scan.schema(),
            _ => self.query().schema(),
        }
    }

    /// The name of the series column, where there is one.
    pub(crate) fn series_column(&self) -> Option<&str> {
        self.series.as_deref()
    }

    /// Batches as they come.
    fn source(&self) -> Result<(SchemaRef, Source)> {
        match (&self.query, &self.scan) {
            (None, Some(scan)) => {
                let batches = scan.clone().stream()?;
                Ok((batches.schema(), Box::new(batches)))
            }
            _ => {
                let batches = self.query().stream()?;
                Ok((batches.schema(), Box::new(batches)))
            }
        }
    }

    /// All rows.
    fn rows(&self, py: Python<'_>) -> PyResult<Rows> {
        if self.query.is_none()
            && let Some(scan) = &self.scan
        {
            return rows_of_scan(py, scan.clone());
        }
        let query = self.query();
        let (schema, batches) = call::reading(py, move |cancel| {
            // Not as a stream: all threads work where there is but one series, too.
            let query = query.interrupted_by(cancel.queries());
            Ok((query.schema()?, query.collect()?))
        })?;
        Ok(Rows::new(schema, batches))
    }
}

/// The rows of a scan, read on the caller's thread: a thread of its own would take longer than a small scan.
fn rows_of_scan(py: Python<'_>, scan: gapless::Scan) -> PyResult<Rows> {
    let mut stream = engine(py, || scan.stream())?;
    let (schema, mut batches) = (stream.schema(), Vec::new());
    while !engine(py, || some_batches(&mut stream, &mut batches))? {
        py.check_signals()?;
    }
    Ok(Rows::new(schema, batches))
}

/// Reads for a while; says whether that was all.
fn some_batches(
    stream: &mut impl Iterator<Item = Result<RecordBatch>>,
    batches: &mut Vec<RecordBatch>,
) -> Result<bool> {
    let start = Instant::now();
    for batch in stream {
        batches.push(batch?);
        if start.elapsed() > SIGNALS {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The interval of the coverage of what a scan reads.
pub(crate) fn interval_of(snapshot: &Snapshot, scan: &gapless::Scan) -> Result<i64> {
    let range = scan.time_range();
    let coverage = snapshot.coverage(&scan.meta().name)?;
    coverage.interval(&GapQuery::new(range.start, range.end))
}

#[pymethods]
impl Scan {
    /// Names and types of the columns of the result.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        engine(py, || self.columns()).map(Schema::from)
    }

    /// The rows as `pyarrow.Table`; as `gapless.Rows` where pyarrow is not installed.
    fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Rows::to_arrow(&self.rows(py)?.into_pyobject(py)?)
    }

    /// The rows as `polars.DataFrame`.
    ///
    /// Raises ImportError without polars.
    fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Rows::to_polars(&self.rows(py)?.into_pyobject(py)?)
    }

    /// The rows as `pandas.DataFrame`.
    ///
    /// Raises ImportError without pandas and pyarrow.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Rows::to_pandas(&self.rows(py)?.into_pyobject(py)?)
    }

    /// The rows in memory, without any other library: what `to_arrow` gives where pyarrow is not installed.
    fn collect(&self, py: Python<'_>) -> PyResult<Rows> {
        self.rows(py)
    }

    /// The rows batch by batch, as they are read: an iterator over `pyarrow.RecordBatch`, or `gapless.Batch` without
    /// pyarrow.
    fn to_batches(&self, py: Python<'_>) -> PyResult<Batches> {
        let (schema, source) = engine(py, || self.source())?;
        Ok(Batches::new(schema, source))
    }

    /// Counts the rows.
    fn count(&self, py: Python<'_>) -> PyResult<u64> {
        if let (None, Some(scan)) = (&self.query, &self.scan) {
            let scan = scan.clone();
            return call::reading(py, move |_| scan.count());
        }
        let query = self.query();
        call::reading(py, move |cancel| {
            let mut rows = 0;
            for batch in query.interrupted_by(cancel.queries()).stream()? {
                rows += batch?.num_rows() as u64;
            }
            Ok(rows)
        })
    }

    /// What will be done, and what the scans touch and leave out, for people.
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        engine(py, || self.query().explain())
    }

    /// The gaps of what is asked for, of the same version as the rows: a list of `gapless.Gap`, at the interval of the
    /// scan or else the one that the table's coverage has.
    ///
    /// Raises InvalidError where the table has coverage at several intervals and none was given.
    #[getter]
    fn uncovered<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let (scan, snapshot) = self
            .scan
            .as_ref()
            .zip(self.snapshot.as_ref())
            .ok_or_else(|| invalid("only the rows of one table have coverage"))?;
        let gaps: Vec<Gap> = engine(py, || {
            let interval = self.interval.map_or_else(|| interval_of(snapshot, scan), Ok)?;
            scan.uncovered(interval)
        })?;
        error::py_gaps(py, &gaps)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let schema = engine(py, || self.columns())?;
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        Ok(format!("Scan({})", names.join(", ")))
    }

    /// The columns as an Arrow C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = engine(py, || self.columns())?;
        Ok(to_schema_pycapsule(py, schema.as_ref())?)
    }

    /// The rows as an Arrow C stream, read as they are taken.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let (schema, source) = engine(py, || self.source())?;
        batches::stream(py, &schema, source, requested_schema)
    }
}
