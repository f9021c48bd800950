//! What became of a fill.

use std::sync::Arc;

use gapless::backfill::{BackfillReport, GapOutcome, GapReport};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::fetcher::PyFetcher;

/// The report as Python's.
pub(super) fn report<'py>(
    py: Python<'py>,
    report: &BackfillReport,
    fetchers: &[Arc<PyFetcher>],
) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import("gapless._fill")?;
    let class = module.getattr("FilledGap")?;
    let gaps = PyList::empty(py);
    for gap in &report.gaps {
        gaps.append(filled(&class, gap, fetchers)?)?;
    }
    module
        .getattr("FillReport")?
        .call1((gaps, report.elapsed.as_secs_f64()))
}

fn filled<'py>(
    class: &Bound<'py, PyAny>,
    report: &GapReport,
    fetchers: &[Arc<PyFetcher>],
) -> PyResult<Bound<'py, PyAny>> {
    let (reason, error) = match &report.outcome {
        GapOutcome::Failed(why) => {
            let raised = fetchers
                .iter()
                .rev()
                .find_map(|fetcher| fetcher.raised(class.py(), &report.gap));
            (Some(why.as_str()), raised)
        }
        GapOutcome::Leased(why) => (Some(why.as_str()), None),
        _ => (None, None),
    };
    let (gap, rows) = (&report.gap, &report.rows);
    class.call1((
        gap.series.as_deref(),
        gap.start,
        gap.end,
        gap.interval,
        report.outcome.name(),
        reason,
        error,
        rows.inserted,
        rows.identical,
        rows.changed,
        report.attempts,
        report.elapsed.as_secs_f64(),
    ))
}
