//! The parted index: the runs of equal values of a column, in stored order.

use super::keys::{INDEX_HEADER_LEN, U32s, U64s, check_body_len, check_rows, first_not_above};
use crate::bytes::{Reader, Writer};
use crate::error::FormatError;
use std::collections::HashSet;
use std::ops::Range;

/// Flag bit 0: the keys ascend, so a lookup may search by halves.
const ASCENDING: u32 = 1;

/// The body of a `.parted` file: key -> the one run of rows that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartedIndex<'a> {
    keys: U64s<'a>,
    starts: U32s<'a>,
    ascending: bool,
    rows: u32,
}

/// The body of a `.parted` file: run `i` is rows `starts[i]..starts[i + 1]` and holds `keys[i]`.
///
/// `starts` has one element more than `keys`; its last is the number of rows.
pub fn encode_parted(keys: &[u64], starts: &[u32]) -> Vec<u8> {
    debug_assert_eq!(keys.len() + 1, starts.len(), "one start per run and the end");
    let ascending = keys.is_sorted_by(|before, after| before < after);
    let mut writer = Writer::with_capacity(INDEX_HEADER_LEN + keys.len() * 8 + starts.len() * 4);
    writer.count(keys.len());
    writer.u32(if ascending { ASCENDING } else { 0 });
    keys.iter().for_each(|&key| writer.u64(key));
    starts.iter().for_each(|&start| writer.u32(start));
    writer.into_vec()
}

impl<'a> PartedIndex<'a> {
    /// A view of `body`, the index of a segment of `rows` rows. O(1).
    ///
    /// # Errors
    /// `Corrupt` when the lengths do not fit or the runs do not begin at 0 and end at `rows`.
    pub fn parse(body: &'a [u8], rows: u64) -> Result<Self, FormatError> {
        let rows = check_rows(rows)?;
        let mut reader = Reader::new(body);
        let count = reader.u32("run count")? as usize;
        let flags = reader.u32("index flags")?;
        if flags & !ASCENDING != 0 {
            return Err(FormatError::unsupported(
                4,
                format!("index flags: found {flags:#x}, which this version does not know"),
            ));
        }
        let len = count
            .checked_mul(12)
            .and_then(|len| len.checked_add(INDEX_HEADER_LEN + 4));
        check_body_len("parted index", body.len(), len)?;
        let keys = U64s(reader.raw(count * 8, "run keys")?);
        let starts = U32s(reader.raw(count * 4 + 4, "run starts")?);
        let (first, last) = (starts.get(0), starts.get(count));
        if first != Some(0) || last != Some(rows) {
            return Err(FormatError::corrupt(
                INDEX_HEADER_LEN as u64,
                format!("parted index: found runs over {first:?}..{last:?}, expected 0..{rows}"),
            ));
        }
        Ok(Self {
            keys,
            starts,
            ascending: flags & ASCENDING != 0,
            rows,
        })
    }

    /// Number of runs.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no runs, that is no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the keys ascend: always on the series column.
    pub fn is_ascending(&self) -> bool {
        self.ascending
    }

    /// Key and rows of run `i`.
    #[inline]
    pub fn run(&self, i: usize) -> Option<(u64, Range<u32>)> {
        let key = self.keys.get(i)?;
        let (start, end) = (self.starts.get(i)?, self.starts.get(i + 1)?);
        (start <= end && end <= self.rows).then_some((key, start..end))
    }

    /// The rows that hold `key`: by halves when the keys ascend, else one after the other.
    pub fn find(&self, key: u64) -> Option<Range<u32>> {
        let at = match self.ascending {
            true => self.keys.position(key),
            false => self.keys.iter().position(|candidate| candidate == key),
        };
        self.run(at?).map(|(_, rows)| rows)
    }

    /// The first run whose key is not below `key`; only meaningful when the keys ascend.
    pub fn lower_bound(&self, key: u64) -> usize {
        self.keys.lower_bound(key)
    }

    /// All runs in stored order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Range<u32>)> + 'a {
        let index = *self;
        (0..index.len()).filter_map(move |i| index.run(i))
    }

    /// Proves what `parse` takes on trust: runs are not empty and follow each other, keys are distinct, and
    /// ascend if the index says so.
    ///
    /// # Errors
    /// `Corrupt` with the position of the first contradiction.
    pub fn verify(&self) -> Result<(), FormatError> {
        if let Some(at) = first_not_above(self.starts.iter()) {
            let offset = INDEX_HEADER_LEN + self.len() * 8 + at * 4;
            return Err(FormatError::corrupt(
                offset as u64,
                format!("run {at}: found a start that is not above the one before"),
            ));
        }
        let duplicate = match self.ascending {
            true => first_not_above(self.keys.iter()),
            false => {
                let mut seen = HashSet::with_capacity(self.len());
                self.keys.iter().position(|key| !seen.insert(key))
            }
        };
        match duplicate {
            None => Ok(()),
            Some(at) => Err(FormatError::corrupt(
                (INDEX_HEADER_LEN + at * 8) as u64,
                format!("run {at}: found a key that is out of order or there twice"),
            )),
        }
    }
}
