//! What is set at the prompt, and what a statement or a command does with it.

use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use gapless_sql::gives_rows;

use super::command::{Command, HELP};
use super::limits::Opened;
use super::printed::Printed;
use super::running::Running;
use super::target::Target;
use crate::error::{CliError, eprintln_quietly};
use crate::output::Output;
use crate::render::{Layout, RowFormat, plural, seconds};
use crate::stop::Stop;

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Leave,
}

/// A session and its settings.
pub(super) struct Shell {
    opened: Opened,
    /// Where rows go, but for those that go to a file.
    target: Target,
    /// Where the next rows go.
    file: Option<Target>,
    /// What standard output holds, where that is no terminal.
    printed: Printed,
    layout: Layout,
    timing: bool,
}

impl Shell {
    pub(super) fn new(opened: Opened, target: Target, rows_max: usize, timing: bool) -> Self {
        let expanded = false;
        Self {
            opened,
            target,
            file: None,
            printed: Printed::Nothing,
            layout: Layout { rows_max, expanded },
            timing,
        }
    }

    pub(super) fn stop(&self) -> &Stop {
        self.opened.stop()
    }

    pub(super) fn close(self) {
        self.opened.close();
    }

    /// The format of standard output, unless it is that of `--json`.
    pub(super) fn format(&self) -> Option<RowFormat> {
        self.target.printed_format()
    }

    /// Runs a statement. The file that was named for its rows is no longer named when it has them.
    pub(super) fn statement(&mut self, text: &str, output: &mut Output) -> Result<(), CliError> {
        let began = Instant::now();
        let done = self.answer(text, output);
        if done.as_ref().is_err_and(|error| error.signal().is_some()) {
            self.opened.renew()?;
        }
        done?;
        output.flush()?;
        if self.timing {
            eprintln_quietly(&format!("time: {}", seconds(began.elapsed())));
        }
        Ok(())
    }

    /// Puts the answer where it belongs. What was written is counted, which is no answer for a file or a stream of rows.
    fn answer(&mut self, text: &str, output: &mut Output) -> Result<(), CliError> {
        let is_binary = self.format().is_some_and(RowFormat::is_binary);
        match (&self.file, gives_rows(text)) {
            (_, false) if is_binary => counted(self.opened.run(text)?),
            (Some(file), true) => {
                let rows = self.opened.run(text)?;
                if is_binary {
                    // The stream is for the rows that follow.
                    let (mut aside, said) = output.collecting();
                    file.write(rows, self.layout, &mut aside)?;
                    eprintln_quietly(String::from_utf8_lossy(&said.borrow()).trim_end());
                } else {
                    file.write(rows, self.layout, output)?;
                }
                self.file = None;
                Ok(())
            }
            _ => {
                let target = self.target.clone();
                self.print(text, &target, self.layout, output)
            }
        }
    }

    /// Runs a statement whose answer goes to standard output.
    fn print(
        &mut self,
        text: &str,
        target: &Target,
        layout: Layout,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let format = target.printed_format();
        if !output.is_terminal() {
            self.printed.check(format)?;
        }
        let rows = self.opened.run(text)?;
        self.printed = Printed::after(format);
        target.write(rows, layout, output)
    }

    /// Does what a command wants.
    pub(super) fn command(&mut self, command: Command, output: &mut Output) -> Result<Next, CliError> {
        match command {
            Command::Quit => return Ok(Next::Leave),
            Command::Help => {
                if !output.is_terminal() {
                    self.printed.check(None)?;
                }
                output.line(HELP)?;
                self.printed = Printed::Text;
            }
            Command::Tables => self.list(TABLES, output)?,
            Command::Columns(table) => self.columns(&table, output)?,
            Command::Format(format) => self.target = Target::Printed(format),
            Command::File(None) => self.file = None,
            Command::File(Some(path)) => self.file = Some(Target::file(&path, None, false)?),
            Command::Rows(rows) => self.layout.rows_max = rows,
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                confirm("timing", self.timing, output)?;
            }
            Command::Expanded(on) => {
                self.layout.expanded = on.unwrap_or(!self.layout.expanded);
                confirm("a line for each value", self.layout.expanded, output)?;
            }
        }
        output.flush()?;
        Ok(Next::GoOn)
    }

    /// The columns of a table: of the database, or of what it knows of itself.
    fn columns(&mut self, table: &str, output: &mut Output) -> Result<(), CliError> {
        let (schema, name) = table.rsplit_once('.').unwrap_or(("", table));
        let is_own = !schema.eq_ignore_ascii_case("gapless");
        let name = literal(&name_of(name));
        let (all, list) = if is_own {
            (
                format!("SELECT column_name FROM gapless.columns WHERE table_name = {name}"),
                format!("SELECT {OWN} FROM gapless.columns WHERE table_name = {name} ORDER BY position"),
            )
        } else {
            let of = format!(
                "FROM information_schema.columns WHERE table_schema = 'gapless' AND table_name = {name}"
            );
            (
                format!("SELECT column_name {of}"),
                format!("SELECT {KNOWN} {of} ORDER BY ordinal_position"),
            )
        };
        let mut rows = 0;
        for batch in self.opened.run(&all)? {
            rows += batch?.num_rows();
        }
        if rows == 0 {
            return Err(CliError::invalid(format!("there is no table {table}")).hint("\\d lists the tables"));
        }
        self.list(&list, output)
    }

    /// The rows of a statement of our own, all of them, as a table.
    fn list(&mut self, statement: &str, output: &mut Output) -> Result<(), CliError> {
        let layout = Layout {
            rows_max: usize::MAX,
            expanded: false,
        };
        self.print(statement, &Target::Printed(RowFormat::Table), layout, output)
    }
}

/// Says on standard error how many rows a statement wrote.
fn counted(rows: Running) -> Result<(), CliError> {
    let mut written = 0;
    for batch in rows {
        let counts = batch?;
        let counts = counts
            .columns()
            .first()
            .and_then(|counts| counts.as_primitive_opt::<UInt64Type>());
        written += counts.into_iter().flatten().flatten().sum::<u64>();
    }
    eprintln_quietly(&format!("wrote {}", plural(written, "row")));
    Ok(())
}

/// Says what was switched to somebody who looks at it; in a script it would stand among the rows.
fn confirm(what: &str, on: bool, output: &mut Output) -> Result<(), CliError> {
    match output.is_terminal() {
        true => output.line(format!("{what} is {}", if on { "on" } else { "off" })),
        false => Ok(()),
    }
}

const TABLES: &str = "SELECT table_name, rows, first_time, last_time, time_column, series_column \
                      FROM gapless.tables ORDER BY table_name";
const OWN: &str = "column_name, type, role, attributes";
const KNOWN: &str = "column_name, data_type AS type";

/// A name as SQL reads it: folded to lower case unless it is in double quotes.
fn name_of(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
