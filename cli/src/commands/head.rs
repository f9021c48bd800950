//! `gapless head`: the first rows.

use std::process::ExitCode;

use gapless::scan::Order;

use crate::error::CliError;
use crate::options::{self, Selection};
use crate::output::Output;
use crate::render::{self, RowFormat};

/// Which rows, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless head market.db trade\n  \
    gapless head market.db trade -n 5 --series AAPL --start 2026-11-20T14:30:00Z --columns ts,price\n  \
    gapless head market.db trade -n 100000 --format csv > trade.csv\n\nWith --json the document is \
    {\"table\": ..., \"rows\": [{...}]}; --format json is the bare array of rows.")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// How many rows.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// First by what: all rows by time, or series after series.
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = By::Time)]
    order: By,
    /// How rows are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = RowFormat::Table, conflicts_with = "json")]
    format: RowFormat,
}

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// By time, then series.
    Time,
    /// By series, then time.
    Series,
}

/// Prints the first rows.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = options::open(&args.selection.database)?;
    let snapshot = args.selection.snapshot(&database)?;
    let order = match args.order {
        By::Time => Order::Time,
        By::Series => Order::Series,
    };
    let scan = args.selection.scan(&snapshot)?.order(order).limit(args.rows);
    let schema = scan.schema()?;
    let mut batches = scan.stream()?.map(|batch| batch.map_err(CliError::from));
    if output.is_json() {
        render::json_document(&args.selection.table, &schema, &mut batches, output)?;
    } else {
        render::write_rows(&schema, &mut batches, args.format, output)?;
    }
    Ok(ExitCode::SUCCESS)
}
