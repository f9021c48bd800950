//! Gaps that are filled concurrently within one task.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::select;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::super::builder::Backfill;
use super::super::job::{Active, BackfillProgress, HELD_POLL, JobCore, not_begun};
use super::super::plan::Unit;
use super::super::report::{BackfillReport, GapOutcome, GapReport};
use super::super::run::{Begun, GapRun, Next};
use super::super::strategy::{BackfillError, BackfillErrorKind};
use super::strategy::AsyncBackfillStrategy;
use super::writer::AsyncGapWriter;
use crate::coverage::Gap;
use crate::error::{Error, Result};
use crate::table::Table;

impl Table {
    /// Fills gaps of the table by an asynchronous strategy; see [`Table::backfill`].
    ///
    /// ```
    /// use gapless_engine::backfill::{AsyncFetcher, AsyncFetcherStrategy, FetchError, FetchRequest, Fetched};
    /// struct Source;
    /// impl AsyncFetcher for Source {
    ///     async fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
    ///         Ok(Fetched::all([])) // nothing there: the range is known to be empty from now on
    ///     }
    /// }
    /// # async fn backfill(bars: &gapless_engine::Table) -> Result<(), gapless_engine::Error> {
    /// let job = bars.backfill_async(AsyncFetcherStrategy::new(Source));
    /// let job = job.range(0, 86_400_000_000_000).series(["AAPL"]).interval("1m").concurrency(8);
    /// assert!(job.run_async().await?.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    pub fn backfill_async<S: AsyncBackfillStrategy + 'static>(&self, strategy: S) -> Backfill<S> {
        let name = strategy.name().to_owned();
        Backfill::new(self, Arc::new(strategy), name)
    }
}

impl<S: AsyncBackfillStrategy + 'static> Backfill<S> {
    /// Runs it in this task until it is over. Dropped before, it is cancelled: see [`AsyncBackfillStrategy`].
    ///
    /// # Errors
    /// As [`Backfill::start`] and [`super::super::BackfillJob::wait`]. A gap that fails is no error: the report has it.
    pub async fn run_async(self) -> Result<BackfillReport> {
        let (_cancel, cancelled) = watch::channel(false);
        let strategy = Arc::clone(&self.strategy);
        let core = blocking(move || self.core()).await??;
        drive(&core, &*strategy, cancelled).await
    }

    /// Begins it in a task of its own, in the runtime that this is called in.
    ///
    /// # Errors
    /// As [`Backfill::start`].
    pub async fn start_async(self) -> Result<AsyncBackfillJob> {
        let (cancel, cancelled) = watch::channel(false);
        let strategy = Arc::clone(&self.strategy);
        let core = blocking(move || self.core()).await??;
        let of_task = Arc::clone(&core);
        Ok(AsyncBackfillJob {
            core,
            cancel,
            task: tokio::spawn(async move { drive(&of_task, &*strategy, cancelled).await }),
        })
    }
}

/// A backfill that runs in a task of its own. Dropped, it is cancelled.
#[derive(Debug)]
pub struct AsyncBackfillJob {
    core: Arc<JobCore>,
    cancel: watch::Sender<bool>,
    task: JoinHandle<Result<BackfillReport>>,
}

impl AsyncBackfillJob {
    /// How far it is.
    pub fn progress(&self) -> BackfillProgress {
        self.core.progress()
    }

    /// Begins nothing more and ends what waits for a source. A commit that runs is finished. [`AsyncBackfillJob::wait`] tells
    /// what became of each gap.
    pub fn cancel(&self) {
        self.core.cancel();
        self.cancel.send_replace(true);
    }

    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits until it is over.
    ///
    /// # Errors
    /// As [`super::super::BackfillJob::wait`].
    pub async fn wait(mut self) -> Result<BackfillReport> {
        (&mut self.task).await.map_err(|error| stopped(&error))?
    }
}

impl Drop for AsyncBackfillJob {
    fn drop(&mut self) {
        self.core.cancel();
        self.task.abort();
    }
}

/// Does what may block on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| stopped(&error))
}

fn stopped(error: &tokio::task::JoinError) -> Error {
    Error::internal(format!("a backfill was stopped by its runtime: {error}"))
}

/// Is over once the job is cancelled.
async fn told(cancelled: &mut watch::Receiver<bool>) {
    if cancelled.wait_for(|is_cancelled| *is_cancelled).await.is_err() {
        std::future::pending().await // Nobody is left who could cancel.
    }
}

