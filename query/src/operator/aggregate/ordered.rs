//! Groups of series and bucket: in rows by series and time they follow each other, so nothing is looked up.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array,
};
use arrow_cast::cast;
use arrow_schema::SchemaRef;
use gapless_engine::{Error, Result};
use pulp::{Arch, NullaryFnOnce};

use super::super::Planner;
use super::Aggregation;
use super::state::{Resolved, State};
use crate::aggregate::{Sequence, Span};
use crate::bucket::Bucket;
use crate::error::arrow_error;
use crate::source::{Layout, Rows, RowsIter, SeriesList, SeriesRun, Source};

/// Groups that are given at once.
const GROUPS: usize = 16_384;

/// Groups of series and bucket of rows by series and time.
pub(super) struct OrderedGroups {
    input: Arc<dyn Source>,
    schema: SchemaRef,
    list: Arc<SeriesList>,
    resolved: Arc<Resolved>,
    bucket: Option<Bucket>,
    has_series: bool,
}

impl OrderedGroups {
    pub(super) fn new(aggregation: &Aggregation, input: Arc<dyn Source>, planner: &Planner) -> Result<Self> {
        Ok(Self {
            schema: Arc::clone(&aggregation.shape.schema),
            list: Arc::clone(&planner.list),
            resolved: Resolved::new(&aggregation.aggregates, input.schema())?,
            bucket: aggregation.grouping.bucket.clone(),
            has_series: !aggregation.grouping.keys.is_empty(),
            input,
        })
    }
}

impl Source for OrderedGroups {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.input.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let series = self.list.part(part)?;
        let names = self.list.names()?.slice(series.start as usize, series.len());
        Ok(Box::new(Reader {
            rows: Some(self.input.open(part)?),
            state: State::new(&self.resolved)?,
            groups: Vec::new(),
            open: None,
            bucket: self.bucket.clone(),
            schema: Arc::clone(&self.schema),
            resolved: Arc::clone(&self.resolved),
            names: self.has_series.then(|| (series.start, Arc::new(names))),
        }))
    }
}

/// A group: its series, and where its bucket begins.
type Group = (u32, i64);

struct Reader {
    rows: Option<RowsIter>,
    resolved: Arc<Resolved>,
    state: State,
    /// Those that were not given yet.
    groups: Vec<Group>,
    /// The bucket of the last group.
    open: Option<Range<i64>>,
    bucket: Option<Bucket>,
    schema: SchemaRef,
    /// The first number of the series of this part, and their names.
    names: Option<(u32, Arc<StringArray>)>,
}

impl Reader {
    fn next_rows(&mut self) -> Result<Option<Rows>> {
        while let Some(rows) = &mut self.rows {
            match rows.next().transpose()? {
                Some(rows) => {
                    self.take(&rows)?;
                    // The last group may go on in the next batch.
                    if self.groups.len() > GROUPS {
                        return self.give(self.groups.len() - 1).map(Some);
                    }
                }
                None => self.rows = None,
            }
        }
        match self.groups.len() {
            0 => Ok(None),
            count => self.give(count).map(Some),
        }
    }

    fn take(&mut self, rows: &Rows) -> Result<()> {
        let mut spans = Vec::new();
        for run in &rows.runs {
            match self.bucket.clone() {
                None => self.take_series(run, &mut spans),
                Some(bucket) => self.take_buckets(&bucket, run, &rows.times, &mut spans)?,
            }
        }
        let values = self.resolved.evaluate(&rows.batch)?;
        self.state
            .update(&values, &spans, self.groups.len(), &Sequence::InOrder)
    }

    fn take_series(&mut self, run: &SeriesRun, spans: &mut Vec<Span>) {
        if self.groups.last().is_none_or(|(series, _)| *series != run.series) {
            self.groups.push((run.series, 0));
        }
        spans.push(self.span(run.rows.clone()));
    }

    fn take_buckets(
        &mut self,
        bucket: &Bucket,
        run: &SeriesRun,
        times: &[i64],
        spans: &mut Vec<Span>,
    ) -> Result<()> {
        let missing = || Error::internal("rows to be put into buckets came without their times");
        let times = times.get(..run.rows.end).ok_or_else(missing)?;
        let mut at = run.rows.start;
        let goes_on = self
            .groups
            .last()
            .is_some_and(|(series, _)| *series == run.series);
        let mut open = self.open.take().filter(|_| goes_on);
        let (mut touched, mut len) = (at, 0);
        while let Some(time) = times.get(at) {
            // Of long buckets most times are never looked at.
            if at >= touched && len < BLOCK * BLOCKS {
                touched = at + AHEAD;
                touch(times.get(at..touched).unwrap_or_default());
            }
            let range = match open.take() {
                Some(range) if range.contains(time) || range.end == i64::MAX => range,
                before => {
                    let range = bucket.range_after(before.as_ref(), *time);
                    self.groups.push((run.series, range.start));
                    range
                }
            };
            // A bucket that is cut at the end of time has the last instant too.
            let end = match range.end {
                i64::MAX => times.len(),
                end => at + before(times.get(at..).unwrap_or_default(), end),
            };
            spans.push(self.span(at..end));
            len = end - at;
            at = end;
            open = Some(range);
        }
        self.open = open;
        Ok(())
    }

