//! DataFusion's planner, which also plans the logical nodes that only gapless has.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::asof::AsOfPlanner;
use crate::gap_fill::GapFillPlanner;
use crate::native::{NativePlanner, with_native};

/// The planner. Each kind of node has a planner of its own, next to it.
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
        let extensions: Vec<Arc<dyn ExtensionPlanner + Send + Sync>> = vec![
            Arc::new(AsOfPlanner),
            Arc::new(GapFillPlanner),
            Arc::new(NativePlanner),
        ];
        let planner = DefaultPhysicalPlanner::with_extension_planners(extensions);
        if !self.native {
            return planner.create_physical_plan(plan, session).await;
        }
        planner.create_physical_plan(&with_native(plan)?, session).await
    }
}
