//! The engine's live half: commits through the stream, what readers see of streams, and flushes.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use gapless_format::{ColumnType, Coverage, Deletion, EditItem, StreamMeta, TableMeta};
use parking_lot::MutexGuard;

use super::durability::Durability;
use super::engine::Engine;
use crate::coverage::CoverageMap;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Version;
use crate::memtable::{Block, Memtable, Statements};
use crate::stream::{self, Appended, FlushTarget, Prepared, PreparedRows, Room, Stream, flush_memtable};
use crate::write::EngineEncoder;
use crate::write::normalize::normalize;

/// Attempts to see all streams and the manifest at one moment.
const VIEW_ATTEMPTS: usize = 100;
/// Deletions in one memtable: each scan looks at all of them.
const DELETIONS_MAX: usize = 16 * 1024;

/// The streamed rows that belong to a version: memtables, and the commit up to which each is visible.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveView {
    memtables: Vec<LiveMemtable>,
}

/// A memtable of a stream, and the commit up to which it is visible.
#[derive(Debug, Clone)]
struct LiveMemtable {
    stream: u64,
    memtable: Arc<Memtable>,
    upto: i64,
    coverage: CoverageMap,
}

impl LiveMemtable {
    /// A memtable as it is now.
    fn new(stream: u64, memtable: Arc<Memtable>) -> Self {
        let (coverage, upto) = memtable.coverage();
        Self {
            stream,
            memtable,
            upto,
            coverage,
        }
    }

    /// Time of its newest visible commit; what is visible may lie in a later one.
    fn newest(&self) -> i64 {
        self.memtable.last_commit().min(self.upto)
    }
}

impl LiveView {
    /// The blocks of a table that may have rows of a time range.
    pub(crate) fn blocks(&self, table: u32, time: &Range<i64>) -> Result<Vec<Arc<Block>>> {
        let mut blocks = Vec::new();
        for live in &self.memtables {
            blocks.extend(live.memtable.blocks(table, time, live.upto)?);
        }
        Ok(blocks)
    }

    /// Rows of all tables in the memtables of a stream, and their bytes.
    pub(crate) fn size_of(&self, stream: u64) -> (u64, u64) {
        let of_stream = self.memtables.iter().filter(|live| live.stream == stream);
        of_stream.fold((0, 0), |(rows, bytes), live| {
            let blocks = live.memtable.all_blocks();
            let blocks = blocks.iter().flat_map(|(_, _, blocks)| blocks);
            (
                rows + blocks.map(|block| block.rows() as u64).sum::<u64>(),
                bytes + live.memtable.bytes() as u64,
            )
        })
    }

    /// What is known of ranges of a table.
    pub(crate) fn coverage(&self, table: u32) -> Vec<CoverageMap> {
        let maps = self.memtables.iter().map(|live| &live.coverage);
        maps.filter(|map| map.has_table(table)).cloned().collect()
    }

    /// All blocks of a table, with the streams they are of.
    pub(crate) fn blocks_by_stream(&self, table: u32) -> Result<Vec<(u64, Arc<Block>)>> {
        let mut found = Vec::new();
        for live in &self.memtables {
            let blocks = live.memtable.blocks(table, &(i64::MIN..i64::MAX), live.upto)?;
            found.extend(blocks.into_iter().map(|block| (live.stream, block)));
        }
        Ok(found)
    }

    /// The newest visible commit of each memtable, with the stream it is of.
    pub(crate) fn newest_by_stream(&self) -> impl Iterator<Item = (u64, i64)> {
        self.memtables.iter().map(|live| (live.stream, live.newest()))
    }

    /// The deletions in a table.
    pub(crate) fn deletions(&self, table: u32) -> Vec<Arc<Deletion>> {
        let visible = self
            .memtables
            .iter()
            .flat_map(|live| live.memtable.deletions(live.upto));
        visible.filter(|deletion| deletion.table == table).collect()
    }

    /// Commit times of the deletions in a table that streams other than one hold, ascending.
    pub(crate) fn deleted_by_others(&self, table: u32, stream: u64) -> Vec<i64> {
        let others = self.memtables.iter().filter(|live| live.stream != stream);
        let deletions = others.flat_map(|live| live.memtable.deletions(live.upto));
        let mut commits: Vec<i64> = deletions
            .filter(|deletion| deletion.table == table)
            .map(|deletion| deletion.commit)
            .collect();
        commits.sort_unstable();
        commits.dedup();
        commits
    }

    /// Whether other processes stream.
    pub(crate) fn has_others(&self, engine: &Engine) -> bool {
        self.memtables.iter().any(|live| !engine.owns_stream(live.stream))
    }

