//! Rows that are to be inserted: what their columns would not hold is refused instead of cut.
//!
//! The planner casts what is given to the types of the columns. In the place of each of these casts comes [`Stored`], which looks whether
//! the value is the same afterwards. A cast that the statement has itself is told from them by [`prepare`].

mod source;
mod stored;
mod text;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    Cast, DmlStatement, Expr, ExprSchemable, LogicalPlan, Projection, Values, WriteOp,
};

pub(super) use source::prepare;
use stored::Stored;

/// Lets a plan refuse what the columns of a table would not hold.
pub(super) fn guard(plan: LogicalPlan) -> Result<LogicalPlan> {
    let guarded = plan.transform_up(|plan| match plan {
        LogicalPlan::Dml(insert) if matches!(insert.op, WriteOp::Insert(_)) => {
            guard_insert(insert).map(|insert| Transformed::yes(LogicalPlan::Dml(insert)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(guarded.data)
}

fn guard_insert(insert: DmlStatement) -> Result<DmlStatement> {
    let LogicalPlan::Projection(columns) = insert.input.as_ref() else {
        return Ok(insert);
    };
    let names = names(columns);
    // The planner casts VALUES itself. There are none inside of a query: the statement's check refuses them.
    let rows = columns.input.as_ref().clone();
    let rows = rows.transform_up(|plan| match plan {
        LogicalPlan::Values(values) => guard_values(values, &names).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    let rows = Arc::new(rows.data);
    let guarded = columns.expr.iter().map(|expr| match expr {
        Expr::Alias(alias) => {
            let value = stored(alias.expr.as_ref(), &rows, &alias.name)?;
            Ok(value.alias(&alias.name))
        }
        other => Ok(other.clone()),
    });
    let guarded = guarded.collect::<Result<Vec<_>>>()?;
    let input = Projection::try_new(guarded, Arc::clone(&rows))?;
    Ok(DmlStatement {
        input: Arc::new(LogicalPlan::Projection(input)),
        ..insert
    })
}

/// The columns of the table that the rows' columns go to.
fn names(columns: &Projection) -> Vec<Option<String>> {
    let rows = columns.input.schema();
    let mut names = vec![None; rows.fields().len()];
    for expr in &columns.expr {
        let Expr::Alias(alias) = expr else {
            continue;
        };
        let value = match alias.expr.as_ref() {
            Expr::Cast(cast) => cast.expr.as_ref(),
            other => other,
        };
        if let Expr::Column(column) = value
            && let Some(at) = rows.maybe_index_of_column(column)
            && let Some(name) = names.get_mut(at)
        {
            *name = Some(alias.name.clone());
        }
    }
    names
}

fn guard_values(values: Values, names: &[Option<String>]) -> Result<LogicalPlan> {
    let schema = Arc::clone(&values.schema);
    let rows = LogicalPlan::Values(values.clone());
    let guarded = values.values.into_iter().map(|row| {
        let row = row.into_iter().enumerate().map(|(at, value)| {
            let name = names.get(at).and_then(Option::as_deref);
            stored(&value, &rows, name.unwrap_or_default())
        });
        row.collect::<Result<Vec<_>>>()
    });
    Ok(LogicalPlan::Values(Values {
        schema,
        values: guarded.collect::<Result<_>>()?,
    }))
}

/// What is stored of a value in a column.
fn stored(value: &Expr, rows: &LogicalPlan, column: &str) -> Result<Expr> {
    let Expr::Cast(Cast { expr, field }) = value else {
        return Ok(value.clone());
    };
    let (given, to) = (expr.get_type(rows.schema())?, field.data_type());
    if given.is_numeric() && to.is_temporal() {
        return plan_err!(
            "{expr} is a number, and the column holds times: write it as TIMESTAMP '2026-11-20T09:30:00Z', or say its unit with \
             to_timestamp_millis() or the like"
        );
    }
    Ok(match Stored::may_differ(&given, to) {
        true => Stored::of(expr.as_ref().clone(), to, column),
        false => value.clone(),
    })
}
