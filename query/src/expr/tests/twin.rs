//! The twin: one row, one value at a time, integers without bounds.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use gapless_engine::scan::{Comparison, Literal};
use proptest::prelude::*;

use super::fixture::{Random, batch, condition, number};
use crate::expr::Bound;
use crate::expr::tree::{Expr, Function, Operator, Value};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum V {
    Null,
    Bool(bool),
    Int(i128),
    F32(f32),
    F64(f64),
    Text(String),
}

pub(super) fn at(array: &ArrayRef, row: usize) -> V {
    use DataType as T;
    if array.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return V::Null;
    }
    match array.data_type() {
        T::Null => V::Null,
        T::Boolean => V::Bool(array.as_boolean().value(row)),
        T::Float32 => V::F32(array.as_primitive::<Float32Type>().value(row)),
        T::Float64 => V::F64(array.as_primitive::<Float64Type>().value(row)),
        T::UInt64 => V::Int(array.as_primitive::<UInt64Type>().value(row).into()),
        T::Utf8 => V::Text(array.as_string::<i32>().value(row).to_owned()),
        T::Dictionary(..) => at(&cast(array, &T::Utf8).expect("text"), row),
        other => {
            let wide = cast(&array.slice(row, 1), &T::Int64).unwrap_or_else(|_| panic!("{other}"));
            V::Int(wide.as_primitive::<Int64Type>().value(0).into())
        }
    }
}

fn as_f64(value: &V) -> f64 {
    match value {
        V::Int(value) => *value as f64,
        V::F32(value) => f64::from(*value),
        V::F64(value) => *value,
        other => panic!("{other:?} is no number"),
    }
}

fn float_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

pub(super) fn order(a: &V, b: &V) -> Ordering {
    let exact = |a: i128, b: f64| match b {
        b if b.is_nan() || b > 1e30 => Ordering::Less,
        b if b < -1e30 => Ordering::Greater,
        b => a
            .saturating_mul(4)
            .cmp(&((b.floor() as i128) * 4 + i128::from(b.fract() != 0.0))),
    };
    match (a, b) {
        (V::Int(a), V::Int(b)) => a.cmp(b),
        (V::Text(a), V::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (V::Bool(a), V::Bool(b)) => a.cmp(b),
        (V::Int(a), b) => exact(*a, as_f64(b)),
        (a, V::Int(b)) => exact(*b, as_f64(a)).reverse(),
        (a, b) => float_order(as_f64(a), as_f64(b)),
    }
}

pub(super) fn accepts(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    }
}

pub(super) fn of_literal(value: &Value) -> V {
    match value {
        Value::Plain(Literal::Bool(value)) => V::Bool(*value),
        Value::Plain(Literal::I64(value)) => V::Int((*value).into()),
        Value::Plain(Literal::U64(value)) => V::Int((*value).into()),
        Value::Plain(Literal::F64(value)) => V::F64(*value),
        Value::Plain(Literal::Text(text)) => V::Text(text.clone()),
        _ => V::Null,
    }
}

