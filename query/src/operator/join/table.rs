//! The right rows by key.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{AnyDictionaryArray, Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, Field};
use gapless_engine::{Error, Result};
use hashbrown::HashTable;

use crate::error::arrow_error;
use crate::operator::aggregate::normalized;

/// The type of the values of a column, symbols being text.
pub(super) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Whether values of two types can be equal. The types of text are one, and so are those of instants of one unit, whatever the zone.
pub(super) fn is_comparable(one: &DataType, other: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Timestamp, Utf8, Utf8View};
    match (value_type(one), value_type(other)) {
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (Timestamp(one, Some(_)), Timestamp(other, Some(_))) => one == other,
        (one, other) => one == other,
    }
}

/// Keys of rows as bytes, which are equal where the values are, also for columns of different types that are comparable.
pub(super) struct KeyBytes {
    converter: RowConverter,
}

impl KeyBytes {
    pub(super) fn new<'a>(fields: impl Iterator<Item = &'a Field>) -> Result<Self> {
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(|error| arrow_error("join", &error))?;
        Ok(Self { converter })
    }

    fn rows(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalized_key).collect();
        self.converter
            .convert_columns(&columns)
            .map_err(|error| arrow_error("join", &error))
    }
}

/// Both zeros are one key, and so is every NaN; also in a dictionary.
fn normalized_key(column: &ArrayRef) -> ArrayRef {
    match column.as_any_dictionary_opt() {
        Some(dictionary) => dictionary.with_values(normalized(dictionary.values())),
        None => normalized(column),
    }
}

/// Groups of right rows with equal keys.
pub(super) struct Table {
    groups: HashTable<u32>,
    /// A row of each group.
    keys: Vec<u32>,
    rows_of_keys: Rows,
    hasher: std::hash::RandomState,
    /// The right rows, group by group, in their order.
    rows: Vec<u32>,
    /// Where the rows of each group begin, and where the last ends.
    starts: Vec<u32>,
}

/// The number of no group.
pub(super) const NONE: u32 = u32::MAX;

impl Table {
    /// Reads the keys of all right rows.
    pub(super) fn new(batch: &RecordBatch, places: &[usize], bytes: &KeyBytes) -> Result<Self> {
        if u32::try_from(batch.num_rows()).is_err() {
            return Err(Error::invalid(format!(
                "the right side of a join has {} rows, and no more than {} are offered: exchange the sides, or filter it before",
                batch.num_rows(),
                u32::MAX
            )));
        }
        let all = batch.columns();
        let columns: Vec<ArrayRef> = places
            .iter()
            .filter_map(|place| all.get(*place))
            .cloned()
            .collect();
        let mut table = Self {
            groups: HashTable::new(),
            keys: Vec::new(),
            rows_of_keys: bytes.rows(&columns)?,
            hasher: std::hash::RandomState::new(),
            rows: Vec::new(),
            starts: Vec::new(),
        };
        table.fill();
        Ok(table)
    }

    fn fill(&mut self) {
        let count = self.rows_of_keys.num_rows();
        let mut numbers: Vec<u32> = Vec::with_capacity(count);
        let rows = &self.rows_of_keys;
        for (row, number) in (0..count).zip(0u32..) {
            let key = rows.row(row);
            let hash = self.hasher.hash_one(key.data());
            let is_key = |group: &u32| {
                let other = self.keys.get(*group as usize);
                other.is_some_and(|other| rows.row(*other as usize) == key)
            };
            if let Some(group) = self.groups.find(hash, is_key) {
                numbers.push(*group);
                continue;
            }
            let group = u32::try_from(self.keys.len()).unwrap_or(NONE);
            self.keys.push(number);
            let (keys, hasher) = (&self.keys, &self.hasher);
            self.groups.insert_unique(hash, group, |group| {
                let key = keys.get(*group as usize).map(|row| rows.row(*row as usize));
                key.map_or(0, |key| hasher.hash_one(key.data()))
            });
            numbers.push(group);
        }
        (self.starts, self.rows) = by_group(&numbers, self.keys.len());
    }

    fn group(&self, key: &[u8]) -> u32 {
        let is_key = |group: &u32| {
            let row = self.keys.get(*group as usize);
            row.is_some_and(|row| self.rows_of_keys.row(*row as usize).data() == key)
        };
        let found = self.groups.find(self.hasher.hash_one(key), is_key);
        found.copied().unwrap_or(NONE)
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

/// Rows group by group: where each group begins, and the rows.
fn by_group(numbers: &[u32], groups: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; groups + 1];
    for number in numbers {
        if let Some(count) = starts.get_mut(*number as usize + 1) {
            *count += 1;
        }
    }
    let mut total = 0;
    for start in &mut starts {
        total += *start;
        *start = total;
    }
    let mut next = starts.clone();
    let mut rows = vec![0u32; numbers.len()];
    for (row, number) in (0u32..).zip(numbers) {
        if let Some(at) = next.get_mut(*number as usize) {
            if let Some(place) = rows.get_mut(*at as usize) {
                *place = row;
            }
            *at += 1;
        }
    }
    (starts, rows)
}

/// Finds the groups of left rows.
pub(super) struct Finder {
    table: Arc<Table>,
    bytes: Arc<KeyBytes>,
    places: Arc<[usize]>,
    /// The groups of the symbols of the last dictionary, and of null.
    symbols: Option<(ArrayRef, Vec<u32>, u32)>,
}

impl Finder {
    pub(super) fn new(table: &Arc<Table>, bytes: &Arc<KeyBytes>, places: &Arc<[usize]>) -> Self {
        Self {
            table: Arc::clone(table),
            bytes: Arc::clone(bytes),
            places: Arc::clone(places),
            symbols: None,
        }
    }

    /// The group of each row, or [`NONE`].
    pub(super) fn groups(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let all = batch.columns();
        let columns = self.places.iter().filter_map(|place| all.get(*place));
        let columns: Vec<ArrayRef> = columns.cloned().collect();
        if let [column] = columns.as_slice()
            && let Some(dictionary) = column.as_any_dictionary_opt()
            && (self.knows(dictionary.values()) || dictionary.values().len() <= 4 * column.len())
        {
            return self.groups_of_symbols(dictionary);
        }
        self.groups_of_keys(&columns)
    }

    fn groups_of_keys(&self, columns: &[ArrayRef]) -> Result<Vec<u32>> {
        let rows = self.bytes.rows(columns)?;
        let mut groups = Vec::with_capacity(rows.num_rows());
        let mut last = None;
        for row in &rows {
            // Equal keys often follow each other.
            let group = match last {
                Some((same, group)) if same == row => group,
                _ => self.table.group(row.data()),
            };
            last = Some((row, group));
            groups.push(group);
        }
        Ok(groups)
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
            let bytes = KeyBytes::new([Field::new("", each.data_type().clone(), true)].iter())?;
            let rows = bytes.rows(&[each])?;
            let mut groups: Vec<u32> = rows.iter().map(|row| self.table.group(row.data())).collect();
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
