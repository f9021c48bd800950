//! Standard output: lines of text, or one JSON document.
//!
//! - A reader that has gone (`| head`) is not an error: what comes later is dropped, and the work is finished.
//! - Everything is buffered; whoever is about to work for long flushes before.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::rc::Rc;

use serde::Serialize;

use crate::error::CliError;

/// Where results go.
pub(crate) struct Output {
    json: bool,
    terminal: bool,
    closed: bool,
    live: bool,
    sink: Box<dyn Write>,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout(json: bool) -> Self {
        let stdout = std::io::stdout();
        Self {
            json,
            terminal: stdout.is_terminal(),
            closed: false,
            live: false,
            sink: Box::new(BufWriter::new(stdout)),
        }
    }

    /// Nowhere.
    pub(crate) fn nowhere() -> Self {
        Self {
            json: false,
            terminal: false,
            closed: false,
            live: false,
            sink: Box::new(std::io::sink()),
        }
    }

    /// Text that is collected, formed as it would be here.
    pub(crate) fn collecting(&self) -> (Self, Rc<RefCell<Vec<u8>>>) {
        let text = Rc::new(RefCell::new(Vec::new()));
        let output = Self {
            json: false,
            terminal: self.terminal,
            closed: false,
            live: false,
            sink: Box::new(Collector(Rc::clone(&text))),
        };
        (output, text)
    }

    /// Whether a JSON document is wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// From now on the reader follows: each batch of rows is handed to it at once.
    pub(crate) fn follow(&mut self) {
        self.live = true;
    }

    /// Whether the reader follows.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// A batch of rows is printed.
    pub(crate) fn batch_done(&mut self) -> Result<(), CliError> {
        if self.live { self.flush() } else { Ok(()) }
    }

    /// A line of text.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), CliError> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// The JSON document of a verb.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        let mut text = serde_json::to_vec_pretty(document)
            .map_err(|error| CliError::internal(format!("cannot write JSON: {error}")))?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        if self.closed {
            return Ok(());
        }
        let written = self.sink.write_all(bytes);
        self.outcome(written)
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.sink.flush();
        self.outcome(flushed)
    }

    fn outcome(&mut self, result: std::io::Result<()>) -> Result<(), CliError> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result.map_err(|error| CliError::io("cannot write to standard output", &error)),
        }
    }
}

/// Writes into memory.
struct Collector(Rc<RefCell<Vec<u8>>>);

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
