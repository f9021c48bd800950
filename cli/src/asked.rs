//! Which ranges of which series a verb is about: the options that all verbs of coverage share.

use std::path::PathBuf;

use clap::Args;
use gapless::{CoverageState, GapQuery, TableCoverage};

use crate::bounds::time_bounds;
use crate::error::CliError;
use crate::options::{instant, interval};

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
        Ok(coverage.interval(&self.query((0, 0)))?)
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
                crate::render::instant(start),
                crate::render::instant(end)
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
        let slot_end = |last: i64| match step {
            0 => last.saturating_add(1),
            step => last.saturating_sub(last.rem_euclid(step)).saturating_add(step),
        };
        let rows =
            time_bounds(coverage.snapshot(), &self.table)?.map(|(first, last)| (first, slot_end(last)));
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
