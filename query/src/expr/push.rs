//! Which part of a condition a scan checks itself, by statistics, indexes and while it reads.
//!
//! What the engine does not check exactly as an expression would is not pushed, and neither is what is wrong: binding the rest tells why.

use arrow_schema::{DataType, Schema};
use gapless_engine::scan::{Comparison, Literal, Predicate};

use super::bound::time_literal;
use super::tree::{Expr, Value};
use super::types::{is_text, unit_ns};

impl Expr {
    /// Splits a condition into what a scan checks itself and the rest; rows pass it for which both are true.
    pub(crate) fn push_down(self, schema: &Schema) -> (Option<Predicate>, Option<Self>) {
        let (mut pushed, mut rest) = (Vec::new(), Vec::new());
        for part in self.conjuncts() {
            match predicate(&part, schema) {
                Some(predicate) => pushed.push(predicate),
                None => rest.push(part),
            }
        }
        let pushed = match pushed.len() {
            0 | 1 => pushed.pop(),
            _ => Some(Predicate::And(pushed)),
        };
        let rest = match rest.len() {
            0 | 1 => rest.pop(),
            _ => Some(Self::And(rest)),
        };
        (pushed, rest)
    }

    fn conjuncts(self) -> Vec<Self> {
        match self {
            Self::And(parts) => parts.into_iter().flat_map(Self::conjuncts).collect(),
            Self::Alias(part, _) => part.conjuncts(),
            other => vec![other],
        }
    }
}

/// The engine's condition that means the same.
fn predicate(expr: &Expr, schema: &Schema) -> Option<Predicate> {
    let all = |parts: &[Expr]| {
        parts
            .iter()
            .map(|part| predicate(part, schema))
            .collect::<Option<Vec<_>>>()
    };
    match expr {
        Expr::Alias(part, _) => predicate(part, schema),
        Expr::And(parts) => Some(Predicate::And(all(parts)?)),
        Expr::Or(parts) => Some(Predicate::Or(all(parts)?)),
        Expr::Not(part) => Some(Predicate::Not(Box::new(predicate(part, schema)?))),
        Expr::IsNull(part) => Some(Predicate::IsNull(column(part, schema)?.0.to_owned())),
        Expr::Compare(comparison, a, b) => match (&**a, &**b) {
            (a, Expr::Literal(value)) => compare(a, *comparison, value, schema),
            (Expr::Literal(value), b) => compare(b, flip(*comparison), value, schema),
            _ => None,
        },
        Expr::In(part, values) => {
            let (name, data_type) = column(part, schema)?;
            let values = values.iter().map(|value| literal(value, data_type));
            Some(Predicate::In {
                column: name.to_owned(),
                values: values.collect::<Option<_>>()?,
            })
        }
        Expr::Like {
            text,
            pattern,
            ignore_case: false,
        } => {
            let (name, data_type) = column(text, schema)?;
            is_text(data_type).then(|| like(name, pattern)).flatten()
        }
        Expr::Column(_) => match column(expr, schema)? {
            (name, DataType::Boolean) => Some(condition(name, Comparison::Eq, Literal::Bool(true))),
            _ => None,
        },
        _ => None,
    }
}

fn column<'a>(expr: &'a Expr, schema: &'a Schema) -> Option<(&'a str, &'a DataType)> {
    let Expr::Column(name) = expr else {
        return None;
    };
    Some((name, schema.field_with_name(name).ok()?.data_type()))
}

fn condition(column: &str, comparison: Comparison, value: Literal) -> Predicate {
    Predicate::Compare {
        column: column.to_owned(),
        comparison,
        value,
    }
}

fn compare(expr: &Expr, comparison: Comparison, value: &Value, schema: &Schema) -> Option<Predicate> {
    let (name, data_type) = column(expr, schema)?;
    Some(condition(name, comparison, literal(value, data_type)?))
}

/// The comparison with its sides exchanged.
pub(super) fn flip(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
        same => same,
    }
}

/// The literal as the engine compares it with a column of this type.
fn literal(value: &Value, data_type: &DataType) -> Option<Literal> {
    use DataType as T;
    use Literal as L;
    let whole_units = |ns: i64| {
        let unit = unit_ns(data_type)?;
        (ns % unit == 0).then(|| L::I64(ns / unit))
    };
    match (data_type, value) {
        (T::Timestamp(..), Value::Timestamp(ns)) | (T::Duration(_), Value::Duration(ns)) => whole_units(*ns),
        (T::Timestamp(..) | T::Duration(_) | T::Date32, Value::Plain(L::Text(text))) => {
            match time_literal(text, data_type).ok()? {
                Value::Plain(days) => Some(days),
                Value::Timestamp(ns) | Value::Duration(ns) => whole_units(ns),
                Value::Null => None,
            }
        }
        (_, Value::Plain(plain)) => plain_fits(plain, data_type).then(|| plain.clone()),
        _ => None,
    }
}

fn plain_fits(literal: &Literal, data_type: &DataType) -> bool {
    use Literal as L;
    match (data_type, literal) {
        (DataType::Boolean, L::Bool(_)) | (DataType::Binary, L::Binary(_)) => true,
        (DataType::Float32 | DataType::Float64, L::F64(_) | L::I64(_) | L::U64(_)) => true,
        (DataType::Decimal128(..), L::I128(_)) => true,
        // Any i64 fits a decimal with so few digits after the point.
        (DataType::Decimal128(_, scale), L::I64(_) | L::U64(_)) => (0..=18).contains(scale),
        (text, L::Text(_)) => is_text(text),
        (other, L::I64(_) | L::U64(_) | L::I128(_) | L::F64(_)) => {
            other.is_integer() || unit_ns(other).is_some()
        }
        _ => false,
    }
}

/// A pattern without wildcards is a text, one that ends with its only wildcard a range of texts.
fn like(column: &str, pattern: &str) -> Option<Predicate> {
    let prefix = pattern.trim_end_matches('%');
    if prefix.contains(['%', '_', '\\']) {
        return None;
    }
    if prefix.len() == pattern.len() {
        return Some(condition(
            column,
            Comparison::Eq,
            Literal::Text(prefix.to_owned()),
        ));
    }
    let from = condition(column, Comparison::Ge, Literal::Text(prefix.to_owned()));
    let Some(end) = after(prefix) else {
        return Some(from);
    };
    Some(from.and(condition(column, Comparison::Lt, Literal::Text(end))))
}

/// The least text that is greater than all that begin with a prefix. Bytes of UTF-8 compare as the characters do.
fn after(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // No characters lie between U+D7FF and U+E000.
        let next = if last == '\u{d7ff}' {
            0xe000
        } else {
            u32::from(last) + 1
        };
        if let Some(next) = char::from_u32(next) {
            text.push(next);
            return Some(text);
        }
    }
    None
}
