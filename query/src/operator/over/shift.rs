//! The value of another row of the series.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Schema};
use arrow_select::take::take;
use gapless_engine::{Error, Result};

use super::super::runs::Run;
use super::pieces::Pieces;
use super::running::{Chunk, Running};
use crate::Expr;
use crate::error::arrow_error;
use crate::expr::Bound;

/// What stands where there is no other row: an expression, computed for no other rows than these.
pub(super) struct Fallback {
    /// The columns that it reads.
    columns: Vec<usize>,
    bound: Bound,
}

impl Fallback {
    pub(super) fn new(expr: &Expr, schema: &Schema) -> Result<Self> {
        let of = |name: &str| schema.index_of(name);
        // One that is not there is named by the whole schema.
        let whole = Bound::new(expr, schema)?;
        let Ok(columns) = expr
            .columns()
            .into_iter()
            .map(of)
            .collect::<std::result::Result<Vec<_>, _>>()
        else {
            return Ok(Self {
                columns: (0..schema.fields().len()).collect(),
                bound: whole,
            });
        };
        let schema = schema
            .project(&columns)
            .map_err(|error| arrow_error("a default", &error))?;
        Ok(Self {
            bound: Bound::new(expr, &schema)?,
            columns,
        })
    }

    pub(super) fn nullable(&self) -> bool {
        self.bound.nullable()
    }

    fn evaluate(&self, batch: &RecordBatch, rows: Vec<u32>) -> Result<ArrayRef> {
        let failed = |error| arrow_error("a default", &error);
        let batch = batch.project(&self.columns).map_err(failed)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let rows = UInt32Array::from(rows);
        let columns = batch.columns().iter().map(|column| take(column, &rows, None));
        let columns = columns
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(failed)?;
        let batch = RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(failed)?;
        self.bound.evaluate(&batch)
    }
}

/// Makes the column, with the fallback where rows are missing.
fn build(
    mut pieces: Pieces,
    data_type: &DataType,
    fallback: Option<&Fallback>,
    batch: &RecordBatch,
) -> Result<ArrayRef> {
    if let Some(fallback) = fallback {
        let missing = pieces.missing_rows();
        if !missing.is_empty() {
            pieces.fill_missing(fallback.evaluate(batch, missing)?);
        }
    }
    pieces.build(data_type)
}

/// The value of an earlier row.
pub(super) struct Previous {
    rows: usize,
    data_type: DataType,
    fallback: Option<Arc<Fallback>>,
    /// The last rows of the series, as many as are needed: stretches of the batches that had them.
    before: VecDeque<ArrayRef>,
    /// How many rows these are.
    held: usize,
}

impl Previous {
    pub(super) fn new(rows: usize, data_type: DataType, fallback: Option<Arc<Fallback>>) -> Self {
        Self {
            rows,
            data_type,
            fallback,
            before: VecDeque::new(),
            held: 0,
        }
    }

    /// Rows of earlier batches, for the first rows of a run.
    fn take_before(&self, run: &Run, pieces: &mut Pieces) {
        let wanted = run.rows.len().min(self.rows);
        let missing = wanted.min(self.rows - self.held);
        pieces.missing(missing);
        // The oldest that is held is so many rows before the first row that can have it.
        let mut left = wanted - missing;
        for array in &self.before {
            let rows = left.min(array.len());
            if rows == 0 {
                break;
            }
            let source = pieces.source(Arc::clone(array));
            pieces.rows(source, 0..rows);
            left -= rows;
        }
    }

    fn keep(&mut self, values: &ArrayRef, run: &Run) {
        let rows = run.rows.len().min(self.rows);
        self.before.push_back(values.slice(run.rows.end - rows, rows));
        self.held += rows;
        while self.held > self.rows
            && let Some(first) = self.before.pop_front()
        {
            let excess = (self.held - self.rows).min(first.len());
            self.held -= excess;
            if excess < first.len() {
                self.before.push_front(first.slice(excess, first.len() - excess));
            }
        }
    }
}

