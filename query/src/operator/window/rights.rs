//! The right rows of one series at a time, from the first that is still needed on.
//!
//! Rows stay in the batches that they came in. Only where a window goes over the end of a batch are rows put together.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::ScalarBuffer;
use arrow_select::concat::concat;
use gapless_engine::Result;

use super::options::WindowJoin;
use crate::error::arrow_error;
use crate::memory::{Held, Memory};
use crate::operator::aggregate::Resolved;
use crate::source::{Rows, RowsIter};

/// Rows of one series that follow each other: their times, and what aggregates read.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) times: ScalarBuffer<i64>,
    pub(super) values: Vec<ArrayRef>,
}

impl Piece {
    pub(super) fn slice(&self, rows: &Range<usize>) -> Self {
        let slice = |values: &ArrayRef| values.slice(rows.start, rows.len());
        Self {
            times: self.times.slice(rows.start, rows.len()),
            values: self.values.iter().map(slice).collect(),
        }
    }

    fn bytes(&self) -> usize {
        let values = self.values.iter();
        let bytes = values.map(|values| values.to_data().get_slice_memory_size().unwrap_or_default());
        bytes.sum::<usize>() + size_of_val(self.times.as_ref())
    }

    fn first(&self) -> i64 {
        self.times.first().copied().unwrap_or(i64::MIN)
    }

    fn last(&self) -> i64 {
        self.times.last().copied().unwrap_or(i64::MIN)
    }
}

/// The pieces of rows, each with its series.
pub(super) fn pieces(rows: &Rows, resolved: &Resolved) -> Result<Vec<(u32, Piece)>> {
    let all = Piece {
        times: rows.times.clone(),
        values: resolved.evaluate(&rows.batch)?,
    };
    let runs = rows.runs.iter().filter(|run| !run.rows.is_empty());
    Ok(runs.map(|run| (run.series, all.slice(&run.rows))).collect())
}

/// The right rows, series by series.
pub(super) struct Rights {
    rows: Option<RowsIter>,
    resolved: Arc<Resolved>,
    is_prevailing: bool,
    /// What was read and is of later series, or further rows of this one.
    waiting: VecDeque<(u32, Piece)>,
    series: Option<u32>,
    /// Of the series, from the first that is needed on.
    pieces: VecDeque<Piece>,
    /// All rows at once, where every series has the same.
    shared: Option<Arc<[Piece]>>,
    /// Of the rows that were put together last.
    held: Held,
}

impl Rights {
    pub(super) fn new(
        rows: RowsIter,
        resolved: &Arc<Resolved>,
        is_prevailing: bool,
        memory: &Memory,
    ) -> Self {
        Self {
            rows: Some(rows),
            resolved: Arc::clone(resolved),
            is_prevailing,
            waiting: VecDeque::new(),
            series: None,
            pieces: VecDeque::new(),
            shared: None,
            held: memory.held(),
        }
    }

    /// The same rows for every series.
    pub(super) fn shared(
        pieces: &Arc<[Piece]>,
        resolved: &Arc<Resolved>,
        is_prevailing: bool,
        memory: &Memory,
    ) -> Self {
        Self {
            rows: None,
            shared: Some(Arc::clone(pieces)),
            ..Self::new(Box::new(std::iter::empty()), resolved, is_prevailing, memory)
        }
    }

    /// Goes to the first row of a series; series come in ascending order.
    pub(super) fn go_to(&mut self, series: u32) -> Result<()> {
        if self.series == Some(series) {
            return Ok(());
        }
        self.series = Some(series);
        self.pieces.clear();
        if let Some(shared) = &self.shared {
            self.pieces.extend(shared.iter().cloned());
            return Ok(());
        }
        loop {
            while self.waiting.front().is_some_and(|(other, _)| *other < series) {
                self.waiting.pop_front();
            }
            if !self.waiting.is_empty() || !self.read(series)? {
                return Ok(());
            }
        }
    }

    /// Reads a batch with rows of a series or of later ones; false when there is none.
    fn read(&mut self, series: u32) -> Result<bool> {
        while let Some(rows) = &mut self.rows {
            match rows.next().transpose()? {
                Some(rows) if rows.runs.last().is_none_or(|run| run.series < series) => {}
                Some(rows) => {
                    let pieces = pieces(&rows, &self.resolved)?;
                    self.waiting
                        .extend(pieces.into_iter().filter(|(other, _)| *other >= series));
                    return Ok(true);
                }
                None => self.rows = None,
            }
        }
        Ok(false)
    }

