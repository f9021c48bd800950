//! What a table says of coverage, and is told.

use gapless::{GapQuery, Inference, Result, TableCoverage};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::known::{Asked, Coverage};
use super::said::{Said, said_of, state_of};
use super::{Gaps, Session};
use crate::call::{self, engine};
use crate::duration::Length;
use crate::error::invalid;
use crate::table::Table;
use crate::text::Names;
use crate::time::{Instant, range};

impl Table {
    /// What is known, of the version that is read.
    pub(crate) fn known(&self) -> Result<TableCoverage> {
        self.handle.snapshot()?.coverage(&self.name)
    }
}

#[pymethods]
impl Table {
    /// What is known of ranges: of all series, as it was said, where a range without a series is about every one; of series that are named,
    /// what counts for each. Without an interval, of each of which something is known.
    ///
    /// The result is an iterable of `gapless.CoverageRange`, has `__arrow_c_stream__` as a frame does, and draws itself in a notebook.
    ///
    /// Raises InvalidError for a series of a table without any.
    ///
    /// >>> table.attest(start=0, end="1970-01-01T00:01:00Z", series="X", source="vendor")
    /// >>> [(known.state, known.end, known.source) for known in table.coverage(series="X")]
    /// [('complete', 60000000000, 'vendor')]
    #[pyo3(signature = (series=None, start=None, end=None, interval=None))]
    fn coverage(
        &self,
        py: Python<'_>,
        series: Option<Names>,
        start: Option<Instant>,
        end: Option<Instant>,
        interval: Option<Length>,
    ) -> PyResult<Coverage> {
        let asked = Asked {
            series: series.map(|series| series.0),
            interval: interval.map(|interval| interval.0),
            range: range(start, end),
        };
        engine(py, || Coverage::new(self.known()?, asked))
    }

    /// What is missing: the longest ranges that are expected, by the calendar and the life of each series, and not covered. A range that is
    /// partial or lost is one. Without series, of all that the table has; without an interval, of the one that its coverage has.
    ///
    /// The result is a sequence of `gapless.Gap`, false where nothing is missing, and has `__arrow_c_stream__`.
    ///
    /// Raises InvalidError for a range without an end, and for no interval where the table has coverage at several.
    ///
    /// >>> table.attest(start=0, end=60_000_000_000, series="X", interval="1s")
    /// >>> table.gaps(0, "1970-01-01T00:01:10Z", series="X")[0]
    /// Gap(series='X', start=60000000000, end=70000000000, interval=1000000000)
    #[pyo3(signature = (start, end, series=None, interval=None))]
    fn gaps(
        &self,
        py: Python<'_>,
        start: Instant,
        end: Instant,
        series: Option<Names>,
        interval: Option<Length>,
    ) -> PyResult<Gaps> {
        let query = query(start, end, series, interval);
        engine(py, || Gaps::new(self.known()?.gaps(&query)?))
    }

    /// The time before which a series misses nothing, in nanoseconds since the epoch: since the first that is covered, or since it was listed.
    /// `None` where nothing is covered. It is at most `until`.
    #[pyo3(signature = (series=None, interval=None, until=None))]
    fn watermark(
        &self,
        py: Python<'_>,
        series: Option<&str>,
        interval: Option<Length>,
        until: Option<Instant>,
    ) -> PyResult<Option<i64>> {
        engine(py, || {
            let coverage = self.known()?;
            let interval = match interval {
                Some(interval) => interval.0,
                None => coverage.interval(&GapQuery::new(0, 0))?,
            };
            coverage.watermark(series, interval, until.map_or(i64::MAX, |until| until.0))
        })
    }

    /// The series: those that have rows, of which something is known, or that are listed, by text. None for a table without a series column.
    fn series(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        engine(py, || self.known()?.series())
    }

    /// Says what is known of a range, as one atomic commit, durable when this returns. What was said of it before does not count any more.
    ///
    /// `series` is one or several; without, every series of the table, also later ones. `interval` is the grid step of the rows, 0 for none;
    /// without, the one that the table's coverage has. `state` is "complete", "empty" (the source has nothing), "partial" (a gap still),
    /// "not_applicable" or "expired". `rows` is how many the source gave.
    ///
    /// Rows are better attested with the rows themselves, in the same commit: `append(data, coverage=...)`.
    ///
    /// Raises InvalidError for an empty range, or a series in a table without any. Nothing has changed then.
    #[pyo3(signature = (start, end, series=None, interval=None, state="complete", source=None, batch=None, rows=None))]
    #[expect(clippy::too_many_arguments, reason = "they are what is said, by name")]
    fn attest(
        &self,
        py: Python<'_>,
        start: Instant,
        end: Instant,
        series: Option<Names>,
        interval: Option<Length>,
        state: &str,
        source: Option<String>,
        batch: Option<String>,
        rows: Option<u64>,
    ) -> PyResult<()> {
        let mut said = gapless::Attestation::new(start.0..end.0)
            .interval(interval.map_or(0, |interval| interval.0))
            .state(state_of(state)?)
            .source(source.unwrap_or_default())
            .batch(batch.unwrap_or_default());
        said.rows = rows;
        let of = |said: gapless::Attestation| Said {
            said,
            has_interval: interval.is_some(),
        };
        let all: Vec<Said> = match series {
            None => vec![of(said)],
            Some(names) => names
                .0
                .into_iter()
                .map(|name| of(said.clone().series(name)))
                .collect(),
        };
        self.say(py, all)
    }

