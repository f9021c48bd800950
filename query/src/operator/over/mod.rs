//! Functions over the rows of a series, in order of time: the row before, sums so far, averages that forget.
//!
//! | module | owns |
//! | --- | --- |
//! | `function` | what is asked for |
//! | `resolved` | which types a function takes, and what computes it |
//! | `reader` | the rows of a part, batch by batch; what looks ahead waits for later batches |
//! | `running` | what a function carries from batch to batch; numbers and counts of rows |
//! | `shift`, `pieces` | the value of another row; a column put together from stretches of others |
//! | `change` | differences and ratios |
//! | `cumulate` | sums, products and extremes so far |
//! | `smooth` | exponential moving averages |
//! | `filled` | the last value that was not null |
//!
//! A batch is computed in one call for each function, in loops over runs of one series. A function that looks back keeps no more
//! than the rows that later ones need; only `next` holds rows back, whole batches until enough of the following ones are known.

mod change;
mod cumulate;
mod filled;
mod function;
mod pieces;
mod reader;
mod resolved;
mod running;
mod shift;
mod smooth;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::source::{Layout, RowsIter, Source, ordered};
pub use function::{
    SeriesFunction, cum_count, cum_max, cum_min, cum_prod, cum_sum, delta, ema, ema_by_time, ema_half_life,
    ema_span, forward_fill, next, previous, ratio, row_number,
};
use reader::{Column, Plan, Reader};
use resolved::Resolved;

/// A column of the result, by name.
#[derive(Debug, Clone)]
enum Output {
    Input(Field),
    Function(Field, Box<SeriesFunction>),
}

impl Output {
    const fn field(&self) -> &Field {
        match self {
            Self::Input(field) | Self::Function(field, _) => field,
        }
    }
}

/// Columns of functions over the rows of each series.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    input: Input,
    outputs: Vec<Output>,
    shape: Shape,
}

impl Over {
    /// All columns, and functions: in the place of a column of the same name, or after the others.
    pub(crate) fn new(input: Input, functions: Vec<SeriesFunction>) -> Result<Self> {
        let shape = input.shape();
        if shape.time.is_none() {
            return Err(Error::invalid(
                "these rows have no time, so there is none before another: compute it before the time is left out",
            ));
        }
        let fields = shape.schema.fields().iter();
        let mut outputs: Vec<Output> = fields
            .map(|field| Output::Input(field.as_ref().clone()))
            .collect();
        for function in functions {
            let field = Resolved::new(&function, &shape.schema)?.field();
            let same = outputs
                .iter_mut()
                .find(|other| other.field().name() == field.name());
            match same {
                Some(Output::Function(field, _)) => {
                    return Err(Error::invalid(format!(
                        "two columns would be called {:?}: give one of them another name with alias()",
                        field.name()
                    )));
                }
                Some(replaced) => *replaced = Output::Function(field, Box::new(function)),
                None => outputs.push(Output::Function(field, Box::new(function))),
            }
        }
        Ok(Self::of(input, outputs))
    }

    fn of(input: Input, outputs: Vec<Output>) -> Self {
        let is_replaced = |field: &Field| {
            outputs
                .iter()
                .any(|output| matches!(output, Output::Function(other, _) if other.name() == field.name()))
        };
        let kept = |field: &Option<Field>| field.clone().filter(|field| !is_replaced(field));
        let shape = Shape {
            schema: schema(&outputs),
            time: kept(&input.shape().time),
            series: kept(&input.shape().series),
            is_ordered: true,
        };
        Self {
            input,
            outputs,
            shape,
        }
    }

    fn functions(&self) -> impl Iterator<Item = &SeriesFunction> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Function(_, function) => Some(function.as_ref()),
            Output::Input(_) => None,
        })
    }

    fn plan(&self, input: &Schema) -> Result<Plan> {
        let functions = self.functions().map(|function| Resolved::new(function, input));
        let mut number = 0;
        let columns = self.outputs.iter().map(|output| match output {
            Output::Input(field) => input
                .index_of(field.name())
                .map(Column::Input)
                .map_err(|_| super::unknown_column(field.name(), input)),
            Output::Function(..) => {
                number += 1;
                Ok(Column::Function(number - 1))
            }
        });
        Ok(Plan {
            columns: columns.collect::<Result<_>>()?,
            functions: functions.collect::<Result<_>>()?,
            schema: Arc::clone(&self.shape.schema),
        })
    }
}

fn schema(outputs: &[Output]) -> SchemaRef {
    Arc::new(Schema::new(
        outputs.iter().map(Output::field).cloned().collect::<Vec<_>>(),
    ))
}

impl Operator for Over {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept = self
            .outputs
            .iter()
            .filter(|output| columns.contains(output.field().name()));
        let outputs: Vec<Output> = kept.cloned().collect();
        let mut needed = ColumnSet::new();
        for output in &outputs {
            match output {
                Output::Input(field) => _ = needed.insert(field.name().clone()),
                Output::Function(_, function) => {
                    needed.extend(function.columns().into_iter().map(str::to_string));
                }
            }
        }
        super::add_order_columns(&mut needed, self.input.shape());
        let pruned = Self::of(self.input.pruned(&needed)?, outputs);
        // What is known of the time does not depend on which columns are left.
        let (time, series) = (self.shape.time.clone(), self.shape.series.clone());
        Ok(Arc::new(Self {
            shape: Shape {
                time,
                series,
                ..pruned.shape
            },
            ..pruned
        }))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let plan = |input: &Arc<dyn Source>| self.plan(input.schema()).map(Arc::new);
        let input = match self.input.shape().is_ordered {
            false => ordered(&self.input, planner)?,
            true => {
                let uses_times = self.functions().any(SeriesFunction::uses_times);
                let need = Need {
                    ordered: true,
                    times: need.times || uses_times,
                };
                self.input.source(planner, need)?
            }
        };
        Ok(Arc::new(OverRows {
            plan: plan(&input)?,
            input,
        }))
    }

    fn describe(&self) -> String {
        let function = |function: &SeriesFunction| match function.name() == function.to_string() {
            true => function.to_string(),
            false => format!("{} = {function}", function.name()),
        };
        let functions: Vec<String> = self.functions().map(function).collect();
        format!("over each series: {}", functions.join(", "))
    }
}

struct OverRows {
    input: Arc<dyn Source>,
    plan: Arc<Plan>,
}

impl Source for OverRows {
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.input.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        Ok(Box::new(Reader::new(&self.plan, self.input.open(part)?)?))
    }
}
