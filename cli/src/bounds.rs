//! The first and the last time of a table, of its segments and of the rows that are streamed and in none yet.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use gapless::Snapshot;

use crate::error::CliError;

/// Least and greatest time of any row. Segments are not read: they tell their bounds, and only rows outside of these are
/// looked at.
pub(crate) fn time_bounds(snapshot: &Snapshot, table: &str) -> Result<Option<(i64, i64)>, CliError> {
    let state = snapshot.table(table)?;
    let mut bounds = state.time_bounds();
    if snapshot.unflushed_rows(table)? == 0 {
        return Ok(bounds);
    }
    let ranges = match bounds {
        None => vec![(i64::MIN, i64::MAX)],
        Some((first, last)) => vec![(i64::MIN, first), (last.saturating_add(1), i64::MAX)],
    };
    let meta = state.meta();
    let time = meta.column(meta.time_column).map(|column| column.name.clone());
    for (start, end) in ranges {
        let scan = snapshot.scan(table)?.between(start, end);
        for batch in scan.columns(time.clone()).stream()? {
            bounds = union(bounds, of_batch(&batch?));
        }
    }
    Ok(bounds)
}

fn of_batch(batch: &RecordBatch) -> Option<(i64, i64)> {
    let times = batch
        .columns()
        .first()?
        .as_primitive_opt::<TimestampNanosecondType>()?;
    let values = times.values();
    Some((*values.iter().min()?, *values.iter().max()?))
}

fn union(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}
