//! [`Table`]: what it is, rows in, and where reads begin.

pub(crate) mod change;

use std::sync::Arc;

use gapless::Result;
use gapless::query::Query;
use gapless::scan::Order;
use pyo3::prelude::*;

use crate::call::{self, engine};
use crate::coverage::{self, said_of};
use crate::data;
use crate::duration::Length;
use crate::error::invalid;
use crate::expr::Expr;
use crate::handle::Handle;
use crate::scan::Scan;
use crate::schema::Schema;
use crate::text::Names;
use crate::time::{Instant, range};

/// A table of an open database.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) handle: Arc<Handle>,
    pub(crate) name: String,
}

impl Table {
    pub(crate) fn new(handle: Arc<Handle>, name: String) -> Self {
        Self { handle, name }
    }

    /// The table of the engine.
    ///
    /// # Errors
    /// `Invalid` when the database is closed; `NotFound` when the table was dropped.
    pub(crate) fn engine(&self) -> Result<gapless::Table> {
        self.handle.table(&self.name)
    }

    /// The columns of the version that is read.
    fn columns(&self) -> Result<arrow_schema::SchemaRef> {
        match self.handle.is_as_of()? {
            true => self.handle.snapshot()?.scan(&self.name)?.schema(),
            false => self.engine()?.schema(),
        }
    }

    /// The rows of a Python value.
    pub(crate) fn reader(&self, rows: &Bound<'_, PyAny>) -> PyResult<data::Reader> {
        data::reader(rows, || engine(rows.py(), || self.columns()))
    }
}

#[pymethods]
impl Table {
    /// The table's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Names and types of the columns, in their order.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        engine(py, || self.columns()).map(Schema::from)
    }

    /// Streams rows in any order as one atomic commit: visible when this returns, and as durable as the database is
    /// opened for. Gives how many they are.
    ///
    /// `data` is anything that speaks Arrow (`__arrow_c_stream__` or `__arrow_c_array__`: frames of polars and pandas,
    /// tables of pyarrow, results of DuckDB), or a dict of columns: lists or arrays of NumPy. Columns that are not
    /// there are null. Late rows are as welcome as others.
    ///
    /// Raises InvalidError with column, row and reason; OverloadedError when memory is full and is not freed in time;
    /// StorageError. Nothing was written then.
    ///
    /// `coverage` is what the rows cover, in the same commit: dicts of `series`, `start`, `end`, `state` ("complete" unless told otherwise),
    /// `interval` and `source`, as `attest` takes them. With it there may be no rows.
    ///
    /// >>> table.append({"ts": [1], "sym": ["X"], "price": [1.5], "size": [100]})
    /// 1
    #[pyo3(signature = (data, coverage=None))]
    fn append(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        coverage: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let (reader, said) = (self.reader(data)?, coverage.map(said_of).transpose()?);
        engine(py, || {
            let (table, batch) = (self.engine()?, data::one_batch(reader)?);
            match said {
                None => Ok(table.append(&batch)?.rows),
                Some(said) => coverage::append(&self.handle.database()?, &table, batch, said),
            }
        })
    }

    /// Writes rows in any order as one atomic commit, durable when this returns: they are sorted, split by partition,
    /// and become segments of their own. For bulk: what does not fit into memory is sorted on disk. Gives how many rows
    /// were taken.
    ///
    /// `data` is as in `append`, and read batch by batch; so is `coverage`.
    ///
    /// Raises InvalidError with column, row and reason; StorageError. Nothing was written then, nor when it is
    /// interrupted.
    ///
    /// >>> table.write({"ts": [3, 2], "sym": ["X", "X"], "price": [1.5, 1.25], "size": [100, 100]})
    /// 2
    #[pyo3(signature = (data, coverage=None))]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        coverage: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let (reader, table) = (self.reader(data)?, engine(py, || self.engine())?);
        let said = coverage.map(said_of).transpose()?;
        let database = engine(py, || self.handle.database())?;
        call::writing(py, move |cancel| {
            let batches = reader.map(|batch| {
                cancel.check()?;
                batch.map_err(data::source_error)
            });
            coverage::write(&database, &table, batches, said.unwrap_or_default())
        })
    }

    /// Reads rows with `start <= time < end`; without bounds, all. Nothing is read before the rows are asked for.
    ///
    /// `series` is one, or several; one that the table does not have gives no rows. `columns` are those wanted, in
    /// their order. Rows come by series and time; `order="time"` is by time, then series, and `order="stored"` as they
    /// lie, which is the cheapest. `limit` is how many rows at most. `where` is a condition, such as
    /// `gapless.col("price") > 10`; what indexes and statistics rule out is not read.
    ///
    /// The scan sees the table as it is now, or as the snapshot `as_of` has it, however late it is read.
    ///
    /// With `require_coverage=True` a range that is not covered at `interval` is a CoverageError, whose `gaps` say what
    /// is missing; see also `Scan.uncovered`.
    ///
    /// Raises NotFoundError for a snapshot, InvalidError for a column that is not there.
    #[pyo3(signature = (start=None, end=None, series=None, columns=None, r#where=None, order=None, limit=None, as_of=None, require_coverage=false, interval=None))]
    #[expect(clippy::too_many_arguments, reason = "they are what a scan is, by name")]
    fn scan(
        &self,
        py: Python<'_>,
        start: Option<Instant>,
        end: Option<Instant>,
        series: Option<Names>,
        columns: Option<Names>,
        r#where: Option<Expr>,
        order: Option<&str>,
        limit: Option<usize>,
        as_of: Option<&str>,
        require_coverage: bool,
        interval: Option<Length>,
    ) -> PyResult<Scan> {
        let order = order.map(order_of).transpose()?.unwrap_or_default();
        let range = range(start, end);
        let interval = interval.map(|interval| interval.0);
        engine(py, || {
            let snapshot = self.handle.snapshot_of(as_of)?;
            let mut scan = snapshot.scan(&self.name)?;
            scan = scan.between(range.start, range.end).order(order);
            if let Some(series) = series {
                scan = scan.series(series.0);
            }
            if require_coverage {
                scan = match interval {
                    Some(interval) => scan.require_coverage(interval),
                    None => {
                        let interval = crate::scan::interval_of(&snapshot, &scan)?;
                        scan.require_coverage(interval)
                    }
                };
            }
            let Some(condition) = r#where else {
                if let Some(limit) = limit {
                    scan = scan.limit(limit);
                }
                if let Some(columns) = columns {
                    scan = scan.columns(columns.0);
                }
                scan.schema()?;
                return Ok(Scan::of_table(snapshot, scan, interval));
            };
            // A condition may read columns that are not wanted.
            let mut query = Query::from(scan.clone()).filter(condition.0);
            if let Some(limit) = limit {
                query = query.limit(limit);
            }
            if let Some(columns) = columns {
                query = query.select(columns.0);
            }
            Scan::of_table(snapshot, scan, interval).narrowed(query)
        })
    }
}

fn order_of(text: &str) -> PyResult<Order> {
    Ok(match text {
        "series" => Order::Series,
        "time" => Order::Time,
        "stored" => Order::Stored,
        other => {
            return Err(invalid(format!(
                "order {other:?}: there are \"series\", \"time\" and \"stored\""
            )));
        }
    })
}
