//! What jobs count.

use std::collections::BTreeSet;
use std::time::Duration;

use super::labels::{ByStrategy, InWorld, Node, OfLease, Strategy};
use super::set::{LEASES_OVER_MAX, Metrics};
use crate::backfill::{GapOutcome, GapReport, JobObserver, Unit};
use crate::coverage::Gap;
use crate::lease::LeaseKey;

impl JobObserver for Metrics {
    fn planned(&self, strategy: &str, units: &[Unit]) {
        let mut seen = BTreeSet::new();
        for unit in units {
            let labels = ByStrategy::of(strategy, &unit.gap);
            if seen.insert(unit.gap.series.as_deref()) {
                self.requests.get_or_create(&labels).inc();
            }
            self.missing_ranges.get_or_create(&labels).inc();
        }
    }

    fn begun(&self) {
        self.jobs_in_progress.inc();
    }

    fn ended(&self) {
        self.jobs_in_progress.dec();
    }

    fn progress(&self, key: &LeaseKey, ratio: f64) {
        self.completion_ratio.get_or_create(&OfLease::of(key)).set(ratio);
    }

    fn retried(&self, gap: &Gap) {
        self.retries.get_or_create(&Node::of(gap)).inc();
    }

    fn over(&self, strategy: &str, key: &LeaseKey, report: &GapReport) {
        let gap = &report.gap;
        let written = report.rows.inserted + report.rows.changed;
        self.rows
            .get_or_create(&ByStrategy::of(strategy, gap))
            .inc_by(written);
        match &report.outcome {
            GapOutcome::Failed(_) => {
                self.failures.get_or_create(&Node::of(gap)).inc();
            }
            outcome if outcome.is_closed() => {
                let end = gap.end.div_euclid(1_000_000_000);
                self.last_timestamp.get_or_create(&Node::of(gap)).set(end);
                let labels = InWorld::new(gap.series.as_deref(), gap.interval, &key.world);
                let ms = report.elapsed.as_secs_f64() * 1e3;
                self.repair_ms.get_or_create(&labels).observe(ms);
            }
            _ => {}
        }
        self.lease_over(OfLease::of(key));
    }

    fn job_over(&self, strategy: &str, elapsed: Duration) {
        let strategy = strategy.to_owned();
        let duration = self.duration_ms.get_or_create(&Strategy { strategy });
        duration.observe(elapsed.as_secs_f64() * 1e3);
    }
}

impl Metrics {
    /// Keeps the completion ratio of a lease for a while, and drops the oldest one.
    fn lease_over(&self, lease: OfLease) {
        let mut over = self.leases_over.lock();
        over.retain(|other| *other != lease); // Claimed again, after it failed.
        over.push_back(lease);
        while over.len() > LEASES_OVER_MAX {
            if let Some(oldest) = over.pop_front() {
                self.completion_ratio.remove(&oldest);
            }
        }
    }
}
