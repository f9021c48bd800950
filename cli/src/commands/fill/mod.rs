//! `gapless fill`: gaps filled from files, or from a command that is asked for each.
//!
//! | file | owns |
//! | --- | --- |
//! | `arguments` | the options |
//! | `files`, `index` | the strategy that takes rows from files, which are read once |
//! | `template` | the command line of a request, which has its values from the environment |
//! | `exec`, `process` | the source that runs a command, and the running: limits, process group, pipes |
//! | `printed`, `marks` | its standard output, and what standard error says to us |
//! | `reply` | what a command has printed: rows, how far they go |
//! | `waits` | who else has a lease on a gap |
//! | `report` | the plan, and what became of it |
//!
//! What is asked for, leased, checked and committed is the engine's: nothing here writes but through it.

mod arguments;
mod exec;
mod files;
mod index;
mod marks;
mod printed;
mod process;
mod reply;
mod report;
mod template;
mod waits;

use std::process::ExitCode;
use std::time::Duration;

use gapless::backfill::{Backfill, BackfillReport, BackfillStrategy, FetcherStrategy};
use gapless::{Gap, Table, TableCoverage};

pub(crate) use arguments::Args;

use crate::asked::series_of;
use crate::error::{CliError, eprintln_quietly};
use crate::options;
use crate::output::Output;
use crate::progress;
use crate::stop::Stop;
use exec::Exec;
use files::Files;
use template::Template;
use waits::Waits;

/// How often it is looked whether the job is over, or whether it was asked to end.
const TICK: Duration = Duration::from_millis(10);

/// Fills, or with `--dry-run` says what would be asked for.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let template = args.exec.as_deref().map(Template::parse).transpose()?;
    let database = match args.dry_run {
        true => options::open(&args.asked.database)?,
        false => options::open_existing(&args.asked.database)?,
    };
    let table = database.table(&args.asked.table)?;
    let coverage = table.coverage()?;
    // A series that cannot be asked for is said before files are read.
    let asked = series_of(&args.asked, &coverage)?;
    args.asked.interval(&coverage)?;
    if !args.asked.series.is_empty() {
        let known = coverage.series()?;
        for series in asked
            .into_iter()
            .flatten()
            .filter(|series| known.binary_search(series).is_err())
        {
            let table = &args.asked.table;
            eprintln_quietly(&format!(
                "note: {series:?} is a new series: table {table:?} has nothing of it so far"
            ));
        }
    }
    let range = args.asked.some_range(&coverage)?;
    let gaps = coverage.gaps(&args.asked.query(range))?;
    if args.dry_run {
        let units = backfill(&args, &table, range, Nothing).plan()?;
        report::plan(&args, range, &units, template.as_ref(), &coverage, output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Stop::on_signals()?;
    let job = match template {
        Some(template) => {
            let exec = Exec::new(&args, &table, template, stop.clone())?;
            backfill(
                &args,
                &table,
                range,
                FetcherStrategy::new(exec).clip_rows(args.clip),
            )
        }
        None => {
            let files = read(&args, &coverage, &gaps)?;
            backfill(&args, &table, range, files)
        }
    };
    let waits = Waits::new(&args, &database, table.meta()?.table, &gaps);
    let filled = fill(job, &stop, waits)?;
    database.flush()?;
    report::done(&args, range, &filled, &coverage, output)?;
    Ok(ExitCode::from(u8::from(!filled.is_complete())))
}

fn read(args: &Args, coverage: &TableCoverage, gaps: &[Gap]) -> Result<Files, CliError> {
    let paths = files::expand(&args.from)?;
    let index = index::read(args, coverage.meta(), &paths, gaps)?;
    Ok(Files::new(index, args.attest_empty))
}

/// Runs a job under a bar, until it is over or was asked to end.
fn fill(job: Backfill, stop: &Stop, mut waits: Waits<'_>) -> Result<BackfillReport, CliError> {
    let bar = progress::count(0, "filling gaps");
    let moved = bar.clone();
    let job = job
        .on_progress(move |progress| {
            moved.set_length(progress.gaps as u64);
            moved.set_position(progress.done as u64);
            if progress.failed > 0 {
                moved.set_message(format!("filling gaps, {} failed", progress.failed));
            }
        })
        .start()?;
    while !job.is_finished() {
        if stop.is_asked() {
            job.cancel();
        }
        for line in waits.look(bar.position()) {
            bar.suspend(|| eprintln_quietly(&line));
        }
        std::thread::sleep(TICK);
    }
    let report = job.wait();
    bar.finish_and_clear();
    Ok(report?)
}

fn backfill(
    args: &Args,
    table: &Table,
    (start, end): (i64, i64),
    strategy: impl BackfillStrategy + 'static,
) -> Backfill {
    let mut job = table
        .backfill(strategy)
        .range(start, end)
        .order(args.order())
        .concurrency(args.concurrency)
        .retries(args.retries)
        .missing_columns(args.missing_columns)
        .lease_ttl(duration(args.lease_ttl));
    if !args.asked.series.is_empty() {
        job = job.series(args.asked.series.iter().cloned());
    }
    if let Some(interval) = args.asked.interval {
        job = job.interval(interval);
    }
    if let Some(window) = args.window {
        job = job.window_max(window);
    }
    if let Some(merge) = args.merge {
        job = job.merge_within(merge);
    }
    if let Some(rate) = args.rate {
        job = job.requests_per_second(rate);
    }
    if let Some(source) = &args.source {
        job = job.source(source);
    }
    match args.durability {
        Some(durability) => job.durability(durability),
        None => job,
    }
}

/// A length of time that was given.
fn duration(ns: i64) -> Duration {
    Duration::from_nanos(ns.unsigned_abs())
}

/// Fills nothing: for plans.
struct Nothing;

impl BackfillStrategy for Nothing {
    fn fill(
        &self,
        _: &Gap,
        _: &mut gapless::backfill::GapWriter,
    ) -> Result<gapless::backfill::Filled, gapless::backfill::BackfillError> {
        Ok(gapless::backfill::Filled::default())
    }

    fn name(&self) -> &'static str {
        "nothing"
    }
}
