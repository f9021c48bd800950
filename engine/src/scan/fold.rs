//! Aggregates over all rows on all threads, in no order.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use gapless_format::SegmentRef;
use rayon::prelude::*;

use super::builder::{Order, Scan};
use super::merge::Chunk;
use super::piece::Piece;
use super::plan::Plan;
use crate::error::Result;

/// Rows of a segment that one thread takes at a time.
const TASK_ROWS: usize = 1 << 20;

/// Some rows of one segment.
struct Task<'a> {
    segment: &'a Arc<SegmentRef>,
    rows: Range<u32>,
}

fn tasks(plan: &Plan) -> Vec<Task<'_>> {
    let segments = plan.clusters.iter().flat_map(|cluster| &cluster.segments);
    segments
        .flat_map(|segment| {
            let rows = u32::try_from(segment.rows).unwrap_or(u32::MAX);
            (0..rows).step_by(TASK_ROWS).map(move |first| Task {
                segment,
                rows: first..first.saturating_add(TASK_ROWS as u32).min(rows),
            })
        })
        .collect()
}

fn pieces(plan: &Plan, task: &Task<'_>) -> Result<Vec<Piece>> {
    let segment = plan.open(task.segment)?;
    plan.selector
        .stored(plan.cache(), &segment, plan.codes.as_deref(), task.rows.clone())
}

/// The batches of one task.
fn for_each_batch(
    plan: &Plan,
    task: &Task<'_>,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    for piece in pieces(plan, task)? {
        let rows = piece.rows.len();
        let mut from = 0;
        while from < rows {
            let count = plan
                .scan
                .batch_rows
                .min(piece.rows_to_page_end(from))
                .min(rows - from);
            let slice = piece.slice(from..from + count);
            from += count;
            let batch = plan.output.batch(plan.cache(), &[Chunk::Slice(slice)])?;
            if batch.num_rows() > 0 {
                take(batch)?;
            }
        }
    }
    Ok(())
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
    tasks(&plan)
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
        let count = |task: &Task<'_>| -> Result<u64> {
            Ok(pieces(&plan, task)?
                .iter()
                .map(|piece| piece.rows.len() as u64)
                .sum())
        };
        tasks(&plan)
            .par_iter()
            .map(count)
            .try_reduce(|| 0, |a, b| Ok(a + b))?
    };
    Ok(limit.map_or(total, |limit| total.min(limit as u64)))
}
