//! `gapless query`: one SQL statement, its rows printed or written to a file.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use super::sql::{Limits, Opened, Target};
use crate::error::{CliError, eprintln_quietly};
use crate::hyphens::unmarked;
use crate::output::Output;
use crate::render::{Layout, RowFormat, seconds};
use crate::stop::Stop;

/// Rows of a table for people, unless told otherwise.
pub(super) const ROWS_SHOWN: usize = 40;

/// Which statement, and where its rows go.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    gapless query market.db \"SELECT sym, count(*), max(price) FROM trade GROUP BY sym\"\n  \
    gapless query market.db \"SELECT * FROM trade WHERE sym = 'AAPL'\" -o aapl.parquet\n  \
    gapless query market.db -f bars.sql --format csv > bars.csv\n  \
    echo 'SELECT * FROM gapless.tables' | gapless query market.db --json\n  \
    gapless query market.db \"INSERT INTO quote SELECT * FROM late\" --write\n\n\
    The database is opened for reading; INSERT needs --write. A table shows the first rows and says how many there are; every \
    other format has all of them,\nand streams. A file has the same bytes as standard output, but for arrow, which is a file there rather than a stream; \
    the name .json says one object a line, as `import` reads it.\nThe file appears when it is whole. With --json the document is\n{\"columns\": [...], \"rows\": [{...}]}; --format json is the \
    bare array of rows. Ctrl-C ends the statement: exit code 130. For several statements: gapless sql DB < FILE.")]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// The statement; `-` or none: what comes from standard input.
    #[arg(value_name = "SQL", conflicts_with = "file")]
    statement: Option<String>,
    /// Read the statement from a file.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the rows to a file.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// How rows are written [default: what the file's name says, or table].
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<RowFormat>,
    /// How many rows a table shows.
    #[arg(short = 'n', long, value_name = "N", default_value_t = ROWS_SHOWN)]
    rows: usize,
    /// Say on standard error how long it took.
    #[arg(long)]
    timing: bool,
    #[command(flatten)]
    limits: Limits,
}

/// Runs the statement.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let statement = statement(&args)?;
    let target = match &args.output {
        Some(file) => Target::file(file, args.format, args.overwrite)?,
        None => Target::printed(args.format, output)?,
    };
    target.check_text(&statement)?;
    let layout = Layout {
        rows_max: args.rows,
        expanded: false,
    };
    let stop = Stop::on_signals()?;
    let opened = Opened::new(&args.database, &args.limits, stop, true)?;
    let began = Instant::now();
    let done = opened
        .run(&statement)
        .and_then(|rows| target.write(rows, layout, output));
    opened.close();
    done?;
    if args.timing {
        output.flush()?;
        eprintln_quietly(&format!("time: {}", seconds(began.elapsed())));
    }
    Ok(ExitCode::SUCCESS)
}

/// The statement's text.
fn statement(args: &Args) -> Result<String, CliError> {
    if let Some(file) = &args.file {
        let bytes = std::fs::read(file).map_err(|error| CliError::io(file.display(), &error))?;
        return text_of(bytes, &file.display().to_string());
    }
    match args.statement.as_deref() {
        Some(text) if text != "-" => return Ok(unmarked(text).to_owned()),
        None if std::io::stdin().is_terminal() => {
            return Err(CliError::invalid("there is no statement").hint(
                "gapless query DB \"SELECT ...\", -f FILE, or - for standard input; gapless sql DB is a prompt",
            ));
        }
        _ => {}
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::io("standard input", &error))?;
    text_of(bytes, "standard input")
}

fn text_of(bytes: Vec<u8>, place: &str) -> Result<String, CliError> {
    String::from_utf8(bytes).map_err(|error| {
        let end = error.utf8_error().valid_up_to();
        let above = error.as_bytes().get(..end).unwrap_or_default();
        let line = above.iter().filter(|byte| **byte == b'\n').count() + 1;
        CliError::invalid(format!("{place}: line {line} is not UTF-8"))
    })
}
