//! The label sets of metrics.

use prometheus_client::encoding::EncodeLabelSet;

use crate::coverage::Gap;
use crate::lease::{LeaseKey, TimeText};

/// Of a series at an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Node {
    node_id: String,
    interval: String,
}

/// Of a series at an interval in a world.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct InWorld {
    node_id: String,
    interval: String,
    world_id: String,
}

/// Of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfLease {
    node_id: String,
    interval: String,
    lease_key: String,
}

/// Of a strategy and a series at an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByStrategy {
    strategy: String,
    node_id: String,
    interval: String,
}

/// Of a strategy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Strategy {
    pub(super) strategy: String,
}

fn interval_text(interval: i64) -> String {
    TimeText(interval).to_string()
}

impl Node {
    pub(super) fn of(gap: &Gap) -> Self {
        Self {
            node_id: gap.series.clone().unwrap_or_default(),
            interval: interval_text(gap.interval),
        }
    }
}

impl InWorld {
    pub(super) fn new(series: Option<&str>, interval: i64, world: &str) -> Self {
        Self {
            node_id: series.unwrap_or_default().to_owned(),
            interval: interval_text(interval),
            world_id: world.to_owned(),
        }
    }
}

impl OfLease {
    pub(super) fn of(key: &LeaseKey) -> Self {
        Self {
            node_id: key.series.clone().unwrap_or_default(),
            interval: interval_text(key.interval),
            lease_key: key.to_string(),
        }
    }
}

impl ByStrategy {
    pub(super) fn of(strategy: &str, gap: &Gap) -> Self {
        Self {
            strategy: strategy.to_owned(),
            node_id: gap.series.clone().unwrap_or_default(),
            interval: interval_text(gap.interval),
        }
    }
}
