//! `leases/LOCK`, among the threads of this process and among processes.
//!
//! - Who changes leases is alone. Who holds a fence is not, but keeps everybody from changing them.
//! - The lock file is opened once and locked again and again. The first fence of this process takes the lock shared, the
//!   last one gives it up; a change takes it exclusively when there is no fence.
//! - A thread of this process that waits to change something is not overtaken by new fences.
//!
//! Lock order: the state's mutex, then the file lock. Neither is waited for by who holds a fence, except for another
//! fence, which it is given at once.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::thread::ThreadId;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::log::LeaseLog;
use super::table::LeaseTable;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileLock, LockMode, RelPath, Storage};

const DIRECTORY: &str = "leases";
const LOCK: &str = "leases/LOCK";

/// The way to the log of leases.
#[derive(Debug)]
pub(super) struct Gate {
    storage: Arc<dyn Storage>,
    state: Mutex<State>,
    /// A fence was given up, or a change is done.
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    log: LeaseLog,
    lock: Option<Box<dyn FileLock>>,
    /// The threads that hold fences, once for each.
    fences: Vec<ThreadId>,
    /// Threads that wait until there is no fence.
    waiting: usize,
}

/// Nobody else has a fence or changes anything. What others have written was read.
pub(super) struct Exclusive<'a> {
    gate: &'a Gate,
    state: MutexGuard<'a, State>,
}

/// Nobody changes anything.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    gate: &'a Gate,
    /// Given up by the thread that took it: that is how others know who waits for itself.
    _of_thread: PhantomData<*const ()>,
}

impl Gate {
    pub(super) fn new(storage: Arc<dyn Storage>, log: LeaseLog) -> Self {
        Self {
            storage,
            state: Mutex::new(State {
                log,
                lock: None,
                fences: Vec::new(),
                waiting: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits until nobody holds a fence.
    ///
    /// # Errors
    /// `Invalid` when the calling thread holds one, or the storage is read-only; what following the log says.
    pub(super) fn exclusive(&self) -> Result<Exclusive<'_>> {
        let mut state = self.state.lock();
        if state.fences.contains(&std::thread::current().id()) {
            return Err(Error::invalid(
                "this thread holds a fence of a lease: drop it before leases are changed",
            ));
        }
        state.waiting += 1;
        while !state.fences.is_empty() {
            self.freed.wait(&mut state);
        }
        state.waiting -= 1;
        self.enter(&mut state, LockMode::Exclusive)?;
        Ok(Exclusive { gate: self, state })
    }

    /// Waits until nobody changes leases; gives what `check` allows.
    ///
    /// # Errors
    /// What `check` or following the log says; `Invalid` when the storage is read-only.
    pub(super) fn shared(&self, check: impl FnOnce(&LeaseTable) -> Result<()>) -> Result<Shared<'_>> {
        let me = std::thread::current().id();
        let mut state = self.state.lock();
        // Who has one already and waited for another would wait for itself.
        while state.waiting > 0 && !state.fences.is_empty() && !state.fences.contains(&me) {
            self.freed.wait(&mut state);
        }
        if state.fences.is_empty() {
            self.enter(&mut state, LockMode::Shared)?;
        }
        if let Err(error) = check(state.log.table()) {
            self.leave(&mut state);
            return Err(error);
        }
        state.fences.push(me);
        Ok(Shared {
            gate: self,
            _of_thread: PhantomData,
        })
    }

    /// Takes the file lock and reads what others have written.
    fn enter(&self, state: &mut State, mode: LockMode) -> Result<()> {
        loop {
            let lock = match state.lock.take() {
                Some(lock) => {
                    lock.acquire(mode, true)?;
                    lock
                }
                None => self.open(mode)?,
            };
            // When the log is not the one that was known, somebody may have removed the directory and its lock.
            if state.log.follow()? || self.storage.lock_path_is(&*lock)? {
                state.lock = Some(lock);
                return Ok(());
            }
        }
    }

    fn open(&self, mode: LockMode) -> Result<Box<dyn FileLock>> {
        if self.storage.is_read_only() {
            return Err(Error::invalid(
                "leases cannot be claimed or changed: the database was opened read-only; open it for writing",
            ));
        }
        loop {
            match self.storage.lock(&RelPath::from_static(LOCK), mode, true) {
                Ok(Some(lock)) => return Ok(lock),
                Ok(None) => return Err(Error::internal("waiting for the lock of leases gave none")),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            match self.storage.create_dir(&RelPath::from_static(DIRECTORY)) {
                Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
                _ => {}
            }
        }
    }

    /// Gives the file lock up, unless a fence needs it.
    fn leave(&self, state: &mut State) {
        if state.fences.is_empty() {
            // Closing the file gives it up for certain.
            state.lock = state.lock.take().filter(|lock| lock.release().is_ok());
            self.freed.notify_all();
        }
    }
}

impl Deref for Exclusive<'_> {
    type Target = LeaseLog;

    fn deref(&self) -> &LeaseLog {
        &self.state.log
    }
}

impl DerefMut for Exclusive<'_> {
    fn deref_mut(&mut self) -> &mut LeaseLog {
        &mut self.state.log
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.state.log.forget();
        }
        self.gate.leave(&mut self.state);
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let me = std::thread::current().id();
        let mut state = self.gate.state.lock();
        if let Some(at) = state.fences.iter().position(|thread| *thread == me) {
            state.fences.swap_remove(at);
        }
        self.gate.leave(&mut state);
    }
}
