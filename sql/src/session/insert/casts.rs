//! Casts that a statement has itself.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, Expr, Query, SetExpr, Statement as SqlStatement, VisitorMut,
};

use super::super::statement::visit_all;

/// Casts what is cast in `VALUES` of an `INSERT` once more to the same type, so that it is known from the planner's own cast, which then
/// stands around both.
pub(in super::super) fn keep_casts(statement: &mut Statement) {
    if is_insert(statement) {
        visit_all(statement, &mut Keep);
    }
}

fn is_insert(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            SqlStatement::Explain { statement, .. } => matches!(**statement, SqlStatement::Insert(_)),
            statement => matches!(statement, SqlStatement::Insert(_)),
        },
        Statement::Explain(explain) => is_insert(&explain.statement),
        _ => false,
    }
}

struct Keep;

impl VisitorMut for Keep {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        keep(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn keep(rows: &mut SetExpr) {
    match rows {
        SetExpr::Values(values) => {
            for value in values.rows.iter_mut().flat_map(|row| &mut row.content) {
                twice(value);
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            keep(left);
            keep(right);
        }
        // A query of its own is visited by itself.
        _ => {}
    }
}

fn twice(value: &mut Expr) {
    match value {
        Expr::Nested(inner) => twice(inner),
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
