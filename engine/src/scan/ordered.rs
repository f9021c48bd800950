//! [`OrderedScan`]: rows by series and time, of any range of series, for operators that go from one series to the next.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{BooleanArray, RecordBatch, StringArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use gapless_format::{ColumnSpec, NULL_CODE};

use super::batching::Batching;
use super::builder::{Order, Scan};
use super::merge::{Chunk, Merge};
use super::output::{read_passed, series_domain};
use super::plan::Plan;
use super::select::all_runs;
use crate::error::{Error, Result};
use crate::symbols::Domain;

/// A chunk below this is joined with its neighbours into one batch, by a copy.
const LARGE_ROWS: usize = 1024;
/// In more segments than these the rows of series are not counted.
const COUNTED_SEGMENTS_MAX: usize = 4096;

/// A scan by series and time. Ranges of its series can be read side by side.
#[derive(Debug)]
pub struct OrderedScan {
    pub(super) plan: Plan,
    pub(super) time: ColumnSpec,
    /// In order of their text, null last; one `None` in a table without series.
    pub(super) series: Vec<Option<u32>>,
    domain: Option<Arc<Domain>>,
}

/// Rows that follow each other and are of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRun {
    /// The number of the series in the scan.
    pub series: u32,
    /// Where its rows are in the batch.
    pub rows: Range<usize>,
}

/// Some rows of an [`OrderedScan`].
#[derive(Debug, Clone)]
pub struct OrderedBatch {
    /// The columns asked for.
    pub batch: RecordBatch,
    /// Times, nanoseconds since the epoch; empty where they were not asked for.
    pub times: ScalarBuffer<i64>,
    /// Whose rows they are: runs that follow each other, by series.
    pub runs: Vec<SeriesRun>,
}

impl OrderedScan {
    /// Resolves a scan. Its order and limit do not count.
    ///
    /// # Errors
    /// As [`Scan::stream`].
    pub fn new(scan: Scan) -> Result<Self> {
        let meta = scan.meta();
        let time = meta.column(meta.time_column).cloned();
        let domain = series_domain(&scan)?;
        let scan = Scan {
            order: Order::Series,
            limit: None,
            ..scan
        };
        let plan = Plan::new(scan)?;
        Ok(Self {
            series: plan.ordered_series()?,
            plan,
            time: time.ok_or_else(|| Error::internal("a table has no time column"))?,
            domain,
        })
    }

    /// For who looks for nothing but the least and the greatest values of its columns, if that is `asked`: pages of which all rows count are
    /// given as two rows, as far as their statistics tell. No other rows are given more than once, and nulls and NaN as such.
    #[must_use]
    pub fn of_extremes(mut self, asked: bool) -> Self {
        self.plan.of_extremes = asked && !self.plan.output.has_condition();
        self
    }

    /// The columns of its rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan.output.schema())
    }

    /// How many series it may have rows of: those asked for, or all that its segments have. A table without series has one.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// The names of its series, in order; null for rows without one, and in a table without series.
    ///
    /// # Errors
    /// `Corrupt` when the domain does not have one of them.
    pub fn names(&self) -> Result<StringArray> {
        let has_null = matches!(self.series.last(), Some(None | Some(NULL_CODE)));
        let codes = self.series.iter().flatten().copied();
        let named: Vec<u32> = codes.filter(|code| *code != NULL_CODE).collect();
        let Some(domain) = &self.domain else {
            return Ok(StringArray::new_null(self.series.len()));
        };
        let names = domain.array(named.into_iter())?;
        match has_null {
            false => Ok(names),
            true => Ok(names.iter().chain([None]).collect()),
        }
    }

    /// About how many rows each series has in the segments that are read; all alike where counting would cost more than it helps.
    ///
    /// # Errors
    /// `Corrupt` for a damaged index; `Io`.
    pub fn weights(&self) -> Result<Vec<u64>> {
        let segments: usize = self
            .plan
            .clusters
            .iter()
            .map(|cluster| cluster.segments.len())
            .sum();
        if self.series.len() < 2 || segments > COUNTED_SEGMENTS_MAX {
            return Ok(vec![1; self.series.len()]);
        }
        let mut rows: hashbrown::HashMap<u32, u64> = hashbrown::HashMap::new();
        for segment in self.plan.clusters.iter().flat_map(|cluster| &cluster.segments) {
            let segment = self.plan.open(segment)?;
            for (code, run) in all_runs(self.plan.cache(), &segment)? {
                *rows.entry(code).or_default() += run.len() as u64;
            }
        }
        let rows_of = |code: &Option<u32>| code.and_then(|code| rows.get(&code).copied()).unwrap_or(0);
        Ok(self.series.iter().map(rows_of).collect())
    }

    /// How many ranges of time the rows of a series come in that can be read side by side.
    pub fn stretches(&self) -> usize {
        self.plan.clusters.len()
    }

    /// Reads the rows of some series, in some of the [`stretches`](Self::stretches) of time.
    pub fn read(self: &Arc<Self>, series: Range<usize>, stretches: Range<usize>, times: bool) -> OrderedRows {
        OrderedRows {
            scan: Arc::clone(self),
            series,
            cluster: stretches.start,
            clusters: stretches,
            merge: None,
            held_back: None,
            times,
        }
    }
}

