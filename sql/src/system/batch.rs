//! Batches of system tables, column by column.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow_schema::{Field, Schema};
use gapless_engine::{Error, Result};

/// Columns of equal length.
#[derive(Debug, Default)]
pub(super) struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn column(mut self, name: &str, array: ArrayRef, nullable: bool) -> Self {
        self.fields
            .push(Field::new(name, array.data_type().clone(), nullable));
        self.arrays.push(array);
        self
    }

    /// Texts, none of them null.
    pub(super) fn text<S: AsRef<str>>(self, name: &str, values: impl Iterator<Item = S>) -> Self {
        let values: Vec<S> = values.collect();
        self.column(name, Arc::new(StringArray::from_iter_values(values)), false)
    }

    /// Texts, some of them null.
    pub(super) fn some_text<S: AsRef<str>>(
        self,
        name: &str,
        values: impl Iterator<Item = Option<S>>,
    ) -> Self {
        self.column(name, Arc::new(values.collect::<StringArray>()), true)
    }

    /// Numbers of something, none of them null.
    pub(super) fn count(self, name: &str, values: impl Iterator<Item = u64>) -> Self {
        self.column(name, Arc::new(UInt64Array::from_iter_values(values)), false)
    }

    /// Nanoseconds.
    pub(super) fn ns(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        self.column(name, Arc::new(Int64Array::from_iter_values(values)), false)
    }

    /// Times in UTC, none of them null.
    pub(super) fn time(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        let times = TimestampNanosecondArray::from_iter_values(values).with_timezone("UTC");
        self.column(name, Arc::new(times), false)
    }

    /// Times in UTC, some of them null.
    pub(super) fn some_time(self, name: &str, values: impl Iterator<Item = Option<i64>>) -> Self {
        let times = values.collect::<TimestampNanosecondArray>().with_timezone("UTC");
        self.column(name, Arc::new(times), true)
    }

    /// True or false.
    pub(super) fn flag(self, name: &str, values: impl Iterator<Item = bool>) -> Self {
        self.column(name, Arc::new(values.map(Some).collect::<BooleanArray>()), false)
    }

    /// From 0 to 1.
    pub(super) fn ratio(self, name: &str, values: impl Iterator<Item = f64>) -> Self {
        self.column(name, Arc::new(Float64Array::from_iter_values(values)), false)
    }

    /// Nanoseconds, some of them null.
    pub(super) fn some_ns(self, name: &str, values: impl Iterator<Item = Option<i64>>) -> Self {
        self.column(name, Arc::new(values.collect::<Int64Array>()), true)
    }

    /// Numbers of something, some of them null.
    pub(super) fn some_count(self, name: &str, values: impl Iterator<Item = Option<u64>>) -> Self {
        self.column(name, Arc::new(values.collect::<UInt64Array>()), true)
    }

    pub(super) fn finish(self) -> Result<RecordBatch> {
        RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)
            .map_err(|error| Error::internal(format!("a system table does not fit its columns: {error}")))
    }
}
