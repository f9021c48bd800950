//! Join by key: to each row, the rows of others that are equal to it in some columns.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | what is asked for |
//! | `table` | the right rows by key, and which of them left rows have |
//! | `reader` | the left rows, batch by batch |

mod options;
mod reader;
mod table;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use gapless_engine::Result;

use super::keys::{KeyColumns, check_comparable};
use super::sides::RightColumns;
use super::{ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::memory::Held;
use crate::source::{Layout, RowsIter, Source, keep};
use options::How;
pub use options::Join;
use reader::Reader;
use table::{Finder, Table};

/// A join by key.
#[derive(Debug, Clone)]
pub(crate) struct JoinedRows {
    left: Input,
    right: Input,
    options: Join,
    /// The right columns of the result, each with the name that it gets.
    columns: RightColumns,
    shape: Shape,
}

impl JoinedRows {
    pub(crate) fn new(left: Input, right: Input, options: Join) -> Result<Self> {
        let (of_left, of_right) = (&left.shape().schema, &right.shape().schema);
        for name in &options.on {
            check_comparable("the join", of_left, of_right, name)?;
        }
        let names = of_right.fields().iter().map(|field| field.name().clone());
        let columns = match options.has_right_columns() {
            true => RightColumns::new(of_left, of_right, names.filter(|name| !options.on.contains(name)))?,
            false => RightColumns::none(),
        };
        let shape = Shape {
            schema: columns.schema(of_left, of_right, options.how == How::Left)?,
            ..left.shape().clone()
        };
        Ok(Self {
            left,
            right,
            options,
            columns,
            shape,
        })
    }
}

impl Operator for JoinedRows {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.left, &self.right]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept = self.columns.kept(columns);
        let (left, right) = kept.pruned(columns, &self.left, &self.right, &self.options.on)?;
        let has_unmatched = self.options.how == How::Left;
        let shape = Shape {
            schema: kept.schema(&left.shape().schema, &right.shape().schema, has_unmatched)?,
            ..self.shape.clone()
        };
        Ok(Arc::new(Self {
            left,
            right,
            options: self.options.clone(),
            columns: kept,
            shape,
        }))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let left = self.left.source(planner, need)?;
        let (right, held) = self.right_rows(planner)?;
        let (of_left, of_right) = (left.schema(), right.schema());
        let (left_keys, right_keys) = KeyColumns::of_sides("the join", of_left, &of_right, &self.options.on)?;
        let table = Table::new(&right, &right_keys)?;
        Ok(Arc::new(Joined {
            columns: self.columns.places(&of_right)?,
            schema: Arc::clone(&self.shape.schema),
            how: self.options.how,
            table: Arc::new(table),
            left,
            right,
            _held: held,
            left_keys: Arc::new(left_keys),
        }))
    }

    fn describe(&self) -> String {
        let columns = self.columns.text();
        match columns.is_empty() {
            true => self.options.to_string(),
            false => format!("{}: {columns}", self.options),
        }
    }
}

impl JoinedRows {
    /// All right rows, in their order.
    fn right_rows(&self, planner: &Planner) -> Result<(RecordBatch, Vec<Held>)> {
        let own = planner.apart();
        let need = Need {
            ordered: true,
            times: false,
        };
        let source = self.right.source(&own, need)?;
        own.list.fix();
        keep(source.as_ref(), &own.memory, "the right side of a join")
    }
}

struct Joined {
    left: Arc<dyn Source>,
    right: RecordBatch,
    /// The memory of the right rows.
    _held: Vec<Held>,
    schema: SchemaRef,
    how: How,
    table: Arc<Table>,
    left_keys: Arc<KeyColumns>,
    /// Places of the right columns.
    columns: Arc<[usize]>,
}

impl Source for Joined {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        self.left.layout()
    }

    fn parts(&self) -> usize {
        self.left.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let reader = Reader {
            left: Some(self.left.open(part)?),
            rows: None,
            finder: Finder::new(&self.table, &self.left_keys),
            right: self.right.clone(),
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
            how: self.how,
        };
        Ok(Box::new(
            reader.filter(|rows| !matches!(rows, Ok(rows) if rows.len() == 0)),
        ))
    }
}
