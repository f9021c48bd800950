//! The last row of each series at a time.

use std::sync::Arc;

use arrow_array::UInt32Array;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use gapless_engine::coverage::duration_text;
use gapless_engine::scan::{OrderedBatch, OrderedScan, Scan};
use gapless_engine::{Error, Result};

use super::{BATCH_ROWS, ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::error::arrow_error;
use crate::source::{Layout, Member, Rows, RowsIter, SeriesList, SeriesRun, Source, ordered};

/// Of fewer series the rows are looked for by one thread: a few microseconds of work are not worth another.
const SERIES_OF_A_THREAD: usize = 512;

/// The last row of each series at a time.
#[derive(Debug, Clone)]
pub(crate) struct Latest {
    input: Input,
    at: Option<i64>,
    since: Option<i64>,
    shape: Shape,
}

impl Latest {
    pub(crate) fn new(input: Input, at: Option<i64>, since: Option<i64>) -> Result<Self> {
        if input.shape().time.is_none() {
            return Err(Error::invalid(
                "these rows have no time, so none of them is the latest: ask before the time is left out",
            ));
        }
        let shape = Shape {
            is_ordered: true,
            ..input.shape().clone()
        };
        Ok(Self {
            input,
            at,
            since,
            shape,
        })
    }

    /// The scan that can be asked for the last rows itself: not one that was cut to its first rows.
    fn scan(&self) -> Option<&Scan> {
        let scan = self.input.as_scan()?;
        scan.order_and_limit().1.is_none().then_some(scan)
    }
}

/// The rows of a scan at or before one time, and not before another.
pub(crate) fn within(scan: Scan, at: Option<i64>, since: Option<i64>) -> Scan {
    let range = scan.time_range();
    let start = since.map_or(range.start, |since| since.max(range.start));
    let scan = scan.between(start, range.end);
    match at {
        Some(at) => scan.up_to(at),
        None => scan,
    }
}

impl Operator for Latest {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let mut columns = columns.clone();
        if self.scan().is_none() {
            super::add_order_columns(&mut columns, self.input.shape());
        }
        let input = self.input.pruned(&columns)?;
        Ok(Arc::new(Self::new(input, self.at, self.since)?))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        match self.scan() {
            Some(scan) => {
                let scan = within(scan.clone(), self.at, self.since);
                Ok(Arc::new(LatestOfScan::new(scan, &planner.list)?))
            }
            None => Ok(Arc::new(LatestOfRows {
                input: ordered(&self.input, planner)?,
                at: self.at,
                since: self.since,
            })),
        }
    }

    fn describe(&self) -> String {
        let at = self.at.map_or(String::new(), |at| format!(" at {}", instant(at)));
        let since = self
            .since
            .map_or(String::new(), |since| format!(", not before {}", instant(since)));
        format!("the last row of each series{at}{since}")
    }
}

/// A time for people.
pub(crate) fn instant(ns: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(time) => time.to_string(),
        Err(_) => duration_text(ns),
    }
}

/// The last rows of the series of a scan: looked for from its end back.
pub(crate) struct LatestOfScan {
    scan: OrderedScan,
    schema: SchemaRef,
    list: Arc<SeriesList>,
    member: Member,
}

impl LatestOfScan {
    pub(crate) fn new(scan: Scan, list: &Arc<SeriesList>) -> Result<Self> {
        let scan = OrderedScan::new(scan)?;
        let names = scan.names()?;
        let weight = u64::from(scan.series_count() > SERIES_OF_A_THREAD);
        let weights = vec![weight; scan.series_count()];
        Ok(Self {
            member: list.join(names, weights),
            schema: scan.schema(),
            list: Arc::clone(list),
            scan,
        })
    }

    /// The last rows of a part.
    pub(crate) fn rows(&self, part: usize) -> Result<Vec<Rows>> {
        let (series, numbers) = self.list.members(self.member, part)?;
        let renumbered = |batch: OrderedBatch| {
            let OrderedBatch {
                batch,
                times,
                mut runs,
            } = batch;
            for run in &mut runs {
                if let Some(numbers) = &numbers {
                    run.series = numbers.get(run.series as usize).copied().unwrap_or(u32::MAX);
                }
            }
            Rows { batch, times, runs }
        };
        Ok(self.scan.latest(series)?.into_iter().map(renumbered).collect())
    }
}

impl Source for LatestOfScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.list.part_count()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        Ok(Box::new(self.rows(part)?.into_iter().map(Ok)))
    }
}

