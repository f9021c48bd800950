//! The unique index: the row of every value.

use super::keys::{INDEX_HEADER_LEN, U32s, U64s, check_body_len, check_rows};
use crate::bytes::{Reader, Writer};
use crate::error::FormatError;

/// The body of a `.unique` file: key -> row. Keys of text are hashes, so a key can be there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniqueIndex<'a> {
    keys: U64s<'a>,
    rows_of: U32s<'a>,
    rows: u32,
}

/// The body of a `.unique` file, stored in ascending order of (key, row).
pub fn encode_unique(entries: &[(u64, u32)]) -> Vec<u8> {
    let mut order = entries.to_vec();
    order.sort_unstable();
    let mut writer = Writer::with_capacity(INDEX_HEADER_LEN + order.len() * 12);
    writer.count(order.len());
    writer.u32(0);
    order.iter().for_each(|&(key, _)| writer.u64(key));
    order.iter().for_each(|&(_, row)| writer.u32(row));
    writer.into_vec()
}

impl<'a> UniqueIndex<'a> {
    /// A view of `body`, the index of a segment of `rows` rows. O(1).
    ///
    /// # Errors
    /// `Corrupt` when the lengths do not fit.
    pub fn parse(body: &'a [u8], rows: u64) -> Result<Self, FormatError> {
        let rows = check_rows(rows)?;
        let mut reader = Reader::new(body);
        let count = reader.u32("entry count")? as usize;
        let flags = reader.u32("index flags")?;
        if flags != 0 {
            return Err(FormatError::unsupported(
                4,
                format!("index flags: found {flags:#x}, which this version does not know"),
            ));
        }
        let len = count
            .checked_mul(12)
            .and_then(|len| len.checked_add(INDEX_HEADER_LEN));
        check_body_len("unique index", body.len(), len)?;
        if count > rows as usize {
            return Err(FormatError::corrupt(
                0,
                format!("unique index: found {count} entries, expected at most {rows}"),
            ));
        }
        let keys = U64s(reader.raw(count * 8, "keys")?);
        let rows_of = U32s(reader.raw(count * 4, "rows")?);
        Ok(Self { keys, rows_of, rows })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows whose key is `key`: none or one, but more where the hashes of two texts are equal.
    pub fn find(&self, key: u64) -> impl Iterator<Item = u32> + 'a {
        let index = *self;
        let first = self.keys.lower_bound(key);
        // Stepping, not a second search: almost always one entry.
        (first..index.len())
            .take_while(move |&at| index.keys.get(at) == Some(key))
            .filter_map(move |at| index.row(at))
    }

    /// Every (key, row), in ascending order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> + 'a {
        let index = *self;
        (0..index.len()).filter_map(move |at| Some((index.keys.get(at)?, index.row(at)?)))
    }

    /// Proves what `parse` takes on trust: (key, row) ascend, and every row is in the segment and there once.
    ///
    /// # Errors
    /// `Corrupt` with the position of the first contradiction.
    pub fn verify(&self) -> Result<(), FormatError> {
        let mut seen = roaring::RoaringBitmap::new();
        let mut before = None;
        for (at, entry) in self.keys.iter().zip(self.rows_of.iter()).enumerate() {
            let offset = (INDEX_HEADER_LEN + at * 8) as u64;
            if before.replace(entry).is_some_and(|before| before >= entry) {
                return Err(FormatError::corrupt(
                    offset,
                    format!("entry {at}: found out of order"),
                ));
            }
            if entry.1 >= self.rows || !seen.insert(entry.1) {
                return Err(FormatError::corrupt(
                    offset,
                    format!(
                        "entry {at}: found row {} outside the segment or there twice",
                        entry.1
                    ),
                ));
            }
        }
        Ok(())
    }

    fn row(&self, at: usize) -> Option<u32> {
        self.rows_of.get(at).filter(|&row| row < self.rows)
    }
}
