//! The order in which a scan had best read, once the whole plan is there.
//!
//! - `ORDER BY time DESC LIMIT n` reads the last rows, from the end back.
//! - Below an aggregation that no order helps and that does not depend on one, rows come as they are stored, which merges nothing.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};

use super::exec::TableScanExec;

/// Last rows that are kept in memory rather than found by a sort.
const LAST_ROWS_MAX: usize = 65_536;

/// Aggregates that give the same in every order of rows, but for how floats round.
const ORDERLESS: [&str; 10] = [
    "count", "sum", "avg", "min", "max", "var", "stddev", "vwap", "bool_and", "bool_or",
];

/// The rule. It has to come last: after it, nothing may ask a scan for an order.
#[derive(Debug)]
pub(crate) struct ScanOrder;

impl PhysicalOptimizerRule for ScanOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_down(|plan| {
            if let Some(last) = last_rows(&plan)? {
                return Ok(Transformed::new(last, true, TreeNodeRecursion::Jump));
            }
            let Some(aggregate) = plan.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(plan));
            };
            match is_orderless(aggregate)
                .then(|| stored(aggregate.input()))
                .transpose()?
                .flatten()
            {
                Some(input) => Ok(Transformed::yes(over(&plan, input)?)),
                None => Ok(Transformed::no(plan)),
            }
        });
        changed.map(|changed| changed.data)
    }

    fn name(&self) -> &'static str {
        "gapless_scan_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same node over another input.
fn over(plan: &Arc<dyn ExecutionPlan>, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(vec![input], options)
}

/// The last rows instead of a sort that keeps the first ones of the opposite order.
fn last_rows(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let merge = plan.downcast_ref::<SortPreservingMergeExec>();
    let below = merge.map_or(plan, |merge| merge.input());
    let Some(sort) = below.downcast_ref::<SortExec>() else {
        return Ok(None);
    };
    let fetch = merge.and_then(SortPreservingMergeExec::fetch).or(sort.fetch());
    // Each partition's own first rows, which are not put together here.
    let is_partial = merge.is_none() && sort.preserve_partitioning();
    match (fetch, sort.expr().as_ref()) {
        (Some(rows), [by]) if rows <= LAST_ROWS_MAX && !is_partial => scan_last(sort.input(), by, rows),
        _ => Ok(None),
    }
}

/// The last rows of a scan, perhaps with its columns in another order.
fn scan_last(
    plan: &Arc<dyn ExecutionPlan>,
    by: &PhysicalSortExpr,
    rows: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(column) = by.expr.downcast_ref::<Column>() else {
        return Ok(None);
    };
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return Ok(scan
            .last(rows, by)
            .map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>));
    }
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        return Ok(None);
    };
    let Some(projected) = projection.expr().get(column.index()) else {
        return Ok(None);
    };
    let by = PhysicalSortExpr::new(Arc::clone(&projected.expr), by.options);
    match scan_last(projection.input(), &by, rows)? {
        Some(input) => over(plan, input).map(Some),
        None => Ok(None),
    }
}

/// Whether an aggregation over rows neither makes use of their order nor depends on it.
fn is_orderless(aggregate: &AggregateExec) -> bool {
    let reads_rows = aggregate.mode().input_mode() == AggregateInputMode::Raw;
    let is_free = |name: &str| ORDERLESS.contains(&name);
    reads_rows
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate
            .aggr_expr()
            .iter()
            .all(|call| is_free(call.fun().name()) && call.order_bys().is_empty())
}

/// The same rows as they are stored, if they are those of a scan.
fn stored(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return Ok(scan.stored().map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>));
    }
    let [input] = plan.children()[..] else {
        return Ok(None);
    };
    if !plan.is::<FilterExec>() && !plan.is::<ProjectionExec>() {
        return Ok(None);
    }
    match stored(input)? {
        Some(input) => over(plan, input).map(Some),
        None => Ok(None),
    }
}
