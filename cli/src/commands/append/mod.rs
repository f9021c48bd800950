//! `gapless append`: rows from standard input, streamed into a table batch by batch.
//!
//! - [`input`] reads standard input on a thread of its own, so that a pause in it is noticed.
//! - [`first`] settles from the first lines which columns there are, and of which types.
//! - [`session`] makes rows of the text, appends them, and says how many are durable.
//!
//! What was acknowledged stays, whatever comes after it.

mod first;
mod input;
mod session;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gapless::Durability;
use gapless_interchange::FileFormat;

use super::import::Reading;
use crate::error::CliError;
use crate::options::durability;
use crate::output::Output;
use crate::stop::Stop;
pub(super) use input::{Input, Piece};
use session::Session;

/// How often it is looked, at the least, whether rows have to go out, or whether it was asked to end.
const TICK: Duration = Duration::from_millis(20);

/// Where the rows go and how they are read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tail -n +1 -F trades.csv | gapless append market.db trade --time ts --series sym\n  \
        feed | gapless append market.db quote --format jsonl --time-unit ms --durability interval:50\n\n\
        The first line of CSV is the header: tail needs -n +1 to begin with it, and each run then appends the file from its \
        start. Database and table are made if they are missing, once a row could be read; the types of a new table are \
        inferred from the first batch and shown on standard error. A table that is there keeps its types.\n\n\
        Rows go out when a batch is full, when the input pauses, and at the latest after --wait-ms. All rows that one process \
        appends are written to segments together, when it ends or has much in memory: a process for every row makes a segment \
        for every row, until `gapless compact` joins them.\n\n\
        After each commit that is on the disk it prints `acked N`: so many rows of this run are durable. A line that \
        cannot be read ends it with an error that names the line; the rows before it are appended and acknowledged. A last \
        line without a newline is not appended, because it may be cut off: that is an error. SIGINT and SIGTERM end it after \
        the rows that were read."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// The table.
    #[arg(value_name = "TABLE")]
    table: String,
    #[command(flatten)]
    reading: Reading,
    /// What standard input is.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Rows in one commit at most.
    #[arg(long, value_name = "ROWS", default_value_t = 10_000, value_parser = batch_rows)]
    batch: usize,
    /// The longest that a row waits for a full batch; 0: rows go out as soon as a read returns.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(..=86_400_000))]
    wait_ms: u64,
    /// When a commit is durable: sync, each before it is acknowledged; interval:MS, every MS milliseconds; buffered, at
    /// the end.
    #[arg(long, value_name = "WHEN", default_value = "sync", value_parser = durability)]
    durability: Durability,
}

impl Args {
    fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    /// How often it is looked whether rows have to go out: rows that wait for nothing are never looked for.
    fn tick(&self) -> Duration {
        match self.wait_ms {
            0 => TICK,
            _ => TICK.min(self.wait()),
        }
    }
}

/// What standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With a header, unless --no-header says otherwise.
    Csv,
    /// One object a line.
    Jsonl,
}

impl Format {
    fn file_format(self) -> FileFormat {
        match self {
            Self::Csv => FileFormat::Csv,
            Self::Jsonl => FileFormat::JsonLines,
        }
    }
}

/// Appends until the input ends.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let stop = Stop::on_signals()?;
    let input = Input::stdin()?;
    let mut session = Session::new(&args)?;
    let outcome = read_all(&input, args.tick(), &stop, &mut session, output);
    match (outcome, session.finish(output)) {
        (Ok(()), Ok(())) => Ok(ExitCode::SUCCESS),
        (Err(error), Ok(())) | (Ok(()), Err(error)) => Err(error),
        (Err(error), Err(also)) => Err(error.with_note(&also.to_string())),
    }
}

fn read_all(
    input: &Input,
    tick: Duration,
    stop: &Stop,
    session: &mut Session<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    while !stop.is_asked() {
        match input.next(tick)? {
            Piece::Bytes(bytes) => session.take(&bytes, output)?,
            Piece::Pause => session.pause(output)?,
            Piece::End => return session.end(output),
        }
        session.tick(output)?;
    }
    session.stop(output)
}

fn batch_rows(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(rows) if (1..=10_000_000).contains(&rows) => Ok(rows),
        _ => Err("is not a number of rows from 1 to 10000000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_a_row_at_least() {
        assert!(batch_rows("0").is_err());
        assert_eq!(batch_rows("1"), Ok(1));
    }
}
