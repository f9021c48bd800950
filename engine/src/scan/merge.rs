//! Pieces that overlap in time, as one sequence ordered by time.
//!
//! - Where one piece runs on alone its rows are handed out as a slice, so that they stay zero-copy.
//! - Where pieces interleave, a window of time that holds about one batch of rows is put in order: few rows between
//!   many of one piece (late rows) by a search for the place of each, so that the many go along as runs; many rows of
//!   many pieces by a sort.
//! - Memory is bounded by the window, whatever the number of pieces; only rows of one single time have to fit into
//!   one window. Rows of one time are never in two windows, so ties are settled inside of one.

use std::ops::Range;
use std::sync::Arc;

use super::extremes::WholePage;
use super::merged::MergedRun;
use super::piece::{Piece, PieceTimes};
use super::rows::Rows;
use super::ties::{Pick, Ties, Window, has_ties};
use crate::error::Result;
use crate::segment::SegmentCache;

/// A run of one piece is handed out as a slice from this length on.
const SLICE_ROWS_MIN: usize = 1024;
/// Rows are merged into those of the largest piece of a window if there are this many times fewer of them.
const FEWER_TIMES: usize = 4;

/// Rows of one piece that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowRun {
    /// Number of the piece.
    pub(crate) piece: u32,
    /// First position in it.
    pub(crate) start: u32,
    /// Position after the last.
    pub(crate) end: u32,
}

impl RowRun {
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// The next rows of a merge.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Consecutive rows of one piece.
    Slice(Piece),
    /// Rows of several pieces, run by run.
    Runs(Vec<Piece>, Vec<RowRun>),
    /// Rows of several pieces: (piece, position in it).
    Picks(Vec<Piece>, Vec<Pick>),
    /// Some rows of a chunk that was merged before.
    Kept(Arc<MergedRun>, usize, Range<usize>),
    /// Some of the rows that stand for those of a page.
    Page(WholePage, Range<usize>),
}

impl Chunk {
    /// Whether making arrays of it costs no work for each row.
    pub(crate) fn is_free(&self) -> bool {
        matches!(
            self,
            Self::Slice(Piece {
                rows: Rows::Range(_),
                ..
            }) | Self::Kept(..)
        )
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Slice(piece) => piece.rows.len(),
            Self::Runs(_, runs) => runs.iter().map(RowRun::len).sum(),
            Self::Picks(_, picks) => picks.len(),
            Self::Kept(_, _, rows) | Self::Page(_, rows) => rows.len(),
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
            Self::Runs(pieces, runs) => Self::Runs(pieces.clone(), split_runs(runs, rows)),
            Self::Picks(pieces, picks) => Self::Picks(pieces.clone(), picks.split_off(rows)),
            Self::Kept(run, at, kept) => {
                let rest = kept.start + rows..kept.end;
                kept.end = rest.start;
                Self::Kept(Arc::clone(run), *at, rest)
            }
            Self::Page(page, kept) => {
                let rest = kept.start + rows..kept.end;
                kept.end = rest.start;
                Self::Page(page.clone(), rest)
            }
        }
    }

    /// The first rows.
    pub(crate) fn truncate(&mut self, rows: usize) {
        if rows < self.len() {
            self.split_off(rows);
        }
    }
}

/// Keeps the runs of the first rows and gives those of the rest.
fn split_runs(runs: &mut Vec<RowRun>, rows: usize) -> Vec<RowRun> {
    let mut left = rows;
    let mut at = 0;
    while let Some(run) = runs.get(at)
        && run.len() <= left
    {
        left -= run.len();
        at += 1;
    }
    let mut rest = runs.split_off(at);
    if left > 0
        && let Some(first) = rest.first_mut()
    {
        let middle = first.start + u32::try_from(left).unwrap_or_default();
        runs.push(RowRun {
            end: middle,
            ..first.clone()
        });
        first.start = middle;
    }
    rest
}

/// Merges pieces by time. Among equal times the piece whose series goes first does, then as [`Ties`] say.
pub(crate) struct Merge {
    ties: Ties,
    /// Each piece with the place of its series; of one series in the order of their segments' commits.
    pieces: Vec<(u32, Piece)>,
    times: Vec<PieceTimes>,
    at: Vec<usize>,
    /// Pieces that have rows left, in order.
    active: Vec<usize>,
    /// Whether rows of equal time need more than the order of their pieces.
    has_ties: bool,
    batch_rows: usize,
    /// What was merged before, and the next chunk of it.
    kept: Option<(Arc<MergedRun>, usize)>,
}

