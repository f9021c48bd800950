//! What all handles of one open database share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use gapless_format::{
    COMMIT_COLUMN, ColumnMeta, ColumnType, CoverageRef, Deletion, DomainMeta, EditItem, Encoding, SegmentRef,
    StreamMeta, TableMeta,
};
use parking_lot::Mutex;

use super::background::{Background, BackgroundWork, Maintenance, Workers};
use super::durability::Durability;
use super::garbage;
use super::pins::{self, Pins};
use super::signal::Signal;
use super::stats::Counters;
use crate::clock::{Clock, CommitClock};
use crate::compact::{self, Situation};
use crate::coverage::{CoverageFiles, OpenCoverage};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{RelPath, Storage};
use crate::lease::Leases;
use crate::manifest::{Manifest, TableState, Version};
use crate::row::RowBuffer;
use crate::scan::MergeCache;
use crate::segment::SegmentCache;
use crate::stream::{Stream, Tails};
use crate::symbols::{Domain, Domains};

/// The engine of one open database.
#[derive(Debug)]
pub(crate) struct Engine {
    name: String,
    storage: Arc<dyn Storage>,
    clock: Arc<CommitClock>,
    database: u128,
    writable: bool,
    manifest: Manifest,
    domains: Domains,
    cache: SegmentCache,
    merges: MergeCache,
    pins: Arc<Pins>,
    next_segment: AtomicU32,
    next_spill: AtomicU32,
    process: u32,
    live: Live,
    background: Background,
    workers: Workers,
    bulk_workers: Workers,
    coverage: CoverageFiles,
    leases: Arc<Leases>,
    /// Numbers of the live sessions that are open.
    open_sessions: Mutex<HashSet<u64>>,
    counters: Counters,
    signal: Signal,
}

/// The live half: this process's stream, the others', and what bounds them.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(super) own: ArcSwapOption<Stream>,
    pub(super) making: Mutex<()>,
    pub(super) tails: Tails,
    pub(super) flushing: Mutex<()>,
    pub(super) flush_error: Mutex<Option<Error>>,
    pub(super) durability: Durability,
    pub(super) limits: LiveLimits,
    /// Row writers whose rows are committed when they get old.
    pub(super) writers: Mutex<Vec<Weak<Mutex<RowBuffer>>>>,
}

impl Live {
    /// How durable a streamed commit is unless it asks for something else.
    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// Rows up to which a bulk commit goes through the stream.
    pub(crate) fn small_commit_rows(&self) -> usize {
        self.limits.small_commit_rows
    }

    /// Bytes of rows from which on a commit is large enough for segments of its own.
    pub(crate) fn flush_bytes(&self) -> usize {
        self.limits.flush_bytes
    }

    /// Takes note of a row writer.
    pub(crate) fn register_writer(&self, writer: &Arc<Mutex<RowBuffer>>) {
        let mut writers = self.writers.lock();
        writers.retain(|writer| writer.strong_count() > 0);
        writers.push(Arc::downgrade(writer));
    }

    /// Commits the rows of row writers that have waited long enough. Who is writing now does so itself.
    pub(crate) fn commit_old_rows(&self) {
        let writers: Vec<_> = self.writers.lock().iter().filter_map(Weak::upgrade).collect();
        for writer in writers {
            if let Some(mut buffer) = writer.try_lock()
                && let Err(error) = buffer.commit_if_old()
            {
                tracing::error!(%error, "collected rows were not written and are tried again");
            }
        }
    }
}

/// What bounds the live half.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveLimits {
    /// Bytes of rows after which a memtable is sealed.
    pub(crate) flush_bytes: usize,
    /// Bytes of rows in all memtables.
    pub(crate) memory_bytes_max: usize,
    /// How long an append waits for memory.
    pub(crate) back_pressure_ms: u64,
    /// Rows up to which a bulk commit goes through the stream.
    pub(crate) small_commit_rows: usize,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            flush_bytes: 256 << 20,
            memory_bytes_max: 1 << 30,
            back_pressure_ms: 30_000,
            small_commit_rows: 4096,
        }
    }
}

