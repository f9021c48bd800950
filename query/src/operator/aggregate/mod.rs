//! Rows in groups, and what aggregates say of each group.
//!
//! | module | owns |
//! | --- | --- |
//! | `state` | the accumulators of all groups, and the expressions they read |
//! | `ordered` | groups of series and bucket, which follow each other in rows by series and time |
//! | `hashed` | groups of any other keys, found by hash |

mod hashed;
mod ordered;
mod state;

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_engine::{Error, Result};

use super::project::check_names;
use super::{ColumnSet, Input, Need, Operator, PAGE_ROWS, Planner, Shape, unknown_column};
use crate::aggregate::Aggregate;
use crate::bucket::Bucket;
use crate::expr::{Bound, Expr};
use crate::source::Source;
use hashed::HashedGroups;
use ordered::OrderedGroups;
pub(crate) use state::{Resolved, State};

/// What rows are grouped by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grouping {
    /// Expressions, each with the name of its column.
    pub(crate) keys: Vec<(String, Expr)>,
    /// Buckets of the time.
    pub(crate) bucket: Option<Bucket>,
}

/// Aggregates over groups.
#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    input: Input,
    grouping: Grouping,
    aggregates: Vec<Aggregate>,
    shape: Shape,
}

impl Aggregation {
    pub(crate) fn new(input: Input, grouping: Grouping, aggregates: Vec<Aggregate>) -> Result<Self> {
        let shape = shape(input.shape(), &grouping, &aggregates)?;
        Ok(Self {
            input,
            grouping,
            aggregates,
            shape,
        })
    }

    /// Which key is the series of rows that come by series.
    fn series_key(&self) -> Option<usize> {
        let input = self.input.shape();
        let series = input.series_name().filter(|_| input.is_ordered)?;
        self.grouping
            .keys
            .iter()
            .position(|(_, expr)| expr.as_column() == Some(series))
    }

    /// Whether groups follow each other where rows come by series and time.
    fn is_in_order(&self) -> bool {
        let input = self.input.shape();
        let one_series = |input: &Input| {
            let scan = input.as_scan();
            scan.and_then(|scan| scan.series_asked())
                .is_some_and(|series| series.len() == 1)
        };
        match self.grouping.keys.len() {
            0 => self.grouping.bucket.is_some() && input.is_ordered && one_series(&self.input),
            1 => self.series_key().is_some(),
            _ => false,
        }
    }

    /// Whether the rows of a scan are gone over once and nothing is made of them on the way, so that no cache needs to hold them.
    fn is_one_pass(&self) -> bool {
        let scan = self.input.as_scan();
        let arguments = self.aggregates.iter().flat_map(Aggregate::arguments);
        self.grouping.keys.is_empty()
            && self.grouping.bucket.is_none()
            && scan.is_some_and(|scan| scan.condition().is_none())
            && arguments.clone().all(|expr| expr.as_column().is_some())
            && arguments.count() < 2
    }

    /// Whether nothing counts but the least and the greatest values of a scan, which page statistics tell.
    fn is_of_extremes(&self) -> bool {
        let scan = self.input.as_scan();
        scan.is_some_and(|scan| scan.condition().is_none())
            && (self.grouping.keys.is_empty() || self.is_in_order())
            && self.grouping.bucket.is_none()
            && !self.aggregates.is_empty()
            && self.aggregates.iter().all(Aggregate::is_extreme)
    }

    fn first_or_last(&self) -> bool {
        self.aggregates.iter().any(Aggregate::goes_by_order)
    }
}

fn shape(input: &Shape, grouping: &Grouping, aggregates: &[Aggregate]) -> Result<Shape> {
    let mut fields = Vec::new();
    for (name, expr) in &grouping.keys {
        let bound = Bound::new(expr, &input.schema)?;
        fields.push(Field::new(name, bound.data_type().clone(), bound.nullable()));
    }
    if grouping.bucket.is_some() {
        let time = input.time.clone().ok_or_else(|| {
            Error::invalid(
                "these rows have no time, so there are no buckets of it: group before the time is left out",
            )
        })?;
        fields.push(in_nanoseconds(time).with_nullable(false));
    }
    for aggregate in aggregates {
        let types = argument_types(aggregate, &input.schema)?;
        fields.push(Field::new(
            aggregate.name(),
            aggregate.result_type(&types)?,
            aggregate.nullable(),
        ));
    }
    check_names(fields.iter().map(|field| field.name().as_str()))?;
    let series = input.series_name().filter(|_| input.is_ordered);
    let key = grouping.keys.first();
    let series_key = key.filter(|(_, expr)| series.is_some() && expr.as_column() == series);
    Ok(Shape {
        schema: Arc::new(Schema::new(fields)),
        time: input
            .time
            .clone()
            .filter(|_| grouping.bucket.is_some())
            .map(in_nanoseconds),
        series: series_key.and_then(|(name, _)| Some(input.series.clone()?.with_name(name))),
        is_ordered: series_key.is_some() && grouping.keys.len() == 1 && grouping.bucket.is_some(),
    })
}

