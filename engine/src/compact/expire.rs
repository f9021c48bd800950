//! Retention by hand: the partitions of a table before a time go in one commit.

use std::sync::Arc;

use gapless_format::EditItem;

use crate::database::Engine;
use crate::error::Result;
use crate::manifest::TableState;

/// Removes the partitions of a table that end at or before a time; gives the rows that went.
pub(crate) fn expire(engine: &Arc<Engine>, table: &str, before: i64) -> Result<u64> {
    if removals(engine.refresh()?.table(table)?, before).is_empty() {
        return Ok(0);
    }
    let mut rows = 0;
    engine.commit(|version, _| {
        let state = version.table(table)?;
        let items = removals(state, before);
        rows = items.iter().map(|(rows, _)| rows).sum();
        Ok(items.into_iter().map(|(_, item)| item).collect())
    })?;
    if let Err(error) = engine.collect_removed() {
        tracing::warn!(%error, "files of expired partitions stay until the next garbage collection");
    }
    Ok(rows)
}

/// The rows of each segment that goes, and its removal.
fn removals(state: &TableState, before: i64) -> Vec<(u64, EditItem)> {
    let partitions = state.partitions_between(i64::MIN..before);
    let expired = partitions.iter().filter(|(key, _)| key.end() <= before);
    expired
        .flat_map(|(_, segments)| segments.iter())
        .map(|segment| {
            let item = EditItem::RemoveSegment {
                table: segment.table,
                segment: segment.segment,
            };
            (segment.rows, item)
        })
        .collect()
}
