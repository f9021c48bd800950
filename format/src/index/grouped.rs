//! The grouped index: the rows of every value, as roaring bitmaps.

use super::keys::{INDEX_HEADER_LEN, U64s, check_body_len, check_rows, first_not_above};
use crate::bytes::{Reader, Writer};
use crate::error::FormatError;
use roaring::RoaringBitmap;

/// The body of a `.grouped` file: key -> bitmap of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupedIndex<'a> {
    keys: U64s<'a>,
    ends: U64s<'a>,
    blobs: &'a [u8],
    rows: u32,
}

/// The body of a `.grouped` file. The keys are distinct; they are stored in ascending order.
pub fn encode_grouped(groups: &[(u64, RoaringBitmap)]) -> Vec<u8> {
    let mut order: Vec<&(u64, RoaringBitmap)> = groups.iter().collect();
    order.sort_by_key(|(key, _)| *key);
    let mut writer = Writer::with_capacity(INDEX_HEADER_LEN + groups.len() * 16 + 8);
    writer.count(groups.len());
    writer.u32(0);
    order.iter().for_each(|(key, _)| writer.u64(*key));
    let mut end = 0;
    writer.u64(end);
    for (_, bitmap) in &order {
        end += bitmap.serialized_size() as u64;
        writer.u64(end);
    }
    order
        .iter()
        .for_each(|(_, bitmap)| write_bitmap(&mut writer, bitmap));
    writer.into_vec()
}

/// Appends a bitmap in roaring's portable format.
pub(crate) fn write_bitmap(writer: &mut Writer, bitmap: &RoaringBitmap) {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap
        .serialize_into(&mut bytes)
        .expect("a vector takes every write");
    writer.raw(&bytes);
}

/// Reads a bitmap that fills `bytes`, a position `base` in its file.
pub(crate) fn read_bitmap(bytes: &[u8], base: u64, what: &str) -> Result<RoaringBitmap, FormatError> {
    check_containers(bytes, base, what)?;
    let bitmap = RoaringBitmap::deserialize_from(bytes)
        .map_err(|error| FormatError::corrupt(base, format!("{what}: not a roaring bitmap: {error}")))?;
    if bitmap.serialized_size() != bytes.len() {
        return Err(FormatError::corrupt(
            base,
            format!(
                "{what}: found {} bytes, expected {}",
                bytes.len(),
                bitmap.serialized_size()
            ),
        ));
    }
    Ok(bitmap)
}

/// Refuses a forged number of containers: the roaring crate reserves for it before it reads them.
/// Every container takes at least four bytes of description and two of content.
fn check_containers(bytes: &[u8], base: u64, what: &str) -> Result<(), FormatError> {
    const NO_RUNS: u32 = 12_346;
    let mut reader = Reader::with_base(bytes, base);
    let cookie = reader.u32(what)?;
    let (count, header) = match cookie {
        NO_RUNS => (u64::from(reader.u32(what)?), 8),
        _ => (u64::from(cookie >> 16) + 1, 4),
    };
    let needed = header + count * 6;
    if needed > bytes.len() as u64 {
        return Err(FormatError::corrupt(
            base,
            format!(
                "{what}: found {} bytes, expected at least {needed} for {count} containers",
                bytes.len()
            ),
        ));
    }
    Ok(())
}

