//! Conditions of SQL as conditions of the engine.
//!
//! The engine says `NaN` equals itself and is greater than every number, and both zeros are equal. To DataFusion a `NaN` whose sign
//! is set is less than every number and equals no other; whether the zeros are equal has depended on its version. Where that
//! may make a difference the engine leaves out no row that DataFusion would keep, and DataFusion looks at the rows again.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use gapless_engine::scan::{Comparison, Literal, Predicate, col};
use gapless_format::{ColumnSpec, ColumnType, TableMeta};

use super::literal::{is_harmless_cast, literal};

/// A condition that the engine can look at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// Holds wherever the SQL condition does.
    pub(super) predicate: Predicate,
    /// Holds nowhere else.
    pub(super) is_exact: bool,
}

impl Condition {
    fn exact(predicate: Predicate) -> Self {
        Self {
            predicate,
            is_exact: true,
        }
    }

    fn negated(self) -> Option<Self> {
        self.is_exact.then(|| Self::exact(!self.predicate))
    }

    fn join(self, other: Self, join: fn(Predicate, Predicate) -> Predicate) -> Self {
        Self {
            predicate: join(self.predicate, other.predicate),
            is_exact: self.is_exact && other.is_exact,
        }
    }
}

/// A condition as the engine can look at it, if it can.
pub(super) fn condition(expr: &Expr, table: &TableMeta) -> Option<Condition> {
    match expr {
        Expr::BinaryExpr(binary) => binary_condition(binary, table),
        Expr::Not(inner) => condition(inner, table)?.negated(),
        Expr::Between(between) => between_condition(between, table),
        Expr::InList(list) => list_condition(list, table),
        Expr::IsNull(inner) => Some(Condition::exact(col(&column_of(inner, table)?.name).is_null())),
        Expr::IsNotNull(inner) => Some(Condition::exact(
            col(&column_of(inner, table)?.name).is_not_null(),
        )),
        Expr::Column(_) => {
            let column = column_of(expr, table)?;
            (column.column_type == ColumnType::Bool).then(|| Condition::exact(col(&column.name).eq(true)))
        }
        _ => None,
    }
}

fn binary_condition(binary: &BinaryExpr, table: &TableMeta) -> Option<Condition> {
    let both = || Some((condition(&binary.left, table)?, condition(&binary.right, table)?));
    match binary.op {
        Operator::And => both().map(|(left, right)| left.join(right, Predicate::and)),
        Operator::Or => both().map(|(left, right)| left.join(right, Predicate::or)),
        operator => {
            let comparison = comparison_of(operator)?;
            if let (Some(column), Expr::Literal(value, _)) = (column_of(&binary.left, table), &*binary.right)
            {
                return compare(column, comparison, value);
            }
            if let (Expr::Literal(value, _), Some(column)) = (&*binary.left, column_of(&binary.right, table))
            {
                return compare(column, turned(comparison), value);
            }
            None
        }
    }
}

fn between_condition(between: &Between, table: &TableMeta) -> Option<Condition> {
    let column = column_of(&between.expr, table)?;
    let (Expr::Literal(low, _), Expr::Literal(high, _)) = (&*between.low, &*between.high) else {
        return None;
    };
    let low = compare(column, Comparison::Ge, low)?;
    let inside = low.join(compare(column, Comparison::Le, high)?, Predicate::and);
    if between.negated {
        inside.negated()
    } else {
        Some(inside)
    }
}

fn list_condition(list: &InList, table: &TableMeta) -> Option<Condition> {
    let column = column_of(&list.expr, table)?;
    let mut is_exact = true;
    let mut values = Vec::with_capacity(list.list.len());
    for item in &list.list {
        let Expr::Literal(value, _) = item else {
            return None;
        };
        is_exact &= compare(column, Comparison::Eq, value)?.is_exact;
        values.push(literal(value, column)?);
    }
    let listed = Condition {
        predicate: col(&column.name).is_in(values),
        is_exact,
    };
    if list.negated {
        listed.negated()
    } else {
        Some(listed)
    }
}

/// The column that an expression is, perhaps in a type that compares in the same way.
fn column_of<'a>(expr: &Expr, table: &'a TableMeta) -> Option<&'a ColumnSpec> {
    match expr {
        Expr::Column(column) => table.columns.iter().find(|spec| spec.name == column.name),
        Expr::Cast(cast) => {
            let column = column_of(&cast.expr, table).filter(|_| matches!(&*cast.expr, Expr::Column(_)))?;
            is_harmless_cast(column, cast.field.data_type()).then_some(column)
        }
        _ => None,
    }
}

fn compare(column: &ColumnSpec, comparison: Comparison, value: &ScalarValue) -> Option<Condition> {
    let value = literal(value, column)?;
    if let Literal::F64(number) = value {
        return compare_float(column, comparison, number);
    }
    Some(Condition::exact(Predicate::Compare {
        column: column.name.clone(),
        comparison,
        value,
    }))
}

fn compare_float(column: &ColumnSpec, comparison: Comparison, number: f64) -> Option<Condition> {
    use Comparison as C;
    let compare = |comparison| Predicate::Compare {
        column: column.name.clone(),
        comparison,
        value: Literal::F64(number),
    };
    let exact = number != 0.0;
    if number.is_nan() {
        return None;
    }
    match comparison {
        C::Eq => Some(Condition {
            predicate: compare(C::Eq),
            is_exact: exact,
        }),
        C::Ne => exact.then(|| Condition::exact(compare(C::Ne))),
        // The other zero, and of NaN those without a sign.
        C::Gt | C::Ge => Some(Condition {
            predicate: compare(if exact { comparison } else { C::Ge }),
            is_exact: false,
        }),
        C::Lt | C::Le => Some(Condition {
            predicate: compare(if exact { comparison } else { C::Le }).or(col(&column.name).eq(f64::NAN)),
            is_exact: false,
        }),
    }
}

fn comparison_of(operator: Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Eq => Comparison::Eq,
        Operator::NotEq => Comparison::Ne,
        Operator::Lt => Comparison::Lt,
        Operator::LtEq => Comparison::Le,
        Operator::Gt => Comparison::Gt,
        Operator::GtEq => Comparison::Ge,
        _ => return None,
    })
}

/// The comparison with its sides changed.
fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
        same => same,
    }
}
