//! Statements that come from a file or a pipe: one after the other, until one fails.
//!
//! A statement runs as soon as its `;` has come. The last needs none. A script whose rows are to be Parquet or Arrow is read to its
//! end before anything runs, because such a stream holds one answer.

use std::time::Duration;

use gapless_sql::{gives_rows, is_blank, split_statement};

use super::super::append::{Input, Piece};
use super::command::Command;
use super::printed::Printed;
use super::shell::{Next, Shell};
use crate::error::CliError;
use crate::output::Output;
use crate::render::RowFormat;

/// How often it is looked whether a signal has come.
const TICK: Duration = Duration::from_millis(50);

/// Runs all of standard input.
pub(super) fn run(shell: &mut Shell, output: &mut Output) -> Result<(), CliError> {
    let input = Input::stdin()?;
    let mut script = Script::default();
    let mut ahead = shell.format().filter(|format| format.is_binary()).map(Ahead::new);
    loop {
        if let Some(signal) = shell.stop().signal() {
            return Err(CliError::interrupted(signal));
        }
        match input.next(TICK)? {
            Piece::Pause => {}
            Piece::End => {
                if let Some(ahead) = ahead {
                    let text = ahead.checked(output)?;
                    if script.take(&text, shell, output)? == Next::Leave {
                        return Ok(());
                    }
                }
                return script.end(shell, output);
            }
            Piece::Bytes(bytes) => {
                if let Some(ahead) = &mut ahead {
                    ahead.text.extend_from_slice(&bytes);
                } else if script.take(&bytes, shell, output)? == Next::Leave {
                    return Ok(());
                }
            }
        }
    }
}

/// Who does what a script says.
trait Runner {
    fn command(&mut self, command: Command, output: &mut Output) -> Result<Next, CliError>;
    fn statement(&mut self, text: &str, output: &mut Output) -> Result<(), CliError>;
}

impl Runner for Shell {
    fn command(&mut self, command: Command, output: &mut Output) -> Result<Next, CliError> {
        Shell::command(self, command, output)
    }

    fn statement(&mut self, text: &str, output: &mut Output) -> Result<(), CliError> {
        Shell::statement(self, text, output)
    }
}

/// A script that is read ahead, and what it would print.
struct Ahead {
    text: Vec<u8>,
    format: RowFormat,
    /// Whether the next rows go to a file.
    to_file: bool,
    printed: Printed,
}

impl Ahead {
    fn new(format: RowFormat) -> Self {
        Self {
            text: Vec::new(),
            format,
            to_file: false,
            printed: Printed::Nothing,
        }
    }

    /// The whole text, unless it would print more than one answer.
    fn checked(mut self, output: &mut Output) -> Result<Vec<u8>, CliError> {
        let text = std::mem::take(&mut self.text);
        let mut script = Script::default();
        if script.take(&text, &mut self, output)? == Next::GoOn {
            script.end(&mut self, output)?;
        }
        Ok(text)
    }

    fn print(&mut self, format: RowFormat) -> Result<(), CliError> {
        self.printed.check(Some(format))?;
        self.printed = Printed::after(Some(format));
        Ok(())
    }
}

/// Runs nothing.
impl Runner for Ahead {
    fn command(&mut self, command: Command, _: &mut Output) -> Result<Next, CliError> {
        match command {
            Command::Quit => return Ok(Next::Leave),
            Command::Tables | Command::Columns(_) | Command::Help => self.print(RowFormat::Table)?,
            Command::Format(format) => self.format = format,
            Command::File(file) => self.to_file = file.is_some(),
            Command::Rows(_) | Command::Timing(_) | Command::Expanded(_) => {}
        }
        Ok(Next::GoOn)
    }

    fn statement(&mut self, text: &str, _: &mut Output) -> Result<(), CliError> {
        match gives_rows(text) {
            // Where the format is binary, it is counted elsewhere.
            false if self.format.is_binary() => Ok(()),
            true if std::mem::take(&mut self.to_file) => Ok(()),
            _ => self.print(self.format),
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
    fn take(
        &mut self,
        bytes: &[u8],
        runner: &mut impl Runner,
        output: &mut Output,
    ) -> Result<Next, CliError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") && self.line_done(runner, output)? == Next::Leave {
                return Ok(Next::Leave);
            }
        }
        Ok(Next::GoOn)
    }

    fn line_done(&mut self, runner: &mut impl Runner, output: &mut Output) -> Result<Next, CliError> {
        let at = self.lines + newlines(&self.text) + 1;
        let line = String::from_utf8(std::mem::take(&mut self.line))
            .map_err(|_| CliError::invalid(format!("line {at} of the input is not UTF-8")))?;
        if is_blank(&self.text)
            && let Some(command) = Command::of(&line)
        {
            self.pass(self.text.len());
            self.lines += 1;
            return command
                .and_then(|command| runner.command(command, output))
                .map_err(|error| placed(error, at));
        }
        self.text.push_str(&line);
        // Only a `;` ends anything, and to look for it takes as long as the text is.
        while line.contains(';')
            && let Some((statement, rest)) = split_statement(&self.text)
        {
            let (statement, done) = (statement.to_owned(), self.text.len() - rest.len());
            self.statement(&statement, runner, output)?;
            self.pass(done);
        }
        Ok(Next::GoOn)
    }

    fn end(&mut self, runner: &mut impl Runner, output: &mut Output) -> Result<(), CliError> {
        if !self.line.is_empty() && self.line_done(runner, output)? == Next::Leave {
            return Ok(());
        }
        self.statement(&self.text, runner, output)
    }

    fn statement(&self, text: &str, runner: &mut impl Runner, output: &mut Output) -> Result<(), CliError> {
        if is_blank(text) {
            return Ok(());
        }
        let start = text.trim_start();
        let above = text.get(..text.len() - start.len()).unwrap_or_default();
        let at = self.lines + newlines(above) + 1;
        runner.statement(start, output).map_err(|error| placed(error, at))
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