impl<'a> GroupedIndex<'a> {
    /// A view of `body`, the index of a segment of `rows` rows. O(1).
    ///
    /// # Errors
    /// `Corrupt` when the lengths do not fit.
    pub fn parse(body: &'a [u8], rows: u64) -> Result<Self, FormatError> {
        let rows = check_rows(rows)?;
        let mut reader = Reader::new(body);
        let count = reader.u32("group count")? as usize;
        let flags = reader.u32("index flags")?;
        if flags != 0 {
            return Err(FormatError::unsupported(
                4,
                format!("index flags: found {flags:#x}, which this version does not know"),
            ));
        }
        let needed = count
            .checked_mul(16)
            .and_then(|len| len.checked_add(INDEX_HEADER_LEN + 8));
        if needed.is_none_or(|needed| needed > body.len()) {
            check_body_len("grouped index", body.len(), needed)?;
        }
        let keys = U64s(reader.raw(count * 8, "group keys")?);
        let ends = U64s(reader.raw(count * 8 + 8, "bitmap offsets")?);
        let blobs = reader.raw(reader.remaining(), "bitmaps")?;
        let (first, last) = (ends.get(0), ends.get(count));
        if first != Some(0) || last != Some(blobs.len() as u64) {
            return Err(FormatError::corrupt(
                (INDEX_HEADER_LEN + count * 8) as u64,
                format!(
                    "grouped index: found bitmaps over {first:?}..{last:?}, expected 0..{}",
                    blobs.len()
                ),
            ));
        }
        Ok(Self {
            keys,
            ends,
            blobs,
            rows,
        })
    }

    /// Number of distinct values.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that hold `key`.
    ///
    /// # Errors
    /// `Corrupt` when the key's bitmap is damaged or holds rows outside the segment.
    pub fn find(&self, key: u64) -> Result<Option<RoaringBitmap>, FormatError> {
        self.keys.position(key).map(|at| self.bitmap(at)).transpose()
    }

    /// The keys, ascending.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = u64> + 'a {
        self.keys.iter()
    }

    /// Every key with its rows.
    ///
    /// # Errors
    /// Each item may be `Corrupt` by itself.
    pub fn iter(&self) -> impl Iterator<Item = Result<(u64, RoaringBitmap), FormatError>> + 'a {
        let index = *self;
        index
            .keys
            .iter()
            .enumerate()
            .map(move |(at, key)| Ok((key, index.bitmap(at)?)))
    }

    /// Proves what `parse` takes on trust: keys ascend, bitmaps are sound, not empty, disjoint and inside the segment.
    ///
    /// # Errors
    /// `Corrupt` with the position of the first contradiction.
    pub fn verify(&self) -> Result<(), FormatError> {
        if let Some(at) = first_not_above(self.keys.iter()) {
            let offset = (INDEX_HEADER_LEN + at * 8) as u64;
            return Err(FormatError::corrupt(
                offset,
                format!("group {at}: found a key that is not above the one before"),
            ));
        }
        let mut seen = RoaringBitmap::new();
        for at in 0..self.len() {
            let rows = self.bitmap(at)?;
            if rows.is_empty() || !seen.is_disjoint(&rows) {
                return Err(FormatError::corrupt(
                    self.blob_base(at),
                    format!("group {at}: found no rows, or rows of another group"),
                ));
            }
            seen |= rows;
        }
        Ok(())
    }

    fn bitmap(&self, at: usize) -> Result<RoaringBitmap, FormatError> {
        let base = self.blob_base(at);
        let range = self.ends.get(at).zip(self.ends.get(at + 1));
        let range =
            range.and_then(|(start, end)| Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?));
        let Some(blob) = range.and_then(|range| self.blobs.get(range)) else {
            return Err(FormatError::corrupt(
                base,
                format!("group {at}: found a bitmap outside the index"),
            ));
        };
        let bitmap = read_bitmap(blob, base, "group bitmap")?;
        match bitmap.max() {
            Some(row) if row >= self.rows => Err(FormatError::corrupt(
                base,
                format!("group {at}: found row {row}, expected rows below {}", self.rows),
            )),
            _ => Ok(bitmap),
        }
    }

    /// Offset in the body of the bitmap at `at`.
    fn blob_base(&self, at: usize) -> u64 {
        let tables = (INDEX_HEADER_LEN + self.len() * 16 + 8) as u64;
        tables.saturating_add(self.ends.get(at).unwrap_or(0))
    }
}
