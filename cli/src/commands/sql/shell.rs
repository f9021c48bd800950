//! What is set at the prompt, and what a statement or a command does with it.

use std::time::Instant;

use super::command::{Command, HELP};
use super::limits::Opened;
use super::target::Target;
use crate::error::{CliError, eprintln_quietly};
use crate::output::Output;
use crate::render::{Layout, RowFormat, seconds};
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

    /// Runs a statement. The file that was named for its rows is no longer named when it has them.
    pub(super) fn statement(&mut self, text: &str, output: &mut Output) -> Result<(), CliError> {
        let began = Instant::now();
        let target = self.file.as_ref().unwrap_or(&self.target);
        let done = self
            .opened
            .run(text)
            .and_then(|rows| target.write(rows, self.layout, output));
        if done.as_ref().is_err_and(|error| error.signal().is_some()) {
            self.opened.renew()?;
        }
        done?;
        self.file = None;
        output.flush()?;
        if self.timing {
            eprintln_quietly(&format!("time: {}", seconds(began.elapsed())));
        }
        Ok(())
    }

    /// Does what a command wants.
    pub(super) fn command(&mut self, command: Command, output: &mut Output) -> Result<Next, CliError> {
        match command {
            Command::Quit => return Ok(Next::Leave),
            Command::Help => output.line(HELP)?,
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
    fn columns(&self, table: &str, output: &mut Output) -> Result<(), CliError> {
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
    fn list(&self, statement: &str, output: &mut Output) -> Result<(), CliError> {
        let layout = Layout {
            rows_max: usize::MAX,
            expanded: false,
        };
        Target::Printed(RowFormat::Table).write(self.opened.run(statement)?, layout, output)
    }
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
