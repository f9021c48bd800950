//! Rows of equal series and time: which goes first, and which of several versions counts.
//!
//! The order is that of commits, then of segments, then of positions. Commits of single rows are read only where a
//! segment has them, and key columns only where rows meet that may be versions of one another.

use std::cell::OnceCell;

use arrow_array::ArrayRef;
use arrow_buffer::ScalarBuffer;
use gapless_format::{COMMIT_COLUMN, ColumnSpec, Keep, TableMeta};

use super::gather::read_piece;
use super::piece::Piece;
use crate::error::Result;
use crate::segment::SegmentCache;
use crate::table::key::{KeyValues, extra_columns, keep_one};

/// A row of a window: number of its piece there, position in it.
pub(crate) type Pick = (u32, u32);

/// How ties are settled in one table.
#[derive(Debug, Clone)]
pub(crate) struct Ties {
    pub(crate) keep: Keep,
    /// Key columns besides time and series.
    key: Vec<ColumnSpec>,
}

impl Ties {
    pub(crate) fn of(table: &TableMeta) -> Self {
        Self {
            keep: table.keep,
            key: extra_columns(table),
        }
    }

    /// Whether rows of one piece need nothing more: a segment holds its rows in order, and each key once. A block in
    /// memory may still have several versions of a row.
    pub(crate) fn is_settled(&self, piece: &Piece) -> bool {
        self.keep == Keep::All || !piece.segment.is_in_memory()
    }
}

/// Pieces of a window of time, each with the place of its series in the order.
pub(crate) struct Window<'a> {
    cache: &'a SegmentCache,
    ties: &'a Ties,
    pieces: &'a [(u32, Piece)],
    commits: Vec<OnceCell<Option<ScalarBuffer<i64>>>>,
    keys: Vec<OnceCell<KeyValues>>,
}

/// Whether the order of pieces alone does not settle ties: two pieces of one series meet, and there are commits of
/// single rows or versions of rows.
pub(crate) fn has_ties(ties: &Ties, pieces: &[(u32, Piece)]) -> bool {
    let meet = pieces.windows(2).any(|pair| pair[0].0 == pair[1].0);
    let has_commits = |piece: &Piece| piece.segment.column(COMMIT_COLUMN).is_some();
    let mut all = pieces.iter().map(|(_, piece)| piece);
    meet && (ties.keep != Keep::All || all.clone().any(has_commits))
        || all.any(|piece| !ties.is_settled(piece))
}

impl<'a> Window<'a> {
    pub(crate) fn new(cache: &'a SegmentCache, ties: &'a Ties, pieces: &'a [(u32, Piece)]) -> Self {
        Self {
            cache,
            ties,
            pieces,
            commits: pieces.iter().map(|_| OnceCell::new()).collect(),
            keys: pieces.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    fn place(&self, pick: Pick) -> u32 {
        self.pieces
            .get(pick.0 as usize)
            .map_or(u32::MAX, |(place, _)| *place)
    }

    /// Puts rows of equal time, given by piece and position, into their order and leaves those that count.
    pub(crate) fn settle(&self, rows: &mut Vec<Pick>) -> Result<()> {
        if rows.len() < 2 {
            return Ok(());
        }
        let mut settled = Vec::with_capacity(rows.len());
        for group in rows.chunk_by(|a, b| self.place(*a) == self.place(*b)) {
            let mut group = group.to_vec();
            self.settle_series(&mut group)?;
            settled.append(&mut group);
        }
        *rows = settled;
        Ok(())
    }

    fn settle_series(&self, rows: &mut Vec<Pick>) -> Result<()> {
        let [first, .., last] = rows.as_slice() else {
            return Ok(());
        };
        if first.0 == last.0
            && self
                .pieces
                .get(first.0 as usize)
                .is_some_and(|(_, piece)| self.ties.is_settled(piece))
        {
            return Ok(());
        }
        self.sort_by_commit(rows)?;
        if self.ties.keep == Keep::All {
            return Ok(());
        }
        if self.ties.key.is_empty() {
            keep_one(rows, self.ties.keep, |_| 0, |_, _| true);
            return Ok(());
        }
        for pick in rows.iter() {
            self.load_keys(*pick)?;
        }
        let keys = |pick: Pick| self.keys.get(pick.0 as usize).and_then(OnceCell::get);
        keep_one(
            rows,
            self.ties.keep,
            |pick| keys(pick).map_or(0, |keys| keys.hash(pick.1 as usize)),
            |a, b| match (keys(a), keys(b)) {
                (Some(of_a), Some(of_b)) => of_a.is_same(a.1 as usize, of_b, b.1 as usize),
                _ => false,
            },
        );
        Ok(())
    }

    fn sort_by_commit(&self, rows: &mut [Pick]) -> Result<()> {
        let has_commits = |pick: &Pick| {
            self.pieces
                .get(pick.0 as usize)
                .is_some_and(|(_, piece)| piece.segment.column(COMMIT_COLUMN).is_some())
        };
        if !rows.iter().any(has_commits) {
            return Ok(()); // Pieces are in the order of their commits.
        }
        let mut ordered = rows
            .iter()
            .map(|pick| Ok((self.commit(*pick)?, *pick)))
            .collect::<Result<Vec<_>>>()?;
        ordered.sort_unstable();
        for (row, (_, pick)) in rows.iter_mut().zip(ordered) {
            *row = pick;
        }
        Ok(())
    }

    fn commit(&self, (number, at): Pick) -> Result<i64> {
        let (Some((_, piece)), Some(slot)) = (
            self.pieces.get(number as usize),
            self.commits.get(number as usize),
        ) else {
            return Ok(i64::MAX);
        };
        let span = piece.rows.span();
        if slot.get().is_none() {
            let commits = piece.segment.commits(self.cache, span.clone())?;
            let _ = slot.set(commits);
        }
        let row = piece.rows.get(at as usize).map_or(0, |row| row as usize);
        let commits = slot.get().and_then(Option::as_ref);
        let commit = commits.and_then(|commits| commits.get(row.saturating_sub(span.start)));
        Ok(commit.copied().unwrap_or(piece.segment.reference().first_commit))
    }

    fn load_keys(&self, (number, _): Pick) -> Result<()> {
        let (Some((_, piece)), Some(slot)) =
            (self.pieces.get(number as usize), self.keys.get(number as usize))
        else {
            return Ok(());
        };
        if slot.get().is_some() {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = self
            .ties
            .key
            .iter()
            .map(|spec| read_piece(self.cache, spec, piece))
            .collect::<Result<_>>()?;
        let _ = slot.set(KeyValues::new(&columns)?);
        Ok(())
    }
}
