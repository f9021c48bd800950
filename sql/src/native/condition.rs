//! Conditions that a scan cannot tell exactly, as native expressions that can.
//!
//! SQL compares floats in an order in which a `NaN` whose sign is set comes before all numbers, and tells the zeros apart, or not, by its
//! version. Natively `NaN` is greater than all numbers and both zeros are equal. So the `NaN` with a sign is taken for minus infinity here,
//! and comparisons with what may be a zero are only those that are the same either way.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use gapless_format::TableMeta;
use gapless_query::{Expr as Native, lit};

use super::value::float;

/// The condition, over the columns of a table, if it holds for the same rows natively.
pub(super) fn condition(
    expr: &Expr,
    table: &TableMeta,
    exact: &dyn Fn(&Expr) -> Option<Native>,
) -> Option<Native> {
    if let Some(told) = exact(expr) {
        return Some(told);
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return None;
    };
    let both = || Some((condition(left, table, exact)?, condition(right, table, exact)?));
    match op {
        Operator::And => both().map(|(left, right)| left.and(right)),
        Operator::Or => both().map(|(left, right)| left.or(right)),
        op => match (&**left, &**right) {
            (Expr::Literal(number, _), value) => compare(value, op.swap()?, number, table),
            (value, Expr::Literal(number, _)) => compare(value, *op, number, table),
            _ => None,
        },
    }
}

/// A comparison of floats with a number.
fn compare(value: &Expr, op: Operator, number: &ScalarValue, table: &TableMeta) -> Option<Native> {
    let ScalarValue::Float64(Some(number)) = number else {
        return None;
    };
    let value = float(value, table)?;
    let is_same_for_zeros = match op {
        // Neither zero is greater than the one without a sign.
        Operator::Gt | Operator::LtEq => number.is_sign_positive(),
        _ => false,
    };
    if !number.is_finite() || (*number == 0.0 && !is_same_for_zeros) {
        return None;
    }
    let value = value.nan_by_sign();
    match op {
        Operator::Gt => Some(value.gt(lit(*number))),
        Operator::GtEq => Some(value.ge(lit(*number))),
        Operator::Lt => Some(value.lt(lit(*number))),
        Operator::LtEq => Some(value.le(lit(*number))),
        Operator::Eq => Some(value.eq(lit(*number))),
        Operator::NotEq => Some(value.ne(lit(*number))),
        _ => None,
    }
}
