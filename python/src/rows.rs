//! All rows of a result.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::to_schema_pycapsule;

use crate::batches::{self, Batches, Source};
use crate::pyarrow;
use crate::schema::Schema;

/// Rows of a result, in memory. It has `__arrow_c_stream__`: pyarrow, pandas, polars and DuckDB take it as it is, any
/// number of times.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }

    fn source(&self) -> Source {
        Box::new(self.batches.clone().into_iter().map(Ok))
    }

    pub(crate) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub(crate) fn columns(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// The rows as an Arrow C stream.
    pub(crate) fn stream<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        batches::stream(py, &self.schema, self.source(), requested_schema)
    }
}

#[pymethods]
impl Rows {
    /// How many rows there are.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Names and types of the columns.
    #[getter]
    fn schema(&self) -> Schema {
        SchemaRef::clone(&self.schema).into()
    }

    /// The rows as `pyarrow.Table`; itself without pyarrow.
    pub(crate) fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match pyarrow::installed(slf.py())? {
            Some(pyarrow) => pyarrow.call_method1("table", (slf,)),
            None => Ok(slf.clone().into_any()),
        }
    }

    /// The rows as `polars.DataFrame`.
    ///
    /// Raises ImportError without polars.
    pub(crate) fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("polars")?.call_method1("DataFrame", (slf,))
    }

    /// The rows as `pandas.DataFrame`.
    ///
    /// Raises ImportError without pandas and pyarrow.
    pub(crate) fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pyarrow::required(slf.py())?
            .call_method1("table", (slf,))?
            .call_method0("to_pandas")
    }

    /// The rows batch by batch.
    pub(crate) fn to_batches(&self) -> Batches {
        Batches::new(SchemaRef::clone(&self.schema), self.source())
    }

    fn __len__(&self) -> usize {
        self.num_rows()
    }

    fn __repr__(&self) -> String {
        let fields = self.schema.fields().iter();
        let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
        format!("Rows({} rows: {})", self.num_rows(), names.join(", "))
    }

    /// The columns as an Arrow C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    /// The rows as an Arrow C stream.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        batches::stream(py, &self.schema, self.source(), requested_schema)
    }
}
