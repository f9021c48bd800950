//! What a writer says of a range, before it is committed.

use std::ops::Range;

use gapless_format::{Coverage, CoverageState, TableMeta};

use crate::database::{Engine, series_domain};
use crate::error::{Error, Result};

/// What a writer attests of a range of a series: committed with the rows it is about, and never checked against them.
///
/// ```
/// use gapless_engine::{Attestation, CoverageState};
/// let said = Attestation::new(0..3_600_000_000_000).series("AAPL").interval(60_000_000_000).source("vendor");
/// assert_eq!(said.state, CoverageState::Complete);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The series; `None` for every series of the table, also later ones, or for a table without series.
    pub series: Option<String>,
    /// Grid step in nanoseconds; 0 for rows on no grid.
    pub interval: i64,
    /// The range, half-open: nanoseconds since the epoch; `i64::MAX` for no end.
    pub range: Range<i64>,
    /// What is known of it.
    pub state: CoverageState,
    /// Rows that the source gave, if that is known.
    pub rows: Option<u64>,
    /// Sum of the checksums of these rows, modulo 2^64; 0 when that is not known.
    pub content: u64,
    /// When they were fetched: nanoseconds since the epoch; `None` for now.
    pub fetched_at: Option<i64>,
    /// Who says so.
    pub source: String,
    /// The batch it comes with.
    pub batch: String,
}

impl Attestation {
    /// That a range is complete: every series, on no grid, from no source, unless it is said otherwise.
    #[must_use]
    pub fn new(range: Range<i64>) -> Self {
        Self {
            series: None,
            interval: 0,
            range,
            state: CoverageState::Complete,
            rows: None,
            content: 0,
            fetched_at: None,
            source: String::new(),
            batch: String::new(),
        }
    }

    /// Of one series.
    #[must_use]
    pub fn series(mut self, series: impl Into<String>) -> Self {
        self.series = Some(series.into());
        self
    }

    /// On a grid with this step in nanoseconds; 0 for none.
    #[must_use]
    pub fn interval(mut self, interval: i64) -> Self {
        self.interval = interval;
        self
    }

    /// What is known.
    #[must_use]
    pub fn state(mut self, state: CoverageState) -> Self {
        self.state = state;
        self
    }

    /// Who says so.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// The batch it comes with.
    #[must_use]
    pub fn batch(mut self, batch: impl Into<String>) -> Self {
        self.batch = batch.into();
        self
    }

    /// Refuses what cannot be right.
    ///
    /// # Errors
    /// `Invalid` for an empty range or a negative interval.
    fn check(&self) -> Result<()> {
        if self.range.start >= self.range.end {
            return Err(Error::invalid(format!(
                "coverage from {} to {}: the range is empty; give a start before its end",
                self.range.start, self.range.end
            )));
        }
        if self.interval < 0 {
            return Err(Error::invalid(format!(
                "coverage with interval {}: give nanoseconds, or 0 for rows on no grid",
                self.interval
            )));
        }
        Ok(())
    }

    /// As it is committed to a table; a series that is new gets a code.
    ///
    /// # Errors
    /// `Invalid` for what cannot be right; `Io`.
    pub(crate) fn resolve(self, engine: &Engine, table: &TableMeta) -> Result<Coverage> {
        self.check()?;
        let series = match &self.series {
            None => None,
            Some(name) => engine
                .encode_symbols(series_domain(table)?, &[name])?
                .first()
                .copied(),
        };
        Ok(self.into_coverage(table.table, series, engine.now_ns()))
    }

    fn into_coverage(self, table: u32, series: Option<u32>, now: i64) -> Coverage {
        Coverage {
            table,
            series,
            interval: Some(self.interval),
            start: self.range.start,
            end: self.range.end,
            state: self.state,
            rows: self.rows,
            content: self.content,
            fetched_at: self.fetched_at.unwrap_or(now),
            source: self.source,
            batch: self.batch,
        }
    }
}

/// That nothing is known any more of a range of a series, or of all: what was said of it was about rows that are gone.
pub(crate) fn taken_back(table: u32, series: Option<u32>, range: &Range<i64>, now: i64) -> Coverage {
    Coverage {
        table,
        series,
        interval: None,
        start: range.start,
        end: range.end,
        state: CoverageState::Unknown,
        rows: None,
        content: 0,
        fetched_at: now,
        source: String::new(),
        batch: String::new(),
    }
}
