//! [`Region`]: the bytes of one whole file in memory, mapped or copied, shared and immutable.
//!
//! - Clones share the memory; the last one gone unmaps or frees it.
//! - [`Region::buffer`] hands the same memory to Arrow: no copy.
//! - The first byte lies on a 64-byte boundary, so a body at offset 64 is aligned for every value type.

use std::fmt;
use std::ops::{Deref, Range};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

use super::mmap::FileMap;
use crate::error::{Error, Result};

/// Every region starts at a multiple of this many bytes.
pub const REGION_ALIGNMENT: usize = 64;

/// The immutable bytes of a file.
#[derive(Clone)]
pub struct Region {
    buffer: Buffer,
    map: Option<FileMap>,
}

impl Region {
    /// A region over a map. A map starts at a page boundary.
    pub(super) fn mapped(map: FileMap) -> Self {
        Self {
            buffer: Buffer::from(map.bytes()),
            map: Some(map),
        }
    }

    /// A region of `len` bytes in memory of its own, filled by `fill`, which appends exactly `len` bytes.
    ///
    /// The memory is reserved fallibly: `len` may come from a hostile directory.
    pub(super) fn heap(len: usize, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Self> {
        if len == 0 {
            return Ok(Self {
                buffer: MutableBuffer::new(0).into(),
                map: None,
            });
        }
        let mut memory: Vec<u8> = Vec::new();
        let reserved = len
            .checked_add(REGION_ALIGNMENT - 1)
            .map(|n| memory.try_reserve_exact(n));
        if !matches!(reserved, Some(Ok(()))) {
            return Err(Error::io(format!("no memory for {len} bytes of a file")));
        }
        // The copy starts at the first aligned byte of the reservation, which is never moved again.
        let start = memory.as_ptr().align_offset(REGION_ALIGNMENT);
        memory.resize(start, 0);
        fill(&mut memory)?;
        if memory.len() != start + len {
            return Err(Error::internal(format!(
                "a region of {len} bytes was filled otherwise"
            )));
        }
        let bytes = Bytes::from(memory).slice(start..);
        Ok(Self {
            buffer: Buffer::from(bytes),
            map: None,
        })
    }

    /// A region with a copy of `bytes`.
    ///
    /// # Errors
    /// `Io` when there is no memory.
    pub fn copy_of(bytes: &[u8]) -> Result<Self> {
        Self::heap(bytes.len(), |memory| {
            memory.extend_from_slice(bytes);
            Ok(())
        })
    }

    /// The same memory as an Arrow buffer. Slices of it keep the region alive.
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        self.buffer.clone()
    }

    /// True when the bytes are the page cache's own, false when they are a copy.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        self.map.is_some()
    }

    /// Begins to read a range of a map that is not in memory; what touches it later waits less.
    pub fn will_need(&self, range: Range<usize>) {
        if let Some(map) = &self.map {
            map.will_need(range);
        }
    }
}

impl Deref for Region {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

impl AsRef<[u8]> for Region {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_mapped() { "mapped" } else { "heap" };
        write!(f, "Region({} bytes, {kind})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_copy_is_aligned_equal_and_shared_with_arrow() {
        for len in [0usize, 1, 63, 64, 65, 1000, 40_000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let region = Region::copy_of(&bytes).expect("memory");
            assert_eq!(&region[..], &bytes[..]);
            assert_eq!(region.as_ptr().align_offset(REGION_ALIGNMENT), 0, "{len}");
            assert_eq!(region.buffer().as_ptr(), region.as_ptr(), "{len}");
            assert_eq!(region.clone().as_ptr(), region.as_ptr(), "{len}");
        }
    }

    #[test]
    fn a_length_that_no_memory_can_hold_is_an_error_and_not_an_abort() {
        for len in [usize::MAX, isize::MAX as usize] {
            let error = Region::heap(len, |_| Ok(())).expect_err("no such memory");
            assert_eq!(error.kind(), ErrorKind::Io);
        }
    }

    #[test]
    fn a_slice_of_the_buffer_outlives_the_region() {
        let region = Region::copy_of(&[7; 200]).expect("memory");
        let tail = region.buffer().slice(64);
        drop(region);
        assert_eq!(tail.as_slice(), &[7; 136]);
    }
}
