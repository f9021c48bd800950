//! A subscription: polls for what is new, and waits for it.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::delta::{self, Delta};
use super::position::{Position, Reached, short_id};
use super::replay::Replay;
use super::source::chunks;
use crate::database::{Database, PinGuard, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::scan::{Output, Scan};

/// Rows in one batch.
const BATCH_ROWS: usize = 65_536;
/// How long to wait before looking for what other processes have committed: first, and at most.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Rows that were committed.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The rows, in the schema that the table has now.
    pub batch: RecordBatch,
    /// Time of the oldest commit in it. Of rows that were stored before the subscription began: at the latest.
    pub first_commit: i64,
    /// Time of the newest commit in it.
    pub last_commit: i64,
    /// The position behind these rows.
    pub position: Position,
}

/// What is committed to a table from some position on, each row once, in the order of commits.
///
/// From the beginning it first gives the rows that are stored, in the order in which they lie, and then goes on with
/// what is committed later. Commits come by their time, and those of one stream in their order. Small commits come
/// together in one batch; one that is larger than a batch is split, anything else is whole in its batch.
///
/// Rows come as soon as scans see them, which may be before they are durable. Deletions are not delivered.
///
/// The files that it has not read yet stay on disk as long as it is there. To go on later, in this process or another,
/// keep [`Committed::position`] with what was made of the rows.
#[derive(Debug)]
pub struct Subscription {
    database: Database,
    table: String,
    table_id: u32,
    batch_rows: usize,
    at: Reached,
    /// What is behind the position stays.
    pin: Pinned,
    run: Option<Run>,
    /// The position was saved, and it was not checked yet that everything behind it is there.
    is_unchecked: bool,
    failed: Option<Error>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for what their drop lets go")]
enum Pinned {
    Version(PinGuard),
    Snapshot(Snapshot),
}

/// Rows up to a snapshot.
#[derive(Debug)]
struct Run {
    snapshot: Snapshot,
    output: Output,
    rows: RunRows,
}

#[derive(Debug)]
enum RunRows {
    Stored(Replay),
    Committed(Box<Delta>),
}

impl Subscription {
    pub(crate) fn new(database: Database, table: &str, from: Option<Position>) -> Result<Self> {
        let engine = database.engine();
        let snapshot = Snapshot::newest(engine)?;
        let table_id = snapshot.table(table)?.meta().table;
        let mut subscription = Self {
            table: table.to_owned(),
            table_id,
            batch_rows: BATCH_ROWS,
            at: Reached::flushed_of(&snapshot, table_id),
            pin: Pinned::Snapshot(snapshot),
            run: None,
            is_unchecked: false,
            failed: None,
            database,
        };
        match from.and_then(|position| position.0) {
            None => subscription.begin_replay()?,
            Some(at) => subscription.resume(at)?,
        }
        Ok(subscription)
    }

    /// Rows in one batch at most, but for what is said of it above; 65,536 unless told otherwise.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// The position behind what was delivered.
    pub fn position(&self) -> Position {
        Position(Some(self.at.clone()))
    }

    /// The next rows, if there are any now. Never waits.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Conflict` when rows behind a saved position can no longer be told from
    /// those before it; `Corrupt` or `Io` when they cannot be read. It ends with an error: every later call gives the
    /// same.
    pub fn poll(&mut self) -> Result<Option<Committed>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outcome = self.advance();
        self.failed = outcome.as_ref().err().cloned();
        outcome
    }

