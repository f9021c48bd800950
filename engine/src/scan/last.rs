//! The last rows by time, without reading what comes before them.

use arrow_array::RecordBatch;

use super::builder::{Order, Scan};
use super::plan::Plan;
use crate::error::Result;

/// Ranges of time that are tried, each from later to earlier, before everything is read.
const STEPS_MAX: u32 = 64;

/// Reads from ever earlier times on until there are enough rows, then keeps the last ones.
pub(crate) fn last(scan: Scan, rows: usize) -> Result<Vec<RecordBatch>> {
    let scan = Scan {
        limit: None,
        ..scan.order(Order::Time)
    };
    let newest = Plan::new(scan.clone())?.newest();
    let Some(newest) = newest.filter(|_| rows > 0) else {
        return Ok(Vec::new());
    };
    let end = scan.time.end;
    let last_time = if end == i64::MAX {
        newest
    } else {
        newest.min(end - 1)
    };
    let mut span: i64 = 1_000_000_000;
    for _ in 0..STEPS_MAX {
        let start = last_time.saturating_sub(span).max(scan.time.start);
        let found = scan.clone().between(start, end);
        if start == scan.time.start || start == i64::MIN || found.clone().count()? >= rows as u64 {
            return Ok(keep_last(found.collect()?, rows));
        }
        span = span.saturating_mul(4);
    }
    Ok(keep_last(scan.collect()?, rows))
}

fn keep_last(batches: Vec<RecordBatch>, rows: usize) -> Vec<RecordBatch> {
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut skip = total.saturating_sub(rows);
    let mut kept = Vec::new();
    for batch in batches {
        let from = skip.min(batch.num_rows());
        skip -= from;
        if from < batch.num_rows() {
            kept.push(batch.slice(from, batch.num_rows() - from));
        }
    }
    kept
}
