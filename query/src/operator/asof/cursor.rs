//! The right rows, series by series, and which of them a time matches.

use std::collections::VecDeque;
use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use gapless_engine::Result;

use super::options::{AsOf, Direction};
use crate::source::{Rows, RowsIter, SeriesRun};

/// A right row, the number of its batch and its place in it, and its time.
type Passed = Option<((u32, u32), i64)>;

/// Which right row each left row has: the number of its batch, and its place in it.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    pub(crate) rows: Vec<(u32, u32)>,
}

impl Matches {
    /// The number of no batch.
    pub(crate) const NONE: (u32, u32) = (u32::MAX, 0);

    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_match(&self, row: usize) -> bool {
        self.rows.get(row).is_some_and(|found| *found != Self::NONE)
    }
}

/// Rows of one series that follow each other in one batch.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    pub(super) batch: u32,
    times: ScalarBuffer<i64>,
    pub(super) rows: Range<usize>,
}

impl Stretch {
    pub(super) fn times(&self) -> &[i64] {
        self.times.get(self.rows.clone()).unwrap_or_default()
    }

    pub(super) fn place(&self, at: usize) -> (u32, u32) {
        (
            self.batch,
            u32::try_from(self.rows.start + at).unwrap_or(u32::MAX),
        )
    }
}

/// Right rows of one series at a time, from the last that may still be matched.
pub(crate) struct Cursor {
    rows: Option<RowsIter>,
    /// What was read and may still be needed, with its number.
    batches: VecDeque<(u32, Rows)>,
    next_batch: u32,
    /// Runs that were read and not yet reached.
    runs: VecDeque<(u32, SeriesRun)>,
    series: Option<u32>,
    /// Of the series: what is read of it and not passed.
    stretches: VecDeque<Stretch>,
    /// Rows of the first stretch that are passed.
    at: usize,
    /// The last row that is passed, and its time.
    passed: Passed,
    /// All rows at once, which every series starts from anew.
    shared: Option<Vec<Stretch>>,
}

impl Cursor {
    pub(crate) fn new(rows: RowsIter) -> Self {
        Self {
            rows: Some(rows),
            batches: VecDeque::new(),
            next_batch: 0,
            runs: VecDeque::new(),
            series: None,
            stretches: VecDeque::new(),
            at: 0,
            passed: None,
            shared: None,
        }
    }

    /// Rows that are those of every series.
    pub(crate) fn shared(rows: &[Rows]) -> Self {
        let mut cursor = Self::new(Box::new(std::iter::empty()));
        let numbered = (0..).zip(rows);
        cursor.shared = Some(
            numbered
                .clone()
                .map(|(batch, rows)| Stretch {
                    batch,
                    times: rows.times.clone(),
                    rows: 0..rows.len(),
                })
                .collect(),
        );
        cursor.batches = numbered.map(|(number, rows)| (number, rows.clone())).collect();
        cursor
    }

    /// The batches that matches refer to, with their numbers.
    pub(crate) fn batches(&self) -> Vec<(u32, &RecordBatch)> {
        self.batches
            .iter()
            .map(|(number, rows)| (*number, &rows.batch))
            .collect()
    }

    /// Finds the match of each of some ascending times of a series. Series come in ascending order.
    pub(crate) fn find(
        &mut self,
        series: u32,
        times: &[i64],
        options: &AsOf,
        matches: &mut Matches,
    ) -> Result<()> {
        self.go_to(series)?;
        let first = matches.rows.len();
        match options.direction {
            Direction::Backward => self.find_backward(times, options, matches)?,
            Direction::Forward | Direction::Nearest => self.find_either(times, options, matches)?,
        }
        debug_assert_eq!(
            matches.rows.len() - first,
            times.len(),
            "each row has a match or none"
        );
        Ok(())
    }

    fn find_backward(&mut self, times: &[i64], options: &AsOf, matches: &mut Matches) -> Result<()> {
        let mut rest = times;
        while !rest.is_empty() {
            let Some(stretch) = self.stretches.front() else {
                if self.read_more()? {
                    continue;
                }
                // No right row is left: all others match the last one that is passed.
                let found = |time: &i64| {
                    let found = self.passed.filter(|(_, right)| options.tolerates(*time, *right));
                    found.map_or(Matches::NONE, |(place, _)| place)
                };
                matches.rows.extend(rest.iter().map(found));
                return Ok(());
            };
            let merge = Backward {
                lefts: rest,
                rights: stretch.times(),
                first: stretch.place(0),
                at: self.at,
                passed: self.passed,
                options,
                matches: &mut matches.rows,
            };
            let (done, at, passed) = pulp::Arch::new().dispatch(merge);
            rest = rest.get(done..).unwrap_or_default();
            (self.at, self.passed) = (at, passed);
            if self.at >= stretch.rows.len() {
                self.stretches.pop_front();
                self.at = 0;
            }
        }
        Ok(())
    }

