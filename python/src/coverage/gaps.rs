//! [`Gaps`]: the ranges that are missing.

use gapless::Gap;
use gapless::coverage::gaps_batch;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;

use crate::arrow_rows::arrow_rows;
use crate::error::{py_error, py_gaps};
use crate::rows::Rows;

/// Ranges that are expected and not covered, by series and time: a sequence of `gapless.Gap`, which is false where nothing is missing.
///
/// It has `__arrow_c_stream__`: pyarrow, pandas, polars and DuckDB take it as rows of `series`, `interval` (0 for no grid), `start` and
/// `end`.
#[pyclass(frozen, sequence, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Gaps {
    gaps: Vec<Gap>,
    rows: Rows,
}

impl Gaps {
    pub(crate) fn new(gaps: Vec<Gap>) -> gapless::Result<Self> {
        let batch = gaps_batch(&gaps)?;
        Ok(Self {
            gaps,
            rows: Rows::new(batch.schema(), vec![batch]),
        })
    }
}

arrow_rows!(Gaps);

#[pymethods]
impl Gaps {
    fn __len__(&self) -> usize {
        self.gaps.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, place: isize) -> PyResult<Bound<'py, PyAny>> {
        let from_end = place.checked_add_unsigned(self.gaps.len()).filter(|_| place < 0);
        let gap = usize::try_from(from_end.unwrap_or(place))
            .ok()
            .and_then(|place| self.gaps.get(place))
            .ok_or_else(|| {
                PyIndexError::new_err(format!("there is no gap {place}: there are {}", self.gaps.len()))
            })?;
        py_gaps(py, std::slice::from_ref(gap))?
            .pop()
            .ok_or_else(|| py_error(gapless::Error::internal("a gap was not made")))
    }

    fn __repr__(&self) -> String {
        const SHOWN: usize = 10;
        let mut lines = vec![match self.gaps.len() {
            0 => return "Gaps(none)".to_owned(),
            1 => "Gaps(1)".to_owned(),
            many => format!("Gaps({many})"),
        }];
        lines.extend(self.gaps.iter().take(SHOWN).map(|gap| format!("  {gap}")));
        if self.gaps.len() > SHOWN {
            lines.push(format!("  and {} more", self.gaps.len() - SHOWN));
        }
        lines.join("\n")
    }
}
