//! One-dimensional arrays of NumPy, copied.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use numpy::{Element, PyArray1, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::error::invalid;
use crate::time::{numpy_class, numpy_unit, unit_ns};

/// The array of an array of numbers, booleans or times of NumPy; nothing for another value, and for an array of texts
/// or objects, which is read as a list.
pub(super) fn array(values: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    if numpy_class(values)?.as_deref() != Some("ndarray") {
        return Ok(None);
    }
    let dimensions: usize = values.getattr("ndim")?.extract()?;
    let kind: String = values.getattr("dtype")?.getattr("kind")?.extract()?;
    if dimensions != 1 {
        return if dimensions == 2 {
            Ok(None)
        } else {
            Err(shape(dimensions))
        };
    }
    let native = native_order(values)?;
    let untyped = native.cast::<PyUntypedArray>()?;
    let size = untyped.dtype().getattr("itemsize")?.extract::<usize>()?;
    Ok(Some(match (kind.as_str(), size) {
        ("b", _) => booleans(untyped)?,
        ("i", 1) => numbers::<Int8Type>(untyped)?,
        ("i", 2) => numbers::<Int16Type>(untyped)?,
        ("i", 4) => numbers::<Int32Type>(untyped)?,
        ("i", 8) => numbers::<Int64Type>(untyped)?,
        ("u", 1) => numbers::<UInt8Type>(untyped)?,
        ("u", 2) => numbers::<UInt16Type>(untyped)?,
        ("u", 4) => numbers::<UInt32Type>(untyped)?,
        ("u", 8) => numbers::<UInt64Type>(untyped)?,
        ("f", 4) => numbers::<Float32Type>(untyped)?,
        ("f", 8) => numbers::<Float64Type>(untyped)?,
        ("M" | "m", _) => times(&native, kind == "M")?,
        // Objects, texts, bytes, and numbers of other widths.
        _ => return Ok(None),
    }))
}

fn shape(dimensions: usize) -> PyErr {
    invalid(format!(
        "a column is an array of one dimension, not of {dimensions}"
    ))
}

/// The same values in the byte order of the processor.
fn native_order<'py>(values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let dtype = values.getattr("dtype")?;
    if dtype.getattr("isnative")?.extract()? {
        return Ok(values.clone());
    }
    values.call_method1("astype", (dtype.call_method1("newbyteorder", ("=",))?,))
}

fn numbers<T: ArrowPrimitiveType>(values: &Bound<'_, PyUntypedArray>) -> PyResult<ArrayRef>
where
    T::Native: Element,
{
    let values = copied::<T::Native>(values)?;
    Ok(Arc::new(PrimitiveArray::<T>::from_iter_values(values)))
}

fn booleans(values: &Bound<'_, PyUntypedArray>) -> PyResult<ArrayRef> {
    Ok(Arc::new(BooleanArray::from(copied::<bool>(values)?)))
}

fn copied<T: Element + Clone>(values: &Bound<'_, PyUntypedArray>) -> PyResult<Vec<T>> {
    let values = values.cast::<PyArray1<T>>()?.try_readonly();
    let values = values.map_err(|error| invalid(format!("the array is written to elsewhere: {error}")))?;
    Ok(match values.as_slice() {
        Ok(slice) => slice.to_vec(),
        Err(_) => values.as_array().iter().cloned().collect(),
    })
}

/// Counts of a unit; `NaT`, which is the least of them, is null. Arrow has seconds and finer units: others become
/// seconds.
fn times(values: &Bound<'_, PyAny>, are_instants: bool) -> PyResult<ArrayRef> {
    let (unit, step) = numpy_unit(&values.getattr("dtype")?)?;
    let counts = values.call_method1("view", ("int64",))?;
    let counts = copied::<i64>(counts.cast::<PyUntypedArray>()?)?;
    let ns = unit_ns(&unit).map(|ns| ns * i128::from(step)).ok_or_else(|| {
        invalid(format!(
            "values of NumPy's unit {unit:?} have no fixed length in nanoseconds: convert them with .astype(\"datetime64[ns]\")"
        ))
    })?;
    let arrow = [1_000_000_000, 1_000_000, 1_000, 1]
        .into_iter()
        .find(|arrow| ns % arrow == 0)
        .unwrap_or(1);
    let factor = ns / arrow;
    let scaled = counts
        .into_iter()
        .map(|count| match count {
            i64::MIN => Ok(None),
            count => i64::try_from(i128::from(count) * factor).map(Some),
        })
        .collect::<Result<Vec<Option<i64>>, _>>()
        .map_err(|_| invalid("a time lies outside of what 64 bits hold"))?;
    Ok(match (are_instants, arrow) {
        (true, 1_000_000_000) => Arc::new(PrimitiveArray::<TimestampSecondType>::from(scaled)),
        (true, 1_000_000) => Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(scaled)),
        (true, 1_000) => Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(scaled)),
        (true, _) => Arc::new(PrimitiveArray::<TimestampNanosecondType>::from(scaled)),
        (false, 1_000_000_000) => Arc::new(PrimitiveArray::<DurationSecondType>::from(scaled)),
        (false, 1_000_000) => Arc::new(PrimitiveArray::<DurationMillisecondType>::from(scaled)),
        (false, 1_000) => Arc::new(PrimitiveArray::<DurationMicrosecondType>::from(scaled)),
        (false, _) => Arc::new(PrimitiveArray::<DurationNanosecondType>::from(scaled)),
    })
}
