//! Which ranges of which series a verb is about: the options that all verbs of coverage share.

use std::path::PathBuf;

use clap::Args;
use gapless::{CoverageState, GapQuery, TableCoverage};

use crate::bounds::time_bounds;
use crate::error::CliError;
use crate::options::{instant, interval};
use crate::render;

/// Which ranges of a table.
#[derive(Debug, Clone, Args)]
pub(crate) struct Asked {
    /// The database's directory.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The table.
    #[arg(value_name = "TABLE")]
    pub(crate) table: String,
    /// Only this series; may be given more than once.
    #[arg(long, value_name = "SERIES")]
    pub(crate) series: Vec<String>,
    /// The grid step of the rows, such as 1m; none for rows on no grid [default: the one that the coverage has].
    #[arg(long, value_name = "STEP", value_parser = interval)]
    pub(crate) interval: Option<i64>,
    /// From this time on [default: the table's first row or known range].
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    pub(crate) start: Option<i64>,
    /// Before this time [default: the end of the table's last row or known range].
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    pub(crate) end: Option<i64>,
}

impl Asked {
    /// The question for gaps in a range.
    pub(crate) fn query(&self, (start, end): (i64, i64)) -> GapQuery {
        let mut query = GapQuery::new(start, end);
        if !self.series.is_empty() {
            query = query.series(self.series.iter().cloned());
        }
        match self.interval {
            Some(interval) => query.interval(interval),
            None => query,
        }
    }

    /// The interval that is meant: the given one, or the only one that is known.
    pub(crate) fn interval(&self, coverage: &TableCoverage) -> Result<i64, CliError> {
        let known = coverage.intervals();
        if self.interval.is_none() && known.len() > 1 {
            let name = |interval: &i64| match interval {
                0 => "no grid".to_owned(),
                interval => gapless::duration_text(*interval),
            };
            let names: Vec<String> = known.iter().map(name).collect();
            return Err(CliError::invalid(format!(
                "table {:?} has coverage at {}: say which is meant",
                self.table,
                names.join(", ")
            ))
            .hint("give --interval, none for no grid"));
        }
        Ok(coverage.interval(&self.query((0, 0)))?)
    }

    /// What is to be said of a range without a gap: that there is none, or that none is looked for.
    pub(crate) fn no_gaps(&self, coverage: &TableCoverage, range: (i64, i64)) -> Result<String, CliError> {
        let interval = self.interval(coverage)?;
        let between = format!(
            "from {} to {}",
            render::instant(range.0),
            render::instant(range.1)
        );
        for series in series_of(self, coverage)? {
            let expected = coverage.expected_ranges(series.as_deref(), range.0..range.1)?;
            if expected.iter().any(|range| has_slot(range, interval)) {
                return Ok(format!("no gaps {between}"));
            }
        }
        let interval = match interval {
            0 => "on no grid".to_owned(),
            interval => format!("at {}", gapless::duration_text(interval)),
        };
        Ok(format!(
            "nothing is expected {between} {interval}: no slot of any series begins there, in its calendar and its life"
        ))
    }

    /// The range that is meant; `None` where it is not given and the table has neither rows nor coverage.
    pub(crate) fn range(&self, coverage: &TableCoverage) -> Result<Option<(i64, i64)>, CliError> {
        let (start, end) = match (self.start, self.end) {
            (Some(start), Some(end)) => (start, end),
            (start, end) => {
                let Some(known) = self.known(coverage)? else {
                    return Ok(None);
                };
                (start.unwrap_or(known.0), end.unwrap_or(known.1))
            }
        };
        match start < end {
            true => Ok(Some((start, end))),
            false => Err(CliError::invalid(format!(
                "the range from {} to {} is empty: --start must be before --end",
                render::instant(start),
                render::instant(end)
            ))),
        }
    }

    /// As [`Asked::range`]; that there is none is an error.
    pub(crate) fn some_range(&self, coverage: &TableCoverage) -> Result<(i64, i64), CliError> {
        self.range(coverage)?.ok_or_else(|| {
            CliError::invalid(format!(
                "table {:?} has neither rows nor coverage, so it does not say which range is meant",
                self.table
            ))
            .hint("give --start and --end")
        })
    }

    /// From the first row or known range to the last.
    fn known(&self, coverage: &TableCoverage) -> Result<Option<(i64, i64)>, CliError> {
        let step = self.interval(coverage).unwrap_or(0);
        // Whole slots: from the one that the first row lies in to the end of that of the last.
        let slot = |time: i64| match step {
            0 => time,
            step => time.saturating_sub(time.rem_euclid(step)),
        };
        let rows = time_bounds(coverage.snapshot(), &self.table)?
            .map(|(first, last)| (slot(first), slot(last).saturating_add(step.max(1))));
        let is_of_rows = |state| !matches!(state, CoverageState::Expired | CoverageState::Unknown);
        let mut bounds = rows;
        for (_, _, range) in coverage.all_ranges(i64::MIN..i64::MAX) {
            if !is_of_rows(range.state) {
                continue;
            }
            // What has no beginning or no end says nothing about where rows are.
            let start = if range.start == i64::MIN {
                range.end
            } else {
                range.start
            };
            let end = if range.end == i64::MAX { start } else { range.end };
            bounds = Some(bounds.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
        }
        Ok(bounds.filter(|(first, last)| first < last))
    }
}

/// The series that are asked for, by text; one of none in a table without series.
pub(crate) fn series_of(asked: &Asked, coverage: &TableCoverage) -> Result<Vec<Option<String>>, CliError> {
    let mut series: Vec<Option<String>> = match (asked.series.as_slice(), coverage.meta().series_column) {
        ([], None) => vec![None],
        ([], Some(_)) => coverage.series()?.into_iter().map(Some).collect(),
        (named, Some(_)) => named.iter().cloned().map(Some).collect(),
        (_, None) => {
            return Err(CliError::invalid(format!(
                "table {:?} has no series column, so --series selects nothing",
                asked.table
            )));
        }
    };
    series.sort_unstable();
    series.dedup();
    Ok(series)
}

/// Whether a slot begins in a range.
fn has_slot(range: &std::ops::Range<i64>, interval: i64) -> bool {
    let wait = match interval {
        0 => 0,
        interval => (-i128::from(range.start)).rem_euclid(i128::from(interval)),
    };
    i128::from(range.start) + wait < i128::from(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_slot_if_one_begins_in_it() {
        for (start, end, interval, has) in [
            (0, 1, 10, true),
            (1, 10, 10, false),
            (1, 11, 10, true),
            (-5, 1, 10, true),
            (-9, 0, 10, false),
            (3, 4, 0, true),
            (3, 3, 0, false),
            (i64::MIN, i64::MAX, 10, true),
        ] {
            assert_eq!(
                has_slot(&(start..end), interval),
                has,
                "{start}..{end} at {interval}"
            );
        }
    }
}
