//! `gapless gaps`: what is expected and not covered, one gap a row; or how far each series has come.

use std::process::ExitCode;

use gapless::{Gap, TableCoverage, duration_text};
use serde::Serialize;

use crate::asked::{Asked, series_of};
use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{MadeRows, RowFormat, duration, instant, instant_iso, plural};

/// Which gaps, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless gaps market.db bars --interval 1m\n  \
    gapless gaps market.db bars --series AAPL --start 2026-11-20 --end 2026-11-21 --fail\n  \
    gapless gaps market.db bars --format csv > missing.csv\n  gapless gaps market.db bars --watermark\n\n\
    A gap is what is expected (asked for, inside of the series' calendar and life, on the grid) and not covered. \
    Without --start and --end it is looked from the first row or known range of the table to the last.\n\
    A series that is asked for by name and that the table does not have is one gap. In CSV and JSON lengths are \
    nanoseconds. With --fail the exit code is 1 when there is a gap, and the gaps are printed all the same.")]
pub(crate) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// Exit with 1 when there is a gap.
    #[arg(long)]
    fail: bool,
    /// Instead of the gaps, the time of each series before which nothing is missing.
    #[arg(long, conflicts_with_all = ["fail", "start"])]
    watermark: bool,
    /// How gaps are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = RowFormat::Table, conflicts_with = "json")]
    format: RowFormat,
}

#[derive(Serialize)]
struct Document<'a> {
    table: &'a str,
    start: String,
    end: String,
    interval: Option<String>,
    gaps: Vec<GapLine>,
}

/// A gap as scripts read it.
#[derive(Serialize)]
pub(super) struct GapLine {
    series: Option<String>,
    start: String,
    end: String,
    interval: Option<String>,
    /// Slots of the grid that are missing.
    slots: Option<u64>,
    length_ns: i64,
}

impl GapLine {
    pub(super) fn of(gap: &Gap) -> Self {
        Self {
            series: gap.series.clone(),
            start: instant_iso(gap.start),
            end: instant_iso(gap.end),
            interval: interval_text(gap.interval),
            slots: slots(gap),
            length_ns: length(gap),
        }
    }
}

#[derive(Serialize)]
struct Watermarks<'a> {
    table: &'a str,
    interval: Option<String>,
    watermarks: Vec<WatermarkLine>,
}

#[derive(Serialize)]
struct WatermarkLine {
    series: Option<String>,
    watermark: Option<String>,
    #[serde(skip)]
    time: Option<i64>,
}

/// Lists gaps.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let coverage = options::open(&args.asked.database)?
        .table(&args.asked.table)?
        .coverage()?;
    if args.watermark {
        watermarks(&args, &coverage, output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let interval = args.asked.interval(&coverage)?;
    let range = args.asked.some_range(&coverage)?;
    let gaps = coverage.gaps(&args.asked.query(range))?;
    if output.is_json() {
        output.json(&Document {
            table: &args.asked.table,
            start: instant_iso(range.0),
            end: instant_iso(range.1),
            interval: interval_text(interval),
            gaps: gaps.iter().map(GapLine::of).collect(),
        })?;
    } else {
        if args.format == RowFormat::Table && gaps.is_empty() {
            output.line(args.asked.no_gaps(&coverage, range)?)?;
        } else {
            print(&gaps, range, args.format, output)?;
        }
    }
    Ok(ExitCode::from(u8::from(args.fail && !gaps.is_empty())))
}

fn print(gaps: &[Gap], range: (i64, i64), format: RowFormat, output: &mut Output) -> Result<(), CliError> {
    let is_table = format == RowFormat::Table;
    let between = format!("from {} to {}", instant(range.0), instant(range.1));
    rows(gaps).print(format, output)?;
    if !is_table {
        return Ok(());
    }
    let mut series: Vec<_> = gaps.iter().map(|gap| &gap.series).collect();
    series.dedup();
    let missing: i128 = gaps.iter().map(|gap| i128::from(length(gap))).sum();
    output.line("")?;
    output.line(format!(
        "{} of {} {between}: {} missing",
        plural(gaps.len() as u64, "gap"),
        match series.len() {
            1 => "1 series".to_owned(),
            several => format!("{several} series"),
        },
        duration(missing)
    ))
}

/// Gaps as rows.
pub(super) fn rows(gaps: &[Gap]) -> MadeRows {
    MadeRows::new()
        .text("series", gaps.iter().map(|gap| gap.series.as_deref()))
        .times("start", gaps.iter().map(|gap| Some(gap.start)))
        .times("end", gaps.iter().map(|gap| Some(gap.end)))
        .text("interval", gaps.iter().map(|gap| interval_text(gap.interval)))
        .counts("slots", gaps.iter().map(slots))
        .lengths("length", gaps.iter().map(|gap| Some(length(gap))))
}

/// A grid step as it is given; `None` for no grid.
pub(super) fn interval_text(interval: i64) -> Option<String> {
    (interval > 0).then(|| duration_text(interval))
}

fn length(gap: &Gap) -> i64 {
    gap.end.saturating_sub(gap.start)
}

fn slots(gap: &Gap) -> Option<u64> {
    (gap.interval > 0).then(|| gap.end.abs_diff(gap.start) / gap.interval.unsigned_abs())
}

fn watermarks(args: &Args, coverage: &TableCoverage, output: &mut Output) -> Result<(), CliError> {
    let interval = args.asked.interval(coverage)?;
    let until = args.asked.end.unwrap_or(i64::MAX);
    let mut lines = Vec::new();
    for series in series_of(&args.asked, coverage)? {
        let time = coverage.watermark(series.as_deref(), interval, until)?;
        lines.push(WatermarkLine {
            series,
            watermark: time.map(instant_iso),
            time,
        });
    }
    if output.is_json() {
        return output.json(&Watermarks {
            table: &args.asked.table,
            interval: interval_text(interval),
            watermarks: lines,
        });
    }
    MadeRows::new()
        .text("series", lines.iter().map(|line| line.series.as_deref()))
        .text("interval", lines.iter().map(|_| interval_text(interval)))
        .times("watermark", lines.iter().map(|line| line.time))
        .print(args.format, output)
}
