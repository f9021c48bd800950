//! A backfill that is to be run: which gaps, by which strategy, under which limits.

use std::sync::Arc;
use std::time::Duration;

use super::job::{BackfillJob, BackfillProgress, JobCore, OnProgress};
use super::observe::{JobObserver, Nobody};
use super::plan::{BackfillOrder, PlanOptions, Unit, check_size, plan};
use super::report::BackfillReport;
use super::retry::RetryPolicy;
use super::strategy::BackfillStrategy;
use crate::coverage::{Gap, GapQuery, IntoInterval};
use crate::database::Durability;
use crate::error::Result;
use crate::lease::default_holder;
use crate::table::Table;

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
    pub(crate) concurrency: usize,
    pub(crate) pause_between: Duration,
    pub(crate) waits_for_others: bool,
    pub(crate) missing_columns: bool,
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
            missing_columns: false,
        }
    }
}

/// A backfill that is to be run, by a strategy that is blocking or asynchronous.
pub struct Backfill<S: ?Sized = dyn BackfillStrategy> {
    table: Table,
    pub(super) strategy: Arc<S>,
    strategy_name: String,
    query: GapQuery,
    plan: PlanOptions,
    window: Option<Result<i64>>,
    merge: Option<Result<i64>>,
    options: JobOptions,
    on_progress: Option<OnProgress>,
    observer: Arc<dyn JobObserver>,
}

impl<S: ?Sized> std::fmt::Debug for Backfill<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backfill")
            .field("table", &self.table.name())
            .field("strategy", &self.strategy_name)
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
        let name = strategy.name().to_owned();
        let strategy: Arc<dyn BackfillStrategy> = Arc::new(strategy);
        Backfill::new(self, strategy, name)
    }
}

impl<S: ?Sized> Backfill<S> {
    pub(super) fn new(table: &Table, strategy: Arc<S>, strategy_name: String) -> Self {
        Self {
            table: table.clone(),
            strategy,
            strategy_name,
            query: GapQuery::new(i64::MIN, i64::MAX),
            plan: PlanOptions::default(),
            window: None,
            merge: None,
            options: JobOptions::default(),
            on_progress: None,
            observer: Arc::new(Nobody),
        }
    }

    /// The gaps in `start..end`, nanoseconds since the epoch. It must be said.
    #[must_use]
    pub fn range(mut self, start: i64, end: i64) -> Self {
        self.query.range = start..end;
        self
    }

    /// Of these series only, also new ones; without, of all the table has.
    #[must_use]
    pub fn series<N: Into<String>>(mut self, series: impl IntoIterator<Item = N>) -> Self {
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

    /// Whether rows may come without some of the table's columns, which are null then. They may not unless told otherwise: a source
    /// that has forgotten a column would be taken to have given everything.
    #[must_use]
    pub fn missing_columns(mut self, may_miss: bool) -> Self {
        self.options.missing_columns = may_miss;
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

    /// Counts what the job does in a set of metrics.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(mut self, metrics: &crate::metrics::Metrics) -> Self {
        self.observer = Arc::new(metrics.clone());
        self
    }

    /// The gaps as they would be filled, one after the other.
    ///
    /// # Errors
    /// As [`crate::TableCoverage::gaps`].
    pub fn plan(&self) -> Result<Vec<Gap>> {
        Ok(self.units()?.into_iter().map(|unit| unit.gap).collect())
    }

    pub(super) fn units(&self) -> Result<Vec<Unit>> {
        let mut options = self.plan;
        if let Some(window) = &self.window {
            options.window_max = Some(window.clone()?);
        }
        if let Some(merge) = &self.merge {
            options.merge_within = merge.clone()?;
        }
        let gaps = self.table.gaps(&self.query)?;
        check_size(&gaps, &options)?;
        Ok(plan(gaps, &options))
    }

    /// The job, not begun.
    pub(super) fn core(&self) -> Result<Arc<JobCore>> {
        self.table.database().check_writable()?;
        JobCore::new(
            &self.table,
            self.units()?,
            self.options.clone(),
            &self.strategy_name,
            self.on_progress.clone(),
            Arc::clone(&self.observer),
        )
    }
}

impl Backfill {
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
        Ok(BackfillJob::start(&self.core()?, &self.strategy))
    }
}
