//! A backfill: which gaps, by which strategy, under which limits; and the job that runs it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gapless_format::TableMeta;
use parking_lot::{Condvar, Mutex};

use super::content::RowCounts;
use super::plan::{BackfillOrder, PlanOptions, Unit, plan};
use super::report::{BackfillReport, GapOutcome, GapReport};
use super::retry::RetryPolicy;
use super::run::{Begun, GapRun, Next};
use super::strategy::BackfillStrategy;
use super::writer::WriterOptions;
use crate::clock::Stopwatch;
use crate::coverage::{Gap, GapQuery, IntoInterval};
use crate::database::{Durability, series_domain};
use crate::error::{Error, Result};
use crate::lease::{Lease, Leases, default_holder};
use crate::table::Table;

/// How often a range that another worker has is looked at again.
const HELD_POLL: Duration = Duration::from_millis(50);

/// What a job goes by.
#[derive(Debug, Clone)]
pub(crate) struct JobOptions {
    pub(crate) lease_ttl: Duration,
    pub(crate) stalled_after: Duration,
    pub(crate) holder: String,
    pub(crate) world: String,
    pub(crate) source: Option<String>,
    pub(crate) durability: Option<Durability>,
    pub(crate) retry: RetryPolicy,
    concurrency: usize,
    pause_between: Duration,
    waits_for_others: bool,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_secs(120),
            stalled_after: Duration::from_secs(600),
            holder: default_holder(),
            world: String::new(),
            source: None,
            durability: None,
            retry: RetryPolicy::default(),
            concurrency: 1,
            pause_between: Duration::ZERO,
            waits_for_others: true,
        }
    }
}

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

type OnProgress = Arc<dyn Fn(&BackfillProgress) + Send + Sync>;

/// A backfill that is to be run.
pub struct Backfill {
    table: Table,
    strategy: Arc<dyn BackfillStrategy>,
    query: GapQuery,
    plan: PlanOptions,
    window: Option<Result<i64>>,
    merge: Option<Result<i64>>,
    options: JobOptions,
    on_progress: Option<OnProgress>,
}

impl std::fmt::Debug for Backfill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backfill")
            .field("table", &self.table.name())
            .field("strategy", &self.strategy.name())
            .field("query", &self.query)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Fills gaps of the table by a strategy.
    ///
    /// ```
    /// use gapless_engine::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};
    /// # fn backfill(bars: &gapless_engine::Table) -> Result<(), gapless_engine::Error> {
    /// let source = |request: &FetchRequest| -> Result<Fetched, FetchError> {
    ///     Ok(Fetched::all([])) // nothing there: the range is known to be empty from now on
    /// };
    /// let report = bars
    ///     .backfill(FetcherStrategy::new(source))
    ///     .range(0, 86_400_000_000_000)
    ///     .series(["AAPL"])
    ///     .interval("1m")
    ///     .run()?;
    /// assert!(report.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    pub fn backfill(&self, strategy: impl BackfillStrategy + 'static) -> Backfill {
        Backfill {
            table: self.clone(),
            strategy: Arc::new(strategy),
            query: GapQuery::new(i64::MIN, i64::MAX),
            plan: PlanOptions::default(),
            window: None,
            merge: None,
            options: JobOptions::default(),
            on_progress: None,
        }
    }
}

impl Backfill {
    /// The gaps in `start..end`, nanoseconds since the epoch. It must be said.
    #[must_use]
    pub fn range(mut self, start: i64, end: i64) -> Self {
        self.query.range = start..end;
        self
    }

    /// Of these series only, also new ones; without, of all the table has.
    #[must_use]
    pub fn series<S: Into<String>>(mut self, series: impl IntoIterator<Item = S>) -> Self {
        self.query = self.query.series(series);
        self
    }

    /// The grid step: nanoseconds, a duration or text such as `"1m"`; 0 for rows on no grid. Without, that of the table's
    /// coverage.
    #[must_use]
    pub fn interval(mut self, interval: impl IntoInterval) -> Self {
        self.query = self.query.interval(interval);
        self
    }

    /// Which gaps come first.
    #[must_use]
    pub fn order(mut self, order: BackfillOrder) -> Self {
        self.plan.order = order;
        self
    }

    /// Gaps of a series that are at most so far apart are asked for at once. Rows between them are left as they are.
    #[must_use]
    pub fn merge_within(mut self, within: impl IntoInterval) -> Self {
        self.merge = Some(within.into_interval());
        self
    }

    /// The longest range that the source gives at once: larger gaps are split.
    #[must_use]
    pub fn window_max(mut self, window: impl IntoInterval) -> Self {
        self.window = Some(window.into_interval());
        self
    }

