//! Files into a table, which is made if it is not there.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use gapless::{Error, Result, TableSpec, WriteOptions};
use gapless_interchange::{Plan, ReadOptions, Source, plan, type_name_of};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::file_error;
use super::read::{Paths, read_options};
use crate::call::Cancel;
use crate::database::{Database, keep, partition};
use crate::progress::{Meter, watched};
use crate::text::Names;

/// The description of a table that is to be made, with what the files do not say.
type Make = Box<dyn FnOnce(TableSpec) -> TableSpec + Send>;

/// What was imported.
struct Imported {
    rows: u64,
    rejected: u64,
    is_new: bool,
    time: String,
    series: Option<String>,
}

#[pymethods]
impl Database {
    /// Imports files of CSV, JSON lines (both plain, .gz or .zst), Parquet or Arrow into a table, as one atomic commit, durable when this
    /// returns. A table that is not there is made, with the columns of the files; nothing of it is left after an error.
    ///
    /// `time` and `series` name the columns of a new table. Units and zones of times are never guessed: `time_unit` ("s", "ms", "us", "ns"),
    /// `time_format` (of strftime) and `zone` say them. `types` gives types of columns ({"price": "f64"}), `symbols` names text columns that
    /// are stored as symbols; of a table that is there its own types rule. `rejects` is a file for lines that cannot be read; without, the
    /// first such line is an error. Further: `format`, `delimiter`, `header`, `column_names`, `null_values`. `partition`, `key` and `keep` are
    /// those of a new table.
    ///
    /// `progress` is a bar such as tqdm's, its class, or a callable of the bytes done and in all.
    ///
    /// Gives a dict: `rows`, `rejected`, `created`, `time` and `series`. Nothing is attested: see `Table.infer_coverage`.
    ///
    /// Raises InvalidError with file, line and column; NotFoundError for a file; ConflictError when the table was made meanwhile.
    #[pyo3(signature = (table, files, *, partition=None, key=None, keep=None, progress=None, **options))]
    #[expect(clippy::too_many_arguments, reason = "they are what an import is, by name")]
    fn import_files<'py>(
        &self,
        py: Python<'py>,
        table: String,
        files: Paths,
        partition: Option<&str>,
        key: Option<Names>,
        keep: Option<&str>,
        progress: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let unit = partition.map(self::partition).transpose()?;
        let kept = keep.map(self::keep).transpose()?;
        let make: Make = Box::new(move |mut spec| {
            if let Some(unit) = unit {
                spec = spec.partition(unit);
            }
            if let Some(kept) = kept {
                spec = spec.keep(kept);
            }
            match key {
                Some(key) => spec.key(key.0),
                None => spec,
            }
        });
        let (handle, read) = (Arc::clone(&self.handle), read_options(options)?);
        let done = watched(py, progress, "B", move |cancel, meter| {
            import(&handle.database()?, &table, &files.0, read, make, cancel, meter)
        })?;
        let report = PyDict::new(py);
        report.set_item("rows", done.rows)?;
        report.set_item("rejected", done.rejected)?;
        report.set_item("created", done.is_new)?;
        report.set_item("time", done.time)?;
        report.set_item("series", done.series)?;
        Ok(report)
    }
}

fn import(
    database: &gapless::Database,
    table: &str,
    files: &[PathBuf],
    mut read: ReadOptions,
    make: Make,
    cancel: &Cancel,
    meter: &Meter,
) -> Result<Imported> {
    let known = match database.version()?.table(table) {
        Ok(state) => Some((Arc::clone(state.meta()), database.table(table)?.schema()?)),
        Err(_) => None,
    };
    if let Some((meta, _)) = &known {
        let name = |id: u32| meta.column(id).map(|column| column.name.clone());
        read.time = name(meta.time_column);
        read.series = meta.series_column.and_then(name);
    }
    let mut planned = plan(files, &read).map_err(file_error)?;
    if let Some((_, schema)) = &known {
        check_fit(table, schema, &planned)?;
        if adopt(schema, &planned, &mut read) {
            planned = plan(files, &read).map_err(file_error)?;
        }
    }
    let mut transaction = database.transaction()?;
    if known.is_none() {
        let mut spec = TableSpec::new(table, planned.schema.as_ref().clone()).time(&planned.time);
        if let Some(series) = &planned.series {
            spec = spec.series(series);
        }
        transaction.create_table(&make(spec))?;
    }
    let mut rows = Rows {
        source: Source::open(&planned, &read).map_err(file_error)?,
        cancel,
        meter,
        rejected: 0,
    };
    transaction.write::<Error>(table, rows.by_ref(), &WriteOptions::default())?;
    let rejected = rows.rejected;
    cancel.check()?;
    Ok(Imported {
        rows: transaction.commit()?.rows,
        rejected,
        is_new: known.is_none(),
        time: planned.time,
        series: planned.series,
    })
}

/// Columns of files get the types that the table has; those that are given go before. Tells whether that changed anything.
fn adopt(schema: &SchemaRef, planned: &Plan, read: &mut ReadOptions) -> bool {
    let before = read.types.len();
    for field in schema.fields() {
        let name = field.name();
        let special = *name == planned.time || Some(name) == planned.series.as_ref();
        let given = read.types.iter().any(|(other, _)| other == name);
        if special || given || planned.schema.column_with_name(name).is_none() {
            continue;
        }
        if let Some(type_name) = type_name_of(field.data_type()) {
            read.types.push((name.clone(), type_name));
        }
    }
    read.types.len() > before
}

/// Every column of the files must be one of the table.
fn check_fit(table: &str, schema: &SchemaRef, planned: &Plan) -> Result<()> {
    let has = |name: &str| schema.column_with_name(name).is_some();
    let Some(field) = planned.schema.fields().iter().find(|field| !has(field.name())) else {
        return Ok(());
    };
    let fields = schema.fields().iter();
    let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
    Err(Error::invalid(format!(
        "table {table:?} has no column {:?}, which the files have; its columns are {}",
        field.name(),
        names.join(", ")
    )))
}

/// The rows of the files, as long as they are wanted.
struct Rows<'a> {
    source: Source,
    cancel: &'a Cancel,
    meter: &'a Meter,
    rejected: u64,
}

impl Iterator for Rows<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(interrupted) = self.cancel.check() {
            return Some(Err(interrupted));
        }
        let next = self.source.next();
        self.meter.set(self.source.bytes_read(), self.source.bytes_total());
        self.rejected = self.source.rows_rejected();
        next.map(|batch| batch.map_err(file_error))
    }
}
