//! Conditions that name no column, above nodes that only gapless has.
//!
//! The optimizer hands such a condition (`random() < 0.5`, one of a subquery) to all inputs of a node, for no column forbids it. There
//! it would mean something else: rows are left out of which others are made, or which others match. So the node takes it back when it
//! gets its inputs, and it is looked at in the rows that the node gives.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_planner::PhysicalPlanner;

/// An input without the conditions that were handed to it and are none on its rows; and these. `old` is the input as it was.
pub(crate) fn take_back(input: LogicalPlan, old: &LogicalPlan) -> Result<(LogicalPlan, Vec<Expr>)> {
    let filter = match input {
        LogicalPlan::Filter(filter) if filter.input.as_ref() == old => filter,
        other => return Ok((other, Vec::new())),
    };
    let is_of_rows = |part: &Expr| !part.is_volatile() && !part.column_refs().is_empty();
    let parts = split_conjunction_owned(filter.predicate).into_iter();
    let (own, taken): (Vec<Expr>, Vec<Expr>) = parts.partition(is_of_rows);
    let input = match conjunction(own) {
        Some(own) => LogicalPlan::Filter(Filter::try_new(own, filter.input)?),
        None => Arc::unwrap_or_clone(filter.input),
    };
    Ok((input, taken))
}

/// A node of the plan that runs, below the conditions that its logical node took back.
pub(crate) fn below(
    conditions: &[Expr],
    node: Arc<dyn ExecutionPlan>,
    schema: &DFSchema,
    planner: &dyn PhysicalPlanner,
    session: &dyn Session,
    context: &PhysicalPlanningContext,
) -> Result<Arc<dyn ExecutionPlan>> {
    match conjunction(conditions.to_vec()) {
        Some(condition) => {
            let condition = planner.create_physical_expr(&condition, schema, session, context)?;
            Ok(Arc::new(FilterExec::try_new(condition, node)?))
        }
        None => Ok(node),
    }
}
