//! `gapless tail`: the last rows by time.

use std::process::ExitCode;

use crate::error::CliError;
use crate::options::{self, Selection};
use crate::output::Output;
use crate::render::{self, RowFormat};

/// Which rows, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless tail market.db trade\n  \
    gapless tail market.db trade -n 20 --series AAPL --end 2026-11-20T21:00:00Z\n  \
    gapless tail market.db trade --as-of month-end --json\n\nRows come in the order of time, the last one last.")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// How many rows.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// How rows are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = RowFormat::Table, conflicts_with = "json")]
    format: RowFormat,
}

/// Prints the last rows.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = options::open(&args.selection.database)?;
    let snapshot = args.selection.snapshot(&database)?;
    let scan = args.selection.scan(&snapshot)?;
    let schema = scan.schema()?;
    let mut batches = scan.last(args.rows)?.into_iter().map(Ok);
    if output.is_json() {
        render::json_document(&args.selection.table, &mut batches, output)?;
    } else {
        render::write_rows(&schema, &mut batches, args.format, output)?;
    }
    Ok(ExitCode::SUCCESS)
}
