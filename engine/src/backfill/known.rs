//! What another table knows of a range: where its rows are all there are.

use std::ops::Range;

use gapless_format::CoverageState;

use crate::coverage::TableCoverage;
use crate::coverage::intervals::Intervals;
use crate::error::Result;

/// The parts of a range in which the rows of a series are all there are: covered, and not expired, or outside of the times in
/// which rows are expected.
pub(super) fn known(
    coverage: &TableCoverage,
    series: Option<&str>,
    interval: i64,
    range: &Range<i64>,
) -> Result<Intervals> {
    use CoverageState as S;
    let ranges = coverage.ranges(series, interval, range.clone())?;
    let is_all = |state: S| matches!(state, S::Complete | S::Empty | S::NotApplicable | S::Live);
    let covered: Intervals = ranges
        .iter()
        .filter(|known| is_all(known.state))
        .map(|known| known.start..known.end)
        .collect();
    let gone: Intervals = ranges
        .iter()
        .filter(|known| !is_all(known.state))
        .map(|known| known.start..known.end)
        .collect();
    let expected: Intervals = coverage
        .expected_on(series, interval, range)?
        .into_iter()
        .collect();
    let closed = Intervals::single(range.clone()).difference(&expected);
    Ok(covered.union(&closed.difference(&gone)))
}
