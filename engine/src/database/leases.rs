//! The leases of a database, for who looks after them, and for who coordinates other work by them. Backfills claim theirs
//! themselves.

use std::time::Duration;

use super::handle::Database;
use crate::error::Result;
use crate::lease::{Claim, Lease, LeaseRequest};

impl Database {
    /// The leases that are not over, oldest first, the expired ones among them. Takes no lock; a database that is open for
    /// reading will do.
    ///
    /// # Errors
    /// `Unsupported` when a newer gapless wrote them; `Corrupt`; `Io`.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        self.engine().leases().list()
    }

    /// Ends the leases that have expired, and gives them. Their ranges could be claimed before too. Atomic, seen by every
    /// process at once, and not synced, as all of leases.
    ///
    /// # Errors
    /// `Invalid` when the database is open for reading; `Io`. Nothing has changed then.
    pub fn recover_leases(&self) -> Result<Vec<Lease>> {
        self.check_writable()?;
        self.engine().leases().recover()
    }

    /// Ends the lease with an epoch, whoever has it, and gives it as it was: its holder can commit nothing more under it.
    /// Atomic, seen by every process at once, and not synced.
    ///
    /// # Errors
    /// `NotFound` when there is none; as [`Database::recover_leases`].
    pub fn release_lease(&self, epoch: u64) -> Result<Lease> {
        self.check_writable()?;
        self.engine().leases().release(epoch)
    }

    /// Claims a range of a table: see [`crate::lease::Leases::claim`]. Atomic, seen by every process at once, and not synced, as
    /// are the methods below.
    ///
    /// # Errors
    /// `Invalid` for a request that cannot be right, or when the database is open for reading; `Io`. Nothing has changed then.
    pub fn claim_lease(&self, request: &LeaseRequest) -> Result<Claim> {
        self.check_writable()?;
        self.engine().leases().claim(request)
    }

    /// Lets a lease last `ttl` from now on, and notes how much of its work is done, in thousandths, if that is given.
    ///
    /// # Errors
    /// `Lease` when it was taken over or has ended; `Invalid` for no time or more than 1000 thousandths, and as
    /// [`Database::claim_lease`].
    pub fn renew_lease(
        &self,
        lease: &Lease,
        ttl: Duration,
        completion_permille: Option<u16>,
    ) -> Result<Lease> {
        self.check_writable()?;
        self.engine().leases().renew(lease, ttl, completion_permille)
    }

    /// Ends a lease whose work is done.
    ///
    /// # Errors
    /// `Lease` when it was taken over or has ended; as [`Database::claim_lease`].
    pub fn complete_lease(&self, lease: &Lease) -> Result<()> {
        self.check_writable()?;
        self.engine().leases().complete(lease)
    }

    /// Ends a lease whose work is given up, so that others need not wait until it expires.
    ///
    /// # Errors
    /// As [`Database::complete_lease`].
    pub fn fail_lease(&self, lease: &Lease, reason: &str) -> Result<()> {
        self.check_writable()?;
        self.engine().leases().fail(lease, reason)
    }
}
