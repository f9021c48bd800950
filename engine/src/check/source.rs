//! Reads files for the check: counted, in ranges, into aligned memory.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_buffer::{Buffer, MutableBuffer};

use super::finding::{Finding, Sink};
use crate::error::{Error, Result};
use crate::io::{ReadableFile, RelPath, Storage};

/// The disk, and how much of it was read.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) storage: &'a dyn Storage,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl<'a> Source<'a> {
    pub(super) fn new(storage: &'a dyn Storage) -> Self {
        Self {
            storage,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Files opened and bytes read so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (
            self.files.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }

    /// Opens a file that must be there; if it cannot, that is a finding.
    pub(super) fn open(&self, path: &RelPath, sink: &Sink) -> Option<Arc<dyn ReadableFile>> {
        match self.storage.open(path) {
            Ok(file) => {
                self.files.fetch_add(1, Ordering::Relaxed);
                Some(file)
            }
            Err(error) => {
                sink.add(Finding::of_error(path, &error));
                None
            }
        }
    }

    /// A range of a file, in memory aligned for every type. Nothing is reserved that the file does not have.
    pub(super) fn range(&self, file: &dyn ReadableFile, range: Range<u64>) -> Result<Buffer> {
        let too_long = || {
            Error::corrupt(format!(
                "the file ends at byte {}, bytes {} to {} are missing",
                file.len(),
                range.start,
                range.end
            ))
        };
        if range.start > range.end || range.end > file.len() {
            return Err(too_long());
        }
        let len = usize::try_from(range.end - range.start).map_err(|_| too_long())?;
        let mut buffer = MutableBuffer::from_len_zeroed(len);
        file.read_at(range.start, buffer.as_slice_mut())?;
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(buffer.into())
    }

    /// A whole file that is small or must be held whole; if it cannot be read, that is a finding.
    pub(super) fn whole(&self, path: &RelPath, sink: &Sink) -> Option<Buffer> {
        let file = self.open(path, sink)?;
        match self.range(&*file, 0..file.len()) {
            Ok(buffer) => Some(buffer),
            Err(error) => {
                sink.add(Finding::of_error(path, &error));
                None
            }
        }
    }
}
