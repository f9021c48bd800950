//! The rows of files that lie in gaps, by series and time. Each file is read once; other rows are not kept.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use gapless::Gap;
use gapless_format::TableMeta;
use gapless_interchange::{Plan, ReadOptions, Source};

use super::arguments::Args;
use crate::commands::import::{adopt_types, check_fit};
use crate::error::CliError;
use crate::progress;

/// Rows by series.
pub(super) struct Index {
    series: HashMap<Option<String>, Rows>,
    /// What was missing of each series when the files were read, ascending: other rows were not kept.
    wanted: HashMap<Option<String>, Vec<Range<i64>>>,
    files: usize,
}

/// Rows of one series, ascending in time; equal times in the order of the files and their lines.
struct Rows {
    times: Vec<i64>,
    batch: RecordBatch,
}

/// What is missing of each series, ascending.
type Wanted<'a> = HashMap<Option<&'a str>, Vec<Range<i64>>>;

impl Index {
    /// The rows of a series in a range, without the series column.
    pub(super) fn rows(&self, series: Option<&str>, range: &Range<i64>) -> RecordBatch {
        let Some(rows) = self.series.get(&series.map(str::to_owned)) else {
            return RecordBatch::new_empty(Arc::new(Schema::empty()));
        };
        let first = rows.times.partition_point(|time| *time < range.start);
        let last = rows.times.partition_point(|time| *time < range.end);
        rows.batch.slice(first, last.saturating_sub(first))
    }

    /// Whether a row of a series was kept.
    pub(super) fn has_series(&self, series: Option<&str>) -> bool {
        self.series.contains_key(&series.map(str::to_owned))
    }

    /// The pieces of a range that were missing when the files were read: of others it is not known whether the files have rows.
    pub(super) fn known(&self, series: Option<&str>, range: &Range<i64>) -> Vec<Range<i64>> {
        let wanted = self.wanted.get(&series.map(str::to_owned));
        let wanted = wanted.map_or(&[][..], Vec::as_slice);
        let first = wanted.partition_point(|wanted| wanted.end <= range.start);
        let pieces = wanted.iter().skip(first);
        pieces
            .take_while(|wanted| wanted.start < range.end)
            .map(|wanted| wanted.start.max(range.start)..wanted.end.min(range.end))
            .collect()
    }

    /// How many files were read.
    pub(super) fn files(&self) -> usize {
        self.files
    }
}

/// How rows for a table are read: its columns have the types that it has, whatever a file would let one think.
pub(super) struct Layout<'a> {
    pub(super) meta: &'a TableMeta,
    pub(super) options: ReadOptions,
}

impl<'a> Layout<'a> {
    pub(super) fn new(args: &Args, meta: &'a TableMeta) -> Self {
        let mut options = args.reading.read_options();
        options.format = args.input_format;
        if options.time.is_none() {
            options.time = name(meta, Some(meta.time_column)).map(str::to_owned);
        }
        Self { meta, options }
    }

    /// The plan that `make` gives once the types are those of the table, and the options that it is made with.
    pub(super) fn plan(
        &self,
        make: impl Fn(&ReadOptions) -> gapless_interchange::Result<Plan>,
    ) -> Result<(Plan, ReadOptions), CliError> {
        let mut options = self.options.clone();
        let first = make(&options)?;
        let series = name(self.meta, self.meta.series_column);
        options.series = series
            .filter(|series| first.schema.column_with_name(series).is_some())
            .map(str::to_owned);
        let adopted = adopt_types(self.meta, &first, &mut options);
        let plan = match adopted || options.series.is_some() {
            true => make(&options)?,
            false => first,
        };
        check_fit(self.meta, &self.fitted(&plan))?;
        Ok((plan, options))
    }

    /// A batch whose time column is called as that of the table.
    pub(super) fn with_time(&self, plan: &Plan, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (schema, places) = self.named(&batch.schema(), &plan.time);
        let columns = places
            .into_iter()
            .filter_map(|place| batch.columns().get(place).cloned());
        RecordBatch::try_new(schema, columns.collect())
    }

    fn fitted(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        plan.schema = self.named(&plan.schema, &plan.time).0;
        plan
    }

