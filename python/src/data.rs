//! Rows from Python: anything with `__arrow_c_stream__` or `__arrow_c_array__`, or a dictionary of columns.

use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use gapless::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use pyo3_arrow::{PyRecordBatch, PyRecordBatchReader};

use crate::column;
use crate::error::invalid;

/// Rows that come batch by batch.
pub(crate) type Reader = Box<dyn RecordBatchReader + Send>;

/// The rows of a Python value. Columns of a dictionary get the types of `schema`.
pub(crate) fn reader(
    value: &Bound<'_, PyAny>,
    schema: impl FnOnce() -> PyResult<SchemaRef>,
) -> PyResult<Reader> {
    if value.hasattr("__arrow_c_stream__")? {
        return value.extract::<PyRecordBatchReader>()?.into_reader();
    }
    if value.hasattr("__arrow_c_array__")? {
        return Ok(of_batch(value.extract::<PyRecordBatch>()?.into_inner()));
    }
    match value.cast::<PyMapping>() {
        Ok(columns) => Ok(of_batch(column::batch(columns, &schema()?)?)),
        Err(_) => Err(invalid(format!(
            "{} is no rows: give a table or frame that speaks Arrow (pyarrow, polars, pandas, DuckDB: anything with \
             __arrow_c_stream__ or __arrow_c_array__), or a dict of columns",
            value.get_type().name()?
        ))),
    }
}

fn of_batch(batch: RecordBatch) -> Reader {
    let schema = batch.schema();
    Box::new(RecordBatchIterator::new([Ok(batch)], schema))
}

/// All rows as one batch, so that they are one commit of the stream.
pub(crate) fn one_batch(reader: Reader) -> gapless::Result<RecordBatch> {
    let schema = reader.schema();
    let mut batches = reader.collect::<Result<Vec<_>, _>>().map_err(source_error)?;
    if batches.len() == 1
        && let Some(batch) = batches.pop()
    {
        return Ok(batch);
    }
    arrow_select::concat::concat_batches(&schema, &batches).map_err(source_error)
}

/// An error of what the rows come from.
pub(crate) fn source_error(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => Error::invalid(format!("the rows could not be read: {other}")),
        },
        other => Error::new(ErrorKind::Invalid, format!("the rows could not be read: {other}")),
    }
}
