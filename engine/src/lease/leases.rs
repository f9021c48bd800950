//! The operations on leases.

use std::sync::Arc;
use std::time::Duration;

use gapless_format::lease::COMPLETION_PERMILLE_MAX;
use gapless_format::{LeaseEnd, LeaseItem};
use parking_lot::Mutex;

use super::event;
use super::gate::{Gate, Shared};
use super::lease::{Claim, Lease, LeaseRequest, expiry};
use super::log::{Edit, Follower, LOG_BYTES_MIN, LeaseLog, Place};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::io::Storage;

/// The leases of a database. Any number of threads may use one of these, and any number of processes the database.
///
/// What is done here is atomic, is seen by every process at once, and outlives the process that did it. It is not synced:
/// when the machine goes down, leases may be gone.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use gapless_engine::clock::SystemClock;
/// use gapless_engine::io::MemoryStorage;
/// use gapless_engine::lease::{Claim, LeaseKey, LeaseRequest, Leases};
///
/// let leases = Leases::new(Arc::new(MemoryStorage::new()), Arc::new(SystemClock), 7);
/// let request = LeaseRequest {
///     table: 1,
///     key: LeaseKey::new(Some("AAPL"), 60_000_000_000, 0..3_600_000_000_000),
///     holder: "worker-1".into(),
///     batch: String::new(),
///     ttl: Duration::from_secs(30),
/// };
/// let Claim::Granted(lease) = leases.claim(&request)? else { panic!("nobody else is here") };
/// assert!(matches!(leases.claim(&request)?, Claim::Held(by) if by == lease));
/// {
///     let _fence = leases.fence(&lease)?; // Nobody takes it over while the rows are committed.
/// }
/// leases.complete(&lease)?;
/// assert!(leases.list()?.is_empty());
/// # Ok::<(), gapless_engine::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Leases {
    place: Place,
    clock: Arc<dyn Clock>,
    coordinator: String,
    gate: Gate,
    /// For who only looks.
    view: Mutex<Follower>,
}

/// Proof that a lease is the newest on its range, and that nobody takes it over while this lives.
///
/// It keeps every process from claiming and ending leases: drop it as soon as the commit is written. It belongs to the thread that
/// got it; that thread must not change leases before it is dropped.
#[derive(Debug)]
#[must_use = "the lease is only safe while the fence lives"]
pub struct Fence<'a> {
    _shared: Shared<'a>,
}