impl Merge {
    /// `pieces` come with the place of their series, ascending, and for each series in the order of commits.
    pub(crate) fn new(
        cache: &SegmentCache,
        ties: &Ties,
        pieces: Vec<(u32, Piece)>,
        batch_rows: usize,
    ) -> Result<Self> {
        let pieces: Vec<(u32, Piece)> = pieces
            .into_iter()
            .filter(|(_, piece)| piece.rows.len() > 0)
            .collect();
        // A single piece is in order already: its times are not even read.
        let is_settled = pieces.iter().all(|(_, piece)| ties.is_settled(piece));
        let times = if pieces.len() > 1 || !is_settled {
            pieces
                .iter()
                .map(|(_, piece)| piece.times(cache))
                .collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        Ok(Self {
            has_ties: has_ties(ties, &pieces),
            ties: ties.clone(),
            at: vec![0; pieces.len()],
            active: (0..pieces.len()).collect(),
            pieces,
            times,
            batch_rows,
            kept: None,
        })
    }

    /// Rows that were merged before.
    pub(crate) fn of_run(ties: &Ties, run: Arc<MergedRun>, batch_rows: usize) -> Self {
        Self {
            has_ties: false,
            ties: ties.clone(),
            at: Vec::new(),
            active: Vec::new(),
            pieces: Vec::new(),
            times: Vec::new(),
            batch_rows,
            kept: Some((run, 0)),
        }
    }

    /// The next rows in order, about a batch of them at most.
    pub(crate) fn next_chunk(&mut self, cache: &SegmentCache) -> Result<Option<Chunk>> {
        if let Some((run, at)) = &mut self.kept {
            *at += 1;
            return Ok(run.chunk(*at - 1));
        }
        let (at, pieces) = (&self.at, &self.pieces);
        self.active
            .retain(|piece| at[*piece] < pieces[*piece].1.rows.len());
        match self.active.as_slice() {
            [] => Ok(None),
            [only] if self.ties.is_settled(&self.pieces[*only].1) => {
                let only = *only;
                Ok(Some(self.take_slice(only, self.pieces[only].1.rows.len())))
            }
            _ => self.next_of_many(cache).map(Some),
        }
    }

    fn take_slice(&mut self, piece: usize, end: usize) -> Chunk {
        let from = self.at[piece];
        let taken = &self.pieces[piece].1;
        let end = end
            .min(from + self.batch_rows)
            .min(from.saturating_add(taken.rows_without_copy(from)));
        self.at[piece] = end;
        Chunk::Slice(taken.slice(from..end))
    }

    fn next_of_many(&mut self, cache: &SegmentCache) -> Result<Chunk> {
        let head = |piece: &usize| (self.times[*piece].get(self.at[*piece]), *piece);
        let mut heads: Vec<(i64, usize)> = self.active.iter().map(head).collect();
        heads.sort_unstable();
        let (_, first) = heads[0];
        let (other_time, other) = heads.get(1).copied().unwrap_or((i64::MAX, first));
        // Rows of the first piece that go before every other: up to the next head, with it if the piece goes first.
        let limit = if first < other && !self.has_ties {
            other_time.saturating_add(1)
        } else {
            other_time
        };
        let wanted = SLICE_ROWS_MIN.min(self.batch_rows);
        let from = self.at[first];
        let alone = self.times[first].gallop(from..self.times[first].len(), limit);
        if alone - from >= wanted && self.ties.is_settled(&self.pieces[first].1) {
            return Ok(self.take_slice(first, alone));
        }
        self.next_window(cache, heads[0].0)
    }

    /// Puts all rows in order that lie before a time which is chosen so that there is about a batch of them.
    fn next_window(&mut self, cache: &SegmentCache, head: i64) -> Result<Chunk> {
        let end = self.window_end(head);
        let mut pieces: Vec<(u32, Piece)> = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        for number in &self.active {
            let within = self.window_of(*number, end);
            if within.is_empty() {
                continue;
            }
            self.at[*number] = within.end;
            let (place, piece) = &self.pieces[*number];
            pieces.push((*place, piece.slice(within.clone())));
            parts.push(Part {
                input: *number,
                within,
            });
        }
        let window = Window::new(cache, &self.ties, &pieces);
        let window = self.has_ties.then_some(&window);
        let rows: usize = parts.iter().map(|part| part.within.len()).sum();
        let largest = (0..parts.len()).max_by_key(|part| parts[*part].within.len());
        // Rows of a block in memory may be versions of one another, so they do not go along as runs.
        let largest = largest.filter(|part| self.ties.is_settled(&pieces[*part].1));
        let largest = largest
            .filter(|part| parts.len() == 2 || (rows - parts[*part].within.len()) * FEWER_TIMES <= rows);
        let (runs, picks) = match largest {
            Some(largest) => (self.merge_into(&parts, largest, window)?, Vec::new()),
            None => (Vec::new(), self.sort(&parts, window)?),
        };
        let used = pieces.into_iter().map(|(_, piece)| piece);
        Ok(match largest {
            Some(_) => Chunk::Runs(used.collect(), runs),
            None => Chunk::Picks(used.collect(), picks),
        })
    }

    /// The rows of some parts by (time, part, position).
    fn sorted<'a>(&self, parts: impl Iterator<Item = (u32, &'a Part)>) -> Vec<(i64, Pick)> {
        let mut rows: Vec<(i64, Pick)> = Vec::new();
        for (number, part) in parts {
            let times = &self.times[part.input];
            rows.extend(
                (0..)
                    .zip(part.within.clone())
                    .map(|(at, position)| (times.get(position), (number, at))),
            );
        }
        rows.sort_unstable();
        rows
    }

    fn sort(&self, parts: &[Part], window: Option<&Window<'_>>) -> Result<Vec<Pick>> {
        let rows = self.sorted((0..).zip(parts));
        let Some(window) = window else {
            return Ok(rows.into_iter().map(|(_, pick)| pick).collect());
        };
        let mut picks = Vec::with_capacity(rows.len());
        let mut tied: Vec<Pick> = Vec::new();
        for group in rows.chunk_by(|a, b| a.0 == b.0) {
            if let [(_, pick)] = group {
                picks.push(*pick);
                continue;
            }
            tied.clear();
            tied.extend(group.iter().map(|(_, pick)| *pick));
            window.settle(&mut tied)?;
            picks.extend_from_slice(&tied);
        }
        Ok(picks)
    }

    /// Merges the rows of all parts into those of the largest, whose rows between two others are one run.
    fn merge_into(&self, parts: &[Part], largest: usize, window: Option<&Window<'_>>) -> Result<Vec<RowRun>> {
        let others = self.sorted((0..).zip(parts).filter(|(number, _)| *number as usize != largest));
        let Part { input, within } = &parts[largest];
        let times = &self.times[*input];
        let number = u32::try_from(largest).unwrap_or(u32::MAX);
        let mut runs = Runs {
            base: within.start,
            runs: Vec::with_capacity(2 * others.len() + 1),
        };
        let mut tied: Vec<Pick> = Vec::new();
        let mut at = within.start;
        for group in others.chunk_by(|a, b| a.0 == b.0) {
            let time = group.first().map_or(i64::MAX, |(time, _)| *time);
            let first = times.gallop(at..within.end, time);
            runs.push_range(number, at..first);
            at = match time.checked_add(1) {
                Some(next) => times.gallop(first..within.end, next),
                None => within.end,
            };
            if let ([(_, pick)], true) = (group, first == at) {
                runs.push(*pick);
                continue;
            }
            tied.clear();
            tied.extend(group.iter().map(|(_, pick)| *pick));
            tied.extend((first..at).map(|position| (number, runs.position(position))));
            tied.sort_unstable();
            if let Some(window) = window {
                window.settle(&mut tied)?;
            }
            tied.iter().for_each(|pick| runs.push(*pick));
        }
        runs.push_range(number, at..within.end);
        Ok(runs.runs)
    }

    /// Positions of a piece before a time; to the end of the piece at the end of time.
    fn window_of(&self, piece: usize, end: Option<i64>) -> Range<usize> {
        let from = self.at[piece];
        match end {
            Some(end) => from..self.times[piece].lower_bound(from, end),
            None => from..self.times[piece].len(),
        }
    }

    /// A time before which about a batch of rows lies, but at least one; `None` for the end of time.
    fn window_end(&self, head: i64) -> Option<i64> {
        let left = |piece: usize| self.times[piece].len() - self.at[piece];
        let total: usize = self.active.iter().map(|piece| left(*piece)).sum();
        if total <= self.batch_rows {
            return None;
        }
        // Each piece tells where its share of the batch ends; the middle of these times is tried first.
        let mut ends: Vec<i64> = self
            .active
            .iter()
            .map(|piece| {
                let share = left(*piece) as u128 * self.batch_rows as u128 / total as u128;
                self.times[*piece].get(self.at[*piece] + usize::try_from(share).unwrap_or(0))
            })
            .collect();
        ends.sort_unstable();
        let mut at = ends.len() / 2;
        loop {
            let end = ends[at];
            let rows: usize = self
                .active
                .iter()
                .map(|piece| self.window_of(*piece, Some(end)).len())
                .sum();
            if rows > 0 && (rows <= 2 * self.batch_rows || at == 0) {
                return Some(end);
            }
            if rows == 0 || at == 0 {
                return head.checked_add(1);
            }
            at /= 2;
        }
    }
}

/// The rows of one piece in a window.
struct Part {
    /// Number of the piece in the merge.
    input: usize,
    /// Positions in it.
    within: Range<usize>,
}

/// Runs in the making: rows that follow each other become one.
struct Runs {
    /// Position where the window begins in the largest piece.
    base: usize,
    runs: Vec<RowRun>,
}

impl Runs {
    /// A position of the largest piece, counted from the window's begin.
    fn position(&self, position: usize) -> u32 {
        u32::try_from(position - self.base).unwrap_or(u32::MAX)
    }

    fn push_range(&mut self, piece: u32, positions: Range<usize>) {
        if !positions.is_empty() {
            let (start, end) = (self.position(positions.start), self.position(positions.end));
            self.add(RowRun { piece, start, end });
        }
    }

    fn push(&mut self, (piece, at): Pick) {
        self.add(RowRun {
            piece,
            start: at,
            end: at + 1,
        });
    }

    fn add(&mut self, run: RowRun) {
        match self.runs.last_mut() {
            Some(last) if last.piece == run.piece && last.end == run.start => last.end = run.end,
            _ => self.runs.push(run),
        }
    }
}
