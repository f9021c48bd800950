//! Arrays of little-endian integers inside an index body, read in place.

use crate::error::FormatError;

/// Bytes of an index body before its keys: u32 count, u32 flags.
pub(super) const INDEX_HEADER_LEN: usize = 8;

/// A slice of little-endian u64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct U64s<'a>(pub &'a [u8]);

/// A slice of little-endian u32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct U32s<'a>(pub &'a [u8]);

impl<'a> U64s<'a> {
    pub fn len(self) -> usize {
        self.0.len() / 8
    }

    #[inline]
    pub fn get(self, at: usize) -> Option<u64> {
        let start = at.checked_mul(8)?;
        self.0
            .get(start..)?
            .first_chunk()
            .map(|chunk| u64::from_le_bytes(*chunk))
    }

    pub fn iter(self) -> impl ExactSizeIterator<Item = u64> + Clone + 'a {
        let (chunks, _) = self.0.as_chunks::<8>();
        chunks.iter().map(|chunk| u64::from_le_bytes(*chunk))
    }

    /// The first position whose value is not below `key`, if the values ascend.
    pub fn lower_bound(self, key: u64) -> usize {
        let (chunks, _) = self.0.as_chunks::<8>();
        chunks.partition_point(|chunk| u64::from_le_bytes(*chunk) < key)
    }

    /// The position of `key`, if the values ascend.
    pub fn position(self, key: u64) -> Option<usize> {
        let at = self.lower_bound(key);
        (self.get(at) == Some(key)).then_some(at)
    }
}

impl<'a> U32s<'a> {
    #[inline]
    pub fn get(self, at: usize) -> Option<u32> {
        let start = at.checked_mul(4)?;
        self.0
            .get(start..)?
            .first_chunk()
            .map(|chunk| u32::from_le_bytes(*chunk))
    }

    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + Clone + 'a {
        let (chunks, _) = self.0.as_chunks::<4>();
        chunks.iter().map(|chunk| u32::from_le_bytes(*chunk))
    }
}

/// Refuses an index of more rows than a u32 counts; answers the rows.
pub(super) fn check_rows(rows: u64) -> Result<u32, FormatError> {
    u32::try_from(rows)
        .map_err(|_| FormatError::corrupt(0, format!("index rows: found {rows}, expected fewer than 2^32")))
}

/// Refuses an index body of another length than its count implies.
pub(super) fn check_body_len(what: &str, found: usize, expected: Option<usize>) -> Result<(), FormatError> {
    match expected {
        Some(expected) if expected == found => Ok(()),
        Some(expected) if expected > found => Err(FormatError::torn(0, what, expected as u64, found as u64)),
        _ => Err(FormatError::corrupt(
            0,
            format!("{what}: found {found} bytes, more than its count implies"),
        )),
    }
}

/// Position of the first value that is not above the one before it.
pub(super) fn first_not_above<T: PartialOrd>(values: impl Iterator<Item = T> + Clone) -> Option<usize> {
    values
        .clone()
        .zip(values.skip(1))
        .position(|(before, after)| after <= before)
        .map(|at| at + 1)
}
