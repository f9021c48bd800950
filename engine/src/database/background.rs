//! The thread that works while nobody waits: syncs at intervals, rolls, flushes, maintenance.
//!
//! It begins with the first streamed commit and ends with the last handle of the database. It holds no handle
//! itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::engine::Engine;

/// Whether the engine works by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maintenance {
    /// A background thread rolls on the hour and at a size, flushes, and compacts.
    #[default]
    Background,
    /// Only what is called for: `flush`, `maintain`, `compact`. A full memory is refused.
    Manual,
}

/// How often the thread looks whether an hour has ended.
const TICK: Duration = Duration::from_millis(500);

const HOUR_NS: i64 = 3_600_000_000_000;

/// The background thread of an engine.
#[derive(Debug)]
pub(crate) struct Background {
    enabled: bool,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    is_started: AtomicBool,
    is_syncing: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    interval_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    is_stopped: bool,
}

impl Background {
    pub(crate) fn new(mode: Maintenance) -> Self {
        Self {
            enabled: mode == Maintenance::Background,
            shared: Arc::default(),
            threads: Mutex::default(),
            is_started: AtomicBool::new(false),
            is_syncing: AtomicBool::new(false),
        }
    }

    /// Whether the engine works by itself.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Begins the thread, if it is wanted and not there.
    pub(crate) fn start(&self, engine: &Arc<Engine>) {
        if self.enabled && !self.is_started.swap(true, Ordering::AcqRel) {
            let (engine, shared) = (Arc::downgrade(engine), Arc::clone(&self.shared));
            self.spawn("gapless-background", move || work(&engine, &shared));
        }
    }

    /// Begins to sync the stream at intervals. The shortest that was ever asked for counts.
    pub(crate) fn sync_every(&self, engine: &Arc<Engine>, ms: u64) {
        let ms = ms.max(1);
        let shortest = |now: u64| if now == 0 { ms } else { now.min(ms) };
        let _ = self
            .shared
            .interval_ms
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(shortest(now)));
        if !self.is_syncing.swap(true, Ordering::AcqRel) {
            let (engine, shared) = (Arc::downgrade(engine), Arc::clone(&self.shared));
            self.spawn("gapless-sync", move || sync(&engine, &shared));
        }
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        match std::thread::Builder::new().name(name.to_owned()).spawn(work) {
            Ok(thread) => self.threads.lock().push(thread),
            Err(error) => tracing::warn!(%error, "no background thread: call flush() and maintain()"),
        }
    }

    /// Tells the thread that there is something to do.
    pub(crate) fn wake(&self) {
        self.shared.state.lock().is_woken = true;
        self.shared.changed.notify_all();
    }

    /// Ends the threads and waits for what they are doing.
    pub(crate) fn stop(&self) {
        self.shared.state.lock().is_stopped = true;
        self.shared.changed.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!("a background thread panicked");
            }
        }
        // The engine may be opened again while a snapshot still holds it.
        *self.shared.state.lock() = State::default();
        self.is_started.store(false, Ordering::Release);
        self.is_syncing.store(false, Ordering::Release);
    }
}

impl Shared {
    /// Waits for something to do; false when the thread is to end.
    fn wait(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.is_woken && !state.is_stopped {
            self.changed.wait_for(&mut state, limit);
        }
        state.is_woken = false;
        !state.is_stopped
    }

    fn pause(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state.lock();
        while !state.is_stopped && Instant::now() < until {
            self.changed
                .wait_for(&mut state, until.saturating_duration_since(Instant::now()));
        }
        !state.is_stopped
    }
}

fn work(engine: &Weak<Engine>, shared: &Shared) {
    let mut hour = None;
    while shared.wait(TICK) {
        let Some(engine) = engine.upgrade() else { return };
        let now = engine.now_ns().div_euclid(HOUR_NS);
        if hour.replace(now).is_some_and(|before| before != now)
            && let Some(stream) = engine.own_stream()
            && let Err(error) = stream.seal()
        {
            tracing::warn!(%error, "the memtable could not be sealed at the end of the hour and goes on");
        }
        if let Err(error) = engine.flush_sealed() {
            tracing::error!(%error, "streamed rows could not be flushed; they stay in the log and in memory");
        }
    }
}

fn sync(engine: &Weak<Engine>, shared: &Shared) {
    while shared.pause(Duration::from_millis(shared.interval_ms.load(Ordering::Acquire))) {
        let Some(engine) = engine.upgrade() else { return };
        engine.live().commit_old_rows();
        let unsynced = engine.own_stream().filter(|stream| stream.is_unsynced());
        if unsynced.is_some()
            && let Err(error) = engine.sync_stream()
        {
            tracing::error!(%error, "the log could not be made durable");
            return;
        }
    }
}
