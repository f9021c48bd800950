//! `gapless check`: proves a database, byte by byte, and says where it is damaged.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gapless::check::{CheckOptions, CheckReport, Finding, Severity, check_database};
use serde::Serialize;

use crate::error::CliError;
use crate::output::Output;
use crate::progress;
use crate::render::{bytes, count, plural, seconds};

/// What to check.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless check market.db\n  gapless check market.db --table trade\n  \
                        gapless check market.db --json | jq '.findings[] | select(.severity == \"error\")'\n\n\
                        Exit code: 0 when there is nothing but notes, 1 when there are warnings or errors."
)]
pub(crate) struct Args {
    /// The database's directory. It may be too damaged to open.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// Only the segments of this table; manifest and symbols are checked all the same.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
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
        print(&report, elapsed, output)?;
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
    }
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

fn print(report: &CheckReport, elapsed: f64, output: &mut Output) -> Result<(), CliError> {
    for finding in &report.findings {
        output.line(finding)?;
    }
    if report.findings_left_out > 0 {
        output.line(format!(
            "{} more of the same kind",
            count(report.findings_left_out)
        ))?;
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
    })
}
