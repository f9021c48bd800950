//! What is known and missing of each series that is shown.

use std::ops::Range;

use gapless_engine::{Completeness, CoverageRange, GapQuery, Result, TableCoverage};

/// Everything that a picture shows.
#[derive(Debug)]
pub struct Picture {
    /// The table's name.
    pub table: String,
    /// From where to where it goes.
    pub range: Range<i64>,
    /// From the top down.
    pub lines: Vec<Line>,
    /// Series that there was no room for.
    pub left_out: usize,
    /// Lines are of several intervals.
    pub has_intervals: bool,
}

/// One series at one interval.
#[derive(Debug)]
pub struct Line {
    /// `None` in a table without series.
    pub series: Option<String>,
    /// Grid step in nanoseconds; 0 for no grid.
    pub interval: i64,
    /// Disjoint, ascending, cut to the range of the picture; so are the others.
    pub known: Vec<CoverageRange>,
    /// Where rows are expected.
    pub expected: Vec<Range<i64>>,
    /// Expected and not covered.
    pub missing: Vec<Range<i64>>,
    /// How complete each day is.
    pub days: Vec<Completeness>,
}

impl Line {
    /// The share of what is expected that is covered, in all.
    pub fn share(&self) -> Option<f64> {
        share(self.days.iter())
    }
}

/// The share of what is expected that is covered; `None` where nothing is expected.
pub fn share<'a>(days: impl Iterator<Item = &'a Completeness>) -> Option<f64> {
    let (expected, covered) = days.fold((0_u128, 0_u128), |(expected, covered), day| {
        (
            expected + u128::from(day.expected),
            covered + u128::from(day.covered),
        )
    });
    (expected > 0).then(|| covered as f64 / expected as f64)
}

impl Picture {
    /// What is known of series in a range, which must be bounded, at each of the intervals; of `limit` series at most.
    ///
    /// # Errors
    /// As [`TableCoverage::gaps`].
    pub fn new(
        coverage: &TableCoverage,
        series: &[Option<String>],
        intervals: &[i64],
        range: Range<i64>,
        limit: usize,
    ) -> Result<Self> {
        let mut lines = Vec::new();
        for series in series.iter().take(limit) {
            lines.extend(lines_of(coverage, series.as_deref(), intervals, range.clone())?);
        }
        Ok(Self {
            table: coverage.meta().name.clone(),
            range,
            lines,
            left_out: series.len().saturating_sub(limit),
            has_intervals: intervals.len() > 1,
        })
    }
}

/// The intervals of which something is known; no grid where nothing is.
pub fn known_intervals(coverage: &TableCoverage) -> Vec<i64> {
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
) -> Result<Vec<Line>> {
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
) -> Result<Line> {
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
        missing: missing.iter().map(gapless_engine::Gap::range).collect(),
        days: coverage.completeness(&query)?,
    })
}
