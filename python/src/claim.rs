//! [`Claim`]: a lease that Python has, and `Database.claim_lease`, which grants it.

use std::sync::Arc;
use std::time::Duration;

use gapless::lease::{Lease, LeaseKey, LeaseRequest, default_holder};
use gapless::{Error, Result};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::call::engine;
use crate::database::Database;
use crate::duration::Length;
use crate::handle::Handle;
use crate::time::Instant;

/// A lease that was granted: a time-bounded exclusive claim on a range of a series, seen by every process.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Claim {
    handle: Arc<Handle>,
    lease: Mutex<Lease>,
}

impl Claim {
    fn new(handle: &Arc<Handle>, lease: Lease) -> Self {
        Self {
            handle: Arc::clone(handle),
            lease: Mutex::new(lease),
        }
    }
}

#[pymethods]
impl Claim {
    /// The fencing number: greater than that of every lease before it in the life of the database.
    #[getter]
    fn epoch(&self) -> u64 {
        self.lease.lock().epoch
    }

    /// When others may take it over, in nanoseconds since the epoch.
    #[getter]
    fn expires_at(&self) -> i64 {
        self.lease.lock().expires_at
    }

    /// Of which series it is.
    #[getter]
    fn series(&self) -> Option<String> {
        self.lease.lock().key.series.clone()
    }

    /// Who has it.
    #[getter]
    fn holder(&self) -> String {
        self.lease.lock().holder.clone()
    }

    /// What it was claimed for; may be empty.
    #[getter]
    fn batch(&self) -> String {
        self.lease.lock().batch.clone()
    }

    /// What is claimed, as `series:interval:start:end:world:as_of` with `%3A` for colons of a series.
    #[getter]
    fn key(&self) -> String {
        self.lease.lock().key.to_string()
    }

    /// Lets it last `ttl` from now on, and notes how much of the work is done, from 0 to 1.
    ///
    /// Raises LeaseError when it was taken over or has ended: write nothing under it.
    #[pyo3(signature = (ttl, completion=None))]
    fn renew(&self, py: Python<'_>, ttl: Length, completion: Option<f64>) -> PyResult<()> {
        let permille = completion.map(|done| (done.clamp(0.0, 1.0) * 1000.0) as u16);
        engine(py, || {
            let lease = self.lease.lock().clone();
            let renewed = self
                .handle
                .database()?
                .renew_lease(&lease, duration(ttl)?, permille)?;
            *self.lease.lock() = renewed;
            Ok(())
        })
    }

    /// Ends it: the work is done.
    ///
    /// Raises LeaseError when it was taken over or has ended.
    fn complete(&self, py: Python<'_>) -> PyResult<()> {
        engine(py, || {
            let lease = self.lease.lock().clone();
            self.handle.database()?.complete_lease(&lease)
        })
    }

    /// Ends it: the work is given up, and others need not wait until it expires.
    ///
    /// Raises LeaseError when it was taken over or has ended.
    fn fail(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        engine(py, || {
            let lease = self.lease.lock().clone();
            self.handle.database()?.fail_lease(&lease, reason)
        })
    }

    fn __repr__(&self) -> String {
        let lease = self.lease.lock();
        format!("Claim({}, epoch={})", lease.key, lease.epoch)
    }
}

#[pymethods]
impl Database {
    /// Claims the range [start, end) of a series of a table for `ttl`, for work of your own; `Table.fill` claims what it fills itself. Gives
    /// None while somebody else has a live lease that overlaps it in the same world. `holder` says who asks: host and process unless
    /// told otherwise.
    ///
    /// A claim is seen by every process at once. One that has expired can be taken over, and is still good until it was.
    ///
    /// Raises InvalidError for an empty range, and in a database that is open for reading; NotFoundError for a table.
    ///
    /// >>> claim = db.claim_lease("trade", "X", 0, 60_000_000_000, ttl="30s")
    /// >>> claim.complete()
    #[pyo3(signature = (table, series, start, end, *, ttl, interval=None, world="", as_of=None, holder=None, batch=""))]
    #[expect(clippy::too_many_arguments, reason = "they are what a lease is, by name")]
    fn claim_lease(
        &self,
        py: Python<'_>,
        table: &str,
        series: Option<&str>,
        start: Instant,
        end: Instant,
        ttl: Length,
        interval: Option<Length>,
        world: &str,
        as_of: Option<Instant>,
        holder: Option<String>,
        batch: &str,
    ) -> PyResult<Option<Claim>> {
        let interval = interval.map_or(0, |interval| interval.0);
        let key = LeaseKey::new(series, interval, start.0..end.0)
            .world(world)
            .as_of(as_of.map(|at| at.0));
        let granted = engine(py, || {
            let request = LeaseRequest {
                table: self.handle.table(table)?.meta()?.id,
                key,
                holder: holder.unwrap_or_else(default_holder),
                batch: batch.to_owned(),
                ttl: duration(ttl)?,
            };
            Ok(self.handle.database()?.claim_lease(&request)?.granted())
        })?;
        Ok(granted.map(|lease| Claim::new(&self.handle, lease)))
    }

    /// The lease with an epoch, whoever claimed it; None when there is none, or it is over.
    fn find_claim(&self, py: Python<'_>, epoch: u64) -> PyResult<Option<Claim>> {
        let leases = engine(py, || self.handle.database()?.leases())?;
        let found = leases.into_iter().find(|lease| lease.epoch == epoch);
        Ok(found.map(|lease| Claim::new(&self.handle, lease)))
    }
}

fn duration(ttl: Length) -> Result<Duration> {
    let ns = u64::try_from(ttl.0);
    ns.map(Duration::from_nanos)
        .map_err(|_| Error::invalid(format!("a lease of {} ns: give a length of time above 0", ttl.0)))
}
