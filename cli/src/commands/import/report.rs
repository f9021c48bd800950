//! What an import is about to do, and what it did.

use gapless::Database;
use gapless_interchange::Plan;
use serde::Serialize;

use super::Done;
use super::arguments::Args;
use super::target::Target;
use crate::error::CliError;
use crate::output::Output;
use crate::render::{Align, Grid, bytes, count, plural, seconds};

/// The document of an import.
#[derive(Serialize)]
pub(super) struct Report {
    table: String,
    dry_run: bool,
    created_table: bool,
    files: Vec<String>,
    time: String,
    series: Option<String>,
    partition: &'static str,
    decisions: Vec<Decision>,
    #[serde(flatten)]
    outcome: Option<Outcome>,
}

#[derive(Serialize)]
struct Decision {
    column: String,
    decided: String,
    because: String,
}

#[derive(Serialize)]
struct Outcome {
    created_database: bool,
    rows: u64,
    partitions: usize,
    segments: usize,
    bytes: u64,
    raw_bytes: u64,
    spilled_bytes: u64,
    seconds: f64,
    rows_per_second: f64,
    rejected_rows: u64,
    rejects_file: Option<String>,
    ambiguous_times: u64,
    version: u64,
}

/// The plan, before anything is written.
pub(super) fn planned(args: &Args, target: &Target, plan: &Plan) -> Report {
    let table_unit = target.table().map_or("day", |meta| meta.partition_unit.name());
    Report {
        table: args.table.clone(),
        dry_run: args.dry_run,
        created_table: target.is_new_table(),
        files: plan.files.iter().map(|file| file.display().to_string()).collect(),
        time: plan.time.clone(),
        series: plan.series.clone(),
        partition: args.partition().map_or(table_unit, |unit| unit.name()),
        decisions: plan
            .decisions
            .iter()
            .map(|decision| Decision {
                column: decision.column.clone(),
                decided: decision.decided.clone(),
                because: because(args, target, decision),
            })
            .collect(),
        outcome: None,
    }
}

/// Why, without options that nobody gave: what the table settles is passed to the reader as if it were given.
fn because(args: &Args, target: &Target, decision: &gapless_interchange::Decision) -> String {
    let text = &decision.because;
    if target.is_new_table() {
        return text.clone();
    }
    let is_given = args
        .reading
        .text
        .types
        .iter()
        .any(|(column, _)| *column == decision.column);
    if text.starts_with("--type ") && !is_given {
        return "that is its type in the table".to_owned();
    }
    if args.reading.text.time.is_none()
        && let Some(rest) = text.strip_prefix("--time names it")
    {
        return format!("it is the table's time{rest}");
    }
    match text.strip_suffix(" (--series)") {
        Some(text) if args.reading.series.is_none() => format!("{text} of the table"),
        _ => text.clone(),
    }
}

/// The plan and what came of it.
pub(super) fn done(
    args: &Args,
    target: &Target,
    plan: &Plan,
    done: &Done,
    database: &Database,
    created_database: bool,
) -> Result<Report, CliError> {
    let report = &done.report;
    let version = database.version()?;
    let partitions = version
        .table(&args.table)?
        .partitions()
        .iter()
        .filter(|(_, segments)| segments.iter().any(|segment| segment.created == report.version))
        .count();
    let outcome = Outcome {
        created_database,
        rows: report.rows,
        partitions,
        segments: report.segments,
        bytes: report.bytes,
        raw_bytes: done.raw_bytes,
        spilled_bytes: report.spilled_bytes,
        seconds: done.seconds,
        rows_per_second: report.rows as f64 / done.seconds.max(1e-9),
        rejected_rows: done.rejected,
        rejects_file: done.rejects.as_ref().map(|file| file.display().to_string()),
        ambiguous_times: done.ambiguous_times,
        version: report.version,
    };
    Ok(Report {
        outcome: Some(outcome),
        ..planned(args, target, plan)
    })
}

/// Shows what was decided.
pub(super) fn print_plan(
    args: &Args,
    target: &Target,
    plan: &Plan,
    output: &mut Output,
) -> Result<(), CliError> {
    let report = planned(args, target, plan);
    output.line(match report.files.as_slice() {
        [file] => format!("reading {file}"),
        files => format!("reading {}", plural(files.len() as u64, "file")),
    })?;
    let kind = if report.created_table {
        "new table"
    } else {
        "table"
    };
    let series = report.series.as_deref().unwrap_or("none");
    output.line(format!(
        "into {kind} {}: time {}, series {series}, partitioned by {}",
        report.table, report.time, report.partition
    ))?;
    output.line("")?;
    let mut grid = Grid::new(["column", "becomes", "because"].map(|name| (name, Align::Left))).uncut();
    for decision in report.decisions {
        grid.row([decision.column, decision.decided, decision.because]);
    }
    grid.print(output)?;
    output.line("")
}

/// Shows what was done.
pub(super) fn print_done(report: &Report, output: &mut Output) -> Result<(), CliError> {
    let Some(outcome) = &report.outcome else {
        return Ok(());
    };
    output.line(format!(
        "imported {} into {} in {}: {} rows/s",
        plural(outcome.rows, "row"),
        report.table,
        seconds(std::time::Duration::from_secs_f64(outcome.seconds)),
        count(outcome.rows_per_second as u64)
    ))?;
    output.line(format!(
        "{} in {}, committed as version {}",
        plural(outcome.segments as u64, "segment"),
        plural(outcome.partitions as u64, "partition"),
        outcome.version
    ))?;
    let ratio = outcome.bytes as f64 / outcome.raw_bytes.max(1) as f64;
    output.line(format!(
        "{} on disk, {ratio:.2} times the {} of the raw columns",
        bytes(outcome.bytes),
        bytes(outcome.raw_bytes)
    ))?;
    if outcome.spilled_bytes > 0 {
        output.line(format!(
            "{} were sorted on disk, because they did not fit into --memory",
            bytes(outcome.spilled_bytes)
        ))?;
    }
    if outcome.ambiguous_times > 0 {
        output.line(format!(
            "{} of a local clock that showed them twice: the first was taken",
            plural(outcome.ambiguous_times, "time")
        ))?;
    }
    if let Some(file) = &outcome.rejects_file {
        output.line(format!(
            "{} rejected: they are in {file}, the reasons in {file}.reasons.csv",
            plural(outcome.rejected_rows, "line")
        ))?;
    }
    Ok(())
}
