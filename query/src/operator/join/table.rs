//! The right rows by key.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{AnyDictionaryArray, ArrayRef, RecordBatch};
use gapless_engine::{Error, Result};

use crate::error::arrow_error;
use crate::operator::keys::{KeyBytes, KeyColumns, NONE, Numbered, by_number, value_type};

/// Groups of right rows with equal keys.
pub(super) struct Table {
    keys: Numbered,
    /// The right rows, group by group, in their order.
    rows: Vec<u32>,
    /// Where the rows of each group begin, and where the last ends.
    starts: Vec<u32>,
}

impl Table {
    /// Reads the keys of all right rows.
    pub(super) fn new(batch: &RecordBatch, columns: &KeyColumns) -> Result<Self> {
        if u32::try_from(batch.num_rows()).is_err() {
            return Err(Error::invalid(format!(
                "the right side of a join has {} rows, and no more than {} are offered: exchange the sides, or filter it before",
                batch.num_rows(),
                u32::MAX
            )));
        }
        let mut keys = Numbered::default();
        let numbers = keys.number_rows(&columns.rows(batch, &(0..batch.num_rows()))?);
        let (rows, starts) = by_number(&numbers, keys.len());
        Ok(Self { keys, rows, starts })
    }

    /// The right rows of a group.
    pub(super) fn rows(&self, group: u32) -> &[u32] {
        let start = self.starts.get(group as usize);
        let end = self.starts.get((group as usize).saturating_add(1));
        match (start, end) {
            (Some(start), Some(end)) => self.rows.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Finds the groups of left rows.
pub(super) struct Finder {
    table: Arc<Table>,
    columns: Arc<KeyColumns>,
    /// The groups of the symbols of the last dictionary, and of null.
    symbols: Option<(ArrayRef, Vec<u32>, u32)>,
}

impl Finder {
    pub(super) fn new(table: &Arc<Table>, columns: &Arc<KeyColumns>) -> Self {
        Self {
            table: Arc::clone(table),
            columns: Arc::clone(columns),
            symbols: None,
        }
    }

    /// The group of each row, or [`NONE`].
    pub(super) fn groups(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let rows = 0..batch.num_rows();
        let columns = self.columns.of(batch, &rows);
        if let [column] = columns.as_slice()
            && let Some(dictionary) = column.as_any_dictionary_opt()
            && (self.knows(dictionary.values()) || dictionary.values().len() <= 4 * column.len())
        {
            return self.groups_of_symbols(dictionary);
        }
        Ok(self.table.keys.find_rows(&self.columns.rows(batch, &rows)?))
    }

    fn knows(&self, values: &ArrayRef) -> bool {
        let known = self.symbols.as_ref();
        known.is_some_and(|(known, ..)| Arc::ptr_eq(known, values))
    }

    /// Each symbol is looked up once, not each row.
    fn groups_of_symbols(&mut self, column: &dyn AnyDictionaryArray) -> Result<Vec<u32>> {
        let values = column.values();
        if !self.knows(values) {
            // Of the same type as the column: every symbol once, and null.
            let keys =
                arrow_array::UInt32Array::from_iter((0u32..).take(values.len()).map(Some).chain([None]));
            let each = arrow_array::DictionaryArray::try_new(keys, Arc::clone(values))
                .map_err(|error| arrow_error("join", &error))?;
            let each = arrow_cast::cast(&each, value_type(column.data_type()))
                .map_err(|error| arrow_error("join", &error))?;
            let bytes = KeyBytes::new(vec![each.data_type().clone()])?;
            let mut groups = self.table.keys.find_rows(&bytes.rows(&[each])?);
            let null = groups.pop().unwrap_or(NONE);
            self.symbols = Some((Arc::clone(values), groups, null));
        }
        let Some((_, groups, null)) = &self.symbols else {
            return Err(Error::internal("a join has not looked up its symbols"));
        };
        let nulls = column.nulls();
        let group = |(row, key): (usize, usize)| match nulls {
            Some(nulls) if nulls.is_null(row) => *null,
            _ => groups.get(key).copied().unwrap_or(NONE),
        };
        Ok(column
            .normalized_keys()
            .into_iter()
            .enumerate()
            .map(group)
            .collect())
    }

    /// The right rows of a group.
    pub(super) fn rows(&self, group: u32) -> &[u32] {
        self.table.rows(group)
    }

    /// How many of the first left rows give no more than so many rows together, but one at least; and how many these are. A row without
    /// a group gives `none`.
    pub(super) fn fitting(&self, groups: &[u32], none: usize, most: usize) -> (usize, usize) {
        let mut total = 0;
        for (count, group) in groups.iter().enumerate() {
            let own = match *group {
                NONE => none,
                group => self.rows(group).len(),
            };
            if count > 0 && total + own > most {
                return (count, total);
            }
            total += own;
        }
        (groups.len(), total)
    }
}
