//! The metrics, and how they get into a registry.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{ByStrategy, InWorld, Node, OfLease, Strategy};
use crate::coverage::{GapQuery, LiveSession, TableCoverage};
use crate::error::Result;

/// Upper bounds of histograms, in milliseconds: from a commit to an hour.
const BUCKETS_MS: [f64; 14] = [
    1.0,
    2.0,
    5.0,
    10.0,
    50.0,
    100.0,
    500.0,
    1_000.0,
    5_000.0,
    10_000.0,
    60_000.0,
    300_000.0,
    900_000.0,
    3_600_000.0,
];

/// Leases that are over and still have a completion ratio. Each has a label of its own, so without a limit they would only grow.
pub(super) const LEASES_OVER_MAX: usize = 1000;

/// A floating-point gauge.
type Ratio = Gauge<f64, AtomicU64>;

/// A set of metrics. Clones are the same set.
///
/// ```
/// use gapless_engine::metrics::{Metrics, prometheus_client::registry::Registry};
/// let metrics = Metrics::new();
/// let mut own = Registry::default();
/// metrics.register(&mut own); // beside the program's other metrics
/// assert!(metrics.encode().contains("backfill_jobs_in_progress 0"));
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) last_timestamp: Family<Node, Gauge>,
    pub(super) jobs_in_progress: Gauge,
    pub(super) retries: Family<Node, Counter>,
    pub(super) failures: Family<Node, Counter>,
    pub(super) completion_ratio: Family<OfLease, Ratio>,
    pub(super) requests: Family<ByStrategy, Counter>,
    pub(super) missing_ranges: Family<ByStrategy, Counter>,
    pub(super) rows: Family<ByStrategy, Counter>,
    pub(super) duration_ms: Family<Strategy, Histogram>,
    pub(super) coverage_ratio: Family<InWorld, Ratio>,
    pub(super) live_staleness: Family<InWorld, Ratio>,
    pub(super) repair_ms: Family<InWorld, Histogram>,
    /// The oldest first.
    pub(super) leases_over: Arc<Mutex<VecDeque<OfLease>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn milliseconds() -> Histogram {
    Histogram::new(BUCKETS_MS)
}

impl Metrics {
    /// A set in which nothing was counted.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last_timestamp: Family::default(),
            jobs_in_progress: Gauge::default(),
            retries: Family::default(),
            failures: Family::default(),
            completion_ratio: Family::default(),
            requests: Family::default(),
            missing_ranges: Family::default(),
            rows: Family::default(),
            duration_ms: Family::new_with_constructor(milliseconds),
            coverage_ratio: Family::default(),
            live_staleness: Family::default(),
            repair_ms: Family::new_with_constructor(milliseconds),
            leases_over: Arc::default(),
        }
    }

    /// Puts the set into a registry, which shows from then on what is counted here. A counter gets its `_total` from the
    /// encoder, so its name is given without.
    pub fn register(&self, registry: &mut Registry) {
        self.register_jobs(registry);
        registry.register(
            "coverage_ratio",
            "How much of what is expected is covered, from 0 to 1",
            self.coverage_ratio.clone(),
        );
        registry.register(
            "live_staleness_seconds",
            "Age of the watermark of a live session",
            self.live_staleness.clone(),
        );
        registry.register(
            "gap_repair_latency_ms",
            "Milliseconds from the claim of a gap until it was closed",
            self.repair_ms.clone(),
        );
    }

    fn register_jobs(&self, registry: &mut Registry) {
        let help = "End of the gap that was closed last, in seconds";
        registry.register("backfill_last_timestamp", help, self.last_timestamp.clone());
        let help = "Gaps that are being filled";
        registry.register("backfill_jobs_in_progress", help, self.jobs_in_progress.clone());
        let help = "Attempts that failed and were made again";
        registry.register("backfill_retry", help, self.retries.clone());
        let help = "Gaps that could not be filled";
        registry.register("backfill_failure", help, self.failures.clone());
        let help = "How much of a leased gap is covered, from 0 to 1";
        registry.register("backfill_completion_ratio", help, self.completion_ratio.clone());
        let help = "Series with gaps in jobs";
        registry.register("history_auto_backfill_requests", help, self.requests.clone());
        let help = "Gaps in jobs";
        let name = "history_auto_backfill_missing_ranges";
        registry.register(name, help, self.missing_ranges.clone());
        let help = "Rows that were written into gaps";
        registry.register("history_auto_backfill_rows", help, self.rows.clone());
        let help = "Milliseconds that jobs took";
        let name = "history_auto_backfill_duration_ms";
        registry.register(name, help, self.duration_ms.clone());
    }

    /// The set as text, in the format of OpenMetrics.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => text,
            Err(_) => String::new(), // A String takes all text.
        }
    }

    /// Sets `coverage_ratio` of each series of a query: of all days of its range together. Where nothing is expected it is 1.
    ///
    /// # Errors
    /// As [`TableCoverage::gaps`].
    pub fn observe_coverage(&self, coverage: &TableCoverage, query: &GapQuery, world: &str) -> Result<()> {
        let interval = coverage.interval(query)?;
        let mut sums: BTreeMap<Option<String>, (u64, u64)> = BTreeMap::new();
        for day in coverage.completeness(query)? {
            let (expected, covered) = sums.entry(day.series).or_default();
            *expected = expected.saturating_add(day.expected);
            *covered = covered.saturating_add(day.covered);
        }
        for (series, (expected, covered)) in sums {
            let labels = InWorld::new(series.as_deref(), interval, world);
            let ratio = match expected {
                0 => 1.0,
                expected => covered as f64 / expected as f64,
            };
            self.coverage_ratio.get_or_create(&labels).set(ratio);
        }
        Ok(())
    }

    /// Sets `live_staleness_seconds` of a session: from its watermark to now. Call it as often as the metrics are read; a session
    /// that is over keeps its last value, which [`Metrics::forget_live`] takes away.
    pub fn observe_live(&self, session: &LiveSession, world: &str) {
        let labels = InWorld::new(session.series(), session.interval(), world);
        let staleness = session.staleness_ns() as f64 / 1e9;
        self.live_staleness.get_or_create(&labels).set(staleness);
    }

    /// Takes `live_staleness_seconds` of a session away.
    pub fn forget_live(&self, session: &LiveSession, world: &str) {
        let labels = InWorld::new(session.series(), session.interval(), world);
        self.live_staleness.remove(&labels);
    }
}
