//! A function in the middle of a part: what it carries from batch to batch.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_buffer::bit_iterator::BitIterator;
use gapless_engine::{Error, Result};

use super::super::runs::Run;
use crate::source::Rows;

/// A batch, and whose rows it has.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) batch: &'a RecordBatch,
    pub(super) times: &'a [i64],
    pub(super) runs: &'a [Run],
}

impl<'a> Chunk<'a> {
    pub(super) fn new(rows: &'a Rows, runs: &'a [Run]) -> Result<Self> {
        if runs.last().map_or(0, |run| run.rows.end) != rows.len() {
            return Err(Error::internal("rows came without their series"));
        }
        Ok(Self {
            batch: &rows.batch,
            times: &rows.times,
            runs,
        })
    }
}

/// A function that needs nothing but the rows up to the one it is asked about.
pub(super) trait Running: Send {
    /// The values of the rows of the next batch; `values` is the argument.
    ///
    /// # Errors
    /// `Invalid` for a value that does not fit its type.
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef>;
}

/// Numbers rows.
#[derive(Debug, Default)]
pub(super) struct RowNumber {
    last: i64,
}

impl Running for RowNumber {
    fn take(&mut self, _values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let mut numbers = Vec::with_capacity(chunk.batch.num_rows());
        for run in chunk.runs {
            let first = if run.goes_on { self.last } else { 0 } + 1;
            numbers.extend((first..).take(run.rows.len()));
            self.last = numbers.last().copied().unwrap_or_default();
        }
        Ok(Arc::new(Int64Array::from(numbers)))
    }
}

/// Counts values.
#[derive(Debug, Default)]
pub(super) struct Count {
    numbers: RowNumber,
    count: i64,
}

impl Running for Count {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let Some(nulls) = values.logical_nulls() else {
            return self.take_all(values, chunk);
        };
        let mut counts = Vec::with_capacity(values.len());
        for run in chunk.runs {
            let mut count = if run.goes_on { self.count } else { 0 };
            counts.extend(valid(&nulls, &run.rows).map(|is_valid| {
                count += i64::from(is_valid);
                count
            }));
            self.count = count;
        }
        self.numbers.last = self.count;
        Ok(Arc::new(Int64Array::from(counts)))
    }
}

impl Count {
    /// Where there are no nulls, the numbers of the rows.
    fn take_all(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let counts = self.numbers.take(values, chunk)?;
        self.count = self.numbers.last;
        Ok(counts)
    }
}

/// Whether each of some rows has a value.
pub(super) fn valid<'a>(nulls: &'a NullBuffer, rows: &Range<usize>) -> BitIterator<'a> {
    BitIterator::new(nulls.validity(), nulls.offset() + rows.start, rows.len())
}

/// The error of an argument that is of another type than it was said to be.
pub(super) fn other_type() -> Error {
    Error::internal("a function over the rows of a series got values of another type")
}
