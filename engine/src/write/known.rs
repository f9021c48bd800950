//! Rows that a table has already: a second fetch of the same bars leaves no second copy.
//!
//! Only for tables that keep one row of each key. The rows that count in some version are read in the order in which the
//! new rows come, side by side; a new row that is the same in every column is left out. That is right as long as the
//! version has all that was committed before the new rows, which whoever commits has to make sure of.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::SortOptions;
use gapless_format::{NULL_CODE, PartitionKey, TableMeta};

use super::normalize::{codes, times};
use super::parts::SortColumns;
use super::sort;
use crate::database::Snapshot;
use crate::error::Result;
use crate::scan::{Batches, Scan};

/// Series and time of a row.
type Group = (u32, i64);

/// The rows that count, from the first that is not behind.
pub(crate) struct Known {
    batches: Batches,
    table: Arc<TableMeta>,
    sort_columns: SortColumns,
    window: VecDeque<Vec<ArrayRef>>,
    /// Comparisons of the new rows with those of each batch of the window.
    comparisons: VecDeque<Option<Vec<DynComparator>>>,
    /// Row of the first batch.
    row: usize,
}

impl Known {
    /// The rows of a partition's time in a snapshot, for new rows of a table; `None` when there are none, or the table has
    /// other columns there: then nothing can be told. The new rows may have more columns, behind those.
    pub(crate) fn of(
        snapshot: &Snapshot,
        table: &TableMeta,
        key: PartitionKey,
        at: SortColumns,
    ) -> Result<Option<Self>> {
        let state = snapshot.version().table_by_id(table.table);
        let Some(state) = state.filter(|state| table.columns.starts_with(&state.meta().columns)) else {
            return Ok(None);
        };
        let time = key.start..if key.contains(i64::MAX) {
            i64::MAX
        } else {
            key.end()
        };
        if state.partitions_between(time.clone()).is_empty() {
            return Ok(None);
        }
        let scan = Scan::new(snapshot.clone(), &state.meta().name)?.between(time.start, time.end);
        Ok(Some(Self {
            batches: Batches::by_code(scan)?,
            table: Arc::clone(state.meta()),
            sort_columns: at,
            window: VecDeque::new(),
            comparisons: VecDeque::new(),
            row: 0,
        }))
    }

    /// Of sorted rows, behind those of earlier calls, the ones that are new.
    pub(crate) fn new_of(&mut self, columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let rows = columns.first().map_or(0, |array| array.len());
        let mut left: Vec<u32> = Vec::with_capacity(rows);
        self.compare(&columns, |row| {
            left.push(u32::try_from(row).unwrap_or(u32::MAX));
            true
        })?;
        if left.len() == rows {
            return Ok(columns);
        }
        columns.iter().map(|array| sort::gathered(array, &left)).collect()
    }

    /// Whether none of some rows, in the same order, is new. After the first that is, nothing more may be asked.
    pub(crate) fn has_all(&mut self, columns: &[ArrayRef]) -> Result<bool> {
        let mut has_all = true;
        self.compare(columns, |_| {
            has_all = false;
            false
        })?;
        Ok(has_all)
    }

    /// Tells of each new row, until it is told to stop.
    fn compare(&mut self, columns: &[ArrayRef], mut is_new: impl FnMut(usize) -> bool) -> Result<()> {
        self.comparisons.iter_mut().for_each(|of_batch| *of_batch = None);
        let rows = columns.first().map_or(0, |array| array.len());
        let mut group: Option<(Group, Vec<(usize, usize)>)> = None;
        for row in 0..rows {
            let of_row = self.sort_columns.group(columns, row);
            if group.as_ref().is_none_or(|(group, _)| *group != of_row) {
                group = Some((of_row, self.rows_of(of_row)?));
            }
            let existing = group.as_ref().map_or(&[][..], |(_, rows)| rows);
            if !self.has(columns, row, existing)? && !is_new(row) {
                break;
            }
        }
        Ok(())
    }

    fn has(&mut self, columns: &[ArrayRef], row: usize, existing: &[(usize, usize)]) -> Result<bool> {
        for (batch, place) in existing {
            if self
                .comparisons(columns, *batch)?
                .iter()
                .all(|compare| compare(row, *place).is_eq())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn comparisons(&mut self, columns: &[ArrayRef], batch: usize) -> Result<&[DynComparator]> {
        let (Some(slot), Some(existing)) = (self.comparisons.get_mut(batch), self.window.get(batch)) else {
            return Ok(&[]);
        };
        if slot.is_none() {
            let compare = |at: usize| {
                let (new, old) = (&columns[at], &existing[at]);
                // Values that have no order are never the same.
                make_comparator(new.as_ref(), old.as_ref(), SortOptions::default())
                    .unwrap_or_else(|_| Box::new(|_, _| std::cmp::Ordering::Less))
            };
            *slot = Some((0..self.table.columns.len()).map(compare).collect());
        }
        Ok(slot.as_deref().unwrap_or_default())
    }

    /// The rows of a group that count: batch of the window, row in it. Groups are asked for in their order.
    fn rows_of(&mut self, group: Group) -> Result<Vec<(usize, usize)>> {
        loop {
            if self.window.is_empty() && !self.fetch()? {
                return Ok(Vec::new());
            }
            let Some(front) = self.window.front() else {
                return Ok(Vec::new());
            };
            let len = front.first().map_or(0, |array| array.len());
            let (mut from, mut to) = (self.row, len);
            while from < to {
                let middle = from.midpoint(to);
                match self.sort_columns.group(front, middle) < group {
                    true => from = middle + 1,
                    false => to = middle,
                }
            }
            self.row = from;
            if self.row < len {
                break;
            }
            self.window.pop_front();
            self.comparisons.pop_front();
            self.row = 0;
        }
        let mut found = Vec::new();
        let (mut batch, mut row) = (0, self.row);
        loop {
            let Some(columns) = self.window.get(batch) else {
                if self.fetch()? {
                    continue;
                }
                return Ok(found);
            };
            if row == columns.first().map_or(0, |array| array.len()) {
                (batch, row) = (batch + 1, 0);
            } else if self.sort_columns.group(columns, row) == group {
                found.push((batch, row));
                row += 1;
            } else {
                return Ok(found);
            }
        }
    }

    /// Takes another batch into the window.
    fn fetch(&mut self) -> Result<bool> {
        let Some(columns) = self.batches.next_columns(&self.table.columns)? else {
            return Ok(false);
        };
        self.window.push_back(columns);
        self.comparisons.push_back(None);
        Ok(true)
    }
}

impl SortColumns {
    fn group(self, columns: &[ArrayRef], row: usize) -> Group {
        let code = codes(columns, self.series).get(row).copied();
        let time = times(columns, self.time).get(row).copied();
        (code.unwrap_or(NULL_CODE), time.unwrap_or(i64::MAX))
    }
}
