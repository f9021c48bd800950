//! Commands of the prompt, which begin with a backslash: text to what is wanted.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::error::CliError;
use crate::render::RowFormat;

/// What the commands are, for `\?`.
pub(super) const HELP: &str = r"\d             the tables
\d TABLE       the columns of a table, also of gapless.coverage and its like
\format F      print rows as table, csv, json, jsonl, arrow or parquet
\o FILE        the next rows go to a file, in the format that its name says; \o alone: not after all
\rows N        how many rows a table shows
\timing [on|off]
\x [on|off]    a line for each value instead of each row
\q             leave, as Ctrl-D does
\?             this

A statement ends with ; and may have many lines. Ctrl-C ends the one that runs, or drops what is typed.
gapless.tables, partitions, segments, columns, coverage, gaps and leases say what the database knows of itself.";

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Tables,
    Columns(String),
    Format(RowFormat),
    File(Option<PathBuf>),
    Rows(usize),
    /// On, off, or the other.
    Timing(Option<bool>),
    Expanded(Option<bool>),
    Help,
    Quit,
}

impl Command {
    /// The command of a line, if it is one and no piece of a statement.
    pub(super) fn of(line: &str) -> Option<Result<Self, CliError>> {
        let line = line.trim().trim_end_matches(';').trim_end();
        match line.to_ascii_lowercase().as_str() {
            "exit" | "quit" => return Some(Ok(Self::Quit)),
            "help" => return Some(Ok(Self::Help)),
            _ => {}
        }
        line.starts_with('\\').then(|| Self::parse(line))
    }

    fn parse(line: &str) -> Result<Self, CliError> {
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        let is_alone = |command: Self| match value {
            "" => Ok(command),
            _ => Err(CliError::invalid(format!("{name} takes nothing after it"))),
        };
        match name {
            "\\d" | "\\dt" if value.is_empty() => Ok(Self::Tables),
            "\\d" => Ok(Self::Columns(value.to_owned())),
            "\\format" => RowFormat::from_str(value, true)
                .map(Self::Format)
                .map_err(|_| CliError::invalid("\\format takes table, csv, json, jsonl, arrow or parquet")),
            "\\o" => Ok(Self::File((!value.is_empty()).then(|| PathBuf::from(value)))),
            "\\rows" => value
                .parse()
                .map(Self::Rows)
                .map_err(|_| CliError::invalid("\\rows takes a number")),
            "\\timing" => on_or_off(name, value).map(Self::Timing),
            "\\x" => on_or_off(name, value).map(Self::Expanded),
            "\\?" | "\\h" | "\\help" => is_alone(Self::Help),
            "\\q" => is_alone(Self::Quit),
            _ => Err(CliError::invalid(format!("there is no command {name}")).hint("\\? lists them")),
        }
    }
}

fn on_or_off(name: &str, value: &str) -> Result<Option<bool>, CliError> {
    match value.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(CliError::invalid(format!("{name} takes on, off or nothing"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Command {
        Command::of(line).unwrap().unwrap()
    }

    #[test]
    fn a_backslash_begins_a_command_and_what_else_is_typed_is_sql() {
        assert_eq!(command("\\d"), Command::Tables);
        assert_eq!(
            command("  \\d  gapless.gaps ; "),
            Command::Columns("gapless.gaps".into())
        );
        assert_eq!(command("\\timing"), Command::Timing(None));
        assert_eq!(command("\\timing OFF"), Command::Timing(Some(false)));
        assert_eq!(command("\\format jsonl"), Command::Format(RowFormat::Jsonl));
        assert_eq!(
            command("\\o a b.csv"),
            Command::File(Some(PathBuf::from("a b.csv")))
        );
        assert_eq!(command("\\o"), Command::File(None));
        assert_eq!(command("\\rows 7"), Command::Rows(7));
        assert_eq!(command("exit;"), Command::Quit);
        assert_eq!(command("help"), Command::Help);
        assert!(Command::of("SELECT 1").is_none());
    }

    #[test]
    fn what_is_no_command_says_so() {
        for line in ["\\nope", "\\format xml", "\\timing maybe", "\\rows x", "\\q now"] {
            assert!(Command::of(line).unwrap().is_err(), "{line}");
        }
    }
}
