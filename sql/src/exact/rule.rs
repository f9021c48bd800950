//! The rule that compares whole numbers and decimals with what is written, not with the double next to it.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_datafusion_err};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::digits::Digits;

/// The rule. It is given plans in which nothing is cast yet.
#[derive(Debug)]
pub(crate) struct ExactRule;

impl AnalyzerRule for ExactRule {
    fn name(&self) -> &'static str {
        "exact_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite)?.data)
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if matches!(plan, LogicalPlan::Extension(_)) {
        return Ok(Transformed::no(plan));
    }
    let (schema, names) = (merge_schema(&plan.inputs()), NamePreserver::new(&plan));
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let exact = expr.transform_up(|expr| exact(expr, &schema))?;
        Ok(match exact.transformed {
            true => exact.update_data(|expr| name.restore(expr)),
            false => exact,
        })
    })
}

fn exact(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let (one, other) = (
                against(&left, &right, true, schema)?,
                against(&right, &left, true, schema)?,
            );
            let is_new = one.is_some() || other.is_some();
            let compared = BinaryExpr {
                left: other.map_or(left, Box::new),
                op,
                right: one.map_or(right, Box::new),
            };
            Ok(Transformed::new_transformed(Expr::BinaryExpr(compared), is_new))
        }
        Expr::Between(mut between) => {
            let Between { expr, low, high, .. } = &mut between;
            let mut is_new = false;
            for bound in [low, high] {
                if let Some(exact) = against(expr, bound, false, schema)? {
                    (**bound, is_new) = (exact, true);
                }
            }
            Ok(Transformed::new_transformed(Expr::Between(between), is_new))
        }
        Expr::InList(mut list) => {
            let InList {
                expr, list: items, ..
            } = &mut list;
            let mut is_new = false;
            for item in items {
                if let Some(exact) = against(expr, item, false, schema)? {
                    (*item, is_new) = (exact, true);
                }
            }
            Ok(Transformed::new_transformed(Expr::InList(list), is_new))
        }
        other => Ok(Transformed::no(other)),
    }
}

const fn is_comparison(op: Operator) -> bool {
    use Operator as O;
    matches!(
        op,
        O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom
    )
}

/// What a value is to be compared with instead of a written number. Where it is compared with several, a double that is left among them
/// would make doubles of all.
fn against(value: &Expr, number: &Expr, is_alone: bool, schema: &DFSchema) -> Result<Option<Expr>> {
    let Some((digits, is_double)) = written(number) else {
        return Ok(None);
    };
    // What has no type yet is refused by the rules that come.
    let Ok(of) = value.get_type(schema) else {
        return Ok(None);
    };
    let exact = match of {
        of if of.is_integer() => against_whole(&digits, is_double && is_alone),
        of if of.is_decimal() && is_double => {
            let (unscaled, precision, scale) = digits.decimal().ok_or_else(|| {
                plan_datafusion_err!("{number} is no decimal of 38 digits, and {value} is a decimal: cast it to DOUBLE to compare both as doubles")
            })?;
            Some(ScalarValue::Decimal128(Some(unscaled), precision, scale))
        }
        // The planner would compute the double from the decimal, which may be its neighbour.
        of if of.is_floating() && !is_double => {
            digits.double().map(|double| ScalarValue::Float64(Some(double)))
        }
        _ => None,
    };
    Ok(exact.map(|exact| Expr::Literal(exact, None)))
}

/// A whole number is compared with one. A double with a fraction is less than 2^53, and whole numbers are doubles there; of more digits
/// only those before the point matter.
fn against_whole(digits: &Digits, is_double_enough: bool) -> Option<ScalarValue> {
    if !digits.is_whole() {
        let middle = digits.middle().filter(|_| !is_double_enough)?;
        let precision = u8::try_from(middle.unsigned_abs().to_string().len()).ok()?;
        return (precision <= 38).then_some(ScalarValue::Decimal128(Some(middle), precision, 1));
    }
    // Beyond that a double is farther away than any whole number.
    let (unscaled, precision, _) = digits.decimal()?;
    Some(match (i64::try_from(unscaled), u64::try_from(unscaled)) {
        (Ok(number), _) => ScalarValue::Int64(Some(number)),
        (_, Ok(number)) => ScalarValue::UInt64(Some(number)),
        _ => ScalarValue::Decimal128(Some(unscaled), precision, 0),
    })
}

/// The digits of a constant, and whether it is a double; others are what [`keep_digits`](super::keep_digits) makes.
fn written(number: &Expr) -> Option<(Digits, bool)> {
    match number {
        Expr::Literal(ScalarValue::Float64(Some(number)), _) if number.is_finite() => {
            Some((Digits::parse(&number.to_string())?, true))
        }
        Expr::Cast(cast) if cast.field.data_type().is_decimal() => match cast.expr.as_ref() {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some((Digits::parse(text)?, false)),
            _ => None,
        },
        Expr::Negative(inner) => {
            let (digits, is_double) = written(inner)?;
            Some((digits.negated(), is_double))
        }
        _ => None,
    }
}
