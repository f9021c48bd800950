//! The one checksum of the format: XXH3-64 with seed 0.
//!
//! It finds accidents. It is no protection against a forger.

use crate::bytes::Writer;
use crate::error::FormatError;

/// XXH3-64 of `bytes`, seed 0 (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).
#[inline]
pub fn checksum(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}

/// The checksum of a paged body: XXH3-64 over the little-endian checksums of its pages, in order.
pub fn body_checksum(pages: impl IntoIterator<Item = u64>) -> u64 {
    let pages = pages.into_iter();
    let mut bytes = Vec::with_capacity(pages.size_hint().0.saturating_mul(8));
    for page in pages {
        bytes.extend_from_slice(&page.to_le_bytes());
    }
    checksum(&bytes)
}

/// Appends the checksum of everything written so far.
pub(crate) fn seal(mut writer: Writer) -> Vec<u8> {
    let sum = checksum(writer.as_slice());
    writer.u64(sum);
    writer.into_vec()
}

/// Splits `bytes` into what a trailing checksum covers, after comparing it. `base` is the offset of `bytes`.
pub(crate) fn unseal<'a>(bytes: &'a [u8], base: u64, what: &str) -> Result<&'a [u8], FormatError> {
    let Some((covered, stored)) = bytes.split_last_chunk::<8>() else {
        return Err(FormatError::torn(base, what, 8, bytes.len() as u64));
    };
    let (found, expected) = (u64::from_le_bytes(*stored), checksum(covered));
    if found == expected {
        return Ok(covered);
    }
    Err(FormatError::corrupt(
        base.saturating_add(covered.len() as u64),
        format!("{what} checksum: found {found:#018x}, expected {expected:#018x}"),
    ))
}
