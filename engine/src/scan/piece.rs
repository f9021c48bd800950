//! Rows of one segment that a scan wants, in ascending row order, and by time inside.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::PAGE_ROWS;

use crate::error::Result;
use crate::segment::{Segment, SegmentCache};

/// Which rows of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Consecutive rows.
    Range(Range<u32>),
    /// Single rows, ascending.
    List(Vec<u32>),
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(rows) => rows.len(),
        }
    }

    /// The row at a position.
    pub(crate) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Range(range) => range.clone().nth(at),
            Self::List(rows) => rows.get(at).copied(),
        }
    }

    /// The rows at some positions.
    pub(crate) fn slice(&self, at: Range<usize>) -> Self {
        match self {
            Self::Range(range) => {
                let row = |at: usize| {
                    range
                        .start
                        .saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
                        .min(range.end)
                };
                Self::Range(row(at.start)..row(at.end))
            }
            Self::List(rows) => Self::List(rows.get(at).unwrap_or_default().to_vec()),
        }
    }

    /// The least range that has them all.
    pub(crate) fn span(&self) -> Range<usize> {
        match self {
            Self::Range(range) => range.start as usize..range.end as usize,
            Self::List(rows) => match (rows.first(), rows.last()) {
                (Some(first), Some(last)) => *first as usize..*last as usize + 1,
                _ => 0..0,
            },
        }
    }
}

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

    /// Rows from a position to the end of their page. A batch that keeps to one page needs no copy of its symbols.
    pub(crate) fn rows_to_page_end(&self, at: usize) -> usize {
        match &self.rows {
            Rows::Range(range) => PAGE_ROWS - (range.start as usize + at) % PAGE_ROWS,
            Rows::List(_) => usize::MAX - at,
        }
    }

    /// Whether `next` continues this piece in the same segment without a hole.
    pub(crate) fn joins(&self, next: &Self) -> bool {
        match (&self.rows, &next.rows) {
            (Rows::Range(first), Rows::Range(second)) => {
                first.end == second.start && self.segment.meta().segment == next.segment.meta().segment
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
        let times = self.segment.times(cache)?;
        self.segment.verify_times(&times, self.rows.span())?;
        Ok(PieceTimes {
            times,
            rows: self.rows.clone(),
        })
    }
}

/// The verified times of a piece.
pub(crate) struct PieceTimes {
    times: crate::segment::Times,
    rows: Rows,
}

impl PieceTimes {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The time at a position; the end of time past the last.
    pub(crate) fn get(&self, at: usize) -> i64 {
        let row = self.rows.get(at).and_then(|row| self.times.get(row as usize));
        row.copied().unwrap_or(i64::MAX)
    }

    /// The first position at or after `from` whose time is not less than `time`.
    pub(crate) fn lower_bound(&self, from: usize, time: i64) -> usize {
        let (mut low, mut high) = (from, self.len());
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
