//! Whether a series has any row in a range: the question before each gap is filled, so it costs no plan and no thread.

use std::ops::Range;
use std::sync::Arc;

use super::select::{Pruning, Selector};
use crate::database::Snapshot;
use crate::error::Result;
use crate::manifest::TableState;
use crate::segment::Segment;

/// Streamed blocks of up to so many rows are looked through row by row: sorting them would take longer.
const LOOKED_THROUGH: usize = 4096;

/// Whether a snapshot may have rows of a series in a time range; a row that a deletion or a key hides counts. `None` is the
/// whole of a table without series.
pub(crate) fn may_have_rows(
    snapshot: &Snapshot,
    table: &TableState,
    code: Option<u32>,
    time: &Range<i64>,
) -> Result<bool> {
    let meta = table.meta();
    let cache = snapshot.engine().cache();
    let selector = Selector {
        time: time.clone(),
        condition: None,
        key_condition: None,
        deletions: Vec::new(),
    };
    let has_rows = |segment: &Arc<Segment>| -> Result<bool> {
        Ok(selector.run(cache, segment, code, Pruning::Condition)?.is_some())
    };
    for block in snapshot.live().blocks(meta.table, time)? {
        let found = match block.rows() <= LOOKED_THROUGH {
            true => block.has_row(code, time),
            false => has_rows(&block.segment()?)?,
        };
        if found {
            return Ok(true);
        }
    }
    for (_, segments) in table.partitions_between(time.clone()) {
        for reference in segments.iter() {
            if reference.max_time < time.start || reference.min_time >= time.end {
                continue;
            }
            let segment = cache.segment(&meta.name, reference)?;
            if code.is_none_or(|code| segment.meta().series.contains(code)) && has_rows(&segment)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
