//! Filters without the projections that were put into them.
//!
//! DataFusion pushes projections down twice. The first time it puts one into a filter, whose condition then speaks of other columns than
//! those that it gives; the second time it takes them for the same. Where two of them have one name, as the times of both sides of a join,
//! that ends in an error or in the wrong column.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;

/// The name of the rule that must not find any.
const PUSH_DOWN: &str = "ProjectionPushdown";

/// The rule.
#[derive(Debug)]
struct TakeOut;

/// Puts the rule before the last of those that push projections down.
pub(super) fn take_out_before(rules: &mut Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>) {
    if let Some(last) = rules.iter().rposition(|rule| rule.name() == PUSH_DOWN) {
        rules.insert(last, Arc::new(TakeOut));
    }
}

impl PhysicalOptimizerRule for TakeOut {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match taken_out(&node)? {
            Some(projection) => Ok(Transformed::yes(projection)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "gapless_take_out"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The projection of a filter, over the filter without it.
fn taken_out(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else {
        return Ok(None);
    };
    let Some(places) = filter.projection() else {
        return Ok(None);
    };
    let columns: Vec<ProjectionExpr> = places
        .iter()
        .zip(filter.schema().fields())
        .map(|(place, field)| ProjectionExpr {
            expr: Arc::new(Column::new(field.name(), *place)),
            alias: field.name().clone(),
        })
        .collect();
    let bare = FilterExecBuilder::from(filter).apply_projection(None)?.build()?;
    Ok(Some(Arc::new(ProjectionExec::try_new(columns, Arc::new(bare))?)))
}
