//! `gapless tail`: the last rows by time, and with `-f` those that are committed from then on.

use std::process::ExitCode;
use std::time::Duration;

use arrow_array::RecordBatch;
use gapless::{Database, Subscription};

use crate::error::CliError;
use crate::options::{self, Picked, Selection};
use crate::output::Output;
use crate::render::{self, RowFormat};
use crate::stop::{self, Stop};

/// How often it is looked whether somebody still wants to see rows.
const TICK: Duration = Duration::from_millis(100);

/// Which rows, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless tail market.db trade\n  \
    gapless tail market.db trade -n 20 --series AAPL --end 2026-11-20T21:00:00Z\n  \
    gapless tail market.db trade -f -n 0 --format jsonl | jq .price\n  \
    gapless tail market.db trade --as-of month-end --json\n\nRows come in the order of time, the last one last. With \
    -f, rows that any process commits come as they are committed,\nuntil Ctrl-C or until nobody reads them.")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// How many rows.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// Go on with the rows that are committed from now on.
    #[arg(short = 'f', long, conflicts_with = "as_of")]
    follow: bool,
    /// How rows are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = RowFormat::Table, conflicts_with = "json")]
    format: RowFormat,
}

/// Prints the last rows, and follows.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let stop = args.follow.then(Stop::on_signals).transpose()?;
    let database = options::open(&args.selection.database)?;
    let snapshot = args.selection.snapshot(&database)?;
    let scan = args.selection.scan(&snapshot)?;
    let schema = scan.schema()?;
    let last = scan.last(args.rows)?.into_iter().map(Ok);
    let mut batches: Box<dyn Iterator<Item = Result<RecordBatch, CliError>>> = match stop {
        None => Box::new(last),
        Some(stop) => {
            output.follow();
            let position = snapshot.position(&args.selection.table)?;
            let table = database.table(&args.selection.table)?;
            let new = Follow {
                subscription: table.subscribe(Some(position))?,
                picked: args
                    .selection
                    .picked(snapshot.table(&args.selection.table)?.meta()),
                stop,
                is_over: false,
                _database: database,
            };
            let last: Vec<_> = last.filter(|batch| batch.as_ref().is_ok_and(has_rows)).collect();
            Box::new(last.into_iter().chain(new))
        }
    };
    drop(snapshot);
    if output.is_json() {
        render::json_document(&args.selection.table, &schema, &mut batches, output)?;
    } else {
        render::write_rows(&schema, &mut batches, args.format, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn has_rows(batch: &RecordBatch) -> bool {
    batch.num_rows() > 0
}

/// Rows as they are committed, until nobody wants them.
struct Follow {
    subscription: Subscription,
    picked: Picked,
    stop: Stop,
    is_over: bool,
    _database: Database,
}

impl Iterator for Follow {
    type Item = Result<RecordBatch, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over && !self.stop.is_asked() && !stop::is_stdout_closed() {
            let picked = match self.subscription.next(TICK) {
                Ok(None) => continue,
                Ok(Some(committed)) => self.picked.of(&committed.batch),
                Err(error) => Err(error.into()),
            };
            self.is_over = picked.is_err();
            if picked.as_ref().map_or(true, has_rows) {
                return Some(picked);
            }
        }
        None
    }
}
