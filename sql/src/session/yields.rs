//! Joins that let go of their thread now and then.
//!
//! Work on a thread of the session ends only where it waits, and DataFusion has its plans wait where they read. A join makes far more
//! rows than it reads: what sums them up would not wait for hours, and could not be ended.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, SchedulingType};

/// The plan, with a place to wait above each operator that may make more rows than it reads.
pub(super) fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let multiplies =
            node.children().len() > 1 || matches!(node.cardinality_effect(), CardinalityEffect::GreaterEqual);
        let waits = node.properties().scheduling_type == SchedulingType::Cooperative;
        Ok(match multiplies && !waits {
            true => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(node),
        })
    })
    .data()
}