    /// Rows of a table.
    pub(crate) fn rows(&self, table: u32) -> Result<u64> {
        let blocks = self.blocks(table, &(i64::MIN..i64::MAX))?;
        Ok(blocks.iter().map(|block| block.rows() as u64).sum())
    }

    fn newest(&self) -> Vec<(u64, i64)> {
        let newest = |live: &LiveMemtable| (live.memtable.start_lsn(), live.newest());
        self.memtables.iter().map(newest).collect()
    }
}

impl Engine {
    /// Whether a stream is this process's own.
    pub(crate) fn owns_stream(&self, stream: u64) -> bool {
        self.own_stream().is_some_and(|own| own.id() == stream)
    }

    /// The stream of this process, if it has one.
    pub(crate) fn own_stream(&self) -> Option<Arc<Stream>> {
        self.live().own.load_full()
    }

    /// The stream of this process, made and named by a commit when there is none.
    fn stream(self: &Arc<Self>) -> Result<Arc<Stream>> {
        if let Some(own) = self.own_stream() {
            return Ok(own);
        }
        let _making = self.live().making.lock();
        if let Some(own) = self.own_stream() {
            return Ok(own);
        }
        let (seed, _) = self.next_segment();
        let stream = Arc::new(Stream::create(
            self.storage(),
            self.clock(),
            self.database(),
            seed,
        )?);
        self.commit(|_, now| Ok(vec![EditItem::Stream(stream.meta(0, now))]))?;
        self.live().own.store(Some(Arc::clone(&stream)));
        Ok(stream)
    }

    /// The id of this process's stream, which is made if need be.
    pub(crate) fn stream_id(self: &Arc<Self>) -> Result<u64> {
        Ok(self.stream()?.id())
    }

    /// A batch as the stream takes it.
    ///
    /// # Errors
    /// `Invalid` names column, row and reason.
    pub(crate) fn prepare_rows(
        self: &Arc<Self>,
        table: &Arc<TableMeta>,
        batch: &RecordBatch,
    ) -> Result<PreparedRows> {
        let mut encoder = EngineEncoder { engine: self };
        let arrays = normalize(table, batch, &mut encoder)?;
        Ok(PreparedRows {
            table: Arc::clone(table),
            columns: stream::stream_columns(table, arrays),
        })
    }

    /// Commits rows, deletions and coverage through the stream: atomic, visible, and as durable as asked when this
    /// returns.
    pub(crate) fn append(
        self: &Arc<Self>,
        rows: Vec<PreparedRows>,
        deletions: Vec<Deletion>,
        coverage: Vec<Coverage>,
        durability: Option<Durability>,
    ) -> Result<Appended> {
        let prepared = self.prepare_commit(rows, deletions, coverage)?;
        let appended = self.append_prepared(prepared, durability)?;
        self.finish_append(&appended, durability)?;
        Ok(appended)
    }

    /// A commit that is ready to be written: its record, and its symbols made durable.
    pub(crate) fn prepare_commit(
        self: &Arc<Self>,
        rows: Vec<PreparedRows>,
        deletions: Vec<Deletion>,
        coverage: Vec<Coverage>,
    ) -> Result<Prepared> {
        self.check_writable()?;
        for rows in &rows {
            self.make_symbols_durable(&rows.table)?;
        }
        let with_series = deletions.iter().filter(|deletion| deletion.series.is_some());
        let tables = with_series
            .map(|deletion| deletion.table)
            .chain(coverage.iter().map(|coverage| coverage.table));
        for table in tables.collect::<BTreeSet<u32>>() {
            if let Some(state) = self.manifest().current().table_by_id(table) {
                self.make_symbols_durable(state.meta())?;
            }
        }
        let statements = Statements {
            join_after: self.join_after(&coverage),
            coverage,
        };
        Prepared::new(rows, deletions, statements, self.now_ns())
    }

    /// Writes a commit to the log and makes it visible. [`Engine::finish_append`] makes it durable.
    pub(crate) fn append_prepared(
        self: &Arc<Self>,
        prepared: Prepared,
        durability: Option<Durability>,
    ) -> Result<Appended> {
        let has_deletions = prepared.has_deletions();
        let stream = self.stream()?;
        let room = self.wait_for_memory(&stream, prepared.memory_bytes())?;
        let appended = stream.append(prepared, self.durability(durability) == Durability::Sync)?;
        drop(room);
        self.signal().notify();
        let is_full = |active: Arc<Memtable>| {
            active.bytes() >= self.live().limits.flush_bytes
                || has_deletions && active.deletion_count() >= DELETIONS_MAX
        };
        if stream.active().is_some_and(is_full) {
            self.seal_and_wake(&stream);
        }
        Ok(appended)
    }

