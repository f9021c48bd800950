//! Conditions on left columns below the join: left rows that nobody wants are neither read nor matched, and right rows that can
//! match none of the others are not read either.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, Extension, Filter, LogicalPlan, Operator};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::{AsOfJoin, Direction};

/// The rule. The join keeps every left row, so a condition on left columns alone means the same on both sides of it.
#[derive(Debug)]
pub(crate) struct PushDownAsOf;

impl OptimizerRule for PushDownAsOf {
    fn name(&self) -> &'static str {
        "push_down_as_of"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let LogicalPlan::Extension(extension) = filter.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let Some(join) = extension.node.as_any().downcast_ref::<AsOfJoin>() else {
            return Ok(Transformed::no(plan));
        };
        let (below, above): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.predicate.clone())
            .into_iter()
            .partition(|part| is_of_left(part, join));
        let of_right: Vec<Expr> = below.iter().filter_map(|part| implied(part, join)).collect();
        let Some(below) = conjunction(below) else {
            return Ok(Transformed::no(plan));
        };
        let left = LogicalPlan::Filter(Filter::try_new(below, Arc::clone(&join.left))?);
        let right = match conjunction(of_right) {
            Some(of_right) => Arc::new(LogicalPlan::Filter(Filter::try_new(
                of_right,
                Arc::clone(&join.right),
            )?)),
            None => Arc::clone(&join.right),
        };
        let join = AsOfJoin {
            left: Arc::new(left),
            right,
            ..join.clone()
        };
        let join = LogicalPlan::Extension(Extension { node: Arc::new(join) });
        Ok(Transformed::yes(match conjunction(above) {
            Some(above) => LogicalPlan::Filter(Filter::try_new(above, Arc::new(join))?),
            None => join,
        }))
    }
}

fn is_of_left(part: &Expr, join: &AsOfJoin) -> bool {
    let columns = part.column_refs();
    !part.is_volatile()
        && !columns.is_empty()
        && columns
            .into_iter()
            .all(|column| join.left.schema().has_column(column))
}

/// What a condition on left rows says of the right rows that can match them.
fn implied(part: &Expr, join: &AsOfJoin) -> Option<Expr> {
    of_keys(part, join).or_else(|| of_time(part, join))
}

/// A condition on left key columns holds for the right ones too, which are equal.
fn of_keys(part: &Expr, join: &AsOfJoin) -> Option<Expr> {
    let right_of = |column: &Column| {
        join.keys.iter().find_map(|key| match (&key.left, &key.right) {
            (Expr::Column(left), Expr::Column(right)) if left == column => Some(right.clone()),
            _ => None,
        })
    };
    if !part
        .column_refs()
        .into_iter()
        .all(|column| right_of(column).is_some())
    {
        return None;
    }
    let moved = part.clone().transform(|expr| match &expr {
        Expr::Column(column) => Ok(match right_of(column) {
            Some(right) => Transformed::yes(Expr::Column(right)),
            None => Transformed::no(expr),
        }),
        _ => Ok(Transformed::no(expr)),
    });
    moved.ok().map(|moved| moved.data)
}

/// What lies before the end of the left times, or after their beginning.
fn of_time(part: &Expr, join: &AsOfJoin) -> Option<Expr> {
    let (Expr::Column(left), Expr::Column(right)) = (&join.left_time, &join.right_time) else {
        return None;
    };
    let Expr::BinaryExpr(BinaryExpr {
        left: column,
        op,
        right: bound,
    }) = part
    else {
        return None;
    };
    let Expr::Column(column) = &**column else {
        return None;
    };
    let op = match (join.direction, op) {
        (Direction::Backward { .. }, Operator::Lt | Operator::LtEq) => Operator::LtEq,
        (Direction::Forward { .. }, Operator::Gt | Operator::GtEq) => Operator::GtEq,
        _ => return None,
    };
    let right = Box::new(Expr::Column(right.clone()));
    let is_constant = bound.column_refs().is_empty() && !bound.is_volatile();
    (column == left && is_constant).then(|| Expr::BinaryExpr(BinaryExpr::new(right, op, bound.clone())))
}
