//! What every result that is rows has: the ways into Arrow libraries.

/// Adds `to_arrow`, `to_polars`, `to_pandas`, the Arrow capsules, `schema` and `num_rows` to a class with a field `rows` of
/// [`crate::rows::Rows`].
macro_rules! arrow_rows {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            /// How many rows there are.
            #[getter]
            fn num_rows(&self) -> usize {
                self.rows.count()
            }

            /// Names and types of the columns.
            #[getter]
            fn schema(&self) -> $crate::schema::Schema {
                self.rows.columns().into()
            }

            /// As `pyarrow.Table`; as `gapless.Rows` without pyarrow.
            fn to_arrow<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::rows::Rows::to_arrow(&pyo3::Bound::new(py, self.rows.clone())?)
            }

            /// As `polars.DataFrame`.
            ///
            /// Raises ImportError without polars.
            fn to_polars<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::rows::Rows::to_polars(&pyo3::Bound::new(py, self.rows.clone())?)
            }

            /// As `pandas.DataFrame`.
            ///
            /// Raises ImportError without pandas and pyarrow.
            fn to_pandas<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::rows::Rows::to_pandas(&pyo3::Bound::new(py, self.rows.clone())?)
            }

            /// The columns as an Arrow C schema.
            fn __arrow_c_schema__<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyCapsule>> {
                Ok(pyo3_arrow::ffi::to_schema_pycapsule(
                    py,
                    self.rows.columns().as_ref(),
                )?)
            }

            /// The rows as an Arrow C stream.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_stream__<'py>(
                &self,
                py: pyo3::Python<'py>,
                requested_schema: Option<pyo3::Bound<'py, pyo3::types::PyCapsule>>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyCapsule>> {
                self.rows.stream(py, requested_schema)
            }
        }
    };
}

pub(crate) use arrow_rows;
