//! Changes of a [`Table`]: rows replaced and deleted, columns, maintenance.

use gapless::compact::{Policy, RunOptions};
use pyo3::prelude::*;

use super::Table;
use crate::call::{self, engine};
use crate::data;
use crate::error::invalid;
use crate::scan::Scan;
use crate::schema::type_of;
use crate::text::Names;
use crate::time::{Instant, range};

#[pymethods]
impl Table {
    /// Replaces the rows with `start <= time < end`, of some series or of all, as one atomic commit, durable when this
    /// returns: the range holds exactly these rows then. Gives how many there are. What is known of the range (its
    /// coverage) stays.
    ///
    /// Raises InvalidError for a row outside of the range or of another series, and as `write`. Nothing has changed
    /// then.
    #[pyo3(signature = (data, start, end, series=None))]
    fn replace(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        start: Instant,
        end: Instant,
        series: Option<Names>,
    ) -> PyResult<u64> {
        let (reader, table) = (self.reader(data)?, engine(py, || self.engine())?);
        call::writing(py, move |cancel| {
            let batches = reader
                .collect::<Result<Vec<_>, _>>()
                .map_err(data::source_error)?;
            cancel.check()?;
            let names = series.as_ref().map(|series| texts(&series.0));
            Ok(table.replace(start.0..end.0, names.as_deref(), batches)?.rows)
        })
    }

    /// Deletes the rows with `start <= time < end`, of some series or of all, as one atomic commit, durable when this
    /// returns. No bound at all would delete everything: say so with `start` and `end`, or name the series. Scans that
    /// are there still read the rows; the range is not covered any more.
    ///
    /// Raises InvalidError when neither bound nor series is given.
    #[pyo3(signature = (start=None, end=None, series=None))]
    fn delete(
        &self,
        py: Python<'_>,
        start: Option<Instant>,
        end: Option<Instant>,
        series: Option<Names>,
    ) -> PyResult<()> {
        if start.is_none() && end.is_none() && series.is_none() {
            return Err(invalid(
                "delete without start, end and series would delete every row: name what is to go, or drop the table",
            ));
        }
        let time = range(start, end);
        engine(py, || {
            let names = series.as_ref().map(|series| texts(&series.0));
            self.engine()?.delete(time, names.as_deref())
        })
    }

    /// Writes the rows that this process has streamed, of all tables, to segments. They are visible and durable without
    /// it.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let handle = std::sync::Arc::clone(&self.handle);
        call::writing(py, move |_| handle.database()?.flush())
    }

    /// Makes as few segments of the table as can be, and removes the rows that deletions hide. Readers and writers go
    /// on meanwhile. Gives what was done: a dict of `segments_removed`, `segments_added`, `bytes_removed` and
    /// `bytes_added`.
    fn compact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
        let (handle, name) = (std::sync::Arc::clone(&self.handle), self.name.clone());
        compact(py, handle, Some(name))
    }

    /// Removes the partitions that end at or before a time, as one atomic commit, durable when this returns; gives how
    /// many rows went. A partition that reaches beyond it stays whole, and so do rows that were streamed and are in no
    /// segment yet: see `flush`.
    fn expire(&self, py: Python<'_>, before: Instant) -> PyResult<u64> {
        engine(py, || self.engine()?.expire(before.0))
    }

    /// Adds a column at the end, atomically and durably: rows that are there read as null. `type` is text, such as
    /// "float64", or a type with `__arrow_c_schema__`.
    ///
    /// Raises InvalidError when the name is taken.
    #[pyo3(signature = (name, r#type))]
    fn add_column(&self, py: Python<'_>, name: &str, r#type: &Bound<'_, PyAny>) -> PyResult<()> {
        let data_type = type_of(r#type)?;
        engine(py, || self.engine()?.add_column(name, data_type))
    }

    /// Gives a column another name, atomically and durably.
    ///
    /// Raises InvalidError when there is no such column, or the new name is taken.
    fn rename_column(&self, py: Python<'_>, name: &str, new_name: &str) -> PyResult<()> {
        engine(py, || self.engine()?.rename_column(name, new_name))
    }

    /// Drops a column, atomically and durably. Scans that are there still read it.
    ///
    /// Raises InvalidError for the time column, the series column and columns of the key.
    fn drop_column(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        engine(py, || self.engine()?.drop_column(name))
    }

    /// Gives a column a wider type, atomically and durably: one that has every value of the present type.
    ///
    /// Raises InvalidError for one that does not, and for the time and the series column.
    #[pyo3(signature = (name, r#type))]
    fn widen_column(&self, py: Python<'_>, name: &str, r#type: &Bound<'_, PyAny>) -> PyResult<()> {
        let data_type = type_of(r#type)?;
        engine(py, || self.engine()?.widen_column(name, data_type))
    }

    /// The last row of each series at or before `at`, which sees rows at that very time; at the end, where none is
    /// given. A scan: it is read when it is asked for.
    #[pyo3(signature = (at=None, series=None))]
    fn latest(&self, py: Python<'_>, at: Option<Instant>, series: Option<Names>) -> PyResult<Scan> {
        let scan = engine(py, || {
            let snapshot = self.handle.snapshot()?;
            let scan = snapshot.scan(&self.name)?;
            let scan = match series {
                Some(series) => scan.series(series.0),
                None => scan,
            };
            Ok(Scan::of_table(snapshot, scan, None))
        })?;
        scan.then(py, scan.query().latest(at.map(|at| at.0)))
    }
}

/// Makes as few segments as can be, of one table or of all.
pub(crate) fn compact<'py>(
    py: Python<'py>,
    handle: std::sync::Arc<crate::handle::Handle>,
    table: Option<String>,
) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
    let report = call::writing(py, move |cancel| {
        if let Some(table) = &table {
            handle.table(table)?;
        }
        let policy = Policy {
            table,
            full: true,
            ..Policy::default()
        };
        let options = RunOptions {
            cancel: cancel.flag(),
            ..RunOptions::default()
        };
        let report = handle.database()?.maintain(&policy, &options)?;
        match report.failed.first() {
            Some(reason) => Err(gapless::Error::corrupt(reason.clone())),
            None => Ok(report),
        }
    })?;
    let done = pyo3::types::PyDict::new(py);
    done.set_item("segments_removed", report.segments_removed)?;
    done.set_item("segments_added", report.segments_added)?;
    done.set_item("bytes_removed", report.bytes_removed)?;
    done.set_item("bytes_added", report.bytes_added)?;
    Ok(done)
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
