//! A window over the bytes of a text file that grows until a record fits into it.
//!
//! - At most [`RECORD_BYTES_MAX`] plus one block are held, so a file without line ends, or an unclosed
//!   quote, is an error and not an exhausted memory.
//! - The byte order mark of UTF-8 is not part of the text.
//! - Lines that are fed have no reader: what is unfinished waits for more bytes, which the caller brings.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{InterchangeError, Result};

/// The longest record that is read.
pub(crate) const RECORD_BYTES_MAX: usize = 16 << 20;
/// How much is read at once.
const READ_BYTES: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// The unread bytes of one file.
pub(crate) struct Lines {
    pub(crate) file: PathBuf,
    /// `None` when bytes are fed.
    reader: Option<Box<dyn Read + Send>>,
    buffer: Vec<u8>,
    start: usize,
    /// The line on which the unread bytes begin, from 1.
    line: u64,
    ended: bool,
    opened: bool,
}

impl Lines {
    pub(crate) fn new(file: &Path, reader: Box<dyn Read + Send>) -> Self {
        Lines {
            reader: Some(reader),
            ..Self::fed(file)
        }
    }

    /// Lines whose bytes come through [`Lines::feed`].
    pub(crate) fn fed(file: &Path) -> Self {
        Lines {
            file: file.to_path_buf(),
            reader: None,
            buffer: Vec::new(),
            start: 0,
            line: 1,
            ended: false,
            opened: false,
        }
    }

    /// The bytes that were read and not yet taken.
    pub(crate) fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The line on which `pending` begins.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Whether nothing follows `pending`.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Adds bytes behind `pending`.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.make_room();
        self.buffer.extend_from_slice(bytes);
        self.open();
    }

    /// Takes `bytes` from the front, which hold `lines` line ends.
    pub(crate) fn take(&mut self, bytes: usize, lines: u64) {
        self.start = self.start.saturating_add(bytes).min(self.buffer.len());
        self.line += lines;
    }

    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
    }

    /// Passes over the byte order mark, once it can be told.
    fn open(&mut self) {
        if !self.opened && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        }
        self.opened |= self.buffer.len() >= BYTE_ORDER_MARK.len() || self.ended;
    }

    /// Reads more behind `pending`. False when the bytes are fed, and the caller has to bring more.
    ///
    /// # Errors
    /// When the file cannot be read, or `pending` holds a record that is too long already.
    pub(crate) fn more(&mut self) -> Result<bool> {
        if self.pending().len() > RECORD_BYTES_MAX {
            return Err(InterchangeError::invalid(format!(
                "the record is longer than {} MiB; is a quote unclosed, or a line end missing?",
                RECORD_BYTES_MAX >> 20
            ))
            .at_file(&self.file)
            .at_line(self.line));
        }
        self.make_room();
        let before = self.buffer.len();
        let Some(reader) = &mut self.reader else {
            return Ok(false);
        };
        let read = reader
            .by_ref()
            .take(READ_BYTES as u64)
            .read_to_end(&mut self.buffer);
        read.map_err(|error| self.failed(&error))?;
        self.ended = self.buffer.len() - before < READ_BYTES;
        self.open();
        self.opened = true;
        Ok(true)
    }

    fn failed(&self, error: &std::io::Error) -> InterchangeError {
        let ended_early = error.kind() == std::io::ErrorKind::UnexpectedEof;
        let failed = InterchangeError::io("cannot be read", error)
            .at_file(&self.file)
            .at_line(self.line);
        if ended_early {
            failed.with_hint("the compressed file is cut off; fetch it again")
        } else {
            failed
        }
    }
}

/// The distance to the first line end in `bytes`.
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}
