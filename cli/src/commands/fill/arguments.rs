//! The options of `fill`.

use std::path::PathBuf;

use gapless::Durability;
use gapless::backfill::BackfillOrder;
use gapless_interchange::FileFormat;

use crate::asked::Asked;
use crate::commands::import::{TextReading, file_format};
use crate::options::{byte_size, durability, length};

/// Which gaps, from where, and within which limits.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "gapless fill DB TABLE (--from FILES... | --exec COMMAND) [OPTIONS]",
    after_help = "Examples:\n  gapless fill market.db bars --interval 1m --from downloads/ --dry-run\n  \
    gapless fill market.db bars --series AAPL --from aapl-*.csv.gz --time-unit ms\n  \
    gapless fill market.db bars --window 1d --exec './fetch.sh {series} {start} {end}' --concurrency 4 --rate 5\n\n\
    --from: the files speak for all of the range. Rows are taken by series and time. A gap in which they have no row stays one \
    and is reported as failed, unless --attest-empty says that nothing is what the source has there.\n\n\
    --exec: the command is run with `sh -c` for each gap; {series}, {start}, {end} (ISO 8601 in UTC), {interval} and {table} stand \
    for variables of its environment, and become references to them, in quotes or without: GAPLESS_SERIES, GAPLESS_START, \
    GAPLESS_END, GAPLESS_INTERVAL (none on no grid), GAPLESS_TABLE. Scripts may read these themselves, and GAPLESS_START_NS, \
    GAPLESS_END_NS, GAPLESS_INTERVAL_NS (nanoseconds), GAPLESS_ATTEMPT. The shell never runs what they hold; in text for \
    another shell or program (eval, sh -c, ssh, awk) read the variable there instead.\n\
    The command prints CSV with a header, JSON lines, an Arrow IPC stream, or nothing; the series column may be left out.\n\
    Exit code 0: that is all there is of the range; nothing at all means that the source has nothing. 75: it may work later, \
    try again. Any other: it will not work. A last line `#through 2026-11-20T13:00:00Z` on standard output says that it is all \
    there is before that time only, `#partial` that rows may be missing; a line `gapless: through=TIME` or `gapless: partial` \
    on standard error says the same. Any other line there that begins with `gapless:` fails the answer.\n\n\
    Rows outside of a gap, off its grid or of another series are refused, and nothing of that answer is written. The exit code \
    is 1 when a gap is left."
)]
#[command(group = clap::ArgGroup::new("way").args(["from", "exec"]).required(true))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Take rows from these files and directories: CSV, JSON lines (plain, .gz or .zst), Parquet, Arrow IPC.
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub(super) from: Vec<PathBuf>,
    /// Take rows from what this command prints.
    #[arg(long, value_name = "COMMAND")]
    pub(super) exec: Option<String>,
    /// With --from: where the files have no row, the source has none.
    #[arg(long, conflicts_with = "exec")]
    pub(super) attest_empty: bool,
    /// With --exec: leave out rows outside of a gap, instead of refusing the answer.
    #[arg(long, conflicts_with = "from")]
    pub(super) clip: bool,
    /// Take rows without some of the table's columns, which are empty then, instead of refusing the answer.
    #[arg(long)]
    pub(super) missing_columns: bool,
    /// Ask for so much at once at most; larger gaps are split.
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    pub(super) window: Option<i64>,
    /// Ask at once for gaps of a series that are at most so far apart.
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    pub(super) merge: Option<i64>,
    /// Which gaps come first.
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = Order::Oldest)]
    order: Order,
    /// Gaps that are filled at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = workers)]
    pub(super) concurrency: usize,
    /// Attempts that begin in a second, at most.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// How often a transient failure is tried again.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) retries: u32,
    /// With --exec: kill a command after so long; that is a transient failure.
    #[arg(long, value_name = "LENGTH", default_value = "60s", value_parser = length)]
    pub(super) timeout: i64,
    /// With --exec: kill a command that prints more than so much; that is a permanent failure.
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = byte_size)]
    pub(super) output_max: usize,
    /// Who attests, in coverage [default: files or exec].
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// How long a gap is kept by a fill that has died.
    #[arg(long, value_name = "LENGTH", default_value = "120s", value_parser = length)]
    pub(super) lease_ttl: i64,
    /// When a gap's commit is durable: sync, interval:MS, buffered [default: sync].
    #[arg(long, value_name = "WHEN", value_parser = durability)]
    pub(super) durability: Option<Durability>,
    /// The format of all files, instead of the one their names tell: csv, jsonl, parquet or arrow.
    #[arg(long, value_name = "FORMAT", value_parser = file_format, conflicts_with = "exec")]
    pub(super) input_format: Option<FileFormat>,
    #[command(flatten)]
    pub(super) reading: TextReading,
    /// Show which gaps would be asked for, in which order; fill nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    Oldest,
    Newest,
}

impl Args {
    pub(super) fn order(&self) -> BackfillOrder {
        match self.order {
            Order::Oldest => BackfillOrder::OldestFirst,
            Order::Newest => BackfillOrder::NewestFirst,
        }
    }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(workers) if (1..=1024).contains(&workers) => Ok(workers),
        _ => Err("is not a number from 1 to 1024".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("is not a number above 0".to_owned()),
    }
}
