//! Runs a scan as a stream of batches in order.
//!
//! What to read next is decided by one thread, chunk by chunk; a window of chunks is then materialized side by side.
//! The window grows from one batch, so that the first rows come at once.

use std::collections::VecDeque;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use gapless_format::ColumnSpec;
use rayon::prelude::*;

use super::builder::{Order, Scan};
use super::merge::{Chunk, Merge};
use super::output::read_column;
use super::piece::Piece;
use super::plan::Plan;
use crate::error::Result;

/// Chunks below this are joined with their neighbours into one batch, by a copy.
const SMALL_ROWS: usize = 4096;
/// Batches that are materialized at the same time for each thread.
const WINDOW_PER_THREAD: usize = 2;

/// The batches of a scan, in order.
#[derive(Debug)]
pub struct Batches {
    plan: Plan,
    groups: Groups,
    merge: Option<Merge>,
    held_back: Option<Chunk>,
    ready: VecDeque<Result<RecordBatch>>,
    window: usize,
    left: Option<usize>,
    done: bool,
}

/// What is still to be merged, one set of pieces after the other.
#[derive(Debug)]
enum Groups {
    /// For each series, each cluster.
    Series {
        series: Vec<Option<u32>>,
        at: usize,
        cluster: usize,
    },
    /// Each cluster with all series.
    Time { cluster: usize },
    /// Each segment of each cluster.
    Stored {
        cluster: usize,
        segment: usize,
        pieces: VecDeque<Piece>,
    },
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merge").finish_non_exhaustive()
    }
}

impl Batches {
    pub(crate) fn new(scan: Scan) -> Result<Self> {
        let plan = Plan::new(scan)?;
        let groups = match plan.scan.order {
            Order::Series => Groups::Series {
                series: plan.ordered_series()?,
                at: 0,
                cluster: 0,
            },
            Order::Time => Groups::Time { cluster: 0 },
            Order::Stored => Groups::Stored {
                cluster: 0,
                segment: 0,
                pieces: VecDeque::new(),
            },
        };
        let left = plan.scan.limit;
        Ok(Self {
            plan,
            groups,
            merge: None,
            held_back: None,
            ready: VecDeque::new(),
            window: 1,
            left,
            done: false,
        })
    }

    /// The rows of a table in the order in which its segments hold them: by series code, then time.
    pub(crate) fn by_code(scan: Scan) -> Result<Self> {
        let mut batches = Self::new(scan.order(Order::Series))?;
        if let Groups::Series { series, .. } = &mut batches.groups {
            series.sort_unstable();
        }
        Ok(batches)
    }

    /// The next rows as columns in their storage types, symbols as codes.
    pub(crate) fn next_columns(&mut self, specs: &[ColumnSpec]) -> Result<Option<Vec<ArrayRef>>> {
        let Some(chunks) = self.next_batch()? else {
            return Ok(None);
        };
        let read = |spec: &ColumnSpec| read_column(self.plan.cache(), spec, &chunks);
        specs.iter().map(read).collect::<Result<_>>().map(Some)
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(self.plan.output.schema())
    }

