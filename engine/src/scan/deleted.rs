//! Which rows of a segment deletions hide: found by binary search in each run, not looked for row by row.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{Deletion, SegmentRef};

use super::select::{Selector, rows_between};
use crate::error::Result;
use crate::segment::{Segment, SegmentCache};

/// Whether a deletion hides all rows of a segment, so that it need not even be opened.
pub(crate) fn hides_all(deletion: &Deletion, segment: &SegmentRef) -> bool {
    deletion.series.is_none()
        && deletion.commit > segment.last_commit
        && covers(deletion, segment.min_time, segment.max_time)
}

/// Whether a deletion may hide rows of a segment.
pub(crate) fn concerns(deletion: &Deletion, segment: &SegmentRef) -> bool {
    deletion.commit > segment.first_commit
        && deletion.start <= segment.max_time
        && (segment.min_time < deletion.end || deletion.end == i64::MAX)
}

fn covers(deletion: &Deletion, min: i64, max: i64) -> bool {
    deletion.start <= min && (max < deletion.end || deletion.end == i64::MAX)
}

impl Selector {
    /// The deletions that hide rows of a segment.
    pub(super) fn deletions_of(&self, segment: &Segment) -> Vec<&Deletion> {
        self.deletions
            .iter()
            .map(AsRef::as_ref)
            .filter(|deletion| concerns(deletion, segment.reference()))
            .collect()
    }
}

/// What is left of a run of one series when the rows that deletions hide are taken out.
pub(super) fn left_of(
    cache: &SegmentCache,
    segment: &Arc<Segment>,
    deletions: &[&Deletion],
    code: u32,
    run: Range<u32>,
) -> Result<Vec<Range<u32>>> {
    let mut hidden: Vec<Range<u32>> = Vec::new();
    for deletion in deletions {
        let is_meant = |codes: &Vec<u32>| codes.binary_search(&code).is_ok();
        if deletion.series.as_ref().is_none_or(is_meant) {
            hide(cache, segment, deletion, &run, &mut hidden)?;
        }
    }
    Ok(without(run, hidden))
}

/// The rows of a run that one deletion hides.
fn hide(
    cache: &SegmentCache,
    segment: &Arc<Segment>,
    deletion: &Deletion,
    run: &Range<u32>,
    hidden: &mut Vec<Range<u32>>,
) -> Result<()> {
    let meta = segment.meta();
    let range = if covers(deletion, meta.min_time, meta.max_time) {
        run.clone()
    } else {
        rows_between(cache, segment, run, &(deletion.start..deletion.end))?
    };
    if range.is_empty() {
        return Ok(());
    }
    let straddles = segment.reference().last_commit >= deletion.commit;
    let rows = range.start as usize..range.end as usize;
    let commits = if straddles {
        segment.commits(cache, rows)?
    } else {
        None
    };
    let Some(commits) = commits else {
        hidden.push(range);
        return Ok(());
    };
    let mut row = range.start;
    for run in commits.chunk_by(|a, b| (*a < deletion.commit) == (*b < deletion.commit)) {
        let end = row + u32::try_from(run.len()).unwrap_or(u32::MAX);
        if run.first().is_some_and(|commit| *commit < deletion.commit) {
            hidden.push(row..end);
        }
        row = end;
    }
    Ok(())
}

fn without(run: Range<u32>, mut hidden: Vec<Range<u32>>) -> Vec<Range<u32>> {
    hidden.sort_unstable_by_key(|range| range.start);
    let mut left = Vec::with_capacity(hidden.len() + 1);
    let mut from = run.start;
    for range in hidden {
        if range.start > from {
            left.push(from..range.start);
        }
        from = from.max(range.end);
    }
    if from < run.end {
        left.push(from..run.end);
    }
    left
}
