//! The leases of a database, for who looks after them. Workers claim theirs through a backfill.

use super::handle::Database;
use crate::error::Result;
use crate::lease::Lease;

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
}
