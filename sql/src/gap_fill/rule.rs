//! Statements that group by `time_bucket_gapfill`.
//!
//! What they group by becomes an ordinary key; what is to be filled is computed of the groups that have rows; above that comes
//! [`GapFill`], and everything that was above the groups, HAVING too, sees the rows of every bucket.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, Projection, ScalarUDF,
};
use datafusion::optimizer::AnalyzerRule;
use gapless_engine::coverage::duration_ns;

use super::bounds::{Bounds, time_column};
use super::node::{FLAG, Filled, GapFill, Method};
use crate::error::to_datafusion;
use crate::function::{FillFunction, FillKind, TimeBucket};

/// The rule.
#[derive(Debug)]
pub(crate) struct GapFillRule;

impl AnalyzerRule for GapFillRule {
    fn name(&self) -> &'static str {
        "gap_fill"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let filled = plan.transform_up_with_subqueries(rewrite)?;
        let plan = match filled.transformed {
            // Aggregates may be null now where they were not.
            true => {
                filled
                    .data
                    .transform_up_with_subqueries(|plan| plan.recompute_schema().map(Transformed::yes))?
                    .data
            }
            false => filled.data,
        };
        plan.apply_with_subqueries(|plan| {
            plan.apply_expressions(|expr| expr.apply(refuse_left_over))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }
}

/// A function that no buckets to fill were found for.
fn refuse_left_over(expr: &Expr) -> Result<TreeNodeRecursion> {
    if is_gapfill(expr) {
        return plan_err!(
            "time_bucket_gapfill is a key of groups, by itself: write SELECT sym, time_bucket_gapfill('1m', ts) AS minute, ... GROUP BY sym, minute"
        );
    }
    if let Some((function, _)) = fill_function(expr) {
        return plan_err!(
            "{} tells what buckets have that time_bucket_gapfill fills: write it in SELECT or HAVING of a statement that groups by one, and not inside of an aggregate or of another such function",
            function.usage()
        );
    }
    Ok(TreeNodeRecursion::Continue)
}

fn is_gapfill(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call
            .func
            .inner()
            .downcast_ref::<TimeBucket>()
            .is_some_and(TimeBucket::is_gapfill),
        _ => false,
    }
}

/// The function of filling that an expression is, and its arguments.
fn fill_function(expr: &Expr) -> Option<(&FillFunction, &[Expr])> {
    match expr {
        Expr::ScalarFunction(call) => {
            let function = call.func.inner().downcast_ref::<FillFunction>()?;
            Some((function, &call.args))
        }
        _ => None,
    }
}

fn has_gapfill(expr: &Expr) -> bool {
    expr.exists(|part| Ok(is_gapfill(part))).unwrap_or_default()
}

/// A projection over groups with buckets to fill.
fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let Some(aggregate) = groups_below(&plan).filter(|groups| groups.group_expr.iter().any(has_gapfill))
    else {
        return Ok(Transformed::no(plan));
    };
    let mut wanted = Vec::new();
    collect(&plan, &mut wanted)?;
    let fill = filling(aggregate.clone(), &wanted)?;
    let plan = replace(plan, &fill)?;
    Ok(Transformed::yes(plan))
}

/// The groups that a projection is of: below conditions and windows.
fn groups_below(plan: &LogicalPlan) -> Option<&Aggregate> {
    let LogicalPlan::Projection(projection) = plan else {
        return None;
    };
    let mut plan = projection.input.as_ref();
    loop {
        plan = match plan {
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::Window(window) => &window.input,
            LogicalPlan::Aggregate(groups) => return Some(groups),
            _ => return None,
        };
    }
}

/// The functions of filling that are written above the groups, each once.
fn collect(plan: &LogicalPlan, wanted: &mut Vec<Expr>) -> Result<()> {
    if matches!(plan, LogicalPlan::Aggregate(_)) {
        return Ok(());
    }
    plan.apply_expressions(|expr| {
        expr.apply(|part| {
            if fill_function(part).is_none() {
                return Ok(TreeNodeRecursion::Continue);
            }
            if !wanted.contains(part) {
                wanted.push(part.clone());
            }
            // One inside of another stays, and is refused.
            Ok(TreeNodeRecursion::Jump)
        })
    })?;
    plan.inputs()
        .into_iter()
        .try_for_each(|input| collect(input, wanted))
}

