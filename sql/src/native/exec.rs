//! A query of the native operators as a node of DataFusion's plan.
//!
//! The query uses all cores itself, so the node has one partition, and no inputs: its scans are the query's own. What it holds may not
//! be more than what is left of the session's memory when it starts.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, SchemaRef, SortOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::equivalence::{AcrossPartitions, ConstExpr};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use gapless_engine::Error;
use gapless_query::{Interrupt, Query};

use crate::error::to_datafusion;
use crate::pump::{ended_with, pump};
use crate::table::trimmed;

/// Runs a native query.
#[derive(Debug, Clone)]
pub(crate) struct NativeExec {
    query: Query,
    /// The columns of the plan, which may have other names than those of the query.
    schema: SchemaRef,
    /// For each of them, where it is among the columns of the query.
    places: Arc<[usize]>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl NativeExec {
    /// A query whose columns, those at `places`, are what `schema` says: of the same types, or symbols where it says text.
    ///
    /// # Errors
    /// What is wrong with the query; `Internal` for a place or a type that does not fit.
    pub(crate) fn new(query: Query, schema: SchemaRef, places: Vec<usize>) -> Result<Self> {
        let given = query.schema().map_err(to_datafusion)?;
        if places.len() != schema.fields().len() {
            return internal_err!(
                "{} columns for a schema of {}",
                places.len(),
                schema.fields().len()
            );
        }
        for (field, place) in schema.fields().iter().zip(&places) {
            match given.fields().get(*place).map(|given| given.data_type()) {
                Some(of) if gives(of, field.data_type()) => {}
                of => return internal_err!("a native query gives {of:?} for {field}"),
            }
        }
        let equal = EquivalenceProperties::new(Arc::clone(&schema));
        Ok(Self {
            query,
            places: places.into(),
            fetch: None,
            properties: properties(equal),
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Says that rows are sorted by these columns of the schema, ascending, null last.
    pub(crate) fn sorted_by(self, columns: &[usize]) -> Self {
        let sorted = columns.iter().map_while(|at| {
            let options = SortOptions {
                descending: false,
                nulls_first: false,
            };
            Some(PhysicalSortExpr::new(self.column(*at)?, options))
        });
        let sorted: Vec<PhysicalSortExpr> = sorted.collect();
        let mut equal = self.properties.eq_properties.clone();
        if !sorted.is_empty() {
            equal.add_ordering(sorted);
        }
        Self {
            properties: properties(equal),
            ..self
        }
    }

    /// Says that a column of the schema has one value in all rows.
    ///
    /// # Errors
    /// DataFusion's, for a column that cannot be constant.
    pub(crate) fn constant(self, column: usize) -> Result<Self> {
        let mut equal = self.properties.eq_properties.clone();
        if let Some(column) = self.column(column) {
            equal.add_constants([ConstExpr::new(column, AcrossPartitions::Uniform(None))])?;
        }
        Ok(Self {
            properties: properties(equal),
            ..self
        })
    }

    fn column(&self, at: usize) -> Option<Arc<dyn PhysicalExpr>> {
        let name = self.schema.fields().get(at)?.name();
        Some(Arc::new(Column::new(name, at)))
    }
}

fn properties(equal: EquivalenceProperties) -> Arc<PlanProperties> {
    let properties = PlanProperties::new(
        equal,
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    // Each batch is waited for, so a thread is never kept.
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

/// Whether values of a type can be handed out as those of another: symbols are texts, instants the same in every zone.
pub(super) fn gives(of: &DataType, as_type: &DataType) -> bool {
    let is_text = |of: &DataType| matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (of, as_type) {
        (of, other) if of == other => true,
        (DataType::Timestamp(of, Some(_)), DataType::Timestamp(other, Some(_))) => of == other,
        (DataType::Dictionary(_, values), other) => is_text(values) && is_text(other),
        (of, other) => is_text(of) && is_text(other),
    }
}

/// The columns of the plan from those of the query.
fn declared(
    batch: &RecordBatch,
    schema: &SchemaRef,
    places: &[usize],
) -> gapless_engine::Result<RecordBatch> {
    let failed = |error| {
        Error::internal(format!(
            "what a native query gives is not what was planned: {error}"
        ))
    };
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = schema.fields().iter().zip(places).map(|(field, place)| {
        let column = batch
            .columns()
            .get(*place)
            .ok_or_else(|| Error::internal(format!("a native query gave no column {place}")))?;
        match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast_with_options(column, field.data_type(), &options).map_err(failed),
        }
    });
    let columns: Vec<ArrayRef> = columns.collect::<gapless_engine::Result<_>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    trimmed(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows).map_err(failed)?)
}

/// The lines of an explained query as one: each operator before what it reads.
fn one_line(explained: &str) -> String {
    let mut line = String::new();
    let mut above = 0;
    for (at, text) in explained.lines().enumerate() {
        let operator = text.trim_start();
        let depth = text.len() - operator.len();
        line.push_str(match () {
            () if at == 0 => "",
            // What a scan touches stands below it.
            () if operator.starts_with("reads ") => ", ",
            () if depth > above => " <- ",
            () => " and ",
        });
        line.push_str(operator);
        if !operator.starts_with("reads ") {
            above = depth;
        }
    }
    line
}

impl DisplayAs for NativeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.query.explain() {
            Ok(explained) => write!(f, "NativeExec: {}", one_line(&explained))?,
            Err(error) => write!(f, "NativeExec: {error}")?,
        }
        match self.fetch {
            Some(fetch) => write!(f, ", limit={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for NativeExec {
    fn name(&self) -> &'static str {
        "NativeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition > 0 {
            return internal_err!("a native query has no partition {partition}");
        }
        let mut query = self.query.clone();
        if let Some(fetch) = self.fetch {
            query = query.limit(fetch);
        }
        let pool = context.memory_pool();
        if let MemoryLimit::Finite(bytes) = pool.memory_limit() {
            query = query.memory_limit(bytes.saturating_sub(pool.reserved()) as u64);
        }
        let interrupt = Interrupt::new();
        query = query.interrupted_by(&interrupt);
        let (schema, places) = (Arc::clone(&self.schema), Arc::clone(&self.places));
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = pump(Arc::clone(&self.schema), metrics, move || {
            Ok(query
                .stream()?
                .map(move |batch| declared(&batch?, &schema, &places)))
        });
        Ok(ended_with(rows, interrupt))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self {
            fetch: limit,
            ..self.clone()
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explained_query_is_one_line() {
        let one = one_line("group by sym\n  scan trade [price]\n    reads 1 of 2 partitions\n");
        assert_eq!(one, "group by sym <- scan trade [price], reads 1 of 2 partitions");
        let two = one_line("join\n  scan a []\n    reads nothing\n  scan b []\n    reads all\n");
        assert_eq!(two, "join <- scan a [], reads nothing and scan b [], reads all");
    }
}
