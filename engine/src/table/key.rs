//! Values of a table's key columns, to tell which rows are versions of one another.
//!
//! Two rows have the same key when all key columns are equal. Null equals null, NaN equals NaN, both zeros are equal.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use gapless_format::{ColumnSpec, Keep, TableMeta};

use crate::error::Result;
use crate::segment::key::keys;

/// Groups up to this size are compared pair by pair.
const PAIRS_MAX: usize = 8;

/// The key columns besides time and series, which whoever compares rows has compared already.
pub(crate) fn extra_columns(table: &TableMeta) -> Vec<ColumnSpec> {
    let is_extra = |column: &&ColumnSpec| {
        column.column_id != table.time_column && Some(column.column_id) != table.series_column
    };
    let columns = table
        .columns
        .iter()
        .filter(|column| table.key.contains(&column.column_id));
    columns.filter(is_extra).cloned().collect()
}

/// One key column: by number, and by value where two values may share one.
#[derive(Debug)]
struct KeyColumn {
    numbers: Vec<Option<u64>>,
    wide: Option<ArrayRef>,
}

impl KeyColumn {
    fn new(array: &ArrayRef) -> Result<Self> {
        let is_wide = matches!(
            array.data_type(),
            DataType::Utf8 | DataType::Binary | DataType::Decimal128(..)
        );
        Ok(Self {
            numbers: keys(array)?,
            wide: is_wide.then(|| array.clone()),
        })
    }

    fn number(&self, row: usize) -> Option<u64> {
        self.numbers.get(row).copied().flatten()
    }

    fn is_same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        let number = self.number(row);
        if number != other.number(other_row) {
            return false;
        }
        match (&self.wide, &other.wide) {
            (Some(a), Some(b)) if number.is_some() => wide_is_same(a, row, b, other_row),
            _ => true,
        }
    }
}

fn wide_is_same(a: &ArrayRef, row: usize, b: &ArrayRef, other_row: usize) -> bool {
    match a.data_type() {
        DataType::Utf8 => a.as_string::<i32>().value(row) == b.as_string::<i32>().value(other_row),
        DataType::Binary => a.as_binary::<i32>().value(row) == b.as_binary::<i32>().value(other_row),
        _ => {
            let value = |array: &ArrayRef, row| array.as_primitive::<Decimal128Type>().value(row);
            value(a, row) == value(b, other_row)
        }
    }
}

/// The key columns of some rows.
#[derive(Debug)]
pub(crate) struct KeyValues(Vec<KeyColumn>);

impl KeyValues {
    pub(crate) fn new(columns: &[ArrayRef]) -> Result<Self> {
        columns
            .iter()
            .map(KeyColumn::new)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Equal for equal keys.
    pub(crate) fn hash(&self, row: usize) -> u64 {
        self.0.iter().fold(0, |hash, column| {
            let number = column.number(row).map_or(1, |number| number.wrapping_mul(2));
            (hash ^ number)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(31)
        })
    }

    /// Whether a row has the key of another.
    pub(crate) fn is_same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        let mut columns = self.0.iter().zip(&other.0);
        columns.all(|(column, other)| column.is_same(row, other, other_row))
    }
}

/// Leaves the first or the last row of each key, in the order in which they are.
pub(crate) fn keep_one<R: Copy>(
    rows: &mut Vec<R>,
    keep: Keep,
    hash: impl Fn(R) -> u64,
    is_same: impl Fn(R, R) -> bool,
) {
    if keep == Keep::All || rows.len() < 2 {
        return;
    }
    if keep == Keep::Last {
        rows.reverse();
    }
    if rows.len() <= PAIRS_MAX {
        let mut kept = 0;
        for at in 0..rows.len() {
            if !rows[..kept].iter().any(|row| is_same(*row, rows[at])) {
                rows[kept] = rows[at];
                kept += 1;
            }
        }
        rows.truncate(kept);
    } else {
        let mut seen: hashbrown::HashMap<u64, Vec<R>> = hashbrown::HashMap::new();
        rows.retain(|row| {
            let others = seen.entry(hash(*row)).or_default();
            let is_new = !others.iter().any(|other| is_same(*other, *row));
            if is_new {
                others.push(*row);
            }
            is_new
        });
    }
    if keep == Keep::Last {
        rows.reverse();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray};

    use super::*;

    fn kept(values: &KeyValues, rows: usize, keep: Keep) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..rows).collect();
        keep_one(
            &mut rows,
            keep,
            |row| values.hash(row),
            |a, b| values.is_same(a, values, b),
        );
        rows
    }

    #[test]
    fn null_nan_and_both_zeros_are_keys_of_their_own() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![
            None,
            Some(f64::NAN),
            Some(0.0),
            None,
            Some(-f64::NAN),
            Some(-0.0),
        ]));
        let values = KeyValues::new(&[floats]).expect("floats have keys");
        assert_eq!(kept(&values, 6, Keep::First), [0, 1, 2]);
        assert_eq!(kept(&values, 6, Keep::Last), [3, 4, 5]);
        assert_eq!(kept(&values, 6, Keep::All).len(), 6);
    }

    #[test]
    fn many_rows_of_one_time_are_told_apart_like_few() {
        let texts: Vec<String> = (0..100).map(|row| format!("k{}", row % 13)).collect();
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let values = KeyValues::new(&[texts]).expect("texts have keys");
        assert_eq!(kept(&values, 100, Keep::First), (0..13).collect::<Vec<_>>());
        assert_eq!(kept(&values, 100, Keep::Last), (87..100).collect::<Vec<_>>());
    }
}
