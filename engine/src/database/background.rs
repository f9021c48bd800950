//! The threads that work while nobody waits: syncs at intervals, rolls and flushes, maintenance.
//!
//! They begin with the first commit and end with the last handle of the database. They hold no handle themselves.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::engine::Engine;
use crate::clock::Stopwatch;
use crate::compact::{self, Policy, RunOptions};
use crate::io;

/// Whether the engine works by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maintenance {
    /// A background thread rolls on the hour and at a size, flushes, and compacts.
    #[default]
    Background,
    /// Only what is called for: `flush`, `maintain`, `compact`. A full memory is refused.
    Manual,
}

/// Threads that sort and write, at a low priority: appends and queries go first.
#[derive(Debug)]
pub(crate) struct Workers {
    name: &'static str,
    /// Cores that are left to others.
    spared: usize,
    pool: OnceLock<rayon::ThreadPool>,
}

impl Workers {
    pub(crate) const fn new(name: &'static str, spared: usize) -> Self {
        Self {
            name,
            spared,
            pool: OnceLock::new(),
        }
    }

    /// Runs parallel work on these threads. If they cannot be made, it runs on those of everybody.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if let Some(pool) = self.pool.get() {
            return pool.install(work);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let name = self.name;
        let made = rayon::ThreadPoolBuilder::new()
            .num_threads(cores.saturating_sub(self.spared).max(1))
            .thread_name(move |number| format!("gapless-{name}-{number}"))
            .start_handler(|_| io::lower_priority())
            .build();
        match made {
            Ok(pool) => self.pool.get_or_init(|| pool).install(work),
            Err(error) => {
                tracing::warn!(%error, "background work runs on the threads of queries");
                work()
            }
        }
    }
}

/// How often the thread looks whether an hour has ended.
const TICK: Duration = Duration::from_millis(500);

/// How often maintenance looks for something to do, when there were commits.
const MAINTENANCE_TICK: Duration = Duration::from_secs(2);
/// Ticks after which it looks even when there were none: days end and rows expire by themselves.
const IDLE_TICKS: u32 = 30;

const HOUR_NS: i64 = 3_600_000_000_000;

/// The background thread of an engine.
#[derive(Debug)]
pub(crate) struct Background {
    enabled: bool,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    is_started: AtomicBool,
    is_syncing: AtomicBool,
    is_maintaining: AtomicBool,
    work: BackgroundWork,
}

/// What the background thread does beside flushes, and how fast.
#[derive(Debug, Clone)]
pub(crate) struct BackgroundWork {
    pub(crate) policy: Policy,
    /// Bytes that maintenance reads and writes in a second; `None` for as fast as it goes.
    pub(crate) bytes_per_s: Option<u64>,
}

impl Default for BackgroundWork {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            bytes_per_s: Some(64 << 20),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    interval_ms: AtomicU64,
    /// Set while the threads are to end: maintenance under way leaves nothing behind.
    cancel: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    is_stopped: bool,
}

impl Background {
    pub(crate) fn new(mode: Maintenance, work: BackgroundWork) -> Self {
        Self {
            enabled: mode == Maintenance::Background,
            shared: Arc::default(),
            threads: Mutex::default(),
            is_started: AtomicBool::new(false),
            is_syncing: AtomicBool::new(false),
            is_maintaining: AtomicBool::new(false),
            work,
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
            self.spawn("gapless-flush", move || work(&engine, &shared));
        }
        if self.enabled && !self.is_maintaining.swap(true, Ordering::AcqRel) {
            let (engine, shared) = (Arc::downgrade(engine), Arc::clone(&self.shared));
            let work = self.work.clone();
            self.spawn("gapless-maintenance", move || maintain(&engine, &shared, &work));
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
        self.shared.cancel.store(true, Ordering::Release);
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
        self.is_maintaining.store(false, Ordering::Release);
        self.shared.cancel.store(false, Ordering::Release);
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
        let watch = Stopwatch::start();
        let mut state = self.state.lock();
        while let Some(left) = watch.left(limit).filter(|_| !state.is_stopped) {
            self.changed.wait_for(&mut state, left);
        }
        !state.is_stopped
    }
}

fn work(engine: &Weak<Engine>, shared: &Shared) {
    let mut hour = None;
    while shared.wait(TICK) {
        let Some(engine) = engine.upgrade() else { return };
        let now = engine.now_ns().div_euclid(HOUR_NS);
        let has_turned = hour.replace(now).is_some_and(|before| before != now);
        if let Some(stream) = engine.own_stream()
            && (has_turned || stream.take_request())
            && let Err(error) = stream.seal()
        {
            tracing::warn!(%error, "the memtable could not be sealed and goes on");
        }
        if let Err(error) = engine.flush_sealed() {
            tracing::error!(%error, "streamed rows could not be flushed; they stay in the log and in memory");
        }
    }
}

fn maintain(engine: &Weak<Engine>, shared: &Shared, work: &BackgroundWork) {
    io::lower_priority();
    let options = RunOptions {
        bytes_per_s: work.bytes_per_s,
        cancel: Arc::clone(&shared.cancel),
        ..RunOptions::default()
    };
    let (mut seen, mut idle) = (0, 0);
    while shared.pause(MAINTENANCE_TICK) {
        let Some(engine) = engine.upgrade() else { return };
        idle += 1;
        let number = engine.manifest().current().number();
        if number == seen && idle < IDLE_TICKS {
            continue;
        }
        (seen, idle) = (number, 0);
        if let Err(error) = compact::maintain(&engine, &work.policy, &options) {
            tracing::error!(%error, "maintenance in the background has failed and is tried again later");
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
