//! Pieces that overlap in time, as one sequence ordered by time.
//!
//! Where one piece runs on alone its rows are handed out as a slice, so that they stay zero-copy. Where pieces
//! interleave, a window of time that holds about one batch of rows is gathered and sorted. Memory is bounded by the
//! window, whatever the number of pieces; only rows of one single time have to fit into one window.

use std::ops::Range;

use super::piece::{Piece, PieceTimes, Rows};
use crate::error::Result;
use crate::segment::SegmentCache;

/// A run of one piece is handed out as a slice from this length on.
const SLICE_ROWS_MIN: usize = 1024;

/// The next rows of a merge.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Consecutive rows of one piece.
    Slice(Piece),
    /// Rows of several pieces: (piece, position in it).
    Picks(Vec<Piece>, Vec<(u32, u32)>),
}

impl Chunk {
    /// Whether making arrays of it costs no work for each row.
    pub(crate) fn is_free(&self) -> bool {
        matches!(
            self,
            Self::Slice(Piece {
                rows: Rows::Range(_),
                ..
            })
        )
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Slice(piece) => piece.rows.len(),
            Self::Picks(_, picks) => picks.len(),
        }
    }

    /// Keeps the first rows and gives the rest.
    pub(crate) fn split_off(&mut self, rows: usize) -> Self {
        match self {
            Self::Slice(piece) => {
                let rest = piece.slice(rows..piece.rows.len());
                *piece = piece.slice(0..rows);
                Self::Slice(rest)
            }
            Self::Picks(pieces, picks) => Self::Picks(pieces.clone(), picks.split_off(rows)),
        }
    }

    /// The first rows.
    pub(crate) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Slice(piece) => *piece = piece.slice(0..rows.min(piece.rows.len())),
            Self::Picks(_, picks) => picks.truncate(rows),
        }
    }
}

/// Merges pieces by time. Among equal times the earlier piece goes first.
pub(crate) struct Merge {
    pieces: Vec<Piece>,
    times: Vec<PieceTimes>,
    at: Vec<usize>,
    /// Pieces that have rows left, in order.
    active: Vec<usize>,
    batch_rows: usize,
}

impl Merge {
    pub(crate) fn new(cache: &SegmentCache, pieces: Vec<Piece>, batch_rows: usize) -> Result<Self> {
        let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| piece.rows.len() > 0).collect();
        // A single piece is in order already: its times are not even read.
        let times = if pieces.len() > 1 {
            pieces
                .iter()
                .map(|piece| piece.times(cache))
                .collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        Ok(Self {
            at: vec![0; pieces.len()],
            active: (0..pieces.len()).collect(),
            pieces,
            times,
            batch_rows,
        })
    }

    /// The next rows in order, about a batch of them at most.
    pub(crate) fn next_chunk(&mut self, cache: &SegmentCache) -> Result<Option<Chunk>> {
        self.active
            .retain(|piece| self.at[*piece] < self.pieces[*piece].rows.len());
        match self.active.as_slice() {
            [] => Ok(None),
            [only] => {
                let only = *only;
                Ok(Some(self.take_slice(only, self.pieces[only].rows.len())))
            }
            _ => self.next_of_many(cache).map(Some),
        }
    }

    fn take_slice(&mut self, piece: usize, end: usize) -> Chunk {
        let from = self.at[piece];
        let end = end
            .min(from + self.batch_rows)
            .min(from + self.pieces[piece].rows_to_page_end(from));
        self.at[piece] = end;
        Chunk::Slice(self.pieces[piece].slice(from..end))
    }

    fn head(&self, cache: &SegmentCache, piece: usize) -> Result<(i64, usize)> {
        Ok((self.times[piece].get(cache, self.at[piece])?, piece))
    }

    fn next_of_many(&mut self, cache: &SegmentCache) -> Result<Chunk> {
        let mut heads = self
            .active
            .iter()
            .map(|piece| self.head(cache, *piece))
            .collect::<Result<Vec<_>>>()?;
        heads.sort_unstable();
        let (_, first) = heads[0];
        let (other_time, other) = heads[1];
        // Rows of the first piece that go before every other: up to the next head, with it if the piece goes first.
        let limit = if first < other {
            other_time.saturating_add(1)
        } else {
            other_time
        };
        let alone = self.times[first].lower_bound(cache, self.at[first], limit)?;
        if alone - self.at[first] >= SLICE_ROWS_MIN.min(self.batch_rows) {
            return Ok(self.take_slice(first, alone));
        }
        self.next_window(cache, heads[0].0)
    }

    /// Gathers and sorts all rows before a time that is chosen so that there is about a batch of them.
    fn next_window(&mut self, cache: &SegmentCache, head: i64) -> Result<Chunk> {
        let end = self.window_end(cache, head)?;
        let mut rows: Vec<(i64, u32, u32)> = Vec::with_capacity(self.batch_rows);
        let mut used: Vec<Piece> = Vec::new();
        for piece in &self.active {
            let range = self.window_of(cache, *piece, end)?;
            if range.is_empty() {
                continue;
            }
            self.at[*piece] = range.end;
            let number = u32::try_from(used.len()).unwrap_or(u32::MAX);
            used.push(self.pieces[*piece].slice(range.clone()));
            let mut position = 0;
            self.times[*piece].each(cache, range, |time| {
                rows.push((time, number, position));
                position += 1;
            })?;
        }
        rows.sort_unstable();
        let picks = rows.into_iter().map(|(_, piece, position)| (piece, position));
        Ok(Chunk::Picks(used, picks.collect()))
    }

    /// Positions of a piece before a time; to the end of the piece at the end of time.
    fn window_of(&self, cache: &SegmentCache, piece: usize, end: Option<i64>) -> Result<Range<usize>> {
        let from = self.at[piece];
        Ok(match end {
            Some(end) => from..self.times[piece].lower_bound(cache, from, end)?,
            None => from..self.times[piece].len(),
        })
    }

    /// A time before which about a batch of rows lies, but at least one; `None` for the end of time.
    fn window_end(&self, cache: &SegmentCache, head: i64) -> Result<Option<i64>> {
        let left = |piece: usize| self.times[piece].len() - self.at[piece];
        let total: usize = self.active.iter().map(|piece| left(*piece)).sum();
        if total <= self.batch_rows {
            return Ok(None);
        }
        // Each piece tells where its share of the batch ends; the middle of these times is tried first.
        let mut ends = self
            .active
            .iter()
            .map(|piece| {
                let share = left(*piece) as u128 * self.batch_rows as u128 / total as u128;
                self.times[*piece].get(cache, self.at[*piece] + usize::try_from(share).unwrap_or(0))
            })
            .collect::<Result<Vec<i64>>>()?;
        ends.sort_unstable();
        let mut at = ends.len() / 2;
        loop {
            let end = ends[at];
            let mut rows = 0;
            for piece in &self.active {
                rows += self.window_of(cache, *piece, Some(end))?.len();
            }
            if rows > 0 && (rows <= 2 * self.batch_rows || at == 0) {
                return Ok(Some(end));
            }
            if rows == 0 || at == 0 {
                return Ok(head.checked_add(1));
            }
            at /= 2;
        }
    }
}
