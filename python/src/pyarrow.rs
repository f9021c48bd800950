//! pyarrow, where it is installed. Nothing needs it: what it would be given has `__arrow_c_stream__` itself.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Looked for once: an import costs more than a small scan.
static PYARROW: PyOnceLock<Option<Py<PyModule>>> = PyOnceLock::new();

/// pyarrow, or nothing where it is not installed.
pub(crate) fn installed(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyModule>>> {
    let module = PYARROW.get_or_try_init(py, || match py.import("pyarrow") {
        Ok(module) => Ok(Some(module.unbind())),
        Err(error) if error.is_instance_of::<PyImportError>(py) => Ok(None),
        Err(error) => Err(error),
    })?;
    Ok(module.as_ref().map(|module| module.bind(py)))
}

/// pyarrow.
///
/// # Errors
/// `ImportError`, saying what to install.
pub(crate) fn required(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    installed(py)?.ok_or_else(|| PyImportError::new_err("pyarrow is not installed: pip install pyarrow"))
}
