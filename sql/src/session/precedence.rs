//! `a IS DISTINCT FROM b AND c` as `(a IS DISTINCT FROM b) AND c`.
//!
//! The parser takes all that follows for the right operand. Brackets are nodes of their own in what it gives, so the operands and
//! operators of what stands without brackets can be put in a row again, and together by their precedence.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, VisitorMut};

use super::statement::visit_all;

/// Gives `AND` and `OR` after `IS [NOT] DISTINCT FROM` their place.
pub(super) fn mend(statement: &mut Statement) {
    visit_all(statement, &mut Mend);
}

struct Mend;

impl VisitorMut for Mend {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_joined(expr) || is_distinct(expr) || is_not_of_joined(expr) {
            let taken = std::mem::replace(expr, Expr::value(Value::Null));
            let mut row = Row::default();
            row.take(taken);
            *expr = row.together();
        }
        ControlFlow::Continue(())
    }
}

fn is_joined(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::BinaryOp {
            op: BinaryOperator::And | BinaryOperator::Or,
            ..
        }
    )
}

/// Real brackets would be a node between.
fn is_not_of_joined(expr: &Expr) -> bool {
    matches!(expr, Expr::UnaryOp { op: UnaryOperator::Not, expr } if is_joined(expr))
}

fn is_distinct(expr: &Expr) -> bool {
    matches!(expr, Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..))
}

/// Operands, and whether `OR` stands before each but the first; `AND` does otherwise.
#[derive(Default)]
struct Row(Vec<(bool, Expr)>);

impl Row {
    fn take(&mut self, expr: Expr) {
        self.take_after(false, expr);
    }

    fn take_after(&mut self, is_or: bool, expr: Expr) {
        match expr {
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::And | BinaryOperator::Or),
                right,
            } => {
                self.take_after(is_or, *left);
                self.take_after(op == BinaryOperator::Or, *right);
            }
            Expr::IsDistinctFrom(left, right) => {
                self.take_first(is_or, *right, |right| Expr::IsDistinctFrom(left, Box::new(right)));
            }
            Expr::IsNotDistinctFrom(left, right) => {
                self.take_first(is_or, *right, |right| {
                    Expr::IsNotDistinctFrom(left, Box::new(right))
                });
            }
            Expr::UnaryOp {
                op: op @ UnaryOperator::Not,
                expr,
            } if is_joined(&expr) => {
                let not = |expr| Expr::UnaryOp {
                    op,
                    expr: Box::new(expr),
                };
                self.take_first(is_or, *expr, not);
            }
            other => self.0.push((is_or, other)),
        }
    }

    /// Takes what was taken for one operand; the first of it is part of another.
    fn take_first(&mut self, is_or: bool, expr: Expr, within: impl FnOnce(Expr) -> Expr) {
        let at = self.0.len();
        self.take_after(is_or, expr);
        if let Some((_, first)) = self.0.get_mut(at) {
            let taken = std::mem::replace(first, Expr::value(Value::Null));
            *first = within(taken);
        }
    }

    /// `AND` binds before `OR`, each from the left.
    fn together(self) -> Expr {
        let both = |op: BinaryOperator| {
            move |left: Expr, right: Expr| Expr::BinaryOp {
                left: Box::new(left),
                op: op.clone(),
                right: Box::new(right),
            }
        };
        let mut any: Vec<Vec<Expr>> = Vec::new();
        for (is_or, expr) in self.0 {
            match any.last_mut() {
                Some(all) if !is_or => all.push(expr),
                _ => any.push(vec![expr]),
            }
        }
        let all = any
            .into_iter()
            .filter_map(|all| all.into_iter().reduce(both(BinaryOperator::And)));
        all.reduce(both(BinaryOperator::Or))
            .unwrap_or_else(|| Expr::value(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::parse;

    #[test]
    fn what_follows_is_no_part_of_the_operand() {
        for (text, meant) in [
            (
                "a IS NOT DISTINCT FROM b AND c",
                "(a IS NOT DISTINCT FROM b) AND c",
            ),
            (
                "c AND a IS DISTINCT FROM b AND d OR e",
                "((c AND (a IS DISTINCT FROM b)) AND d) OR e",
            ),
            (
                "a IS DISTINCT FROM b OR c AND d",
                "(a IS DISTINCT FROM b) OR (c AND d)",
            ),
            (
                "NOT a IS DISTINCT FROM b AND c",
                "(NOT (a IS DISTINCT FROM b)) AND c",
            ),
            ("a IS DISTINCT FROM (b AND c)", "a IS DISTINCT FROM (b AND c)"),
            (
                "a IS DISTINCT FROM b AND c IS NOT DISTINCT FROM d AND e = 1",
                "((a IS DISTINCT FROM b) AND (c IS NOT DISTINCT FROM d)) AND (e = 1)",
            ),
            (
                "(a IS DISTINCT FROM b OR c) AND d",
                "((a IS DISTINCT FROM b) OR c) AND d",
            ),
            ("a OR b AND c", "a OR (b AND c)"),
        ] {
            assert_eq!(bracketed(text), bracketed(meant), "{text}");
        }
    }

    /// The expression with brackets around everything.
    fn bracketed(text: &str) -> String {
        use datafusion::sql::parser::Statement;
        use datafusion::sql::sqlparser::ast::{self, SelectItem, SetExpr};
        let Ok(Statement::Statement(statement)) = parse(&format!("SELECT {text}")) else {
            panic!("no statement: {text}");
        };
        let ast::Statement::Query(query) = *statement else {
            panic!("no query");
        };
        let SetExpr::Select(select) = *query.body else {
            panic!("no select");
        };
        let [SelectItem::UnnamedExpr(expr)] = select.projection.as_slice() else {
            panic!("no expression");
        };
        all(expr)
    }

    fn all(expr: &super::Expr) -> String {
        use super::Expr as E;
        match expr {
            E::Nested(expr) => all(expr),
            E::BinaryOp { left, op, right } => format!("({} {op} {})", all(left), all(right)),
            E::UnaryOp { op, expr } => format!("({op} {})", all(expr)),
            E::IsDistinctFrom(a, b) => format!("({} <> {})", all(a), all(b)),
            E::IsNotDistinctFrom(a, b) => format!("({} == {})", all(a), all(b)),
            other => other.to_string(),
        }
    }
}
