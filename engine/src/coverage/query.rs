//! What gaps are asked for, and what is found.

use std::fmt;
use std::ops::Range;

use super::duration::{IntoInterval, duration_text};
use crate::error::Result;

/// Which gaps are asked for.
///
/// ```
/// use gapless_engine::GapQuery;
/// let query = GapQuery::new(0, 86_400_000_000_000).series(["AAPL"]).interval("1m");
/// ```
#[derive(Debug, Clone)]
pub struct GapQuery {
    pub(crate) range: Range<i64>,
    pub(crate) series: Option<Vec<String>>,
    pub(crate) interval: Option<Result<i64>>,
}

impl GapQuery {
    /// The gaps in `start..end`, nanoseconds since the epoch, of all series of the table.
    #[must_use]
    pub fn new(start: i64, end: i64) -> Self {
        Self {
            range: start..end,
            series: None,
            interval: None,
        }
    }

    /// Of these series only, also where the table has nothing of them.
    #[must_use]
    pub fn series<S: Into<String>>(mut self, series: impl IntoIterator<Item = S>) -> Self {
        self.series = Some(series.into_iter().map(Into::into).collect());
        self
    }

    /// Of this grid step: nanoseconds, a [`std::time::Duration`] or text such as `"1m"`; 0 for rows on no grid. Left out, it
    /// is the one that the table's coverage has.
    #[must_use]
    pub fn interval(mut self, interval: impl IntoInterval) -> Self {
        self.interval = Some(interval.into_interval());
        self
    }
}

/// A longest range that is expected and not covered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gap {
    /// The series; `None` in a table without series.
    pub series: Option<String>,
    /// First time: nanoseconds since the epoch; a slot of the grid, if there is one.
    pub start: i64,
    /// First time after it.
    pub end: i64,
    /// Grid step in nanoseconds; 0 for rows on no grid.
    pub interval: i64,
}

impl Gap {
    /// The range.
    pub fn range(&self) -> Range<i64> {
        self.start..self.end
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(series) = &self.series {
            write!(f, "{series:?} ")?;
        }
        write!(f, "from {} to {}", instant(self.start), instant(self.end))?;
        match self.interval {
            0 => Ok(()),
            interval => write!(f, " at {}", duration_text(interval)),
        }
    }
}

/// A time for people: ISO 8601 in UTC.
pub(crate) fn instant(ns: i64) -> String {
    match ns {
        i64::MIN => "the beginning".to_owned(),
        i64::MAX => "the end".to_owned(),
        ns => jiff::Timestamp::from_nanosecond(i128::from(ns))
            .map_or_else(|_| ns.to_string(), |at| at.to_string()),
    }
}

/// How much of what is expected of a series in a range is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completeness {
    /// The series; `None` in a table without series.
    pub series: Option<String>,
    /// First time of the range.
    pub start: i64,
    /// First time after it.
    pub end: i64,
    /// Slots of the grid that are expected; nanoseconds without a grid.
    pub expected: u64,
    /// Those of them that are covered.
    pub covered: u64,
}

impl Completeness {
    /// From 0 to 1; 1 where nothing is expected.
    pub fn ratio(&self) -> f64 {
        match self.expected {
            0 => 1.0,
            expected => self.covered as f64 / expected as f64,
        }
    }
}
