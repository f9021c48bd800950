//! `gapless compact`: fewer, larger segments; and what would be done, before it is done.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use gapless::Database;
use gapless::compact::{MaintenanceReport, Plan, Policy, RunOptions};
use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::progress;
use crate::render::{Align, Grid, bytes, count, plural};

/// What to compact.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless compact market.db --dry-run\n  gapless compact market.db trade\n  \
                        gapless compact market.db --due --bytes-per-second 50000000\n\n\
                        Closed days become one segment, late rows are folded in, expired partitions go, deleted rows \
                        leave the files. Readers and writers go on meanwhile. A task that another commit overtakes is \
                        left out; run it again to have it done."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// Only this table.
    #[arg(value_name = "TABLE")]
    table: Option<String>,
    /// Show what would be done, and why; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Only what the background would do too: what costs little for what it gains.
    #[arg(long)]
    due: bool,
    /// Read and write this many bytes in a second at most.
    #[arg(long, value_name = "BYTES")]
    bytes_per_second: Option<u64>,
}

#[derive(Serialize)]
struct Document {
    dry_run: bool,
    tasks: Vec<TaskLine>,
    bytes_to_read_and_write: u64,
    segments_before: usize,
    bytes_before: u64,
    #[serde(flatten)]
    outcome: Option<Outcome>,
}

#[derive(Serialize)]
struct TaskLine {
    kind: &'static str,
    table: String,
    partition: String,
    segments: usize,
    rows: u64,
    bytes_before: u64,
    bytes_written_at_most: u64,
    why: String,
}

#[derive(Serialize)]
struct Outcome {
    done: usize,
    lost: usize,
    failed: Vec<String>,
    segments_after: usize,
    bytes_after: u64,
    bytes_written: u64,
    segments_whose_files_went: usize,
}

/// Compacts.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = if args.dry_run {
        options::open(&args.database)?
    } else {
        options::open_existing(&args.database)?
    };
    if let Some(table) = &args.table {
        database.table(table)?;
    }
    let policy = Policy {
        table: args.table.clone(),
        full: !args.due,
        ..Policy::default()
    };
    let plan = database.plan_maintenance(&policy)?;
    let before = held(&database)?;
    let report = match args.dry_run {
        true => None,
        false => Some(compact(&database, &plan, &policy, &args)?),
    };
    let outcome = report.map(|report| outcome(&database, report)).transpose()?;
    let failed = outcome.as_ref().is_some_and(|outcome| !outcome.failed.is_empty());
    let document = Document {
        dry_run: args.dry_run,
        tasks: tasks(&plan),
        bytes_to_read_and_write: plan.bytes(),
        segments_before: before.0,
        bytes_before: before.1,
        outcome,
    };
    if output.is_json() {
        output.json(&document)?;
    } else {
        print(&document, output)?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

fn compact(
    database: &Database,
    plan: &Plan,
    policy: &Policy,
    args: &Args,
) -> Result<MaintenanceReport, CliError> {
    let bar = progress::bytes(plan.bytes(), "compacting");
    let moved = bar.clone();
    let options = RunOptions {
        bytes_per_s: args.bytes_per_second,
        progress: Some(Arc::new(move |progress| moved.set_position(progress.bytes))),
        threads: 0,
        ..RunOptions::default()
    };
    let report = database.maintain(policy, &options);
    bar.finish_and_clear();
    let report = report?;
    if report.done > 0 {
        database.collect_garbage()?;
    }
    Ok(report)
}

/// Segments and bytes of all tables.
fn held(database: &Database) -> Result<(usize, u64), CliError> {
    let version = database.version()?;
    let add = |sum: (usize, u64), count: usize, bytes: u64| (sum.0 + count, sum.1 + bytes);
    Ok(version.tables().fold((0, 0), |sum, table| {
        add(sum, table.segment_count(), table.bytes())
    }))
}

fn outcome(database: &Database, report: MaintenanceReport) -> Result<Outcome, CliError> {
    let (segments_after, bytes_after) = held(database)?;
    Ok(Outcome {
        done: report.done,
        lost: report.lost,
        failed: report.failed,
        segments_after,
        bytes_after,
        bytes_written: report.bytes_added,
        segments_whose_files_went: report.files_of_segments_removed,
    })
}

fn tasks(plan: &Plan) -> Vec<TaskLine> {
    let line = |task: &gapless::compact::Task| TaskLine {
        kind: task.kind.name(),
        table: task.table_name.clone(),
        partition: task.partition.path(),
        segments: task.segments.len(),
        rows: task.rows,
        bytes_before: task.bytes_before,
        bytes_written_at_most: task.bytes_written,
        why: task.why.clone(),
    };
    plan.tasks.iter().map(line).collect()
}

fn print(document: &Document, output: &mut Output) -> Result<(), CliError> {
    if document.tasks.is_empty() {
        return output.line("there is nothing to do");
    }
    grid(&document.tasks).print(output)?;
    output.line("")?;
    let before = plural(document.segments_before as u64, "segment");
    let Some(outcome) = &document.outcome else {
        let at_most = bytes(document.bytes_to_read_and_write);
        return output.line(format!("would read and write {at_most} at most; now {before}"));
    };
    for failed in &outcome.failed {
        output.line(format!("left alone: {failed}"))?;
    }
    if outcome.lost > 0 {
        let lost = plural(outcome.lost as u64, "task");
        output.line(format!("{lost} overtaken by other commits: run it again"))?;
    }
    output.line(format!(
        "{before} of {} are now {} of {}",
        bytes(document.bytes_before),
        plural(outcome.segments_after as u64, "segment"),
        bytes(outcome.bytes_after),
    ))
}

fn grid(tasks: &[TaskLine]) -> Grid {
    let mut grid = Grid::new([
        ("what", Align::Left),
        ("table", Align::Left),
        ("partition", Align::Left),
        ("segments", Align::Right),
        ("rows", Align::Right),
        ("bytes", Align::Right),
        ("to write", Align::Right),
        ("why", Align::Left),
    ]);
    for task in tasks {
        grid.row([
            task.kind.to_owned(),
            task.table.clone(),
            task.partition.clone(),
            count(task.segments as u64),
            count(task.rows),
            bytes(task.bytes_before),
            bytes(task.bytes_written_at_most),
            task.why.clone(),
        ]);
    }
    grid
}
