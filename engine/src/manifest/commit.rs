//! This process's view of the manifest: follows what others commit, and commits.
//!
//! - Readers follow the log first, unless a commit of this process has done so and keeps others out.
//! - A commit holds the advisory lock of `manifest/LOCK` for reading what is new, one append and one sync.
//! - A failed sync poisons the manifest: nothing more is committed by this process. The sync is not retried.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use gapless_format::{EditItem, RecordBody, encode_record};
use parking_lot::{Mutex, MutexGuard};

use super::log::{self, Position};
use super::version::Version;
use crate::clock::CommitClock;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileLock, LockMode, Storage, WritableFile};

/// Edits below this many bytes are not replaced by a checkpoint, unless told otherwise.
pub(crate) const LOG_BYTES_MIN: u64 = 1 << 20;
/// How long a reader waits for another one before it looks whether there is a commit by now.
const FOLLOW_WAIT: Duration = Duration::from_micros(200);

/// The manifest of an open database.
pub(crate) struct Manifest {
    storage: Arc<dyn Storage>,
    clock: Arc<CommitClock>,
    database: u128,
    log_bytes_min: u64,
    current: ArcSwap<Version>,
    /// Held by the thread of this process that waits for the commit lock, or has it.
    turn: Mutex<()>,
    committer: Mutex<Committer>,
    /// This process has the commit lock and has read everything: nobody else can commit anything newer.
    is_newest: AtomicBool,
    poison: OnceLock<String>,
}

/// The commit lock, and everything read that was committed before.
struct Held<'a> {
    is_newest: &'a AtomicBool,
    lock: Box<dyn FileLock>,
    committer: MutexGuard<'a, Committer>,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Held<'_> {
    /// Before the lock goes, and then in the order of the fields.
    fn drop(&mut self) {
        self.is_newest.store(false, Ordering::Release);
    }
}

struct Committer {
    position: Position,
    /// The open log and its number.
    writer: Option<(u64, Box<dyn WritableFile>)>,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest")
            .field("version", &self.current.load().number())
            .finish_non_exhaustive()
    }
}

impl Manifest {
    /// Writes the manifest of a new, empty database. Its directory exists.
    pub(crate) fn create(storage: &dyn Storage, database: u128) -> Result<()> {
        let lock = exclusive(storage)?;
        let position = log::write_checkpoint(storage, database, None, &Version::default())?;
        log::switch_to(storage, &*lock, position, None)?;
        Ok(())
    }

