//! Segments that overlap in time. Only inside of such a cluster do rows have to be merged.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{Deletion, SegmentRef};
use roaring::RoaringBitmap;

use super::deleted::hides_all;
use super::select::Pruning;
use crate::segment::Segment;

/// Segments that overlap in time, in the order of their commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) segments: Vec<Arc<SegmentRef>>,
    /// Series whose rows may have several versions of which one counts.
    pub(crate) contested: Contested,
}

/// Series that more than one segment of a cluster has, or one in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contested {
    codes: RoaringBitmap,
    /// Those without a series; in a table without series, all.
    others: bool,
}

impl Contested {
    pub(crate) fn of<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> Self {
        let mut contested = Self::default();
        let (mut seen, mut others_seen) = (RoaringBitmap::new(), false);
        for segment in segments {
            let meta = segment.meta();
            let has_others = meta.null_series || meta.series_column.is_none();
            if segment.is_in_memory() {
                // A block may have several versions of a row by itself.
                contested.codes |= &meta.series;
                contested.others |= has_others;
            }
            contested.codes |= &seen & &meta.series;
            seen |= &meta.series;
            contested.others |= others_seen && has_others;
            others_seen |= has_others;
        }
        contested
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.codes.is_empty() && !self.others
    }

    /// How rows of a series may be pruned.
    pub(crate) fn pruning(&self, code: u32) -> Pruning {
        let is_contested = if code == gapless_format::NULL_CODE {
            self.others
        } else {
            self.codes.contains(code)
        };
        if is_contested {
            Pruning::Key
        } else {
            Pruning::Condition
        }
    }
}

/// Segments with rows in a time range that not all are deleted, by overlap.
pub(crate) fn clusters<'a>(
    segments: impl IntoIterator<Item = &'a Arc<SegmentRef>>,
    time: &Range<i64>,
    deletions: &[Arc<Deletion>],
) -> Vec<Cluster> {
    // With its place: segments of one commit keep the order in which they were written.
    let mut inside: Vec<(usize, &Arc<SegmentRef>)> = segments
        .into_iter()
        .filter(|segment| {
            segment.max_time >= time.start && (segment.min_time < time.end || time.end == i64::MAX)
        })
        .filter(|segment| !deletions.iter().any(|deletion| hides_all(deletion, segment)))
        .enumerate()
        .collect();
    inside.sort_by_key(|(_, segment)| segment.min_time);
    let mut clusters: Vec<Vec<(usize, &Arc<SegmentRef>)>> = Vec::new();
    let mut last = i64::MIN;
    for (place, segment) in inside {
        // What lies outside of the time range overlaps with nothing that is read.
        let first = segment.min_time.max(time.start);
        match clusters.last_mut() {
            Some(cluster) if first <= last => cluster.push((place, segment)),
            _ => clusters.push(vec![(place, segment)]),
        }
        last = last.max(segment.max_time);
    }
    clusters.into_iter().map(in_commit_order).collect()
}

fn in_commit_order(mut segments: Vec<(usize, &Arc<SegmentRef>)>) -> Cluster {
    segments.sort_by_key(|(place, segment)| (segment.first_commit, *place));
    Cluster {
        segments: segments
            .into_iter()
            .map(|(_, segment)| Arc::clone(segment))
            .collect(),
        contested: Contested::default(),
    }
}