/// Rows of series that follow each other: the number of each, and how many rows.
type Counted = Vec<(u32, usize)>;

/// The rows of some series, batch by batch.
#[derive(Debug)]
pub struct OrderedRows {
    scan: Arc<OrderedScan>,
    /// What is left of the series.
    series: Range<usize>,
    cluster: usize,
    clusters: Range<usize>,
    merge: Option<Merge>,
    /// The next chunk, and the number of its series.
    held_back: Option<(u32, Chunk)>,
    times: bool,
}

impl OrderedRows {
    fn next_chunk(&mut self) -> Result<Option<(u32, Chunk)>> {
        if let Some(chunk) = self.held_back.take() {
            return Ok(Some(chunk));
        }
        let plan = &self.scan.plan;
        while let Some(code) = self.scan.series.get(self.series.start).copied() {
            if self.series.is_empty() {
                break;
            }
            let number = u32::try_from(self.series.start).unwrap_or(u32::MAX);
            if let Some(merge) = &mut self.merge {
                if let Some(chunk) = merge.next_chunk(plan.cache())? {
                    return Ok(Some((number, self.reduced(chunk))));
                }
                self.merge = None;
            }
            if self.cluster >= self.clusters.end {
                self.cluster = self.clusters.start;
                self.series.start += 1;
                continue;
            }
            if let Some(cluster) = plan.clusters.get(self.cluster) {
                self.merge = Some(plan.merge_series(cluster, code, plan.scan.batch_rows)?);
            }
            self.cluster += 1;
        }
        Ok(None)
    }

    /// The extremes of a page instead of its rows, where that is enough.
    fn reduced(&self, chunk: Chunk) -> Chunk {
        match self.scan.plan.of_extremes && !self.times {
            true => self.scan.plan.output.reduced(chunk),
            false => chunk,
        }
    }

    /// Chunks that make the next batch, and how many rows of which series they have.
    fn next_chunks(&mut self) -> Result<(Vec<Chunk>, Counted)> {
        let mut batch = Batching::new(self.scan.plan.scan.batch_rows, LARGE_ROWS);
        let mut series = Counted::new();
        while !batch.is_full()
            && let Some((number, chunk)) = self.next_chunk()?
        {
            let before = batch.rows();
            let rest = batch.take(chunk);
            let taken = batch.rows() - before;
            match series.last_mut() {
                Some((last, count)) if *last == number => *count += taken,
                _ if taken == 0 => {}
                _ => series.push((number, taken)),
            }
            if let Some(rest) = rest {
                self.held_back = Some((number, rest));
                break;
            }
        }
        Ok((batch.into_chunks(), series))
    }

    fn make(&self, chunks: &[Chunk], series: &[(u32, usize)]) -> Result<OrderedBatch> {
        let plan = &self.scan.plan;
        let (cache, output) = (plan.cache(), &plan.output);
        let passing = output.passing(cache, chunks)?;
        let mut times = ScalarBuffer::default();
        if self.times {
            times = read_passed(cache, &self.scan.time, chunks, passing.as_ref())?
                .as_primitive::<TimestampNanosecondType>()
                .values()
                .clone();
        }
        Ok(OrderedBatch {
            batch: output.passed(cache, chunks, passing.as_ref())?,
            times,
            runs: runs(series, passing.as_ref()),
        })
    }
}

/// The runs of the rows that have passed.
fn runs(series: &[(u32, usize)], passing: Option<&BooleanArray>) -> Vec<SeriesRun> {
    let (mut row, mut at) = (0, 0);
    let mut runs = Vec::with_capacity(series.len());
    for (series, count) in series {
        let passed = passing.map_or(*count, |passing| {
            passing.values().slice(row, *count).count_set_bits()
        });
        row += count;
        if passed > 0 {
            runs.push(SeriesRun {
                series: *series,
                rows: at..at + passed,
            });
        }
        at += passed;
    }
    runs
}

impl Iterator for OrderedRows {
    type Item = Result<OrderedBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let made = match self.next_chunks() {
                Ok((chunks, _)) if chunks.is_empty() => return None,
                Ok((chunks, series)) => self.make(&chunks, &series),
                Err(error) => Err(error),
            };
            match made {
                Ok(batch) if batch.batch.num_rows() == 0 => {}
                Ok(batch) => return Some(Ok(batch)),
                Err(error) => {
                    self.series.start = self.series.end;
                    self.held_back = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
