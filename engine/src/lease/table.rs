//! Who has what: the rules of leases, without files or clocks.
//!
//! - The leases of a scope (table, series, world) never overlap, whatever their intervals: rows have none, and two who fill
//!   one range on different grids would write its rows twice. A claim ends those that it takes over.
//! - Changes are those of the log. Applying them asks neither the time nor who did it, so every process agrees.

use std::collections::{BTreeMap, HashMap};

use gapless_format::LeaseItem;

use super::lease::{Claim, Lease, LeaseRequest, expiry};
use crate::error::{Error, Result};

/// Within which ranges exclude each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Scope {
    table: u32,
    series: Option<String>,
    world: String,
}

impl Scope {
    fn of(table: u32, key: &super::LeaseKey) -> Self {
        Self {
            table,
            series: key.series.clone(),
            world: key.world.clone(),
        }
    }
}

/// All leases that are not over, the expired ones among them.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseTable {
    /// By epoch.
    leases: BTreeMap<u64, Lease>,
    /// The epochs of the leases of a scope, by start.
    scopes: HashMap<Scope, BTreeMap<i64, u64>>,
    last_epoch: u64,
}

impl LeaseTable {
    /// Forgets the leases. Epochs go on from where they were.
    pub(super) fn clear(&mut self) {
        self.leases.clear();
        self.scopes.clear();
    }

    /// Takes note that `epoch` was given.
    pub(super) fn observe(&mut self, epoch: u64) {
        self.last_epoch = self.last_epoch.max(epoch);
    }

    /// The greatest epoch that is known to have been given.
    pub(super) fn last_epoch(&self) -> u64 {
        self.last_epoch
    }

    /// Every lease, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The lease with an epoch.
    pub(super) fn get(&self, epoch: u64) -> Option<&Lease> {
        self.leases.get(&epoch)
    }

    /// What a request would be answered at `now_ns`. Changes nothing.
    ///
    /// # Errors
    /// `Corrupt` when there is no greater epoch left.
    pub(super) fn decide(&self, request: &LeaseRequest, now_ns: i64) -> Result<Claim> {
        let key = &request.key;
        let scope = Scope::of(request.table, key);
        let held = self
            .overlapping(&scope, key.start, key.end)
            .find(|lease| lease.is_live(now_ns));
        if let Some(lease) = held {
            return Ok(Claim::Held(lease.clone()));
        }
        Ok(Claim::Granted(Lease {
            table: request.table,
            key: key.clone(),
            epoch: self.next_epoch(now_ns)?,
            holder: request.holder.clone(),
            batch: request.batch.clone(),
            claimed_at: now_ns,
            expires_at: expiry(now_ns, request.ttl),
            completion_permille: 0,
        }))
    }

    fn next_epoch(&self, now_ns: i64) -> Result<u64> {
        let next = self.last_epoch.checked_add(1);
        let next = next.ok_or_else(|| {
            Error::corrupt("the last epoch of a lease was the greatest possible: remove leases/LEASES")
        })?;
        Ok(next.max(u64::try_from(now_ns).unwrap_or(0)))
    }

    /// The leases of a scope that overlap `[start, end)`, the last one first.
    fn overlapping(&self, scope: &Scope, start: i64, end: i64) -> impl Iterator<Item = &Lease> {
        let ranges = self.scopes.get(scope);
        ranges
            .into_iter()
            .flat_map(move |ranges| ranges.range(..end).rev())
            .filter_map(|(_, epoch)| self.leases.get(epoch))
            .take_while(move |lease| lease.key.end > start)
    }

    /// The lease as it is now, if it is still there.
    ///
    /// # Errors
    /// `Lease` when it is not: it was taken over, has ended, or was never granted.
    pub(super) fn current(&self, lease: &Lease) -> Result<&Lease> {
        // Not by the epoch alone: it could come again when the log was removed by hand and the clock stands still.
        let is_same = |found: &&Lease| {
            (found.table, &found.key, &found.holder) == (lease.table, &lease.key, &lease.holder)
        };
        let found = self.leases.get(&lease.epoch).filter(is_same);
        found.ok_or_else(|| self.lost(lease))
    }

    fn lost(&self, lease: &Lease) -> Error {
        let Lease {
            table, key, epoch, ..
        } = lease;
        let now = match self
            .overlapping(&Scope::of(*table, key), key.start, key.end)
            .max_by_key(|other| other.epoch)
        {
            Some(other) => format!(
                "{} has {} with epoch {} now",
                other.holder, other.key, other.epoch
            ),
            None => "it was completed, failed or released, and nobody has the range now".to_owned(),
        };
        Error::lease(format!(
            "the lease {key} of table {table} with epoch {epoch} is lost: {now}. Write nothing under it; claim the range again"
        ))
    }

    /// Carries out a change; the leases that it ends are given to `ended`.
    pub(super) fn apply(&mut self, item: LeaseItem, mut ended: impl FnMut(Lease)) {
        match item {
            LeaseItem::Claim(record) => self.insert(record.into(), ended),
            LeaseItem::Renew {
                epoch,
                expires_at,
                completion_permille,
            } => {
                if let Some(lease) = self.leases.get_mut(&epoch) {
                    lease.expires_at = expires_at;
                    lease.completion_permille = completion_permille;
                }
            }
            LeaseItem::End { epoch, .. } => self.remove(epoch).into_iter().for_each(&mut ended),
        }
    }

    fn insert(&mut self, lease: Lease, ended: impl FnMut(Lease)) {
        let scope = Scope::of(lease.table, &lease.key);
        let overlapped: Vec<u64> = self
            .overlapping(&scope, lease.key.start, lease.key.end)
            .map(|lease| lease.epoch)
            .chain([lease.epoch])
            .collect();
        overlapped
            .into_iter()
            .filter_map(|epoch| self.remove(epoch))
            .for_each(ended);
        self.observe(lease.epoch);
        let ranges = self.scopes.entry(scope).or_default();
        ranges.insert(lease.key.start, lease.epoch);
        self.leases.insert(lease.epoch, lease);
    }

    fn remove(&mut self, epoch: u64) -> Option<Lease> {
        let lease = self.leases.remove(&epoch)?;
        let scope = Scope::of(lease.table, &lease.key);
        if let Some(ranges) = self.scopes.get_mut(&scope) {
            ranges.remove(&lease.key.start);
            if ranges.is_empty() {
                self.scopes.remove(&scope);
            }
        }
        Some(lease)
    }
}
