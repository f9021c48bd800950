//! One batch of rows, for Pythons without pyarrow.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::Field;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::ffi::{to_array_pycapsules, to_schema_pycapsule};

use crate::pyarrow;
use crate::schema::Schema;

/// Rows as columns in memory. It has `__arrow_c_array__`, so that every Arrow library takes it without a copy.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) batch: RecordBatch,
}

#[pymethods]
impl Batch {
    /// How many rows there are.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Names and types of the columns.
    #[getter]
    fn schema(&self) -> Schema {
        self.batch.schema().into()
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    fn __repr__(&self) -> String {
        format!(
            "Batch({} rows, {} columns)",
            self.batch.num_rows(),
            self.batch.num_columns()
        )
    }

    /// The columns as an Arrow C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.batch.schema_ref().as_ref())?)
    }

    /// The rows as an Arrow C array.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let rows = StructArray::from(self.batch.clone());
        let field = Arc::new(Field::new("", rows.data_type().clone(), false));
        Ok(to_array_pycapsules(py, field, &rows, requested_schema)?)
    }
}

/// A batch as `pyarrow.RecordBatch`, or as [`Batch`] without pyarrow.
pub(crate) fn py_batch(py: Python<'_>, batch: RecordBatch) -> PyResult<Bound<'_, PyAny>> {
    let batch = Batch { batch }.into_pyobject(py)?.into_any();
    match pyarrow::installed(py)? {
        Some(pyarrow) => pyarrow.call_method1("record_batch", (batch,)),
        None => Ok(batch),
    }
}
