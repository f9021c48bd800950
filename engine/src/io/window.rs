//! [`ReadWindow`]: a file of records read from front to back, a part of it in memory.

use super::ReadableFile;
use crate::error::Result;

/// Some bytes of a file in memory: never more than a record and one read.
pub(crate) struct ReadWindow {
    /// Unread bytes begin at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// Where the unread bytes begin in the file.
    at: u64,
    read_bytes: usize,
    read_bytes_max: usize,
}

impl ReadWindow {
    /// Nothing of a file yet, to be read from `at` on: `read_bytes.start` bytes at first, `read_bytes.end` at most, at a time.
    pub(crate) fn new(at: u64, read_bytes: std::ops::Range<usize>) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            at,
            read_bytes: read_bytes.start,
            read_bytes_max: read_bytes.end,
        }
    }

    /// Where the unread bytes begin in the file.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// What is in memory and was not taken yet.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Takes `len` bytes, which are unread.
    pub(crate) fn skip(&mut self, len: usize) {
        self.start += len;
        self.at += len as u64;
    }

    /// Makes `len` bytes unread, or what is left of the first `file_len` bytes of the file.
    pub(crate) fn fill(&mut self, file: &dyn ReadableFile, file_len: u64, len: usize) -> Result<()> {
        let unread = self.unread().len();
        if unread >= len {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let from = self.at + unread as u64;
        let left = usize::try_from(file_len.saturating_sub(from)).unwrap_or(usize::MAX);
        let wanted = (len - unread).max(self.read_bytes).min(left);
        self.buffer.resize(unread + wanted, 0);
        self.read_bytes = (self.read_bytes * 2).min(self.read_bytes_max);
        match self.buffer.get_mut(unread..) {
            Some(rest) if !rest.is_empty() => file.read_at(from, rest),
            _ => Ok(()),
        }
    }
}
