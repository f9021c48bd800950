//! [`Lease`]: a time-bounded exclusive claim on a range, and the methods around it.

use std::sync::Arc;
use std::time::Duration;

use gapless::GapQuery;
use gapless::lease::{self, Claim, LeaseKey, LeaseRequest, default_holder};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::call::engine;
use crate::database::Database;
use crate::duration::Length;
use crate::error::{invalid, py_error};
use crate::handle::Handle;
use crate::table::Table;
use crate::time::{Instant, instant};

/// A time-bounded exclusive claim on a range of a series, as it was when it was last read. Times are nanoseconds since the epoch.
///
/// What is done with it is atomic, is seen by every process at once, and outlives the process that did it; it is not synced.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Lease {
    handle: Arc<Handle>,
    lease: Mutex<lease::Lease>,
}

impl Lease {
    fn new(handle: &Arc<Handle>, lease: lease::Lease) -> Self {
        Self {
            handle: Arc::clone(handle),
            lease: Mutex::new(lease),
        }
    }

    fn now(&self) -> lease::Lease {
        self.lease.lock().clone()
    }
}

#[pymethods]
impl Lease {
    /// The key as text: `series:interval:start:end:world:as_of`, in seconds.
    #[getter]
    fn key(&self) -> String {
        self.now().key.to_string()
    }

    /// The fencing number: greater than that of every lease before it.
    #[getter]
    fn epoch(&self) -> u64 {
        self.now().epoch
    }

    /// The series; `None` in a table without series.
    #[getter]
    fn series(&self) -> Option<String> {
        self.now().key.series
    }

    /// Grid step; 0 for none.
    #[getter]
    fn interval(&self) -> i64 {
        self.now().key.interval
    }

    /// First time.
    #[getter]
    fn start(&self) -> i64 {
        self.now().key.start
    }

    /// First time after it.
    #[getter]
    fn end(&self) -> i64 {
        self.now().key.end
    }

    /// The world that the rows are for; may be empty.
    #[getter]
    fn world(&self) -> String {
        self.now().key.world
    }

    /// The time that the work is as of.
    #[getter]
    fn as_of(&self) -> Option<i64> {
        self.now().key.as_of
    }

    /// Who has it.
    #[getter]
    fn holder(&self) -> String {
        self.now().holder
    }

    /// The batch that it is for; may be empty.
    #[getter]
    fn batch(&self) -> String {
        self.now().batch
    }

    /// When it was claimed.
    #[getter]
    fn claimed_at(&self) -> i64 {
        self.now().claimed_at
    }

    /// When it may be taken over.
    #[getter]
    fn expires_at(&self) -> i64 {
        self.now().expires_at
    }

    /// How much of the work is done, from 0 to 1.
    #[getter]
    fn completion_ratio(&self) -> f64 {
        self.now().completion_ratio()
    }

    /// Lets it last so long from now on, and notes how much of the work is done, from 0 to 1. One that has expired and was not taken over is
    /// live again.
    ///
    /// Raises LeaseError when it was taken over or has ended.
    #[pyo3(signature = (ttl_ms, completion_ratio=None))]
    fn renew(&self, py: Python<'_>, ttl_ms: u64, completion_ratio: Option<f64>) -> PyResult<()> {
        let done = completion_ratio.map(permille).transpose()?;
        engine(py, || {
            let ttl = Duration::from_millis(ttl_ms);
            let renewed = self.handle.database()?.renew_lease(&self.now(), ttl, done)?;
            *self.lease.lock() = renewed;
            Ok(())
        })
    }

    /// Ends it: the work is done.
    ///
    /// Raises LeaseError when it was taken over or has ended.
    fn complete(&self, py: Python<'_>) -> PyResult<()> {
        engine(py, || self.handle.database()?.complete_lease(&self.now()))
    }

    /// Ends it: the work is given up, and others need not wait until it expires.
    ///
    /// Raises LeaseError when it was taken over or has ended.
    #[pyo3(signature = (reason=""))]
    fn fail(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        engine(py, || self.handle.database()?.fail_lease(&self.now(), reason))
    }

    fn __repr__(&self) -> String {
        let lease = self.now();
        format!(
            "Lease({:?}, epoch={}, holder={:?})",
            lease.key.to_string(),
            lease.epoch,
            lease.holder
        )
    }
}