/// The groups, and what fills them.
fn filling(groups: Aggregate, wanted: &[Expr]) -> Result<LogicalPlan> {
    let (at, call) = bucket_key(&groups.group_expr)?;
    let [every, time, further @ ..] = call.args.as_slice() else {
        return plan_err!("time_bucket_gapfill takes an interval and a time");
    };
    let Some(column) = time_column(time, &groups.input)? else {
        return plan_err!(
            "time_bucket_gapfill: the time must be a column, so that its bounds in WHERE say which buckets there are, not {time}"
        );
    };
    let bounds = Bounds::of(&groups.input, &column)?;
    if bounds.starts.is_empty() || bounds.ends.is_empty() {
        return plan_err!(
            "time_bucket_gapfill fills the buckets between two times: write WHERE {column} >= ... AND {column} < ..., with constants"
        );
    }
    let every: Vec<Expr> = [every].into_iter().chain(further).cloned().collect();
    let groups = with_plain_key(groups, at)?;
    let columns = groups.schema.columns();
    let (keys, aggregates) = columns.split_at(groups.group_expr.len());
    let Some(bucket) = keys.get(at).cloned().map(Expr::Column) else {
        return plan_err!("time_bucket_gapfill has no column");
    };
    let keys = keys
        .iter()
        .cloned()
        .map(Expr::Column)
        .filter(|key| *key != bucket)
        .collect();
    let mut filled = defaults(&groups, aggregates)?;
    let mut exprs: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
    for expr in wanted {
        if let Some((column, expr)) = filled_column(expr, &groups)? {
            exprs.push(expr);
            filled.push(column);
        }
    }
    let has_own = exprs.len() > columns.len();
    let input = LogicalPlan::Aggregate(groups);
    let input = match has_own {
        true => LogicalPlanBuilder::from(input).project(exprs)?.build()?,
        false => input,
    };
    let node = GapFill {
        schema: Arc::clone(input.schema()),
        input: Arc::new(LogicalPlan::default()),
        keys,
        bucket,
        every,
        bounds,
        filled,
        is_flagged: wanted.iter().any(is_flag),
        above: Vec::new(),
    };
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(node.over(input)?),
    }))
}

/// The one key that is a bucket to fill.
fn bucket_key(keys: &[Expr]) -> Result<(usize, ScalarFunction)> {
    if let [Expr::GroupingSet(_)] = keys {
        return plan_err!(
            "time_bucket_gapfill is no key of GROUPING SETS, ROLLUP or CUBE: group by it in a statement of its own"
        );
    }
    let mut found = None;
    for (at, key) in keys.iter().enumerate() {
        match key.clone().unalias() {
            Expr::ScalarFunction(call) if is_gapfill(&Expr::ScalarFunction(call.clone())) => {
                if call.args.iter().any(has_gapfill) {
                    return plan_err!("time_bucket_gapfill inside of time_bucket_gapfill: write it once");
                }
                if found.replace((at, call)).is_some() {
                    return plan_err!("a statement groups by one time_bucket_gapfill, not by several");
                }
            }
            other if has_gapfill(&other) => {
                return plan_err!(
                    "time_bucket_gapfill is a key by itself, not a part of {other}: use it in SELECT instead"
                );
            }
            _ => {}
        }
    }
    found.ok_or_else(|| plan_datafusion_err!("nothing is grouped by time_bucket_gapfill"))
}

