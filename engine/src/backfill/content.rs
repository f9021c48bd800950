//! What rows hold, as one number, and which of them are here already.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::{Array, BooleanArray};
use arrow_row::{OwnedRow, RowConverter, Rows, SortField};
use arrow_select::filter::filter;
use gapless_format::{Keep, TableMeta, checksum};

use crate::database::Snapshot;
use crate::error::{Error, Result};
use crate::memtable::StreamColumn;
use crate::scan::may_have_rows;
use crate::stream::PreparedRows;

/// What became of fetched rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows that were not here.
    pub inserted: u64,
    /// Rows that were here, equal in every column.
    pub identical: u64,
    /// Rows that were here with other values.
    pub changed: u64,
}

impl std::ops::AddAssign for RowCounts {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.identical += other.identical;
        self.changed += other.changed;
    }
}

/// Fetched rows against those that a range holds.
pub(super) struct Compared {
    /// What is to be written.
    pub(super) rows: Option<PreparedRows>,
    /// Ranges whose rows are to be hidden first, ascending: what is written takes their place. Slots that follow each
    /// other are one range where no row that stays lies between them.
    pub(super) replaced: Vec<Range<i64>>,
    pub(super) counts: RowCounts,
}

/// The sum of the checksums of rows, modulo 2^64: the same for the same rows in any order.
pub(super) fn content(rows: &PreparedRows) -> Result<u64> {
    let all = converted(rows, &mut converter(rows, |_| true)?, |_| true)?;
    Ok(all
        .iter()
        .fold(0, |sum, row| sum.wrapping_add(checksum(row.as_ref()))))
}

/// Compares fetched rows of one series with those that a range holds. On a grid, whose step is given, a slot has one row,
/// whatever the table keeps; rows between slots are none of its business.
///
/// # Errors
/// `Invalid` for two rows of a slot that differ, where the table keeps all rows.
pub(super) fn compare(
    fetched: PreparedRows,
    existing: Option<&PreparedRows>,
    step: Option<i64>,
) -> Result<Compared> {
    let keep = fetched.table.keep;
    let is_ascending = fetched.times().is_sorted_by(|a, b| a < b);
    let plain = existing.is_none() && (is_ascending || keep == Keep::All && step.is_none());
    if plain {
        let counts = RowCounts {
            inserted: fetched.rows() as u64,
            ..RowCounts::default()
        };
        return Ok(Compared {
            rows: Some(fetched),
            replaced: Vec::new(),
            counts,
        });
    }
    match (keep, step) {
        (Keep::All, Some(step)) => compare_slots(fetched, existing, step),
        (Keep::All, None) => compare_all(fetched, existing),
        (Keep::First | Keep::Last, _) => compare_keyed(fetched, existing),
    }
}

/// Where every row is kept: those that are not here yet are written, as often as the source has them.
fn compare_all(fetched: PreparedRows, existing: Option<&PreparedRows>) -> Result<Compared> {
    let mut whole = converter(&fetched, |_| true)?;
    let mut here: HashMap<OwnedRow, u64> = HashMap::new();
    if let Some(existing) = existing {
        for row in &converted(existing, &mut whole, |_| true)? {
            *here.entry(row.owned()).or_default() += 1;
        }
    }
    let mut counts = RowCounts::default();
    let mut left = Vec::with_capacity(fetched.rows());
    for row in &converted(&fetched, &mut whole, |_| true)? {
        let known = here.get_mut(&row.owned()).filter(|left| **left > 0);
        left.push(known.is_none());
        match known {
            Some(known) => {
                *known -= 1;
                counts.identical += 1;
            }
            None => counts.inserted += 1,
        }
    }
    let rows = filtered(fetched, left)?;
    Ok(Compared {
        rows: (rows.rows() > 0).then_some(rows),
        replaced: Vec::new(),
        counts,
    })
}

