//! What is attested: the slots that have rows; and what is taken back.

use gapless::{Inference, TableCoverage, duration_text};
use serde::Serialize;

use super::Args;
use crate::asked::series_of;
use crate::commands::gaps::interval_text;
use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{count, instant, instant_iso, plural};

#[derive(Serialize)]
struct Inferred<'a> {
    table: &'a str,
    interval: Option<String>,
    series: usize,
    ranges: usize,
    rows: u64,
    rows_off_grid: u64,
}

#[derive(Serialize)]
struct Forgotten<'a> {
    table: &'a str,
    /// `None` for all.
    series: Option<&'a [String]>,
    /// `None` for every one.
    interval: Option<String>,
    /// `None` for no beginning.
    start: Option<String>,
    /// `None` for no end.
    end: Option<String>,
    /// Ranges of which something was known.
    ranges: usize,
}

/// Attests the slots of a grid that have rows.
pub(super) fn infer(args: &Args, interval: i64, output: &mut Output) -> Result<(), CliError> {
    let table = options::open_existing(&args.asked.database)?.table(&args.asked.table)?;
    series_of(&args.asked, &table.coverage()?)?;
    let mut inference = Inference::new(interval);
    if !args.asked.series.is_empty() {
        inference = inference.series(args.asked.series.iter().cloned());
    }
    if args.asked.start.is_some() || args.asked.end.is_some() {
        let (start, end) = range(args)?;
        inference = inference.between(start, end);
    }
    if !args.off_grid {
        inference = inference.on_grid_only();
    }
    let inferred = table.infer_coverage_by(&inference)?;
    let step = interval_text(interval).unwrap_or_default();
    if let (false, Some((series, time))) = (args.off_grid, &inferred.first_off_grid) {
        let of = series
            .as_ref()
            .map_or_else(String::new, |series| format!(" of {series:?}"));
        return Err(CliError::invalid(format!(
            "{} of {} of table {:?} lie off the grid of {step}, first the one{of} at {}; nothing was attested",
            count(inferred.off_grid),
            plural(inferred.rows, "row"),
            args.asked.table,
            instant(*time)
        ))
        .hint(
            "give the rows' own step, so that the slots between them are seen as missing; or --off-grid, to attest each slot \
             that some row lies in",
        ));
    }
    let document = Inferred {
        table: &args.asked.table,
        interval: interval_text(interval),
        series: inferred.series.len(),
        ranges: inferred.ranges(),
        rows: inferred.rows,
        rows_off_grid: inferred.off_grid,
    };
    if output.is_json() {
        return output.json(&document);
    }
    output.line(format!(
        "{} of {} of {} with rows on the grid of {step}: what was not known of them is attested as complete, from the source \
         \"inferred\"",
        plural(document.ranges as u64, "range"),
        match document.series {
            1 => "1 series".to_owned(),
            several => format!("{} series", count(several as u64)),
        },
        document.table,
    ))
}

/// Takes back what was said.
pub(super) fn forget(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let table = options::open_existing(&args.asked.database)?.table(&args.asked.table)?;
    let coverage = table.coverage()?;
    let (start, end) = range(args)?;
    series_of(&args.asked, &coverage)?;
    let names: Vec<&str> = args.asked.series.iter().map(String::as_str).collect();
    let ranges = known(args, &coverage, start..end);
    let at = match args.asked.interval {
        None => "at every interval".to_owned(),
        Some(0) => "on no grid".to_owned(),
        Some(interval) => format!("at {}", duration_text(interval)),
    };
    let of = match names.as_slice() {
        [] => "every series".to_owned(),
        names => names.join(", "),
    };
    let from = match args.asked.start {
        Some(start) => format!("from {}", instant(start)),
        None => "from the beginning".to_owned(),
    };
    let to = match args.asked.end {
        Some(end) => format!("to {}", instant(end)),
        None => "to the end".to_owned(),
    };
    let what = format!("what was said of {of} of {} {at} {from} {to}", args.asked.table);
    if !args.yes {
        return Err(CliError::invalid(format!(
            "{what} is {} known; nothing was forgotten",
            plural(ranges as u64, "range")
        ))
        .hint("pass --yes to forget it: it is a gap then, until something is said again; the rows stay"));
    }
    let series = (!names.is_empty()).then_some(&names[..]);
    table.forget_coverage(series, args.asked.interval, start..end)?;
    if output.is_json() {
        return output.json(&Forgotten {
            table: &args.asked.table,
            series: series.map(|_| args.asked.series.as_slice()),
            interval: args
                .asked
                .interval
                .map(|interval| interval_text(interval).unwrap_or_else(|| "none".to_owned())),
            start: args.asked.start.map(instant_iso),
            end: args.asked.end.map(instant_iso),
            ranges,
        });
    }
    output.line(format!(
        "forgot {what}; of {} something was known",
        plural(ranges as u64, "range")
    ))
}

/// The range that is given; without a beginning or an end where none is.
fn range(args: &Args) -> Result<(i64, i64), CliError> {
    let (start, end) = (
        args.asked.start.unwrap_or(i64::MIN),
        args.asked.end.unwrap_or(i64::MAX),
    );
    match start < end {
        true => Ok((start, end)),
        false => Err(CliError::invalid(format!(
            "the range from {} to {} is empty: --start must be before --end",
            instant(start),
            instant(end)
        ))),
    }
}

/// How many ranges are known of what is asked for.
fn known(args: &Args, coverage: &TableCoverage, range: std::ops::Range<i64>) -> usize {
    let all = coverage.all_ranges(range);
    let is_asked = |series: &Option<String>, interval: Option<i64>| {
        let is_named = |name: &String| args.asked.series.contains(name);
        let of_series = args.asked.series.is_empty() || series.as_ref().is_none_or(is_named);
        of_series && (args.asked.interval.is_none() || interval.is_none() || interval == args.asked.interval)
    };
    all.iter()
        .filter(|(series, interval, _)| is_asked(series, *interval))
        .count()
}
