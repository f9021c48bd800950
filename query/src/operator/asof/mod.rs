//! As-of join: to each row, the row of other rows that was there at its time.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | what is asked for |
//! | `right` | the other rows: of each series, or the same for every series |
//! | `cursor` | the other rows, series by series, and which of them a time matches |
//! | `keyed` | the same where further columns must be equal |
//! | `matched` | the columns of the rows that were matched |

mod cursor;
mod keyed;
mod matched;
mod options;
mod right;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::sides::{RightColumns, check_sides};
use super::{ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::source::{Layout, Rows, RowsIter, SeriesRun, Source, ordered};
pub(crate) use cursor::{Cursor, Matches};
use keyed::Keyed;
pub(crate) use matched::Matched;
pub use options::{AsOf, Direction};
pub(crate) use right::Right;

/// An as-of join.
#[derive(Debug, Clone)]
pub(crate) struct AsOfJoin {
    left: Input,
    right: Input,
    options: AsOf,
    columns: RightColumns,
    shape: Shape,
}

impl AsOfJoin {
    pub(crate) fn new(left: Input, right: Input, options: AsOf) -> Result<Self> {
        check_sides("an as-of join", left.shape(), right.shape())?;
        let options = options.of_sides(left.shape(), right.shape())?;
        let columns = right_columns(&left.shape().schema, right.shape(), &options)?;
        let shape = Shape {
            schema: columns.schema(&left.shape().schema, &right.shape().schema, true)?,
            is_ordered: true,
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

/// The right columns of a result: those asked for, or all but the time, the series and what is joined by.
pub(crate) fn right_columns(left: &Schema, right: &Shape, options: &AsOf) -> Result<RightColumns> {
    if let Some(names) = &options.columns {
        return RightColumns::new(left, &right.schema, names.clone());
    }
    let is_key = |name: &String| {
        let order = [right.time_name(), right.series_name()];
        order.contains(&Some(name.as_str())) || options.by.contains(name)
    };
    let names = right.schema.fields().iter().map(|field| field.name().clone());
    RightColumns::new(left, &right.schema, names.filter(|name| !is_key(name)))
}

impl Operator for AsOfJoin {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.left, &self.right]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept = self.columns.kept(columns);
        let (left, right) = kept.pruned(columns, &self.left, &self.right, &self.options.by)?;
        let shape = Shape {
            schema: kept.schema(&left.shape().schema, &right.shape().schema, true)?,
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

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let left = ordered(&self.left, planner)?;
        let right = Right::new(&self.right, planner)?;
        Ok(Arc::new(Joined {
            schema: Arc::clone(&self.shape.schema),
            columns: self.columns.places(right.schema())?,
            options: Arc::new(self.options.clone()),
            left,
            right,
        }))
    }

    fn describe(&self) -> String {
        format!("as-of join {}: {}", self.options, self.columns.text())
    }
}

struct Joined {
    left: Arc<dyn Source>,
    right: Right,
    schema: SchemaRef,
    /// Places of the right columns.
    columns: Arc<[usize]>,
    options: Arc<AsOf>,
}

impl Source for Joined {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.left.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let mut reader = Reader {
            finder: Finder::open(&self.right, part, self.left.schema(), &self.options)?,
            right_schema: Arc::clone(self.right.schema()),
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
            options: Arc::clone(&self.options),
        };
        let rows = self.left.open(part)?.map(move |rows| reader.join(rows?));
        Ok(Box::new(
            rows.filter(|rows| !matches!(rows, Ok(rows) if rows.len() == 0)),
        ))
    }
}

/// What finds the matches.
pub(crate) enum Finder {
    InOrder(Cursor),
    Keyed(Box<Keyed>),
}

impl Finder {
    /// Begins to read the right rows of a part, or all where every series has the same.
    pub(crate) fn open(right: &Right, part: usize, left: &Schema, options: &AsOf) -> Result<Self> {
        let cursor = right.open(part)?;
        Ok(match options.by.is_empty() {
            true => Self::InOrder(cursor),
            false => Self::Keyed(Box::new(Keyed::new(cursor, left, right.schema(), options)?)),
        })
    }

    /// Finds the match of each left row of a run.
    pub(crate) fn find(
        &mut self,
        run: &SeriesRun,
        rows: &Rows,
        options: &AsOf,
        matches: &mut Matches,
    ) -> Result<()> {
        match self {
            Self::InOrder(cursor) => {
                let times = rows.times.get(run.rows.clone()).unwrap_or_default();
                cursor.find(run.series, times, options, matches)
            }
            Self::Keyed(keyed) => keyed.find(run, rows, options, matches),
        }
    }

    /// The batches that matches refer to, with their numbers.
    pub(crate) fn batches(&self) -> Vec<(u32, &RecordBatch)> {
        match self {
            Self::InOrder(cursor) => cursor.batches(),
            Self::Keyed(keyed) => keyed.batches(),
        }
    }

    /// Forgets batches that no later match can have.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::InOrder(cursor) => cursor.forget(),
            Self::Keyed(keyed) => keyed.forget(),
        }
    }
}

struct Reader {
    finder: Finder,
    right_schema: SchemaRef,
    columns: Arc<[usize]>,
    schema: SchemaRef,
    options: Arc<AsOf>,
}

impl Reader {
    fn join(&mut self, rows: Rows) -> Result<Rows> {
        let mut matches = Matches::with_capacity(rows.len());
        for run in &rows.runs {
            self.finder.find(run, &rows, &self.options, &mut matches)?;
        }
        let mut columns: Vec<ArrayRef> = rows.batch.columns().to_vec();
        let batches = self.finder.batches();
        let matched = Matched::new(&matches, &batches);
        for place in self.columns.iter() {
            columns.push(matched.column(*place, self.right_schema.field(*place).data_type())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal(format!("a join makes no batch: {error}")))?;
        self.finder.forget();
        let rows = rows.with_batch(batch);
        match self.options.is_inner {
            true => rows.filtered(&BooleanBuffer::collect_bool(matches.len(), |row| {
                matches.is_match(row)
            })),
            false => Ok(rows),
        }
    }
}
