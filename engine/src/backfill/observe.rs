//! Who looks on while a job runs: metrics, or nobody.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::plan::Unit;
use super::report::GapReport;
use crate::coverage::Gap;
use crate::lease::LeaseKey;

/// Is told what a job does. Nothing it does may fail or take long.
pub(crate) trait JobObserver: Send + Sync + Debug {
    /// A job is to fill these gaps.
    fn planned(&self, _strategy: &str, _units: &[Unit]) {}
    /// A gap is leased and will be filled.
    fn begun(&self) {}
    /// Nobody works on that gap any more, whatever came of it.
    fn ended(&self) {}
    /// How much of a leased gap is done, from 0 to 1.
    fn progress(&self, _key: &LeaseKey, _ratio: f64) {}
    /// An attempt failed and another one will be made.
    fn retried(&self, _gap: &Gap) {}
    /// What became of a leased gap.
    fn over(&self, _strategy: &str, _key: &LeaseKey, _report: &GapReport) {}
    /// The job is over.
    fn job_over(&self, _strategy: &str, _elapsed: Duration) {}
}

/// Nobody looks on.
#[derive(Debug)]
pub(crate) struct Nobody;

impl JobObserver for Nobody {}

/// A gap that is being filled, until this is dropped.
#[derive(Debug)]
pub(super) struct InProgress(Arc<dyn JobObserver>);

impl InProgress {
    pub(super) fn begin(observer: &Arc<dyn JobObserver>) -> Self {
        observer.begun();
        Self(Arc::clone(observer))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.ended();
    }
}