    fn find_either(&mut self, times: &[i64], options: &AsOf, matches: &mut Matches) -> Result<()> {
        for time in times {
            // What is before the time has been passed, and what is at it comes next.
            self.pass(*time)?;
            let before = self.passed;
            let mut after = self.peek(*time)?;
            if options.is_strict && after.is_some_and(|(_, right)| right == *time) {
                after = match time.checked_add(1) {
                    Some(next) => self.peek(next)?,
                    None => None,
                };
            }
            let found = match (options.direction, before, after) {
                (Direction::Nearest, Some(before), Some(after)) => {
                    let is_nearer = time.abs_diff(before.1) <= time.abs_diff(after.1);
                    Some(if is_nearer { before } else { after })
                }
                (Direction::Nearest, before, None) => before,
                (_, _, after) => after,
            };
            let found = found.filter(|(_, right)| options.tolerates(*time, *right));
            matches.rows.push(found.map_or(Matches::NONE, |(place, _)| place));
        }
        Ok(())
    }

    /// Goes to the first row of a series; what is before it is left behind.
    pub(crate) fn go_to(&mut self, series: u32) -> Result<()> {
        if self.series == Some(series) {
            return Ok(());
        }
        (self.series, self.at, self.passed) = (Some(series), 0, None);
        self.stretches.clear();
        if let Some(shared) = &self.shared {
            self.stretches.extend(shared.iter().cloned());
            return Ok(());
        }
        loop {
            while self.runs.front().is_some_and(|(_, run)| run.series < series) {
                self.runs.pop_front();
            }
            if !self.runs.is_empty() || !self.read(series)? {
                break;
            }
        }
        self.take_runs();
        Ok(())
    }

    /// Reads a batch that has rows of a series or of later ones; false when there is none.
    fn read(&mut self, series: u32) -> Result<bool> {
        let is_before = |rows: &Rows| rows.runs.last().is_none_or(|run| run.series < series);
        let rows = loop {
            let Some(rows) = &mut self.rows else {
                return Ok(false);
            };
            match rows.next().transpose()? {
                Some(rows) if is_before(&rows) => {}
                Some(rows) => break rows,
                None => self.rows = None,
            }
        };
        self.runs
            .extend(rows.runs.iter().map(|run| (self.next_batch, run.clone())));
        self.batches.push_back((self.next_batch, rows));
        self.next_batch += 1;
        Ok(true)
    }

    /// Takes what was read of the series.
    fn take_runs(&mut self) {
        while let Some((batch, run)) = self.runs.front().cloned()
            && Some(run.series) == self.series
        {
            self.runs.pop_front();
            let found = self.batches.iter().rev().find(|(number, _)| *number == batch);
            if let Some((_, rows)) = found {
                self.stretches.push_back(Stretch {
                    batch,
                    times: rows.times.clone(),
                    rows: run.rows,
                });
            }
        }
    }

    /// Reads on, if more rows of the series may come.
    fn read_more(&mut self) -> Result<bool> {
        let series = self.series.unwrap_or_default();
        if self.shared.is_some() || !self.runs.is_empty() || !self.read(series)? {
            return Ok(false);
        }
        let before = self.stretches.len();
        self.take_runs();
        Ok(self.stretches.len() > before)
    }

    /// Passes all rows whose time is less than `limit`.
    fn pass(&mut self, limit: i64) -> Result<()> {
        loop {
            let Some(stretch) = self.stretches.front() else {
                if self.read_more()? {
                    continue;
                }
                return Ok(());
            };
            let times = stretch.times();
            let at = gallop(times, self.at, limit);
            if let Some(last) = at.checked_sub(1).filter(|_| at > self.at) {
                self.passed = Some((stretch.place(last), times.get(last).copied().unwrap_or_default()));
            }
            self.at = at;
            if at < times.len() {
                return Ok(());
            }
            self.stretches.pop_front();
            self.at = 0;
        }
    }