/// Where every row is kept and a slot of the grid has one: a row that differs takes the place of the one that is here.
fn compare_slots(fetched: PreparedRows, existing: Option<&PreparedRows>, step: i64) -> Result<Compared> {
    let mut whole = converter(&fetched, |_| true)?;
    let new = converted(&fetched, &mut whole, |_| true)?;
    let fetched = without_repeats(fetched, &new)?;
    let new = converted(&fetched, &mut whole, |_| true)?;
    let mut here: HashMap<i64, Option<OwnedRow>> = HashMap::new();
    if let Some(existing) = existing {
        let old = converted(existing, &mut whole, |_| true)?;
        for (time, row) in existing.times().iter().zip(&old) {
            // Two rows of a slot are none that could be identical.
            let known = here.insert(*time, Some(row.owned()));
            if known.is_some() {
                here.insert(*time, None);
            }
        }
    }
    let mut counts = RowCounts::default();
    let (mut left, mut replaced) = (Vec::with_capacity(fetched.rows()), Vec::new());
    for (time, row) in fetched.times().iter().zip(&new) {
        let known = here.get(time);
        let is_same = known.is_some_and(|known| known.as_ref().is_some_and(|known| known.row() == row));
        left.push(!is_same);
        match (known, is_same) {
            (_, true) => counts.identical += 1,
            (None, _) => counts.inserted += 1,
            (Some(_), _) => {
                counts.changed += 1;
                replaced.push(*time);
            }
        }
    }
    replaced.sort_unstable();
    let rows = filtered(fetched, left)?;
    Ok(Compared {
        rows: (rows.rows() > 0).then_some(rows),
        replaced: joined(&replaced, existing.map_or(&[], PreparedRows::times), step),
        counts,
    })
}

/// The slots of ascending times as ranges that hold no other row of `existing`.
fn joined(times: &[i64], existing: &[i64], step: i64) -> Vec<Range<i64>> {
    let mut rows = existing.to_vec();
    rows.sort_unstable();
    let mut rows = rows.into_iter().peekable();
    let mut ranges: Vec<Range<i64>> = Vec::new();
    for &time in times {
        // The next row behind the last range.
        let end = ranges.last().map_or(i64::MIN, |last| last.end);
        while rows.next_if(|row| *row < end).is_some() {}
        let is_free = rows.peek().is_none_or(|row| *row >= time);
        match ranges.last_mut() {
            Some(last) if is_free && (last.end - 1).checked_add(step) == Some(time) => last.end = time + 1,
            _ => ranges.push(time..time + 1),
        }
    }
    ranges
}

/// Refuses rows of a slot that differ, where the table keeps all rows: before any of them is written.
///
/// # Errors
/// `Invalid` for two such rows.
pub(super) fn check_slots(fetched: &PreparedRows) -> Result<()> {
    if fetched.table.keep != Keep::All || fetched.times().is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    let all = converted(fetched, &mut converter(fetched, |_| true)?, |_| true)?;
    without_repeats(fetched.clone(), &all).map(drop)
}

/// Rows without those that are there twice. On a grid a slot has one row.
fn without_repeats(fetched: PreparedRows, all: &Rows) -> Result<PreparedRows> {
    let mut by_time: HashMap<i64, usize> = HashMap::new();
    let mut left = vec![true; fetched.rows()];
    for (row, time) in fetched.times().iter().enumerate() {
        let Some(first) = by_time.get(time) else {
            by_time.insert(*time, row);
            continue;
        };
        if all.row(*first) != all.row(row) {
            return Err(Error::invalid(format!(
                "the source gave two different rows for {}: on a grid a slot has one row; a table with a key keeps the first \
                 or the last",
                crate::coverage::instant(*time)
            )));
        }
        if let Some(left) = left.get_mut(row) {
            *left = false;
        }
    }
    filtered(fetched, left)
}

