//! The range of time that the conditions of a statement make.
//!
//! Only what holds for every row counts: comparisons of the time with constants, joined by AND, in WHERE of the statement or of one
//! that it selects from.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::Between;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

/// One end of a range: a constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash)]
pub(super) struct Bound {
    pub(super) value: Expr,
    /// Whether the range begins, or ends, after it rather than at it.
    pub(super) is_after: bool,
}

/// A range of time: from the latest of the starts to the earliest of the ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Hash)]
pub(super) struct Bounds {
    pub(super) starts: Vec<Bound>,
    pub(super) ends: Vec<Bound>,
}

impl Bounds {
    /// Those of a column of the rows of a plan.
    pub(super) fn of(plan: &LogicalPlan, column: &Column) -> Result<Self> {
        let mut bounds = Self::default();
        bounds.collect(plan, column)?;
        Ok(bounds)
    }

    fn collect(&mut self, plan: &LogicalPlan, column: &Column) -> Result<()> {
        match plan {
            LogicalPlan::Filter(filter) => {
                for part in split_conjunction(&filter.predicate) {
                    self.narrow(part, column, plan)?;
                }
                self.collect(&filter.input, column)
            }
            // Rows are only left out or put into another order, or columns added.
            LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Repartition(_) => {
                // In a join a time may become null, which is in no bucket; of the other times each is one of its side.
                let with = |input: &&LogicalPlan| input.schema().has_column(column);
                match plan
                    .inputs()
                    .into_iter()
                    .filter(with)
                    .collect::<Vec<_>>()
                    .as_slice()
                {
                    [input] => self.collect(input, column),
                    _ => Ok(()),
                }
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let inner = plan.schema().maybe_index_of_column(column);
                match inner.and_then(|at| alias.input.schema().columns().into_iter().nth(at)) {
                    Some(inner) => self.collect(&alias.input, &inner),
                    None => Ok(()),
                }
            }
            LogicalPlan::Projection(projection) => {
                let at = plan.schema().maybe_index_of_column(column);
                let expr = at.and_then(|at| projection.expr.get(at));
                match expr
                    .map(|expr| time_column(expr, &projection.input))
                    .transpose()?
                {
                    Some(Some(inner)) => self.collect(&projection.input, &inner),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn narrow(&mut self, condition: &Expr, column: &Column, plan: &LogicalPlan) -> Result<()> {
        let is_time = |expr: &Expr| {
            Ok::<_, datafusion::common::DataFusionError>(time_column(expr, plan)?.as_ref() == Some(column))
        };
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if is_time(left)? && is_constant(right)? {
                    self.compare(*op, right);
                } else if is_time(right)?
                    && is_constant(left)?
                    && let Some(op) = op.swap()
                {
                    self.compare(op, left);
                }
            }
            Expr::Between(Between {
                expr,
                negated: false,
                low,
                high,
            }) if is_time(expr)? => {
                for (op, bound) in [(Operator::GtEq, low), (Operator::LtEq, high)] {
                    if is_constant(bound)? {
                        self.compare(op, bound);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn compare(&mut self, op: Operator, value: &Expr) {
        let bound = |is_after| Bound {
            value: value.clone(),
            is_after,
        };
        match op {
            Operator::GtEq => self.starts.push(bound(false)),
            Operator::Gt => self.starts.push(bound(true)),
            Operator::LtEq => self.ends.push(bound(true)),
            Operator::Lt => self.ends.push(bound(false)),
            Operator::Eq => {
                self.starts.push(bound(false));
                self.ends.push(bound(true));
            }
            _ => {}
        }
    }
}

/// The column of times that an expression is, perhaps in a type that has the same instants.
pub(super) fn time_column(expr: &Expr, input: &LogicalPlan) -> Result<Option<Column>> {
    match expr {
        Expr::Column(column) => Ok(Some(column.clone())),
        Expr::Alias(alias) => time_column(&alias.expr, input),
        Expr::Cast(cast) => {
            let from = cast.expr.get_type(input.schema())?;
            match keeps_instants(&from, cast.field.data_type()) {
                true => time_column(&cast.expr, input),
                false => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// Whether a cast of times changes no instant.
fn keeps_instants(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        // A time without a zone is taken for one of the other's zone, so the instant may change; the other way it is as it was.
        (DataType::Timestamp(unit, from), DataType::Timestamp(finer, to)) => {
            (unit == finer || *finer == TimeUnit::Nanosecond) && (from.is_some() || to.is_none())
        }
        (DataType::Date32, DataType::Timestamp(_, None)) => true,
        _ => false,
    }
}

fn is_constant(expr: &Expr) -> Result<bool> {
    let mut is_constant = !expr.is_volatile();
    expr.apply(|part| {
        let varies = matches!(
            part,
            Expr::Column(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::Placeholder(_)
        );
        is_constant &= !varies;
        Ok(match varies {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(is_constant)
}
