//! Text that is printed only when it is whole: in memory while it is short, then on disk.

use std::io::{Read, Seek, Write};

use tempfile::SpooledTempFile;

use crate::error::CliError;
use crate::output::Output;

/// What is kept in memory.
const MEMORY_BYTES_MAX: usize = 8 << 20;
/// What is copied at a time.
const COPY_BYTES: usize = 1 << 16;

/// Text in the making. Its file has no name and goes with it.
pub(super) struct Spool(SpooledTempFile);

impl Spool {
    pub(super) fn new() -> Self {
        Self(tempfile::spooled_tempfile(MEMORY_BYTES_MAX))
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), CliError> {
        self.0.write_all(text.as_bytes()).map_err(|error| failed(&error))
    }

    pub(super) fn print(mut self, output: &mut Output) -> Result<(), CliError> {
        self.0.rewind().map_err(|error| failed(&error))?;
        let mut bytes = vec![0; COPY_BYTES];
        loop {
            match self.0.read(&mut bytes).map_err(|error| failed(&error))? {
                0 => return Ok(()),
                read => output.bytes(bytes.get(..read).unwrap_or_default())?,
            }
        }
    }
}

fn failed(error: &std::io::Error) -> CliError {
    CliError::io("a temporary file for the rows", error)
}
