//! What is told to `tracing`, under the names and with the fields that dashboards of backfills read.

use super::key::TimeText;
use super::lease::Lease;

macro_rules! event {
    ($name:literal, $coordinator:expr, $lease:expr $(, $field:ident = $value:expr)*) => {{
        let lease: &Lease = $lease;
        let key = &lease.key;
        tracing::info!(
            coordinator_id = $coordinator,
            lease_key = %key,
            node_id = key.series.as_deref().unwrap_or_default(),
            interval = %TimeText(key.interval),
            batch_start = %TimeText(key.start),
            batch_end = %TimeText(key.end),
            world = key.world,
            requested_as_of = key.as_of.map(|as_of| tracing::field::display(TimeText(as_of))),
            worker = lease.holder,
            lease_token = lease.epoch,
            lease_until_ms = lease.expires_at.div_euclid(1_000_000),
            $($field = $value,)*
            $name
        );
    }};
}

pub(super) fn claimed(coordinator: &str, lease: &Lease) {
    event!(
        "seamless.backfill.coordinator_claimed",
        coordinator,
        lease,
        completion_ratio = lease.completion_ratio()
    );
}

pub(super) fn completed(coordinator: &str, lease: &Lease) {
    event!(
        "seamless.backfill.coordinator_completed",
        coordinator,
        lease,
        completion_ratio = 1.0
    );
}

/// A lease that ended otherwise.
pub(super) fn failed(coordinator: &str, lease: &Lease, reason: &str) {
    event!(
        "seamless.backfill.coordinator_failed",
        coordinator,
        lease,
        completion_ratio = lease.completion_ratio(),
        reason = reason
    );
}
