//! Windows that slide over the rows of each series, and aggregates over each.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | what windows are asked for |
//! | `reader` | the rows of a part, and what windows need of earlier and later ones |
//! | `spans` | where the window of each row begins and ends |

mod options;
mod reader;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::aggregate::{Resolved, argument_types};
use super::{ColumnSet, Input, Need, Operator, Planner, Shape, unknown_column};
use crate::aggregate::Aggregate;
use crate::source::{Layout, RowsIter, Source, ordered};
pub use options::Rolling;
use options::Window;
use reader::{Plan, Reader};

/// Aggregates over the window of each row.
#[derive(Debug, Clone)]
pub(crate) struct RollingAggregation {
    input: Input,
    rolling: Rolling,
    window: Window,
    /// The columns of the input that are given, and then the aggregates.
    inputs: Vec<Field>,
    aggregates: Vec<(Field, Aggregate)>,
    shape: Shape,
}

impl RollingAggregation {
    pub(crate) fn new(input: Input, rolling: Rolling, aggregates: Vec<Aggregate>) -> Result<Self> {
        let shape = input.shape();
        if shape.time.is_none() {
            return Err(Error::invalid(
                "these rows have no time, so no window slides over them: roll before the time is left out",
            ));
        }
        let inputs: Vec<Field> = shape
            .schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let mut named: Vec<(Field, Aggregate)> = Vec::with_capacity(aggregates.len());
        for aggregate in aggregates {
            let name = aggregate.name();
            let others = inputs.iter().chain(named.iter().map(|(field, _)| field));
            if others.into_iter().any(|field| *field.name() == name) {
                return Err(Error::invalid(format!(
                    "two columns would be called {name:?}: give one of them another name with alias()"
                )));
            }
            let to = aggregate.result_type(&argument_types(&aggregate, &shape.schema)?)?;
            let nullable = aggregate.nullable() || rolling.min_rows > 1;
            named.push((Field::new(name, to, nullable), aggregate));
        }
        let window = rolling.window()?;
        Ok(Self::of(input, rolling, window, inputs, named))
    }

    fn of(
        input: Input,
        rolling: Rolling,
        window: Window,
        inputs: Vec<Field>,
        aggregates: Vec<(Field, Aggregate)>,
    ) -> Self {
        let fields = inputs.iter().chain(aggregates.iter().map(|(field, _)| field));
        let shape = Shape {
            schema: Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>())),
            is_ordered: true,
            ..input.shape().clone()
        };
        Self {
            input,
            rolling,
            window,
            inputs,
            aggregates,
            shape,
        }
    }

    fn plan(&self, input: &Schema) -> Result<Plan> {
        let place = |field: &Field| {
            input
                .index_of(field.name())
                .map_err(|_| unknown_column(field.name(), input))
        };
        let aggregates: Vec<Aggregate> = self
            .aggregates
            .iter()
            .map(|(_, aggregate)| aggregate.clone())
            .collect();
        Ok(Plan {
            schema: Arc::clone(&self.shape.schema),
            inputs: self.inputs.iter().map(place).collect::<Result<_>>()?,
            resolved: Resolved::new(&aggregates, input)?,
            window: self.window,
            min_rows: self.rolling.min_rows,
        })
    }
}

impl Operator for RollingAggregation {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let is_needed = |field: &Field| columns.contains(field.name());
        let inputs: Vec<Field> = self
            .inputs
            .iter()
            .filter(|field| is_needed(field))
            .cloned()
            .collect();
        let kept = self.aggregates.iter().filter(|(field, _)| is_needed(field));
        let aggregates: Vec<(Field, Aggregate)> = kept.cloned().collect();
        let arguments = aggregates.iter().flat_map(|(_, aggregate)| aggregate.arguments());
        let mut needed: ColumnSet = arguments
            .flat_map(crate::Expr::columns)
            .chain(inputs.iter().map(|field| field.name().as_str()))
            .map(str::to_string)
            .collect();
        super::add_order_columns(&mut needed, self.input.shape());
        let input = self.input.pruned(&needed)?;
        Ok(Arc::new(Self::of(
            input,
            self.rolling.clone(),
            self.window,
            inputs,
            aggregates,
        )))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let input = match self.input.shape().is_ordered {
            false => ordered(&self.input, planner)?,
            true => {
                let need = Need {
                    ordered: true,
                    times: need.times || matches!(self.window, Window::Period(_)),
                };
                self.input.source(planner, need)?
            }
        };
        Ok(Arc::new(RollingRows {
            plan: Arc::new(self.plan(input.schema())?),
            input,
        }))
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self
            .aggregates
            .iter()
            .map(|(field, _)| field.name().as_str())
            .collect();
        format!("rolling over {}: {}", self.rolling, names.join(", "))
    }
}

struct RollingRows {
    input: Arc<dyn Source>,
    plan: Arc<Plan>,
}

impl Source for RollingRows {
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
