//! Keys, numbered as they come.

use std::hash::BuildHasher;

use arrow_row::Rows;
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of no key.
pub(crate) const NONE: u32 = u32::MAX;

/// Distinct keys, each with a number. They lie one after the other: none has an allocation of its own.
#[derive(Debug, Default)]
pub(crate) struct Numbered {
    numbers: HashTable<u32>,
    keys: Keys,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
}

impl Keys {
    fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(number).copied().unwrap_or_default();
        self.bytes
            .get(start.copied().unwrap_or_default()..end)
            .unwrap_or_default()
    }
}

impl Numbered {
    pub(crate) const fn len(&self) -> usize {
        self.keys.ends.len()
    }

    /// Bytes held, about.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.bytes.capacity()
            + self.keys.ends.capacity() * size_of::<usize>()
            + self.numbers.capacity() * 8
    }

    /// The keys, by number.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        (0..).take(self.len()).map(|number| self.keys.get(number))
    }

    /// The number of a key, a new one where it has none yet.
    fn number(&mut self, key: &[u8]) -> u32 {
        let Self {
            numbers,
            keys,
            hasher,
        } = self;
        let entry = numbers.entry(
            hasher.hash_one(key),
            |number| keys.get(*number) == key,
            |number| hasher.hash_one(keys.get(*number)),
        );
        match entry {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = u32::try_from(keys.ends.len()).unwrap_or(NONE);
                entry.insert(number);
                keys.bytes.extend_from_slice(key);
                keys.ends.push(keys.bytes.len());
                number
            }
        }
    }

    /// The number of a key, or [`NONE`].
    fn find(&self, key: &[u8]) -> u32 {
        let found = self
            .numbers
            .find(self.hasher.hash_one(key), |number| self.keys.get(*number) == key);
        found.copied().unwrap_or(NONE)
    }

    /// The number of each row's key, new ones where there are none yet.
    pub(crate) fn number_rows(&mut self, rows: &Rows) -> Vec<u32> {
        each(rows, |key| self.number(key))
    }

    /// The number of each row's key, or [`NONE`].
    pub(crate) fn find_rows(&self, rows: &Rows) -> Vec<u32> {
        each(rows, |key| self.find(key))
    }

    /// Takes the keys of another: the numbers that they have here.
    pub(crate) fn merge(&mut self, other: &Self) -> Vec<u32> {
        other.keys().map(|key| self.number(key)).collect()
    }

    /// The numbers, in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..).take(self.len()).collect();
        numbers.sort_unstable_by_key(|number| self.keys.get(*number));
        numbers
    }
}

/// Equal keys often follow each other: they are asked for once.
fn each(rows: &Rows, mut number: impl FnMut(&[u8]) -> u32) -> Vec<u32> {
    let mut last = None;
    let mut numbers = Vec::with_capacity(rows.num_rows());
    for row in rows {
        let found = match last {
            Some((same, found)) if same == row => found,
            _ => number(row.data()),
        };
        last = Some((row, found));
        numbers.push(found);
    }
    numbers
}

/// Rows number by number, those of one number in their order; and where the rows of each begin, and the last end.
pub(crate) fn by_number(numbers: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; count + 1];
    for number in numbers {
        if let Some(rows) = starts.get_mut(*number as usize + 1) {
            *rows += 1;
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
    (rows, starts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, StringArray};
    use arrow_schema::DataType;

    use super::super::KeyBytes;
    use super::*;

    #[test]
    fn equal_keys_have_one_number_and_keys_come_back_in_order() {
        let columns: [ArrayRef; 2] = [
            Arc::new(StringArray::from(vec![
                Some("b"),
                None,
                Some("b"),
                Some("a"),
                Some("b"),
            ])),
            Arc::new(Float64Array::from(vec![0.0, 1.0, -0.0, f64::NAN, 2.0])),
        ];
        let bytes = KeyBytes::new(vec![DataType::Utf8, DataType::Float64]).expect("keys");
        let rows = bytes.rows(&columns).expect("rows");
        let mut numbered = Numbered::default();
        assert_eq!(numbered.number_rows(&rows), [0, 1, 0, 2, 3]);
        assert_eq!(numbered.find_rows(&rows), [0, 1, 0, 2, 3]);
        assert_eq!(Numbered::default().find_rows(&rows), [NONE; 5]);
        assert_eq!(numbered.sorted(), [2, 0, 3, 1]);
        let mut other = Numbered::default();
        other.number_rows(
            &bytes
                .rows(&[columns[0].slice(3, 2), columns[1].slice(3, 2)])
                .expect("rows"),
        );
        assert_eq!(other.merge(&numbered), [2, 3, 0, 1]);
        let back = bytes.columns(numbered.keys()).expect("columns");
        assert_eq!(
            back[0].as_ref(),
            &StringArray::from(vec![Some("b"), None, Some("a"), Some("b")])
        );
    }

    #[test]
    fn rows_of_a_number_keep_their_order() {
        let (rows, starts) = by_number(&[2, 0, 2, 1, 0], 4);
        assert_eq!(rows, [1, 4, 3, 0, 2]);
        assert_eq!(starts, [0, 2, 3, 5, 5]);
    }
}
