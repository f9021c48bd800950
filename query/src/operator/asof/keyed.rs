//! Matches where further columns must be equal: the right rows of a series, by their values in these.

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use gapless_engine::Result;

use super::cursor::{Cursor, Matches};
use super::options::{AsOf, Direction};
use crate::operator::keys::{KeyColumns, Numbered};
use crate::source::{Rows, SeriesRun};

/// The right rows of one value of the key, by time.
type Rights = Vec<(u32, u32, i64)>;

/// Finds right rows by key and time.
pub(in crate::operator) struct Keyed {
    cursor: Cursor,
    left: KeyColumns,
    right: KeyColumns,
    series: Option<u32>,
    keys: Numbered,
    /// Of each key, by its number.
    rights: Vec<Rights>,
}

impl Keyed {
    pub(super) fn new(cursor: Cursor, left: &Schema, right: &Schema, options: &AsOf) -> Result<Self> {
        let (left, right) = KeyColumns::of_sides("the as-of join", left, right, &options.by)?;
        Ok(Self {
            cursor,
            left,
            right,
            series: None,
            keys: Numbered::default(),
            rights: Vec::new(),
        })
    }

    pub(super) fn batches(&self) -> Vec<(u32, &RecordBatch)> {
        self.cursor.batches()
    }

    pub(super) fn forget(&mut self) {
        // Of the present series every row may still be matched: the cursor passes none of them.
        self.cursor.forget();
    }

    pub(super) fn find(
        &mut self,
        run: &SeriesRun,
        rows: &Rows,
        options: &AsOf,
        matches: &mut Matches,
    ) -> Result<()> {
        let is_read = match self.cursor.is_shared() {
            true => self.series.is_some(),
            false => self.series == Some(run.series),
        };
        if !is_read {
            self.read(run.series)?;
        }
        let numbers = self.keys.find_rows(&self.left.rows(&rows.batch, &run.rows)?);
        let times = rows.times.get(run.rows.clone()).unwrap_or_default();
        for (number, time) in numbers.into_iter().zip(times) {
            let rights = self.rights.get(number as usize);
            let found = rights.and_then(|rights| find_one(rights, *time, options));
            matches.rows.push(found.unwrap_or(Matches::NONE));
        }
        Ok(())
    }

    /// Reads the right rows of a series.
    fn read(&mut self, series: u32) -> Result<()> {
        self.series = Some(series);
        (self.keys, self.rights) = (Numbered::default(), Vec::new());
        let rest = self.cursor.rest(series)?;
        let batches = self.cursor.batches();
        for stretch in rest {
            let found = batches.iter().find(|(number, _)| *number == stretch.batch);
            let Some((_, batch)) = found else { continue };
            let numbers = self.keys.number_rows(&self.right.rows(batch, &stretch.rows)?);
            self.rights.resize_with(self.keys.len(), Rights::default);
            for (at, (number, time)) in numbers.into_iter().zip(stretch.times()).enumerate() {
                let (batch, row) = stretch.place(at);
                if let Some(rights) = self.rights.get_mut(number as usize) {
                    rights.push((batch, row, *time));
                }
            }
        }
        Ok(())
    }
}

/// The match of a time among right rows by time.
fn find_one(rights: &Rights, time: i64, options: &AsOf) -> Option<(u32, u32)> {
    let (low, high) = (
        rights.partition_point(|(_, _, right)| *right < time),
        rights.partition_point(|(_, _, right)| *right <= time),
    );
    let (before, after) = match options.is_strict {
        true => (low, high),
        false => (high, low),
    };
    let before = before.checked_sub(1).and_then(|last| rights.get(last));
    // Of those equal in time the last.
    let after = rights.get(after).and_then(|(_, _, first)| {
        let end = rights.partition_point(|(_, _, right)| right <= first);
        rights.get(end - 1)
    });
    let found = match options.direction {
        Direction::Backward => before,
        Direction::Forward => after,
        Direction::Nearest => match (before, after) {
            (Some(before), Some(after)) if time.abs_diff(before.2) <= time.abs_diff(after.2) => Some(before),
            (before, after) => after.or(before),
        },
    };
    let found = found.filter(|(_, _, right)| options.tolerates(time, *right));
    found.map(|(batch, row, _)| (*batch, *row))
}
