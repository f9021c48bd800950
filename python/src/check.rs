//! Whether the files hold what was committed, and what is done where they do not.

use std::sync::Arc;

use gapless::check::{CheckOptions, CheckReport, Finding, LostRange, check_database};
use gapless::repair::{RepairOptions, RepairReport};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::database::Database;
use crate::progress::{Meter, watched};

#[pymethods]
impl Database {
    /// Proves that the files hold what was committed, while others read and write. Damage is no error here but a finding.
    ///
    /// `table` restricts it to the segments of one. `progress` is a bar such as tqdm's, its class, or a callable of the segments done and in all.
    ///
    /// Gives a `gapless.CheckReport`: `is_clean`, `findings` with their places, what was looked at, and `damage`, the ranges of series that
    /// are lost.
    ///
    /// Raises NotFoundError for the table.
    ///
    /// >>> db.check().is_clean
    /// True
    #[pyo3(signature = (table=None, progress=None))]
    fn check<'py>(
        &self,
        py: Python<'py>,
        table: Option<String>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let handle = Arc::clone(&self.handle);
        let report = watched(py, progress, "segment", move |_, meter| {
            handle.database()?;
            let options = CheckOptions {
                table,
                progress: Some(told(meter)),
            };
            check_database(handle.name(), &options)
        })?;
        checked(py, &report)
    }

    /// Repairs damage: the sound rows of damaged segments are saved, damaged files are put into quarantine, and what is lost is a gap, which a
    /// fill fetches again. With `dry_run=True` it says what would be done.
    ///
    /// Gives a `gapless.RepairReport`: `is_whole`, `rows_lost`, `segments`, `lost` ranges, and `left`, damage that it does not heal.
    ///
    /// Raises NotFoundError for the table; StorageError.
    ///
    /// >>> db.repair().has_damage
    /// False
    #[pyo3(signature = (table=None, dry_run=false, progress=None))]
    fn repair<'py>(
        &self,
        py: Python<'py>,
        table: Option<String>,
        dry_run: bool,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let handle = Arc::clone(&self.handle);
        let report = watched(py, progress, "segment", move |_, meter| {
            handle.database()?.repair(&RepairOptions {
                table,
                dry_run,
                progress: Some(told(meter)),
            })
        })?;
        repaired(py, &report)
    }
}

fn told(meter: &Meter) -> gapless::check::Progress {
    let meter = meter.clone();
    Arc::new(move |done, total| meter.set(done as u64, total as u64))
}

fn checked<'py>(py: Python<'py>, report: &CheckReport) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("is_clean", report.is_clean())?;
    fields.set_item("findings", findings(py, &report.findings)?)?;
    fields.set_item("findings_left_out", report.findings_left_out)?;
    fields.set_item("version", report.version)?;
    fields.set_item("tables", report.tables)?;
    fields.set_item("segments", report.segments)?;
    fields.set_item("rows", report.rows)?;
    fields.set_item("coverage_files", report.coverage_files)?;
    fields.set_item("files", report.files)?;
    fields.set_item("bytes", report.bytes)?;
    fields.set_item("damage", lost(py, &report.damage)?)?;
    made(py, "CheckReport", &fields)
}

fn repaired<'py>(py: Python<'py>, report: &RepairReport) -> PyResult<Bound<'py, PyAny>> {
    let segments = PyList::empty(py);
    for segment in &report.segments {
        let fields = PyDict::new(py);
        fields.set_item("table", &segment.table)?;
        fields.set_item("partition", &segment.partition)?;
        fields.set_item("segment", &segment.segment)?;
        fields.set_item("rows", segment.rows)?;
        fields.set_item("rows_lost", segment.rows_lost)?;
        fields.set_item("quarantine", &segment.quarantine)?;
        segments.append(made(py, "RepairedSegment", &fields)?)?;
    }
    let coverage: Vec<&str> = report.coverage.iter().map(|file| file.file.as_str()).collect();
    let fields = PyDict::new(py);
    fields.set_item("is_whole", report.is_whole())?;
    fields.set_item("has_damage", report.has_damage())?;
    fields.set_item("is_dry_run", report.is_dry_run)?;
    fields.set_item("segments_checked", report.segments_checked)?;
    fields.set_item("segments", segments)?;
    fields.set_item("coverage_files", coverage)?;
    fields.set_item("rows_lost", report.rows_lost())?;
    fields.set_item("lost", lost(py, &report.lost)?)?;
    fields.set_item("left", findings(py, &report.left)?)?;
    made(py, "RepairReport", &fields)
}

fn findings<'py>(py: Python<'py>, all: &[Finding]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for finding in all {
        let fields = PyDict::new(py);
        fields.set_item("severity", finding.severity.name())?;
        fields.set_item("kind", finding.kind.name())?;
        fields.set_item("where", finding.location())?;
        fields.set_item("message", &finding.message)?;
        fields.set_item("table", finding.table.as_deref())?;
        fields.set_item("partition", finding.partition.as_deref())?;
        fields.set_item("segment", finding.segment.as_deref())?;
        fields.set_item("column", finding.column.as_deref())?;
        fields.set_item("file", finding.file.as_deref())?;
        fields.set_item("offset", finding.offset)?;
        list.append(made(py, "Finding", &fields)?)?;
    }
    Ok(list)
}

fn lost<'py>(py: Python<'py>, all: &[LostRange]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for lost in all {
        let fields = PyDict::new(py);
        fields.set_item("table", &lost.table)?;
        fields.set_item("series", lost.series.as_deref())?;
        fields.set_item("start", lost.start)?;
        fields.set_item("end", lost.end)?;
        fields.set_item("rows", lost.rows)?;
        list.append(made(py, "LostRange", &fields)?)?;
    }
    Ok(list)
}

fn made<'py>(py: Python<'py>, class: &str, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    py.import("gapless._check")?.getattr(class)?.call((), Some(fields))
}