/// Fills all units, and keeps the leases of those that are being filled.
async fn drive<S: AsyncBackfillStrategy>(
    core: &Arc<JobCore>,
    strategy: &S,
    mut cancelled: watch::Receiver<bool>,
) -> Result<BackfillReport> {
    let mut filling = FuturesUnordered::new();
    let mut renewing = pin!(keep_leases(core));
    let mut is_told = false;
    loop {
        while filling.len() < core.options.concurrency {
            let Some(unit) = core.take() else {
                break;
            };
            filling.push(fill(core, unit, strategy, cancelled.clone()));
        }
        let is_held = core.has_held();
        if filling.is_empty() && !is_held {
            return core.finish();
        }
        select! {
            Some(()) = filling.next(), if !filling.is_empty() => {}
            () = sleep(HELD_POLL), if is_held => core.look_at_held_again(),
            () = told(&mut cancelled), if !is_told => is_told = true,
            () = &mut renewing => {}
        }
    }
}

/// Renews leases as long as it is polled.
async fn keep_leases(core: &Arc<JobCore>) {
    loop {
        sleep(core.options.lease_ttl / 3).await;
        let core = Arc::clone(core);
        if blocking(move || core.renew_active()).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Claims a unit, fills it, and reports.
async fn fill<S: AsyncBackfillStrategy>(
    core: &Arc<JobCore>,
    unit: Unit,
    strategy: &S,
    cancelled: watch::Receiver<bool>,
) {
    let begun = {
        let core = Arc::clone(core);
        blocking(move || GapRun::begin(&core, unit)).await
    };
    match begun.and_then(|begun| begun) {
        Ok(Begun::Ready(run)) => core.report(fill_leased(core, run, strategy, cancelled).await),
        Ok(Begun::Over(report)) => core.report(report),
        Ok(Begun::Held(unit)) => core.hold(unit),
        Err(error) => core.fail(error),
    }
    core.end_leases();
}

async fn fill_leased<S: AsyncBackfillStrategy>(
    core: &Arc<JobCore>,
    mut run: Box<GapRun>,
    strategy: &S,
    mut cancelled: watch::Receiver<bool>,
) -> GapReport {
    let gap = run.parts().0;
    let mut writer = AsyncGapWriter::new(run);
    match attempts(core, &gap, &mut writer, strategy, &mut cancelled).await {
        Ok(report) => report,
        Err(error) => not_begun(gap, GapOutcome::Failed(error.to_string())),
    }
}

/// Attempts until the gap is over.
async fn attempts<S: AsyncBackfillStrategy>(
    core: &Arc<JobCore>,
    gap: &Gap,
    writer: &mut AsyncGapWriter,
    strategy: &S,
    cancelled: &mut watch::Receiver<bool>,
) -> std::result::Result<GapReport, BackfillError> {
    let mut pause = Duration::ZERO;
    let mut again = false;
    loop {
        let outcome = select! {
            biased;
            () = told(cancelled) => Err(BackfillError::new(BackfillErrorKind::Cancelled, "the job was cancelled")),
            outcome = attempt(core, gap, writer, strategy, pause, again) => outcome,
        };
        let random = core.random();
        match writer.with_run(move |run| run.after(outcome, random)).await? {
            Next::Over(report) => return Ok(report),
            Next::Retry(next) => (pause, again) = (next, true),
        }
    }
}

/// One attempt, after a pause.
async fn attempt<S: AsyncBackfillStrategy>(
    core: &Arc<JobCore>,
    gap: &Gap,
    writer: &mut AsyncGapWriter,
    strategy: &S,
    pause: Duration,
    again: bool,
) -> std::result::Result<super::super::Filled, BackfillError> {
    sleep(pause).await;
    if again {
        writer.with_run(GapRun::again).await??;
    }
    sleep(core.turn()).await;
    let lease = writer.blocking(|writer| writer.lease().clone()).await?;
    let _active = Active::begin(core, lease);
    // What it has committed stays, and nothing of the writer is used but what is committed.
    let filled = AssertUnwindSafe(strategy.fill(gap, writer)).catch_unwind().await;
    filled.unwrap_or_else(|panic| Err(BackfillError::panicked(&*panic)))
}
