//! The stream that this process writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use gapless_format::{StreamMeta, Tail, WalHeader};
use parking_lot::{Condvar, Mutex};

use super::group_commit::GroupCommit;
use super::log;
use super::prepared::Prepared;
use crate::clock::{CommitClock, Stopwatch};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileLock, LockMode, Storage, WritableFile};
use crate::memtable::Memtable;

/// Ids that are tried before giving up.
const IDS_MAX: u64 = 100;
/// Most bytes of space that are written behind a record.
const SPACE_BYTES_MAX: usize = 256 * 1024;
const PAGE_BYTES: usize = 4096;

/// Where a commit was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Position after its record.
    pub(crate) end_lsn: u64,
    /// Its commit time.
    pub(crate) commit: i64,
}

/// The log and the memtables of this process.
#[derive(Debug)]
pub(crate) struct Stream {
    id: u64,
    database: u128,
    storage: Arc<dyn Storage>,
    clock: Arc<CommitClock>,
    lock: Box<dyn FileLock>,
    writer: Mutex<Writer>,
    /// All memtables that are not flushed, oldest first; the last one takes commits.
    live: ArcSwap<Vec<Arc<Memtable>>>,
    durable: GroupCommit,
    /// Bytes of records, and of space for more, written.
    logged_bytes: AtomicU64,
    /// Memory of commits that are being written.
    reserved: Mutex<usize>,
    flushed: (Mutex<()>, Condvar),
}

#[derive(Debug)]
struct Writer {
    file: Box<dyn WritableFile>,
    next_lsn: u64,
    active: Arc<Memtable>,
    /// Part of a record that could not be written stands behind the last one.
    is_torn: bool,
    /// What made the log unusable.
    broken: Option<Error>,
}

impl Writer {
    /// Writes a record; `has_sync` tells that a sync follows. Returns how many bytes that took.
    fn write(&mut self, record: &[u8], has_sync: bool) -> Result<usize> {
        let outcome = if has_sync {
            let space = space_behind(self.file.len(), record.len());
            self.file.append_with_space(record, space)
        } else {
            self.file.append(record).map(|()| record.len())
        };
        outcome.map_err(|error| {
            self.is_torn = true;
            // What is there of the record must not stand before the next one. If it cannot be cut off now, the next
            // append tries again first.
            if let Err(also) = self.cut() {
                tracing::warn!(error = %also, "an unfinished record stays at the end of the log for now");
            }
            error.context("the commit was not written, nothing has changed")
        })
    }

    /// Cuts off what is there of a record that could not be written.
    fn cut(&mut self) -> Result<()> {
        if !self.is_torn {
            return Ok(());
        }
        let end = self.file.len();
        let cut = self.file.truncate(end);
        cut.map_err(|error| {
            error.context("an unfinished record could not be cut off the log, nothing was written")
        })?;
        self.is_torn = false;
        Ok(())
    }
}

/// Memory that a commit may take.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    stream: &'a Stream,
    more: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *self.stream.reserved.lock() -= self.more;
    }
}