    /// The first row that is not passed and not before `from`: of those equal in time the last.
    fn peek(&mut self, from: i64) -> Result<Passed> {
        let (mut number, mut at) = (0, self.at);
        let mut found: Passed = None;
        loop {
            let Some(stretch) = self.stretches.get(number) else {
                if self.read_more()? {
                    continue;
                }
                return Ok(found);
            };
            let times = stretch.times();
            at = gallop(times, at, from);
            let time = match found {
                Some((_, time)) => time,
                None => times.get(at).copied().unwrap_or_default(),
            };
            let end = time
                .checked_add(1)
                .map_or(times.len(), |next| gallop(times, at, next));
            if let Some(last) = end.checked_sub(1).filter(|last| *last >= at) {
                found = Some((stretch.place(last), time));
            }
            if end < times.len() {
                return Ok(found);
            }
            (number, at) = (number + 1, 0);
        }
    }

    /// Whether every series has all of the rows.
    pub(crate) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Forgets batches that no later match can have.
    pub(crate) fn forget(&mut self) {
        if self.is_shared() {
            return;
        }
        let of_passed = self.passed.map(|((batch, _), _)| batch);
        let of_stretch = self.stretches.front().map(|stretch| stretch.batch);
        let of_run = self.runs.front().map(|(batch, _)| *batch);
        let needed = [of_passed, of_stretch, of_run]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.next_batch);
        while self.batches.front().is_some_and(|(number, _)| *number < needed) {
            self.batches.pop_front();
        }
    }

    /// All rows of a series that are left.
    pub(super) fn rest(&mut self, series: u32) -> Result<Vec<Stretch>> {
        self.go_to(series)?;
        while self.read_more()? {}
        Ok(self.stretches.iter().cloned().collect())
    }
}

/// Left times, and right times of one batch that they are matched with backwards: all of it has the instructions of the processor.
struct Backward<'a> {
    lefts: &'a [i64],
    rights: &'a [i64],
    /// The place of the first right row.
    first: (u32, u32),
    at: usize,
    passed: Passed,
    options: &'a AsOf,
    matches: &'a mut Vec<(u32, u32)>,
}

/// Right rows that are compared at once, which a processor does in one step or a few, and without a branch for each.
const AT_ONCE: usize = 8;

impl pulp::NullaryFnOnce for Backward<'_> {
    /// How many left rows are matched, the right rows that are passed, and the last of them.
    type Output = (usize, usize, Passed);

    /// Matches left rows as long as right rows are left.
    #[inline(always)]
    fn call(mut self) -> Self::Output {
        let excess = i64::from(!self.options.is_strict);
        for (done, left) in self.lefts.iter().enumerate() {
            // Nothing is after the end of time.
            let limit = left.checked_add(excess);
            let at = limit.map_or(self.rights.len(), |limit| self.advanced(limit));
            if let Some(last) = at.checked_sub(1).filter(|_| at > self.at) {
                let row = self.first.1 + u32::try_from(last).unwrap_or(u32::MAX);
                self.passed = Some((
                    (self.first.0, row),
                    self.rights.get(last).copied().unwrap_or_default(),
                ));
            }
            self.at = at;
            if at == self.rights.len() {
                // What comes next may be before this left row as well.
                return (done, at, self.passed);
            }
            let found = self
                .passed
                .filter(|(_, right)| self.options.tolerates(*left, *right));
            self.matches.push(found.map_or(Matches::NONE, |(place, _)| place));
        }
        (self.lefts.len(), self.at, self.passed)
    }
}

impl Backward<'_> {
    /// The first place from the present one on whose time is not less than `limit`.
    #[inline(always)]
    fn advanced(&self, limit: i64) -> usize {
        let mut at = self.at;
        // Near places are compared without asking; further ones are searched.
        for _ in 0..4 {
            let Some(few) = self
                .rights
                .get(at..)
                .and_then(|rest| rest.first_chunk::<AT_ONCE>())
            else {
                break;
            };
            let less = few.iter().map(|time| usize::from(*time < limit)).sum::<usize>();
            at += less;
            if less < AT_ONCE {
                return at;
            }
        }
        gallop(self.rights, at, limit)
    }
}

/// The first place at or after `from` whose time is not less than `limit`; it is probably near.
fn gallop(times: &[i64], from: usize, limit: i64) -> usize {
    let (mut low, mut step) = (from, 1);
    loop {
        match times.get(low + step - 1) {
            Some(time) if *time < limit => {
                low += step;
                step *= 2;
            }
            _ => break,
        }
    }
    let high = (low + step - 1).min(times.len());
    low + times
        .get(low..high)
        .map_or(0, |times| times.partition_point(|time| *time < limit))
}
