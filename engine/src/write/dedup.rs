//! Of rows that are on their way into a segment, the one that counts of each key.
//!
//! Rows come sorted by (series, time) and, among equals, by arrival, so versions of a row meet in one group. The last
//! group is held back until it is known to be whole.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use gapless_format::{Keep, NULL_CODE, TableMeta};

use super::normalize::{codes, times};
use super::sort::{gathered, joined};
use crate::error::Result;
use crate::table::key::{KeyValues, extra_columns, keep_one};

/// Leaves one row of each key.
pub(crate) struct Dedup {
    keep: Keep,
    /// Places of the key columns besides time and series.
    key_at: Vec<usize>,
    time_at: usize,
    series_at: Option<usize>,
    held: Option<Vec<ArrayRef>>,
}

impl Dedup {
    /// `None` for a table that keeps all rows.
    pub(crate) fn of(table: &TableMeta, time_at: usize, series_at: Option<usize>) -> Option<Self> {
        let place = |id: u32| table.columns.iter().position(|column| column.column_id == id);
        (table.keep != Keep::All).then(|| Self {
            keep: table.keep,
            key_at: extra_columns(table)
                .iter()
                .filter_map(|column| place(column.column_id))
                .collect(),
            time_at,
            series_at,
            held: None,
        })
    }

    /// Takes rows and gives those that are settled, in parts.
    pub(crate) fn push(&mut self, columns: &[ArrayRef]) -> Result<Vec<Vec<ArrayRef>>> {
        let rows = columns.first().map_or(0, |array| array.len());
        if rows == 0 {
            return Ok(Vec::new());
        }
        let mut settled = Vec::new();
        let mut from = 0;
        if let Some(held) = self.held.take() {
            if self.row_group(&held, 0) == self.row_group(columns, 0) {
                from = self.group_end(columns, 0);
                let held = self.with(&held, &slice(columns, 0..from))?;
                if from == rows {
                    self.held = Some(held);
                    return Ok(settled);
                }
                settled.push(held);
            } else {
                settled.push(held);
            }
        }
        let last = self.last_group(columns);
        if from < last {
            settled.push(self.settled(slice(columns, from..last))?);
        }
        self.held = Some(self.settled(slice(columns, last..rows))?);
        Ok(settled)
    }

    /// The rows that were held back.
    pub(crate) fn finish(&mut self) -> Option<Vec<ArrayRef>> {
        self.held.take()
    }

    /// One group with more of its rows.
    fn with(&self, held: &[ArrayRef], more: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let columns = held
            .iter()
            .zip(more)
            .map(|(held, more)| joined(&[held.as_ref(), more.as_ref()]))
            .collect::<Result<_>>()?;
        self.settled(columns)
    }

    fn row_group(&self, columns: &[ArrayRef], row: usize) -> (u32, i64) {
        let code = codes(columns, self.series_at).get(row).copied();
        let time = times(columns, self.time_at).get(row).copied();
        (code.unwrap_or(NULL_CODE), time.unwrap_or(i64::MAX))
    }

    /// The row after the group that a row begins.
    fn group_end(&self, columns: &[ArrayRef], first: usize) -> usize {
        let group = self.row_group(columns, first);
        let rows = times(columns, self.time_at).len();
        (first + 1..rows)
            .find(|row| self.row_group(columns, *row) != group)
            .unwrap_or(rows)
    }

    /// The first row of the last group.
    fn last_group(&self, columns: &[ArrayRef]) -> usize {
        let rows = times(columns, self.time_at).len();
        let group = self.row_group(columns, rows - 1);
        (0..rows)
            .rev()
            .find(|row| self.row_group(columns, *row) != group)
            .map_or(0, |row| row + 1)
    }

    /// Whole groups without the rows that do not count.
    fn settled(&self, columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let groups = self.groups(&columns);
        if groups.is_empty() {
            return Ok(columns);
        }
        let key: Vec<ArrayRef> = self
            .key_at
            .iter()
            .filter_map(|at| columns.get(*at))
            .map(ArrayRef::clone)
            .collect();
        let values = KeyValues::new(&key)?;
        let rows = times(&columns, self.time_at).len();
        let mut kept: Vec<u32> = Vec::with_capacity(rows);
        let row_number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        let mut at = 0;
        for group in groups {
            kept.extend((at..group.start).map(row_number));
            at = group.end;
            let mut group: Vec<u32> = group.map(row_number).collect();
            keep_one(
                &mut group,
                self.keep,
                |row| values.hash(row as usize),
                |a, b| values.is_same(a as usize, &values, b as usize),
            );
            kept.append(&mut group);
        }
        kept.extend((at..rows).map(row_number));
        if kept.len() == rows {
            return Ok(columns);
        }
        columns.iter().map(|array| gathered(array, &kept)).collect()
    }

    /// Groups of more than one row.
    fn groups(&self, columns: &[ArrayRef]) -> Vec<Range<usize>> {
        let (codes, times) = (codes(columns, self.series_at), times(columns, self.time_at));
        let mut groups: Vec<Range<usize>> = Vec::new();
        for (row, pair) in times.windows(2).enumerate() {
            if pair[0] != pair[1] || codes.get(row) != codes.get(row + 1) {
                continue;
            }
            match groups.last_mut() {
                Some(last) if last.end == row + 1 => last.end = row + 2,
                _ => groups.push(row..row + 2),
            }
        }
        groups
    }
}

fn slice(columns: &[ArrayRef], rows: Range<usize>) -> Vec<ArrayRef> {
    columns
        .iter()
        .map(|array| array.slice(rows.start, rows.len()))
        .collect()
}
