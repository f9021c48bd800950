//! Slots without a row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use gapless_engine::scan::{Beside, Scan, StoredScan};
use gapless_engine::{Error, Result};
use hashbrown::HashMap;
use rayon::prelude::*;

use super::latest::instant;
use super::slots::{Slots, asked_series, series_array, time_array};
use super::{BATCH_ROWS, ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::bucket::Bucket;
use crate::source::{Layout, Member, Rows, RowsIter, SeriesList, SeriesRun, Source, ordered, run_ends};

/// The longest ranges of slots without a row, of each series.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    input: Input,
    bucket: Bucket,
    slots: Slots,
    shape: Shape,
}

/// Ranges of slots of a series, by its number.
type OfSeries = (u32, Vec<Range<u64>>);

impl Missing {
    pub(crate) fn new(input: Input, bucket: Bucket, start: i64, end: i64) -> Result<Self> {
        Ok(Self {
            slots: Slots::new(&bucket, start, end)?,
            shape: shape(input.shape())?,
            input,
            bucket,
        })
    }

    /// The scan that need not be read in order: not one that was cut to its first rows.
    fn scan(&self) -> Option<Scan> {
        let scan = self.input.as_scan()?;
        let (own, asked) = (scan.time_range(), self.slots.range());
        let is_whole = scan.order_and_limit().1.is_none();
        is_whole.then(|| {
            let scan = scan.clone().columns(Vec::<String>::new());
            scan.between(own.start.max(asked.start), own.end.min(asked.end))
        })
    }
}

fn shape(input: &Shape) -> Result<Shape> {
    let time = input.time.clone().ok_or_else(|| {
        Error::invalid("these rows have no time, so they are in no slot: ask before the time is left out")
    })?;
    let bound = |name: &str| time.clone().with_name(name).with_nullable(false);
    let mut fields: Vec<Field> = input.series.iter().cloned().collect();
    fields.extend([
        bound("start"),
        bound("end"),
        Field::new("slots", DataType::Int64, false),
    ]);
    if let Some(series) = input.series_name()
        && ["start", "end", "slots"].contains(&series)
    {
        return Err(Error::invalid(format!(
            "two columns would be called {series:?}: give the series another name with select() before"
        )));
    }
    Ok(Shape {
        schema: Arc::new(Schema::new(fields)),
        time: Some(bound("start")),
        series: input.series.clone(),
        is_ordered: true,
    })
}

