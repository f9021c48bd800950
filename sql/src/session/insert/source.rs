//! What an `INSERT` has of its own that the planner would not keep: casts in `VALUES`, and constants without a name.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, Expr, Ident, Select, SelectItem, SetExpr, Statement as SqlStatement,
};

/// Casts what is cast in `VALUES` once more to the same type, so that it is known from the planner's own cast, which then stands around
/// both; and gives a name to each constant of a `SELECT`, of which the planner takes no two that are written alike.
pub(in super::super) fn prepare(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => prepare_sql(statement),
        Statement::Explain(explain) => prepare(&mut explain.statement),
        _ => {}
    }
}

fn prepare_sql(statement: &mut SqlStatement) {
    match statement {
        SqlStatement::Explain { statement, .. } => prepare_sql(statement),
        SqlStatement::Insert(insert) => {
            if let Some(source) = &mut insert.source {
                prepare_rows(&mut source.body);
            }
        }
        _ => {}
    }
}

fn prepare_rows(rows: &mut SetExpr) {
    match rows {
        SetExpr::Values(values) => {
            for value in values.rows.iter_mut().flat_map(|row| &mut row.content) {
                cast_twice(value);
            }
        }
        SetExpr::Select(select) => name_constants(select),
        SetExpr::SetOperation { left, right, .. } => {
            prepare_rows(left);
            prepare_rows(right);
        }
        _ => {}
    }
}

fn cast_twice(value: &mut Expr) {
    match value {
        Expr::Nested(inner) => cast_twice(inner),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            data_type,
            ..
        } => {
            let data_type = data_type.clone();
            let inner = std::mem::replace(value, Expr::value(ast::Value::Null));
            *value = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(inner),
                data_type,
                array: false,
                format: None,
            };
        }
        _ => {}
    }
}

fn name_constants(select: &mut Select) {
    for (at, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && is_constant(expr)
        {
            *item = SelectItem::ExprWithAlias {
                alias: Ident::with_quote('"', format!("constant {}", at + 1)),
                expr: expr.clone(),
            };
        }
    }
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(expr) | Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } => is_constant(expr),
        _ => false,
    }
}
