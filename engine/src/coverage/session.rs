//! Live sessions: a writer that follows a source says how far it has come.
//!
//! - Everything from the session's start to its watermark is covered, in state `live`; nothing after it is. So a crash, a
//!   disconnect or a pause leaves a gap without anybody's doing.
//! - Each commit covers what lies between the last watermark and the new one, with the rows that it is about; a heartbeat does
//!   so where there are none. Nothing is said twice, so what is deleted or found lost behind the watermark stays so.
//! - When the session is closed, or its process is gone, what it covered reads as complete, up to the same watermark. Nothing
//!   is committed for that: other processes see `live` until the process has ended.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, RecordBatch};
use gapless_format::CoverageState;

use super::attest::Attestation;
use super::duration::{IntoInterval, duration_text};
use super::intervals::Grid;
use super::query::instant;
use crate::database::{Durability, series_domain};
use crate::error::{Error, Result};
use crate::stream::PreparedRows;
use crate::table::Table;
use crate::write::AppendReport;

/// How the batch of what a session states begins; the stream's id in hexadecimal digits follows.
const BATCH: &str = "session ";

/// How far the clocks of a source and of this machine may differ, unless told otherwise: a minute.
const AHEAD_MAX: i64 = 60_000_000_000;

/// Numbers sessions of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The batch of what session `number` of a stream states.
fn session_batch(stream: u64, number: u64) -> String {
    format!("{BATCH}{stream:016x}-{number}")
}

/// The stream and the number of the session that a batch names.
pub(crate) fn session_of(batch: &str) -> Option<(u64, u64)> {
    let (stream, number) = batch.strip_prefix(BATCH)?.split_once('-')?;
    Some((u64::from_str_radix(stream, 16).ok()?, number.parse().ok()?))
}

/// A session that is to be opened.
#[derive(Debug)]
pub struct SessionBuilder {
    table: Table,
    series: Option<String>,
    interval: Result<i64>,
    source: String,
    start: Option<i64>,
    durability: Option<Durability>,
    ahead_max: i64,
}

impl SessionBuilder {
    /// Of one series; without, what it says is about every series of the table, also those that come later.
    #[must_use]
    pub fn series(mut self, series: impl Into<String>) -> Self {
        self.series = Some(series.into());
        self
    }

    /// The grid step of its rows: nanoseconds, a duration or text such as `"1m"`; without, rows are on no grid.
    #[must_use]
    pub fn interval(mut self, interval: impl IntoInterval) -> Self {
        self.interval = interval.into_interval();
        self
    }

    /// Who says so.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// From when on the source is followed, nanoseconds since the epoch; without, from now.
    #[must_use]
    pub fn start(mut self, start: i64) -> Self {
        self.start = Some(start);
        self
    }

    /// How durable its commits are; without, as the database is opened for.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// How far ahead of the clock a row or a heartbeat may be, in nanoseconds: a minute unless told otherwise; `i64::MAX` for
    /// sources whose time is not that of the clock.
    #[must_use]
    pub fn ahead_max(mut self, ns: i64) -> Self {
        self.ahead_max = ns;
        self
    }

    /// Opens it. Nothing is covered yet. On a grid it begins with the first whole slot.
    ///
    /// # Errors
    /// `Invalid` when the database is open for reading, or the interval is no length of time; `Io`.
    pub fn open(self) -> Result<LiveSession> {
        let engine = self.table.database().engine();
        self.table.database().check_writable()?;
        let interval = self.interval?;
        let start = self.start.unwrap_or_else(|| engine.now_ns());
        let start = match interval {
            0 => start,
            interval => Grid::new(interval)?.ceil(start),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let batch = session_batch(engine.stream_id()?, number);
        engine.open_sessions().lock().insert(number);
        Ok(LiveSession {
            number,
            table: self.table,
            said: Attestation {
                series: self.series,
                interval,
                range: start..start,
                state: CoverageState::Live,
                source: self.source,
                batch,
                ..Attestation::new(0..0)
            },
            durability: self.durability,
            ahead_max: self.ahead_max,
        })
    }
}

/// A writer that follows a source. Dropped, it is closed at its watermark.
#[derive(Debug)]
pub struct LiveSession {
    table: Table,
    number: u64,
    /// What the last commit has covered, up to the watermark.
    said: Attestation,
    durability: Option<Durability>,
    ahead_max: i64,
}

impl Table {
    /// Opens a live session: a writer that says how far it has followed its source.
    ///
    /// ```no_run
    /// # fn follow(db: gapless_engine::Database, batch: arrow_array::RecordBatch) -> Result<(), gapless_engine::Error> {
    /// let mut session = db.table("trade")?.session().series("AAPL").source("feed").open()?;
    /// session.append(&batch)?; // covered up to the last of its times
    /// session.heartbeat(1_795_179_600_000_000_000)?; // nothing more until then
    /// session.close();
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(&self) -> SessionBuilder {
        SessionBuilder {
            table: self.clone(),
            series: None,
            interval: Ok(0),
            source: String::new(),
            start: None,
            durability: None,
            ahead_max: AHEAD_MAX,
        }
    }
}

impl LiveSession {
    /// The time up to which it covers: the first that is not.
    pub fn watermark(&self) -> i64 {
        self.said.range.end
    }

