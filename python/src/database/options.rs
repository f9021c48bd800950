//! What is said of a database or a table by name.

use gapless::{AttributeKind, Durability, Keep, PartitionUnit, TableSpec};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::age;
use crate::duration::{Length, length};
use crate::error::{invalid, py_error};
use crate::text::Names;

/// "sync", "buffered", or how often is synced.
pub(crate) fn durability(value: &Bound<'_, PyAny>) -> PyResult<Durability> {
    if let Ok(text) = value.cast::<PyString>() {
        match text.to_cow()?.as_ref() {
            "sync" => return Ok(Durability::Sync),
            "buffered" => return Ok(Durability::Buffered),
            _ => {}
        }
    }
    let ms = length(value)? / 1_000_000;
    match u64::try_from(ms) {
        Ok(ms) if ms > 0 => Ok(Durability::Interval(ms)),
        _ => Err(invalid(
            "durability is \"sync\", \"buffered\", or a length of time of at least \"1ms\"",
        )),
    }
}

pub(crate) fn partition(text: &str) -> PyResult<PartitionUnit> {
    Ok(match text {
        "hour" => PartitionUnit::Hour,
        "day" => PartitionUnit::Day,
        "month" => PartitionUnit::Month,
        "year" => PartitionUnit::Year,
        other => {
            return Err(invalid(format!(
                "partition {other:?}: there are \"hour\", \"day\", \"month\" and \"year\""
            )));
        }
    })
}

pub(crate) fn keep(text: &str) -> PyResult<Keep> {
    Ok(match text {
        "all" => Keep::All,
        "last" => Keep::Last,
        "first" => Keep::First,
        other => {
            return Err(invalid(format!(
                "keep {other:?}: there are \"all\", \"last\" and \"first\""
            )));
        }
    })
}

fn attribute(text: &str) -> PyResult<AttributeKind> {
    Ok(match text {
        "sorted" => AttributeKind::Sorted,
        "parted" => AttributeKind::Parted,
        "grouped" => AttributeKind::Grouped,
        "unique" => AttributeKind::Unique,
        other => {
            return Err(invalid(format!(
                "attribute {other:?}: there are \"sorted\", \"parted\", \"grouped\" and \"unique\""
            )));
        }
    })
}

/// The description of a table with further options.
pub(super) fn with(mut spec: TableSpec, options: &Bound<'_, PyDict>) -> PyResult<TableSpec> {
    for (name, value) in options {
        let name: String = name.extract()?;
        spec = match name.as_str() {
            "retain" => spec.retain(age(value.extract::<Length>()?.0).map_err(py_error)?),
            "cold_after" => spec.cold_after(age(value.extract::<Length>()?.0).map_err(py_error)?),
            "attributes" => attributes(spec, &value)?,
            "symbols" => symbols(spec, &value)?,
            other => {
                return Err(PyTypeError::new_err(format!(
                    "create_table() got an unexpected keyword argument {other:?}; there are also retain, cold_after, attributes and \
                     symbols"
                )));
            }
        };
    }
    Ok(spec)
}

fn attributes(mut spec: TableSpec, value: &Bound<'_, PyAny>) -> PyResult<TableSpec> {
    for (column, kinds) in value.cast::<PyDict>()? {
        let column: String = column.extract()?;
        for kind in kinds.extract::<Names>()?.0 {
            spec = spec.attribute(&column, attribute(&kind)?);
        }
    }
    Ok(spec)
}

fn symbols(mut spec: TableSpec, value: &Bound<'_, PyAny>) -> PyResult<TableSpec> {
    for (column, domain) in value.cast::<PyDict>()? {
        spec = spec.symbol(column.extract::<String>()?, domain.extract::<String>()?);
    }
    Ok(spec)
}