/// What bounds an engine's files.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Vectors that are kept mapped.
    pub(crate) vectors_max: usize,
    pub(crate) decoded_bytes_max: u64,
    /// Bytes of edits before the manifest is written anew.
    pub(crate) log_bytes_min: u64,
    pub(crate) live: LiveLimits,
    pub(crate) durability: Durability,
    pub(crate) maintenance: Maintenance,
    pub(crate) work: BackgroundWork,
}

/// The directory of files that only their process uses.
pub(crate) fn staging() -> RelPath {
    RelPath::from_static("staging")
}

impl Engine {
    /// Opens the engine on a database whose identity was checked.
    pub(crate) fn open(
        name: String,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        database: u128,
        writable: bool,
        limits: Limits,
    ) -> Result<Self> {
        // The pin is there before the manifest is read, so nothing that the manifest names can go meanwhile.
        let pins = Arc::new(register(&storage, clock.now_ns(), writable)?);
        let leases = Arc::new(Leases::new(Arc::clone(&storage), Arc::clone(&clock), database));
        let clock = Arc::new(CommitClock::new(clock));
        let manifest = Manifest::open(
            Arc::clone(&storage),
            Arc::clone(&clock),
            database,
            limits.log_bytes_min,
        )?;
        if writable && manifest.current().number() == 0 {
            // Who made the database may have ended before its name was durable.
            storage.sync_dir(&RelPath::root())?;
        }
        // Without content the pin protects everything: a full disk does not keep anybody from reading.
        if let Err(error) = pins.publish(|| manifest.current().number()) {
            tracing::warn!(%error, "the pin of this process holds back every removal");
        }
        Ok(Self {
            name,
            domains: Domains::new(Arc::clone(&storage), database),
            cache: SegmentCache::new(Arc::clone(&storage), limits.vectors_max, limits.decoded_bytes_max),
            merges: MergeCache::new(),
            manifest,
            pins,
            storage,
            clock,
            database,
            writable,
            next_segment: AtomicU32::new(1),
            next_spill: AtomicU32::new(1),
            process: std::process::id(),
            live: Live {
                durability: limits.durability,
                limits: limits.live,
                ..Live::default()
            },
            background: Background::new(limits.maintenance, limits.work),
            workers: Workers::new("flush", 1),
            bulk_workers: Workers::new("bulk", 0),
            counters: Counters::default(),
            coverage: CoverageFiles::default(),
            leases,
            open_sessions: Mutex::default(),
            signal: Signal::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(crate) fn database(&self) -> u128 {
        self.database
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn cache(&self) -> &SegmentCache {
        &self.cache
    }

    /// Merged rows that are kept.
    pub(crate) fn merges(&self) -> &MergeCache {
        &self.merges
    }

    pub(crate) fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Numbers of the live sessions of this process that are open.
    pub(crate) fn open_sessions(&self) -> &Mutex<HashSet<u64>> {
        &self.open_sessions
    }

    /// Exclusive claims on ranges.
    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// Whether it was opened to be written.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn clock(&self) -> &Arc<CommitClock> {
        &self.clock
    }

    pub(crate) fn domains(&self) -> &Domains {
        &self.domains
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) fn background(&self) -> &Background {
        &self.background
    }

    /// The threads of bulk commits: all cores, where nobody else wants them.
    pub(crate) fn bulk_workers(&self) -> &Workers {
        &self.bulk_workers
    }

    /// The threads of work that nobody waits for.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    pub(crate) fn stats(&self) -> &Counters {
        &self.counters
    }

    /// What wakes those who wait for commits of this process.
    pub(crate) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Refuses to work in a process that was forked from the one that opened the database.
    pub(crate) fn check_process(&self) -> Result<()> {
        if std::process::id() == self.process {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{} was opened by process {}, of which this one is a fork: its locks and threads are not here. Open the \
             database in the child",
            self.name, self.process
        )))
    }