    /// Its series; `None` for every series of the table.
    pub fn series(&self) -> Option<&str> {
        self.said.series.as_deref()
    }

    /// The grid step of its rows in nanoseconds; 0 for none.
    pub fn interval(&self) -> i64 {
        self.said.interval
    }

    /// Nanoseconds from the watermark to now, by the clock of the database; 0 when it is ahead.
    pub fn staleness_ns(&self) -> i64 {
        let now = self.table.database().engine().now_ns();
        now.saturating_sub(self.watermark()).max(0)
    }

    /// Appends rows and covers everything up to the last of their times, in one commit: on a grid to the end of its slot, else
    /// to the time itself, since more rows may come that have it.
    ///
    /// # Errors
    /// As [`Table::append`]; `Invalid` for rows of another series than the session's, or a time that lies further ahead of the
    /// clock than [`SessionBuilder::ahead_max`]. Nothing was written then, and the watermark has not moved.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<AppendReport> {
        let rows = self.table.prepare(batch)?;
        self.check_series(&rows)?;
        let last = rows.iter().filter_map(PreparedRows::last_time).max();
        last.map_or(Ok(()), |last| self.check_ahead("a row", last))?;
        let until = last.map_or(Ok(self.watermark()), |last| self.slot_end(last))?;
        self.commit(rows, until)
    }

    /// Says that the source has been followed up to a time, whether rows came or not. An earlier time than the watermark
    /// changes nothing.
    ///
    /// # Errors
    /// As [`LiveSession::append`].
    pub fn heartbeat(&mut self, until: i64) -> Result<()> {
        if until <= self.watermark() {
            return Ok(());
        }
        self.check_ahead("a heartbeat", until)?;
        let until = match self.said.interval {
            0 => until,
            // A slot that has begun is not over.
            interval => Grid::new(interval)?.floor(until),
        };
        self.commit(Vec::new(), until).map(|_| ())
    }

    /// Rows of another series do not say how far this one was followed.
    fn check_series(&self, rows: &[PreparedRows]) -> Result<()> {
        let Some(name) = self.series() else {
            return Ok(());
        };
        let meta = self.table.meta()?;
        let Some(column) = meta.series_column.and_then(|id| meta.column(id)) else {
            return Ok(());
        };
        let engine = self.table.database().engine();
        let code = engine
            .encode_symbols(series_domain(&meta)?, &[name])?
            .first()
            .copied();
        let is_ours = |rows: &PreparedRows| {
            let columns = rows.columns.iter().filter(|it| it.column_id == column.column_id);
            columns.into_iter().all(|column| {
                let codes = column.array.as_primitive::<UInt32Type>();
                codes.null_count() == 0 && codes.values().iter().all(|other| Some(*other) == code)
            })
        };
        match rows.iter().all(is_ours) {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "a session of series {name:?} of table {:?} was given rows of another series: open a session for each, or one \
                 without a series that speaks for all",
                meta.name
            ))),
        }
    }

    /// A time that no clock has reached was followed by nobody: one bad row would cover all outages that come.
    fn check_ahead(&self, what: &str, time: i64) -> Result<()> {
        let now = self.table.database().engine().now_ns();
        match time.saturating_sub(now) <= self.ahead_max {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "{what} at {} of a session of table {:?} lies further ahead of the clock, which shows {}, than {}: mend its time, or \
                 let the session run ahead of the clock",
                instant(time),
                self.table.name(),
                instant(now),
                duration_text(self.ahead_max)
            ))),
        }
    }

    /// Closes it: what it covered is complete. Dropping it does the same.
    pub fn close(self) {}

    /// The time up to which a row is followed: the end of its slot, or its own time without a grid.
    fn slot_end(&self, time: i64) -> Result<i64> {
        match self.said.interval {
            0 => Ok(time),
            interval => Ok(Grid::new(interval)?.floor(time).saturating_add(interval)),
        }
    }

    fn commit(&mut self, rows: Vec<PreparedRows>, until: i64) -> Result<AppendReport> {
        let range = self.watermark()..until.max(self.watermark());
        let said = Attestation {
            range: range.clone(),
            ..self.said.clone()
        };
        let is_new = range.start < range.end;
        let report = self
            .table
            .append_prepared(rows, is_new.then_some(said), self.durability)?;
        self.said.range = range;
        Ok(report)
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        let engine = self.table.database().engine();
        engine.open_sessions().lock().remove(&self.number);
    }
}