    /// Reads the manifest of an existing database.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        clock: Arc<CommitClock>,
        database: u128,
        log_bytes_min: u64,
    ) -> Result<Self> {
        let (version, position) = log::load(&*storage, database)?;
        Ok(Self {
            storage,
            clock,
            database,
            log_bytes_min,
            current: ArcSwap::from_pointee(version),
            turn: Mutex::default(),
            is_newest: AtomicBool::new(false),
            committer: Mutex::new(Committer {
                position,
                writer: None,
            }),
            poison: OnceLock::new(),
        })
    }

    /// The version this process has read last.
    pub(crate) fn current(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// The newest version, with all that other processes have committed.
    pub(crate) fn refresh(&self) -> Result<Arc<Version>> {
        // A commit of this process has read everything when it has the lock; its own record must not be read before it is
        // durable. After a failed sync nobody knows what is: this process goes on reading what it knew.
        while self.poison.get().is_none() && !self.is_newest.load(Ordering::Acquire) {
            if let Some(mut committer) = self.committer.try_lock_for(FOLLOW_WAIT) {
                self.follow(&mut committer)?;
                break;
            }
        }
        Ok(self.current())
    }

    /// Waits for the commit lock and reads what others have committed.
    fn hold(&self) -> Result<Held<'_>> {
        let turn = self.turn.lock();
        self.check_poison()?;
        // Not under the mutex of readers: while another process has the lock, it may commit what they have to see.
        let lock = exclusive(&*self.storage)?;
        let mut committer = self.committer.lock();
        self.follow(&mut committer)?;
        self.is_newest.store(true, Ordering::Release);
        Ok(Held {
            is_newest: &self.is_newest,
            lock,
            committer,
            _turn: turn,
        })
    }

    fn follow(&self, committer: &mut Committer) -> Result<()> {
        let before = self.current.load();
        if let Some((version, position)) = log::follow(&*self.storage, &committer.position, &before)? {
            // A record whose sync failed after it was read here is no older copy: it never happened.
            if version.number() < before.number() && !position.torn {
                return Err(Error::corrupt(format!(
                    "the manifest went back from version {} to {}: an older copy was put in its place",
                    before.number(),
                    version.number()
                )));
            }
            committer.position = position;
            self.current.store(Arc::new(version));
        }
        Ok(())
    }

    /// Commits the edit that `plan` makes of the newest version: atomic, and durable when this returns.
    ///
    /// `plan` is given the newest version and the commit's time. It runs under the commit lock, so what it reads cannot change before its edit is in the log.
    ///
    /// # Errors
    /// What `plan` or applying its edit says, with nothing written. `Io` when the log cannot be written; after a
    /// failed sync every further commit of this process is refused.
    pub(crate) fn commit(
        &self,
        plan: impl FnOnce(&Version, i64) -> Result<Vec<EditItem>>,
    ) -> Result<Arc<Version>> {
        let mut held = self.hold()?;
        let Held { lock, committer, .. } = &mut held;
        let before = self.current();
        self.clock.observe(before.committed_at());
        let now = self.clock.tick();
        let items = plan(&before, now)?;
        let next = before.apply(before.number() + 1, now, &items)?;
        let position = &committer.position;
        if position.torn || self.checkpoint_due(position) || !log::is_confirmed(&**lock, position) {
            self.switch(committer, &**lock, &next)?;
        } else {
            self.append(committer, &**lock, &next, items)?;
        }
        let next = Arc::new(next);
        self.current.store(Arc::clone(&next));
        Ok(next)
    }

    fn append(
        &self,
        committer: &mut Committer,
        lock: &dyn FileLock,
        next: &Version,
        items: Vec<EditItem>,
    ) -> Result<()> {
        let record = encode_record(next.number(), next.committed_at(), &RecordBody::Edit(items));
        let writer = match &mut committer.writer {
            Some((number, writer)) if *number == committer.position.log => writer,
            slot => {
                let writer = log::writer(&*self.storage, &committer.position)?;
                &mut slot.insert((committer.position.log, writer)).1
            }
        };
        let end = writer.refresh_len()?; // Other processes append too; the lock is held, so this is the end.
        if end != committer.position.len {
            return Err(Error::internal(format!(
                "the manifest log ends at byte {end}, it was read up to {}",
                committer.position.len
            )));
        }
        if let Err(error) = writer.append(&record) {
            // Part of the record may be there. The next commit starts a new log instead of appending after it.
            committer.position.torn = true;
            committer.writer = None;
            return Err(error.context("the commit was not written, nothing has changed"));
        }
        if let Err(error) = writer.sync() {
            // The page cache may show a record that the disk does not have: mark it, so that nobody reads it.
            let marked = log::write_suspect_tail(lock, &committer.position);
            committer.position.torn = true;
            committer.writer = None;
            return Err(self.poison(&error, marked.err()));
        }
        committer.position.len += record.len() as u64;
        // Only a lower bound for the next reader; the commit is durable whether or not it can be written.
        if let Err(error) = log::write_tail(lock, &committer.position) {
            tracing::warn!(%error, "the committed length could not be written to manifest/LOCK");
        }
        Ok(())
    }

    fn switch(&self, committer: &mut Committer, lock: &dyn FileLock, next: &Version) -> Result<()> {
        let old = &committer.position;
        let prepared = log::write_checkpoint(&*self.storage, self.database, Some(old), next)
            .map_err(|error| error.context("the commit was not written, nothing has changed"))?;
        match log::switch_to(&*self.storage, lock, prepared, Some(old)) {
            Ok(position) => {
                committer.writer = None;
                committer.position = position;
                Ok(())
            }
            // Whether CURRENT was switched is not known: only a new start can tell.
            Err(error) => Err(self.poison(&error, None)),
        }
    }

    /// Refuses every further commit of this process.
    fn poison(&self, cause: &Error, also: Option<Error>) -> Error {
        let also = also.map(|error| format!("; and {error}")).unwrap_or_default();
        let message = format!(
            "a commit could not be made durable ({cause}{also}). Whether it happened is not known until the database \
             is opened again; until then this process commits nothing more"
        );
        let message = self.poison.get_or_init(|| message);
        Error::new(ErrorKind::Io, message.clone())
    }

    /// Refuses every further commit because another file of the database could not be made durable.
    pub(crate) fn refuse_further(&self, cause: &Error) {
        self.poison.get_or_init(|| cause.to_string());
    }

    /// Whether commits are still possible.
    pub(crate) fn check_poison(&self) -> Result<()> {
        match self.poison.get() {
            Some(message) => Err(Error::new(ErrorKind::Io, message.clone())),
            None => Ok(()),
        }
    }

    /// A checkpoint is written when the edits since the last one outweigh it, so that its cost is spread over them.
    fn checkpoint_due(&self, position: &Position) -> bool {
        let edits = position.len.saturating_sub(position.checkpoint_len);
        edits > self.log_bytes_min.max(2 * position.checkpoint_len)
    }

    /// Makes the version that was read durable, in a log of its own.
    ///
    /// A process may have ended between its append and its sync, or between the switch of CURRENT and the sync of
    /// that. What is built on such a commit, or removed because of it, must not outlive it.
    fn confirm(&self, committer: &mut Committer, lock: &dyn FileLock) -> Result<()> {
        if log::is_confirmed(lock, &committer.position) {
            return Ok(());
        }
        let current = self.current();
        self.switch(committer, lock, &current)
    }

    /// Keeps others from committing while `work` runs on the newest version, which is durable, and the number of
    /// its log.
    pub(crate) fn with_lock<T>(&self, work: impl FnOnce(&Version, u64) -> Result<T>) -> Result<T> {
        let mut held = self.hold()?;
        let Held { lock, committer, .. } = &mut held;
        self.confirm(committer, &**lock)?;
        work(&self.current(), committer.position.log)
    }
}

fn exclusive(storage: &dyn Storage) -> Result<Box<dyn FileLock>> {
    loop {
        let lock = storage.lock(&log::lock_path(), LockMode::Exclusive, true)?;
        let lock = lock.ok_or_else(|| Error::internal("waiting for the commit lock gave none"))?;
        // A lock on a file that was removed meanwhile keeps nobody out.
        if storage.lock_path_is(&*lock)? {
            return Ok(lock);
        }
    }
}
