//! What is refused of rows that are to be inserted.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan};

/// Refuses numbers as times: their unit would be guessed.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Dml(insert) = plan else {
        return Ok(());
    };
    let mut rows = insert.input.as_ref();
    loop {
        match rows {
            LogicalPlan::Projection(projection) => {
                for expr in &projection.expr {
                    check_value(expr, &projection.input)?;
                }
                rows = &projection.input;
                if !matches!(rows, LogicalPlan::Values(_)) {
                    return Ok(());
                }
            }
            LogicalPlan::Values(values) => {
                for value in values.values.iter().flatten() {
                    check_value(value, rows)?;
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
}

fn check_value(value: &Expr, rows: &LogicalPlan) -> Result<()> {
    let value = value.clone().unalias();
    let Expr::Cast(Cast { expr, field }) = &value else {
        return Ok(());
    };
    let given = expr.get_type(rows.schema())?;
    if given.is_numeric() && field.data_type().is_temporal() {
        return plan_err!(
            "{expr} is a number, and the column holds times: write it as TIMESTAMP '2026-11-20T09:30:00Z', or say its unit with \
             to_timestamp_millis() or the like"
        );
    }
    Ok(())
}
