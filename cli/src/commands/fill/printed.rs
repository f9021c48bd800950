//! What a command has printed on standard output: a little in memory, more in a file that is removed after it.

use std::io::{Error, Result, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::process::Sink;

/// Bytes that are kept in memory; with more, all are in a file.
const MEMORY_BYTES_MAX: usize = 4 << 20;
/// Bytes at the beginning that are in memory in any case.
const HEAD_BYTES: usize = 4 << 10;

/// Standard output.
pub(super) struct Printed {
    /// All of it, or its beginning if there is a file.
    memory: Vec<u8>,
    file: Option<NamedTempFile>,
    bytes: u64,
    bytes_max: u64,
}

impl Sink for Printed {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.is_too_much() {
            return Ok(()); // It is not used.
        }
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES_MAX {
            self.spill()?;
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(not_kept),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

impl Printed {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            memory: Vec::new(),
            file: None,
            bytes: 0,
            bytes_max,
        }
    }

    /// Whether it is more than it may be.
    pub(super) fn is_too_much(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Its first bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.memory
    }

    /// All of it.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        match self.file {
            None => Ok(self.memory),
            Some(file) => std::fs::read(file.path()),
        }
    }

    /// A file that has all of it.
    pub(super) fn path(&mut self) -> Result<&Path> {
        if self.file.is_none() {
            self.spill()?;
        }
        let path = self.file.as_ref().map(NamedTempFile::path);
        path.ok_or_else(|| Error::other("there is no file"))
    }

    fn spill(&mut self) -> Result<()> {
        let mut file = NamedTempFile::with_prefix("gapless-fill-").map_err(not_kept)?;
        file.write_all(&self.memory).map_err(not_kept)?;
        self.memory.truncate(HEAD_BYTES);
        self.memory.shrink_to_fit();
        self.file = Some(file);
        Ok(())
    }
}

fn not_kept(error: Error) -> Error {
    let directory = std::env::temp_dir();
    let message = format!(
        "what it prints cannot be kept in {}: {error}",
        directory.display()
    );
    Error::new(error.kind(), message)
}
