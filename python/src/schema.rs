//! The columns of rows: in from any Arrow schema or a dictionary of names and types, out as [`Schema`].

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyMapping, PyString};
use pyo3_arrow::ffi::to_schema_pycapsule;
use pyo3_arrow::{PyDataType, PySchema};

use crate::error::{invalid, py_error};
use crate::{pyarrow, type_text};

/// Names and types of columns.
///
/// It has `__arrow_c_schema__`: `pyarrow.schema(schema)` is the same in pyarrow. As a mapping it gives the text of each
/// type.
///
/// >>> schema = table.schema
/// >>> schema.names
/// ['ts', 'sym', 'price', 'size']
/// >>> schema["price"]
/// 'float64'
/// >>> dict(schema)["ts"]
/// 'timestamp[ns, UTC]'
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Schema {
    schema: SchemaRef,
}

impl From<SchemaRef> for Schema {
    fn from(schema: SchemaRef) -> Self {
        Self { schema }
    }
}

#[pymethods]
impl Schema {
    /// Names of the columns, in their order.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect()
    }

    /// Texts of the types, in the order of the columns.
    #[getter]
    fn types(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| type_text::name(field.data_type())).collect()
    }

    /// Names of the columns: with `schema[name]` it is a mapping, so that `dict(schema)` works.
    fn keys(&self) -> Vec<&str> {
        self.names()
    }

    /// As `pyarrow.Schema`.
    ///
    /// Raises ImportError without pyarrow.
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pyarrow::required(slf.py())?.call_method1("schema", (slf,))
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<String> {
        if let Ok(name) = key.cast::<PyString>() {
            let name = name.to_cow()?.into_owned();
            return match self.schema.field_with_name(&name) {
                Ok(field) => Ok(type_text::name(field.data_type())),
                Err(_) => Err(PyKeyError::new_err(name)),
            };
        }
        let field = key
            .extract::<usize>()
            .ok()
            .and_then(|at| self.schema.fields().get(at));
        field.map_or_else(
            || Err(PyIndexError::new_err("there is no such column")),
            |field| Ok(type_text::name(field.data_type())),
        )
    }

    fn __len__(&self) -> usize {
        self.schema.fields().len()
    }

    fn __contains__(&self, name: &str) -> bool {
        self.schema.field_with_name(name).is_ok()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.names().into_pyobject(py)?.try_iter()?.into_any())
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = schema_of(other) else {
            return Ok(py.NotImplemented());
        };
        let equal = self.schema.fields() == other.fields();
        match op {
            CompareOp::Eq => Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind()),
            CompareOp::Ne => Ok((!equal).into_pyobject(py)?.to_owned().into_any().unbind()),
            _ => Ok(py.NotImplemented()),
        }
    }

    fn __repr__(&self) -> String {
        let column = |field: &Arc<Field>| format!("{}: {}", field.name(), type_text::name(field.data_type()));
        let columns: Vec<String> = self.schema.fields().iter().map(column).collect();
        format!("Schema({})", columns.join(", "))
    }

    /// The schema as an Arrow C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }
}

/// The schema that a Python value means: anything with `__arrow_c_schema__`, or a dictionary of names and types.
pub(crate) fn schema_of(value: &Bound<'_, PyAny>) -> PyResult<SchemaRef> {
    if value.hasattr("__arrow_c_schema__")? {
        return Ok(value.extract::<PySchema>()?.into_inner());
    }
    let columns = match value.cast::<PyMapping>() {
        Ok(mapping) => mapping.items()?,
        Err(_) if value.is_instance_of::<PyDict>() => value.cast::<PyDict>()?.items(),
        Err(_) => {
            return Err(invalid(
                "no schema: give a dict of column names and types, such as {\"ts\": \"timestamp[ns, UTC]\", \"price\": \"float64\"}, \
                 or anything with __arrow_c_schema__",
            ));
        }
    };
    let field = |column: Bound<'_, PyAny>| {
        let (name, data_type): (String, Bound<'_, PyAny>) = column.extract()?;
        Ok(Field::new(name, type_of(&data_type)?, true))
    };
    let fields: Vec<Field> = columns.iter().map(field).collect::<PyResult<_>>()?;
    Ok(Arc::new(ArrowSchema::new(fields)))
}

/// The type that a Python value means: its text, or anything with `__arrow_c_schema__`.
pub(crate) fn type_of(value: &Bound<'_, PyAny>) -> PyResult<DataType> {
    if let Ok(text) = value.cast::<PyString>() {
        return type_text::parse(text.to_cow()?.as_ref()).map_err(py_error);
    }
    if value.hasattr("__arrow_c_schema__")? {
        return Ok(value.extract::<PyDataType>()?.into_inner());
    }
    Err(invalid(format!(
        "{} is no column type: give its text, such as \"float64\", or a type with __arrow_c_schema__",
        value.repr()?
    )))
}
