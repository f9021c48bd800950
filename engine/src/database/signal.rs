//! Wakes threads of this process that wait for something to be committed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Counts commits and streamed commits of this process. Who commits pays two atomic operations while nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    count: AtomicU64,
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Signal {
    /// Something was committed.
    pub(crate) fn notify(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock()); // Who has looked and not waited yet waits before this returns.
            self.changed.notify_all();
        }
    }

    /// What to give to [`Signal::wait`], taken before looking for what is new.
    pub(crate) fn seen(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Returns when something was committed since `seen`, or after `limit`.
    pub(crate) fn wait(&self, seen: u64, limit: Duration) {
        let mut guard = self.lock.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.seen() == seen {
            self.changed.wait_for(&mut guard, limit);
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
