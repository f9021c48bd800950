//! `gapless check`: proves a database, byte by byte, says where it is damaged, and repairs it if told so.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gapless::check::{CheckOptions, CheckReport, Finding, LostRange, Severity, check_database};
use gapless::repair::{RepairOptions, RepairReport, RepairedCoverage, RepairedSegment};
use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::progress;
use crate::render::{bytes, count, instant, instant_iso, plural, seconds};

/// What to check.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless check market.db\n  gapless check market.db --table trade\n  \
                        gapless check market.db --json | jq '.findings[] | select(.severity == \"error\")'\n  \
                        gapless check market.db --repair --dry-run\n  gapless check market.db --repair\n\n\
                        A repair puts the sound rows of a damaged segment into a new one, makes a gap of what is lost, which \
                        a fill fetches again, and moves the damaged files to quarantine/. It deletes nothing.\n\n\
                        Exit code: 0 when there is nothing but notes, 1 when there are warnings or errors. With --repair: 0 \
                        when no damage is left, else 1."
)]
pub(crate) struct Args {
    /// The database's directory. It may be too damaged to open.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// Only the segments of this table; manifest and symbols are checked all the same.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Repair what can be: damaged segments and coverage files.
    #[arg(long)]
    repair: bool,
    /// Show what a repair would do; write nothing.
    #[arg(long, requires = "repair")]
    dry_run: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    database: String,
    clean: bool,
    version: Option<u64>,
    tables: usize,
    snapshots: usize,
    segments: usize,
    coverage_files: usize,
    rows: u64,
    files: u64,
    bytes: u64,
    seconds: f64,
    errors: usize,
    warnings: usize,
    notes: usize,
    findings: Vec<Line<'a>>,
    findings_left_out: u64,
    damage: Vec<LostLine<'a>>,
}

#[derive(Serialize)]
struct RepairDocument<'a> {
    database: String,
    dry_run: bool,
    whole: bool,
    segments_checked: usize,
    rows_lost: u64,
    segments: Vec<SegmentLine<'a>>,
    coverage_files: Vec<CoverageLine<'a>>,
    lost: Vec<LostLine<'a>>,
    left: Vec<Line<'a>>,
    replaced: usize,
}

#[derive(Serialize)]
struct SegmentLine<'a> {
    table: &'a str,
    partition: &'a str,
    segment: &'a str,
    rows: u64,
    rows_lost: u64,
    salvaged: Option<&'a str>,
    quarantine: &'a str,
}

#[derive(Serialize)]
struct CoverageLine<'a> {
    table: &'a str,
    file: &'a str,
    quarantine: &'a str,
}

#[derive(Serialize)]
struct LostLine<'a> {
    table: &'a str,
    series: Option<&'a str>,
    null_series: bool,
    start: String,
    end: String,
    rows: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    severity: &'static str,
    kind: &'static str,
    table: Option<&'a str>,
    partition: Option<&'a str>,
    segment: Option<&'a str>,
    column: Option<&'a str>,
    page: Option<u32>,
    first_row: Option<u64>,
    end_row: Option<u64>,
    file: Option<&'a str>,
    offset: Option<u64>,
    message: &'a str,
}

/// Checks.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    if args.repair {
        return repair(&args, output);
    }
    let started = Instant::now();
    let bar = progress::count(0, "checking segments");
    let moved = bar.clone();
    let options = CheckOptions {
        table: args.table.clone(),
        progress: Some(Arc::new(move |done, total| {
            moved.set_length(total as u64);
            moved.set_position(done as u64);
        })),
    };
    let report = check_database(&args.database, &options);
    bar.finish_and_clear();
    let report = report?;
    let elapsed = started.elapsed().as_secs_f64();
    if output.is_json() {
        output.json(&document(&args, &report, elapsed))?;
    } else {
        print(&args.database, &report, elapsed, output)?;
    }
    Ok(ExitCode::from(u8::from(!report.is_clean())))
}

fn document<'a>(args: &Args, report: &'a CheckReport, seconds: f64) -> Document<'a> {
    Document {
        database: args.database.display().to_string(),
        clean: report.is_clean(),
        version: report.version,
        tables: report.tables,
        snapshots: report.snapshots,
        segments: report.segments,
        coverage_files: report.coverage_files,
        rows: report.rows,
        files: report.files,
        bytes: report.bytes,
        seconds,
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        notes: report.count(Severity::Note),
        findings: report.findings.iter().map(line).collect(),
        findings_left_out: report.findings_left_out,
        damage: report.damage.iter().map(lost_line).collect(),
    }
}

fn lost_line(lost: &LostRange) -> LostLine<'_> {
    LostLine {
        table: &lost.table,
        series: lost.series.as_deref(),
        null_series: lost.is_null_series,
        start: instant_iso(lost.start),
        end: instant_iso(lost.end),
        rows: lost.rows,
    }
}

/// Whose rows are lost, of which time, and how many.
fn place(lost: &LostRange) -> String {
    let series = match (&lost.series, lost.is_null_series) {
        (Some(series), _) => series.as_str(),
        (None, true) => "(no series)",
        (None, false) => "(all)",
    };
    let rows = lost
        .rows
        .map_or("some rows".to_owned(), |rows| plural(rows, "row"));
    let (start, end) = (instant(lost.start), instant(lost.end));
    format!("{} {series} from {start} to {end}, {rows}", lost.table)
}

