//! An aggregation that a native query does, as a node of the logical plan.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::{Aggregate, Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use super::aggregate::translate;

/// The aggregation. Nothing of the plan lies below it: what it reads belongs to its query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash)]
pub(super) struct NativeAggregate {
    pub(super) of: Aggregate,
}

impl UserDefinedLogicalNodeCore for NativeAggregate {
    fn name(&self) -> &'static str {
        "NativeAggregate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.of.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |exprs: &[Expr]| exprs.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ");
        write!(
            f,
            "NativeAggregate: groupBy=[[{}]], aggr=[[{}]]",
            joined(&self.of.group_expr),
            joined(&self.of.aggr_expr)
        )
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match exprs.is_empty() && inputs.is_empty() {
            true => Ok(self.clone()),
            false => internal_err!("a native aggregation has no inputs"),
        }
    }
}

/// The plan with native queries in the place of the aggregations that they can do.
///
/// This comes after DataFusion's own rules, when every condition lies as near to its table as it can.
pub(crate) fn with_native(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let replaced = plan.clone().transform_down_with_subqueries(|plan| {
        let LogicalPlan::Aggregate(aggregate) = &plan else {
            return Ok(Transformed::no(plan));
        };
        if translate(aggregate).is_none() {
            return Ok(Transformed::no(plan));
        }
        let node = Arc::new(NativeAggregate {
            of: aggregate.clone(),
        });
        Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
    });
    replaced.map(|replaced| replaced.data)
}
