//! [`Strategy`]: where the rows of gaps come from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gapless::Gap;
use gapless::backfill::{
    Aggregation, BackfillError, BackfillStrategy, ChainStrategy, FetcherStrategy, Filled, FilesAttest,
    FilesStrategy, FromTableStrategy, GapWriter, LiveReplayStrategy, ReplaySource,
};
use gapless::files::{ReadOptions, reader};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::fetcher::PyFetcher;
use crate::call::engine;
use crate::duration::Length;
use crate::error::invalid;
use crate::files::{Paths, read_options};
use crate::table::Table;

/// Where the rows of gaps come from, for `Table.fill`: a fetcher, files, another table, or several of these in order.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Strategy(Source);

#[derive(Debug)]
enum Source {
    Fetcher(Py<PyAny>),
    Files(Vec<PathBuf>, FilesAttest, ReadOptions),
    LiveReplay(gapless::Table, Option<i64>),
    FromTable(FromTableStrategy),
    Chain(Vec<Py<Strategy>>),
}

/// What the fetchers of a fill have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetcherOptions {
    pub(super) timeout: Option<Duration>,
    pub(super) clips: bool,
}

/// A strategy as the engine runs it.
pub(super) struct Shared(Box<dyn BackfillStrategy>);

impl BackfillStrategy for Shared {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        self.0.fill(gap, writer)
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

/// Asks a fetcher that the fill keeps too.
struct Asked(Arc<PyFetcher>);

impl gapless::backfill::Fetcher for Asked {
    fn fetch(
        &self,
        request: &gapless::backfill::FetchRequest,
    ) -> Result<gapless::backfill::Fetched, gapless::backfill::FetchError> {
        self.0.fetch(request)
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

/// Makes the strategy that a value means: a [`Strategy`], or a fetcher. Fetchers that are in it are added to `fetchers`.
pub(super) fn build(
    value: &Bound<'_, PyAny>,
    options: FetcherOptions,
    fetchers: &mut Vec<Arc<PyFetcher>>,
) -> PyResult<Shared> {
    match value.cast::<Strategy>() {
        Ok(strategy) => strategy.get().build(value.py(), options, fetchers),
        Err(_) => of_fetcher(value, options, fetchers),
    }
}

fn of_fetcher(
    fetcher: &Bound<'_, PyAny>,
    options: FetcherOptions,
    fetchers: &mut Vec<Arc<PyFetcher>>,
) -> PyResult<Shared> {
    let fetcher = Arc::new(PyFetcher::new(fetcher, options.timeout)?);
    fetchers.push(Arc::clone(&fetcher));
    let strategy = FetcherStrategy::new(Asked(fetcher)).clip_rows(options.clips);
    Ok(Shared(Box::new(strategy)))
}

impl Strategy {
    fn build(
        &self,
        py: Python<'_>,
        options: FetcherOptions,
        fetchers: &mut Vec<Arc<PyFetcher>>,
    ) -> PyResult<Shared> {
        Ok(Shared(match &self.0 {
            Source::Fetcher(fetcher) => return of_fetcher(fetcher.bind(py), options, fetchers),
            Source::Files(paths, attests, read) => {
                Box::new(FilesStrategy::new(paths.clone(), reader(read.clone())).attests(*attests))
            }
            Source::LiveReplay(table, interval) => {
                let source = ReplaySource::table(table);
                Box::new(LiveReplayStrategy::new(match interval {
                    Some(interval) => source.interval(*interval),
                    None => source,
                }))
            }
            Source::FromTable(strategy) => Box::new(strategy.clone()),
            Source::Chain(strategies) => {
                let mut chain = ChainStrategy::new();
                for strategy in strategies {
                    chain = chain.then(strategy.get().build(py, options, fetchers)?);
                }
                Box::new(chain)
            }
        }))
    }
}

#[pymethods]
impl Strategy {
    /// Asks a fetcher, plain or async: what `Table.fill` takes too, here as a part of a chain.
    #[staticmethod]
    fn fetcher(fetcher: Py<PyAny>) -> Self {
        Self(Source::Fetcher(fetcher))
    }

    /// Takes rows from files of CSV, JSON lines, Parquet or Arrow, or from directories of them. They are looked at once; files that come later
    /// are for a later fill.
    ///
    /// Files do not tell what is not in them, so what they attest must be said: "nothing" (rows are written, and the range stays a gap),
    /// "bounds" (each has all rows of a series from its first to its last one) or "everything" (together they have all of whatever is
    /// asked). How they are read is said as in `Database.import_files`.
    #[staticmethod]
    #[pyo3(signature = (paths, attests="nothing", **options))]
    fn files(paths: Paths, attests: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let attests = match attests {
            "nothing" => FilesAttest::Nothing,
            "bounds" => FilesAttest::Bounds,
            "everything" => FilesAttest::Everything,
            other => {
                return Err(invalid(format!(
                    "attests {other:?}: there are \"nothing\", \"bounds\" and \"everything\""
                )));
            }
        };
        Ok(Self(Source::Files(paths.0, attests, read_options(options)?)))
    }

    /// Takes rows from another table with columns of the same names, where that is covered: what a live writer has recorded, say. `interval`
    /// is that of the other table's coverage; without, that of the gap.
    #[staticmethod]
    #[pyo3(signature = (table, interval=None))]
    fn live_replay(py: Python<'_>, table: &Bound<'_, Table>, interval: Option<Length>) -> PyResult<Self> {
        let table = table.get();
        let table = engine(py, || table.engine())?;
        Ok(Self(Source::LiveReplay(table, interval.map(|interval| interval.0))))
    }

    /// Makes bars of the finer rows of another table: each column with how it is made, as ("first", "price"), ("vwap", "price", "size") or
    /// ("rows",); there are first, last, min, max, sum, count, mean, vwap and rows. `ohlc` names a price of which open, high, low and close
    /// are made.
    ///
    /// A bar is attested only where the other table is covered over the whole of it, at `interval` (0 for ticks); with `trust_rows=True` its
    /// rows are taken for all there are.
    #[staticmethod]
    #[pyo3(signature = (table, ohlc=None, interval=None, trust_rows=false, **columns))]
    fn from_table(
        py: Python<'_>,
        table: &Bound<'_, Table>,
        ohlc: Option<&str>,
        interval: Option<Length>,
        trust_rows: bool,
        columns: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let table = table.get();
        let table = engine(py, || table.engine())?;
        let mut strategy = FromTableStrategy::new(&table)
            .source_interval(interval.map_or(0, |interval| interval.0))
            .trust_rows(trust_rows);
        if let Some(price) = ohlc {
            strategy = strategy.ohlc(price);
        }
        for (name, how) in columns.into_iter().flatten() {
            strategy = strategy.bars([(name.extract::<String>()?, aggregation(&how)?)]);
        }
        Ok(Self(Source::FromTable(strategy)))
    }

    /// Tries strategies and fetchers in order: each is given what those before it have left of a gap.
    #[staticmethod]
    #[pyo3(signature = (*strategies))]
    fn chain(strategies: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if strategies.is_empty() {
            return Err(invalid("a chain of no strategies: give one or more"));
        }
        let of = |item: Bound<'_, PyAny>| match item.cast::<Self>() {
            Ok(strategy) => Ok(strategy.clone().unbind()),
            Err(_) => Py::new(item.py(), Self(Source::Fetcher(item.clone().unbind()))),
        };
        let all = strategies.iter().map(of).collect::<PyResult<Vec<_>>>()?;
        Ok(Self(Source::Chain(all)))
    }

    fn __repr__(&self) -> String {
        let name = match &self.0 {
            Source::Fetcher(_) => "fetcher",
            Source::Files(..) => "files",
            Source::LiveReplay(..) => "live_replay",
            Source::FromTable(_) => "from_table",
            Source::Chain(_) => "chain",
        };
        format!("Strategy.{name}(...)")
    }
}

fn aggregation(value: &Bound<'_, PyAny>) -> PyResult<Aggregation> {
    let refused = || {
        invalid(
            "a column of bars is made by a tuple such as (\"first\", \"price\"), (\"vwap\", \"price\", \"size\") or (\"rows\",); there are \
             first, last, min, max, sum, count, mean, vwap and rows",
        )
    };
    let parts: Vec<String> = value.extract().map_err(|_| refused())?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(match parts.as_slice() {
        ["first", column] => Aggregation::first(*column),
        ["last", column] => Aggregation::last(*column),
        ["min", column] => Aggregation::min(*column),
        ["max", column] => Aggregation::max(*column),
        ["sum", column] => Aggregation::sum(*column),
        ["count", column] => Aggregation::count(*column),
        ["mean", column] => Aggregation::mean(*column),
        ["vwap", price, size] => Aggregation::vwap(*price, *size),
        ["rows"] => Aggregation::rows(),
        _ => return Err(refused()),
    })
}