/// The groups with a key that can be run. Its name stays.
fn with_plain_key(groups: Aggregate, at: usize) -> Result<Aggregate> {
    let mut keys = groups.group_expr;
    if let Some(key) = keys.get_mut(at) {
        let plain = key.clone().transform(|part| match part {
            Expr::ScalarFunction(mut call) if is_gapfill(&Expr::ScalarFunction(call.clone())) => {
                call.func = Arc::new(ScalarUDF::from(TimeBucket::filled_key()));
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        });
        *key = plain?.data;
    }
    Aggregate::try_new(groups.input, keys, groups.aggr_expr)
}

/// What aggregates of no rows are, where that is not null.
fn defaults(groups: &Aggregate, columns: &[Column]) -> Result<Vec<Filled>> {
    let mut filled = Vec::new();
    for (expr, column) in groups.aggr_expr.iter().zip(columns) {
        if let Expr::AggregateFunction(call) = expr.clone().unalias() {
            let value = call.func.default_value(&expr.get_type(groups.input.schema())?)?;
            if !value.is_null() {
                filled.push(Filled {
                    column: Expr::Column(column.clone()),
                    method: Method::Default(value),
                });
            }
        }
    }
    Ok(filled)
}

fn is_flag(expr: &Expr) -> bool {
    fill_function(expr).is_some_and(|(function, _)| function.kind() == FillKind::IsFilled)
}

/// The column for a function of filling, and what it is where there are rows; `None` where it needs none.
fn filled_column(expr: &Expr, groups: &Aggregate) -> Result<Option<(Filled, Expr)>> {
    let Some((function, args)) = fill_function(expr) else {
        return Ok(None);
    };
    let usage = function.usage();
    let Some(value) = args.first() else {
        return Ok(None);
    };
    let is_of_groups = |column: &&Column| groups.schema.has_column(column);
    if !value.column_refs().iter().all(is_of_groups) {
        return plan_err!("{usage}: {value} is not made of aggregates and keys of the statement's groups");
    }
    let method = match (function.kind(), args.get(1)) {
        (FillKind::IsFilled, _) => return Ok(None),
        (FillKind::Interpolate, _) => Method::Interpolate,
        (FillKind::Locf, None) => Method::Locf { age_max: None },
        (FillKind::Locf, Some(age)) => Method::Locf {
            age_max: Some(age_of(age, usage)?),
        },
    };
    let value = match function.kind() {
        FillKind::Interpolate => value
            .clone()
            .cast_to(&expr.get_type(&groups.schema)?, &groups.schema)?,
        _ => value.clone(),
    };
    let name = expr.schema_name().to_string();
    let filled = Filled {
        column: Expr::Column(Column::new_unqualified(&name)),
        method,
    };
    Ok(Some((filled, value.alias(name))))
}

/// A greatest age in nanoseconds.
fn age_of(expr: &Expr, usage: &str) -> Result<i64> {
    let age = match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => duration_ns(text).map_err(to_datafusion)?,
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(age)), _) if age.months == 0 => {
            let days = i64::from(age.days).checked_mul(86_400_000_000_000);
            days.and_then(|days| days.checked_add(age.nanoseconds))
                .ok_or_else(|| plan_datafusion_err!("{usage}: the greatest age is too long"))?
        }
        other => {
            return plan_err!(
                "{usage}: the greatest age must be a constant length of time such as '5m', and no months: not {other}"
            );
        }
    };
    match age {
        negative if negative < 0 => plan_err!("{usage}: the greatest age is negative"),
        age => Ok(age),
    }
}

/// What is above the groups, above what fills them.
fn replace(plan: LogicalPlan, fill: &LogicalPlan) -> Result<LogicalPlan> {
    if matches!(plan, LogicalPlan::Aggregate(_)) {
        return Ok(fill.clone());
    }
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_children(|input| replace(input, fill).map(Transformed::yes))?
        .data;
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(expr
            .transform_down(column_instead)?
            .update_data(|expr| name.restore(expr)))
    })?;
    match plan.data {
        LogicalPlan::Projection(projection) => {
            Projection::try_new(projection.expr, projection.input).map(LogicalPlan::Projection)
        }
        other => other.recompute_schema(),
    }
}

/// The column that stands for a function of filling.
fn column_instead(expr: Expr) -> Result<Transformed<Expr>> {
    let name = match fill_function(&expr) {
        None => return Ok(Transformed::no(expr)),
        Some((function, _)) if function.kind() == FillKind::IsFilled => FLAG.to_owned(),
        Some((_, args))
            if args.iter().any(|arg| {
                arg.exists(|part| Ok(fill_function(part).is_some()))
                    .unwrap_or_default()
            }) =>
        {
            return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
        }
        Some(_) => expr.schema_name().to_string(),
    };
    Ok(Transformed::new(
        Expr::Column(Column::new_unqualified(name)),
        true,
        TreeNodeRecursion::Jump,
    ))
}
