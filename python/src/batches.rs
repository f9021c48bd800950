//! Rows as they come, batch by batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{ArrowError, Field, SchemaRef};
use gapless::{Error, Result};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::{ArrayIterator, to_stream_pycapsule};

use crate::batch::py_batch;
use crate::call;
use crate::error::invalid;
use crate::schema::Schema;

/// Where batches come from.
pub(crate) type Source = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// An iterator over batches: `pyarrow.RecordBatch` where pyarrow is installed, else `gapless.Batch`. What is not read
/// yet is not in memory. It has `__arrow_c_stream__` too, which takes the batches that are left.
#[pyclass(frozen, module = "gapless")]
pub(crate) struct Batches {
    schema: SchemaRef,
    source: Arc<Mutex<Option<Source>>>,
}

impl Batches {
    pub(crate) fn new(schema: SchemaRef, source: Source) -> Self {
        Self {
            schema,
            source: Arc::new(Mutex::new(Some(source))),
        }
    }
}

#[pymethods]
impl Batches {
    /// Names and types of the columns.
    #[getter]
    fn schema(&self) -> Schema {
        SchemaRef::clone(&self.schema).into()
    }

    /// Ends the reading: what it holds is given back now, not when the iterator is collected.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.source.lock().take()));
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let source = Arc::clone(&self.source);
        let next = call::reading(py, move |_| {
            let mut held = source.lock();
            let next = held.as_mut().and_then(Iterator::next).transpose();
            if !matches!(next, Ok(Some(_))) {
                *held = None;
            }
            next
        })?;
        next.map(|batch| py_batch(py, batch)).transpose()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    /// The batches that are left, as an Arrow C stream. There is none left afterwards.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let source = py
            .detach(|| self.source.lock().take())
            .ok_or_else(|| invalid("these batches have been read: run the query again"))?;
        stream(py, &self.schema, source, requested_schema)
    }
}

/// Batches as an Arrow C stream.
pub(crate) fn stream<'py>(
    py: Python<'py>,
    schema: &SchemaRef,
    source: Source,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let field =
        Field::new_struct("", schema.fields().clone(), false).with_metadata(schema.metadata().clone());
    let reader = ArrayIterator::new(Guarded(Some(source)), field.into());
    Ok(to_stream_pycapsule(py, Box::new(reader), requested_schema)?)
}

/// A panic must not unwind into the C code that pulls the stream: it is an error there.
struct Guarded(Option<Source>);

impl Iterator for Guarded {
    type Item = Result<ArrayRef, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let source = self.0.as_mut()?;
        let next = catch_unwind(AssertUnwindSafe(|| source.next())).unwrap_or_else(|_| {
            Some(Err(Error::internal(
                "a batch could not be made: gapless has panicked",
            )))
        });
        match next {
            Some(Ok(batch)) => Some(Ok(Arc::new(StructArray::from(batch)))),
            Some(Err(error)) => {
                self.0 = None;
                Some(Err(ArrowError::ExternalError(Box::new(error))))
            }
            None => {
                self.0 = None;
                None
            }
        }
    }
}
