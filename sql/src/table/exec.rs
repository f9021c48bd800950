//! The scan of a table as a node of DataFusion's plan.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::take::take_record_batch;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, Statistics, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::equivalence::{AcrossPartitions, ConstExpr};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use gapless_engine::scan::Order;
use gapless_engine::{Error, Scan, Snapshot};

use super::instants::in_zones;
use super::statistics::Known;
use super::trim::trimmed;
use super::wanted::Wanted;
use crate::error::to_datafusion;
use crate::pump::pump;

/// Reads rows of a table, each partition of the plan a range of their times.
#[derive(Debug, Clone)]
pub(crate) struct TableScanExec {
    snapshot: Snapshot,
    table: String,
    schema: SchemaRef,
    /// Where the columns that rows are sorted by are in the schema.
    sorted_by: SortedBy,
    wanted: Arc<Wanted>,
    /// The time range of each partition, ascending.
    ranges: Arc<[Range<i64>]>,
    order: Order,
    fetch: Option<usize>,
    /// The last rows by time, from the last one back, and no others.
    is_last: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The columns that rows are sorted by, where they are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SortedBy {
    /// The time column.
    pub(super) time: Option<usize>,
    /// The series column.
    pub(super) series: Option<usize>,
    /// Whether the table has series at all.
    pub(super) has_series: bool,
}

impl TableScanExec {
    /// A scan of `ranges` by series and time.
    pub(super) fn new(
        snapshot: Snapshot,
        table: String,
        schema: SchemaRef,
        sorted_by: SortedBy,
        wanted: Wanted,
        ranges: Vec<Range<i64>>,
        fetch: Option<usize>,
    ) -> Self {
        let order = Order::Series;
        let properties = properties(&schema, &sorted_by, &wanted, order, ranges.len());
        Self {
            snapshot,
            table,
            schema,
            sorted_by,
            wanted: Arc::new(wanted),
            ranges: ranges.into(),
            order,
            fetch,
            is_last: false,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same rows in another order.
    pub(crate) fn ordered(&self, order: Order) -> Self {
        Self {
            order,
            properties: properties(
                &self.schema,
                &self.sorted_by,
                &self.wanted,
                order,
                self.ranges.len(),
            ),
            ..self.clone()
        }
    }

    /// The same rows as they are stored; `None` where the first ones in another order are wanted.
    pub(super) fn stored(&self) -> Option<Self> {
        self.fetch.is_none().then(|| self.ordered(Order::Stored))
    }

    /// The last rows by time, from the last one back, if that is what the first ones by `by` are.
    pub(super) fn last(&self, rows: usize, by: &PhysicalSortExpr) -> Option<Self> {
        let at = by.expr.downcast_ref::<Column>()?.index();
        if self.fetch.is_some() || self.sorted_by.time != Some(at) || !by.options.descending {
            return None;
        }
        let mut equal = EquivalenceProperties::new(Arc::clone(&self.schema));
        equal.add_ordering([by.clone()]);
        Some(Self {
            ranges: [self.wanted.time.clone()].into(),
            order: Order::Time,
            fetch: Some(rows),
            is_last: true,
            properties: plan_properties(equal, 1),
            ..self.clone()
        })
    }

    /// The rows of one partition.
    fn scan(&self, time: &Range<i64>) -> gapless_engine::Result<Scan> {
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        let scan = self.snapshot.scan(&self.table)?.columns(names).order(self.order);
        let scan = self.wanted.apply(scan, time);
        Ok(match self.fetch {
            Some(fetch) => scan.limit(fetch),
            None => scan,
        })
    }

    fn known(&self, partition: Option<usize>) -> Result<Statistics> {
        let range = match partition {
            None => &self.wanted.time,
            Some(at) => self.range(at)?,
        };
        let known = Known::of(&self.snapshot, &self.table, &self.wanted, range).map_err(to_datafusion)?;
        Ok(known.statistics(&self.schema, self.sorted_by.time, self.fetch))
    }

    fn range(&self, partition: usize) -> Result<&Range<i64>> {
        self.ranges
            .get(partition)
            .ok_or_else(|| internal_datafusion_err!("the scan has no partition {partition}"))
    }
}

/// The sort expressions of an order, as far as its columns are read.
fn sort_expressions(schema: &SchemaRef, sorted_by: &SortedBy, order: Order) -> Vec<PhysicalSortExpr> {
    let column = |at: usize| -> Option<PhysicalSortExpr> {
        let name = schema.fields().get(at)?.name();
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        Some(PhysicalSortExpr::new(Arc::new(Column::new(name, at)), options))
    };
    let series = match (sorted_by.has_series, sorted_by.series) {
        (true, at) => Some(at),
        (false, _) => None,
    };
    let columns = match order {
        Order::Series => [series, Some(sorted_by.time)],
        Order::Time => [Some(sorted_by.time), series],
        Order::Stored => [None, None],
    };
    // What comes after a column that is not read is in no order that can be told.
    columns
        .into_iter()
        .flatten()
        .map_while(|at| at.and_then(column))
        .collect()
}

fn properties(
    schema: &SchemaRef,
    sorted_by: &SortedBy,
    wanted: &Wanted,
    order: Order,
    partitions: usize,
) -> Arc<PlanProperties> {
    let mut equal = EquivalenceProperties::new(Arc::clone(schema));
    let one_series = match wanted.series.as_deref() {
        Some([name]) => Some(name),
        _ => None,
    };
    // Rows of one series are in the order of time, whether the series is read or not.
    let sorted_by = SortedBy {
        has_series: sorted_by.has_series && one_series.is_none(),
        ..sorted_by.clone()
    };
    let expressions = sort_expressions(schema, &sorted_by, order);
    if !expressions.is_empty() {
        equal.add_ordering(expressions);
    }
    if let (Some(name), Some(at)) = (one_series, sorted_by.series)
        && let Some(field) = schema.fields().get(at)
    {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        let value = ScalarValue::from(name.as_str()).cast_to(field.data_type()).ok();
        // Schemas are those of the engine: a series can be told from no other by its type.
        let _ = equal.add_constants([ConstExpr::new(column, AcrossPartitions::Uniform(value))]);
    }
    plan_properties(equal, partitions)
}

fn plan_properties(equal: EquivalenceProperties, partitions: usize) -> Arc<PlanProperties> {
    let properties = PlanProperties::new(
        equal,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    // Each batch is waited for, so a thread is never kept.
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

/// The rows of a batch from the last one back.
fn reversed(batch: &RecordBatch) -> gapless_engine::Result<RecordBatch> {
    let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
    let back: UInt32Array = (0..rows).rev().collect();
    take_record_batch(batch, &back)
        .map_err(|error| Error::internal(format!("rows cannot be turned round: {error}")))
}

impl DisplayAs for TableScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        write!(
            f,
            "TableScanExec: table={}, columns=[{}]",
            self.table,
            columns.join(", ")
        )?;
        let order = match self.order {
            _ if self.is_last => "time from the last",
            Order::Series => "series",
            Order::Time => "time",
            Order::Stored => "stored",
        };
        write!(f, ", order={order}, ranges={}", self.ranges.len())?;
        self.wanted.write(f)?;
        match self.fetch {
            Some(fetch) => write!(f, ", limit={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for TableScanExec {
    fn name(&self) -> &'static str {
        "TableScanExec"
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

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let scan = self.scan(self.range(partition)?).map_err(to_datafusion)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let schema = Arc::clone(&self.schema);
        let shown = move |batch| {
            in_zones(batch, &schema)
                .map_err(|error| Error::internal(format!("times are not instants: {error}")))
        };
        if let Some(rows) = self.fetch.filter(|_| self.is_last) {
            return Ok(pump(Arc::clone(&self.schema), metrics, move || {
                let batches = scan.last(rows)?.into_iter().rev();
                Ok(batches.map(move |batch| shown(reversed(&batch)?)))
            }));
        }
        Ok(pump(Arc::clone(&self.schema), metrics, move || {
            Ok(scan.stream()?.map(move |batch| trimmed(shown(batch?)?)))
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.known(args.partition()).map(Arc::new)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        // The last rows are no more than that.
        let fetch = match self.fetch.filter(|_| self.is_last) {
            Some(rows) => Some(limit.map_or(rows, |limit| limit.min(rows))),
            None => limit,
        };
        Some(Arc::new(Self {
            fetch,
            ..self.clone()
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        // Other rows would be the first ones.
        if self.fetch.is_none() {
            for candidate in [Order::Series, Order::Time] {
                let scan = self.ordered(candidate);
                if scan
                    .properties
                    .eq_properties
                    .ordering_satisfy(order.iter().cloned())?
                {
                    return Ok(SortOrderPushdownResult::Exact {
                        inner: Arc::new(scan),
                    });
                }
            }
        }
        Ok(SortOrderPushdownResult::Unsupported)
    }
}
