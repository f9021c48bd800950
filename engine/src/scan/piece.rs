//! Rows of one segment that a scan wants, in ascending row order, and by time inside.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::PAGE_ROWS;

use crate::error::Result;
use crate::segment::{Segment, SegmentCache, Times};

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
        Ok(PieceTimes {
            times: Times::new(cache, &self.segment)?,
            rows: self.rows.clone(),
        })
    }
}

/// The times of a piece, read page by page when they are asked for.
pub(crate) struct PieceTimes {
    times: Times,
    rows: Rows,
}

impl PieceTimes {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The time at a position; the end of time past the last.
    pub(crate) fn get(&self, cache: &SegmentCache, at: usize) -> Result<i64> {
        match self.rows.get(at) {
            Some(row) => self.times.get(cache, row as usize),
            None => Ok(i64::MAX),
        }
    }

    /// The first position at or after `from` whose time is not less than `time`.
    pub(crate) fn lower_bound(&self, cache: &SegmentCache, from: usize, time: i64) -> Result<usize> {
        let Some(first) = self.rows.get(from) else {
            return Ok(self.len());
        };
        // All rows of the span are of one series, so they are in order of time.
        let span = first as usize..self.rows.span().end;
        let row = self.times.lower_bound(cache, &span, time)?;
        Ok(match &self.rows {
            Rows::Range(range) => row.saturating_sub(range.start as usize),
            Rows::List(rows) => rows.partition_point(|other| (*other as usize) < row),
        })
    }

    /// Gives the times at some positions to `take`, in order.
    pub(crate) fn each(
        &self,
        cache: &SegmentCache,
        at: Range<usize>,
        mut take: impl FnMut(i64),
    ) -> Result<()> {
        match self.rows.slice(at) {
            Rows::Range(range) => {
                let (mut row, end) = (range.start as usize, range.end as usize);
                while row < end {
                    let run = self.times.run(cache, row..end)?;
                    run.iter().copied().for_each(&mut take);
                    row += run.len();
                }
            }
            Rows::List(rows) => {
                let page = |row: &u32| *row as usize / PAGE_ROWS;
                for rows in rows.chunk_by(|a, b| page(a) == page(b)) {
                    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
                        continue;
                    };
                    let run = self.times.run(cache, *first as usize..*last as usize + 1)?;
                    let time = |row: &u32| run.get((row - first) as usize).copied();
                    rows.iter().filter_map(time).for_each(&mut take);
                }
            }
        }
        Ok(())
    }
}
