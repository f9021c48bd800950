//! Which deletions a rewrite has made needless, and what is left of the others.
//!
//! A deletion is needed where a live segment, or a stream, may still hold rows that it hides. A rewrite of all such
//! segments of a partition cuts the time of the partition out of the deletion; when nothing is left, it is dropped.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{Deletion, EditItem, PartitionKey, SegmentRef};

use super::policy::Situation;
use crate::manifest::{TableState, Version};

/// Whether a deletion may hide rows of a segment.
pub(crate) fn concerns(deletion: &Deletion, segment: &SegmentRef) -> bool {
    segment.first_commit < deletion.commit
        && segment.max_time >= deletion.start
        && is_before_end(segment.min_time, deletion)
}

/// Whether a deletion hides all rows of a segment.
pub(crate) fn hides_all(deletion: &Deletion, segment: &SegmentRef) -> bool {
    deletion.series.is_none()
        && segment.last_commit < deletion.commit
        && segment.min_time >= deletion.start
        && is_before_end(segment.max_time, deletion)
}

fn is_before_end(time: i64, deletion: &Deletion) -> bool {
    time < deletion.end || deletion.end == i64::MAX
}

/// The time that the partitions of some segments hold.
pub(crate) fn span_of(segments: &[Arc<SegmentRef>]) -> Range<i64> {
    let keys = || segments.iter().map(|segment| segment.partition);
    let start = keys().map(|key| key.start).min().unwrap_or_default();
    let end = keys()
        .map(|key: PartitionKey| key.end())
        .max()
        .unwrap_or_default();
    start..end
}

/// Whether the time of `chosen` can be cut out of a deletion once they are rewritten without the rows it hides.
pub(crate) fn can_cut(
    state: &TableState,
    deletion: &Deletion,
    chosen: &[Arc<SegmentRef>],
    situation: &Situation<'_>,
) -> bool {
    let span = span_of(chosen);
    let inside = span.start.max(deletion.start)..span.end.min(deletion.end);
    situation.knows_all_until(deletion.commit) && !is_needed(state, deletion, inside, chosen)
}

/// Whether segments of a table may hold rows that a deletion hides.
pub(crate) fn may_hide(state: &TableState, deletion: &Deletion) -> bool {
    is_needed(state, deletion, deletion.start..deletion.end, &[])
}

/// Whether segments other than `chosen` may hold rows within a time range that a deletion hides.
fn is_needed(
    state: &TableState,
    deletion: &Deletion,
    within: Range<i64>,
    chosen: &[Arc<SegmentRef>],
) -> bool {
    let may_hold = |segment: &SegmentRef| {
        concerns(deletion, segment)
            && segment.max_time >= within.start
            && (segment.min_time < within.end || within.end == i64::MAX)
            && !chosen.iter().any(|other| other.segment == segment.segment)
    };
    let found = state.partitions_between(within.clone());
    found
        .iter()
        .any(|(_, segments)| segments.iter().any(|segment| may_hold(segment)))
}

/// What becomes of the deletions of a table when `chosen` were rewritten with those of `applied` in effect.
///
/// `next_id` gives an id to the second part of a deletion that is cut in two.
pub(crate) fn after_rewrite(
    version: &Version,
    state: &TableState,
    chosen: &[Arc<SegmentRef>],
    applied: &[u64],
    situation: &Situation<'_>,
    next_id: &mut dyn FnMut() -> u64,
) -> Vec<EditItem> {
    let span = span_of(chosen);
    let mut items = Vec::new();
    for deletion in version.deletions(state.meta().table) {
        let touches = deletion.start < span.end && (span.start < deletion.end || deletion.end == i64::MAX);
        if !touches || !applied.contains(&deletion.deletion) || !can_cut(state, deletion, chosen, situation) {
            continue;
        }
        let parts = [deletion.start..span.start, span.end..deletion.end];
        let mut left = parts
            .into_iter()
            .filter(|part| part.start < part.end && is_needed(state, deletion, part.clone(), chosen))
            .peekable();
        if left.peek().is_none() {
            items.push(EditItem::DropDeletion {
                deletion: deletion.deletion,
            });
        }
        let mut id = Some(deletion.deletion);
        items.extend(left.map(|part| {
            EditItem::Delete(Deletion {
                deletion: id.take().unwrap_or_else(&mut *next_id),
                start: part.start,
                end: part.end,
                ..Deletion::clone(deletion)
            })
        }));
    }
    items
}

/// The deletions that hide nothing any more.
pub(crate) fn needless(version: &Version, situation: &Situation<'_>) -> Vec<EditItem> {
    let mut items = Vec::new();
    for state in version.tables() {
        for deletion in version.deletions(state.meta().table) {
            let range = deletion.start..deletion.end;
            if situation.knows_all_until(deletion.commit) && !is_needed(state, deletion, range, &[]) {
                items.push(EditItem::DropDeletion {
                    deletion: deletion.deletion,
                });
            }
        }
    }
    items
}
