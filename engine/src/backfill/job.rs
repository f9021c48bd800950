//! The job that fills gaps: workers, what they share, progress and cancelling.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gapless_format::TableMeta;
use parking_lot::{Condvar, Mutex};

use super::builder::JobOptions;
use super::content::RowCounts;
use super::observe::JobObserver;
use super::plan::Unit;
use super::report::{BackfillReport, GapOutcome, GapReport};
use super::run::{Begun, Claimed, GapRun, Leased, Next};
use super::strategy::{BackfillError, BackfillStrategy};
use super::writer::WriterOptions;
use crate::clock::Stopwatch;
use crate::coverage::Gap;
use crate::database::series_domain;
use crate::error::{Error, Result};
use crate::lease::{Lease, Leases, TimeText};
use crate::table::Table;

/// Units that one worker claims at once.
const CLAIMS_MAX: usize = 16;
/// Gaps that are filled within this time are claimed several at once.
const QUICK: Duration = Duration::from_millis(5);
/// How often a range that another worker has is looked at again.
pub(crate) const HELD_POLL: Duration = Duration::from_millis(50);

/// What is told about a job while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackfillProgress {
    /// Gaps that were planned.
    pub gaps: usize,
    /// Gaps that are over, however they came out.
    pub done: usize,
    /// Gaps that failed.
    pub failed: usize,
    /// What became of rows so far.
    pub rows: RowCounts,
}

pub(crate) type OnProgress = Arc<dyn Fn(&BackfillProgress) + Send + Sync>;

/// Units that are to be done.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Unit>,
    /// Those that another worker has.
    held: VecDeque<Unit>,
    /// Units that workers of this job are at.
    running: usize,
    is_over: bool,
}

impl Queue {
    fn look_at_held_again(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.waiting.extend(held);
    }
}

/// What the workers of a job share.
pub(crate) struct JobCore {
    pub(crate) table: Table,
    pub(crate) meta: Arc<TableMeta>,
    pub(crate) options: JobOptions,
    pub(crate) strategy_name: String,
    cancelled: Arc<AtomicBool>,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Tells who keeps the leases that the job is over.
    over: Condvar,
    progress: Mutex<BackfillProgress>,
    on_progress: Option<OnProgress>,
    pub(crate) observer: Arc<dyn JobObserver>,
    reports: Mutex<Vec<GapReport>>,
    failure: Mutex<Option<Error>>,
    /// The leases of units that are being filled, and since when nothing was committed.
    active: Mutex<HashMap<u64, (Lease, Stopwatch)>>,
    /// Leases of units that are done with, to be ended together.
    ended: Mutex<Vec<Lease>>,
    /// When the next attempt may begin, since the job began.
    next_start: Mutex<Duration>,
    random: AtomicU64,
    watch: Stopwatch,
}

impl std::fmt::Debug for JobCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobCore")
            .field("table", &self.table.name())
            .finish_non_exhaustive()
    }
}

impl JobCore {
    /// A job of units, not begun.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped.
    pub(crate) fn new(
        table: &Table,
        units: Vec<Unit>,
        options: JobOptions,
        strategy_name: &str,
        on_progress: Option<OnProgress>,
        observer: Arc<dyn JobObserver>,
    ) -> Result<Arc<Self>> {
        observer.planned(strategy_name, &units);
        let progress = BackfillProgress {
            gaps: units.len(),
            ..BackfillProgress::default()
        };
        Ok(Arc::new(Self {
            meta: table.meta()?,
            table: table.clone(),
            options,
            strategy_name: strategy_name.to_owned(),
            cancelled: Arc::new(AtomicBool::new(false)),
            queue: Mutex::new(Queue {
                waiting: units.into(),
                ..Queue::default()
            }),
            changed: Condvar::new(),
            over: Condvar::new(),
            ended: Mutex::default(),
            progress: Mutex::new(progress),
            on_progress,
            observer,
            reports: Mutex::default(),
            failure: Mutex::default(),
            active: Mutex::default(),
            next_start: Mutex::default(),
            random: AtomicU64::new(0),
            watch: Stopwatch::start(),
        }))
    }

    pub(crate) fn leases(&self) -> &Leases {
        self.table.database().engine().leases()
    }

    /// The batch of a gap: who it is for, its interval and its range, in seconds where they are whole, as in a lease's key.
    pub(crate) fn batch_of(&self, gap: &Gap) -> String {
        let series = gap.series.as_deref().unwrap_or_default();
        let (interval, start, end) = (TimeText(gap.interval), TimeText(gap.start), TimeText(gap.end));
        format!("{series}:{interval}:{start}:{end}")
    }

