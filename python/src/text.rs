//! Names from Python: one text, or any iterable of texts.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::invalid;

/// One name, or several.
#[derive(Debug, Clone)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl<'a, 'py> FromPyObject<'a, 'py> for Names {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Self(vec![text.to_cow()?.into_owned()]));
        }
        let items = value.try_iter().map_err(|_| refused(&value))?;
        let names = items.map(|item| {
            let item = item?;
            item.extract::<String>().map_err(|_| refused(&item))
        });
        names.collect::<PyResult<_>>().map(Self)
    }
}

fn refused(value: &Bound<'_, PyAny>) -> PyErr {
    let shown = value
        .repr()
        .map_or_else(|_| "value".to_owned(), |text| text.to_string());
    invalid(format!("{shown} is no name: give text, or a list of texts"))
}
