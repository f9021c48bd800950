//! A table into files.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gapless::{Error, PartitionKey, PartitionUnit, Result, Scan, Snapshot};
use gapless_interchange::{WriteFormat, WriteOptions, Writer, hive_path};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::file_error;
use super::read::parsed;
use crate::call::Cancel;
use crate::error::invalid;
use crate::progress::{Meter, watched};
use crate::table::Table;
use crate::text::Names;
use crate::time::{Instant, range};

/// Where rows go, and in which form.
struct Destination {
    path: PathBuf,
    format: WriteFormat,
    /// What each file of a tree has; one file without.
    unit: Option<PartitionUnit>,
    overwrite: bool,
}

#[pymethods]
impl Table {
    /// Exports rows with `start <= time < end` into a file, whose format its name says (.parquet, .csv, .jsonl, .arrow; text also .gz or .zst),
    /// or into a directory: a tree of files `date=2026-11-20/...`, one for each day, or each hour with `by="hour"`; Parquet unless `format`
    /// says otherwise. Rows come by series and time. A file is there whole or not at all.
    ///
    /// `progress` is a bar such as tqdm's, its class, or a callable: of rows for one file, of files for a tree.
    ///
    /// Gives a dict: `rows`, `bytes` and `files`.
    ///
    /// Raises InvalidError when the file exists or the directory is not empty, unless `overwrite=True`; StorageError.
    #[pyo3(signature = (to, start=None, end=None, series=None, columns=None, *, format=None, by="day", overwrite=false, as_of=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they are what an export is, by name")]
    fn export<'py>(
        &self,
        py: Python<'py>,
        to: PathBuf,
        start: Option<Instant>,
        end: Option<Instant>,
        series: Option<Names>,
        columns: Option<Names>,
        format: Option<&Bound<'py, PyAny>>,
        by: &str,
        overwrite: bool,
        as_of: Option<String>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let format = format.map(parsed::<WriteFormat>).transpose()?;
        let destination = Destination::new(to, format, by, overwrite)?;
        let (handle, name, range) = (Arc::clone(&self.handle), self.name.clone(), range(start, end));
        let unit = if destination.unit.is_some() { "file" } else { "row" };
        let files = watched(py, progress, unit, move |cancel, meter| {
            let snapshot = handle.snapshot_of(as_of.as_deref())?;
            let mut scan = snapshot.scan(&name)?.between(range.start, range.end);
            if let Some(series) = series {
                scan = scan.series(series.0);
            }
            if let Some(columns) = columns {
                scan = scan.columns(columns.0);
            }
            destination.check_free()?;
            destination.write(&snapshot, &scan, &range, cancel, meter)
        })?;
        let report = PyDict::new(py);
        report.set_item("rows", files.iter().map(|file| file.rows).sum::<u64>())?;
        report.set_item("bytes", files.iter().map(|file| file.bytes).sum::<u64>())?;
        let paths: Vec<&PathBuf> = files.iter().map(|file| &file.path).collect();
        report.set_item("files", paths)?;
        Ok(report)
    }
}

/// A file that was written.
struct File {
    path: PathBuf,
    rows: u64,
    bytes: u64,
}

impl Destination {
    fn new(path: PathBuf, format: Option<WriteFormat>, by: &str, overwrite: bool) -> PyResult<Self> {
        let unit = match by {
            "day" => PartitionUnit::Day,
            "hour" => PartitionUnit::Hour,
            other => return Err(invalid(format!("by {other:?}: there are \"day\" and \"hour\""))),
        };
        let named = WriteFormat::of_name(&path);
        let is_tree = path.is_dir() || named.is_none();
        let format = format.or(named).unwrap_or(WriteFormat::Parquet);
        Ok(Self {
            path,
            format,
            unit: is_tree.then_some(unit),
            overwrite,
        })
    }

    /// Nothing is replaced, and no rows are mixed with those of another export, unless asked for.
    fn check_free(&self) -> Result<()> {
        let (is_taken, what) = match self.unit {
            Some(_) => {
                let mut entries = std::fs::read_dir(&self.path).into_iter().flatten();
                (entries.next().is_some(), "is not empty")
            }
            None => (self.path.symlink_metadata().is_ok(), "exists"),
        };
        match is_taken && !self.overwrite {
            false => Ok(()),
            true => Err(Error::invalid(format!(
                "{} {what}: name another place, or pass overwrite=True to replace files of the same name",
                self.path.display()
            ))),
        }
    }

    fn write(
        &self,
        snapshot: &Snapshot,
        scan: &Scan,
        range: &Range<i64>,
        cancel: &Cancel,
        meter: &Meter,
    ) -> Result<Vec<File>> {
        let Some(unit) = self.unit else {
            let total = snapshot.table(&scan.meta().name)?.rows();
            let tell = |rows: u64| meter.set(rows, total.max(rows));
            let file = self.file(scan.clone(), &self.path, true, cancel, &tell)?;
            return Ok(file.into_iter().collect());
        };
        // Where the table has a column of that name, readers of the tree would see it twice.
        let mut columns = scan.meta().columns.iter();
        let day = match columns.any(|column| column.name == "date" || column.name == "hour") {
            true => "partition_date",
            false => "date",
        };
        let partitions = snapshot.partitions_between(&scan.meta().name, unit, range)?;
        let mut files = Vec::new();
        for (at, partition) in partitions.iter().enumerate() {
            meter.set(at as u64, partitions.len() as u64);
            let (start, end) = (partition.start.max(range.start), partition.end().min(range.end));
            let path = self.path_of(day, partition);
            files.extend(self.file(scan.clone().between(start, end), &path, false, cancel, &|_| {})?);
        }
        meter.set(partitions.len() as u64, partitions.len() as u64);
        Ok(files)
    }

    /// The file of a day or an hour; `day` is what the tree calls the day.
    fn path_of(&self, day: &str, partition: &PartitionKey) -> PathBuf {
        let path = partition.path();
        let (date, hour) = path.split_once('/').unwrap_or((&path, ""));
        let mut parts = vec![(day, date), ("hour", hour)];
        parts.retain(|(_, value)| !value.is_empty());
        hive_path(&self.path, &parts, 0).with_extension(self.format.extension())
    }

    /// Writes one file; none if there are no rows, unless `even_empty`: the columns are worth something.
    fn file(
        &self,
        scan: Scan,
        path: &Path,
        even_empty: bool,
        cancel: &Cancel,
        tell: &dyn Fn(u64),
    ) -> Result<Option<File>> {
        let schema = scan.schema()?;
        let options = WriteOptions::default();
        let create = || Writer::create(path, self.format, schema.clone(), &options).map_err(file_error);
        let mut writer = if even_empty { Some(create()?) } else { None };
        for batch in scan.stream()? {
            cancel.check()?;
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(create()?),
            };
            writer.write(&batch).map_err(file_error)?;
            tell(writer.rows());
        }
        let Some(writer) = writer else { return Ok(None) };
        let rows = writer.rows();
        writer.finish().map_err(file_error)?;
        let written = path
            .metadata()
            .map_err(|error| Error::io(format!("{}: {error}", path.display())))?;
        Ok(Some(File {
            path: path.to_owned(),
            rows,
            bytes: written.len(),
        }))
    }
}
