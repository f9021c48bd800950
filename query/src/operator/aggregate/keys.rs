//! The values of keys, numbered as they come.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_row::{OwnedRow, RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};
use gapless_engine::{Error, Result};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::error::arrow_error;

/// Ascending, null last.
const ORDER: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

/// The distinct values of some key columns, each with a number.
pub(super) struct Keys {
    types: Vec<DataType>,
    converter: RowConverter,
    numbers: HashTable<u32>,
    values: Vec<OwnedRow>,
    /// Of the values, about.
    bytes: usize,
    hasher: std::hash::RandomState,
}

impl Keys {
    pub(super) fn new(types: Vec<DataType>) -> Result<Self> {
        let fields = types
            .iter()
            .map(|data_type| SortField::new_with_options(data_type.clone(), ORDER));
        Ok(Self {
            converter: RowConverter::new(fields.collect()).map_err(|error| arrow_error("keys", &error))?,
            types,
            numbers: HashTable::new(),
            values: Vec::new(),
            bytes: 0,
            hasher: std::hash::RandomState::new(),
        })
    }

    pub(super) fn is_without_columns(&self) -> bool {
        self.types.is_empty()
    }

    /// Bytes held, about.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The number of each row's key.
    pub(super) fn number(&mut self, columns: &[ArrayRef]) -> Result<Vec<u32>> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalized).collect();
        let rows = self
            .converter
            .convert_columns(&columns)
            .map_err(|error| arrow_error("keys", &error))?;
        Ok(self.number_rows(&rows))
    }

    fn number_rows(&mut self, rows: &Rows) -> Vec<u32> {
        let mut numbers: Vec<u32> = Vec::with_capacity(rows.num_rows());
        let mut last = None;
        for row in rows {
            // Equal keys often follow each other.
            let number = match last {
                Some((same, number)) if same == row => number,
                _ => self.number_of(&row.owned()),
            };
            last = Some((row, number));
            numbers.push(number);
        }
        numbers
    }

    fn number_of(&mut self, row: &OwnedRow) -> u32 {
        let (values, hasher) = (&mut self.values, &self.hasher);
        let hash = hasher.hash_one(row);
        let is_row = |number: &u32| values.get(*number as usize) == Some(row);
        let rehash = |number: &u32| values.get(*number as usize).map_or(0, |row| hasher.hash_one(row));
        match self.numbers.entry(hash, is_row, rehash) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = u32::try_from(values.len()).unwrap_or(u32::MAX);
                entry.insert(number);
                self.bytes += row.as_ref().len() + std::mem::size_of::<OwnedRow>() + 8;
                values.push(row.clone());
                number
            }
        }
    }

    /// Takes the keys of another: the numbers that they have here.
    pub(super) fn merge(&mut self, other: &Self) -> Vec<u32> {
        other.values.iter().map(|row| self.number_of(row)).collect()
    }

    /// The numbers, in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..).take(self.values.len()).collect();
        numbers.sort_unstable_by_key(|number| self.values.get(*number as usize));
        numbers
    }

    /// The keys as columns, by number.
    pub(super) fn columns(&self) -> Result<Vec<ArrayRef>> {
        // Merged keys come from other converters of the same fields, which the converter would refuse.
        let parser = self.converter.parser();
        let rows = self.values.iter().map(|row| parser.parse(row.as_ref()));
        let columns = self
            .converter
            .convert_rows(rows)
            .map_err(|error| arrow_error("keys", &error))?;
        let typed = |(column, data_type): (&ArrayRef, &DataType)| {
            cast(column, data_type).map_err(|error| Error::internal(format!("a key: {error}")))
        };
        columns.iter().zip(&self.types).map(typed).collect()
    }
}

/// Both zeros are one key, and so is every NaN.
pub(crate) fn normalized(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let one = |x: f64| if x.is_nan() { f64::NAN } else { x + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        DataType::Float32 => {
            let one = |x: f32| if x.is_nan() { f32::NAN } else { x + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        _ => Arc::clone(column),
    }
}
