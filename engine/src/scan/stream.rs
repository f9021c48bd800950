//! Runs a scan as a stream of batches in order.
//!
//! What to read next is decided by one thread, chunk by chunk; a window of chunks is then materialized side by side.
//! The window grows from one batch, so that the first rows come at once.

use std::collections::VecDeque;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use gapless_format::ColumnSpec;
use rayon::prelude::*;

use super::batching::Batching;
use super::builder::{Order, Scan};
use super::gather::read_column;
use super::merge::{Chunk, Merge};
use super::piece::Piece;
use super::plan::{Part, Plan};
use crate::error::Result;

/// Chunks below this are joined with their neighbours into one batch, by a copy.
const LARGE_ROWS: usize = 4096;
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
    /// Each part of each cluster.
    Stored {
        cluster: usize,
        parts: VecDeque<(usize, Part)>,
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
                parts: VecDeque::new(),
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
        if let Some(chunk) = self.held_back.take() {
            return Ok(Some(chunk));
        }
        loop {
            if let Some(merge) = &mut self.merge
                && let Some(chunk) = merge.next_chunk(self.plan.cache())?
            {
                return Ok(Some(chunk));
            }
            self.merge = self.next_merge()?;
            if self.merge.is_none() {
                return Ok(None);
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

    /// The next set of rows that belong together.
    fn next_merge(&mut self) -> Result<Option<Merge>> {
        let batch_rows = self.chunk_rows();
        let plan = &self.plan;
        match &mut self.groups {
            Groups::Series { series, at, cluster } => {
                while let Some(code) = series.get(*at).copied() {
                    if let Some(segments) = plan.clusters.get(*cluster) {
                        *cluster += 1;
                        return plan.merge_series(segments, code, batch_rows).map(Some);
                    }
                    (*at, *cluster) = (*at + 1, 0);
                }
                Ok(None)
            }
            Groups::Time { cluster } => {
                let Some(segments) = plan.clusters.get(*cluster) else {
                    return Ok(None);
                };
                *cluster += 1;
                plan.merge_all(segments, batch_rows).map(Some)
            }
            Groups::Stored {
                cluster,
                parts,
                pieces,
            } => loop {
                if let Some(piece) = pieces.pop_front() {
                    return plan.merge_one(piece, batch_rows).map(Some);
                }
                match parts.pop_front() {
                    Some((_, Part::Segment(segment))) => pieces.extend(plan.stored(&segment, None)?),
                    Some((at, Part::Series(code))) => {
                        return plan.merge_series(&plan.clusters[at], code, batch_rows).map(Some);
                    }
                    None => {
                        let Some(next) = plan.clusters.get(*cluster) else {
                            return Ok(None);
                        };
                        parts.extend(plan.parts(next)?.into_iter().map(|part| (*cluster, part)));
                        *cluster += 1;
                    }
                }
            },
        }
    }

    fn next_batch(&mut self) -> Result<Option<Vec<Chunk>>> {
        let mut batch = Batching::new(self.chunk_rows(), LARGE_ROWS);
        while !batch.is_full()
            && let Some(chunk) = self.next_chunk()?
        {
            self.held_back = batch.take(chunk);
            if self.held_back.is_some() {
                break;
            }
        }
        let chunks = batch.into_chunks();
        Ok((!chunks.is_empty()).then_some(chunks))
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
                    let Some(left) = self.left else {
                        return Some(Ok(batch));
                    };
                    let rows = left.min(batch.num_rows());
                    self.left = Some(left - rows);
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
