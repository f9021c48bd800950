//! Aggregates over all rows on all threads, in no order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use gapless_format::{PAGE_ROWS, SegmentRef};
use rayon::prelude::*;

use super::builder::{Order, Scan};
use super::merge::{Chunk, Merge};
use super::piece::Piece;
use super::plan::{Part, Plan};
use crate::error::{Error, Result};

/// Rows of a segment that one thread takes at a time, at most.
const TASK_ROWS_MAX: usize = 1 << 20;
/// Tasks for each thread, where there are rows enough: none waits long for the last one.
const TASKS_PER_THREAD: usize = 8;

/// What one thread takes at a time.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// Some rows of one segment.
    Rows(Arc<SegmentRef>, Range<u32>),
    /// The rows of one series in a cluster of the plan.
    Series(usize, Option<u32>),
}

pub(super) fn tasks(plan: &Plan) -> Result<Vec<Task>> {
    let mut parts = Vec::new();
    for (at, cluster) in plan.clusters.iter().enumerate() {
        parts.extend(plan.parts(cluster)?.into_iter().map(|part| (at, part)));
    }
    let total: u64 = parts
        .iter()
        .map(|(_, part)| match part {
            Part::Segment(segment) => segment.rows,
            Part::Series(_) => 0,
        })
        .sum();
    let task_rows = task_rows(usize::try_from(total).unwrap_or(usize::MAX));
    let mut tasks = Vec::new();
    for (cluster, part) in parts {
        match part {
            Part::Segment(segment) => {
                let rows = u32::try_from(segment.rows).unwrap_or(u32::MAX);
                tasks.extend((0..rows).step_by(task_rows).map(|first| {
                    let end = first.saturating_add(task_rows as u32).min(rows);
                    Task::Rows(Arc::clone(&segment), first..end)
                }));
            }
            Part::Series(code) => tasks.push(Task::Series(cluster, code)),
        }
    }
    Ok(tasks)
}

/// Whole pages: none is decoded twice.
fn task_rows(total: usize) -> usize {
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    total
        .div_ceil(tasks)
        .next_multiple_of(PAGE_ROWS)
        .clamp(PAGE_ROWS, TASK_ROWS_MAX)
}

/// The chunks of one task, one after the other.
#[derive(Debug)]
pub(super) enum Chunks {
    /// Rows of pieces as they lie: the pieces that are left, and where the first of them goes on.
    Rows(VecDeque<Piece>, usize),
    /// Rows that are merged.
    Merged(Box<Merge>),
}

impl Chunks {
    pub(super) fn new(plan: &Plan, task: &Task) -> Result<Self> {
        match task {
            Task::Series(cluster, code) => {
                let cluster = plan.clusters.get(*cluster);
                let cluster = cluster.ok_or_else(|| Error::internal("a scan has no such cluster"))?;
                let merge = plan.merge_series(cluster, *code, plan.scan.batch_rows)?;
                Ok(Self::Merged(Box::new(merge)))
            }
            Task::Rows(segment, rows) => {
                let pieces = plan.stored(segment, Some(rows.clone()))?;
                Ok(Self::Rows(pieces.into(), 0))
            }
        }
    }

    /// Begins to read what comes.
    pub(super) fn will_need(&self, plan: &Plan) -> Result<()> {
        match self {
            Self::Rows(pieces, _) => pieces.iter().try_for_each(|piece| plan.will_need(piece)),
            Self::Merged(_) => Ok(()),
        }
    }

    pub(super) fn next(&mut self, plan: &Plan) -> Result<Option<Chunk>> {
        let (pieces, from) = match self {
            Self::Merged(merge) => return merge.next_chunk(plan.cache()),
            Self::Rows(pieces, from) => (pieces, from),
        };
        while let Some(piece) = pieces.front() {
            let left = piece.rows.len() - *from;
            if left == 0 {
                pieces.pop_front();
                *from = 0;
                continue;
            }
            let count = plan.scan.batch_rows.min(piece.rows_without_copy(*from)).min(left);
            let chunk = Chunk::Slice(piece.slice(*from..*from + count));
            *from += count;
            return Ok(Some(chunk));
        }
        Ok(None)
    }
}

pub(super) fn for_each_chunk(
    plan: &Plan,
    task: &Task,
    mut take: impl FnMut(Chunk) -> Result<()>,
) -> Result<()> {
    let mut chunks = Chunks::new(plan, task)?;
    chunks.will_need(plan)?;
    while let Some(chunk) = chunks.next(plan)? {
        take(chunk)?;
    }
    Ok(())
}

/// The batches of one task.
fn for_each_batch(plan: &Plan, task: &Task, mut take: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
    for_each_chunk(plan, task, |mut chunk| {
        while chunk.len() > 0 {
            let rest = (chunk.len() > plan.scan.batch_rows).then(|| chunk.split_off(plan.scan.batch_rows));
            let batch = plan.output.batch(plan.cache(), &[chunk])?;
            if batch.num_rows() > 0 {
                take(batch)?;
            }
            match rest {
                Some(rest) => chunk = rest,
                None => break,
            }
        }
        Ok(())
    })
}

/// The rows of one task, without reading more than the merge needs.
fn count_task(plan: &Plan, task: &Task) -> Result<u64> {
    if let Task::Rows(segment, rows) = task {
        let pieces = plan.stored(segment, Some(rows.clone()))?;
        return Ok(pieces.iter().map(|piece| piece.rows.len() as u64).sum());
    }
    let mut count = 0;
    for_each_chunk(plan, task, |chunk| {
        count += chunk.len() as u64;
        Ok(())
    })?;
    Ok(count)
}

pub(crate) fn fold<T: Send>(
    scan: Scan,
    start: impl Fn() -> T + Sync + Send,
    take: impl Fn(T, RecordBatch) -> Result<T> + Sync + Send,
    join: impl Fn(T, T) -> T + Sync + Send,
) -> Result<T> {
    if scan.limit.is_some() {
        // Which rows are the first is decided by the order, one after the other.
        return scan
            .stream()?
            .try_fold(start(), |folded, batch| take(folded, batch?));
    }
    let plan = Plan::new(scan.order(Order::Stored))?;
    tasks(&plan)?
        .par_iter()
        .map(|task| {
            let mut folded = Some(start());
            for_each_batch(&plan, task, |batch| {
                folded = folded.take().map(|so_far| take(so_far, batch)).transpose()?;
                Ok(())
            })?;
            Ok(folded.unwrap_or_else(&start))
        })
        .try_reduce(&start, |a, b| Ok(join(a, b)))
}

/// Counts rows; without a condition no value is read but the times that bound the range.
pub(crate) fn count(scan: Scan) -> Result<u64> {
    let limit = scan.limit;
    let no_columns = scan.columns(Vec::<String>::new());
    let no_columns = Scan {
        limit: None,
        ..no_columns
    };
    let total = if no_columns.predicate.is_some() {
        fold(
            no_columns,
            || 0,
            |count, batch| Ok(count + batch.num_rows() as u64),
            |a, b| a + b,
        )?
    } else {
        let plan = Plan::new(no_columns)?;
        tasks(&plan)?
            .par_iter()
            .map(|task| count_task(&plan, task))
            .try_reduce(|| 0, |a, b| Ok(a + b))?
    };
    Ok(limit.map_or(total, |limit| total.min(limit as u64)))
}
