//! Columns of lists and of NumPy as Arrow arrays, in the types of the table.
//!
//! `None`, `pandas.NA` and `NaT` are null. NaN is a value.

mod list;
mod numpy;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use pyo3_arrow::{PyArray, PyChunkedArray};

use crate::error::{invalid, py_error};

/// A batch of columns by name.
pub(crate) fn batch(columns: &Bound<'_, PyMapping>, schema: &SchemaRef) -> PyResult<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for column in columns.items()?.iter() {
        let (name, values): (String, Bound<'_, PyAny>) = column.extract()?;
        let field = schema
            .field_with_name(&name)
            .map_err(|_| unknown(&name, schema))?;
        let array =
            array(&values, field.data_type()).map_err(|error| in_column(columns.py(), &name, error))?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    check_lengths(&fields, &arrays)?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| invalid(error.to_string()))
}

/// The array of the values of one column.
pub(crate) fn array(values: &Bound<'_, PyAny>, data_type: &DataType) -> PyResult<ArrayRef> {
    if values.hasattr("__arrow_c_array__")? {
        return Ok(values.extract::<PyArray>()?.into_inner().0);
    }
    if values.hasattr("__arrow_c_stream__")? {
        let (chunks, field) = values.extract::<PyChunkedArray>()?.into_inner();
        return one_array(&chunks, field.data_type());
    }
    if values.is_instance_of::<PyString>() {
        return Err(invalid("a column is a list of values, not one text"));
    }
    // A pandas series or index that does not speak Arrow.
    if values.hasattr("to_numpy")? {
        return array(&values.call_method0("to_numpy")?, data_type);
    }
    match numpy::array(values)? {
        Some(array) => as_type(array, data_type),
        None => list::array(values, data_type),
    }
}

fn one_array(chunks: &[ArrayRef], data_type: &DataType) -> PyResult<ArrayRef> {
    let parts: Vec<&dyn Array> = chunks.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        [] => Ok(arrow_array::new_empty_array(data_type)),
        parts => arrow_select::concat::concat(parts).map_err(|error| invalid(error.to_string())),
    }
}

/// Numbers of NumPy in the type of the column, where it has every one of them. Times are left to the engine, which
/// knows their units.
fn as_type(array: ArrayRef, data_type: &DataType) -> PyResult<ArrayRef> {
    let are_times = array.data_type().is_temporal() && data_type.is_temporal();
    if array.data_type() == data_type {
        return Ok(array);
    }
    if let (true, DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) =
        (are_times, array.data_type(), data_type)
    {
        let utc = DataType::Timestamp(*unit, zone.clone());
        return cast(&array, &utc);
    }
    if are_times {
        return Ok(array);
    }
    // An integer is nanoseconds, as everywhere: in a coarser column its unit would not be certain.
    if array.data_type().is_integer() && has_coarse_unit(data_type) {
        return Err(invalid(format!(
            "integers are nanoseconds and the column is {}: give datetime64 or timedelta64 of its unit",
            crate::type_text::name(data_type)
        )));
    }
    let integers = array.data_type().is_integer() && (data_type.is_temporal() || data_type.is_numeric());
    let floats = array.data_type().is_floating() && data_type.is_floating();
    if !integers && !floats {
        return Err(invalid(format!(
            "values of NumPy's type {} are no {}",
            array.data_type(),
            crate::type_text::name(data_type)
        )));
    }
    cast(&array, data_type)
}

fn has_coarse_unit(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(
        data_type,
        D::Timestamp(unit, _) | D::Duration(unit) | D::Time32(unit) | D::Time64(unit) if *unit != TimeUnit::Nanosecond
    )
}

fn cast(array: &ArrayRef, data_type: &DataType) -> PyResult<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    arrow_cast::cast_with_options(array, data_type, &options).map_err(|error| invalid(error.to_string()))
}

fn unknown(name: &str, schema: &Schema) -> PyErr {
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{:?}", field.name()))
        .collect();
    invalid(format!(
        "the table has no column {name:?}; its columns are {}",
        names.join(", ")
    ))
}

/// The same exception, with the column before its message.
fn in_column(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    if error.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(py) {
        return error;
    }
    py_error(gapless::Error::invalid(format!(
        "column {name:?}: {}",
        error.value(py)
    )))
}

fn check_lengths(fields: &[Field], arrays: &[ArrayRef]) -> PyResult<()> {
    let (Some(first), Some(field)) = (arrays.first(), fields.first()) else {
        return Ok(());
    };
    match arrays.iter().position(|array| array.len() != first.len()) {
        None => Ok(()),
        Some(at) => Err(invalid(format!(
            "column {:?} has {} values and column {:?} has {}: all need the same number",
            field.name(),
            first.len(),
            fields[at].name(),
            arrays[at].len()
        ))),
    }
}