fn permille(ratio: f64) -> PyResult<u16> {
    match (0.0..=1.0).contains(&ratio) {
        true => Ok((ratio * 1000.0).floor() as u16),
        false => Err(invalid(format!(
            "a completion ratio of {ratio}: give one from 0 to 1"
        ))),
    }
}

#[pymethods]
impl Database {
    /// The leases that are not over, oldest first; those that have expired are among them until they are taken over or recovered.
    fn leases(&self, py: Python<'_>) -> PyResult<Vec<Lease>> {
        let leases = engine(py, || self.handle.database()?.leases())?;
        Ok(self.of(leases))
    }

    /// Ends the leases that have expired, and gives them. Their ranges could be claimed before too.
    fn recover_leases(&self, py: Python<'_>) -> PyResult<Vec<Lease>> {
        let leases = engine(py, || self.handle.database()?.recover_leases())?;
        Ok(self.of(leases))
    }

    /// Ends the lease with an epoch, whoever has it, and gives it as it was: its holder can commit nothing more under it.
    ///
    /// Raises NotFoundError.
    fn release_lease(&self, py: Python<'_>, epoch: u64) -> PyResult<Lease> {
        let lease = engine(py, || self.handle.database()?.release_lease(epoch))?;
        Ok(Lease::new(&self.handle, lease))
    }
}

impl Database {
    fn of(&self, leases: Vec<lease::Lease>) -> Vec<Lease> {
        leases
            .into_iter()
            .map(|lease| Lease::new(&self.handle, lease))
            .collect()
    }
}

#[pymethods]
impl Table {
    /// Claims a range of a series, so that nobody else works on it: at whatever interval and as of whatever time, in the same `world`. Backfills
    /// claim their ranges themselves; this is for who coordinates other work.
    ///
    /// `holder` is who claims (host and process unless told otherwise), `ttl_ms` how long nobody may take it over, `batch` what it is for.
    ///
    /// Raises LeaseError, whose `lease` is the one in the way, when another that is live overlaps the range, also one of the same holder.
    ///
    /// >>> lease = table.claim(0, 60_000_000_000, series="X", ttl_ms=30_000)
    /// >>> lease.key
    /// 'X:0:0:60::'
    /// >>> lease.complete()
    #[pyo3(signature = (start, end, series=None, interval=None, *, ttl_ms=120_000, holder=None, world="", as_of=None, batch=""))]
    #[expect(clippy::too_many_arguments, reason = "they are what a lease is, by name")]
    fn claim(
        &self,
        py: Python<'_>,
        start: Instant,
        end: Instant,
        series: Option<&str>,
        interval: Option<Length>,
        ttl_ms: u64,
        holder: Option<String>,
        world: &str,
        as_of: Option<&Bound<'_, PyAny>>,
        batch: &str,
    ) -> PyResult<Lease> {
        let as_of = as_of.map(instant).transpose()?;
        let claim = engine(py, || {
            let table = self.engine()?;
            let interval = match interval {
                Some(interval) => interval.0,
                None => table.coverage()?.interval(&GapQuery::new(0, 0))?,
            };
            self.handle.database()?.claim_lease(&LeaseRequest {
                table: table.meta()?.table,
                key: LeaseKey::new(series, interval, start.0..end.0)
                    .world(world)
                    .as_of(as_of),
                holder: holder.unwrap_or_else(default_holder),
                batch: batch.to_owned(),
                ttl: Duration::from_millis(ttl_ms),
            })
        })?;
        match claim {
            Claim::Granted(lease) => Ok(Lease::new(&self.handle, lease)),
            Claim::Held(lease) => Err(held(py, Lease::new(&self.handle, lease))?),
        }
    }
}

/// That a lease is in the way.
fn held(py: Python<'_>, lease: Lease) -> PyResult<PyErr> {
    let now = lease.now();
    let error = py_error(gapless::Error::new(
        gapless::ErrorKind::Lease,
        format!(
            "{:?} has {} until {} (epoch {}): wait, or claim another range",
            now.holder, now.key, now.expires_at, now.epoch
        ),
    ));
    error.value(py).setattr("lease", lease)?;
    Ok(error)
}