    /// The code of a series, which is made if need be.
    pub(crate) fn code(&self, series: Option<&str>) -> Result<Option<u32>> {
        let Some(series) = series else {
            return Ok(None);
        };
        let domain = series_domain(&self.meta)?;
        let codes = self.table.database().engine().encode_symbols(domain, &[series])?;
        Ok(codes.first().copied())
    }

    pub(crate) fn writer_options(&self, batch: String) -> WriterOptions {
        WriterOptions {
            lease_ttl: self.options.lease_ttl,
            source: self.options.source.clone(),
            batch,
            durability: self.options.durability,
            missing_columns: self.options.missing_columns,
            cancelled: Arc::clone(&self.cancelled),
            observer: Arc::clone(&self.observer),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn cancel(&self) {
        // Only once: a callback may say it under the lock. Who has looked and does not wait yet holds the lock until it does.
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            drop(self.queue.lock());
            self.changed.notify_all();
        }
    }

    /// The next units, at most so many; `None` when there are none any more. Waits for units that others have.
    fn next_units(&self, limit: usize) -> Option<Vec<Unit>> {
        let mut queue = self.queue.lock();
        loop {
            // The last ones are shared among the workers.
            let limit = limit.min(queue.waiting.len() / self.options.concurrency).max(1);
            let units: Vec<Unit> = std::iter::from_fn(|| self.take_from(&mut queue))
                .take(limit)
                .collect();
            if !units.is_empty() {
                queue.running += units.len();
                return Some(units);
            }
            if queue.held.is_empty() && queue.running == 0 {
                self.set_over(&mut queue);
                return None;
            }
            if queue.held.is_empty() {
                self.changed.wait(&mut queue);
                continue;
            }
            self.changed.wait_for(&mut queue, HELD_POLL);
            queue.look_at_held_again();
        }
    }

    fn set_over(&self, queue: &mut Queue) {
        queue.is_over = true;
        self.changed.notify_all();
        self.over.notify_all();
    }

    /// Notes that a unit is done with. Its lease is ended soon, together with others.
    pub(crate) fn note_ended(&self, lease: &Lease) {
        self.ended.lock().push(lease.clone());
    }

    /// Ends the leases of units that are done with.
    pub(crate) fn end_leases(&self) {
        let ended = std::mem::take(&mut *self.ended.lock());
        if let Err(error) = self.leases().complete_many(&ended) {
            tracing::debug!(%error, "leases could not be ended and expire by themselves");
        }
    }

    fn take_from(&self, queue: &mut Queue) -> Option<Unit> {
        if self.is_cancelled() {
            self.give_up(queue);
        }
        queue.waiting.pop_front()
    }

    /// Reports what is not done any more.
    fn give_up(&self, queue: &mut Queue) {
        let left: Vec<Unit> = queue.waiting.drain(..).chain(queue.held.drain(..)).collect();
        for unit in left {
            self.report(not_begun(unit.gap, GapOutcome::Cancelled));
        }
    }

    /// Puts a unit back that another worker has.
    pub(crate) fn hold(&self, unit: Unit) {
        match self.options.waits_for_others {
            true => self.queue.lock().held.push_back(unit),
            false => {
                let why = "another worker has the range".to_owned();
                self.report(not_begun(unit.gap, GapOutcome::Leased(why)));
            }
        }
    }

    fn done(&self) {
        let mut queue = self.queue.lock();
        queue.running -= 1;
        // Nobody waits while there is something to do.
        if queue.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    pub(crate) fn report(&self, report: GapReport) {
        let progress = {
            let mut progress = self.progress.lock();
            progress.done += 1;
            progress.failed += usize::from(matches!(report.outcome, GapOutcome::Failed(_)));
            progress.rows += report.rows;
            *progress
        };
        self.reports.lock().push(report);
        if let Some(tell) = &self.on_progress {
            tell(&progress);
        }
    }

    /// The database has failed: nothing more is begun.
    pub(crate) fn fail(&self, error: Error) {
        self.failure.lock().get_or_insert(error);
        self.cancel();
    }

    /// How long to wait until the next attempt may begin.
    pub(crate) fn turn(&self) -> Duration {
        let between = self.options.pause_between;
        if between.is_zero() {
            return Duration::ZERO;
        }
        let mut next = self.next_start.lock();
        let now = self.watch.elapsed();
        let turn = (*next).max(now);
        *next = turn + between;
        turn - now
    }

    /// From 0 to 1, different each time.
    pub(crate) fn random(&self) -> f64 {
        let count = self.random.fetch_add(1, Ordering::Relaxed);
        let now = self.table.database().engine().now_ns();
        let bits = gapless_format::checksum(&[count.to_le_bytes(), now.to_le_bytes()].concat());
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Sleeps; `false` when the job was cancelled meanwhile.
    fn sleep(&self, pause: Duration) -> bool {
        let watch = Stopwatch::start();
        let mut queue = self.queue.lock();
        while let Some(left) = watch.left(pause) {
            if self.is_cancelled() {
                return false;
            }
            self.changed.wait_for(&mut queue, left);
        }
        !self.is_cancelled()
    }

    /// Renews the leases of units that are being filled, until the job is over.
    fn keep_leases(&self) {
        let third = self.options.lease_ttl / 3;
        loop {
            {
                let mut queue = self.queue.lock();
                let watch = Stopwatch::start();
                while let Some(left) = watch.left(third) {
                    if queue.is_over {
                        return;
                    }
                    self.over.wait_for(&mut queue, left);
                }
                if queue.is_over {
                    return;
                }
            }
            self.renew_active();
        }
    }

    /// Renews the leases of units that are being filled, but for those whose workers have stopped. A job that was cancelled
    /// commits nothing more, so it keeps nothing from others.
    pub(crate) fn renew_active(&self) {
        if self.is_cancelled() {
            return;
        }
        let active: Vec<Lease> = {
            let active = self.active.lock();
            let is_at_it = |since: &Stopwatch| since.left(self.options.stalled_after).is_some();
            let of_living = active.values().filter(|(_, since)| is_at_it(since));
            of_living.map(|(lease, _)| lease.clone()).collect()
        };
        for lease in active {
            if let Err(error) = self.leases().renew(&lease, self.options.lease_ttl, None) {
                tracing::debug!(%error, "a lease could not be renewed");
            }
        }
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> BackfillProgress {
        *self.progress.lock()
    }

    /// What became of it, when no worker is left.
    ///
    /// # Errors
    /// What the database said when it could not go on.
    pub(crate) fn finish(&self) -> Result<BackfillReport> {
        let elapsed = self.watch.elapsed();
        self.observer.job_over(&self.strategy_name, elapsed);
        if let Some(error) = self.failure.lock().take() {
            return Err(error);
        }
        Ok(BackfillReport {
            gaps: std::mem::take(&mut *self.reports.lock()),
            elapsed,
        })
    }
}

/// What a job without threads needs of its queue.
#[cfg(feature = "tokio")]
impl JobCore {
    /// The next unit, if there is one now.
    pub(crate) fn take(&self) -> Option<Unit> {
        self.take_from(&mut self.queue.lock())
    }

    /// Whether another worker has a unit.
    pub(crate) fn has_held(&self) -> bool {
        !self.queue.lock().held.is_empty()
    }

    /// Lets the units that others had be taken again.
    pub(crate) fn look_at_held_again(&self) {
        self.queue.lock().look_at_held_again();
    }
}

/// A lease that is renewed while this lives.
pub(crate) struct Active<'a> {
    core: &'a JobCore,
    epoch: u64,
}

impl<'a> Active<'a> {
    pub(crate) fn begin(core: &'a JobCore, lease: Lease) -> Self {
        let epoch = lease.epoch;
        core.active.lock().insert(epoch, (lease, Stopwatch::start()));
        Self { core, epoch }
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.core.active.lock().remove(&self.epoch);
    }
}

pub(crate) fn not_begun(gap: Gap, outcome: GapOutcome) -> GapReport {
    GapReport {
        gap,
        outcome,
        rows: RowCounts::default(),
        attempts: 0,
        elapsed: Duration::ZERO,
    }
}

/// One worker. Where gaps are filled quickly several are claimed at once: a claim costs about as much as such a gap.
fn work(core: &Arc<JobCore>, strategy: &dyn BackfillStrategy) {
    let mut limit = 1;
    while let Some(units) = core.next_units(limit) {
        let (count, watch) = (units.len(), Stopwatch::start());
        let mut running: Vec<Running<'_>> = units.iter().map(|_| Running(core)).collect();
        match GapRun::claim(core, units) {
            Err(error) => core.fail(error),
            Ok(claimed) => {
                for claimed in claimed {
                    match claimed {
                        Claimed::Held(unit) => core.hold(unit),
                        Claimed::Leased(leased) => fill_leased(core, leased, strategy),
                    }
                    running.pop();
                }
            }
        }
        core.end_leases();
        drop(running);
        let is_quick = watch.elapsed() < QUICK * u32::try_from(count).unwrap_or(u32::MAX);
        limit = if is_quick { (limit * 2).min(CLAIMS_MAX) } else { 1 };
    }
}

fn fill_leased(core: &Arc<JobCore>, leased: Leased, strategy: &dyn BackfillStrategy) {
    if core.is_cancelled() {
        if let Err(error) = core.leases().fail(&leased.lease, "cancelled") {
            tracing::debug!(%error, "a lease could not be given back and expires by itself");
        }
        core.report(not_begun(leased.unit.gap, GapOutcome::Cancelled));
        return;
    }
    match GapRun::begin_leased(core, leased) {
        Ok(Begun::Ready(run)) => core.report(fill(core, *run, strategy)),
        Ok(Begun::Over(report)) => core.report(report),
        Ok(Begun::Held(unit)) => core.hold(unit),
        Err(error) => core.fail(error),
    }
}

/// A unit that a worker is at. It is over even if the strategy panics.
struct Running<'a>(&'a JobCore);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}

fn fill(core: &Arc<JobCore>, mut run: GapRun, strategy: &dyn BackfillStrategy) -> GapReport {
    loop {
        if !core.sleep(core.turn()) {
            return run.cancelled();
        }
        let outcome = {
            let (gap, writer) = run.parts();
            let _active = Active::begin(core, writer.lease().clone());
            // What it has committed stays, and nothing of the writer is used but what is committed.
            let filled = catch_unwind(AssertUnwindSafe(|| strategy.fill(&gap, writer)));
            filled.unwrap_or_else(|panic| Err(BackfillError::panicked(&*panic)))
        };
        match run.after(outcome, core.random()) {
            Next::Over(report) => return report,
            Next::Retry(pause) => {
                if !core.sleep(pause) {
                    return run.cancelled();
                }
                if let Err(error) = run.again() {
                    match run.after(Err(error), core.random()) {
                        Next::Over(report) => return report,
                        Next::Retry(_) => {}
                    }
                }
            }
        }
    }
}

/// A backfill that runs.
#[derive(Debug)]
pub struct BackfillJob {
    core: Arc<JobCore>,
    threads: Vec<std::thread::JoinHandle<()>>,
    renewer: Option<std::thread::JoinHandle<()>>,
}

impl BackfillJob {
    pub(crate) fn start(core: &Arc<JobCore>, strategy: &Arc<dyn BackfillStrategy>) -> Self {
        let units = core.queue.lock().waiting.len();
        let workers = core.options.concurrency.min(units).max(1);
        let threads = (0..workers).map(|_| {
            let (core, strategy) = (Arc::clone(core), Arc::clone(strategy));
            std::thread::spawn(move || work(&core, &*strategy))
        });
        let threads = threads.collect();
        let renewer = Arc::clone(core);
        Self {
            core: Arc::clone(core),
            threads,
            renewer: Some(std::thread::spawn(move || renewer.keep_leases())),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> BackfillProgress {
        self.core.progress()
    }

    /// Begins nothing more and commits nothing more. Attempts that run are told so and end when they look; what the job has
    /// leased is free once they have, or when the leases expire. Returns at once; [`BackfillJob::wait`] waits for a source that
    /// was given no time limit. Who cannot, drops the job.
    pub fn cancel(&self) {
        self.core.cancel();
    }

    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(std::thread::JoinHandle::is_finished)
    }

    /// Waits until it is over.
    ///
    /// # Errors
    /// What the database said when it could not go on. What was committed stays. A strategy that panics fails its gap only.
    pub fn wait(mut self) -> Result<BackfillReport> {
        let mut panicked = false;
        for thread in self.threads.drain(..) {
            panicked |= thread.join().is_err();
        }
        self.core.set_over(&mut self.core.queue.lock());
        if let Some(renewer) = self.renewer.take() {
            panicked |= renewer.join().is_err();
        }
        let report = self.core.finish()?;
        if panicked {
            return Err(Error::internal(
                "a worker of a backfill panicked; its leases expire by themselves",
            ));
        }
        Ok(report)
    }
}

impl Drop for BackfillJob {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.core.cancel(); // Nobody waits for it any more.
        }
    }
}
