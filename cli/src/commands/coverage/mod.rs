//! `gapless coverage`: what is known of ranges of series, as timelines, a picture or rows.
//!
//! | file | owns |
//! | --- | --- |
//! | `terminal` | the picture as text |
//! | `write` | what is inferred, and what is taken back |
//!
//! What a picture shows and the one of a file are `gapless_timeline`'s.

mod terminal;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gapless::{CoverageRange, TableCoverage};
use gapless_timeline::{Picture, known_intervals, look, svg};
use serde::Serialize;

use super::gaps::interval_text;
use crate::asked::{Asked, series_of};
use crate::error::CliError;
use crate::options::{self, length};
use crate::output::Output;
use crate::render::{MadeRows, RowFormat, instant_iso};

/// Which ranges, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless coverage market.db bars\n  \
    gapless coverage market.db bars --series AAPL --start 2026-11-20 --end 2026-11-21 --width 120\n  \
    gapless coverage market.db bars --svg bars.svg --limit 500\n  gapless coverage market.db bars --format csv\n  \
    gapless coverage market.db bars --infer 1m\n  \
    gapless coverage market.db bars --forget --interval 1h --yes\n\n\
    A timeline of each series, then how complete each day (or week, or month, as there is room) is. --format gives the ranges \
    themselves: series, interval, start, end, state, source, batch, rows, when they were fetched and committed.\n\
    --infer attests as complete, from the source \"inferred\", every slot of the grid that has a row and of which nothing is \
    known: for rows that were imported without coverage. Rows cannot tell whether an empty slot was ever asked for; it stays a \
    gap. Rows that lie off the grid tell that the step is not theirs: nothing is attested then, unless --off-grid says that \
    it is right.\n\
    --forget takes back what was said of the range: of the series and at the interval that are given, or of all. The rows \
    stay; the range is a gap until something is said again.")]
pub(crate) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// Print the ranges, in this form.
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "json")]
    format: Option<RowFormat>,
    /// Write the picture to a file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Characters of a line, or pixels of the file [default: the terminal's width, or 100; 1000 pixels].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(40..=10_000))]
    width: Option<u16>,
    /// Series in the picture, at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Attest the slots of this grid that have rows. Writes.
    #[arg(long, value_name = "STEP", value_parser = length,
          conflicts_with_all = ["format", "svg", "width", "limit", "interval"])]
    infer: Option<i64>,
    /// With --infer: also when rows lie off the grid; each counts for the slot that it lies in.
    #[arg(long, requires = "infer")]
    off_grid: bool,
    /// Take back what was said. Writes.
    #[arg(long, conflicts_with_all = ["format", "svg", "width", "limit", "infer"])]
    forget: bool,
    /// With --forget: do it.
    #[arg(long, requires = "forget")]
    yes: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    table: &'a str,
    start: Option<String>,
    end: Option<String>,
    svg: Option<String>,
    ranges: Vec<RangeLine>,
}

#[derive(Serialize)]
struct RangeLine {
    series: Option<String>,
    interval: Option<String>,
    start: String,
    end: String,
    state: &'static str,
    source: String,
    batch: String,
    rows: Option<u64>,
    fetched_at: String,
    commit: String,
}

/// Shows coverage, infers it or takes it back.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    match args.infer {
        Some(interval) => write::infer(&args, interval, output)?,
        None if args.forget => write::forget(&args, output)?,
        None => show(&args, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let coverage = options::open(&args.asked.database)?
        .table(&args.asked.table)?
        .coverage()?;
    let series = series_of(&args.asked, &coverage)?;
    let range = args.asked.range(&coverage)?;
    if let (Some(file), Some(range)) = (&args.svg, range) {
        let picture = picture(args, &coverage, &series, range)?;
        write_svg(file, &svg(&picture, args.width))?;
    }
    if args.format.is_none() && !output.is_json() {
        return match (&args.svg, range) {
            (_, None) => output.line(format!(
                "table {:?} has neither rows nor coverage",
                args.asked.table
            )),
            (Some(file), _) => output.line(format!("wrote {}", file.display())),
            (None, Some(range)) => {
                let picture = picture(args, &coverage, &series, range)?;
                terminal::print(&picture, args.width, output)
            }
        };
    }
    let ranges = match range {
        None => Vec::new(),
        Some((start, end)) => all_ranges(&args.asked, &coverage, &series, start..end)?,
    };
    match args.format {
        Some(format) => rows(&ranges).print(format, output),
        None => output.json(&Document {
            table: &args.asked.table,
            start: range.map(|(start, _)| instant_iso(start)),
            end: range.map(|(_, end)| instant_iso(end)),
            svg: args.svg.as_ref().map(|file| file.display().to_string()),
            ranges: ranges.into_iter().map(RangeLine::of).collect(),
        }),
    }
}

fn picture(
    args: &Args,
    coverage: &TableCoverage,
    series: &[Option<String>],
    (start, end): (i64, i64),
) -> Result<Picture, CliError> {
    let intervals = intervals(&args.asked, coverage);
    Ok(Picture::new(coverage, series, &intervals, start..end, args.limit)?)
}

/// The intervals that are meant: the given one, or all of which something is known.
fn intervals(asked: &Asked, coverage: &TableCoverage) -> Vec<i64> {
    match asked.interval {
        Some(interval) => vec![interval],
        None => known_intervals(coverage),
    }
}

fn write_svg(file: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(file, text)
        .map_err(|error| CliError::io(format!("cannot write {}", file.display()), &error))
}

/// A range of a series at an interval.
struct Known {
    series: Option<String>,
    interval: i64,
    range: CoverageRange,
}

fn all_ranges(
    asked: &Asked,
    coverage: &TableCoverage,
    series: &[Option<String>],
    range: std::ops::Range<i64>,
) -> Result<Vec<Known>, CliError> {
    let mut all = Vec::new();
    for series in series {
        for interval in intervals(asked, coverage) {
            let known = coverage.ranges(series.as_deref(), interval, range.clone())?;
            all.extend(known.into_iter().map(|range| Known {
                series: series.clone(),
                interval,
                range,
            }));
        }
    }
    Ok(all)
}

fn rows(all: &[Known]) -> MadeRows {
    let ranges = || all.iter().map(|known| &known.range);
    MadeRows::new()
        .text("series", all.iter().map(|known| known.series.as_deref()))
        .text("interval", all.iter().map(|known| interval_text(known.interval)))
        .times("start", ranges().map(|range| Some(range.start)))
        .times("end", ranges().map(|range| Some(range.end)))
        .text("state", ranges().map(|range| Some(look::of(range.state).word)))
        .text("source", ranges().map(|range| Some(&range.source)))
        .text("batch", ranges().map(|range| Some(&range.batch)))
        .counts("rows", ranges().map(|range| range.rows))
        .times("fetched_at", ranges().map(|range| Some(range.fetched_at)))
        .times("commit", ranges().map(|range| Some(range.commit)))
}

impl RangeLine {
    fn of(known: Known) -> Self {
        let range = known.range;
        Self {
            series: known.series,
            interval: interval_text(known.interval),
            start: instant_iso(range.start),
            end: instant_iso(range.end),
            state: look::of(range.state).word,
            source: range.source.to_string(),
            batch: range.batch.to_string(),
            rows: range.rows,
            fetched_at: instant_iso(range.fetched_at),
            commit: instant_iso(range.commit),
        }
    }
}
