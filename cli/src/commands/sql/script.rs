//! Statements that come from a file or a pipe: one after the other, until one fails.
//!
//! A statement runs as soon as its `;` has come. The last needs none.

use std::time::Duration;

use gapless_sql::{is_blank, split_statement};

use super::super::append::{Input, Piece};
use super::command::Command;
use super::shell::{Next, Shell};
use crate::error::CliError;
use crate::output::Output;

/// How often it is looked whether a signal has come.
const TICK: Duration = Duration::from_millis(50);

/// Runs all of standard input.
pub(super) fn run(shell: &mut Shell, output: &mut Output) -> Result<(), CliError> {
    let input = Input::stdin()?;
    let mut script = Script::default();
    loop {
        if let Some(signal) = shell.stop().signal() {
            return Err(CliError::interrupted(signal));
        }
        match input.next(TICK)? {
            Piece::Pause => {}
            Piece::End => return script.end(shell, output),
            Piece::Bytes(bytes) => {
                if script.take(&bytes, shell, output)? == Next::Leave {
                    return Ok(());
                }
            }
        }
    }
}

/// What was read and has not run yet.
#[derive(Debug, Default)]
struct Script {
    /// Bytes of a line whose end has not come.
    line: Vec<u8>,
    /// Whole lines of a statement.
    text: String,
    /// Lines before these.
    lines: usize,
}

impl Script {
    fn take(&mut self, bytes: &[u8], shell: &mut Shell, output: &mut Output) -> Result<Next, CliError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") && self.line_done(shell, output)? == Next::Leave {
                return Ok(Next::Leave);
            }
        }
        Ok(Next::GoOn)
    }

    fn line_done(&mut self, shell: &mut Shell, output: &mut Output) -> Result<Next, CliError> {
        let at = self.lines + newlines(&self.text) + 1;
        let line = String::from_utf8(std::mem::take(&mut self.line))
            .map_err(|_| CliError::invalid(format!("line {at} of the input is not UTF-8")))?;
        if is_blank(&self.text)
            && let Some(command) = Command::of(&line)
        {
            self.pass(self.text.len());
            self.lines += 1;
            return command
                .and_then(|command| shell.command(command, output))
                .map_err(|error| placed(error, at));
        }
        self.text.push_str(&line);
        // Only a `;` ends anything, and to look for it takes as long as the text is.
        while line.contains(';')
            && let Some((statement, rest)) = split_statement(&self.text)
        {
            let (statement, done) = (statement.to_owned(), self.text.len() - rest.len());
            self.statement(&statement, shell, output)?;
            self.pass(done);
        }
        Ok(Next::GoOn)
    }

    fn end(&mut self, shell: &mut Shell, output: &mut Output) -> Result<(), CliError> {
        if !self.line.is_empty() && self.line_done(shell, output)? == Next::Leave {
            return Ok(());
        }
        self.statement(&self.text, shell, output)
    }

    fn statement(&self, text: &str, shell: &mut Shell, output: &mut Output) -> Result<(), CliError> {
        if is_blank(text) {
            return Ok(());
        }
        let start = text.trim_start();
        let above = text.get(..text.len() - start.len()).unwrap_or_default();
        let at = self.lines + newlines(above) + 1;
        shell.statement(start, output).map_err(|error| placed(error, at))
    }

    /// The first bytes of the text are done.
    fn pass(&mut self, bytes: usize) {
        let done: String = self.text.drain(..bytes.min(self.text.len())).collect();
        self.lines += newlines(&done);
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn placed(error: CliError, line: usize) -> CliError {
    match error.signal() {
        Some(_) => error,
        None => error.at(&format!("statement at line {line}")),
    }
}