fn repair(args: &Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = match args.dry_run {
        true => options::open(&args.database)?,
        false => options::open_existing(&args.database)?,
    };
    let bar = progress::count(0, "checking segments");
    let moved = bar.clone();
    let options = RepairOptions {
        table: args.table.clone(),
        dry_run: args.dry_run,
        progress: Some(Arc::new(move |done, total| {
            moved.set_length(total as u64);
            moved.set_position(done as u64);
        })),
    };
    let report = database.repair(&options);
    bar.finish_and_clear();
    let report = report?;
    if output.is_json() {
        output.json(&repair_document(args, &report))?;
    } else {
        print_repair(&report, output)?;
    }
    Ok(ExitCode::from(u8::from(!report.is_whole())))
}

fn repair_document<'a>(args: &Args, report: &'a RepairReport) -> RepairDocument<'a> {
    let segment = |segment: &'a RepairedSegment| SegmentLine {
        table: &segment.table,
        partition: &segment.partition,
        segment: &segment.segment,
        rows: segment.rows,
        rows_lost: segment.rows_lost,
        salvaged: segment.salvaged.as_deref(),
        quarantine: &segment.quarantine,
    };
    let coverage = |coverage: &'a RepairedCoverage| CoverageLine {
        table: &coverage.table,
        file: &coverage.file,
        quarantine: &coverage.quarantine,
    };
    RepairDocument {
        database: args.database.display().to_string(),
        dry_run: report.is_dry_run,
        whole: report.is_whole(),
        segments_checked: report.segments_checked,
        rows_lost: report.rows_lost(),
        segments: report.segments.iter().map(segment).collect(),
        coverage_files: report.coverage.iter().map(coverage).collect(),
        lost: report.lost.iter().map(lost_line).collect(),
        left: report.left.iter().map(line).collect(),
        replaced: report.replaced,
    }
}

fn print_repair(report: &RepairReport, output: &mut Output) -> Result<(), CliError> {
    for segment in &report.segments {
        let kept = segment.rows - segment.rows_lost;
        output.line(format!(
            "{} / {} / {}: {} kept, {} lost; damaged files: {}",
            segment.table,
            segment.partition,
            segment.segment,
            plural(kept, "row"),
            count(segment.rows_lost),
            segment.quarantine
        ))?;
    }
    for coverage in &report.coverage {
        output.line(format!(
            "{} / coverage {}: what was said of the table until it was written is unknown; damaged file: {}",
            coverage.table, coverage.file, coverage.quarantine
        ))?;
    }
    for lost in &report.lost {
        output.line(format!("lost: {}", place(lost)))?;
    }
    for finding in &report.left {
        output.line(format!("not repaired: {finding}"))?;
    }
    if report.replaced > 0 {
        let segments = plural(report.replaced as u64, "damaged file");
        output.line(format!("{segments} were replaced by other commits meanwhile"))?;
    }
    let verb = match (report.has_damage(), report.is_dry_run) {
        (false, _) => "nothing to repair",
        (true, true) => "a repair would do this; nothing was changed",
        (true, false) => "repaired; gapless gaps and fill bring back what is lost",
    };
    output.line(format!(
        "{} checked: {verb}",
        plural(report.segments_checked as u64, "segment")
    ))
}

fn line(finding: &Finding) -> Line<'_> {
    Line {
        severity: finding.severity.name(),
        kind: finding.kind.name(),
        table: finding.table.as_deref(),
        partition: finding.partition.as_deref(),
        segment: finding.segment.as_deref(),
        column: finding.column.as_deref(),
        page: finding.page,
        first_row: finding.rows.as_ref().map(|rows| rows.start),
        end_row: finding.rows.as_ref().map(|rows| rows.end),
        file: finding.file.as_deref(),
        offset: finding.offset,
        message: &finding.message,
    }
}

fn print(database: &Path, report: &CheckReport, elapsed: f64, output: &mut Output) -> Result<(), CliError> {
    for finding in &report.findings {
        output.line(finding)?;
    }
    if report.findings_left_out > 0 {
        output.line(format!(
            "{} more of the same kind",
            count(report.findings_left_out)
        ))?;
    }
    for lost in &report.damage {
        output.line(format!("damaged: {}", place(lost)))?;
    }
    if !report.findings.is_empty() {
        output.line("")?;
    }
    let version = report
        .version
        .map_or("no version can be read".to_owned(), |version| {
            format!("version {version}")
        });
    output.line(format!(
        "{version}: {}, {}, {}, {}, {} read in {}",
        plural(report.tables as u64, "table"),
        plural(report.segments as u64, "segment"),
        plural(report.rows, "row"),
        plural(report.files, "file"),
        bytes(report.bytes),
        seconds(std::time::Duration::from_secs_f64(elapsed))
    ))?;
    let number = |severity, name| plural(report.count(severity) as u64, name);
    output.line(match report.findings.is_empty() {
        true => "nothing found".to_owned(),
        false => format!(
            "{}, {}, {}",
            number(Severity::Error, "error"),
            number(Severity::Warning, "warning"),
            number(Severity::Note, "note")
        ),
    })?;
    match report.count(Severity::Error) {
        0 => Ok(()),
        _ => output.line(format!(
            "hint: gapless check {} --repair keeps what is sound and makes a gap of what is lost",
            database.display()
        )),
    }
}
