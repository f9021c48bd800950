//! Two workers fetch the same gap, a dead one blocks it for ever, or one that was thought dead writes after all: these are the
//! failures that leases are there to prevent, and they show as an overlap, a refusal or a fence that should not be.

mod crash;
mod files;
mod keys;
mod model;
mod rules;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use super::{Claim, Lease, LeaseKey, LeaseRequest, Leases};
use crate::clock::ManualClock;
use crate::error::ErrorKind;
use crate::io::{MemoryStorage, Storage};

const DATABASE: u128 = 0xDB;
/// No log of a test is this long.
const NEVER_REPLACED: u64 = u64::MAX;

fn ns(ttl: u64) -> Duration {
    Duration::from_nanos(ttl)
}

fn request(series: &str, start: i64, end: i64, holder: &str, ttl: u64) -> LeaseRequest {
    LeaseRequest {
        table: 1,
        key: LeaseKey::new(Some(series), 60, start..end),
        holder: holder.to_owned(),
        batch: format!("{series}:{start}"),
        ttl: ns(ttl),
    }
}

fn open(storage: &Arc<dyn Storage>, clock: &ManualClock, log_bytes_min: u64) -> Leases {
    let clock = Arc::new(clock.clone());
    Leases::with_log_bytes_min(Arc::clone(storage), clock, DATABASE, log_bytes_min)
}

/// Two processes on one storage, and the clock of both.
fn two() -> (Leases, Leases, ManualClock) {
    let (storage, clock) = (memory(), ManualClock::new(1_000));
    let processes = [(); 2].map(|()| open(&storage, &clock, NEVER_REPLACED));
    let [one, other] = processes;
    (one, other, clock)
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

#[track_caller]
fn grant(leases: &Leases, request: &LeaseRequest) -> Lease {
    match leases.claim(request).expect("an answer") {
        Claim::Granted(lease) => lease,
        Claim::Held(lease) => panic!("{request:?} is held: {lease:?}"),
    }
}

#[track_caller]
fn assert_lost<T>(outcome: crate::error::Result<T>) {
    let error = outcome.map(drop).expect_err("the lease is lost");
    assert_eq!(error.kind(), ErrorKind::Lease, "{error}");
}
