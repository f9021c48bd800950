//! The engine's errors as the exceptions of `gapless.errors`.

use gapless::{Error, ErrorKind, Gap};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::call::check_process;

/// Folders and files of a database that a message may name.
const PLACES: [&str; 9] = [
    "manifest/",
    "symbols/",
    "wal/",
    "tables/",
    "readers/",
    "staging/",
    "quarantine/",
    "leases/",
    "GAPLESS",
];

/// An error of the engine as an exception.
pub(crate) fn py_error(error: Error) -> PyErr {
    Python::attach(|py| exception(py, &error).unwrap_or_else(|failed| failed))
}

/// An exception of a request that cannot be right.
pub(crate) fn invalid(message: impl Into<String>) -> PyErr {
    py_error(Error::invalid(message))
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let (class, message) = (class(error.kind()), error.message().to_owned());
    let class = py
        .import("gapless.errors")?
        .getattr(class)?
        .cast_into::<PyType>()?;
    let raised = PyErr::from_type(class, (message,));
    let value = raised.value(py);
    match error.kind() {
        ErrorKind::Gaps => value.setattr("gaps", py_gaps(py, error.missing())?)?,
        ErrorKind::Corrupt => value.setattr("where", place(error.message()))?,
        ErrorKind::Locked if error.message().contains("in this process") && check_process().is_ok() => {
            value.setattr("pid", std::process::id())?;
        }
        _ => {}
    }
    Ok(raised)
}

/// The name of the class of a kind.
fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "InvalidError",
        ErrorKind::NotFound => "NotFoundError",
        ErrorKind::Locked => "LockedError",
        ErrorKind::Conflict => "ConflictError",
        ErrorKind::Corrupt => "CorruptionError",
        ErrorKind::Unsupported => "UnsupportedError",
        ErrorKind::Io => "StorageError",
        ErrorKind::Overloaded => "OverloadedError",
        ErrorKind::Gaps => "CoverageError",
        ErrorKind::Lease => "LeaseError",
        // A kind that is newer than this file is a bug of it.
        ErrorKind::Internal | _ => "InternalError",
    }
}

/// Gaps as objects of Python.
pub(crate) fn py_gaps<'py>(py: Python<'py>, gaps: &[Gap]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let class = py.import("gapless._gap")?.getattr("Gap")?;
    let gap = |gap: &Gap| class.call1((gap.series.as_deref(), gap.start, gap.end, gap.interval));
    gaps.iter().map(gap).collect()
}

/// The first file of the database that a message names.
fn place(message: &str) -> Option<String> {
    message.split_whitespace().find_map(|word| {
        let at = PLACES.iter().filter_map(|place| word.find(place)).min()?;
        Some(
            word[at..]
                .trim_end_matches([':', ',', ';', '.', '"', ')'])
                .to_owned(),
        )
    })
}
