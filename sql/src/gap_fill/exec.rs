//! What fills buckets, as it runs: rows come by group and bucket, and every bucket goes.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{SchemaRef, SortOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalExpr,
    PhysicalSortExpr, PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures_util::StreamExt;
use gapless_engine::coverage::duration_text;

use super::filler::{Buckets, Filler, Step};
use super::loaded::{Loader, Role};
use crate::pump::{Batches, one_by_one};

/// The node.
#[derive(Debug)]
pub(super) struct GapFillExec {
    input: Arc<dyn ExecutionPlan>,
    /// What each column of the input is.
    roles: Arc<[Role]>,
    buckets: Buckets,
    is_flagged: bool,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GapFillExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        roles: Arc<[Role]>,
        buckets: Buckets,
        is_flagged: bool,
        schema: SchemaRef,
    ) -> Result<Self> {
        let equal = order(&input, &roles, &schema)?;
        let properties = PlanProperties::new(
            equal,
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        // Made rows are waited for as rows that are read, so a thread is never kept.
        let properties = properties.with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            input,
            roles,
            buckets,
            is_flagged,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The columns with a role.
    fn columns(&self, wanted: fn(&Role) -> bool) -> Vec<Arc<dyn PhysicalExpr>> {
        columns(&self.roles, &self.schema, wanted)
    }
}

fn columns(roles: &[Role], schema: &SchemaRef, wanted: fn(&Role) -> bool) -> Vec<Arc<dyn PhysicalExpr>> {
    let columns = roles.iter().zip(schema.fields()).enumerate();
    columns
        .filter(|(_, (role, _))| wanted(role))
        .map(|(at, (_, field))| Arc::new(Column::new(field.name(), at)) as Arc<dyn PhysicalExpr>)
        .collect()
}

fn is_key(role: &Role) -> bool {
    matches!(role, Role::Key)
}

fn is_bucket(role: &Role) -> bool {
    matches!(role, Role::Bucket)
}

/// What is known of the order of the rows: groups come in the order in which they came, and in each of them the buckets.
fn order(
    input: &Arc<dyn ExecutionPlan>,
    roles: &[Role],
    schema: &SchemaRef,
) -> Result<EquivalenceProperties> {
    let (keys, buckets) = (columns(roles, schema, is_key), columns(roles, schema, is_bucket));
    let mut equal = EquivalenceProperties::new(Arc::clone(schema));
    let of_input = input.equivalence_properties();
    let constants = of_input.constants().into_iter();
    let constants: Vec<_> = constants
        .filter(|constant| keys.contains(&constant.expr))
        .collect();
    let is_open = |key: &&Arc<dyn PhysicalExpr>| !constants.iter().any(|constant| constant.expr.eq(*key));
    let open: Vec<_> = keys.iter().filter(is_open).collect();
    for ordering in of_input.oeq_class().iter() {
        let mut sorted: Vec<PhysicalSortExpr> = Vec::new();
        for next in ordering.iter() {
            let is_whole = || open.iter().all(|key| sorted.iter().any(|one| one.expr.eq(*key)));
            // Buckets are sorted inside of a group: after all keys that groups differ in.
            if keys.contains(&next.expr) || (buckets.contains(&next.expr) && is_whole()) {
                sorted.push(next.clone());
            } else {
                break;
            }
            if buckets.contains(&next.expr) {
                break;
            }
        }
        if !sorted.is_empty() {
            equal.add_ordering(sorted);
        }
    }
    equal.add_constants(constants)?;
    Ok(equal)
}

impl DisplayAs for GapFillExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.columns(is_key).iter().map(ToString::to_string).collect();
        write!(
            f,
            "GapFillExec: groups=[{}], buckets=[{}]",
            groups.join(", "),
            self.buckets.bucket
        )?;
        let instant = |ns: i64| match jiff::Timestamp::from_nanosecond(ns.into()) {
            Ok(at) => at.to_string(),
            Err(_) => ns.to_string(),
        };
        let range = &self.buckets.range;
        write!(f, ", range=[{}, {})", instant(range.start), instant(range.end))?;
        for (role, field) in self.roles.iter().zip(self.schema.fields()) {
            match role {
                Role::Locf(None) => write!(f, ", {}: previous", field.name())?,
                Role::Locf(Some(age)) => {
                    write!(f, ", {}: previous for {}", field.name(), duration_text(*age))?
                }
                Role::Line => write!(f, ", {}: linear", field.name())?,
                Role::Key | Role::Bucket | Role::Default(_) => {}
            }
        }
        Ok(())
    }
}

impl ExecutionPlan for GapFillExec {
    fn name(&self) -> &'static str {
        "GapFillExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        let keys = self.columns(is_key);
        vec![match keys.is_empty() {
            true => Distribution::SinglePartition,
            false => Distribution::KeyPartitioned(keys),
        }]
    }

    /// Groups in any order, their buckets ascending.
    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let ascending = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let keys = self.columns(is_key).into_iter();
        let keys = keys.map(|key| PhysicalSortRequirement::new(key, None));
        let buckets = self.columns(is_bucket).into_iter();
        let buckets = buckets.map(|bucket| PhysicalSortRequirement::new(bucket, Some(ascending)));
        let requirement = LexRequirement::new(keys.chain(buckets));
        vec![requirement.map(OrderingRequirements::new)]
    }

    // Rows come in between, so only the order that `properties` says is kept.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for column in self.columns(|role| is_key(role) || is_bucket(role)) {
            if visit(&column)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) else {
            return internal_err!("a gap fill has one input");
        };
        let fill = Self::new(
            input,
            Arc::clone(&self.roles),
            self.buckets.clone(),
            self.is_flagged,
            Arc::clone(&self.schema),
        )?;
        Ok(Arc::new(fill))
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
        let schema = self.input.schema();
        let types: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let loader = Loader::new(&self.roles, &types)?;
        let filler = Filler::new(
            Arc::clone(&self.roles),
            self.buckets.clone(),
            loader,
            Arc::clone(&self.schema),
            self.is_flagged,
        );
        let filling = Filling {
            rows: self.input.execute(partition, Arc::clone(&context))?,
            filler,
            memory: MemoryConsumer::new("GapFill").register(context.memory_pool()),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        Ok(one_by_one(Arc::clone(&self.schema), filling))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// A fill that runs.
struct Filling {
    rows: SendableRecordBatchStream,
    filler: Filler,
    memory: MemoryReservation,
    metrics: BaselineMetrics,
}

impl Batches for Filling {
    async fn next(&mut self) -> Result<Option<arrow_array::RecordBatch>> {
        loop {
            match self.filler.step()? {
                Step::Batch(batch) => {
                    self.memory.try_resize(self.filler.waiting_bytes())?;
                    self.metrics.record_output(batch.num_rows());
                    return Ok(Some(batch));
                }
                Step::More => match self.rows.next().await {
                    Some(batch) => {
                        self.filler.push(batch?)?;
                        self.memory.try_resize(self.filler.waiting_bytes())?;
                    }
                    None => self.filler.end(),
                },
                Step::End => {
                    self.metrics.done();
                    return Ok(None);
                }
            }
        }
    }
}