    /// Gaps that are filled at the same time; 1 unless told otherwise.
    #[must_use]
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.options.concurrency = workers.max(1);
        self
    }

    /// Attempts that begin in a second at most, over all workers.
    #[must_use]
    pub fn requests_per_second(mut self, rate: f64) -> Self {
        self.options.pause_between = match rate > 0.0 {
            true => Duration::try_from_secs_f64(1.0 / rate).unwrap_or_default(),
            false => Duration::ZERO,
        };
        self
    }

    /// How often, and after which pauses, a transient error is tried again.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = retry;
        self
    }

    /// How often a transient error is tried again; 3 times unless told otherwise.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retry.retries = retries;
        self
    }

    /// How long a range is kept by a worker that has stopped; 120 s unless told otherwise. Who works renews in time.
    #[must_use]
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.options.lease_ttl = ttl;
        self
    }

    /// A gap for which nothing was committed for so long is left to others, though its worker may be at it; 600 s unless told
    /// otherwise.
    #[must_use]
    pub fn stalled_after(mut self, limit: Duration) -> Self {
        self.options.stalled_after = limit;
        self
    }

    /// Who works, in leases; host and process unless told otherwise.
    #[must_use]
    pub fn holder(mut self, holder: impl Into<String>) -> Self {
        self.options.holder = holder.into();
        self
    }

    /// For which world leases are claimed: workers of different worlds do not exclude each other.
    #[must_use]
    pub fn world(mut self, world: impl Into<String>) -> Self {
        self.options.world = world.into();
        self
    }

    /// Who attests, in coverage; the strategy's source unless told otherwise.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.options.source = Some(source.into());
        self
    }

    /// How durable each commit is; as the database is opened for unless told otherwise.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = Some(durability);
        self
    }

    /// Whether the job waits for ranges that other workers have, and fills what they leave; it does unless told otherwise.
    #[must_use]
    pub fn waits_for_others(mut self, waits: bool) -> Self {
        self.options.waits_for_others = waits;
        self
    }

    /// Is told after each gap.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(&BackfillProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(progress));
        self
    }

    /// The gaps as they would be filled, one after the other.
    ///
    /// # Errors
    /// As [`crate::TableCoverage::gaps`].
    pub fn plan(&self) -> Result<Vec<Gap>> {
        Ok(self.units()?.into_iter().map(|unit| unit.gap).collect())
    }

    fn units(&self) -> Result<Vec<Unit>> {
        let mut options = self.plan;
        if let Some(window) = &self.window {
            options.window_max = Some(window.clone()?);
        }
        if let Some(merge) = &self.merge {
            options.merge_within = merge.clone()?;
        }
        Ok(plan(self.table.gaps(&self.query)?, &options))
    }

    /// Runs it and waits until it is over.
    ///
    /// # Errors
    /// As [`Backfill::start`] and [`BackfillJob::wait`]. A gap that fails is no error: the report has it.
    pub fn run(self) -> Result<BackfillReport> {
        self.start()?.wait()
    }

    /// Begins it in threads of its own.
    ///
    /// # Errors
    /// `Invalid` without a range, or when the database is open for reading; as [`crate::TableCoverage::gaps`].
    pub fn start(self) -> Result<BackfillJob> {
        let (core, _) = self.core()?;
        let strategy = Arc::clone(&self.strategy);
        let workers = core
            .options
            .concurrency
            .min(core.queue.lock().waiting.len())
            .max(1);
        let threads = (0..workers)
            .map(|_| {
                let (core, strategy) = (Arc::clone(&core), Arc::clone(&strategy));
                std::thread::spawn(move || work(&core, &*strategy))
            })
            .collect();
        let renewer = {
            let core = Arc::clone(&core);
            std::thread::spawn(move || core.keep_leases())
        };
        Ok(BackfillJob {
            core,
            threads,
            renewer: Some(renewer),
        })
    }

    /// The job and how many workers it should have.
    pub(crate) fn core(&self) -> Result<(Arc<JobCore>, usize)> {
        self.table.database().check_writable()?;
        let units = self.units()?;
        let progress = BackfillProgress {
            gaps: units.len(),
            ..BackfillProgress::default()
        };
        let core = Arc::new(JobCore {
            meta: self.table.meta()?,
            table: self.table.clone(),
            options: self.options.clone(),
            strategy_name: self.strategy.name().to_owned(),
            cancelled: Arc::new(AtomicBool::new(false)),
            queue: Mutex::new(Queue {
                waiting: units.into(),
                ..Queue::default()
            }),
            changed: Condvar::new(),
            progress: Mutex::new(progress),
            on_progress: self.on_progress.clone(),
            reports: Mutex::default(),
            failure: Mutex::default(),
            active: Mutex::default(),
            next_start: Mutex::default(),
            random: AtomicU64::new(0),
            watch: Stopwatch::start(),
        });
        Ok((core, self.options.concurrency))
    }
}

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

/// What the workers of a job share.
pub(crate) struct JobCore {
    pub(crate) table: Table,
    pub(crate) meta: Arc<TableMeta>,
    pub(crate) options: JobOptions,
    pub(crate) strategy_name: String,
    cancelled: Arc<AtomicBool>,
    queue: Mutex<Queue>,
    changed: Condvar,
    progress: Mutex<BackfillProgress>,
    on_progress: Option<OnProgress>,
    reports: Mutex<Vec<GapReport>>,
    failure: Mutex<Option<Error>>,
    /// The leases of units that are being filled, and since when nothing was committed.
    active: Mutex<HashMap<u64, (Lease, Stopwatch)>>,
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
    pub(crate) fn leases(&self) -> &Leases {
        self.table.database().engine().leases()
    }