impl Stream {
    /// Makes a stream of an id that no other has: its directory, its lock and its first file. No version names it
    /// yet, and nothing of it is durable.
    ///
    /// # Errors
    /// `Io`; what was made stays for the garbage collection.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        clock: &Arc<CommitClock>,
        database: u128,
        seed: u64,
    ) -> Result<Self> {
        for attempt in 0..IDS_MAX {
            let id = gapless_format::checksum(&[seed.to_le_bytes(), attempt.to_le_bytes()].concat());
            if let Some(lock) = claim_new(&**storage, id)? {
                return Self::begin(storage, clock, database, id, lock);
            }
        }
        Err(Error::new(ErrorKind::Locked, "no free stream in wal/"))
    }

    fn begin(
        storage: &Arc<dyn Storage>,
        clock: &Arc<CommitClock>,
        database: u128,
        id: u64,
        lock: Box<dyn FileLock>,
    ) -> Result<Self> {
        let header = WalHeader {
            stream: id,
            first_lsn: 0,
            database,
        };
        let (file, syncer) = log::create(&**storage, header)?;
        let active = Arc::new(Memtable::new(0));
        let durable: GroupCommit = GroupCommit::new(0);
        durable.add(syncer);
        Ok(Self {
            id,
            database,
            storage: Arc::clone(storage),
            clock: Arc::clone(clock),
            lock,
            live: ArcSwap::from_pointee(vec![Arc::clone(&active)]),
            writer: Mutex::new(Writer {
                file,
                next_lsn: 0,
                active,
                is_torn: false,
                broken: None,
            }),
            durable,
            logged_bytes: AtomicU64::new(0),
            reserved: Mutex::new(0),
            flushed: Default::default(),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Writes a commit to the log and makes it visible. It is durable after [`Stream::wait_durable`]; `is_waited_for`
    /// tells that it is called next.
    ///
    /// # Errors
    /// `Io` when the log cannot be written; nothing has changed then.
    pub(crate) fn append(&self, mut prepared: Prepared, is_waited_for: bool) -> Result<Appended> {
        let mut writer = self.writer.lock();
        if let Some(error) = &writer.broken {
            return Err(error.clone());
        }
        writer.cut()?;
        let commit = self.clock.tick();
        let lsn = writer.next_lsn;
        let record = prepared.record(lsn, commit);
        let len = record.len() as u64;
        let written = writer.write(record, is_waited_for)?;
        writer.next_lsn += len;
        let (rows, deletions, statements) = prepared.into_parts(commit);
        if let Err(error) = writer.active.apply(commit, rows, deletions, statements) {
            writer.broken = Some(error.clone());
            return Err(error);
        }
        let end_lsn = writer.next_lsn;
        self.durable.note_written(end_lsn);
        self.logged_bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(Appended { end_lsn, commit })
    }

    /// Returns when everything below `lsn` is on the disk.
    ///
    /// # Errors
    /// `Io` when a sync has failed, now or before: nothing is known of what was not durable yet.
    pub(crate) fn wait_durable(&self, lsn: u64) -> Result<()> {
        let directory = log::stream_path(self.id)?;
        self.durable.wait(
            lsn,
            || self.storage.sync_dir(&directory),
            |outcome| match outcome {
                Ok(synced) => {
                    self.note_synced(*synced, false);
                    None
                }
                Err(error) => {
                    self.note_synced(self.durable_lsn_unlocked(), true);
                    Some(Error::io(format!(
                        "the log of this process could not be made durable ({error}). What was not acknowledged may \
                         be lost; until the database is opened again this process writes nothing more"
                    )))
                }
            },
        )
    }

    /// What the lock file says is durable: a lower bound.
    fn durable_lsn_unlocked(&self) -> u64 {
        let mut bytes = [0; 32];
        let read = self.lock.len().is_ok_and(|len| len >= 32) && self.lock.read_at(0, &mut bytes).is_ok();
        if read {
            Tail::decode(&bytes).map_or(0, |tail| tail.committed_len)
        } else {
            0
        }
    }

    /// Tells whoever reads the log how far it must be whole, and that the rest is not to be read.
    fn note_synced(&self, lsn: u64, suspect: bool) {
        let tail = Tail {
            log: self.id,
            committed_len: lsn,
            suspect,
        };
        if let Err(error) = self.lock.write_at(0, &tail.encode()) {
            tracing::warn!(%error, "the durable length could not be written to the stream's lock file");
        }
    }

    /// Whether something is not durable yet.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.durable.synced() < self.durable.written()
    }

    /// Refuses when the log can no longer be written.
    pub(crate) fn check(&self) -> Result<()> {
        self.durable.check()
    }

    /// Begins a new log file and memtable; the old one is only read from now on. `false` when it has no commit.
    ///
    /// # Errors
    /// `Io`; the old one goes on then.
    pub(crate) fn seal(&self) -> Result<bool> {
        let mut writer = self.writer.lock();
        if writer.active.is_empty() {
            return Ok(false);
        }
        writer.cut()?;
        let first_lsn = writer.next_lsn;
        let header = WalHeader {
            stream: self.id,
            first_lsn,
            database: self.database,
        };
        let made = log::create(&*self.storage, header);
        if made.is_err() {
            // A second try must not find its name taken.
            if let Ok(path) = log::file_path(self.id, first_lsn) {
                drop(self.storage.remove_file(&path));
            }
        }
        let (file, syncer) = made?;
        self.durable.add(syncer);
        writer.file = file;
        writer.active = Arc::new(Memtable::new(first_lsn));
        let mut live = self.live.load().to_vec();
        live.push(Arc::clone(&writer.active));
        self.live.store(Arc::new(live));
        Ok(true)
    }

    /// Whether another process has asked for a flush since this was called last.
    pub(crate) fn take_request(&self) -> bool {
        let taken = log::request_path(self.id).and_then(|path| self.storage.remove_file(&path));
        match taken {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(%error, "the request to flush a stream stays");
                true
            }
        }
    }

    /// The oldest sealed memtable, and the LSN at which it ends.
    pub(crate) fn oldest_sealed(&self) -> Option<(Arc<Memtable>, u64)> {
        let live = self.live.load();
        match live.as_slice() {
            [oldest, next, ..] => Some((Arc::clone(oldest), next.start_lsn())),
            _ => None,
        }
    }

    /// Lets go of memtables below the checkpoint, and of their files.
    pub(crate) fn forget(&self, checkpoint: u64) {
        let writer = self.writer.lock(); // Nobody seals meanwhile.
        let (gone, left): (Vec<_>, Vec<_>) = self
            .live
            .load()
            .iter()
            .cloned()
            .partition(|memtable| memtable.start_lsn() < checkpoint);
        self.live.store(Arc::new(left));
        drop(writer);
        self.flushed.1.notify_all();
        for memtable in gone {
            let removed = log::file_path(self.id, memtable.start_lsn())
                .and_then(|path| self.storage.remove_file(&path));
            if let Err(error) = removed {
                tracing::warn!(%error, "a flushed log file stays until the stream ends");
            }
            Memtable::release(memtable);
        }
    }

    /// The memtables at or after a checkpoint.
    pub(crate) fn view(&self, checkpoint: u64) -> Vec<Arc<Memtable>> {
        let live = self.live.load();
        live.iter()
            .filter(|memtable| memtable.start_lsn() >= checkpoint)
            .cloned()
            .collect()
    }

    /// Whether there are rows or deletions of some tables. Those of every commit whose time was given before are seen.
    pub(crate) fn has_any(&self, tables: &[u32]) -> bool {
        drop(self.writer.lock()); // A commit that has its time and is not in memory yet is waited for.
        let live = self.live.load();
        live.iter().any(|memtable| memtable.has_any(tables))
    }

    /// The memtable that takes commits.
    pub(crate) fn active(&self) -> Option<Arc<Memtable>> {
        self.live.load().last().cloned()
    }

    /// Memory that all memtables take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.live.load().iter().map(|memtable| memtable.bytes()).sum()
    }

    /// Room for `more` bytes of rows below a limit of all memory; `None` when there is not. An empty memory takes any
    /// commit. The rows must be in memory before the room is let go.
    pub(crate) fn reserve(&self, more: usize, limit: usize) -> Option<Room<'_>> {
        let mut reserved = self.reserved.lock();
        let used = self.memory_bytes() + *reserved;
        if used > 0 && used + more > limit {
            return None;
        }
        *reserved += more;
        Some(Room { stream: self, more })
    }

    /// Bytes of records, and of space for more, written since the stream began.
    pub(crate) fn logged_bytes(&self) -> u64 {
        self.logged_bytes.load(Ordering::Relaxed)
    }

    /// Position after the last record.
    pub(crate) fn end_lsn(&self) -> u64 {
        self.durable.written()
    }

    /// Waits for flushes until `take` gives something; `None` when the time is over.
    pub(crate) fn wait_for_flush<T>(&self, limit: Duration, take: impl Fn() -> Option<T>) -> Option<T> {
        let watch = Stopwatch::start();
        let mut waiting = self.flushed.0.lock();
        loop {
            if let Some(taken) = take() {
                return Some(taken);
            }
            let left = watch.left(limit)?;
            self.flushed
                .1
                .wait_for(&mut waiting, left.min(Duration::from_millis(20)));
        }
    }

    /// The stream with everything before `checkpoint` flushed.
    pub(crate) fn meta(&self, checkpoint: u64, flushed: i64) -> StreamMeta {
        StreamMeta {
            stream: self.id,
            checkpoint,
            flushed,
        }
    }
}

/// Bytes of space for further records behind one that ends a file: as much again as is in the file, to the end of a page.
/// A sync that need not write a new length takes about half the time.
fn space_behind(file_len: u64, record_len: usize) -> usize {
    let end = file_len as usize + record_len;
    (end + end.min(SPACE_BYTES_MAX)).next_multiple_of(PAGE_BYTES) - end
}

/// Makes a stream's directory and takes its lock; `None` when it is not to be had.
fn claim_new(storage: &dyn Storage, id: u64) -> Result<Option<Box<dyn FileLock>>> {
    match storage.create_dir(&log::directory()) {
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        outcome => {
            outcome?;
            storage.sync_dir(&crate::io::RelPath::root())?;
        }
    }
    match storage.create_dir(&log::stream_path(id)?) {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
        outcome => outcome?,
    }
    // A garbage collection may take the directory for a dead one's before the lock is there.
    match storage.lock(&log::lock_path(id)?, LockMode::Exclusive, false) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Ok(Some(lock)) if storage.lock_path_is(&*lock)? => {
            storage.sync_dir(&log::directory())?;
            Ok(Some(lock))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    }
}
