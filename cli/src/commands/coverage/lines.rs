//! What is known and missing of each series that is shown.

use std::ops::Range;

use gapless::{Completeness, CoverageRange, GapQuery, TableCoverage};

use crate::asked::Asked;
use crate::error::CliError;

/// Everything that a picture shows.
pub(super) struct Picture<'a> {
    pub(super) table: &'a str,
    pub(super) range: Range<i64>,
    pub(super) lines: Vec<Line>,
    /// Series that there was no room for.
    pub(super) left_out: usize,
    /// Lines are of several intervals.
    pub(super) has_intervals: bool,
}

/// One series at one interval.
pub(super) struct Line {
    pub(super) series: Option<String>,
    pub(super) interval: i64,
    /// Disjoint, ascending, cut to the range of the picture; so are the others.
    pub(super) known: Vec<CoverageRange>,
    pub(super) expected: Vec<Range<i64>>,
    pub(super) missing: Vec<Range<i64>>,
    pub(super) days: Vec<Completeness>,
}

impl Line {
    /// The share of what is expected that is covered, in all.
    pub(super) fn share(&self) -> Option<f64> {
        share(self.days.iter())
    }
}

/// The share of what is expected that is covered; `None` where nothing is expected.
pub(super) fn share<'a>(days: impl Iterator<Item = &'a Completeness>) -> Option<f64> {
    let (expected, covered) = days.fold((0_u128, 0_u128), |(expected, covered), day| {
        (
            expected + u128::from(day.expected),
            covered + u128::from(day.covered),
        )
    });
    (expected > 0).then(|| covered as f64 / expected as f64)
}

impl<'a> Picture<'a> {
    pub(super) fn new(
        asked: &'a Asked,
        coverage: &TableCoverage,
        series: &[Option<String>],
        (start, end): (i64, i64),
        limit: usize,
    ) -> Result<Self, CliError> {
        let intervals = intervals(asked, coverage);
        let mut lines = Vec::new();
        for series in series.iter().take(limit) {
            lines.extend(lines_of(coverage, series.as_deref(), &intervals, start..end)?);
        }
        Ok(Self {
            table: &asked.table,
            range: start..end,
            lines,
            left_out: series.len().saturating_sub(limit),
            has_intervals: intervals.len() > 1,
        })
    }
}

/// The intervals that are meant: the given one, or all of which something is known.
pub(super) fn intervals(asked: &Asked, coverage: &TableCoverage) -> Vec<i64> {
    if let Some(interval) = asked.interval {
        return vec![interval];
    }
    match coverage.intervals() {
        none if none.is_empty() => vec![0],
        known => known,
    }
}

/// The lines of a series: of the intervals at which something is known of it, or of the first.
fn lines_of(
    coverage: &TableCoverage,
    series: Option<&str>,
    intervals: &[i64],
    range: Range<i64>,
) -> Result<Vec<Line>, CliError> {
    let mut lines = Vec::new();
    for interval in intervals {
        let known = coverage.ranges(series, *interval, range.clone())?;
        if !known.is_empty() {
            lines.push(line(coverage, series, *interval, known, &range)?);
        }
    }
    if let (true, Some(first)) = (lines.is_empty(), intervals.first()) {
        lines.push(line(coverage, series, *first, Vec::new(), &range)?);
    }
    Ok(lines)
}

fn line(
    coverage: &TableCoverage,
    series: Option<&str>,
    interval: i64,
    known: Vec<CoverageRange>,
    range: &Range<i64>,
) -> Result<Line, CliError> {
    let query = GapQuery::new(range.start, range.end).interval(interval);
    let query = match series {
        Some(series) => query.series([series]),
        None => query,
    };
    let missing = coverage.gaps(&query)?;
    Ok(Line {
        series: series.map(str::to_owned),
        interval,
        known,
        expected: coverage.expected_ranges(series, range.clone())?,
        missing: missing.iter().map(gapless::Gap::range).collect(),
        days: coverage.completeness(&query)?,
    })
}
