//! Rows that come by keys and time, and how those of both sides compare.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};
use datafusion::common::Result;

use super::matcher::{Lookups, numbers};

/// The order in which rows must come: null last.
pub(super) const ASCENDING: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

/// Makes the keys of both sides comparable.
#[derive(Debug)]
pub(super) struct Sorter {
    converter: RowConverter,
    /// For each key whether null equals null.
    nulls: Vec<bool>,
}

/// A batch of one side.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) batch: RecordBatch,
    /// `None` without keys.
    keys: Option<Rows>,
    key_columns: Vec<ArrayRef>,
    times: Int64Array,
}

/// What a row is sorted by. A row without a time is the last of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot<'a> {
    pub(super) key: &'a [u8],
    pub(super) time: Time,
}

/// A time, or none, which is after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Time {
    At(i64),
    None,
}

/// A spot that is kept.
#[derive(Debug, Clone)]
pub(super) struct OwnedSpot {
    key: Box<[u8]>,
    time: Time,
}

impl Sorter {
    pub(super) fn new(types: &[DataType], nulls: Vec<bool>) -> Result<Self> {
        let field = |of: &DataType| SortField::new_with_options(of.clone(), ASCENDING);
        Ok(Self {
            converter: RowConverter::new(types.iter().map(field).collect())?,
            nulls,
        })
    }

    pub(super) fn sorted(&self, batch: RecordBatch, lookups: Lookups) -> Result<Sorted> {
        let keys = match lookups.keys.is_empty() {
            true => None,
            false => Some(self.converter.convert_columns(&lookups.keys)?),
        };
        Ok(Sorted {
            batch,
            keys,
            times: numbers(&lookups.times)?,
            key_columns: lookups.keys,
        })
    }

    /// Whether a row can match any: it has a time, and no null in a key that equals nothing.
    pub(super) fn can_match(&self, rows: &Sorted, row: usize) -> bool {
        let mut keys = rows.key_columns.iter().zip(&self.nulls);
        rows.times.is_valid(row) && keys.all(|(key, null_equals_null)| *null_equals_null || key.is_valid(row))
    }
}

impl Sorted {
    pub(super) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    pub(super) fn spot(&self, row: usize) -> Spot<'_> {
        Spot {
            // Without keys, all rows have the same.
            key: self.keys.as_ref().map_or(&[], |keys| keys.row(row).data()),
            time: match self.times.is_valid(row) {
                true => Time::At(self.times.value(row)),
                false => Time::None,
            },
        }
    }

    /// The first row from one on of which a condition does not hold, which holds for all rows before it. It is mostly near.
    pub(super) fn first_not(&self, from: usize, holds: impl Fn(Spot<'_>) -> bool) -> usize {
        let (mut low, mut step) = (from, 1);
        while let Some(next) = low.checked_add(step).filter(|next| *next <= self.rows()) {
            if !holds(self.spot(next - 1)) {
                break;
            }
            low = next;
            step *= 2;
        }
        let mut high = low.saturating_add(step).min(self.rows());
        while low < high {
            let middle = low + (high - low) / 2;
            match holds(self.spot(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

impl OwnedSpot {
    pub(super) fn of(spot: Spot<'_>) -> Self {
        Self {
            key: spot.key.into(),
            time: spot.time,
        }
    }

    pub(super) fn as_spot(&self) -> Spot<'_> {
        Spot {
            key: &self.key,
            time: self.time,
        }
    }
}

/// Whether a right row is at or before a left one, or before it.
pub(super) fn is_before(right: Spot<'_>, left: Spot<'_>, strict: bool) -> bool {
    match right.cmp(&left) {
        Ordering::Less => true,
        Ordering::Equal => !strict,
        Ordering::Greater => false,
    }
}
