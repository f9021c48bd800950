//! Native nodes of the logical plan as nodes of the plan that runs.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::aggregate::translate;
use super::exec::NativeExec;
use super::node::NativeAggregate;

/// Plans the nodes.
pub(crate) struct NativePlanner;

#[async_trait]
impl ExtensionPlanner for NativePlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        _: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<NativeAggregate>() else {
            return Ok(None);
        };
        let Some(native) = translate(&node.of) else {
            return internal_err!("there is no native query for {:?}", node.of);
        };
        let schema = Arc::clone(node.of.schema.inner());
        let exec = NativeExec::new(native.query, schema, native.places)?.sorted_by(&native.sorted_by);
        Ok(Some(match native.constant {
            Some(column) => Arc::new(exec.constant(column)?),
            None => Arc::new(exec),
        }))
    }
}
