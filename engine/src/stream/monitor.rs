//! What [`group_commit`](super::group_commit) waits with, so that a model checker can take its place in tests.

use std::ops::DerefMut;
use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of locks.
pub(crate) trait Primitives {
    /// A value behind a lock.
    type Monitor<T: Send>: Monitor<T>;
    /// A number that is only ever raised.
    type Position: Position;
}

/// A value behind a lock, and a condition to wait for its change.
pub(crate) trait Monitor<T> {
    /// Holds the lock.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    fn new(value: T) -> Self;
    fn lock(&self) -> Self::Guard<'_>;
    /// Lets go of the lock until somebody calls [`Monitor::notify_all`], or for no reason.
    fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a>;
    fn notify_all(&self);
}

/// A position in a log. Who reads it sees what was written before it was stored.
pub(crate) trait Position {
    fn new(position: u64) -> Self;
    fn store(&self, position: u64);
    fn load(&self) -> u64;
}

/// The locks of the product.
#[derive(Debug)]
pub(crate) enum ParkingLot {}

impl Primitives for ParkingLot {
    type Monitor<T: Send> = ParkingLotMonitor<T>;
    type Position = AtomicU64;
}

/// A [`Monitor`] of `parking_lot`.
#[derive(Debug)]
pub(crate) struct ParkingLotMonitor<T> {
    value: parking_lot::Mutex<T>,
    changed: parking_lot::Condvar,
}

impl<T> Monitor<T> for ParkingLotMonitor<T> {
    type Guard<'a>
        = parking_lot::MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        Self {
            value: parking_lot::Mutex::new(value),
            changed: parking_lot::Condvar::new(),
        }
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.value.lock()
    }

    fn wait<'a>(&'a self, mut guard: Self::Guard<'a>) -> Self::Guard<'a> {
        self.changed.wait(&mut guard);
        guard
    }

    fn notify_all(&self) {
        self.changed.notify_all();
    }
}

impl Position for AtomicU64 {
    fn new(position: u64) -> Self {
        Self::new(position)
    }

    fn store(&self, position: u64) {
        self.store(position, Ordering::Release);
    }

    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }
}
