//! Rows that wait to be given: a batch, with what is looked at in each of its rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_array::{Array, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::DataType;
use datafusion::common::{Result, internal_err};

/// What a column is, and what a bucket without a value has of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    /// The same in all rows of a group.
    Key,
    /// The start of the bucket.
    Bucket,
    /// Null, or the first value of an array, where there is no row.
    Default(Option<arrow_array::ArrayRef>),
    /// The last value before, if it is no older than this.
    Locf(Option<i64>),
    /// The value on the line to the next one.
    Line,
}

/// Makes batches ready.
#[derive(Debug)]
pub(super) struct Loader {
    keys: Vec<usize>,
    bucket: usize,
    lines: Vec<usize>,
    converter: RowConverter,
    /// How many batches came.
    count: usize,
}

/// A batch that is ready.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Batches are numbered as they come.
    pub(super) number: usize,
    pub(super) batch: RecordBatch,
    /// `None` without keys.
    keys: Option<Rows>,
    buckets: TimestampNanosecondArray,
    /// The columns of which values are on a line, as floats.
    lines: Vec<Float64Array>,
}

/// A row that is kept.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) of: Arc<Loaded>,
    pub(super) row: usize,
}

impl Loader {
    pub(super) fn new(roles: &[Role], types: &[DataType]) -> Result<Self> {
        let places = |wanted: fn(&Role) -> bool| -> Vec<usize> {
            let roles = roles.iter().enumerate().filter(|(_, role)| wanted(role));
            roles.map(|(at, _)| at).collect()
        };
        let keys = places(|role| matches!(role, Role::Key));
        let [bucket] = places(|role| matches!(role, Role::Bucket))[..] else {
            return internal_err!("rows are in one bucket each");
        };
        let fields = keys.iter().filter_map(|at| types.get(*at));
        Ok(Self {
            converter: RowConverter::new(fields.cloned().map(SortField::new).collect())?,
            lines: places(|role| matches!(role, Role::Line)),
            keys,
            bucket,
            count: 0,
        })
    }

    /// How many columns have values on a line.
    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn load(&mut self, batch: RecordBatch) -> Result<Loaded> {
        let keys: Vec<_> = self.keys.iter().map(|at| Arc::clone(batch.column(*at))).collect();
        let keys = match keys.is_empty() {
            true => None,
            false => Some(self.converter.convert_columns(&keys)?),
        };
        let floats = |at: &usize| {
            let floats = arrow_cast::cast(batch.column(*at), &DataType::Float64)?;
            Ok(floats.as_primitive::<Float64Type>().clone())
        };
        let lines = self.lines.iter().map(floats).collect::<Result<_>>()?;
        let Some(buckets) = batch
            .column(self.bucket)
            .as_primitive_opt::<TimestampNanosecondType>()
        else {
            return internal_err!("the start of a bucket is no time");
        };
        let buckets = buckets.clone();
        self.count += 1;
        Ok(Loaded {
            number: self.count,
            batch,
            keys,
            buckets,
            lines,
        })
    }
}

impl Loaded {
    pub(super) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// What the row's group is known by.
    pub(super) fn key(&self, row: usize) -> &[u8] {
        self.keys.as_ref().map_or(&[], |keys| keys.row(row).data())
    }

    /// The start of the row's bucket.
    pub(super) fn bucket(&self, row: usize) -> Option<i64> {
        self.buckets.is_valid(row).then(|| self.buckets.value(row))
    }

    /// The value of a column of which values are on a line.
    pub(super) fn number(&self, line: usize, row: usize) -> Option<f64> {
        let values = self.lines.get(line)?;
        values.is_valid(row).then(|| values.value(row))
    }

    /// That value with the start of the bucket, if there are both.
    pub(super) fn point(&self, line: usize, row: usize) -> Option<(i64, f64)> {
        Some((self.bucket(row)?, self.number(line, row)?))
    }

    /// Bytes that it holds, about.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.batch.columns().iter().map(|column| column.to_data());
        let of_columns: usize = columns
            .map(|data| data.get_slice_memory_size().unwrap_or_default())
            .sum();
        of_columns
            + self.keys.as_ref().map_or(0, Rows::size)
            + self.lines.len() * self.rows() * size_of::<f64>()
    }
}
