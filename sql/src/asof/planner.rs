//! Logical nodes of gapless as nodes of the plan that runs.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::exec::{AsOfJoinExec, Side};
use super::node::AsOfJoin;
use crate::native::{NativePlanner, with_native};

/// DataFusion's planner, which also plans what only gapless has.
#[derive(Debug)]
pub(crate) struct GaplessPlanner {
    /// Whether native operators take the place of DataFusion's.
    pub(crate) native: bool,
}

#[async_trait]
impl QueryPlanner for GaplessPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![
            Arc::new(Extensions),
            Arc::new(NativePlanner),
        ]);
        if !self.native {
            return planner.create_physical_plan(plan, session).await;
        }
        planner.create_physical_plan(&with_native(plan)?, session).await
    }
}

/// Plans the nodes. A native operator takes the place of [`AsOfJoinExec`] here.
struct Extensions;

#[async_trait]
impl ExtensionPlanner for Extensions {
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
        let exec = AsOfJoinExec::new(left, right, nulls, join.direction, schema)?;
        Ok(Some(Arc::new(exec)))
    }
}