impl Operator for Missing {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, _columns: &ColumnSet) -> Result<Input> {
        let mut needed = ColumnSet::new();
        super::add_order_columns(&mut needed, self.input.shape());
        Ok(Arc::new(Self {
            input: self.input.pruned(&needed)?,
            ..self.clone()
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let asked = asked_series(&self.input);
        let output = Output {
            schema: Arc::clone(&self.shape.schema),
            slots: self.slots.clone(),
            list: Arc::clone(&planner.list),
            has_series: self.shape.series.is_some(),
        };
        if let Some(scan) = self.scan() {
            return Ok(Arc::new(MissingOfScan::new(scan, asked, output)?));
        }
        Ok(Arc::new(MissingOfRows {
            input: ordered(&self.input, planner)?,
            asked: asked.map(|names| {
                let weights = vec![0; names.len()];
                planner.list.join(names, weights)
            }),
            output,
        }))
    }

    fn describe(&self) -> String {
        let range = self.slots.range();
        format!(
            "slots of {} without a row, {} to {}",
            self.bucket,
            instant(range.start),
            instant(range.end)
        )
    }
}

/// What makes rows of ranges of slots.
struct Output {
    schema: SchemaRef,
    slots: Slots,
    list: Arc<SeriesList>,
    has_series: bool,
}

impl Output {
    fn rows(&self, part: usize, missing: &[OfSeries]) -> Result<Vec<Rows>> {
        let of_part = self.list.part(part)?;
        let names = self.list.names()?.slice(of_part.start as usize, of_part.len());
        let all: Vec<(u32, Range<u64>)> = missing
            .iter()
            .flat_map(|(series, ranges)| ranges.iter().map(|range| (*series, range.clone())))
            .collect();
        let batches = all.chunks(BATCH_ROWS);
        batches
            .map(|ranges| self.batch(ranges, of_part.start, &names))
            .collect()
    }

    fn batch(&self, ranges: &[(u32, Range<u64>)], first: u32, names: &StringArray) -> Result<Rows> {
        let field = |at: usize| self.schema.field(at + usize::from(self.has_series)).data_type();
        let times = |slot: fn(&Range<u64>) -> u64| -> ScalarBuffer<i64> {
            ranges
                .iter()
                .map(|(_, range)| self.slots.start(slot(range)))
                .collect()
        };
        let (starts, ends) = (times(|range| range.start), times(|range| range.end));
        let count =
            |(_, range): &(u32, Range<u64>)| i64::try_from(range.end - range.start).unwrap_or(i64::MAX);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(4);
        if self.has_series {
            let series = ranges.iter().map(|(series, _)| *series);
            columns.push(series_array(
                series,
                first,
                names,
                self.schema.field(0).data_type(),
            )?);
        }
        columns.push(time_array(
            TimestampNanosecondArray::new(starts.clone(), None),
            field(0),
        )?);
        columns.push(time_array(TimestampNanosecondArray::new(ends, None), field(1))?);
        columns.push(Arc::new(ranges.iter().map(count).collect::<Int64Array>()));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal(format!("slots make no batch: {error}")))?;
        let series: Vec<u32> = ranges.iter().map(|(series, _)| *series).collect();
        let run = |(series, rows)| SeriesRun { series, rows };
        Ok(Rows {
            batch,
            times: starts,
            runs: run_ends(&series).map(run).collect(),
        })
    }
}

/// What is missing of a scan: found in the order of its segments, of their times alone, before any of it is given. What is kept
/// grows with the number of ranges, not of rows.
struct MissingOfScan {
    output: Output,
    member: Member,
    /// Of each of its series.
    missing: Vec<Vec<Range<u64>>>,
}

impl MissingOfScan {
    fn new(scan: Scan, asked: Option<StringArray>, output: Output) -> Result<Self> {
        let scan = Arc::new(StoredScan::new(scan)?);
        let mut present = present(&scan, &output.slots)?;
        let mut names: Vec<Option<String>> = Vec::with_capacity(present.len());
        let mut missing = Vec::with_capacity(present.len());
        let mut add = |name: Option<&str>, present| {
            names.push(name.map(str::to_owned));
            missing.push(output.slots.missing(present));
        };
        let is_present = |code: &u32| *code != StoredScan::NO_SERIES && present.contains_key(code);
        let codes: Vec<u32> = scan.codes_by_name()?.into_iter().filter(is_present).collect();
        let found = match codes.is_empty() {
            true => StringArray::new_null(0),
            false => scan.names(&codes)?,
        };
        let found: Vec<(&str, u32)> = found.iter().flatten().zip(codes).collect();
        match &asked {
            None => {
                for (name, code) in found {
                    add(Some(name), present.remove(&code).unwrap_or_default());
                }
                if let Some(of_none) = present.remove(&StoredScan::NO_SERIES) {
                    add(None, of_none);
                }
            }
            Some(asked) => {
                let codes: HashMap<&str, u32> = found.into_iter().collect();
                for name in asked {
                    let code = name.map_or(Some(StoredScan::NO_SERIES), |name| codes.get(name).copied());
                    add(
                        name,
                        code.and_then(|code| present.remove(&code)).unwrap_or_default(),
                    );
                }
            }
        }
        let weights = missing
            .iter()
            .map(|ranges: &Vec<_>| ranges.len() as u64)
            .collect();
        Ok(Self {
            member: output.list.join(names.into_iter().collect(), weights),
            missing,
            output,
        })
    }
}

/// The slots that have rows, by the codes of series.
fn present(scan: &Arc<StoredScan>, slots: &Slots) -> Result<HashMap<u32, Vec<Range<u64>>>> {
    let parts: Vec<Vec<OfSeries>> = (0..scan.parts())
        .into_par_iter()
        .map(|part| present_of_part(scan, part, slots))
        .collect::<Result<_>>()?;
    let mut present: HashMap<u32, Vec<Range<u64>>> = HashMap::new();
    for (code, ranges) in parts.into_iter().flatten() {
        let all = present.entry(code).or_default();
        match all.last_mut().zip(ranges.first()) {
            // A series that goes on in the next part or the next day.
            Some((last, next)) if last.end == next.start => {
                last.end = next.end;
                all.extend_from_slice(ranges.get(1..).unwrap_or_default());
            }
            _ => all.extend(ranges),
        }
    }
    Ok(present)
}

fn present_of_part(scan: &Arc<StoredScan>, part: usize, slots: &Slots) -> Result<Vec<OfSeries>> {
    let mut found: Vec<OfSeries> = Vec::new();
    let beside = Beside {
        times: true,
        codes: true,
    };
    for rows in scan.read(part, beside)? {
        let rows = rows?;
        let mut take = |code: u32, times: &[i64]| match found.last_mut() {
            Some((last, present)) if *last == code => slots.add_present(times, present),
            _ => {
                let mut present = Vec::new();
                slots.add_present(times, &mut present);
                found.push((code, present));
            }
        };
        if rows.codes.is_empty() {
            take(StoredScan::NO_SERIES, &rows.times);
        }
        for (code, run) in run_ends(&rows.codes) {
            take(code, rows.times.get(run).unwrap_or_default());
        }
    }
    Ok(found)
}

impl Source for MissingOfScan {
    fn schema(&self) -> &SchemaRef {
        &self.output.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.output.list.part_count()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let (own, numbers) = self.output.list.members(self.member, part)?;
        let number = |at: usize| match &numbers {
            Some(numbers) => numbers.get(at).copied().unwrap_or(u32::MAX),
            None => u32::try_from(at).unwrap_or(u32::MAX),
        };
        let of_series = |at: usize| (number(at), self.missing.get(at).cloned().unwrap_or_default());
        let missing: Vec<OfSeries> = own.map(of_series).collect();
        Ok(Box::new(self.output.rows(part, &missing)?.into_iter().map(Ok)))
    }
}

/// What is missing of any rows: a part is read before any of it is given.
struct MissingOfRows {
    input: Arc<dyn Source>,
    asked: Option<Member>,
    output: Output,
}

impl MissingOfRows {
    fn present(&self, part: usize) -> Result<Vec<OfSeries>> {
        let range = self.output.slots.range();
        let mut present: Vec<OfSeries> = Vec::new();
        for rows in self.input.open(part)? {
            let rows = rows?;
            for run in &rows.runs {
                let times = rows.times.get(run.rows.clone()).unwrap_or_default();
                let from = times.partition_point(|time| *time < range.start);
                let to = times.partition_point(|time| *time < range.end);
                let Some(times) = times.get(from..to).filter(|times| !times.is_empty()) else {
                    continue;
                };
                if present.last().is_none_or(|(series, _)| *series != run.series) {
                    present.push((run.series, Vec::new()));
                }
                if let Some((_, present)) = present.last_mut() {
                    self.output.slots.add_present(times, present);
                }
            }
        }
        Ok(present)
    }

    /// The series of a part that were asked for, by number.
    fn asked(&self, part: usize) -> Result<Vec<u32>> {
        let Some(member) = self.asked else {
            return Ok(Vec::new());
        };
        let (own, numbers) = self.output.list.members(member, part)?;
        let number = |at: usize| match &numbers {
            Some(numbers) => numbers.get(at).copied(),
            None => u32::try_from(at).ok(),
        };
        Ok(own.filter_map(number).collect())
    }
}

impl Source for MissingOfRows {
    fn schema(&self) -> &SchemaRef {
        &self.output.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.output.list.part_count()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let mut present = self.present(part)?;
        let asked = self.asked(part)?;
        let is_there = |series: &u32| {
            present
                .binary_search_by_key(series, |(series, _)| *series)
                .is_ok()
        };
        let others: Vec<u32> = asked.into_iter().filter(|series| !is_there(series)).collect();
        present.extend(others.into_iter().map(|series| (series, Vec::new())));
        present.sort_by_key(|(series, _)| *series);
        let missing = |(series, present)| (series, self.output.slots.missing(present));
        let missing: Vec<OfSeries> = present.into_iter().map(missing).collect();
        Ok(Box::new(self.output.rows(part, &missing)?.into_iter().map(Ok)))
    }
}
