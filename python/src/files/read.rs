//! Which files, and how they are read.

use std::path::PathBuf;

use gapless_interchange::{FileFormat, OnError, ReadOptions, TypeName, parse_time_unit};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::file_error;
use crate::error::{invalid, py_error};
use crate::text::Names;

const NAMES: &str = "format, time, time_unit, time_format, zone, series, types, symbols, delimiter, header, column_names, null_values and \
                     rejects";

/// One path, or several.
#[derive(Debug, Clone)]
pub(crate) struct Paths(pub(crate) Vec<PathBuf>);

impl<'a, 'py> FromPyObject<'a, 'py> for Paths {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(path) = value.extract::<PathBuf>() {
            return Ok(Self(vec![path]));
        }
        let items = value
            .try_iter()
            .map_err(|_| invalid("files are a path, or a list of paths"))?;
        let paths: Vec<PathBuf> = items
            .map(|item| item?.extract::<PathBuf>())
            .collect::<PyResult<_>>()?;
        match paths.is_empty() {
            true => Err(invalid("no files: give one path or more")),
            false => Ok(Self(paths)),
        }
    }
}

/// How files are read, as far as it is said by name.
pub(crate) fn read_options(options: Option<&Bound<'_, PyDict>>) -> PyResult<ReadOptions> {
    let mut read = ReadOptions::default();
    for (name, value) in options.into_iter().flatten() {
        if value.is_none() {
            continue;
        }
        let name: String = name.extract()?;
        match name.as_str() {
            "format" => read.format = Some(parsed::<FileFormat>(&value)?),
            "time" => read.time = Some(value.extract()?),
            "time_unit" => {
                let unit = parse_time_unit(&value.extract::<String>()?);
                read.time_unit = Some(unit.map_err(|error| py_error(file_error(error)))?);
            }
            "time_format" => read.time_format = Some(value.extract()?),
            "zone" => read.zone = Some(value.extract()?),
            "series" => read.series = Some(value.extract()?),
            "types" => {
                for (column, name) in value.cast::<PyDict>()? {
                    read.types.push((column.extract()?, parsed::<TypeName>(&name)?));
                }
            }
            "symbols" => {
                let columns = value.extract::<Names>()?.0;
                read.types
                    .extend(columns.into_iter().map(|column| (column, TypeName::Symbol)));
            }
            "delimiter" => read.delimiter = Some(delimiter(&value.extract::<String>()?)?),
            "header" => read.header = value.extract()?,
            "column_names" => read.column_names = Some(value.extract::<Names>()?.0),
            "null_values" => read.null_values.extend(value.extract::<Names>()?.0),
            "rejects" => {
                read.on_error = OnError::Skip {
                    rejects: value.extract()?,
                }
            }
            other => {
                return Err(PyTypeError::new_err(format!(
                    "unexpected keyword argument {other:?}; how files are read is said by {NAMES}"
                )));
            }
        }
    }
    Ok(read)
}

/// What a text names.
pub(super) fn parsed<T: std::str::FromStr<Err = gapless_interchange::InterchangeError>>(
    text: &Bound<'_, PyAny>,
) -> PyResult<T> {
    let text: String = text.extract()?;
    text.parse().map_err(|error| py_error(file_error(error)))
}

fn delimiter(text: &str) -> PyResult<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(invalid(format!("delimiter {text:?} is not one ASCII character"))),
    }
}