    /// The next rows in order.
    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(merge) = &mut self.merge
                && let Some(chunk) = merge.next_chunk(self.plan.cache())?
            {
                return Ok(Some(chunk));
            }
            match self.next_group()? {
                Some(pieces) => self.merge = Some(Merge::new(self.plan.cache(), pieces, self.chunk_rows())?),
                None => return Ok(None),
            }
        }
    }

    /// A small limit makes small windows: the first ten rows of a day do not sort a batch.
    fn chunk_rows(&self) -> usize {
        let wanted = self
            .left
            .filter(|_| !self.plan.output.has_condition())
            .unwrap_or(usize::MAX);
        self.plan.scan.batch_rows.min(wanted).max(1)
    }

    fn next_group(&mut self) -> Result<Option<Vec<Piece>>> {
        let plan = &self.plan;
        match &mut self.groups {
            Groups::Series { series, at, cluster } => {
                let Some(code) = series.get(*at).copied() else {
                    return Ok(None);
                };
                let Some(segments) = plan.clusters.get(*cluster) else {
                    (*at, *cluster) = (*at + 1, 0);
                    return Ok(Some(Vec::new()));
                };
                *cluster += 1;
                let mut pieces = Vec::new();
                for segment in &segments.segments {
                    pieces.extend(plan.selector.run(plan.cache(), &plan.open(segment)?, code)?);
                }
                Ok(Some(pieces))
            }
            Groups::Time { cluster } => {
                let Some(segments) = plan.clusters.get(*cluster) else {
                    return Ok(None);
                };
                *cluster += 1;
                let mut runs: Vec<(u32, usize, Vec<Piece>)> = Vec::new();
                for (rank, segment) in segments.segments.iter().enumerate() {
                    let of_segment =
                        plan.selector
                            .runs(plan.cache(), &plan.open(segment)?, plan.codes.as_deref())?;
                    runs.extend(of_segment.into_iter().map(|(code, pieces)| (code, rank, pieces)));
                }
                Ok(Some(plan.in_series_order(runs)))
            }
            Groups::Stored {
                cluster,
                segment,
                pieces,
            } => loop {
                if let Some(piece) = pieces.pop_front() {
                    return Ok(Some(vec![piece]));
                }
                let Some(segments) = plan.clusters.get(*cluster) else {
                    return Ok(None);
                };
                let Some(reference) = segments.segments.get(*segment) else {
                    (*cluster, *segment) = (*cluster + 1, 0);
                    continue;
                };
                *segment += 1;
                let open = plan.open(reference)?;
                let rows = u32::try_from(open.rows()).unwrap_or(u32::MAX);
                pieces.extend(
                    plan.selector
                        .stored(plan.cache(), &open, plan.codes.as_deref(), 0..rows)?,
                );
            },
        }
    }

    /// Chunks that make the next batch: a large one alone, small ones together.
    fn next_batch(&mut self) -> Result<Option<Vec<Chunk>>> {
        let limit = self.chunk_rows();
        let mut batch: Vec<Chunk> = Vec::new();
        let mut rows = 0;
        while rows < limit {
            let next = match self.held_back.take() {
                Some(chunk) => Some(chunk),
                None => self.next_chunk()?,
            };
            let Some(mut chunk) = next else { break };
            if chunk.len() > limit && batch.is_empty() {
                self.held_back = Some(chunk.split_off(limit)); // More rows of one time than a batch holds.
                return Ok(Some(vec![chunk]));
            }
            let len = chunk.len();
            if let (Some(Chunk::Slice(last)), Chunk::Slice(piece)) = (batch.last_mut(), &chunk)
                && last.joins(piece)
                && rows + len <= limit
            {
                last.extend(piece);
                rows += len;
                continue;
            }
            let fits = batch.is_empty() || (rows < SMALL_ROWS || len < SMALL_ROWS) && rows + len <= limit;
            if !fits {
                self.held_back = Some(chunk);
                break;
            }
            rows += len;
            batch.push(chunk);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn fill(&mut self) -> Result<()> {
        let mut window: Vec<Vec<Chunk>> = Vec::new();
        let mut rows = 0;
        while window.len() < self.window && !self.is_enough(rows) {
            let Some(mut batch) = self.next_batch()? else {
                self.done = true;
                break;
            };
            if let Some(left) = self.left.filter(|_| !self.plan.output.has_condition()) {
                truncate(&mut batch, left - rows);
            }
            rows += batch.iter().map(Chunk::len).sum::<usize>();
            window.push(batch);
        }
        self.window = (self.window * 2).min(WINDOW_PER_THREAD * rayon::current_num_threads());
        let (plan, output) = (&self.plan, &self.plan.output);
        let is_free = !output.has_condition() && window.iter().flatten().all(Chunk::is_free);
        if is_free || window.len() == 1 {
            self.ready
                .extend(window.iter().map(|chunks| output.batch(plan.cache(), chunks)));
        } else {
            let made: Vec<_> = window
                .par_iter()
                .map(|chunks| output.batch(plan.cache(), chunks))
                .collect();
            self.ready.extend(made);
        }
        Ok(())
    }

    /// Whether enough rows are in the window already; only rows that will not be filtered count.
    fn is_enough(&self, rows: usize) -> bool {
        !self.plan.output.has_condition() && self.left.is_some_and(|left| rows >= left)
    }

    fn finish(&mut self) {
        self.done = true;
        self.ready.clear();
    }
}

fn truncate(batch: &mut Vec<Chunk>, mut rows: usize) {
    for chunk in batch.iter_mut() {
        let len = chunk.len().min(rows);
        chunk.truncate(len);
        rows -= len;
    }
    batch.retain(|chunk| chunk.len() > 0);
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.left == Some(0) {
                return None;
            }
            match self.ready.pop_front() {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => {
                    let rows = self
                        .left
                        .map_or(batch.num_rows(), |left| left.min(batch.num_rows()));
                    self.left = self.left.map(|left| left - rows);
                    return Some(Ok(batch.slice(0, rows)));
                }
                Some(Err(error)) => {
                    self.finish();
                    return Some(Err(error));
                }
                None if self.done => return None,
                None => {
                    if let Err(error) = self.fill() {
                        self.finish();
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}
