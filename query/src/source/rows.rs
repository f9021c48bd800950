//! Some rows, and which of them are of which series.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use arrow_array::{Array, BooleanArray, Int64Array, RecordBatch};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::filter::{FilterBuilder, filter_record_batch};
pub(crate) use gapless_engine::scan::SeriesRun;
use gapless_engine::{Error, Result};

use crate::error::arrow_error;

/// Some rows of a source.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// The columns.
    pub(crate) batch: RecordBatch,
    /// Times, nanoseconds since the epoch; empty where nobody asked for them.
    pub(crate) times: ScalarBuffer<i64>,
    /// Whose rows they are, in runs that follow each other; none where nothing is known of series.
    pub(crate) runs: Vec<SeriesRun>,
}

impl Rows {
    /// Rows of which no series are known.
    pub(crate) fn plain(batch: RecordBatch) -> Self {
        Self {
            batch,
            times: ScalarBuffer::default(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// The same rows with other columns.
    pub(crate) fn with_batch(self, batch: RecordBatch) -> Self {
        Self { batch, ..self }
    }

    /// Only some of the rows.
    pub(crate) fn filtered(self, passing: &BooleanBuffer) -> Result<Self> {
        let count = passing.count_set_bits();
        if count == self.len() {
            return Ok(self);
        }
        let mask = BooleanArray::new(passing.clone(), None);
        let batch = filter_record_batch(&self.batch, &mask).map_err(|error| arrow_error("filter", &error))?;
        let times = match self.times.is_empty() {
            true => self.times,
            false => {
                let times = Int64Array::new(self.times, None);
                let filter = FilterBuilder::new(&mask).build();
                let times = filter
                    .filter(&times)
                    .map_err(|error| arrow_error("filter", &error))?;
                times.as_primitive::<Int64Type>().values().clone()
            }
        };
        let mut at = 0;
        let runs = self.runs.into_iter().filter_map(|run| {
            let count = passing.slice(run.rows.start, run.rows.len()).count_set_bits();
            at += count;
            (count > 0).then_some(SeriesRun {
                series: run.series,
                rows: at - count..at,
            })
        });
        Ok(Self {
            runs: runs.collect(),
            batch,
            times,
        })
    }

    /// Some of the rows.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Self {
        let cut = |run: &SeriesRun| {
            let (start, end) = (run.rows.start.max(rows.start), run.rows.end.min(rows.end));
            (start < end).then(|| SeriesRun {
                series: run.series,
                rows: start - rows.start..end - rows.start,
            })
        };
        let times = match self.times.is_empty() {
            true => self.times.clone(),
            false => self.times.slice(rows.start, rows.len()),
        };
        Self {
            batch: self.batch.slice(rows.start, rows.len()),
            times,
            runs: self.runs.iter().filter_map(cut).collect(),
        }
    }
}

/// The times of rows: what came with them, or a column.
pub(crate) fn times_of(rows: &Rows, column: Option<&str>) -> Result<ScalarBuffer<i64>> {
    if rows.times.len() == rows.len() {
        return Ok(rows.times.clone());
    }
    let missing = || Error::internal("an operator has no times of its rows");
    let column = column
        .and_then(|name| rows.batch.column_by_name(name))
        .ok_or_else(missing)?;
    let times = cast(column, &DataType::Timestamp(TimeUnit::Nanosecond, None))
        .map_err(|error| arrow_error("times", &error))?;
    if times.null_count() > 0 {
        return Err(Error::invalid(
            "a row has no time: leave such rows out with a filter",
        ));
    }
    Ok(times.as_primitive::<TimestampNanosecondType>().values().clone())
}

/// Runs of equal values, found by steps that double and then halve: where each ends.
pub(crate) fn run_ends<T: PartialEq + Copy>(values: &[T]) -> impl Iterator<Item = (T, Range<usize>)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let value = *values.get(at)?;
        let start = at;
        at += run_length(values.get(at..).unwrap_or_default(), value);
        Some((value, start..at))
    })
}

fn run_length<T: PartialEq>(values: &[T], value: T) -> usize {
    let (mut inside, mut step) = (0, 1);
    while values.get(inside + step) == Some(&value) {
        inside += step;
        step *= 2;
    }
    let mut outside = (inside + step).min(values.len());
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        match values.get(middle) == Some(&value) {
            true => inside = middle,
            false => outside = middle,
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_all_lengths_are_found() {
        for length in 1..40 {
            let mut values = vec![7; length];
            values.extend([8, 8, 9]);
            let runs: Vec<_> = run_ends(&values).collect();
            assert_eq!(
                runs,
                [
                    (7, 0..length),
                    (8, length..length + 2),
                    (9, length + 2..length + 3)
                ]
            );
        }
        assert_eq!(run_ends::<u32>(&[]).count(), 0);
    }
}
