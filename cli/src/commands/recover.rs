//! `gapless recover`: flushes what processes that died have streamed; also where a log is damaged, if told so.

use std::path::PathBuf;
use std::process::ExitCode;

use gapless::{Database, Maintenance};
use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::plural;

/// What to recover.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless recover market.db\n  gapless recover market.db --accept-loss\n\n\
                        Every command that writes does this first. A log that does not hold all that was durable is \
                        refused: restore its files from a copy. --accept-loss takes the commits before the damage and \
                        gives up those behind it, for good."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// Go on without what a damaged or missing log has lost.
    #[arg(long)]
    accept_loss: bool,
}

#[derive(Serialize)]
struct Document {
    rows_before: u64,
    rows_after: u64,
    streams_left: usize,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let rows_before = segment_rows(&options::open(&args.database)?)?;
    let db = Database::builder(&args.database)
        .maintenance(Maintenance::Manual)
        .accept_loss(args.accept_loss)
        .open()?;
    let document = Document {
        rows_before,
        rows_after: segment_rows(&db)?,
        streams_left: db.version()?.streams().count(),
    };
    if output.is_json() {
        output.json(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = document.rows_after.saturating_sub(rows_before);
    output.line(format!("{} came into segments", plural(rows, "row")))?;
    if document.streams_left > 0 {
        let streams = plural(document.streams_left as u64, "stream");
        output.line(format!("{streams} of living processes go on"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows that are in segments.
fn segment_rows(db: &Database) -> Result<u64, CliError> {
    Ok(db.version()?.tables().map(|state| state.rows()).sum())
}
