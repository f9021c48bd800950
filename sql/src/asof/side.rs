//! One side of an as-of join that runs.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;

use super::matcher::Lookups;
use super::node::Direction;

/// One side of the join.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) input: Arc<dyn ExecutionPlan>,
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) time: Arc<dyn PhysicalExpr>,
}

impl Side {
    /// Keys and times of rows.
    pub(super) fn lookups(&self, batch: &RecordBatch) -> Result<Lookups> {
        let of = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(batch.num_rows());
        Ok(Lookups {
            keys: self.keys.iter().map(of).collect::<Result<_>>()?,
            times: of(&self.time)?,
        })
    }

    /// The same side of another input.
    fn over(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            input,
            ..self.clone()
        }
    }
}

/// Both sides of other inputs.
pub(super) fn over(left: &Side, right: &Side, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<(Side, Side)> {
    let Ok([of_left, of_right]) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
        return internal_err!("an as-of join has two inputs");
    };
    Ok((left.over(of_left), right.over(of_right)))
}

/// Shows what matches, as an explained plan does.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    left: &Side,
    right: &Side,
    direction: Direction,
) -> fmt::Result {
    write!(f, ": match=[{} {} {}]", left.time, direction.sign(), right.time)?;
    let keys = left.keys.iter().zip(&right.keys);
    let keys: Vec<String> = keys.map(|(left, right)| format!("{left} = {right}")).collect();
    write!(f, ", on=[{}]", keys.join(", "))
}

/// Visits the expressions of both sides.
pub(super) fn visit(
    sides: [&Side; 2],
    visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
) -> Result<TreeNodeRecursion> {
    for side in sides {
        for expr in side.keys.iter().chain([&side.time]) {
            if visit(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
    }
    Ok(TreeNodeRecursion::Continue)
}