    /// Refuses writes to a database that was opened for reading.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if !self.writable {
            return Err(Error::invalid(format!(
                "{} is open for reading only: open it in mode \"rw\" to write",
                self.name
            )));
        }
        self.check_process()?;
        self.manifest.check_poison()
    }

    /// A segment id that no other segment has, and a directory name that no living process uses.
    ///
    /// The number of a process may come again after it died, so the id also takes in the time: 64 bits of a hash, of
    /// which ten million segments share one with odds of one in 400,000.
    pub(crate) fn next_segment(&self) -> (u64, String) {
        let sequence = self.next_segment.fetch_add(1, Ordering::Relaxed);
        let instance = self.pins.instance();
        let parts = [
            u64::from(instance),
            u64::from(sequence),
            self.now_ns().cast_unsigned(),
            u64::from(std::process::id()),
        ];
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
        (
            gapless_format::checksum(&bytes),
            format!("s-{instance:08x}-{sequence:06x}"),
        )
    }

    /// A new path for a file that only this process uses.
    pub(crate) fn spill_path(&self) -> Result<RelPath> {
        let sequence = self.next_spill.fetch_add(1, Ordering::Relaxed);
        staging().join(&format!("{:08x}-{sequence:06x}.spill", self.pins.instance()))
    }

    /// A domain, read as far as `version` names it.
    pub(crate) fn domain(&self, name: &str, version: &Version) -> Result<Arc<Domain>> {
        let domain = self.domains.get(name);
        domain.load(version.domain(name))?;
        Ok(domain)
    }

    /// The codes of symbols, new ones appended to the domain.
    pub(crate) fn encode_symbols(&self, domain: &str, symbols: &[&str]) -> Result<Vec<u32>> {
        let known = self.domain(domain, &self.manifest.current())?;
        known.encode(symbols, &|| Ok(self.manifest.refresh()?.domain(domain).cloned()))
    }

    /// Makes the domains of a table durable and gives what the commit must name of them.
    pub(crate) fn sync_domains(&self, table: &TableMeta) -> Result<Vec<DomainMeta>> {
        let version = self.manifest.current();
        let mut grown = Vec::new();
        for column in &table.columns {
            if let ColumnType::Symbol { domain } = &column.column_type {
                grown.extend(self.domains.get(domain).sync(version.domain(domain))?);
            }
        }
        Ok(grown)
    }

    /// Commits and tells other processes which versions are still read here.
    pub(crate) fn commit(
        &self,
        plan: impl FnOnce(&Version, i64) -> Result<Vec<EditItem>>,
    ) -> Result<Arc<Version>> {
        self.check_writable()?;
        let version = self.manifest.commit(plan)?;
        self.publish_pins();
        self.signal.notify();
        Ok(version)
    }

    /// The newest version. When it has moved on, what this process no longer reads is released.
    pub(crate) fn refresh(&self) -> Result<Arc<Version>> {
        let before = self.manifest.current().number();
        let version = self.manifest.refresh()?;
        if version.number() != before {
            self.publish_pins();
        }
        Ok(version)
    }

    /// A pin that is published late only keeps files longer, so a failure is no error.
    fn publish_pins(&self) {
        if let Err(error) = self.pins.publish(|| self.manifest.current().number()) {
            tracing::warn!(%error, "the pin of this process could not be moved on");
        }
    }

    /// Asks something that depends on the time, the streams and the files of a version.
    pub(crate) fn in_situation<T>(&self, version: &Version, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        let is_encoded = |segment: &SegmentRef| self.is_encoded(version, segment);
        ask(&Situation {
            now_ns: self.now_ns(),
            flushed: version.streams().filter_map(|stream| self.flushed(stream)).min(),
            is_encoded: &is_encoded,
        })
    }

    /// Whether rows that a deletion hides may be in a version, or in a stream other than the one that is being flushed.
    pub(crate) fn may_hide_rows(&self, version: &Version, deletion: &Deletion, flushing: u64) -> bool {
        !self.knows_all_until(version, deletion.commit, flushing)
            || version
                .table_by_id(deletion.table)
                .is_some_and(|state| compact::may_hide(state, deletion))
    }

    /// The time until which a version has all that streams other than one have committed; `i64::MAX` without any.
    pub(crate) fn settled(&self, version: &Version, flushing: u64) -> i64 {
        let others = version.streams().filter(|stream| stream.stream != flushing);
        others
            .filter_map(|stream| self.flushed(stream))
            .min()
            .unwrap_or(i64::MAX)
    }

    /// A coverage file of a table.
    pub(crate) fn coverage_file(&self, state: &TableState, file: &CoverageRef) -> Result<Arc<OpenCoverage>> {
        self.coverage
            .get(&*self.storage, self.database, &state.meta().name, file)
    }

    /// The coverage files of a table, opened.
    pub(crate) fn open_coverage(&self, state: &TableState) -> Result<Vec<Arc<OpenCoverage>>> {
        self.coverage.forget_unused(&self.manifest.current());
        let files = state.coverage().iter();
        files.map(|file| self.coverage_file(state, file)).collect()
    }

    /// Whether a version has all that was committed until `commit` by streams other than the one that is being flushed.
    pub(crate) fn knows_all_until(&self, version: &Version, commit: i64, flushing: u64) -> bool {
        let others = version.streams().filter(|stream| stream.stream != flushing);
        let flushed = others.filter_map(|stream| self.flushed(stream)).min();
        flushed.is_none_or(|flushed| flushed >= commit)
    }

    /// Whether no stream holds rows or deletions of some tables that were committed before a commit of this process.
    pub(crate) fn has_nothing_streamed(&self, version: &Version, commit: i64, tables: &[u32]) -> bool {
        let own = self.own_stream();
        let others_flushed = self.knows_all_until(version, commit, own.as_ref().map_or(0, |own| own.id()));
        others_flushed && own.is_none_or(|own| !own.has_any(tables))
    }

    /// What a stream holds beside the version was committed after this; `None` when it holds nothing.
    fn flushed(&self, stream: &StreamMeta) -> Option<i64> {
        let own = self.own_stream().filter(|own| own.id() == stream.stream);
        match own {
            Some(own) if own.memory_bytes() == 0 => None,
            _ => Some(stream.flushed),
        }
    }

    /// A segment that cannot be read counts as encoded: nothing is to be gained from it.
    fn is_encoded(&self, version: &Version, segment: &SegmentRef) -> bool {
        let Some(state) = version.table_by_id(segment.table) else {
            return true;
        };
        let open = self.cache.segment(&state.meta().name, &Arc::new(segment.clone()));
        open.map_or(true, |segment| {
            let columns = &segment.meta().columns;
            let is_encoded = |column: &ColumnMeta| column.encoding != Encoding::Plain;
            columns
                .iter()
                .any(|column| column.column_id != COMMIT_COLUMN && is_encoded(column))
        })
    }

    /// Removes what processes left that died with the database open. What cannot be removed now stays for later.
    pub(crate) fn clean_up_after_the_dead(&self) {
        let cleaned = pins::has_dead(&*self.storage, self.pins.instance()).and_then(|dead| {
            if dead {
                self.collect_garbage().map(|_| ())
            } else {
                Ok(())
            }
        });
        if let Err(error) = cleaned {
            tracing::warn!(%error, "files of a dead process stay until the next garbage collection");
        }
    }

    /// Removes files that no version, snapshot or reader needs.
    pub(crate) fn collect_garbage(&self) -> Result<garbage::GarbageReport> {
        self.check_writable()?;
        garbage::collect(self)
    }

    /// Removes the files of segments that a commit has removed and that nobody reads any more.
    pub(crate) fn collect_removed(&self) -> Result<garbage::GarbageReport> {
        self.check_writable()?;
        garbage::collect_removed(self)
    }
}

fn register(storage: &Arc<dyn Storage>, now: i64, writable: bool) -> Result<Pins> {
    let now = now.to_le_bytes();
    let seed = gapless_format::checksum(&[&now[..], &std::process::id().to_le_bytes()[..]].concat());
    let seed = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or_default();
    match Pins::register(storage, seed) {
        // Who may only read leaves no pin; who writes the database is told so in the docs.
        Err(error) if !writable && matches!(error.kind(), ErrorKind::Io | ErrorKind::NotFound) => {
            tracing::warn!(%error, "reading without a pin: a writer may remove files that are still read here");
            Ok(Pins::unregistered(storage, seed))
        }
        outcome => outcome,
    }
}