    /// The batch of a gap: who it is for, and its range in seconds.
    pub(crate) fn batch_of(&self, gap: &Gap) -> String {
        let seconds = |ns: i64| ns.div_euclid(1_000_000_000);
        let series = gap.series.as_deref().unwrap_or_default();
        format!(
            "{series}:{}:{}:{}",
            seconds(gap.interval),
            seconds(gap.start),
            seconds(gap.end)
        )
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
            cancelled: Arc::clone(&self.cancelled),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn cancel(&self) {
        // Only once: a callback may say it under the lock. Who has looked and does not wait yet holds the lock until it does.
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            drop(self.queue.lock());
            self.changed.notify_all();
        }
    }

    /// The next unit; `None` when there is none any more. Waits for units that others have.
    fn next_unit(&self) -> Option<Unit> {
        let mut queue = self.queue.lock();
        loop {
            if self.is_cancelled() {
                self.give_up(&mut queue);
            }
            if let Some(unit) = queue.waiting.pop_front() {
                queue.running += 1;
                return Some(unit);
            }
            if queue.held.is_empty() && queue.running == 0 {
                queue.is_over = true;
                self.changed.notify_all();
                return None;
            }
            if queue.held.is_empty() {
                self.changed.wait(&mut queue);
                continue;
            }
            self.changed.wait_for(&mut queue, HELD_POLL);
            let held = std::mem::take(&mut queue.held);
            queue.waiting.extend(held);
        }
    }

    /// Reports what is not done any more.
    fn give_up(&self, queue: &mut Queue) {
        let left: Vec<Unit> = queue.waiting.drain(..).chain(queue.held.drain(..)).collect();
        for unit in left {
            self.report(not_begun(unit, GapOutcome::Cancelled));
        }
    }

    /// Puts a unit back that another worker has.
    fn hold(&self, unit: Unit) {
        match self.options.waits_for_others {
            true => self.queue.lock().held.push_back(unit),
            false => {
                let why = "another worker has the range".to_owned();
                self.report(not_begun(unit, GapOutcome::Leased(why)));
            }
        }
    }

    fn done(&self) {
        self.queue.lock().running -= 1;
        self.changed.notify_all();
    }

    fn report(&self, report: GapReport) {
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
    fn fail(&self, error: Error) {
        self.failure.lock().get_or_insert(error);
        self.cancel();
    }

    /// How long to wait until the next attempt may begin.
    fn turn(&self) -> Duration {
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
    fn random(&self) -> f64 {
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
                    self.changed.wait_for(&mut queue, left);
                }
                if queue.is_over {
                    return;
                }
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
    }
}

fn not_begun(unit: Unit, outcome: GapOutcome) -> GapReport {
    GapReport {
        gap: unit.gap,
        outcome,
        rows: RowCounts::default(),
        attempts: 0,
        elapsed: Duration::ZERO,
    }
}

/// One worker.
fn work(core: &Arc<JobCore>, strategy: &dyn BackfillStrategy) {
    while let Some(unit) = core.next_unit() {
        let guard = Running(core);
        match GapRun::begin(core, unit) {
            Ok(Begun::Ready(run)) => core.report(fill(core, *run, strategy)),
            Ok(Begun::Over(report)) => core.report(report),
            Ok(Begun::Held(unit)) => core.hold(unit),
            Err(error) => core.fail(error),
        }
        drop(guard);
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
            let lease = writer.lease().clone();
            core.active
                .lock()
                .insert(lease.epoch, (lease.clone(), Stopwatch::start()));
            let outcome = strategy.fill(&gap, writer);
            core.active.lock().remove(&lease.epoch);
            outcome
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
    /// How far it is.
    pub fn progress(&self) -> BackfillProgress {
        *self.core.progress.lock()
    }

    /// Begins nothing more. Attempts that run are told so and end when they look.
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
    /// `Internal` when a strategy panicked; what the database said when it could not go on. What was committed stays.
    pub fn wait(mut self) -> Result<BackfillReport> {
        let mut panicked = false;
        for thread in self.threads.drain(..) {
            panicked |= thread.join().is_err();
        }
        self.core.queue.lock().is_over = true;
        self.core.changed.notify_all();
        if let Some(renewer) = self.renewer.take() {
            panicked |= renewer.join().is_err();
        }
        if let Some(error) = self.core.failure.lock().take() {
            return Err(error);
        }
        if panicked {
            return Err(Error::internal(
                "a backfill strategy panicked; its leases expire by themselves",
            ));
        }
        Ok(BackfillReport {
            gaps: std::mem::take(&mut *self.core.reports.lock()),
            elapsed: self.core.watch.elapsed(),
        })
    }
}

impl Drop for BackfillJob {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.core.cancel(); // Nobody waits for it any more.
        }
    }
}