/// The last rows of the series of any rows: of each batch at most one row of a series is kept.
struct LatestOfRows {
    input: Arc<dyn Source>,
    at: Option<i64>,
    since: Option<i64>,
}

impl Source for LatestOfRows {
    fn schema(&self) -> &SchemaRef {
        self.input.schema()
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.input.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let mut reader = Reader {
            rows: Some(self.input.open(part)?),
            schema: Arc::clone(self.input.schema()),
            at: self.at,
            since: self.since,
            kept: Vec::new(),
            count: 0,
        };
        Ok(Box::new(std::iter::from_fn(move || reader.next().transpose())))
    }
}

struct Reader {
    rows: Option<RowsIter>,
    schema: SchemaRef,
    at: Option<i64>,
    since: Option<i64>,
    /// The last rows that were found, one of each series. The very last may give way to a later one.
    kept: Vec<Rows>,
    count: usize,
}

impl Reader {
    fn next(&mut self) -> Result<Option<Rows>> {
        while let Some(rows) = &mut self.rows {
            match rows.next().transpose() {
                Ok(Some(rows)) => {
                    self.take(&rows)?;
                    if self.count > BATCH_ROWS {
                        return self.give().map(Some);
                    }
                }
                Ok(None) => self.rows = None,
                Err(error) => {
                    (self.rows, self.kept) = (None, Vec::new());
                    return Err(error);
                }
            }
        }
        match self.kept.is_empty() {
            true => Ok(None),
            false => self.give().map(Some),
        }
    }

    /// Copies the last row of each run, so that nothing of the batch stays.
    fn take(&mut self, rows: &Rows) -> Result<()> {
        let mut found: Vec<(u32, usize)> = Vec::new();
        for run in &rows.runs {
            let times = rows.times.get(run.rows.clone()).unwrap_or_default();
            let passed = |time: &i64| self.at.is_none_or(|at| *time <= at);
            let is_recent = |time: &i64| self.since.is_none_or(|since| *time >= since);
            let Some(last) = times.partition_point(passed).checked_sub(1) else {
                continue;
            };
            if !times.get(last).is_some_and(is_recent) {
                continue;
            }
            match found.last_mut() {
                Some((series, row)) if *series == run.series => *row = run.rows.start + last,
                _ => found.push((run.series, run.rows.start + last)),
            }
        }
        let Some((first, _)) = found.first() else {
            return Ok(());
        };
        self.give_way(*first);
        let picked: UInt32Array = found
            .iter()
            .map(|(_, row)| u32::try_from(*row).unwrap_or(u32::MAX))
            .collect();
        let batch = take_record_batch(&rows.batch, &picked).map_err(|error| arrow_error("latest", &error))?;
        let times = found.iter().filter_map(|(_, row)| rows.times.get(*row)).copied();
        self.count += found.len();
        self.kept.push(Rows {
            times: times.collect(),
            runs: one_each(found.iter().map(|(series, _)| *series)),
            batch,
        });
        Ok(())
    }

    /// A series goes on: the row that was its last is so no more.
    fn give_way(&mut self, series: u32) {
        let is_same = |rows: &Rows| rows.runs.last().is_some_and(|run| run.series == series);
        if let Some(last) = self.kept.pop_if(|rows| is_same(rows)) {
            self.count -= 1;
            if last.len() > 1 {
                self.kept.push(last.slice(0..last.len() - 1));
            }
        }
    }

    /// All rows but the very last, or all once nothing more comes.
    fn give(&mut self) -> Result<Rows> {
        let kept = std::mem::take(&mut self.kept);
        let batches = kept.iter().map(|rows| &rows.batch);
        let batch = concat_batches(&self.schema, batches).map_err(|error| arrow_error("latest", &error))?;
        let all = Rows {
            times: kept.iter().flat_map(|rows| rows.times.iter().copied()).collect(),
            runs: one_each(kept.iter().flat_map(|rows| &rows.runs).map(|run| run.series)),
            batch,
        };
        self.count = 0;
        if self.rows.is_none() {
            return Ok(all);
        }
        let last = all.len() - 1;
        self.kept.push(all.slice(last..last + 1));
        self.count = 1;
        Ok(all.slice(0..last))
    }
}

/// Runs of one row each.
fn one_each(series: impl Iterator<Item = u32>) -> Vec<SeriesRun> {
    let run = |(at, series): (usize, u32)| SeriesRun {
        series,
        rows: at..at + 1,
    };
    series.enumerate().map(run).collect()
}
