//! Rows of one series in order of time, folded into the bars of a grid.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{ArrayRef, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::super::strategy::{BackfillError, BackfillErrorKind};
use super::aggregation::{Aggregation, Fold, column};
use crate::coverage::intervals::Grid;

/// Bars so far. Memory is that of the bars that were not taken.
#[derive(Debug)]
pub(super) struct Bars<'a> {
    grid: Grid,
    columns: &'a [(String, Aggregation)],
    times: Vec<i64>,
    /// By column, then bar.
    folds: Vec<Vec<Fold>>,
}

impl<'a> Bars<'a> {
    pub(super) fn new(grid: Grid, columns: &'a [(String, Aggregation)]) -> Self {
        Self {
            grid,
            columns,
            times: Vec::new(),
            folds: vec![Vec::new(); columns.len()],
        }
    }

    /// Takes rows, whose first column is the time, and none of which is before one that was taken.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<(), BackfillError> {
        let times = batch.columns().first();
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
        let Some(times) = times else {
            return Err(refused("the rows have no time".to_owned()));
        };
        let runs = self.runs(times.values());
        for ((_, aggregation), folds) in self.columns.iter().zip(&mut self.folds) {
            folds.resize_with(self.times.len(), || aggregation.fold());
            let numbers = aggregation.numbers(batch)?;
            for (bar, mut rows) in runs.iter().cloned() {
                if let Some(fold) = folds.get_mut(bar) {
                    rows.try_for_each(|row| fold.take(&numbers, row))?;
                }
            }
        }
        Ok(())
    }

    /// The bars of rows: of each its number and which rows are its own. New bars get a time.
    fn runs(&mut self, times: &[i64]) -> Vec<(usize, Range<usize>)> {
        let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
        let mut end = i64::MIN;
        for (row, time) in times.iter().enumerate() {
            match runs.last_mut() {
                Some((_, rows)) if *time < end => rows.end = row + 1,
                _ => {
                    let bar = self.grid.floor(*time);
                    end = bar.saturating_add(self.grid.step());
                    if self.times.last() != Some(&bar) {
                        self.times.push(bar);
                    }
                    runs.push((self.times.len() - 1, row..row + 1));
                }
            }
        }
        runs
    }

    /// Bars that no later row changes.
    pub(super) fn finished(&self) -> usize {
        self.times.len().saturating_sub(1)
    }

    /// The time of the bar that later rows may change; `None` for none.
    pub(super) fn open_time(&self) -> Option<i64> {
        self.times.last().copied()
    }

    /// Takes the first bars out, as rows of the table that has a schema; `None` for no bars.
    pub(super) fn split_off(
        &mut self,
        bars: usize,
        time: &str,
        schema: &Schema,
    ) -> Result<Option<RecordBatch>, BackfillError> {
        let bars = bars.min(self.times.len());
        if bars == 0 {
            return Ok(None);
        }
        let times: Vec<i64> = self.times.drain(..bars).collect();
        let mut fields = Vec::with_capacity(self.columns.len() + 1);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len() + 1);
        let to = type_of(schema, time)?;
        let DataType::Timestamp(TimeUnit::Nanosecond, zone) = to else {
            return Err(refused(format!(
                "column {time:?} has the type {to}, not nanoseconds"
            )));
        };
        let times = TimestampNanosecondArray::from(times).with_timezone_opt(zone.clone());
        fields.push(Field::new(time, to.clone(), false));
        arrays.push(Arc::new(times));
        for ((name, _), folds) in self.columns.iter().zip(&mut self.folds) {
            let to = type_of(schema, name)?;
            let folds: Vec<Fold> = folds.drain(..bars).collect();
            arrays.push(column(name, &folds, to)?);
            fields.push(Field::new(name, to.clone(), true));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map(Some)
            .map_err(|error| refused(format!("bars: {error}")))
    }
}

/// The type that a column of the table has.
fn type_of<'a>(schema: &'a Schema, name: &str) -> Result<&'a DataType, BackfillError> {
    let field = schema.field_with_name(name);
    field
        .map(Field::data_type)
        .map_err(|_| refused(format!("the table has no column {name:?} for bars")))
}

fn refused(message: String) -> BackfillError {
    BackfillError::new(BackfillErrorKind::Permanent, message)
}
