//! What would be asked for, and what became of it.

use gapless::backfill::{BackfillReport, GapOutcome, GapReport};
use gapless::{Gap, TableCoverage};
use serde::Serialize;

use super::arguments::Args;
use super::template::{Template, Values};
use crate::commands::gaps::{GapLine, rows};
use crate::error::CliError;
use crate::output::Output;
use crate::render::{Align, Grid, RowFormat, count, instant, instant_iso, plural, seconds};

/// Gaps that are shown which did not come out well.
const SHOWN_MAX: usize = 20;
/// One word for each way in which a gap can come out.
const OUTCOMES: [&str; 7] = [
    "filled",
    "empty",
    "covered",
    "partial",
    "leased",
    "cancelled",
    "failed",
];

#[derive(Serialize)]
struct Document<'a> {
    table: &'a str,
    start: String,
    end: String,
    dry_run: bool,
    gaps: Vec<Line>,
    #[serde(flatten)]
    outcome: Option<Outcome>,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    gap: GapLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(flatten)]
    came_out: Option<CameOut>,
}

#[derive(Serialize)]
struct CameOut {
    outcome: &'static str,
    error: Option<String>,
    rows_inserted: u64,
    rows_identical: u64,
    rows_changed: u64,
    attempts: u32,
    seconds: f64,
}

#[derive(Serialize)]
struct Outcome {
    complete: bool,
    filled: usize,
    empty: usize,
    covered: usize,
    partial: usize,
    leased: usize,
    cancelled: usize,
    failed: usize,
    rows_inserted: u64,
    rows_identical: u64,
    rows_changed: u64,
    attempts: u64,
    seconds: f64,
}

/// Shows what would be asked for.
pub(super) fn plan(
    args: &Args,
    range: (i64, i64),
    units: &[Gap],
    template: Option<&Template>,
    coverage: &TableCoverage,
    output: &mut Output,
) -> Result<(), CliError> {
    let command = |gap: &Gap| {
        let series = gap.series.as_deref();
        let values = Values::new(&args.asked.table, series, gap.interval, gap.start, gap.end);
        template.map(|template| template.shown(&values))
    };
    if output.is_json() {
        let line = |gap: &Gap| Line {
            gap: GapLine::of(gap),
            command: command(gap),
            came_out: None,
        };
        let lines = units.iter().map(line).collect();
        return output.json(&document(args, range, lines, None));
    }
    if units.is_empty() {
        return output.line(args.asked.no_gaps(coverage, range)?);
    }
    let rows = rows(units);
    let rows = match template {
        Some(_) => rows.text("command", units.iter().map(command)),
        None => rows,
    };
    rows.print(RowFormat::Table, output)?;
    output.line("")?;
    let gaps = plural(units.len() as u64, "request");
    output.line(format!(
        "dry run: {gaps} would be made, in this order; nothing was written"
    ))
}

/// Shows what was done.
pub(super) fn done(
    args: &Args,
    range: (i64, i64),
    report: &BackfillReport,
    coverage: &TableCoverage,
    output: &mut Output,
) -> Result<(), CliError> {
    if output.is_json() {
        let lines = report.gaps.iter().map(line).collect();
        return output.json(&document(args, range, lines, Some(outcome(report))));
    }
    if report.gaps.is_empty() {
        return output.line(args.asked.no_gaps(coverage, range)?);
    }
    let bad: Vec<&GapReport> = report
        .gaps
        .iter()
        .filter(|gap| !gap.outcome.is_closed())
        .collect();
    if !bad.is_empty() {
        grid(&bad).print(output)?;
        if bad.len() > SHOWN_MAX {
            output.line(format!(
                "and {} more; --json has all",
                count((bad.len() - SHOWN_MAX) as u64)
            ))?;
        }
        output.line("")?;
    }
    let outcomes = OUTCOMES
        .iter()
        .map(|name| (name, report.count(name)))
        .filter(|(_, gaps)| *gaps > 0)
        .map(|(name, gaps)| format!("{} {name}", count(gaps as u64)));
    output.line(format!(
        "{} of {} in {}: {}",
        plural(report.gaps.len() as u64, "gap"),
        args.asked.table,
        seconds(report.elapsed),
        outcomes.collect::<Vec<_>>().join(", ")
    ))?;
    let rows = report.rows();
    output.line(format!(
        "{} inserted, {} identical, {} changed; {}",
        plural(rows.inserted, "row"),
        count(rows.identical),
        count(rows.changed),
        plural(report.attempts(), "attempt")
    ))
}

fn document<'a>(
    args: &'a Args,
    range: (i64, i64),
    gaps: Vec<Line>,
    outcome: Option<Outcome>,
) -> Document<'a> {
    Document {
        table: &args.asked.table,
        start: instant_iso(range.0),
        end: instant_iso(range.1),
        dry_run: args.dry_run,
        gaps,
        outcome,
    }
}

/// Why a gap was not filled, with what the command can do about it.
fn why(outcome: &GapOutcome) -> Option<String> {
    let (GapOutcome::Failed(why) | GapOutcome::Leased(why)) = outcome else {
        return None;
    };
    // What the library calls by their names are options here.
    Some(
        why.replace("or fill at a finer interval", "or a finer --interval")
            .replace("clip its rows", "clip its rows with --clip")
            .replace(
                "say that columns may be missing",
                "allow it with --missing-columns",
            ),
    )
}

fn line(report: &GapReport) -> Line {
    Line {
        gap: GapLine::of(&report.gap),
        command: None,
        came_out: Some(CameOut {
            outcome: report.outcome.name(),
            error: why(&report.outcome),
            rows_inserted: report.rows.inserted,
            rows_identical: report.rows.identical,
            rows_changed: report.rows.changed,
            attempts: report.attempts,
            seconds: report.elapsed.as_secs_f64(),
        }),
    }
}

fn outcome(report: &BackfillReport) -> Outcome {
    let rows = report.rows();
    Outcome {
        complete: report.is_complete(),
        filled: report.count("filled"),
        empty: report.count("empty"),
        covered: report.count("covered"),
        partial: report.count("partial"),
        leased: report.count("leased"),
        cancelled: report.count("cancelled"),
        failed: report.count("failed"),
        rows_inserted: rows.inserted,
        rows_identical: rows.identical,
        rows_changed: rows.changed,
        attempts: report.attempts(),
        seconds: report.elapsed.as_secs_f64(),
    }
}

fn grid(gaps: &[&GapReport]) -> Grid {
    let mut grid =
        Grid::new(["series", "start", "end", "outcome", "why"].map(|name| (name, Align::Left))).uncut();
    for gap in gaps.iter().take(SHOWN_MAX) {
        grid.row([
            gap.gap.series.clone().unwrap_or_default(),
            instant(gap.gap.start),
            instant(gap.gap.end),
            gap.outcome.name().to_owned(),
            why(&gap.outcome).unwrap_or_default(),
        ]);
    }
    grid
}
