//! What a writer says of ranges, from Python.

use std::ops::Range;

use gapless::{Attestation, CoverageState, GapQuery, Result, Table};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use crate::duration::length;
use crate::error::invalid;
use crate::time::instant;

const KEYS: &str = "series, start, end, state, interval, source, batch and rows";

/// States that a writer may say.
const STATES: [CoverageState; 5] = [
    CoverageState::Complete,
    CoverageState::Empty,
    CoverageState::Partial,
    CoverageState::NotApplicable,
    CoverageState::Expired,
];

/// What is said of a range, on the table's own interval where none is given.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) said: Attestation,
    pub(crate) has_interval: bool,
}

impl Said {
    /// What is said, ready to be committed to a table.
    ///
    /// # Errors
    /// `Invalid` where no interval is given and the table has coverage at several.
    pub(crate) fn resolve(all: Vec<Self>, table: &Table) -> Result<Vec<Attestation>> {
        let own = match all.iter().all(|said| said.has_interval) {
            true => 0,
            false => table.coverage()?.interval(&GapQuery::new(0, 0))?,
        };
        let resolved = all.into_iter().map(|said| match said.has_interval {
            true => said.said,
            false => said.said.interval(own),
        });
        Ok(resolved.collect())
    }
}

/// The state of a text.
pub(crate) fn state_of(text: &str) -> PyResult<CoverageState> {
    STATES
        .into_iter()
        .find(|state| state.name() == text)
        .ok_or_else(|| {
            let names: Vec<String> = STATES.iter().map(|state| format!("{:?}", state.name())).collect();
            let hint = match text {
                "live" => "; a range is live by a session",
                "unknown" => "; forget_coverage takes back what was said",
                _ => "",
            };
            invalid(format!("state {text:?}: there are {}{hint}", names.join(", ")))
        })
}

/// A range of which something is said.
pub(crate) fn bounded(start: i64, end: i64) -> PyResult<Range<i64>> {
    match start < end {
        true => Ok(start..end),
        false => Err(invalid(format!(
            "coverage from {start} to {end}: the range is empty; give a start before its end"
        ))),
    }
}

/// What is said by a mapping, or by several of them, or by objects with `_asdict` such as `gapless.CoverageRange`.
pub(crate) fn said_of(value: &Bound<'_, PyAny>) -> PyResult<Vec<Said>> {
    if value.cast::<PyMapping>().is_ok() || value.hasattr("_asdict")? {
        return one(value).map(|said| vec![said]);
    }
    let items = value.try_iter().map_err(|_| refused(value))?;
    items.map(|item| one(&item?)).collect()
}

fn one(value: &Bound<'_, PyAny>) -> PyResult<Said> {
    let fields = match value.hasattr("_asdict")? {
        true => value.call_method0("_asdict")?,
        false => value.clone(),
    };
    let fields = fields.cast_into::<PyMapping>().map_err(|_| refused(value))?;
    let given = PyDict::new(value.py());
    for pair in fields.items()?.iter() {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        given.set_item(name, value)?;
    }
    let mut said = Said {
        said: Attestation::new(0..0),
        has_interval: false,
    };
    let (mut start, mut end) = (None, None);
    for (name, value) in &given {
        if value.is_none() {
            continue;
        }
        match name.extract::<String>()?.as_str() {
            "series" => said.said.series = Some(value.extract()?),
            "start" => start = Some(instant(&value)?),
            "end" => end = Some(instant(&value)?),
            "state" => said.said.state = state_of(&value.extract::<String>()?)?,
            "interval" => {
                said.said.interval = length(&value)?;
                said.has_interval = true;
            }
            "source" => said.said.source = value.extract()?,
            "batch" => said.said.batch = value.extract()?,
            "rows" => said.said.rows = Some(value.extract()?),
            "fetched_at" => said.said.fetched_at = Some(instant(&value)?),
            // What a range that was read has beside these.
            "commit" => {}
            other => {
                return Err(invalid(format!(
                    "coverage has no {other:?}: there are {KEYS}, and fetched_at"
                )));
            }
        }
    }
    let (Some(start), Some(end)) = (start, end) else {
        return Err(invalid("coverage needs a start and an end"));
    };
    said.said.range = bounded(start, end)?;
    Ok(said)
}

fn refused(value: &Bound<'_, PyAny>) -> PyErr {
    let name = value
        .get_type()
        .name()
        .map_or_else(|_| "the value".to_owned(), |name| name.to_string());
    invalid(format!(
        "{name} is no coverage: give a dict of {KEYS}, or a list of them"
    ))
}
