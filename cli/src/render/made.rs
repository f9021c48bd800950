//! Rows that a verb makes itself, in every form that rows of a table are printed in.

use std::sync::Arc;

use arrow_array::types::{DurationNanosecondType, TimestampNanosecondType};
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::rows::{RowFormat, write};
use crate::error::CliError;
use crate::output::Output;

/// Columns of equal length.
#[derive(Debug, Default)]
pub(crate) struct MadeRows {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl MadeRows {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn column(mut self, name: &str, array: ArrayRef) -> Self {
        self.fields
            .push(Field::new(name, array.data_type().clone(), true));
        self.arrays.push(array);
        self
    }

    /// A column of text.
    pub(crate) fn text<S: AsRef<str>>(self, name: &str, values: impl Iterator<Item = Option<S>>) -> Self {
        let values: Vec<Option<S>> = values.collect();
        let array: StringArray = values
            .iter()
            .map(|value| value.as_ref().map(AsRef::as_ref))
            .collect();
        self.column(name, Arc::new(array))
    }

    /// A column of instants in UTC.
    pub(crate) fn times(self, name: &str, values: impl Iterator<Item = Option<i64>>) -> Self {
        let array: PrimitiveArray<TimestampNanosecondType> = values.collect();
        let of_zone = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        self.column(name, Arc::new(array.with_data_type(of_zone)))
    }

    /// A column of lengths of time.
    pub(crate) fn lengths(self, name: &str, values: impl Iterator<Item = Option<i64>>) -> Self {
        let array: PrimitiveArray<DurationNanosecondType> = values.collect();
        self.column(name, Arc::new(array))
    }

    /// A column of counts.
    pub(crate) fn counts(self, name: &str, values: impl Iterator<Item = Option<u64>>) -> Self {
        self.column(name, Arc::new(values.collect::<UInt64Array>()))
    }

    /// Prints them.
    pub(crate) fn print(self, format: RowFormat, output: &mut Output) -> Result<(), CliError> {
        let schema = Arc::new(Schema::new(self.fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), self.arrays)
            .map_err(|error| CliError::internal(format!("cannot make rows: {error}")))?;
        write(&schema, &mut std::iter::once(Ok(batch)), format, output)
    }
}