    /// Takes the next rows of the series; false when it has no more.
    fn read_on(&mut self) -> Result<bool> {
        let series = self.series.unwrap_or_default();
        while self.waiting.is_empty() {
            if !self.read(series)? {
                return Ok(false);
            }
        }
        match self.waiting.front() {
            Some((other, _)) if *other == series => {}
            _ => return Ok(false),
        }
        self.pieces
            .extend(self.waiting.pop_front().map(|(_, piece)| piece));
        Ok(true)
    }

    /// Leaves rows behind that no window has that begins at or after `start`. Then windows begin in the first piece, if there are
    /// rows for them at all.
    fn pass(&mut self, start: i64) -> Result<()> {
        loop {
            let is_passed = match (self.is_prevailing, self.pieces.front(), self.pieces.get(1)) {
                (_, None, _) => false,
                (false, Some(piece), _) => piece.last() < start,
                (true, Some(_), Some(next)) => next.first() < start,
                // There may be a later row that is before the start.
                (true, Some(piece), None) => {
                    if piece.last() >= start || !self.read_on()? {
                        return Ok(());
                    }
                    continue;
                }
            };
            if is_passed {
                self.pieces.pop_front();
            } else if !self.pieces.is_empty() || !self.read_on()? {
                return Ok(());
            }
        }
    }

    /// The first piece, of those from a number on, that has rows after `end`, and true; or else the last one, and false. `None` where
    /// there are no rows.
    fn reach(&mut self, from: usize, end: i64) -> Result<Option<(usize, bool)>> {
        let mut number = from;
        loop {
            match self.pieces.get(number) {
                Some(piece) if piece.last() > end => return Ok(Some((number, true))),
                Some(_) => number += 1,
                None => {
                    if !self.read_on()? {
                        return Ok(self.pieces.len().checked_sub(1).map(|last| (last, false)));
                    }
                }
            }
        }
    }

    /// How many of some left rows are next, and the right rows that have their windows; `None` where all of their windows are empty.
    pub(super) fn next(&mut self, lefts: &[i64], window: &WindowJoin) -> Result<Option<(usize, Piece)>> {
        let Some(first) = lefts.first().copied() else {
            return Ok(None);
        };
        self.pass(window.start_of(first))?;
        let Some((number, is_inside)) = self.reach(0, window.end_of(first))? else {
            return Ok(None);
        };
        // The windows that end in the first piece; or, where the first window goes on in others, those that begin before the last of
        // these: so the rows that are put together are about twice those of a window, and as many are passed as are put together.
        let count = match self.pieces.get(number) {
            _ if !is_inside => lefts.len(),
            Some(piece) if number == 0 => {
                let last = piece.last();
                lefts.partition_point(|left| window.end_of(*left) < last)
            }
            piece => {
                let before = self.pieces.get(number.wrapping_sub(1));
                let bound = match self.is_prevailing {
                    true => piece.map_or(i64::MIN, Piece::first),
                    false => before.map_or(i64::MIN, Piece::last),
                };
                lefts.partition_point(|left| window.start_of(*left) <= bound)
            }
        };
        let count = count.clamp(1, lefts.len());
        let last = lefts.get(count - 1).copied().unwrap_or(first);
        let number = self
            .reach(number, window.end_of(last))?
            .map_or(number, |(number, _)| number);
        let of_first = self
            .pieces
            .front()
            .map_or(0..0, |piece| window.range(first, last, &piece.times));
        let of_last = self
            .pieces
            .get(number)
            .map_or(0..0, |piece| window.range(first, last, &piece.times));
        Ok(Some((count, self.joined(of_first.start, number, of_last.end)?)))
    }

    /// The rows from a place in the first piece to a place in the piece of a number.
    fn joined(&mut self, start: usize, number: usize, end: usize) -> Result<Piece> {
        let whole = |piece: &Piece| 0..piece.times.len();
        let parts: Vec<Piece> = self
            .pieces
            .iter()
            .take(number + 1)
            .enumerate()
            .map(|(at, piece)| {
                let mut rows = whole(piece);
                if at == 0 {
                    rows.start = start.min(rows.end);
                }
                if at == number {
                    rows.end = end.clamp(rows.start, rows.end);
                }
                piece.slice(&rows)
            })
            .collect();
        if let [one] = parts.as_slice() {
            return Ok(one.clone());
        }
        let columns = parts.first().map_or(0, |part| part.values.len());
        self.held
            .set(parts.iter().map(Piece::bytes).sum(), "the rows of a window")?;
        let column = |place: usize| {
            let arrays: Vec<&dyn Array> = parts
                .iter()
                .filter_map(|part| part.values.get(place))
                .map(|values| values.as_ref())
                .collect();
            concat(&arrays).map_err(|error| arrow_error("window join", &error))
        };
        Ok(Piece {
            values: (0..columns).map(column).collect::<Result<_>>()?,
            times: parts.iter().flat_map(|part| part.times.iter().copied()).collect(),
        })
    }
}
