//! The rows of a version, segment by segment as they lie.

use std::sync::Arc;

use gapless_format::SegmentRef;

use super::position::{Reached, ReplayAt};
use crate::database::Snapshot;
use crate::error::{Error, Result};
use crate::manifest::TableState;
use crate::scan::{Chunk, Piece, Rows};
use crate::segment::SegmentCache;

/// Segments of which rows are left.
#[derive(Debug)]
pub(super) struct Replay {
    segments: Vec<Arc<SegmentRef>>,
    total: u64,
}

/// Rows, and the least and greatest commit of their segments.
type Taken = (Vec<Chunk>, Option<(i64, i64)>);

impl Replay {
    /// The segments that were live at the version of a position, which may be older than the snapshot.
    ///
    /// # Errors
    /// `Conflict` when some of them are gone.
    pub(super) fn new(snapshot: &Snapshot, at: &mut Reached, table: &TableState) -> Result<Self> {
        let removed = snapshot.version().removed();
        let removed = removed
            .filter(|removed| removed.segment.table == at.table && removed.removed > at.version)
            .map(|removed| removed.segment.clone().into());
        let mut segments: Vec<Arc<SegmentRef>> = table
            .segments()
            .cloned()
            .chain(removed)
            .filter(|segment| segment.created <= at.version)
            .collect();
        segments.sort_by_key(|segment| {
            (
                segment.partition.start,
                segment.partition,
                segment.created,
                segment.segment,
            )
        });
        let total = segments.iter().map(|segment| segment.rows).sum();
        let replay = at.replay.get_or_insert(ReplayAt {
            segments: 0,
            row: 0,
            total,
        });
        if replay.total != total {
            return Err(Error::conflict(format!(
                "table {:?}: {total} rows are left of version {}, which had {}. Subscribe from the beginning, or scan \
                 the table",
                table.meta().name,
                at.version,
                replay.total
            )));
        }
        let replay = Self { segments, total };
        replay.settle(at);
        Ok(replay)
    }

    /// The next rows, at most `rows`, and the least and greatest commit of their segments; `at` moves behind them.
    pub(super) fn take(
        &self,
        cache: &SegmentCache,
        table: &str,
        rows: usize,
        at: &mut Reached,
    ) -> Result<Taken> {
        let (mut chunks, mut commits) = (Vec::new(), None);
        let mut left = rows as u64;
        while left > 0
            && let Some(place) = at.replay
            && let Some(reference) = self.segment(place)
        {
            let end = reference.rows.min(place.row + left);
            let row = |row: u64| u32::try_from(row).unwrap_or(u32::MAX);
            let segment = cache
                .segment(table, reference)
                .map_err(|error| error.context(format!("table {table:?}")))?;
            chunks.push(Chunk::Slice(Piece {
                segment,
                rows: Rows::Range(row(place.row)..row(end)),
            }));
            let (first, last) = commits.unwrap_or((i64::MAX, i64::MIN));
            commits = Some((reference.first_commit.min(first), reference.last_commit.max(last)));
            left -= end - place.row;
            at.replay = Some(if end < reference.rows {
                ReplayAt { row: end, ..place }
            } else {
                ReplayAt {
                    segments: place.segments + 1,
                    row: 0,
                    ..place
                }
            });
        }
        self.settle(at);
        Ok((chunks, commits))
    }

    fn segment(&self, at: ReplayAt) -> Option<&Arc<SegmentRef>> {
        self.segments.get(usize::try_from(at.segments).ok()?)
    }

    /// A position behind the last segment is one of a version.
    fn settle(&self, at: &mut Reached) {
        if at.replay.is_some_and(|replay| self.segment(replay).is_none()) {
            debug_assert!(at.replay.is_some_and(|replay| replay.total == self.total));
            at.replay = None;
        }
    }
}
