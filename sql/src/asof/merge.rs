//! The as-of join as it runs where both sides come by keys and time: both stream.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{
    Distribution, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures_util::StreamExt;

use super::exec::properties_of_left;
use super::merger::{Merger, Step};
use super::node::Direction;
use super::side::{self, Side};
use super::sorted::{ASCENDING, Sorter};
use crate::pump::{Batches, one_by_one};

/// The join.
#[derive(Debug)]
pub(super) struct AsOfMergeExec {
    left: Side,
    right: Side,
    nulls: Vec<bool>,
    direction: Direction,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl AsOfMergeExec {
    /// Whether both sides come by keys and time.
    pub(super) fn can_join(left: &Side, right: &Side) -> Result<bool> {
        for side in [left, right] {
            let equal = side.input.equivalence_properties();
            if !equal.ordering_satisfy(order(side))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

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
        // Each batch is waited for, so a thread is never kept.
        let properties = properties.with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            left,
            right,
            nulls,
            direction,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// The order in which rows of a side must come.
fn order(side: &Side) -> Vec<PhysicalSortExpr> {
    let by = side.keys.iter().chain([&side.time]);
    by.map(|expr| PhysicalSortExpr::new(Arc::clone(expr), ASCENDING))
        .collect()
}

impl DisplayAs for AsOfMergeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsOfMergeExec")?;
        side::write(f, &self.left, &self.right, self.direction)
    }
}

impl ExecutionPlan for AsOfMergeExec {
    fn name(&self) -> &'static str {
        "AsOfMergeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition, Distribution::SinglePartition]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let of = |side| LexOrdering::new(order(side)).map(OrderingRequirements::from);
        vec![of(&self.left), of(&self.right)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
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
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.left.input.schema();
        let types = self.left.keys.iter().map(|key| key.data_type(&schema));
        let sorter = Sorter::new(&types.collect::<Result<Vec<_>>>()?, self.nulls.clone())?;
        let joining = Joining {
            left: Rows {
                stream: self.left.input.execute(partition, Arc::clone(&context))?,
                side: self.left.clone(),
            },
            right: Rows {
                stream: self.right.input.execute(0, context)?,
                side: self.right.clone(),
            },
            merger: Merger::new(sorter, self.direction, Arc::clone(&self.schema)),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        Ok(one_by_one(Arc::clone(&self.schema), joining))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The rows of one side.
struct Rows {
    stream: SendableRecordBatchStream,
    side: Side,
}

impl Rows {
    /// The next batch that has any.
    async fn next(&mut self, sorter: &Sorter) -> Result<Option<super::sorted::Sorted>> {
        while let Some(batch) = self.stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let lookups = self.side.lookups(&batch)?;
                return sorter.sorted(batch, lookups).map(Some);
            }
        }
        Ok(None)
    }
}

/// A join that runs.
struct Joining {
    left: Rows,
    right: Rows,
    merger: Merger,
    metrics: BaselineMetrics,
}

impl Batches for Joining {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.merger.step()? {
                Step::Batch(batch) => {
                    self.metrics.record_output(batch.num_rows());
                    return Ok(Some(batch));
                }
                Step::NeedsLeft => {
                    let rows = self.left.next(self.merger.sorter()).await?;
                    self.merger.push_left(rows);
                }
                Step::NeedsRight => {
                    let rows = self.right.next(self.merger.sorter()).await?;
                    self.merger.push_right(rows);
                }
                Step::End => {
                    self.metrics.done();
                    return Ok(None);
                }
            }
        }
    }
}
