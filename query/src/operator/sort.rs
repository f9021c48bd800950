//! Rows in another order, all of them or the first.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use gapless_engine::{Error, Result};
use rayon::prelude::*;

use super::{ColumnSet, Input, Need, Operator, Planner, Shape, normalized};
use crate::Expr;
use crate::error::arrow_error;
use crate::expr::Bound;
use crate::memory::Memory;
use crate::source::{Layout, Rows, RowsIter, Source, keep};

/// What rows are ordered by.
///
/// ```
/// use gapless_query::{SortKey, col};
/// let key = SortKey::descending(col("price"));
/// assert_eq!(key.to_string(), "price descending");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    expr: Expr,
    is_descending: bool,
}

impl SortKey {
    /// Least values first, NaN after all other numbers, null last. Both zeros are equal.
    pub fn ascending(expr: impl Into<Expr>) -> Self {
        Self {
            expr: expr.into(),
            is_descending: false,
        }
    }

    /// Greatest values first, NaN before all other numbers, null last. Both zeros are equal.
    pub fn descending(expr: impl Into<Expr>) -> Self {
        Self {
            expr: expr.into(),
            is_descending: true,
        }
    }
}

impl std::fmt::Display for SortKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let direction = if self.is_descending { " descending" } else { "" };
        write!(f, "{}{direction}", self.expr)
    }
}

impl<E: Into<Expr>> From<E> for SortKey {
    fn from(expr: E) -> Self {
        Self::ascending(expr)
    }
}

/// An order of rows; rows that are equal in it keep theirs.
#[derive(Debug, Clone)]
pub(crate) struct Sort {
    input: Input,
    keys: Vec<SortKey>,
    limit: Option<usize>,
    shape: Shape,
}

impl Sort {
    pub(crate) fn new(input: Input, keys: Vec<SortKey>, limit: Option<usize>) -> Result<Self> {
        if keys.is_empty() {
            return Err(Error::invalid("an order needs a column to order by"));
        }
        for key in &keys {
            Bound::new(&key.expr, &input.shape().schema)?;
        }
        Ok(Self {
            shape: unordered(&input),
            input,
            keys,
            limit,
        })
    }
}

fn unordered(input: &Input) -> Shape {
    Shape {
        is_ordered: false,
        ..input.shape().clone()
    }
}

impl Operator for Sort {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let mut columns = columns.clone();
        let keys = self.keys.iter().flat_map(|key| key.expr.columns());
        columns.extend(keys.map(str::to_string));
        let input = self.input.pruned(&columns)?;
        Ok(Arc::new(Self {
            shape: unordered(&input),
            input,
            keys: self.keys.clone(),
            limit: self.limit,
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        // Rows that are equal come by series and time.
        let need = Need {
            ordered: true,
            times: false,
        };
        let input = self.input.source(planner, need)?;
        let bind = |key: &SortKey| Ok((Bound::new(&key.expr, input.schema())?, key.is_descending));
        Ok(Arc::new(Sorted {
            keys: self.keys.iter().map(bind).collect::<Result<_>>()?,
            limit: self.limit,
            memory: planner.memory.clone(),
            input,
        }))
    }

    fn describe(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(SortKey::to_string).collect();
        match self.limit {
            Some(limit) => format!("the first {limit} by {}", keys.join(", ")),
            None => format!("order by {}", keys.join(", ")),
        }
    }
}

struct Sorted {
    input: Arc<dyn Source>,
    keys: Vec<(Bound, bool)>,
    limit: Option<usize>,
    memory: Memory,
}

impl Sorted {
    /// Rows in order, no more than the limit.
    fn sorted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns: Vec<SortColumn> = Vec::with_capacity(self.keys.len() + 1);
        for (key, is_descending) in &self.keys {
            columns.push(SortColumn {
                values: normalized(&key.evaluate(batch)?),
                options: Some(SortOptions {
                    descending: *is_descending,
                    nulls_first: false,
                }),
            });
        }
        // The sort is not stable by itself.
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..batch.num_rows() as u64));
        columns.push(SortColumn {
            values: numbers,
            options: None,
        });
        let order: UInt32Array =
            lexsort_to_indices(&columns, self.limit).map_err(|error| arrow_error("order", &error))?;
        take_record_batch(batch, &order).map_err(|error| arrow_error("order", &error))
    }

    fn joined(&self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        concat_batches(self.input.schema(), batches).map_err(|error| arrow_error("order", &error))
    }

    /// The first rows, of which no more than twice the limit are held.
    fn top(&self) -> Result<RecordBatch> {
        let empty = || RecordBatch::new_empty(Arc::clone(self.input.schema()));
        let pair = |a: RecordBatch, b: RecordBatch| self.sorted(&self.joined(&[a, b])?);
        (0..self.input.parts())
            .into_par_iter()
            .map(|part| {
                let mut top = empty();
                for rows in self.input.open(part)? {
                    top = pair(top, rows?.batch)?;
                }
                Ok(top)
            })
            .try_reduce(empty, pair)
    }
}

impl Source for Sorted {
    fn schema(&self) -> &SchemaRef {
        self.input.schema()
    }

    fn layout(&self) -> Layout {
        Layout::Plain
    }

    fn parts(&self) -> usize {
        1
    }

    fn open(&self, _part: usize) -> Result<RowsIter> {
        let batch = match self.limit {
            Some(_) => self.top()?,
            None => {
                let (rows, _held) = keep(self.input.as_ref(), &self.memory, "rows that are put in order")?;
                self.sorted(&rows)?
            }
        };
        Ok(Box::new(std::iter::once(Ok(Rows::plain(batch)))))
    }
}
