//! The rule that gives floats to DataFusion as keys: in `GROUP BY`, `DISTINCT` of rows and within aggregates, `PARTITION BY`, and
//! `UNION`, `INTERSECT` and `EXCEPT`.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, NullEquality, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, GroupingSet, Join, LogicalPlan, Projection, Window,
};
use datafusion::optimizer::AnalyzerRule;

use super::FloatKey;

/// The rule. It is given plans whose types are settled.
#[derive(Debug)]
pub(crate) struct FloatKeyRule;

impl AnalyzerRule for FloatKeyRule {
    fn name(&self) -> &'static str {
        "float_key"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite)?.data)
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => of_groups(aggregate),
        LogicalPlan::Distinct(distinct) => of_distinct(distinct),
        LogicalPlan::Window(window) => of_windows(window),
        // Only those of INTERSECT and EXCEPT are there yet.
        LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull => of_sets(join),
        other => Ok(Transformed::no(other)),
    }
}

fn of_groups(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let Aggregate {
        input,
        group_expr,
        aggr_expr,
        schema,
        ..
    } = aggregate;
    let mut keys = Keys::over(input.schema());
    let groups = group_expr.into_iter().map(|expr| keys.group(expr));
    let groups = groups.collect::<Result<Vec<_>>>()?;
    let values = aggr_expr.into_iter().map(|expr| keys.within(expr));
    let values = values.collect::<Result<Vec<_>>>()?;
    let is_new = keys.is_new;
    let aggregate = Aggregate::try_new_with_schema(input, groups, values, schema)?;
    Ok(Transformed::new_transformed(
        LogicalPlan::Aggregate(aggregate),
        is_new,
    ))
}

fn of_distinct(distinct: Distinct) -> Result<Transformed<LogicalPlan>> {
    match distinct {
        Distinct::All(input) => {
            let mut keys = Keys::over(input.schema());
            let columns = input.schema().columns().into_iter();
            let columns = columns.map(|column| keys.named(Expr::Column(column)));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            if !keys.is_new {
                return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::All(input))));
            }
            let rows = LogicalPlan::Projection(Projection::try_new(columns, Arc::clone(&input))?);
            Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::All(Arc::new(
                rows,
            )))))
        }
        Distinct::On(mut on) => {
            let input = Arc::clone(&on.input);
            let mut keys = Keys::over(input.schema());
            for sort in on.sort_expr.iter_mut().flatten() {
                if on.on_expr.contains(&sort.expr) {
                    sort.expr = keys.key(sort.expr.clone())?;
                }
            }
            for expr in &mut on.on_expr {
                *expr = keys.named(expr.clone())?;
            }
            let is_new = keys.is_new;
            Ok(Transformed::new_transformed(
                LogicalPlan::Distinct(Distinct::On(on)),
                is_new,
            ))
        }
    }
}

fn of_windows(window: Window) -> Result<Transformed<LogicalPlan>> {
    let Window {
        input,
        window_expr,
        schema,
    } = window;
    let mut keys = Keys::over(input.schema());
    let exprs = window_expr.into_iter().map(|expr| keys.within(expr));
    let window_expr = exprs.collect::<Result<Vec<_>>>()?;
    let is_new = keys.is_new;
    let window = Window {
        input,
        window_expr,
        schema,
    };
    Ok(Transformed::new_transformed(LogicalPlan::Window(window), is_new))
}

fn of_sets(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let sides = (Arc::clone(join.left.schema()), Arc::clone(join.right.schema()));
    let (mut left, mut right) = (Keys::over(&sides.0), Keys::over(&sides.1));
    for (one, other) in &mut join.on {
        (*one, *other) = (left.key(one.clone())?, right.key(other.clone())?);
    }
    let is_new = left.is_new || right.is_new;
    Ok(Transformed::new_transformed(LogicalPlan::Join(join), is_new))
}

/// Expressions over the columns of a plan, floats as keys.
struct Keys<'a> {
    schema: &'a DFSchema,
    /// Whether there was a float among them.
    is_new: bool,
}

impl<'a> Keys<'a> {
    const fn over(schema: &'a DFSchema) -> Self {
        Self {
            schema,
            is_new: false,
        }
    }

    fn key(&mut self, expr: Expr) -> Result<Expr> {
        if FloatKey::argument(&expr).is_some() || !expr.get_type(self.schema)?.is_floating() {
            return Ok(expr);
        }
        self.is_new = true;
        Ok(FloatKey::of(expr.unalias()))
    }

    /// Under the name that it has.
    fn named(&mut self, expr: Expr) -> Result<Expr> {
        let name = NamePreserver::new_for_projection().save(&expr);
        Ok(name.restore(self.key(expr)?))
    }

    /// What rows are grouped by.
    fn group(&mut self, expr: Expr) -> Result<Expr> {
        let mut all = |exprs: Vec<Expr>| {
            let exprs = exprs.into_iter().map(|expr| self.named(expr));
            exprs.collect::<Result<Vec<_>>>()
        };
        Ok(match expr {
            Expr::GroupingSet(GroupingSet::Rollup(exprs)) => {
                Expr::GroupingSet(GroupingSet::Rollup(all(exprs)?))
            }
            Expr::GroupingSet(GroupingSet::Cube(exprs)) => Expr::GroupingSet(GroupingSet::Cube(all(exprs)?)),
            Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
                let sets = sets.into_iter().map(all).collect::<Result<_>>()?;
                Expr::GroupingSet(GroupingSet::GroupingSets(sets))
            }
            expr => self.named(expr)?,
        })
    }

    /// What aggregates and windows take different values or parts by.
    fn within(&mut self, expr: Expr) -> Result<Expr> {
        let name = NamePreserver::new_for_projection().save(&expr);
        let expr = expr.transform_up(|expr| self.call(expr).map(Transformed::yes))?;
        Ok(name.restore(expr.data))
    }

    fn call(&mut self, mut expr: Expr) -> Result<Expr> {
        match &mut expr {
            Expr::AggregateFunction(call) if call.params.distinct => {
                for sort in &mut call.params.order_by {
                    sort.expr = self.key(sort.expr.clone())?;
                }
                self.each(&mut call.params.args)?;
            }
            Expr::WindowFunction(call) => {
                if call.params.distinct {
                    self.each(&mut call.params.args)?;
                }
                self.each(&mut call.params.partition_by)?;
            }
            _ => {}
        }
        Ok(expr)
    }

    fn each(&mut self, exprs: &mut [Expr]) -> Result<()> {
        for expr in exprs {
            *expr = self.key(expr.clone())?;
        }
        Ok(())
    }
}