impl Running for Previous {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let mut pieces = Pieces::default();
        let own = pieces.source(Arc::clone(values));
        for run in chunk.runs {
            if !run.goes_on {
                self.before.clear();
                self.held = 0;
            }
            self.take_before(run, &mut pieces);
            if run.rows.len() > self.rows {
                pieces.rows(own, run.rows.start..run.rows.end - self.rows);
            }
        }
        if let Some(last) = chunk.runs.last() {
            self.keep(values, last);
        }
        build(pieces, &self.data_type, self.fallback.as_deref(), chunk.batch)
    }
}

/// The value of a later row.
pub(super) struct Next {
    pub(super) rows: usize,
    pub(super) data_type: DataType,
    pub(super) fallback: Option<Arc<Fallback>>,
}

impl Next {
    /// The values of the rows of a batch; `ahead` are stretches of later batches with rows that go on with its last series: all of
    /// the series, or at least as many as are needed.
    pub(super) fn column(
        &self,
        values: &ArrayRef,
        ahead: &[ArrayRef],
        chunk: &Chunk<'_>,
    ) -> Result<ArrayRef> {
        let mut pieces = Pieces::default();
        let own = pieces.source(Arc::clone(values));
        let last = chunk.runs.len().saturating_sub(1);
        for (at, run) in chunk.runs.iter().enumerate() {
            if run.rows.len() > self.rows {
                pieces.rows(own, run.rows.start + self.rows..run.rows.end);
            }
            let mut left = run.rows.len().min(self.rows);
            if at == last {
                left -= self.take_ahead(run, ahead, left, &mut pieces);
            }
            pieces.missing(left);
        }
        build(pieces, &self.data_type, self.fallback.as_deref(), chunk.batch)
    }

    /// Takes up to `wanted` rows of later batches, and says how many there were.
    fn take_ahead(&self, run: &Run, ahead: &[ArrayRef], wanted: usize, pieces: &mut Pieces) -> usize {
        // Of a run that is shorter than the distance, even the first row looks over some rows ahead.
        let mut skip = self.rows.saturating_sub(run.rows.len());
        let mut left = wanted;
        for array in ahead {
            let start = skip.min(array.len());
            skip -= start;
            let rows = left.min(array.len() - start);
            if rows > 0 {
                let source = pieces.source(Arc::clone(array));
                pieces.rows(source, start..start + rows);
            }
            left -= rows;
        }
        wanted - left
    }
}

/// A default, cast to the type of the values.
///
/// # Errors
/// `Invalid` for a default that is none of their values.
pub(super) fn fitting(values: &Expr, default: &Expr, data_type: &DataType, schema: &Schema) -> Result<Expr> {
    // What is chosen between both has the type that they have in common.
    let common = Bound::new(&values.clone().coalesce(default.clone()), schema);
    if !common.is_ok_and(|common| has_values_of(data_type, common.data_type())) {
        // A column that is not there is the better reason.
        let found = Bound::new(default, schema)?;
        return Err(Error::invalid(format!(
            "the default {default} is {}, which does not fit the {data_type} of {values}: cast it",
            found.data_type()
        )));
    }
    Ok(match data_type {
        // A cast of a time without a zone would read it as one of the zone's clocks.
        DataType::Timestamp(unit, Some(_)) => default
            .clone()
            .cast(DataType::Timestamp(*unit, None))
            .cast(DataType::Int64)
            .cast(data_type.clone()),
        _ => default.clone().cast(data_type.clone()),
    })
}

/// Whether the values of a type are those of the type that it has in common with another.
fn has_values_of(data_type: &DataType, common: &DataType) -> bool {
    use DataType as T;
    let is_text = |of: &T| matches!(of, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    match (data_type, common) {
        (T::Dictionary(_, values), common) => is_text(values) && is_text(common),
        // A zone is for display; digits that do not fit are an error where they come up.
        (T::Timestamp(unit, _), T::Timestamp(other, _)) => unit == other,
        (T::Decimal128(_, scale), T::Decimal128(_, other)) => scale == other,
        (of, common) => of == common || is_text(of) && is_text(common),
    }
}