    /// The columns under the names of the table, and their places. What the table calls its time is the column that was said to
    /// be the time, whatever else a file calls so; under its own name it stays, if the table has a column of that.
    fn named(&self, schema: &Schema, time: &str) -> (Arc<Schema>, Vec<usize>) {
        let wanted = name(self.meta, Some(self.meta.time_column)).unwrap_or_default();
        let in_table = self.meta.columns.iter().any(|column| column.name == time);
        let (mut fields, mut places) = (Vec::new(), Vec::new());
        for (place, field) in schema.fields().iter().enumerate() {
            let is_time = field.name() == time;
            if is_time {
                fields.push(field.as_ref().clone().with_name(wanted));
                places.push(place);
            }
            if field.name() != wanted && (!is_time || in_table) {
                fields.push(field.as_ref().clone());
                places.push(place);
            }
        }
        (Arc::new(Schema::new(fields)), places)
    }
}

/// The name of a column.
pub(super) fn name(meta: &TableMeta, id: Option<u32>) -> Option<&str> {
    id.and_then(|id| meta.column(id))
        .map(|column| column.name.as_str())
}

/// Reads files.
pub(super) fn read(
    args: &Args,
    meta: &TableMeta,
    files: &[PathBuf],
    gaps: &[Gap],
) -> Result<Index, CliError> {
    let mut wanted = Wanted::new();
    for gap in gaps {
        wanted.entry(gap.series.as_deref()).or_default().push(gap.range());
    }
    let layout = Layout::new(args, meta);
    let mut kept = HashMap::<Option<String>, Vec<RecordBatch>>::new();
    let sizes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
    let bar = progress::bytes(sizes.map(|file| file.len()).sum(), "reading files");
    let mut done = 0;
    for file in files {
        let (plan, options) =
            layout.plan(|options| gapless_interchange::plan(std::slice::from_ref(file), options))?;
        let only = only_series(args, meta, &options, file)?;
        let mut source = Source::open(&plan, &options)?;
        while let Some(batch) = source.next() {
            let batch = layout.with_time(&plan, &batch?).map_err(internal)?;
            keep(meta, &batch, only, &wanted, &mut kept)?;
            bar.set_position(done + source.bytes_read());
        }
        done += source.bytes_total();
    }
    bar.finish_and_clear();
    let series = kept
        .into_iter()
        .map(|(series, batches)| Ok((series, sorted(meta, &batches)?)))
        .collect::<Result<_, CliError>>()?;
    let wanted = wanted
        .into_iter()
        .map(|(series, ranges)| (series.map(str::to_owned), ranges));
    Ok(Index {
        series,
        wanted: wanted.collect(),
        files: files.len(),
    })
}

/// The series that all rows of a file have which does not say: the one that is asked for.
fn only_series<'a>(
    args: &'a Args,
    meta: &TableMeta,
    options: &ReadOptions,
    file: &std::path::Path,
) -> Result<Option<&'a str>, CliError> {
    let column = name(meta, meta.series_column);
    match (column, options.series.is_some(), args.asked.series.as_slice()) {
        (None, ..) | (_, true, _) => Ok(None),
        (Some(_), false, [only]) => Ok(Some(only)),
        (Some(column), false, _) => Err(CliError::invalid(format!(
            "{}: it has no column {column:?}, so it does not say which series its rows are of",
            file.display()
        ))
        .hint("if all are of one series, name it with --series")),
    }
}

