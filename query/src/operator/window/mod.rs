//! Window join: to each row, what aggregates say of the other rows that are around it in time.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | what is asked for |
//! | `spans` | where windows begin and end |
//! | `rights` | the other rows, series by series, no more of them than windows need |
//! | `tasks` | left rows and the right rows that have their windows, and how these become results |
//! | `reader` | the left rows, batch by batch |

mod options;
mod reader;
mod rights;
mod spans;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::aggregate::{Resolved, argument_types};
use super::asof;
use super::sides::{check_sides, pruned_left, pruned_right};
use super::{ColumnSet, Input, Need, Operator, PAGE_ROWS, Planner, Shape};
use crate::aggregate::Aggregate;
use crate::memory::{Held, Memory};
use crate::source::{Layout, RowsIter, Source, ordered};
pub use options::WindowJoin;
use reader::Reader;
use rights::{Piece, Rights};

/// Right rows that are read at a time: windows seldom go over the end of a batch.
const RIGHT_ROWS: usize = 131_072;

/// A window join.
#[derive(Debug, Clone)]
pub(crate) struct WindowedRows {
    left: Input,
    right: Input,
    window: WindowJoin,
    aggregates: Vec<Aggregate>,
    shape: Shape,
}

impl WindowedRows {
    pub(crate) fn new(
        left: Input,
        right: Input,
        window: WindowJoin,
        aggregates: Vec<Aggregate>,
    ) -> Result<Self> {
        check_sides("a window join", left.shape(), right.shape())?;
        let series = [left.shape().series_name(), right.shape().series_name()];
        for name in &window.by {
            if series.iter().any(|series| *series != Some(name)) {
                return Err(Error::unsupported(format!(
                    "a window join by {name:?} is not offered: rows are joined by their series alone; filter both sides to one \
                     {name:?} at a time, or store it as the series"
                )));
            }
        }
        let shape = Shape {
            schema: schema(left.shape(), right.shape(), &aggregates)?,
            is_ordered: true,
            ..left.shape().clone()
        };
        Ok(Self {
            left,
            right,
            window,
            aggregates,
            shape,
        })
    }
}

/// The left columns and the aggregates.
fn schema(left: &Shape, right: &Shape, aggregates: &[Aggregate]) -> Result<SchemaRef> {
    let fields = left.schema.fields().iter();
    let mut fields: Vec<Field> = fields.map(|field| field.as_ref().clone()).collect();
    for aggregate in aggregates {
        let types = argument_types(aggregate, &right.schema)?;
        let name = aggregate.name();
        if fields.iter().any(|field| *field.name() == name) {
            return Err(Error::invalid(format!(
                "two columns of the window join would be called {name:?}: give the aggregate another name with alias()"
            )));
        }
        let data_type = aggregate.result_type(&types)?;
        fields.push(Field::new(name, data_type, aggregate.nullable()));
    }
    Ok(Arc::new(Schema::new(fields)))
}

impl Operator for WindowedRows {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.left, &self.right]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let aggregates = self.aggregates.iter();
        let kept: Vec<Aggregate> = aggregates
            .filter(|aggregate| columns.contains(&aggregate.name()))
            .cloned()
            .collect();
        let arguments = kept.iter().flat_map(Aggregate::arguments);
        let of_right = arguments.flat_map(|expr| expr.columns()).map(str::to_string);
        let left = pruned_left(columns, &self.left, &[])?;
        let right = pruned_right(of_right.collect(), &self.right)?;
        let shape = Shape {
            schema: schema(left.shape(), right.shape(), &kept)?,
            ..self.shape.clone()
        };
        Ok(Arc::new(Self {
            left,
            right,
            window: self.window.clone(),
            aggregates: kept,
            shape,
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        // Many at a time: threads that share the rows of one series wait for each other after each batch.
        let own = planner.with_batch_rows(planner.batch_rows.unwrap_or(PAGE_ROWS));
        let left = ordered(&self.left, &own)?;
        let (right, resolved) = self.right_rows(planner)?;
        Ok(Arc::new(Joined {
            schema: Arc::clone(&self.shape.schema),
            window: Arc::new(self.window.clone()),
            left,
            right,
            resolved,
            memory: planner.memory.clone(),
        }))
    }

    fn describe(&self) -> String {
        let names: Vec<String> = self.aggregates.iter().map(Aggregate::name).collect();
        format!("window join {}: {}", self.window, names.join(", "))
    }
}

impl WindowedRows {
    fn right_rows(&self, planner: &Planner) -> Result<(Right, Arc<Resolved>)> {
        let own = planner.with_batch_rows(planner.batch_rows.unwrap_or(RIGHT_ROWS));
        let right = asof::Right::new(&self.right, &own)?;
        let resolved = Resolved::new(&self.aggregates, right.schema())?;
        let (rows, held) = match right {
            asof::Right::OfSeries(right) => return Ok((Right::OfSeries(right), resolved)),
            asof::Right::Shared { rows, held, .. } => (rows, held),
        };
        let mut all = Vec::new();
        for rows in rows.iter() {
            let pieces = rights::pieces(rows, &resolved)?;
            all.extend(pieces.into_iter().map(|(_, piece)| piece));
        }
        let pieces = all.into();
        Ok((Right::Shared { pieces, _held: held }, resolved))
    }
}

/// The right rows.
enum Right {
    OfSeries(Arc<dyn Source>),
    /// Rows without series: those of every series.
    Shared {
        pieces: Arc<[Piece]>,
        /// The memory of the rows.
        _held: Held,
    },
}

struct Joined {
    left: Arc<dyn Source>,
    right: Right,
    schema: SchemaRef,
    window: Arc<WindowJoin>,
    resolved: Arc<Resolved>,
    memory: Memory,
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
        let is_prevailing = self.window.is_prevailing;
        let rights = match &self.right {
            Right::OfSeries(right) => {
                Rights::new(right.open(part)?, &self.resolved, is_prevailing, &self.memory)
            }
            Right::Shared { pieces, .. } => {
                Rights::shared(pieces, &self.resolved, is_prevailing, &self.memory)
            }
        };
        let mut reader = Reader {
            rights,
            window: Arc::clone(&self.window),
            resolved: Arc::clone(&self.resolved),
            schema: Arc::clone(&self.schema),
        };
        Ok(Box::new(
            self.left.open(part)?.map(move |rows| reader.join(rows?)),
        ))
    }
}