/// Whether a text matches a pattern, by trying everything.
fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|from| like(&text[from..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        [c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}

struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
    /// Whether a value was beyond some integer type.
    wide: bool,
}

impl Row<'_> {
    fn all(&mut self, parts: &[Expr], all: bool) -> V {
        let parts: Vec<V> = parts.iter().map(|part| self.value(part)).collect();
        if parts.contains(&V::Bool(!all)) {
            return V::Bool(!all);
        }
        if parts.contains(&V::Null) {
            V::Null
        } else {
            V::Bool(all)
        }
    }

    fn equal(&self, a: &V, b: &V) -> V {
        if *a == V::Null || *b == V::Null {
            return V::Null;
        }
        V::Bool(order(a, b).is_eq())
    }

    fn value(&mut self, expr: &Expr) -> V {
        match expr {
            Expr::Column(name) => at(self.batch.column_by_name(name).expect("a column"), self.row),
            Expr::Literal(value) => of_literal(value),
            Expr::Compare(comparison, a, b) => match (self.value(a), self.value(b)) {
                (V::Null, _) | (_, V::Null) => V::Null,
                (a, b) => V::Bool(accepts(*comparison, order(&a, &b))),
            },
            Expr::And(parts) => self.all(parts, true),
            Expr::Or(parts) => self.all(parts, false),
            Expr::Not(part) => match self.value(part) {
                V::Bool(value) => V::Bool(!value),
                _ => V::Null,
            },
            Expr::IsNull(part) => V::Bool(self.value(part) == V::Null),
            Expr::IsNan(part) => match self.value(part) {
                V::Null => V::Null,
                value => V::Bool(as_f64(&value).is_nan()),
            },
            Expr::In(part, values) => {
                let value = self.value(part);
                let found: Vec<V> = values
                    .iter()
                    .map(|other| self.equal(&value, &of_literal(other)))
                    .collect();
                match () {
                    () if value == V::Null => V::Null,
                    () if found.contains(&V::Bool(true)) => V::Bool(true),
                    () if found.contains(&V::Null) => V::Null,
                    () => V::Bool(false),
                }
            }
            Expr::Like {
                text,
                pattern,
                ignore_case,
            } => match self.value(text) {
                V::Text(text) => {
                    let chars = |text: &str| -> Vec<char> {
                        if *ignore_case {
                            text.to_lowercase().chars().collect()
                        } else {
                            text.chars().collect()
                        }
                    };
                    V::Bool(like(&chars(&text), &chars(pattern)))
                }
                _ => V::Null,
            },
            Expr::Arithmetic(operator, a, b) => {
                let (a, b) = (self.value(a), self.value(b));
                self.arithmetic(*operator, a, b)
            }
            Expr::Neg(part) => match self.value(part) {
                V::Int(value) => self.integer(-value),
                V::F32(value) => V::F32(-value),
                V::F64(value) => V::F64(-value),
                _ => V::Null,
            },
            Expr::If(condition, yes, no) => {
                if self.value(condition) == V::Bool(true) {
                    self.value(yes)
                } else {
                    self.value(no)
                }
            }
            Expr::Call(function, arguments) => self.call(function, arguments),
            other => panic!("the twin does not know {other}"),
        }
    }

    fn integer(&mut self, value: i128) -> V {
        self.wide |= !(0..=i128::from(i64::MAX)).contains(&value);
        V::Int(value)
    }

    fn arithmetic(&mut self, operator: Operator, a: V, b: V) -> V {
        use Operator as O;
        match (operator, a, b) {
            (_, V::Null, _) | (_, _, V::Null) => V::Null,
            (O::Div, a, b) => V::F64(as_f64(&a) / as_f64(&b)),
            (O::Rem, V::Int(_), V::Int(0)) => V::Null,
            (operator, V::Int(a), V::Int(b)) => {
                self.wide |= a > i128::from(i64::MAX) || b > i128::from(i64::MAX);
                let exact = match operator {
                    O::Add => a.checked_add(b),
                    O::Sub => a.checked_sub(b),
                    O::Mul => a.checked_mul(b),
                    _ => a.checked_rem(b),
                };
                // Products of products leave even these.
                self.wide |= exact.is_none();
                self.integer(exact.unwrap_or(0))
            }
            (operator, V::F32(a), V::F32(b)) => V::F32(match operator {
                O::Add => a + b,
                O::Sub => a - b,
                O::Mul => a * b,
                _ => a % b,
            }),
            (operator, a, b) => {
                let (a, b) = (as_f64(&a), as_f64(&b));
                V::F64(match operator {
                    O::Add => a + b,
                    O::Sub => a - b,
                    O::Mul => a * b,
                    _ => a % b,
                })
            }
        }
    }

    fn call(&mut self, function: &Function, arguments: &[Expr]) -> V {
        let values: Vec<V> = arguments.iter().map(|argument| self.value(argument)).collect();
        let there = values.iter().filter(|value| **value != V::Null).cloned();
        let chosen = |first: V, next: V, least: bool| {
            let order = order(&first, &next);
            if order.is_eq() || order.is_lt() == least {
                first
            } else {
                next
            }
        };
        match function {
            Function::Coalesce => there.into_iter().next().unwrap_or(V::Null),
            Function::Least => there.reduce(|a, b| chosen(a, b, true)).unwrap_or(V::Null),
            Function::Greatest => there.reduce(|a, b| chosen(a, b, false)).unwrap_or(V::Null),
            Function::Abs => match &values[0] {
                V::F64(value) => V::F64(value.abs()),
                V::Int(value) => V::Int(value.abs()),
                other => other.clone(),
            },
            other => panic!("the twin does not know {other:?}"),
        }
    }
}

fn same(a: &V, b: &V) -> bool {
    match (a, b) {
        (V::F64(a), V::F64(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (V::F32(a), V::F32(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (a, b) => a == b,
    }
}

/// Whether it could be computed.
fn check(expr: &Expr, batch: &RecordBatch) -> bool {
    let mut wide = false;
    let twin: Vec<V> = (0..batch.num_rows())
        .map(|row| {
            let mut row = Row {
                batch,
                row,
                wide: false,
            };
            let value = row.value(expr);
            wide |= row.wide;
            value
        })
        .collect();
    let bound = match Bound::new(expr, &batch.schema()) {
        Ok(bound) => bound,
        Err(error) => {
            assert!(wide, "{expr}: {error}");
            return false;
        }
    };
    match bound.evaluate(batch) {
        Ok(array) => {
            assert_eq!(array.len(), batch.num_rows(), "{expr}");
            assert_eq!(array.data_type(), bound.data_type(), "{expr}");
            assert!(bound.nullable() || array.logical_null_count() == 0, "{expr}");
            for (row, twin) in twin.iter().enumerate() {
                let value = at(&array, row);
                assert!(
                    same(&value, twin),
                    "{expr}, row {row}: {value:?}, not {twin:?}; {:?}",
                    batch.slice(row, 1)
                );
            }
            true
        }
        Err(error) => {
            assert!(wide, "{expr}: {error}");
            false
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn conditions_are_what_the_twin_says(seed in any::<u64>(), depth in 0usize..4) {
        let mut random = Random(seed);
        let small = random.below(2) == 0;
        let batch = batch(&mut random, small);
        let expr = condition(&mut random, depth);
        check(&expr, &batch);
    }

    #[test]
    fn numbers_are_what_the_twin_says(seed in any::<u64>(), depth in 0usize..4) {
        let mut random = Random(seed);
        let small = random.below(4) > 0;
        let batch = batch(&mut random, small);
        let expr = number(&mut random, depth);
        check(&expr, &batch);
    }
}

#[test]
fn most_of_the_generated_expressions_have_values() {
    let computed = (0..300u64).filter(|seed| {
        let mut random = Random(*seed);
        let batch = batch(&mut random, true);
        let expr = number(&mut random, 2);
        check(&expr, &batch)
    });
    assert!(computed.count() > 200);
}