    /// The next rows; `None` when there are none in time.
    ///
    /// Commits of this process wake it at once. Those of other processes are seen after 20 ms at most.
    ///
    /// # Errors
    /// As [`Subscription::poll`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use arrow_array::{Int64Array, RecordBatch, TimestampNanosecondArray};
    /// use arrow_schema::{DataType, Field, Schema, TimeUnit};
    /// use gapless_engine::{Database, TableSpec};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let db = Database::builder(directory.path().join("market.db")).open()?;
    /// let schema = Schema::new(vec![
    ///     Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
    ///     Field::new("size", DataType::Int64, false),
    /// ]);
    /// let trades = db.create_table(&TableSpec::new("trade", schema.clone()).time("ts"))?;
    /// let mut new = trades.subscribe(None)?;
    /// assert!(new.next(Duration::ZERO)?.is_none());
    ///
    /// trades.append(&RecordBatch::try_new(Arc::new(schema), vec![
    ///     Arc::new(TimestampNanosecondArray::from(vec![1, 2]).with_timezone("UTC")),
    ///     Arc::new(Int64Array::from(vec![100, 200])),
    /// ])?)?;
    /// let committed = new.next(Duration::from_secs(1))?.expect("two rows");
    /// assert_eq!(committed.batch.num_rows(), 2);
    ///
    /// // Kept as text with what was made of the rows, and gone on from, in any process.
    /// let saved = committed.position.to_string();
    /// let mut later = trades.subscribe(Some(saved.parse()?))?;
    /// assert!(later.poll()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Committed>> {
        let until = Instant::now().checked_add(timeout);
        let mut pause = PAUSE_MIN;
        loop {
            let seen = self.database.engine().signal().seen();
            if let Some(committed) = self.poll()? {
                return Ok(Some(committed));
            }
            let left = until.map_or(PAUSE_MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            self.database.engine().signal().wait(seen, pause.min(left));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn advance(&mut self) -> Result<Option<Committed>> {
        loop {
            if let Some(run) = &mut self.run {
                if let Some(committed) = run.next(&self.table, self.batch_rows, &mut self.at)? {
                    return Ok(Some(committed));
                }
                self.finish_run()?;
            }
            if !self.begin_run()? {
                return Ok(None);
            }
        }
    }

    /// Everything up to a snapshot is delivered: what is older may go. What is stored was that of the position's
    /// version, which stays pinned.
    fn finish_run(&mut self) -> Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        if let RunRows::Committed(delta) = &run.rows {
            self.at = delta.end()?;
            self.pin = Pinned::Snapshot(run.snapshot);
        }
        Ok(())
    }

    /// Looks for what is new. False when there is nothing.
    fn begin_run(&mut self) -> Result<bool> {
        let snapshot = Snapshot::newest(self.database.engine())?;
        let scan = self.scan(&snapshot)?;
        if self.is_unchecked {
            delta::check_resumable(snapshot.version(), &self.at, &scan.table)?;
            self.is_unchecked = false;
        }
        let delta = Delta::new(&snapshot, &self.at, &scan.table)?;
        let is_empty = delta.is_done();
        if is_empty {
            self.at = delta.end()?;
            self.pin = Pinned::Snapshot(snapshot);
        } else {
            self.run = Some(Run::new(snapshot, &scan, RunRows::Committed(Box::new(delta)))?);
        }
        Ok(!is_empty)
    }

    fn begin_replay(&mut self) -> Result<()> {
        let snapshot = match &self.pin {
            Pinned::Snapshot(snapshot) => snapshot.clone(),
            Pinned::Version(_) => Snapshot::newest(self.database.engine())?,
        };
        let scan = self.scan(&snapshot)?;
        let replay = Replay::new(&snapshot, &mut self.at, &scan.table)?;
        if self.at.replay.is_some() {
            self.run = Some(Run::new(snapshot, &scan, RunRows::Stored(replay))?);
        }
        Ok(())
    }

    /// Goes on from a saved position.
    fn resume(&mut self, at: Reached) -> Result<()> {
        let engine = self.database.engine();
        if at.database != short_id(engine.database()) {
            return Err(Error::invalid("the position is one of another database"));
        }
        if at.table != self.table_id {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "the position is one of table id {}, and table {:?} has id {}: it was dropped and made again, or \
                     the position is one of another table",
                    at.table, self.table, self.table_id
                ),
            ));
        }
        if at.version > self.at.version {
            return Err(Error::invalid(format!(
                "the position is at version {}, the database only at {}: an older copy was put in its place",
                at.version, self.at.version
            )));
        }
        // Pinned before it is looked what is still there.
        self.pin = Pinned::Version(engine.pins().pin_older(at.version)?);
        self.at = at;
        if self.at.replay.is_some() {
            self.begin_replay()?;
        }
        self.is_unchecked = true;
        Ok(())
    }

    fn scan(&self, snapshot: &Snapshot) -> Result<Scan> {
        let scan = Scan::new(snapshot.clone(), &self.table)?;
        if scan.meta().table == self.table_id {
            return Ok(scan);
        }
        Err(Error::not_found(format!(
            "table {:?} was dropped, and made again: subscribe to the new one",
            self.table
        )))
    }
}

impl Run {
    fn new(snapshot: Snapshot, scan: &Scan, rows: RunRows) -> Result<Self> {
        let projection = scan.projection()?;
        let output = Output::new(scan, projection.clone(), projection, None, None)?;
        Ok(Self {
            snapshot,
            output,
            rows,
        })
    }

    /// The next batch; `at` moves behind it.
    fn next(&mut self, table: &str, rows: usize, at: &mut Reached) -> Result<Option<Committed>> {
        let cache = self.snapshot.engine().cache();
        let (chunks, commits) = match &mut self.rows {
            RunRows::Stored(replay) => replay.take(cache, table, rows, at)?,
            RunRows::Committed(delta) => {
                let taken = delta.take(cache, table, rows, at)?;
                (chunks(&taken.parts, cache, table)?, taken.commits)
            }
        };
        let Some((first_commit, last_commit)) = commits else {
            return Ok(None);
        };
        Ok(Some(Committed {
            batch: self.output.batch(cache, &chunks)?,
            first_commit,
            last_commit,
            position: Position(Some(at.clone())),
        }))
    }
}
