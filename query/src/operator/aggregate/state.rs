//! The accumulators of all groups, and the expressions they read.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use gapless_engine::Result;

use crate::aggregate::{Accumulator, Aggregate, Sequence, Span};
use crate::expr::{Bound, Expr};

/// Aggregates, resolved: what each reads.
pub(crate) struct Resolved {
    aggregates: Vec<Aggregate>,
    /// What is evaluated, each expression once.
    arguments: Vec<Bound>,
    /// For each aggregate, the places of its arguments.
    places: Vec<Vec<usize>>,
}

impl Resolved {
    pub(crate) fn new(aggregates: &[Aggregate], schema: &Schema) -> Result<Arc<Self>> {
        let mut seen: Vec<Expr> = Vec::new();
        let mut arguments = Vec::new();
        let mut places = Vec::new();
        for aggregate in aggregates {
            let mut own = Vec::new();
            for expr in aggregate.arguments() {
                let place = seen.iter().position(|other| other == expr);
                own.push(place.unwrap_or(seen.len()));
                if place.is_none() {
                    arguments.push(Bound::new(expr, schema)?);
                    seen.push(expr.clone());
                }
            }
            places.push(own);
        }
        Ok(Arc::new(Self {
            aggregates: aggregates.to_vec(),
            arguments,
            places,
        }))
    }

    /// The values that aggregates read.
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.arguments
            .iter()
            .map(|argument| argument.evaluate(batch))
            .collect()
    }
}

/// The same with one NaN: which of its bits arithmetic gives depends on the order of rows.
fn one_nan(column: ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<Float64Type>() {
        Some(floats) if floats.values().iter().any(|value| value.is_nan()) => {
            let one = |value: f64| if value.is_nan() { f64::NAN } else { value };
            Arc::new(floats.unary::<_, Float64Type>(one))
        }
        _ => column,
    }
}

/// The accumulators of all groups.
pub(crate) struct State {
    resolved: Arc<Resolved>,
    accumulators: Vec<Box<dyn Accumulator>>,
}

impl State {
    pub(crate) fn new(resolved: &Arc<Resolved>) -> Result<Self> {
        let accumulator = |(aggregate, places): (&Aggregate, &Vec<usize>)| {
            let types = places.iter().filter_map(|place| resolved.arguments.get(*place));
            let types: Vec<DataType> = types.map(|bound| bound.data_type().clone()).collect();
            aggregate.accumulator(&types)
        };
        let pairs = resolved.aggregates.iter().zip(&resolved.places);
        Ok(Self {
            accumulators: pairs.map(accumulator).collect::<Result<_>>()?,
            resolved: Arc::clone(resolved),
        })
    }

    /// Takes rows of a batch; `values` are those of [`Resolved::evaluate`], in the order that the spans mean.
    pub(crate) fn update(
        &mut self,
        values: &[ArrayRef],
        spans: &[Span],
        groups: usize,
        sequence: &Sequence<'_>,
    ) -> Result<()> {
        for (accumulator, places) in self.accumulators.iter_mut().zip(&self.resolved.places) {
            accumulator.grow(groups);
            let inputs: Vec<ArrayRef> = places
                .iter()
                .filter_map(|place| values.get(*place))
                .cloned()
                .collect();
            accumulator.update(&inputs, spans, sequence)?;
        }
        Ok(())
    }

    /// Takes windows that slide over rows: one group for each, whose starts and ends both ascend.
    pub(crate) fn slide(&mut self, values: &[ArrayRef], spans: &[Span]) -> Result<()> {
        for (accumulator, places) in self.accumulators.iter_mut().zip(&self.resolved.places) {
            accumulator.grow(spans.len());
            let inputs: Vec<ArrayRef> = places
                .iter()
                .filter_map(|place| values.get(*place))
                .cloned()
                .collect();
            accumulator.slide(&inputs, spans)?;
        }
        Ok(())
    }

    /// Bytes held, about.
    pub(crate) fn bytes(&self) -> usize {
        self.accumulators
            .iter()
            .map(|accumulator| accumulator.bytes())
            .sum()
    }

    /// Makes room for groups that may have no rows.
    pub(crate) fn grow(&mut self, groups: usize) {
        for accumulator in &mut self.accumulators {
            accumulator.grow(groups);
        }
    }

    /// Takes the groups of another state: its group i is `groups[i]` here.
    pub(crate) fn merge(&mut self, other: Self, groups: &[u32], count: usize) -> Result<()> {
        for (own, other) in self.accumulators.iter_mut().zip(other.accumulators) {
            own.grow(count);
            own.merge(other, groups)?;
        }
        Ok(())
    }

    /// The results of the first groups, which are dropped.
    pub(crate) fn emit(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let pairs = self.accumulators.iter_mut().zip(&self.resolved.aggregates);
        pairs
            .map(|(accumulator, aggregate)| {
                let column = accumulator.emit(count)?;
                Ok(match aggregate.goes_by_order() {
                    true => column,
                    false => one_nan(column),
                })
            })
            .collect()
    }
}