    /// Returns when a commit is as durable as asked.
    pub(crate) fn finish_append(
        self: &Arc<Self>,
        appended: &Appended,
        durability: Option<Durability>,
    ) -> Result<()> {
        match self.durability(durability) {
            Durability::Sync => self.wait_durable(&*self.stream()?, appended.end_lsn)?,
            Durability::Interval(ms) => self.background().sync_every(self, ms),
            Durability::Buffered => {}
        }
        self.background().start(self);
        Ok(())
    }

    fn durability(&self, asked: Option<Durability>) -> Durability {
        asked.unwrap_or(self.live().durability)
    }

    /// Ranges that were committed after this have no statement of anybody else between them, as far as is known here. What
    /// is not known yet makes them count for less where it contradicts them.
    fn join_after(&self, coverage: &[Coverage]) -> i64 {
        let version = self.manifest().current();
        if coverage.is_empty() || self.others_of(&version).next().is_some() {
            return i64::MAX; // Another process streams.
        }
        let tables = coverage.iter().filter_map(|said| version.table_by_id(said.table));
        let files = tables.flat_map(|state| state.coverage().iter());
        files.map(|file| file.commit).max().unwrap_or(i64::MIN)
    }

    fn wait_durable(&self, stream: &Stream, lsn: u64) -> Result<()> {
        stream
            .wait_durable(lsn)
            .inspect_err(|error| self.manifest().refuse_further(error))
    }

    /// Makes everything durable that was streamed until now.
    pub(crate) fn sync_stream(&self) -> Result<()> {
        match self.own_stream() {
            Some(stream) => self.wait_durable(&stream, stream.end_lsn()),
            None => Ok(()),
        }
    }

    /// New symbols are durable before a record that uses their codes is written.
    fn make_symbols_durable(&self, table: &TableMeta) -> Result<()> {
        let version = self.manifest().current();
        for column in &table.columns {
            if let ColumnType::Symbol { domain } = &column.column_type {
                self.domains().get(domain).make_durable(version.domain(domain))?;
            }
        }
        Ok(())
    }

