//! The only place of the engine that reads time.
//!
//! - Times are `i64` nanoseconds since the Unix epoch, UTC, and may be negative.
//! - A clock may jump, backwards too. Who needs an order takes it from the commit order, not from here.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of the present time.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Nanoseconds since the Unix epoch, UTC.
    fn now_ns(&self) -> i64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        }
    }
}

/// Measures how long something takes, whatever happens to the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// A stopwatch that runs from now on.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since it was started.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// What is left of a time limit; `None` when it is over.
    pub(crate) fn left(&self, limit: Duration) -> Option<Duration> {
        limit.checked_sub(self.elapsed()).filter(|left| !left.is_zero())
    }
}

/// A clock that moves only when it is told to, for tests and replays. Clones share the time.
///
/// ```
/// use gapless_engine::clock::{Clock, ManualClock};
/// let clock = ManualClock::new(100);
/// clock.advance(-30);
/// assert_eq!(clock.now_ns(), 70);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `now_ns`.
    #[must_use]
    pub fn new(now_ns: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now_ns)))
    }

    /// Puts the clock to `now_ns`.
    pub fn set(&self, now_ns: i64) {
        self.0.store(now_ns, Ordering::SeqCst);
    }

    /// Moves the clock by `delta_ns`, backwards if negative; wraps at the ends of `i64`.
    pub fn advance(&self, delta_ns: i64) {
        self.0.fetch_add(delta_ns, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Gives times to commits: a hybrid logical clock.
///
/// A tick is the wall clock's time, but later than every tick and every observed commit before it, so that a commit
/// that was seen is always earlier than one that is made afterwards, whatever the wall clock does.
#[derive(Debug)]
pub struct CommitClock {
    wall: Arc<dyn Clock>,
    last: AtomicI64,
}

impl CommitClock {
    /// A clock that has seen no commit.
    pub fn new(wall: Arc<dyn Clock>) -> Self {
        Self {
            wall,
            last: AtomicI64::new(i64::MIN),
        }
    }

    /// The time of the wall clock.
    pub fn now_ns(&self) -> i64 {
        self.wall.now_ns()
    }

    /// The time of a new commit.
    pub fn tick(&self) -> i64 {
        let now = self.wall.now_ns();
        let next = |last: i64| now.max(last.saturating_add(1));
        let before = self
            .last
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        next(before.unwrap_or(i64::MIN))
    }

    /// Takes note of a commit, of this process or another.
    pub fn observe(&self, commit: i64) {
        self.last.fetch_max(commit, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_after_2020_and_clones_of_a_manual_clock_share_it() {
        assert!(SystemClock.now_ns() > 1_577_836_800_000_000_000);
        let clock = ManualClock::new(5);
        clock.clone().set(9);
        assert_eq!(clock.now_ns(), 9);
    }
}
