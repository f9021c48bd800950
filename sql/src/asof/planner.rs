//! The logical as-of join as a node of the plan that runs.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::AsOfJoinExec;
use super::merge::AsOfMergeExec;
use super::node::AsOfJoin;
use super::side::Side;
use crate::condition::below;

/// Plans as-of joins.
pub(crate) struct AsOfPlanner;

#[async_trait]
impl ExtensionPlanner for AsOfPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(join) = node.as_any().downcast_ref::<AsOfJoin>() else {
            return Ok(None);
        };
        let [left, right] = inputs else {
            return plan_err!("an as-of join has two inputs, not {}", inputs.len());
        };
        let physical =
            |expr: &Expr, schema: &DFSchema| planner.create_physical_expr(expr, schema, session, context);
        let (of_left, of_right) = (join.left.schema(), join.right.schema());
        let keys = |side: fn(&super::node::Key) -> &Expr, schema: &DFSchema| {
            join.keys
                .iter()
                .map(|key| physical(side(key), schema))
                .collect::<Result<Vec<_>>>()
        };
        let left = Side {
            input: Arc::clone(left),
            keys: keys(|key| &key.left, of_left)?,
            time: physical(&join.left_time, of_left)?,
        };
        let right = Side {
            input: Arc::clone(right),
            keys: keys(|key| &key.right, of_right)?,
            time: physical(&join.right_time, of_right)?,
        };
        let nulls = join.keys.iter().map(|key| key.null_equals_null).collect();
        let schema = Arc::clone(join.schema.inner());
        let exec: Arc<dyn ExecutionPlan> = match AsOfMergeExec::can_join(&left, &right)? {
            true => Arc::new(AsOfMergeExec::new(left, right, nulls, join.direction, schema)?),
            false => Arc::new(AsOfJoinExec::new(left, right, nulls, join.direction, schema)?),
        };
        below(&join.above, exec, &join.schema, planner, session, context).map(Some)
    }
}