/// The time of buckets, whatever the unit of the rows is.
fn in_nanoseconds(time: Field) -> Field {
    let zone = match time.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    time.with_data_type(DataType::Timestamp(TimeUnit::Nanosecond, zone))
}

/// The types that an aggregate is given.
pub(crate) fn argument_types(aggregate: &Aggregate, schema: &Schema) -> Result<Vec<DataType>> {
    let data_type = |expr: &Expr| {
        Bound::new(expr, schema)
            .map(|bound| bound.data_type().clone())
            .map_err(|error| match expr.as_column() {
                Some(name) => unknown_column(name, schema),
                None => error,
            })
    };
    aggregate.arguments().iter().map(data_type).collect()
}

impl Operator for Aggregation {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept: Vec<Aggregate> = self
            .aggregates
            .iter()
            .filter(|aggregate| columns.contains(&aggregate.name()))
            .cloned()
            .collect();
        let mut needed: ColumnSet = kept
            .iter()
            .flat_map(|kept| kept.arguments())
            .flat_map(|expr| expr.columns())
            .map(str::to_string)
            .collect();
        let is_in_order = self.is_in_order();
        let keys = self.grouping.keys.iter().filter(|_| !is_in_order);
        needed.extend(keys.flat_map(|(_, expr)| expr.columns()).map(str::to_string));
        if !self.input.shape().is_ordered && (self.grouping.bucket.is_some() || self.first_or_last()) {
            needed.extend(self.input.shape().time_name().map(str::to_string));
        }
        let fields = self.shape.schema.fields().iter();
        let others = self
            .aggregates
            .iter()
            .filter(|aggregate| !columns.contains(&aggregate.name()));
        let left_out: ColumnSet = others.map(Aggregate::name).collect();
        let fields: Vec<_> = fields
            .filter(|field| !left_out.contains(field.name()))
            .cloned()
            .collect();
        Ok(Arc::new(Self {
            input: self.input.pruned(&needed)?,
            grouping: self.grouping.clone(),
            aggregates: kept,
            shape: Shape {
                schema: Arc::new(Schema::new(fields)),
                ..self.shape.clone()
            },
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let need = Need {
            ordered: self.is_in_order() || self.series_key().is_some(),
            times: self.grouping.bucket.is_some() || self.first_or_last() && !self.is_in_order(),
        };
        let input = if self.is_of_extremes() {
            self.input.source(&planner.of_extremes(), need)?
        } else if self.is_one_pass() {
            let rows = planner.batch_rows.unwrap_or(PAGE_ROWS);
            self.input.source(&planner.with_batch_rows(rows), need)?
        } else {
            self.input.source(planner, need)?
        };
        match self.is_in_order() {
            true => Ok(Arc::new(OrderedGroups::new(self, input, planner)?)),
            false => Ok(Arc::new(HashedGroups::new(self, input, planner)?)),
        }
    }

    fn describe(&self) -> String {
        let mut by: Vec<String> = self
            .grouping
            .keys
            .iter()
            .map(|(_, expr)| expr.to_string())
            .collect();
        by.extend(
            self.grouping
                .bucket
                .as_ref()
                .map(|bucket| format!("bucket {bucket}")),
        );
        let aggregates: Vec<String> = self.aggregates.iter().map(Aggregate::name).collect();
        let how = match self.is_in_order() {
            true => "in stored order",
            false => "by hash",
        };
        let from = match self.is_of_extremes() {
            true => ", of whole pages from their statistics",
            false => "",
        };
        match by.is_empty() {
            true => format!("aggregate {}{from}", aggregates.join(", ")),
            false => format!(
                "group {how} by {}: {}{from}",
                by.join(", "),
                aggregates.join(", ")
            ),
        }
    }
}