/// Keeps the rows of a batch that lie in gaps.
fn keep(
    meta: &TableMeta,
    batch: &RecordBatch,
    only: Option<&str>,
    wanted: &Wanted<'_>,
    kept: &mut HashMap<Option<String>, Vec<RecordBatch>>,
) -> Result<(), CliError> {
    let times = times(meta, batch)?;
    let series = name(meta, meta.series_column);
    let symbols = series
        .and_then(|series| batch.column_by_name(series))
        .and_then(|array| array.as_dictionary_opt::<UInt32Type>().cloned());
    // The missing ranges of each symbol of the batch; a batch without symbols is all of one series.
    let names: Vec<Option<&str>> = match &symbols {
        None => vec![only],
        Some(symbols) => symbols.values().as_string::<i32>().iter().collect(),
    };
    let missing: Vec<Option<&Vec<Range<i64>>>> = names.iter().map(|name| wanted.get(name)).collect();
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); names.len()];
    for (row, time) in (0_u32..).zip(&times) {
        let place = match &symbols {
            None => Some(0),
            Some(symbols) => symbols.key(row as usize),
        };
        let Some(place) = place else { continue };
        let ranges = missing.get(place).copied().flatten();
        if ranges.is_some_and(|ranges| lies_in(ranges, *time))
            && let Some(rows) = rows.get_mut(place)
        {
            rows.push(row);
        }
    }
    let plain = plain(batch, series)?;
    for (name, rows) in names.into_iter().zip(rows) {
        if !rows.is_empty() {
            let taken = taken(&plain, rows)?;
            kept.entry(name.map(str::to_owned)).or_default().push(taken);
        }
    }
    Ok(())
}

fn lies_in(ranges: &[Range<i64>], time: i64) -> bool {
    let at = ranges.partition_point(|range| range.end <= time);
    ranges.get(at).is_some_and(|range| range.start <= time)
}

/// The batch without its series, and with text instead of symbols: a few rows must not carry the names of all.
fn plain(batch: &RecordBatch, series: Option<&str>) -> Result<RecordBatch, CliError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if Some(field.name().as_str()) == series {
            continue;
        }
        match field.data_type() {
            DataType::Dictionary(_, values) => {
                columns.push(arrow_cast::cast(column, values).map_err(internal)?);
                fields.push(field.as_ref().clone().with_data_type(values.as_ref().clone()));
            }
            _ => {
                columns.push(Arc::clone(column));
                fields.push(field.as_ref().clone());
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(internal)
}

fn taken(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, CliError> {
    arrow_select::take::take_record_batch(batch, &UInt32Array::from(rows)).map_err(internal)
}

/// Batches of a series as one, by time. Files may leave out columns: these are null then.
fn sorted(meta: &TableMeta, batches: &[RecordBatch]) -> Result<Rows, CliError> {
    let mut fields: Vec<Field> = Vec::new();
    for field in batches.iter().flat_map(|batch| batch.schema_ref().fields()) {
        if !fields.iter().any(|known| known.name() == field.name()) {
            fields.push(field.as_ref().clone().with_nullable(true));
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let aligned = batches.iter().map(|batch| {
        let columns = schema
            .fields()
            .iter()
            .map(|field| match batch.column_by_name(field.name()) {
                Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
                Some(column) => arrow_cast::cast(column, field.data_type()),
                None => Ok(arrow_array::new_null_array(field.data_type(), batch.num_rows())),
            });
        RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_, _>>()?)
    });
    let aligned = aligned.collect::<Result<Vec<_>, _>>().map_err(internal)?;
    let all = arrow_select::concat::concat_batches(&schema, &aligned).map_err(internal)?;
    let unsorted = times(meta, &all)?;
    if unsorted.is_sorted() {
        return Ok(Rows {
            times: unsorted,
            batch: all,
        });
    }
    let mut order: Vec<u32> = (0_u32..).take(unsorted.len()).collect();
    order.sort_by_key(|row| unsorted.get(*row as usize).copied());
    let batch = taken(&all, order)?;
    Ok(Rows {
        times: times(meta, &batch)?,
        batch,
    })
}

fn times(meta: &TableMeta, batch: &RecordBatch) -> Result<Vec<i64>, CliError> {
    name(meta, Some(meta.time_column))
        .and_then(|time| batch.column_by_name(time))
        .and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>())
        .map(|times| times.values().to_vec())
        .ok_or_else(|| CliError::internal("rows were read without their time"))
}

fn internal(error: ArrowError) -> CliError {
    CliError::internal(format!("cannot sort rows: {error}"))
}

#[cfg(test)]
impl Index {
    /// What files without a row give, read when these ranges were missing.
    pub(super) fn without_rows(series: Option<&str>, wanted: Vec<Range<i64>>) -> Self {
        Self {
            series: HashMap::new(),
            wanted: HashMap::from([(series.map(str::to_owned), wanted)]),
            files: 1,
        }
    }
}
