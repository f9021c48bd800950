//! `gapless leases`: who fills which range, and how claims that are stuck are ended.

use std::path::PathBuf;
use std::process::ExitCode;

use gapless::Database;
use gapless::clock::{Clock, SystemClock};
use gapless::lease::Lease;
use serde::Serialize;

use super::gaps::interval_text;
use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{Align, Grid, instant, instant_iso, plural, seconds};

/// What to do with leases.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless leases market.db\n  gapless leases market.db recover\n  \
    gapless leases market.db release 1795179600000000000\n  gapless leases market.db release --all --yes\n\n\
    Who fills a gap has a lease on it, so that nobody else asks for the same range meanwhile. It ends when the gap is done, \
    and expires when its holder is gone: then the next who wants the range takes it over, `recover` or not. A lease that is \
    live is ended with --yes only: its holder, if it works still, can commit nothing more under it."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the leases [default].
    List,
    /// End the leases that have expired.
    Recover,
    /// End a lease, or all.
    Release(Release),
}

#[derive(Debug, clap::Args)]
struct Release {
    /// The lease's epoch, as the list shows it.
    #[arg(value_name = "EPOCH", required_unless_present = "all", conflicts_with = "all")]
    epoch: Option<u64>,
    /// All leases.
    #[arg(long)]
    all: bool,
    /// Also if it is live.
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Listed {
    leases: Vec<Line>,
}

#[derive(Serialize)]
struct Recovered {
    recovered: Vec<Line>,
}

#[derive(Serialize)]
struct Released {
    released: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    epoch: u64,
    key: String,
    table: Option<String>,
    series: Option<String>,
    interval: Option<String>,
    start: String,
    end: String,
    holder: String,
    batch: String,
    claimed_at: String,
    expires_at: String,
    is_live: bool,
    completion: f64,
    #[serde(skip)]
    shown: [String; 3],
    #[serde(skip)]
    expires_in: String,
}

/// Lists, recovers or releases.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    match args.action.unwrap_or(Action::List) {
        Action::List => list(&args.database, output)?,
        Action::Recover => {
            let database = options::open_existing(&args.database)?;
            let recovered = lines(&database, database.recover_leases()?)?;
            if output.is_json() {
                output.json(&Recovered { recovered })?;
            } else {
                told(&recovered, "that had expired", output)?;
            }
        }
        Action::Release(release) => {
            let database = options::open_existing(&args.database)?;
            let released = lines(&database, end(&database, &release)?)?;
            if output.is_json() {
                output.json(&Released { released })?;
            } else {
                told(&released, "by hand", output)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(database: &std::path::Path, output: &mut Output) -> Result<(), CliError> {
    let database = options::open(database)?;
    let leases = lines(&database, database.leases()?)?;
    if output.is_json() {
        return output.json(&Listed { leases });
    }
    if leases.is_empty() {
        return output.line("no leases");
    }
    grid(leases).print(output)
}

fn told(ended: &[Line], how: &str, output: &mut Output) -> Result<(), CliError> {
    for line in ended {
        let table = line.table.as_deref().unwrap_or("a table that is gone");
        output.line(format!(
            "ended {} of {}: {} of {table}",
            line.epoch, line.holder, line.key
        ))?;
    }
    output.line(format!("{} ended {how}", plural(ended.len() as u64, "lease")))
}

/// Ends those that are meant, unless one is live and that is not said to be right.
fn end(database: &Database, release: &Release) -> Result<Vec<Lease>, CliError> {
    let mut meant = database.leases()?;
    if let Some(epoch) = release.epoch {
        meant.retain(|lease| lease.epoch == epoch);
        if meant.is_empty() {
            // The engine's own words.
            database.release_lease(epoch)?;
        }
    }
    let now = SystemClock.now_ns();
    if let Some(live) = meant.iter().find(|lease| !release.yes && lease.is_live(now)) {
        return Err(CliError::invalid(format!(
            "lease {} of {} is live until {}; nothing was ended",
            live.epoch,
            live.holder,
            instant(live.expires_at)
        ))
        .hint("pass --yes if its holder may lose what it has not committed"));
    }
    let mut ended = Vec::new();
    for lease in meant {
        match database.release_lease(lease.epoch) {
            Ok(lease) => ended.push(lease),
            // It is over by itself.
            Err(error) if error.kind() == gapless::ErrorKind::NotFound && release.all => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ended)
}

fn lines(database: &Database, leases: Vec<Lease>) -> Result<Vec<Line>, CliError> {
    let version = database.version()?;
    let now = SystemClock.now_ns();
    let line = |lease: Lease| Line {
        epoch: lease.epoch,
        key: lease.key.to_string(),
        table: version
            .table_by_id(lease.table)
            .map(|state| state.meta().name.clone()),
        interval: interval_text(lease.key.interval),
        start: instant_iso(lease.key.start),
        end: instant_iso(lease.key.end),
        shown: [lease.key.start, lease.key.end, lease.claimed_at].map(instant),
        expires_in: expires_in(lease.expires_at, now),
        holder: lease.holder.clone(),
        batch: lease.batch.clone(),
        claimed_at: instant_iso(lease.claimed_at),
        expires_at: instant_iso(lease.expires_at),
        is_live: lease.is_live(now),
        completion: lease.completion_ratio(),
        series: lease.key.series,
    };
    Ok(leases.into_iter().map(line).collect())
}

fn expires_in(expires_at: i64, now: i64) -> String {
    let apart = seconds(std::time::Duration::from_nanos(expires_at.abs_diff(now)));
    match now < expires_at {
        true => apart,
        false => format!("expired {apart} ago"),
    }
}

fn grid(lines: Vec<Line>) -> Grid {
    let mut grid = Grid::new([
        ("epoch", Align::Right),
        ("table", Align::Left),
        ("series", Align::Left),
        ("interval", Align::Left),
        ("start", Align::Left),
        ("end", Align::Left),
        ("expires in", Align::Left),
        ("done", Align::Right),
        ("holder", Align::Left),
        ("claimed", Align::Left),
        ("key", Align::Left),
    ]);
    for line in lines {
        let [start, end, claimed] = line.shown;
        grid.row([
            line.epoch.to_string(),
            line.table.unwrap_or_default(),
            line.series.unwrap_or_default(),
            line.interval.unwrap_or_default(),
            start,
            end,
            line.expires_in,
            format!("{:.0}%", line.completion * 100.0),
            line.holder,
            claimed,
            line.key,
        ]);
    }
    grid
}
