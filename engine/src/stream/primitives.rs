//! What [`group_commit`](super::group_commit) locks and waits with, so that a model checker can take its place in tests.

use std::ops::DerefMut;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crate::clock::Stopwatch;

/// A kind of locks.
pub(crate) trait Primitives {
    /// A value behind a lock.
    type Lock<T: Send>: Lock<T>;
    /// A number that is only ever raised.
    type Position: Position;
    /// What a thread waits for.
    type Call: Call;
}

/// A value behind a lock.
pub(crate) trait Lock<T> {
    /// Holds the lock.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    fn new(value: T) -> Self;
    fn lock(&self) -> Self::Guard<'_>;
}

/// A position in a log. Who reads it sees what was written before it was stored.
pub(crate) trait Position {
    fn new(position: u64) -> Self;
    fn store(&self, position: u64);
    fn load(&self) -> u64;
}

/// A word that one thread waits for and another one says, once. Each waiter has its own: the threads that are woken
/// together need no lock in common, and the one that has to go on first is woken first.
pub(crate) trait Call: Send + Sync {
    /// A call to the present thread.
    fn new() -> Self;
    /// Says the word, which is not 0.
    fn say(&self, word: u32);
    /// The word, when it was said. The thread stays awake for a time `spin`. Called by the thread that made the call.
    fn wait(&self, spin: Duration) -> u32;
    /// The word, if it is said within a time.
    fn wait_for(&self, limit: Duration) -> Option<u32>;
}

/// The locks of the product.
#[derive(Debug)]
pub(crate) enum ParkingLot {}

impl Primitives for ParkingLot {
    type Lock<T: Send> = parking_lot::Mutex<T>;
    type Position = AtomicU64;
    type Call = ParkedCall;
}

impl<T> Lock<T> for parking_lot::Mutex<T> {
    type Guard<'a>
        = parking_lot::MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.lock()
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

/// A [`Call`] to a thread that is parked.
#[derive(Debug)]
pub(crate) struct ParkedCall {
    word: AtomicU32,
    thread: Thread,
}

impl Call for ParkedCall {
    fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            thread: std::thread::current(),
        }
    }

    fn say(&self, word: u32) {
        self.word.store(word, Ordering::Release);
        self.thread.unpark();
    }

    fn wait(&self, spin: Duration) -> u32 {
        let watch = Stopwatch::start();
        loop {
            match self.word.load(Ordering::Acquire) {
                0 if watch.left(spin).is_some() => std::thread::yield_now(),
                0 => std::thread::park(),
                word => return word,
            }
        }
    }

    fn wait_for(&self, limit: Duration) -> Option<u32> {
        let watch = Stopwatch::start();
        loop {
            match (self.word.load(Ordering::Acquire), watch.left(limit)) {
                (0, Some(left)) => std::thread::park_timeout(left),
                (0, None) => return None,
                (word, _) => return Some(word),
            }
        }
    }
}
