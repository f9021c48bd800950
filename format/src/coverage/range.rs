//! One statement of coverage.

use crate::bytes::{Reader, Writer, tags};
use crate::error::FormatError;

/// Stored in place of an interval by a statement that is about all of them.
pub(super) const EVERY_INTERVAL: i64 = -1;

/// What a source has said of a range of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Id of the table.
    pub table: u32,
    /// Code of the series; `None` for every series of the table, or for a table without series.
    pub series: Option<u32>,
    /// Grid step in nanoseconds, 0 for none; `None` for every interval.
    pub interval: Option<i64>,
    /// First time of the range.
    pub start: i64,
    /// First time after it; `i64::MAX` for no end.
    pub end: i64,
    /// What is known.
    pub state: CoverageState,
    /// Rows that the source gave for the range; `None` when that is not known.
    pub rows: Option<u64>,
    /// Sum of the checksums of these rows, modulo 2^64; 0 when that is not known.
    pub content: u64,
    /// When they were fetched: nanoseconds since the epoch.
    pub fetched_at: i64,
    /// Who said so.
    pub source: String,
    /// The batch it came with.
    pub batch: String,
}

/// What is known of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CoverageState {
    /// All rows of the source are here.
    Complete,
    /// The source has nothing.
    Empty,
    /// Nothing can be there: not listed, market closed.
    NotApplicable,
    /// Truncated or degraded.
    Partial,
    /// A session is writing.
    Live,
    /// Removed by retention.
    Expired,
    /// Found corrupt.
    Lost,
    /// Nothing is known any more: what was said before is taken back.
    Unknown,
}
tags!(CoverageState {
    Complete = 0, Empty = 1, NotApplicable = 2, Partial = 3, Live = 4, Expired = 5, Lost = 6, Unknown = 7
});

impl CoverageState {
    /// `complete`, `empty`, `not_applicable`, `partial`, `live`, `expired`, `lost` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Empty => "empty",
            Self::NotApplicable => "not_applicable",
            Self::Partial => "partial",
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

impl Coverage {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.table);
        writer.optional_id(self.series);
        writer.bool(self.series.is_some());
        writer.i64(self.interval.unwrap_or(EVERY_INTERVAL));
        writer.i64(self.start);
        writer.i64(self.end);
        writer.u8(self.state.tag());
        writer.u64(self.rows.unwrap_or(u64::MAX));
        writer.u64(self.content);
        writer.i64(self.fetched_at);
        writer.string(&self.source);
        writer.string(&self.batch);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let table = reader.u32("table id")?;
        let series = decode_series(reader)?;
        let interval = decode_interval(reader)?;
        let (start, end) = (reader.i64("start")?, reader.i64("end")?);
        if start >= end {
            return Err(FormatError::corrupt(
                offset,
                format!("coverage: found times {start} to {end}, expected them in order"),
            ));
        }
        Ok(Self {
            table,
            series,
            interval,
            start,
            end,
            state: reader.tag(CoverageState::from_tag, "coverage state")?,
            rows: Some(reader.u64("rows")?).filter(|rows| *rows != u64::MAX),
            content: reader.u64("content checksum")?,
            fetched_at: reader.i64("fetch time")?,
            source: reader.string("source")?.to_owned(),
            batch: reader.string("batch")?.to_owned(),
        })
    }
}

/// A code and whether it counts: rows without a series have the code `u32::MAX` too.
pub(crate) fn decode_series(reader: &mut Reader<'_>) -> Result<Option<u32>, FormatError> {
    let code = reader.u32("series")?;
    let offset = reader.offset();
    match (reader.bool("has series")?, code) {
        (true, code) => Ok(Some(code)),
        (false, u32::MAX) => Ok(None),
        (false, found) => Err(FormatError::corrupt(
            offset,
            format!("series: found {found} for every series, expected {}", u32::MAX),
        )),
    }
}

pub(super) fn decode_interval(reader: &mut Reader<'_>) -> Result<Option<i64>, FormatError> {
    let offset = reader.offset();
    match reader.i64("interval")? {
        EVERY_INTERVAL => Ok(None),
        interval if interval >= 0 => Ok(Some(interval)),
        found => Err(FormatError::corrupt(
            offset,
            format!("interval: found {found}, expected nanoseconds, 0 or {EVERY_INTERVAL}"),
        )),
    }
}