    /// Refuses what memory cannot take, after waiting for flushes.
    fn wait_for_memory<'a>(self: &Arc<Self>, stream: &'a Stream, more: usize) -> Result<Room<'a>> {
        let limits = &self.live().limits;
        let reserve = || stream.reserve(more, limits.memory_bytes_max);
        if let Some(room) = reserve() {
            return Ok(room);
        }
        self.seal_and_wake(stream);
        let wait = if self.background().is_enabled() {
            limits.back_pressure_ms
        } else {
            0
        };
        if let Some(room) = stream.wait_for_flush(Duration::from_millis(wait), reserve) {
            return Ok(room);
        }
        let why = match self.live().flush_error.lock().as_ref() {
            Some(error) => format!("the last flush failed: {error}"),
            None if wait == 0 => "nothing is flushed in the background: call flush()".to_owned(),
            None => format!("flushes have not kept up for {wait} ms"),
        };
        Err(Error::new(
            ErrorKind::Overloaded,
            format!(
                "{} bytes of streamed rows wait in memory, {} are allowed; {why}. Nothing was written: try again later, \
                 or allow more memory",
                stream.memory_bytes(),
                limits.memory_bytes_max
            ),
        ))
    }

    fn seal_and_wake(self: &Arc<Self>, stream: &Stream) {
        match stream.seal() {
            Ok(_) => {
                self.background().start(self);
                self.background().wake();
            }
            Err(error) => tracing::warn!(%error, "the memtable could not be sealed and goes on"),
        }
    }

    /// Seals the memtable and writes all streamed rows to segments.
    pub(crate) fn flush(self: &Arc<Self>) -> Result<()> {
        self.check_writable()?;
        let Some(stream) = self.own_stream() else {
            return Ok(());
        };
        stream.seal()?;
        // What others append meanwhile is not waited for: they may never pause.
        self.flush_below(stream.active().map_or(u64::MAX, |active| active.start_lsn()))
    }

    /// Writes sealed memtables to segments, one after the other.
    pub(crate) fn flush_sealed(self: &Arc<Self>) -> Result<()> {
        self.flush_below(u64::MAX)
    }

    /// Writes the sealed memtables that begin below an LSN to segments.
    fn flush_below(self: &Arc<Self>, lsn: u64) -> Result<()> {
        loop {
            let flushing = self.live().flushing.lock();
            let Some(stream) = self.own_stream() else {
                return Ok(());
            };
            let oldest = stream.oldest_sealed();
            let Some((memtable, end)) = oldest.filter(|(memtable, _)| memtable.start_lsn() < lsn) else {
                return Ok(());
            };
            let target = FlushTarget::Checkpoint(stream.meta(end, memtable.last_commit()));
            let flushed = flush_memtable(self, Some(&memtable), target);
            *self.live().flush_error.lock() = flushed.as_ref().err().cloned();
            self.stats().note_flushed(flushed?, memtable.bytes() as u64);
            drop(memtable); // The stream has the last one, and frees it.
            stream.forget(end);
            // Whoever waits for his own rows has his turn, also beside a background thread that never runs out of work.
            MutexGuard::unlock_fair(flushing);
        }
    }

    /// Flushes what is left and ends the stream: its directory goes.
    pub(crate) fn end_stream(self: &Arc<Self>) -> Result<()> {
        let Some(stream) = self.own_stream() else {
            return Ok(());
        };
        if self.check_writable().is_err() || stream.check().is_err() {
            return Ok(()); // What is in the log is recovered by who opens the database next.
        }
        self.flush()?;
        self.live().own.store(None);
        let id = stream.id();
        self.commit(|_, _| Ok(vec![EditItem::EndStream { stream: id }]))?;
        stream::remove_stream(&**self.storage(), id)
    }

    /// What readers see of all streams beside a version. The caller checks that the version is still the newest.
    fn live_view(&self, version: &Version) -> Result<LiveView> {
        let mut view = LiveView::default();
        let own = self.own_stream();
        for meta in version.streams() {
            let memtables = match &own {
                Some(own) if own.id() == meta.stream => own.view(meta.checkpoint),
                _ => self.live().tails.view(meta),
            };
            let live = memtables
                .into_iter()
                .map(|memtable| LiveMemtable::new(meta.stream, memtable));
            view.memtables.extend(live);
        }
        Ok(view)
    }

    /// The streams of other processes.
    fn others_of<'a>(&self, version: &'a Version) -> impl Iterator<Item = &'a StreamMeta> {
        let own = self.own_stream().map(|own| own.id());
        version.streams().filter(move |meta| Some(meta.stream) != own)
    }

    /// Reads on in the logs of other processes. True when something was new.
    fn follow_others(&self, version: &Version) -> Result<bool> {
        self.live().tails.follow(
            &**self.storage(),
            self.clock(),
            self.database(),
            self.others_of(version),
            &|table| self.table_of_record(table),
        )
    }

    /// The table that a log record names. A record may be newer than the version that is known here.
    pub(crate) fn table_of_record(&self, table: u32) -> Result<Option<Arc<TableMeta>>> {
        let find = |version: &Version| version.table_by_id(table).map(|state| Arc::clone(state.meta()));
        let found = match find(&self.manifest().current()) {
            Some(found) => Some(found),
            None => find(&*self.refresh()?),
        };
        if let Some(meta) = &found {
            for column in &meta.columns {
                if let ColumnType::Symbol { domain } = &column.column_type {
                    self.domains().get(domain).read_ahead()?;
                }
            }
        }
        Ok(found)
    }

    /// A version and the streamed rows beside it, as they were at one moment, and what `pin` made of the version.
    pub(crate) fn consistent_view<P>(
        &self,
        pin: impl Fn() -> (P, Arc<Version>),
    ) -> Result<(P, Arc<Version>, LiveView)> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.refresh()?;
            let (pinned, version) = pin();
            if version.streams().next().is_none() {
                return Ok((pinned, version, LiveView::default()));
            }
            let is_last = attempt >= VIEW_ATTEMPTS;
            let outcome = self.view_of(&version, is_last);
            // Other processes may have committed to the manifest before they wrote what was read of their logs. Who
            // appends in this process has seen before what it comes after.
            let newest = if outcome.is_ok() && self.others_of(&version).next().is_none() {
                self.manifest().current()
            } else {
                self.refresh()?
            };
            let is_same = newest.number() == version.number();
            match outcome {
                // Beside an older version rows would be missing that a flush has taken out of memory since.
                Ok(Some(view)) if is_same => return Ok((pinned, version, view)),
                // A log file that a newer version does not need has gone.
                Err(error) if is_same => return Err(error),
                _ => {}
            }
        }
    }

    /// The view of a version; `None` when streams have moved on while it was made.
    fn view_of(&self, version: &Version, is_last: bool) -> Result<Option<LiveView>> {
        if self.others_of(version).next().is_none() {
            return self.live_view(version).map(Some);
        }
        self.follow_others(version)?;
        let view = self.live_view(version)?;
        // All streams are read as they were when the first one was read, if by now none of them has moved.
        if self.follow_others(version)? && !is_last {
            return Ok(None);
        }
        let again = self.live_view(version)?;
        Ok((is_last || view.newest() == again.newest()).then_some(again))
    }
}
