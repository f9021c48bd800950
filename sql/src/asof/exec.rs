//! The as-of join as it runs: the right side is kept, the left one streams.
//!
//! The right side has to fit into the memory that statements may use. Where both sides come by keys and time, `merge` joins them.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::matcher::Matcher;
use super::node::Direction;
use super::side::{self, Side};

/// The join.
#[derive(Debug)]
pub(super) struct AsOfJoinExec {
    left: Side,
    right: Side,
    nulls: Vec<bool>,
    direction: Direction,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    /// The right side, read once for all partitions of the left one.
    kept: Arc<OnceCell<Kept>>,
    metrics: ExecutionPlanMetricsSet,
}

/// The right side.
#[derive(Debug)]
struct Kept {
    rows: RecordBatch,
    matcher: Matcher,
    _memory: MemoryReservation,
}

impl AsOfJoinExec {
    pub(super) fn new(
        left: Side,
        right: Side,
        nulls: Vec<bool>,
        direction: Direction,
        schema: SchemaRef,
    ) -> Result<Self> {
        let properties = PlanProperties::new(
            properties_of_left(&left, &schema)?,
            left.input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            left,
            right,
            nulls,
            direction,
            schema,
            properties: Arc::new(properties),
            kept: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// What is known of the joined rows: left columns come first and left rows in their order.
pub(super) fn properties_of_left(left: &Side, schema: &SchemaRef) -> Result<EquivalenceProperties> {
    let mut equal = EquivalenceProperties::new(Arc::clone(schema));
    let of_left = left.input.equivalence_properties();
    equal.add_constants(of_left.constants())?;
    equal.add_orderings(of_left.oeq_class().iter().cloned());
    Ok(equal)
}

impl DisplayAs for AsOfJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsOfJoinExec")?;
        side::write(f, &self.left, &self.right, self.direction)
    }
}

impl ExecutionPlan for AsOfJoinExec {
    fn name(&self) -> &'static str {
        "AsOfJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![
            Distribution::UnspecifiedDistribution,
            Distribution::SinglePartition,
        ]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left.input, &self.right.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        side::visit([&self.left, &self.right], visit)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (left, right) = side::over(&self.left, &self.right, children)?;
        let schema = Arc::clone(&self.schema);
        let join = Self::new(left, right, self.nulls.clone(), self.direction, schema)?;
        Ok(Arc::new(join))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (left, right) = (self.left.clone(), self.right.clone());
        let rows = left.input.execute(partition, Arc::clone(&context))?;
        let kept = Arc::clone(&self.kept);
        let (nulls, direction) = (self.nulls.clone(), self.direction);
        let schema = Arc::clone(&self.schema);
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let joined = futures_util::stream::once(async move {
            kept.get_or_try_init(|| keep(&right, nulls, direction, context))
                .await?;
            let batches = rows.map(move |batch| {
                let joined = join(&left, &batch?, kept.get(), &schema)?;
                metrics.record_output(joined.num_rows());
                Ok::<_, DataFusionError>(joined)
            });
            Ok::<_, DataFusionError>(batches)
        });
        let schema = Arc::clone(&self.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            joined.try_flatten(),
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Reads the right side.
async fn keep(
    right: &Side,
    nulls: Vec<bool>,
    direction: Direction,
    context: Arc<TaskContext>,
) -> Result<Kept> {
    let memory = MemoryConsumer::new("AsOfJoin").register(context.memory_pool());
    let schema = right.input.schema();
    let types = right
        .keys
        .iter()
        .map(|key| key.data_type(&schema))
        .collect::<Result<Vec<_>>>()?;
    let mut matcher = Matcher::new(&types, nulls, direction)?;
    let mut stream = right.input.execute(0, context)?;
    let (mut batches, mut rows) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        memory.try_grow(2 * batch.get_array_memory_size() + Matcher::bytes_of(batch.num_rows()))?;
        matcher.add(&right.lookups(&batch)?, rows)?;
        rows += batch.num_rows() as u64;
        batches.push(batch);
    }
    matcher.finish();
    Ok(Kept {
        rows: concat_batches(&schema, &batches)?,
        matcher,
        _memory: memory,
    })
}

fn join(left: &Side, batch: &RecordBatch, kept: Option<&Kept>, schema: &SchemaRef) -> Result<RecordBatch> {
    let Some(kept) = kept else {
        return internal_err!("the right side was not read");
    };
    let found = kept.matcher.find(&left.lookups(batch)?)?;
    let mut columns = batch.columns().to_vec();
    for column in kept.rows.columns() {
        columns.push(take(column, &found, None)?);
    }
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}