/// Where a key has one row: what is here already is left out.
fn compare_keyed(fetched: PreparedRows, existing: Option<&PreparedRows>) -> Result<Compared> {
    let meta = fetched.table.clone();
    let is_key = |id: u32| id == meta.time_column || meta.key.contains(&id);
    let (mut keys, mut whole) = (converter(&fetched, is_key)?, converter(&fetched, |_| true)?);
    let new_keys = converted(&fetched, &mut keys, is_key)?;
    let new = converted(&fetched, &mut whole, |_| true)?;
    let mut here: HashMap<OwnedRow, OwnedRow> = HashMap::new();
    if let Some(existing) = existing {
        let old_keys = converted(existing, &mut keys, is_key)?;
        let old = converted(existing, &mut whole, |_| true)?;
        here.extend(
            old_keys
                .iter()
                .zip(&old)
                .map(|(key, row)| (key.owned(), row.owned())),
        );
    }
    // The row of each key that counts among those that were fetched.
    let mut counting: HashMap<OwnedRow, usize> = HashMap::new();
    for (row, key) in new_keys.iter().enumerate() {
        match meta.keep {
            Keep::First => {
                counting.entry(key.owned()).or_insert(row);
            }
            _ => {
                counting.insert(key.owned(), row);
            }
        }
    }
    let mut counts = RowCounts::default();
    let mut left = vec![false; fetched.rows()];
    for (key, row) in counting {
        let is_written = match here.get(&key) {
            None => {
                counts.inserted += 1;
                true
            }
            Some(old) if old.row() == new.row(row) => {
                counts.identical += 1;
                false
            }
            Some(_) => {
                counts.changed += 1;
                meta.keep == Keep::Last
            }
        };
        if let Some(left) = left.get_mut(row) {
            *left = is_written;
        }
    }
    let rows = filtered(fetched, left)?;
    Ok(Compared {
        rows: (rows.rows() > 0).then_some(rows),
        replaced: Vec::new(),
        counts,
    })
}

/// The rows that a snapshot has of a series in a range; `None` for none.
pub(super) fn existing(
    snapshot: &Snapshot,
    meta: &TableMeta,
    series: Option<&str>,
    code: Option<u32>,
    range: &Range<i64>,
) -> Result<Option<PreparedRows>> {
    if !may_have_rows(snapshot, snapshot.table(&meta.name)?, code, range)? {
        return Ok(None);
    }
    let mut scan = snapshot.scan(&meta.name)?.between(range.start, range.end);
    if let Some(series) = series {
        scan = scan.series([series]);
    }
    if scan.clone().count()? == 0 {
        return Ok(None);
    }
    let schema = scan.schema()?;
    let batches = scan.collect()?;
    let batch = arrow_select::concat::concat_batches(&schema, &batches)
        .map_err(|error| Error::internal(format!("rows of one table do not join: {error}")))?;
    let table = std::sync::Arc::clone(snapshot.table(&meta.name)?.meta());
    snapshot.engine().prepare_rows(&table, &batch).map(Some)
}

fn converter(rows: &PreparedRows, wanted: impl Fn(u32) -> bool) -> Result<RowConverter> {
    let columns = rows.columns.iter().filter(|column| wanted(column.column_id));
    let fields = columns.map(|column| SortField::new(column.array.data_type().clone()));
    RowConverter::new(fields.collect())
        .map_err(|error| Error::internal(format!("rows cannot be compared: {error}")))
}

fn converted(
    rows: &PreparedRows,
    converter: &mut RowConverter,
    wanted: impl Fn(u32) -> bool,
) -> Result<Rows> {
    let columns: Vec<_> = rows
        .columns
        .iter()
        .filter(|column| wanted(column.column_id))
        .map(|column| std::sync::Arc::clone(&column.array))
        .collect();
    converter
        .convert_columns(&columns)
        .map_err(|error| Error::internal(format!("rows cannot be compared: {error}")))
}

pub(super) fn filtered(rows: PreparedRows, left: Vec<bool>) -> Result<PreparedRows> {
    if left.iter().all(|left| *left) {
        return Ok(rows);
    }
    let left = BooleanArray::from(left);
    let columns = rows.columns.into_iter().map(|column| {
        let array = filter(&column.array, &left)
            .map_err(|error| Error::internal(format!("rows cannot be left out: {error}")))?;
        Ok(StreamColumn { array, ..column })
    });
    Ok(PreparedRows {
        columns: columns.collect::<Result<_>>()?,
        table: rows.table,
    })
}