impl Leases {
    /// The leases of the database `database` in `storage`. Reads and writes nothing yet.
    ///
    /// Use one per process and database: a thread that holds a fence of one would wait for ever to change another.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, database: u128) -> Self {
        Self::with_log_bytes_min(storage, clock, database, LOG_BYTES_MIN)
    }

    pub(super) fn with_log_bytes_min(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        database: u128,
        log_bytes_min: u64,
    ) -> Self {
        let place = Place {
            storage: Arc::clone(&storage),
            database,
        };
        Self {
            clock,
            coordinator: format!("{database:032x}"),
            gate: Gate::new(storage, LeaseLog::new(place.clone(), log_bytes_min)),
            view: Mutex::default(),
            place,
        }
    }

    /// Claims a range. It is refused when a live lease of the same table, series, interval and world overlaps it, whoever
    /// has that one. Leases that have expired are taken over, and are gone then.
    ///
    /// # Errors
    /// `Invalid` for a request that cannot be right, on a read-only database, or when this thread holds a fence; `Io`,
    /// and then nothing has changed.
    pub fn claim(&self, request: &LeaseRequest) -> Result<Claim> {
        let mut claims = self.claim_many(std::slice::from_ref(request))?;
        claims
            .pop()
            .ok_or_else(|| Error::internal("a request for a lease got no answer"))
    }

    /// Claims ranges one after the other, which costs little more than to claim one. The answers are in the order of
    /// the requests; a lease that is granted stands in the way of later requests.
    ///
    /// # Errors
    /// As for [`Leases::claim`]; no request is granted then.
    pub fn claim_many(&self, requests: &[LeaseRequest]) -> Result<Vec<Claim>> {
        requests.iter().try_for_each(LeaseRequest::check)?;
        let (claims, expired) = self.change(|edit, now| {
            let claim = |request| {
                let claim = edit.table.decide(request, now)?;
                if let Claim::Granted(lease) = &claim {
                    edit.push(LeaseItem::Claim(lease.to_record()));
                }
                Ok(claim)
            };
            requests.iter().map(claim).collect::<Result<Vec<_>>>()
        })?;
        self.tell_failed(&expired, "expired and taken over");
        for claim in &claims {
            if let Claim::Granted(lease) = claim {
                event::claimed(&self.coordinator, lease);
            }
        }
        Ok(claims)
    }

    /// Proves that a lease is the newest on its range, and keeps it so until the fence is dropped. A lease that has
    /// expired and was not taken over is as good as any; it should be renewed.
    ///
    /// # Errors
    /// `Lease` when it was taken over or has ended: nothing may be written under it. `Invalid` on a read-only database; `Io`.
    pub fn fence(&self, lease: &Lease) -> Result<Fence<'_>> {
        let shared = self.gate.shared(|table| table.current(lease).map(drop))?;
        Ok(Fence { _shared: shared })
    }

    /// Lets a lease last `ttl` from now on, and notes how much of its work is done, in thousandths, if that is given. One that has
    /// expired and was not taken over is live again. Answers the lease as it is then.
    ///
    /// # Errors
    /// `Lease` when it was taken over or has ended; `Invalid` for no time or more than 1000 thousandths, and as for [`Leases::claim`]; `Io`.
    pub fn renew(&self, lease: &Lease, ttl: Duration, completion_permille: Option<u16>) -> Result<Lease> {
        if ttl.is_zero() || completion_permille.is_some_and(|done| done > COMPLETION_PERMILLE_MAX) {
            return Err(Error::invalid(format!(
                "lease {}: found a renewal for {ttl:?} with {completion_permille:?} thousandths done, expected more than no \
                 time and at most {COMPLETION_PERMILLE_MAX}",
                lease.key
            )));
        }
        let (renewed, _) = self.change(|edit, now| {
            let before = edit.table.current(lease)?;
            let completion_permille = completion_permille.unwrap_or(before.completion_permille);
            edit.push(LeaseItem::Renew {
                epoch: lease.epoch,
                expires_at: expiry(now, ttl),
                completion_permille,
            });
            edit.table.current(lease).cloned()
        })?;
        Ok(renewed)
    }

    /// Ends a lease whose work is done.
    ///
    /// # Errors
    /// `Lease` when it was taken over or has ended; otherwise as for [`Leases::claim`].
    pub fn complete(&self, lease: &Lease) -> Result<()> {
        for lease in self.end(lease, LeaseEnd::Completed)? {
            event::completed(&self.coordinator, &lease);
        }
        Ok(())
    }

    /// As [`Leases::complete`], of many at once. Those that were taken over or have ended are left out.
    ///
    /// # Errors
    /// As for [`Leases::claim`].
    pub fn complete_many(&self, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        let ((), ended) = self.change(|edit, _| {
            for lease in leases {
                if edit.table.current(lease).is_ok() {
                    edit.push(LeaseItem::End {
                        epoch: lease.epoch,
                        how: LeaseEnd::Completed,
                    });
                }
            }
            Ok(())
        })?;
        for lease in &ended {
            event::completed(&self.coordinator, lease);
        }
        Ok(())
    }

    /// Ends a lease whose work is given up, so that others need not wait until it expires.
    ///
    /// # Errors
    /// As for [`Leases::complete`].
    pub fn fail(&self, lease: &Lease, reason: &str) -> Result<()> {
        let ended = self.end(lease, LeaseEnd::Failed)?;
        self.tell_failed(&ended, reason);
        Ok(())
    }

    /// Ends the lease with an epoch by hand, whoever has it: its holder can write nothing more under it. Answers it as it was.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise as for [`Leases::claim`].
    pub fn release(&self, epoch: u64) -> Result<Lease> {
        let (lease, ended) = self.change(|edit, _| {
            let lease = edit.table.get(epoch).cloned();
            let lease =
                lease.ok_or_else(|| Error::not_found(format!("there is no lease with epoch {epoch}")))?;
            edit.push(LeaseItem::End {
                epoch,
                how: LeaseEnd::Released,
            });
            Ok(lease)
        })?;
        self.tell_failed(&ended, "released");
        Ok(lease)
    }

    /// Ends the leases that have expired, and answers them, oldest first.
    ///
    /// # Errors
    /// As for [`Leases::claim`].
    pub fn recover(&self) -> Result<Vec<Lease>> {
        let ((), ended) = self.change(|edit, now| {
            let expired: Vec<u64> = edit
                .table
                .iter()
                .filter(|lease| !lease.is_live(now))
                .map(|lease| lease.epoch)
                .collect();
            for epoch in expired {
                edit.push(LeaseItem::End {
                    epoch,
                    how: LeaseEnd::Expired,
                });
            }
            Ok(())
        })?;
        self.tell_failed(&ended, "expired");
        Ok(ended)
    }

    /// All leases that are not over, oldest first, with those that have expired and were not taken over. Takes no lock and
    /// writes nothing; a read-only database will do.
    ///
    /// # Errors
    /// `Unsupported` when a newer gapless wrote them, `Corrupt` when they are those of another database; `Io`.
    pub fn list(&self) -> Result<Vec<Lease>> {
        let mut view = self.view.lock();
        view.follow(&self.place)?;
        Ok(view.table.iter().cloned().collect())
    }

    /// Changes leases, alone, at one moment.
    fn change<T>(&self, decide: impl FnOnce(&mut Edit<'_>, i64) -> Result<T>) -> Result<(T, Vec<Lease>)> {
        let mut log = self.gate.exclusive()?;
        // Not before: who waits long must not take over a lease that was renewed meanwhile, nor grant one that is over.
        let now = self.clock.now_ns();
        log.change(|edit| decide(edit, now))
    }

    fn end(&self, lease: &Lease, how: LeaseEnd) -> Result<Vec<Lease>> {
        let ((), ended) = self.change(|edit, _| {
            edit.table.current(lease)?;
            edit.push(LeaseItem::End {
                epoch: lease.epoch,
                how,
            });
            Ok(())
        })?;
        Ok(ended)
    }

    fn tell_failed(&self, leases: &[Lease], reason: &str) {
        for lease in leases {
            event::failed(&self.coordinator, lease, reason);
        }
    }
}