    /// Rows of the last group.
    fn span(&self, rows: Range<usize>) -> Span {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Span {
            group: number(self.groups.len() - 1),
            start: number(rows.start),
            end: number(rows.end),
        }
    }

    /// The first groups as rows.
    fn give(&mut self, count: usize) -> Result<Rows> {
        let groups: Vec<Group> = self.groups.drain(..count).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        if let Some((first, names)) = &self.names {
            let series = series_column(&groups, *first, names)?;
            // Rows from elsewhere may have series as plain text.
            let of = self.schema.fields().first().map(|field| field.data_type());
            columns.push(match of.filter(|of| *of != series.data_type()) {
                Some(of) => cast(&series, of).map_err(|error| arrow_error("series", &error))?,
                None => series,
            });
        }
        let times: Vec<i64> = groups.iter().map(|(_, start)| *start).collect();
        let times = arrow_buffer::ScalarBuffer::from(times);
        if self.bucket.is_some() {
            let field = self.schema.fields().get(columns.len());
            let array = TimestampNanosecondArray::new(times.clone(), None);
            columns.push(match field.map(|field| field.data_type()) {
                Some(arrow_schema::DataType::Timestamp(_, Some(zone))) => {
                    Arc::new(array.with_timezone(Arc::clone(zone)))
                }
                _ => Arc::new(array),
            });
        }
        columns.extend(self.state.emit(count)?);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal(format!("groups make no batch: {error}")))?;
        let by_series = groups.chunk_by(|(a, _), (b, _)| a == b);
        let mut at = 0;
        let runs = by_series.map(|run| {
            at += run.len();
            SeriesRun {
                series: run.first().map_or(0, |(series, _)| *series),
                rows: at - run.len()..at,
            }
        });
        Ok(Rows {
            runs: runs.collect(),
            batch,
            times,
        })
    }
}

/// The names of groups' series; `names` are those of the part, the first of which has the number `first`.
fn series_column(groups: &[Group], first: u32, names: &Arc<StringArray>) -> Result<ArrayRef> {
    let key = |series: u32| {
        let key = series - first;
        (!names.is_null(key as usize)).then_some(key)
    };
    let keys: UInt32Array = groups.iter().map(|(series, _)| key(*series)).collect();
    let array = DictionaryArray::<UInt32Type>::try_new(keys, Arc::clone(names) as ArrayRef)
        .map_err(|error| Error::internal(format!("a series has no name: {error}")))?;
    Ok(Arc::new(array))
}

/// Times of short buckets that are fetched from memory together: where one bucket ends says where the next is to be looked for, so they
/// would come one after the other.
const AHEAD: usize = 1024;

/// Reads something of every line of the cache.
fn touch(times: &[i64]) {
    black_box(times.iter().step_by(8).fold(0, |all, time| all ^ time));
}

/// How many of some ascending times are less than `end`.
///
/// Most buckets hold a handful of rows. Their times are counted, not searched: a search would wait for memory at each step, while times
/// that are read one after the other are there in time.
struct Before<'a> {
    times: &'a [i64],
    end: i64,
}

/// Times that are counted at a time.
const BLOCK: usize = 32;
/// Blocks that are counted before the end is searched for.
const BLOCKS: usize = 2;

impl NullaryFnOnce for Before<'_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let is_before = |time: &i64| *time < self.end;
        let (blocks, last) = self.times.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().take(BLOCKS).enumerate() {
            let inside: i64 = block.iter().map(|time| i64::from(is_before(time))).sum();
            if inside < BLOCK as i64 {
                return number * BLOCK + inside as usize;
            }
        }
        if blocks.len() < BLOCKS {
            return blocks.len() * BLOCK + last.iter().filter(|time| is_before(time)).count();
        }
        let (mut inside, mut step) = (BLOCKS * BLOCK, BLOCKS * BLOCK);
        while self.times.get(inside + step - 1).is_some_and(is_before) {
            inside += step;
            step *= 2;
        }
        let rest = self.times.get(inside..).unwrap_or_default();
        let rest = rest.get(..step).unwrap_or(rest);
        inside + rest.partition_point(is_before)
    }
}

fn before(times: &[i64], end: i64) -> usize {
    Arch::new().dispatch(Before { times, end })
}

impl Iterator for Reader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_rows().transpose();
        if matches!(next, Some(Err(_))) {
            self.rows = None;
            self.groups.clear();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_bucket_is_found_at_any_distance() {
        for rows in (0..200i64).chain([600, 2000]) {
            let times: Vec<i64> = (0..rows).map(|time| time / 2).collect();
            for end in -1..rows + 2 {
                let wanted = times.iter().filter(|time| **time < end).count();
                assert_eq!(before(&times, end), wanted, "{rows} rows, {end}");
            }
        }
    }
}
