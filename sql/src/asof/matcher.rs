//! Which right row matches a left one.
//!
//! Right rows are kept by key and, inside of a key, by time; of rows equal in time in the order in which they came.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, UInt64Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::DataType;
use datafusion::common::Result;

use super::node::Direction;

/// Times, ascending, and row numbers.
type OfKey = Vec<(i64, u64)>;

/// Right rows, ready to be looked up.
#[derive(Debug)]
pub(super) struct Matcher {
    converter: RowConverter,
    /// For each key whether null equals null.
    nulls: Vec<bool>,
    direction: Direction,
    /// The rows of each key.
    rows: HashMap<Box<[u8]>, OfKey>,
}

/// Keys and times of some rows.
pub(super) struct Lookups {
    pub(super) keys: Vec<ArrayRef>,
    pub(super) times: ArrayRef,
}

impl Matcher {
    pub(super) fn new(types: &[DataType], nulls: Vec<bool>, direction: Direction) -> Result<Self> {
        let fields = types.iter().map(|one| SortField::new(one.clone())).collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
            nulls,
            direction,
            rows: HashMap::new(),
        })
    }

    /// Takes right rows, of which the first has the number `first`. Rows without a time, or with a null in a key that equals
    /// nothing, match no row.
    pub(super) fn add(&mut self, lookups: &Lookups, first: u64) -> Result<()> {
        let times = numbers(&lookups.times)?;
        let keys = self.keys(lookups)?;
        for (row, number) in (0..times.len()).zip(first..) {
            if times.is_valid(row) && self.can_match(lookups, row) {
                let key = key_at(keys.as_ref(), row);
                let rows = match self.rows.get_mut(key) {
                    Some(rows) => rows,
                    None => self.rows.entry(key.into()).or_default(),
                };
                rows.push((times.value(row), number));
            }
        }
        Ok(())
    }

    /// All right rows are there.
    pub(super) fn finish(&mut self) {
        for rows in self.rows.values_mut() {
            if !rows.is_sorted_by_key(|(time, _)| *time) {
                rows.sort_by_key(|(time, _)| *time);
            }
        }
    }

    /// The number of the right row for each left one.
    pub(super) fn find(&self, lookups: &Lookups) -> Result<UInt64Array> {
        let times = numbers(&lookups.times)?;
        let keys = self.keys(lookups)?;
        let mut last: Option<(&[u8], Option<&OfKey>)> = None;
        let found = (0..times.len()).map(|row| {
            if times.is_null(row) || !self.can_match(lookups, row) {
                return None;
            }
            let key = key_at(keys.as_ref(), row);
            // Left rows mostly come key after key.
            let rows = match last {
                Some((same, rows)) if same == key => rows,
                _ => self.rows.get(key),
            };
            last = Some((key, rows));
            self.matching(rows?, times.value(row))
        });
        Ok(found.collect())
    }

    fn matching(&self, rows: &[(i64, u64)], time: i64) -> Option<u64> {
        let at = match self.direction {
            Direction::Backward { strict: false } | Direction::Forward { strict: true } => {
                rows.partition_point(|(other, _)| *other <= time)
            }
            Direction::Backward { strict: true } | Direction::Forward { strict: false } => {
                rows.partition_point(|(other, _)| *other < time)
            }
        };
        let row = match self.direction {
            Direction::Backward { .. } => rows.get(at.checked_sub(1)?)?,
            Direction::Forward { .. } => {
                // Of rows equal in time the last counts, in both directions.
                let (first, _) = rows.get(at)?;
                let equal = rows.get(at..)?.partition_point(|(other, _)| other == first);
                rows.get(at + equal - 1)?
            }
        };
        Some(row.1)
    }

    /// Bytes that the rows take, about, once they are kept.
    pub(super) fn bytes_of(rows: usize) -> usize {
        rows * size_of::<(i64, u64)>()
    }

    fn keys(&self, lookups: &Lookups) -> Result<Option<Rows>> {
        match lookups.keys.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.converter.convert_columns(&lookups.keys)?)),
        }
    }

    fn can_match(&self, lookups: &Lookups, row: usize) -> bool {
        let mut keys = lookups.keys.iter().zip(&self.nulls);
        keys.all(|(key, null_equals_null)| *null_equals_null || key.is_valid(row))
    }
}

/// Without keys, all rows have the same.
fn key_at(keys: Option<&Rows>, row: usize) -> &[u8] {
    keys.map_or(&[], |keys| keys.row(row).data())
}

/// Times as numbers.
pub(super) fn numbers(times: &ArrayRef) -> Result<Int64Array> {
    let wide = match times.data_type() {
        DataType::Int64 => times.clone(),
        DataType::Date32 => arrow_cast::cast(&arrow_cast::cast(times, &DataType::Int32)?, &DataType::Int64)?,
        _ => arrow_cast::cast(times, &DataType::Int64)?,
    };
    Ok(wide.as_primitive::<Int64Type>().clone())
}
