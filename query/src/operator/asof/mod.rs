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
use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, Shape, unknown_column};
use crate::source::{Layout, Rows, RowsIter, SeriesRun, Source, ordered};
pub(crate) use cursor::{Cursor, Matches};
use keyed::Keyed;
pub(crate) use matched::Matched;
pub use options::{AsOf, Direction};
pub(crate) use right::{Right, check_series};

/// An as-of join.
#[derive(Debug, Clone)]
pub(crate) struct AsOfJoin {
    left: Input,
    right: Input,
    options: AsOf,
    /// The right columns of the result, each with the name that it gets.
    columns: Vec<(String, String)>,
    shape: Shape,
}

impl AsOfJoin {
    pub(crate) fn new(left: Input, right: Input, options: AsOf) -> Result<Self> {
        for (side, input) in [("left", &left), ("right", &right)] {
            if input.shape().time.is_none() {
                return Err(Error::invalid(format!(
                    "the {side} rows of an as-of join have no time: join before the time is left out"
                )));
            }
            for name in &options.by {
                let schema = &input.shape().schema;
                schema
                    .field_with_name(name)
                    .map_err(|_| unknown_column(name, schema))?;
            }
        }
        check_series("an as-of join", left.shape(), right.shape())?;
        let columns = right_columns(left.shape(), right.shape(), &options)?;
        let shape = Shape {
            schema: joined_schema(left.shape(), right.shape(), &columns)?,
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
pub(crate) fn right_columns(left: &Shape, right: &Shape, options: &AsOf) -> Result<Vec<(String, String)>> {
    let names: Vec<String> = match &options.columns {
        Some(names) => names.clone(),
        None => {
            let is_key = |name: &str| {
                Some(name) == right.time_name()
                    || Some(name) == right.series_name()
                    || options.by.iter().any(|by| by == name)
            };
            let fields = right.schema.fields().iter().map(|field| field.name().clone());
            fields.filter(|name| !is_key(name)).collect()
        }
    };
    let mut columns: Vec<(String, String)> = Vec::with_capacity(names.len());
    for name in names {
        right
            .schema
            .field_with_name(&name)
            .map_err(|_| unknown_column(&name, &right.schema))?;
        let clashes = left.schema.field_with_name(&name).is_ok();
        let given = if clashes {
            format!("{name}_right")
        } else {
            name.clone()
        };
        let is_taken =
            left.schema.field_with_name(&given).is_ok() || columns.iter().any(|(_, other)| *other == given);
        if is_taken {
            return Err(Error::invalid(format!(
                "two columns of the join would be called {given:?}: rename one of them with select() before"
            )));
        }
        columns.push((name, given));
    }
    Ok(columns)
}

fn joined_schema(left: &Shape, right: &Shape, columns: &[(String, String)]) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = left
        .schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    for (name, given) in columns {
        let field = right
            .schema
            .field_with_name(name)
            .map_err(|_| unknown_column(name, &right.schema))?;
        fields.push(field.clone().with_name(given).with_nullable(true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

impl Operator for AsOfJoin {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.left, &self.right]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept: Vec<_> = self
            .columns
            .iter()
            .filter(|(_, given)| columns.contains(given))
            .cloned()
            .collect();
        let by = self.options.by.iter().cloned();
        let is_left = |name: &&String| self.left.shape().schema.field_with_name(name).is_ok();
        let of_result = columns.iter().filter(is_left).cloned();
        let mut of_left: ColumnSet = of_result.chain(by.clone()).collect();
        let mut of_right: ColumnSet = kept.iter().map(|(name, _)| name.clone()).chain(by).collect();
        for (needed, input) in [(&mut of_left, &self.left), (&mut of_right, &self.right)] {
            super::add_order_columns(needed, input.shape());
        }
        let (left, right) = (self.left.pruned(&of_left)?, self.right.pruned(&of_right)?);
        let shape = Shape {
            schema: joined_schema(left.shape(), right.shape(), &kept)?,
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
        let place = |(name, _): &(String, String)| {
            right
                .schema()
                .index_of(name)
                .map_err(|_| unknown_column(name, right.schema()))
        };
        Ok(Arc::new(Joined {
            schema: Arc::clone(&self.shape.schema),
            columns: self.columns.iter().map(place).collect::<Result<_>>()?,
            options: Arc::new(self.options.clone()),
            left,
            right,
        }))
    }

    fn describe(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(_, given)| given.as_str()).collect();
        format!("as-of join {}: {}", self.options, columns.join(", "))
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
