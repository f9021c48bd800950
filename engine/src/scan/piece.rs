//! Rows of one segment that a scan wants, in ascending row order, and by time inside.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use gapless_format::PAGE_ROWS;

use super::rows::Rows;
use crate::error::Result;
use crate::segment::{Segment, SegmentCache, Times};

/// Rows of one segment.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) segment: Arc<Segment>,
    pub(crate) rows: Rows,
}

impl Piece {
    /// The part at some positions.
    pub(crate) fn slice(&self, at: Range<usize>) -> Self {
        Self {
            segment: Arc::clone(&self.segment),
            rows: self.rows.slice(at),
        }
    }

    /// Rows from a position on that can be handed out without a copy: to the end of their page, or to a hole.
    pub(crate) fn rows_without_copy(&self, at: usize) -> usize {
        match &self.rows {
            Rows::List(_) => usize::MAX - at,
            rows => {
                let row = rows.get(at).unwrap_or_default() as usize;
                rows.consecutive(at).min(PAGE_ROWS - row % PAGE_ROWS)
            }
        }
    }

    /// Whether `next` continues this piece in the same segment without a hole.
    pub(crate) fn joins(&self, next: &Self) -> bool {
        match (&self.rows, &next.rows) {
            (Rows::Range(first), Rows::Range(second)) => {
                first.end == second.start
                    && self.segment.reference().segment == next.segment.reference().segment
            }
            _ => false,
        }
    }

    /// Takes the rows of a piece that joins.
    pub(crate) fn extend(&mut self, next: &Self) {
        if let (Rows::Range(first), Rows::Range(second)) = (&mut self.rows, &next.rows) {
            first.end = second.end;
        }
    }

    /// The times of its rows, by position.
    pub(crate) fn times(&self, cache: &SegmentCache) -> Result<PieceTimes> {
        let span = self.rows.span();
        Ok(PieceTimes {
            first: span.start,
            times: Times::new(cache, &self.segment)?.span(cache, span)?,
            rows: self.rows.clone(),
        })
    }
}

/// The verified times of a piece.
pub(crate) struct PieceTimes {
    /// Those of all rows from the first to the last.
    times: ScalarBuffer<i64>,
    first: usize,
    rows: Rows,
}

impl PieceTimes {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The time at a position; the end of time past the last.
    pub(crate) fn get(&self, at: usize) -> i64 {
        let row = self.rows.get(at);
        let row = row.and_then(|row| self.times.get(row as usize - self.first));
        row.copied().unwrap_or(i64::MAX)
    }

    /// The first position at or after `from` whose time is not less than `time`.
    pub(crate) fn lower_bound(&self, from: usize, time: i64) -> usize {
        self.lower_bound_within(from..self.len(), time)
    }

    /// As [`PieceTimes::lower_bound`], for a position that is probably near: the search goes on in growing steps.
    pub(crate) fn gallop(&self, within: Range<usize>, time: i64) -> usize {
        let (mut low, mut step) = (within.start, 1);
        while low < within.end {
            let probe = low + step - 1;
            if probe >= within.end || self.get(probe) >= time {
                return self.lower_bound_within(low..probe.min(within.end), time);
            }
            low = probe + 1;
            step *= 2;
        }
        within.end
    }

    fn lower_bound_within(&self, within: Range<usize>, time: i64) -> usize {
        let (mut low, mut high) = (within.start, within.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
