//! The first rows.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use gapless_engine::Result;
use gapless_engine::scan::Order;

use super::{ColumnSet, Input, Need, Operator, Planner, ScanRows, Shape};
use crate::source::{Layout, Rows, RowsIter, Source, gather};

/// At most so many rows, the first in their order.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    input: Input,
    rows: usize,
    shape: Shape,
}

impl Limit {
    /// Limits an input: a scan by series and time reads no more than it must.
    pub(crate) fn of(input: Input, rows: usize) -> Result<Input> {
        if let Some(scan) = input.as_scan() {
            let (order, limit) = scan.order_and_limit();
            let rows = limit.map_or(rows, |limit| limit.min(rows));
            if order != Order::Stored {
                return Ok(Arc::new(ScanRows::new(scan.clone().limit(rows))?));
            }
        }
        let shape = Shape {
            is_ordered: false,
            ..input.shape().clone()
        };
        Ok(Arc::new(Self { input, rows, shape }))
    }
}

impl Operator for Limit {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let input = self.input.pruned(columns)?;
        let shape = Shape {
            is_ordered: false,
            ..input.shape().clone()
        };
        Ok(Arc::new(Self {
            input,
            shape,
            rows: self.rows,
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let need = Need {
            ordered: true,
            times: false,
        };
        Ok(Arc::new(Limited {
            input: self.input.source(planner, need)?,
            rows: self.rows,
        }))
    }

    fn describe(&self) -> String {
        format!("the first {} rows", self.rows)
    }
}

struct Limited {
    input: Arc<dyn Source>,
    rows: usize,
}

impl Source for Limited {
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
        let mut left = self.rows;
        let mut batches = gather(Arc::clone(&self.input));
        Ok(Box::new(std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let next = batches.next()?.map(|batch| {
                let rows = batch.num_rows().min(left);
                left -= rows;
                Rows::plain(batch.slice(0, rows))
            });
            Some(next)
        })))
    }
}
