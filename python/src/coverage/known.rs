//! [`Coverage`]: the ranges of which something is known, and their picture.

use std::ops::Range;

use gapless::coverage::ranges_batch;
use gapless::{CoverageRange, CoverageState, Result, TableCoverage};
use gapless_timeline::{Picture, known_intervals, svg};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::arrow_rows::arrow_rows;
use crate::call::engine;
use crate::rows::Rows;

/// Series in a picture, unless told otherwise.
const SERIES_MAX: usize = 50;

/// A range of a series, or of every one, at an interval, or at every one.
pub(crate) type Known = (Option<String>, Option<i64>, CoverageRange);

/// What is known of ranges of series: an iterable of `gapless.CoverageRange`, by series, interval and time.
///
/// It has `__arrow_c_stream__`: pyarrow, pandas, polars and DuckDB take it as rows of `series`, `interval` (0 for no grid), `start`,
/// `end`, `state`, `source`, `batch`, `rows`, `fetched_at` and `commit`. In a notebook it draws itself as a timeline.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Of the version that the rows are of.
    coverage: TableCoverage,
    asked: Asked,
    known: Vec<Known>,
    rows: Rows,
}

/// Which ranges are asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) series: Option<Vec<String>>,
    pub(crate) interval: Option<i64>,
    pub(crate) range: Range<i64>,
}

impl Coverage {
    pub(crate) fn new(coverage: TableCoverage, asked: Asked) -> Result<Self> {
        let known = known(&coverage, &asked)?;
        let batch = ranges_batch(&known)?;
        Ok(Self {
            coverage,
            asked,
            known,
            rows: Rows::new(batch.schema(), vec![batch]),
        })
    }

    /// The range of a picture: the asked one, and from the first to the last known time where that has no bound.
    fn bounds(&self) -> Option<Range<i64>> {
        let is_there = |state| !matches!(state, CoverageState::Expired | CoverageState::Unknown);
        let ranges = || {
            self.known
                .iter()
                .map(|(_, _, range)| range)
                .filter(|range| is_there(range.state))
        };
        let times = || ranges().flat_map(|range| [range.start, range.end]);
        let bounded = || times().filter(|time| *time != i64::MIN && *time != i64::MAX);
        let start = match self.asked.range.start {
            i64::MIN => bounded().min()?,
            start => start,
        };
        let end = match self.asked.range.end {
            i64::MAX => bounded().max()?,
            end => end,
        };
        (start < end).then_some(start..end)
    }

    fn picture(&self, limit: usize) -> Result<Option<Picture>> {
        let Some(range) = self.bounds() else {
            return Ok(None);
        };
        let series: Vec<Option<String>> = match (&self.asked.series, self.coverage.meta().series_column) {
            (Some(named), _) => named.iter().cloned().map(Some).collect(),
            (None, None) => vec![None],
            (None, Some(_)) => self.coverage.series()?.into_iter().map(Some).collect(),
        };
        let intervals = match self.asked.interval {
            Some(interval) => vec![interval],
            None => known_intervals(&self.coverage),
        };
        Picture::new(&self.coverage, &series, &intervals, range, limit).map(Some)
    }

    fn drawn(&self, py: Python<'_>, width: Option<u16>, limit: usize) -> PyResult<Option<String>> {
        engine(py, || Ok(self.picture(limit)?.map(|picture| svg(&picture, width))))
    }
}

/// All that is known, as it was said; of series that are named, what counts for each.
fn known(coverage: &TableCoverage, asked: &Asked) -> Result<Vec<Known>> {
    let Some(named) = &asked.series else {
        let mut all = coverage.all_ranges(asked.range.clone());
        if let Some(interval) = asked.interval {
            all.retain(|(_, of, _)| of.is_none_or(|of| of == interval));
        }
        return Ok(all);
    };
    let intervals = match asked.interval {
        Some(interval) => vec![interval],
        None => known_intervals(coverage),
    };
    let mut all = Vec::new();
    for series in named {
        for interval in &intervals {
            let ranges = coverage.ranges(Some(series), *interval, asked.range.clone())?;
            all.extend(
                ranges
                    .into_iter()
                    .map(|range| (Some(series.clone()), Some(*interval), range)),
            );
        }
    }
    Ok(all)
}

arrow_rows!(Coverage);

#[pymethods]
impl Coverage {
    fn __len__(&self) -> usize {
        self.known.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class = py.import("gapless._coverage")?.getattr("CoverageRange")?;
        let ranges = PyList::empty(py);
        for (series, interval, range) in &self.known {
            ranges.append(class.call1((
                series.as_deref(),
                *interval,
                range.start,
                range.end,
                range.state.name(),
                &*range.source,
                &*range.batch,
                range.rows,
                range.fetched_at,
                range.commit,
            ))?)?;
        }
        Ok(ranges.try_iter()?.into_any())
    }

    /// The picture as the text of an SVG file: a timeline of each series, `width` pixels wide (1000 unless told otherwise), and how complete
    /// each day, week or month is below; of `limit` series at most. `None` where nothing is known and no range was asked for.
    #[pyo3(signature = (width=None, limit=SERIES_MAX))]
    fn svg(&self, py: Python<'_>, width: Option<u16>, limit: usize) -> PyResult<Option<String>> {
        self.drawn(py, width, limit)
    }

    fn _repr_svg_(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.drawn(py, None, SERIES_MAX)
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let drawn = self.drawn(py, None, SERIES_MAX)?;
        let drawn = drawn.unwrap_or_else(|| "<p>nothing is known</p>".to_owned());
        // What declares a file has no place inside of a page.
        Ok(drawn.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").to_owned())
    }

    fn __repr__(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for (_, _, range) in &self.known {
            let state = range.state.name();
            match counts.iter_mut().find(|(of, _)| *of == state) {
                Some((_, count)) => *count += 1,
                None => counts.push((state, 1)),
            }
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        let counts = match counts.as_slice() {
            [] => "nothing is known".to_owned(),
            some => some.join(", "),
        };
        format!("Coverage({:?}: {counts})", self.coverage.meta().name)
    }
}
