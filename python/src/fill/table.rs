//! `Table.fill`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use gapless::Result;
use gapless::backfill::{Backfill, BackfillJob, BackfillReport};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::fetcher::PyFetcher;
use super::options::{self, positive};
use super::report::report;
use super::strategy::{FetcherOptions, build};
use crate::call::{Cancel, engine};
use crate::duration::Length;
use crate::progress::{Meter, watched};
use crate::table::Table;
use crate::text::Names;
use crate::time::Instant;

/// How often a fill looks whether it is wanted still.
const TICK: Duration = Duration::from_millis(20);

#[pymethods]
impl Table {
    /// Fills gaps from a source, and says what became of each.
    ///
    /// `fetcher` is called with a `gapless.FetchRequest` for each gap (`request.series`, `.start`, `.end`, `.interval`) and returns its rows:
    /// Arrow data, a frame, or a dict of columns, without the series column if it likes. That is taken for all there is in the range; no rows
    /// say that there is none, and the range is never asked for again. `gapless.Fetched(data, through=...)` says how far it speaks, and
    /// `partial=True` that rows may be missing. It may be `async`: then calls share one event loop. It may also be a `gapless.Strategy`.
    ///
    /// What it raises is tried again, `retries` times with growing pauses, but for what is wrong in the program (TypeError, KeyError, ValueError
    /// and the like); `gapless.FetchError(text, retry=..., retry_after=seconds)` says it expressly. A gap that fails is no error here: the
    /// report has it with what was raised, and `report.check()` raises a BackfillError from that.
    ///
    /// Each gap is leased while it is filled (`lease_ttl_ms` after a worker has died others may take it over), `concurrency` at the same time;
    /// any number of processes may fill the same table. Rows and what they cover are one commit; rows that are here are not stored again.
    /// Ctrl-C ends it: what is committed stays, and no lease is left behind.
    ///
    /// `progress` is a bar such as tqdm's, its class, or a callable of the gaps done and in all.
    ///
    /// Further: `order` ("oldest" or "newest" first), `window` (the longest range that is asked for at once), `merge_within` (gaps so near are
    /// asked for together), `rate` (requests in a second), `timeout` of a request, `backoff` and `backoff_max` (pauses), `stalled_after` (a
    /// gap without a commit for so long is left to others), `holder` and `world` of the leases, `source` (who attests; the fetcher's name unless
    /// told otherwise), `durability` of each commit, `missing_columns=True` (rows may lack columns), `clip=True` (rows outside of the request
    /// are left out, not refused), `wait_for_others=False` (ranges that others have are left to them).
    ///
    /// >>> def fetch(request):
    /// ...     return {"ts": range(request.start, request.end, request.interval), "price": [1.5] * 2, "size": [100] * 2}
    /// >>> table.fill(fetch, start=0, end=2_000_000_000, series="X", interval="1s").rows
    /// 2
    #[pyo3(signature = (fetcher, start, end, series=None, interval=None, *, retries=3, concurrency=1, lease_ttl_ms=None, progress=None, **options))]
    #[expect(clippy::too_many_arguments, reason = "they are what a fill is, by name")]
    fn fill<'py>(
        &self,
        py: Python<'py>,
        fetcher: &Bound<'py, PyAny>,
        start: Instant,
        end: Instant,
        series: Option<Names>,
        interval: Option<Length>,
        retries: u32,
        concurrency: usize,
        lease_ttl_ms: Option<u64>,
        progress: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = options.cloned().unwrap_or_else(|| PyDict::new(py));
        let mut fetchers = Vec::new();
        let strategy = build(fetcher, of_fetchers(&options)?, &mut fetchers)?;
        let table = engine(py, || self.engine())?;
        let mut fill = table
            .backfill(strategy)
            .range(start.0, end.0)
            .concurrency(concurrency);
        if let Some(series) = series {
            fill = fill.series(series.0);
        }
        if let Some(interval) = interval {
            fill = fill.interval(interval.0);
        }
        if let Some(ttl) = lease_ttl_ms {
            fill = fill.lease_ttl(Duration::from_millis(ttl));
        }
        let fill = options::with(fill, retries, &options)?;
        let outcome = run(py, fill, &fetchers, progress);
        for fetcher in &fetchers {
            fetcher.close(py)?;
            if let Some(fatal) = fetcher.fatal(py) {
                return Err(fatal);
            }
        }
        report(py, &outcome?, &fetchers)
    }
}

/// What is said of the calls of fetchers.
fn of_fetchers(options: &Bound<'_, PyDict>) -> PyResult<FetcherOptions> {
    let timeout = options.get_item("timeout")?.filter(|value| !value.is_none());
    let clips = options.get_item("clip")?;
    Ok(FetcherOptions {
        timeout: timeout.map(|timeout| positive(&timeout)).transpose()?,
        clips: clips.is_some_and(|clips| clips.is_truthy().unwrap_or(false)),
    })
}

/// Runs it beside the caller, who is told how far it is.
fn run(
    py: Python<'_>,
    fill: Backfill,
    fetchers: &[Arc<PyFetcher>],
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<BackfillReport> {
    let fetchers = fetchers.to_vec();
    watched(py, progress, "gap", move |cancel, meter| {
        let (sender, receiver) = sync_channel(1);
        let told = meter.clone();
        let fill = fill.on_progress(move |progress| {
            told.set(progress.done as u64, progress.gaps as u64);
            // Who waits has been woken already.
            let _ = sender.try_send(());
        });
        let job = fill.start()?;
        let planned = job.progress();
        meter.set(planned.done as u64, planned.gaps as u64);
        wait(job, &receiver, cancel, meter, &fetchers)
    })
}

/// Waits until it is over, and ends it when it is told to.
fn wait(
    job: BackfillJob,
    done: &Receiver<()>,
    cancel: &Cancel,
    meter: &Meter,
    fetchers: &[Arc<PyFetcher>],
) -> Result<BackfillReport> {
    loop {
        let now = job.progress();
        if now.done >= now.gaps || job.is_finished() {
            let report = job.wait()?;
            meter.set(now.done as u64, now.gaps as u64);
            return Ok(report);
        }
        if cancel.is_set() || fetchers.iter().any(|fetcher| fetcher.is_fatal()) {
            job.cancel();
            fetchers.iter().for_each(|fetcher| fetcher.cancel());
            return job.wait();
        }
        let _ = done.recv_timeout(TICK);
    }
}