    /// As `attest`, of many ranges in one commit: a list of dicts of `series`, `start`, `end`, `state`, `interval`, `source`, `batch` and
    /// `rows`, or of what `coverage` gives.
    fn attest_all(&self, py: Python<'_>, coverage: &Bound<'_, PyAny>) -> PyResult<()> {
        self.say(py, said_of(coverage)?)
    }

    /// Takes back what was said of a range, of some series or of all, at one interval or at every one, as one atomic commit, durable when this
    /// returns. The rows stay; the range is a gap until something is said of it again.
    #[pyo3(signature = (start=None, end=None, series=None, interval=None))]
    fn forget_coverage(
        &self,
        py: Python<'_>,
        start: Option<Instant>,
        end: Option<Instant>,
        series: Option<Names>,
        interval: Option<Length>,
    ) -> PyResult<()> {
        engine(py, || {
            let series = series.as_ref().map(texts);
            let interval = interval.map(|interval| interval.0);
            self.engine()?
                .forget_coverage(series.as_deref(), interval, range(start, end))
        })
    }

    /// Attests as complete, from the source "inferred", every slot of a grid that has a row and of which nothing is known: for rows that came
    /// without coverage. Rows cannot tell whether an empty slot was ever asked for; it stays a gap. One atomic commit, durable when this
    /// returns.
    ///
    /// Gives a dict: `ranges` and `rows`, the rows that were looked at, of which `off_grid` lie between two slots. Where there are such,
    /// another step was meant: then nothing is attested and this raises, unless `off_grid=True`, which takes the slots that they lie in.
    ///
    /// Raises InvalidError for an interval below 1 ns, or rows off the grid.
    #[pyo3(signature = (interval, series=None, start=None, end=None, off_grid=false))]
    fn infer_coverage<'py>(
        &self,
        py: Python<'py>,
        interval: Length,
        series: Option<Names>,
        start: Option<Instant>,
        end: Option<Instant>,
        off_grid: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let table = engine(py, || self.engine())?;
        let mut inference = Inference::new(interval.0);
        if let Some(series) = series {
            inference = inference.series(series.0);
        }
        if start.is_some() || end.is_some() {
            let range = range(start, end);
            inference = inference.between(range.start, range.end);
        }
        if !off_grid {
            inference = inference.on_grid_only();
        }
        let inferred = call::writing(py, move |_| table.infer_coverage_by(&inference))?;
        if let (false, Some((series, time))) = (off_grid, &inferred.first_off_grid) {
            let of = series
                .as_deref()
                .map_or_else(String::new, |series| format!(" of {series:?}"));
            return Err(invalid(format!(
                "{} of {} rows lie off the grid of {}, the first{of} at {time}: nothing was attested. Give the rows' own step, or \
                 off_grid=True to take the slots that they lie in",
                inferred.off_grid,
                inferred.rows,
                gapless::duration_text(interval.0)
            )));
        }
        let report = PyDict::new(py);
        report.set_item("ranges", inferred.ranges())?;
        report.set_item("rows", inferred.rows)?;
        report.set_item("off_grid", inferred.off_grid)?;
        Ok(report)
    }

    /// Opens a live session: a writer that follows a source, of one series or of every one of the table, and says how far.
    ///
    /// `start` is from when on the source is followed; without, from now. `interval` is the grid step of its rows, 0 for none. A row or a
    /// heartbeat may be `ahead_max` ahead of the clock.
    ///
    /// >>> with table.session(series="X", source="feed", start=0) as session:
    /// ...     session.heartbeat(5_000_000_000)
    /// ...     session.watermark
    /// 5000000000
    #[pyo3(signature = (series=None, interval=None, source=None, start=None, ahead_max=None))]
    fn session(
        slf: &Bound<'_, Self>,
        series: Option<String>,
        interval: Option<Length>,
        source: Option<String>,
        start: Option<Instant>,
        ahead_max: Option<Length>,
    ) -> PyResult<Session> {
        let this = slf.get();
        let session = engine(slf.py(), || {
            let mut session = this.engine()?.session().source(source.unwrap_or_default());
            if let Some(series) = series {
                session = session.series(series);
            }
            if let Some(interval) = interval {
                session = session.interval(interval.0);
            }
            if let Some(start) = start {
                session = session.start(start.0);
            }
            if let Some(ahead) = ahead_max {
                session = session.ahead_max(ahead.0);
            }
            session.open()
        })?;
        Ok(Session::new(slf.clone().unbind(), session))
    }
}

impl Table {
    fn say(&self, py: Python<'_>, said: Vec<Said>) -> PyResult<()> {
        engine(py, || {
            let table = self.engine()?;
            table.attest(Said::resolve(said, &table)?)
        })
    }
}

/// The question for gaps.
fn query(
    start: Instant,
    end: Instant,
    series: Option<Names>,
    interval: Option<Length>,
) -> GapQuery {
    let mut query = GapQuery::new(start.0, end.0);
    if let Some(series) = series {
        query = query.series(series.0);
    }
    match interval {
        Some(interval) => query.interval(interval.0),
        None => query,
    }
}

fn texts(names: &Names) -> Vec<&str> {
    names.0.iter().map(String::as_str).collect()
}
