//! Comparisons, as the engine's conditions make them.
//!
//! `NaN` equals itself and is greater than every other number, whatever its sign; both zeros are equal. Kernels of Arrow order floats by
//! their bits, so they are used for text, bytes and booleans only.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, UInt64Array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer};
use arrow_ord::cmp;
use arrow_schema::DataType;
use gapless_engine::scan::Comparison;

use super::bits::Bits;
use super::feed::{Feed, Native, chunks, valid};
use super::node::{Error, Kind, Node, Operand, Result, both, failed, first};
use super::push::flip;
use super::types::{common, is_number, is_text, unit_ns};

/// In which native types the sides are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    I64,
    U64,
    F64,
    /// Exact for all integers, decimals and units of time: the factors bring both sides to one unit.
    I128(i64, i64),
    /// An integer of 64 bits with a float, exact.
    IntegerFloat,
    /// Text, bytes, booleans.
    Arrow,
}

/// Binds a comparison; `None` for types that do not compare.
pub(super) fn bind(comparison: Comparison, a: Node, b: Node) -> Result<Option<Node>> {
    if a.is_null_literal() || b.is_null_literal() {
        return Ok(Some(Node::null(&DataType::Boolean)));
    }
    if a.scalar().is_some() && b.scalar().is_none() {
        return bind(flip(comparison), b, a);
    }
    if let Some(bound) = number_literal(comparison, &a, &b)? {
        return match bound {
            Against::Literal(comparison, rule, literal) => {
                call(comparison, rule, a, Node::literal(literal)).map(Some)
            }
            Against::Always(holds) => always(holds, a).map(Some),
        };
    }
    typed(comparison, a, b)
}

/// What a comparison with a literal comes to.
enum Against {
    Literal(Comparison, Rule, ArrayRef),
    /// The same for every value that is not null.
    Always(bool),
}

/// The literal of a number without a type of its own, in the type of what it is compared with.
fn number_literal(comparison: Comparison, a: &Node, b: &Node) -> Result<Option<Against>> {
    use DataType as T;
    let whole = b.whole_literal();
    let Kind::Literal(literal) = &b.kind else {
        return Ok(None);
    };
    let float = (literal.array.as_any().downcast_ref::<Float64Array>()).map(|array| array.value(0));
    Ok(match (&a.data_type, whole, float) {
        (T::Float32 | T::Float64, Some(value), _) => {
            // As the engine does: a literal between two floats becomes one of them.
            let value = Arc::new(Float64Array::from_value(value as f64, 1));
            Some(Against::Literal(comparison, Rule::F64, value))
        }
        (T::Decimal128(_, scale), Some(value), _) if literal.unscaled.is_none() => {
            let unscaled = u32::try_from(*scale)
                .ok()
                .and_then(|scale| 10i128.checked_pow(scale));
            let unscaled = unscaled.and_then(|factor| factor.checked_mul(value));
            let unscaled = unscaled.ok_or_else(|| {
                Error::invalid(format!(
                    "{value} does not fit {}, with which it is compared",
                    a.data_type
                ))
            })?;
            Some(decimal_literal(comparison, &a.data_type, unscaled)?)
        }
        (T::Decimal128(..), Some(value), _) => Some(decimal_literal(comparison, &a.data_type, value)?),
        (other, Some(value), _) if other.is_integer() || unit_ns(other).is_some() => {
            Some(integer_literal(comparison, other, value))
        }
        (other, _, Some(value)) if other.is_integer() || unit_ns(other).is_some() => {
            Some(float_literal(comparison, other, value))
        }
        _ => None,
    })
}

fn decimal_literal(comparison: Comparison, data_type: &DataType, unscaled: i128) -> Result<Against> {
    let literal = super::arithmetic::array(vec![unscaled], None, data_type)?;
    Ok(Against::Literal(comparison, Rule::I128(1, 1), literal))
}

fn integer_literal(comparison: Comparison, data_type: &DataType, value: i128) -> Against {
    let literal: Option<(Rule, ArrayRef)> = match data_type {
        DataType::UInt64 => u64::try_from(value)
            .ok()
            .map(|value| (Rule::U64, Arc::new(UInt64Array::from_value(value, 1)) as ArrayRef)),
        _ => i64::try_from(value)
            .ok()
            .map(|value| (Rule::I64, Arc::new(Int64Array::from_value(value, 1)) as ArrayRef)),
    };
    match literal {
        Some((rule, literal)) => Against::Literal(comparison, rule, literal),
        // It is below or above all values of the type.
        None => Against::Always(accepts(comparison, 0.cmp(&value))),
    }
}

/// An integer compared with a float: exact, also where the integer has no float.
fn float_literal(comparison: Comparison, data_type: &DataType, value: f64) -> Against {
    use Comparison as C;
    if value.is_nan() {
        return Against::Always(matches!(comparison, C::Lt | C::Le | C::Ne));
    }
    let value = match comparison {
        C::Eq | C::Ne if value.fract() != 0.0 && value.is_finite() => {
            return Against::Always(comparison == C::Ne);
        }
        C::Eq | C::Ne => value,
        C::Lt | C::Ge => value.ceil(),
        C::Le | C::Gt => value.floor(),
    };
    // The cast saturates, which keeps every comparison right.
    integer_literal(comparison, data_type, value as i128)
}

fn accepts(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    }
}

fn always(holds: bool, a: Node) -> Result<Node> {
    Node::call(DataType::Boolean, vec![a], move |arguments, rows| {
        let holds = if holds {
            BooleanBuffer::new_set(rows)
        } else {
            BooleanBuffer::new_unset(rows)
        };
        Ok(Arc::new(BooleanArray::new(
            holds,
            valid(&[first(arguments)?], rows),
        )))
    })
}

/// Two values, each with its type.
fn typed(comparison: Comparison, a: Node, b: Node) -> Result<Option<Node>> {
    use DataType as T;
    let is_large = |data_type: &T| matches!(data_type, T::Int64 | T::UInt64);
    let (left, right) = (a.data_type.clone(), b.data_type.clone());
    let rule = match (&left, &right) {
        (l, r) if is_text(l) && is_text(r) => {
            let (a, b) = (a.coerce(&T::Utf8)?, b.coerce(&T::Utf8)?);
            return call(comparison, Rule::Arrow, a, b).map(Some);
        }
        (T::Boolean, T::Boolean) | (T::Binary, T::Binary) => Rule::Arrow,
        (l, r) if l.is_integer() && r.is_integer() => match (l, r) {
            (T::UInt64, r) if r.is_unsigned_integer() => Rule::U64,
            (l, T::UInt64) if l.is_unsigned_integer() => Rule::U64,
            (T::UInt64, _) | (_, T::UInt64) => Rule::I128(1, 1),
            _ => Rule::I64,
        },
        (l, r) if is_large(l) && r.is_floating() => Rule::IntegerFloat,
        (l, r) if l.is_floating() && is_large(r) => {
            return call(flip(comparison), Rule::IntegerFloat, b, a).map(Some);
        }
        (l, r) if is_number(l) && is_number(r) => Rule::F64,
        (T::Decimal128(_, s), T::Decimal128(_, t)) if s == t => Rule::I128(1, 1),
        (T::Decimal128(..), r) | (r, T::Decimal128(..)) if r.is_integer() || r.is_decimal() => {
            let Some(to) = common(&left, &right) else {
                return Ok(None);
            };
            let (a, b) = (a.coerce(&to)?, b.coerce(&to)?);
            return call(comparison, Rule::I128(1, 1), a, b).map(Some);
        }
        (T::Timestamp(..), T::Timestamp(..))
        | (T::Duration(_), T::Duration(_))
        | (T::Date32, T::Date32)
        | (T::Time32(_) | T::Time64(_), T::Time32(_) | T::Time64(_)) => {
            match (unit_ns(&left), unit_ns(&right)) {
                (Some(l), Some(r)) if l != r => Rule::I128(l, r),
                _ => Rule::I64,
            }
        }
        _ => return Ok(None),
    };
    call(comparison, rule, a, b).map(Some)
}

fn call(comparison: Comparison, rule: Rule, a: Node, b: Node) -> Result<Node> {
    Node::call(DataType::Boolean, vec![a, b], move |arguments, rows| {
        let (a, b) = both(arguments)?;
        let holds = match rule {
            Rule::Arrow => return arrow(comparison, a, b),
            Rule::I64 => ordered(comparison, i64::feed(a, 1)?, i64::feed(b, 1)?, rows),
            Rule::U64 => ordered(comparison, u64::feed(a, 1)?, u64::feed(b, 1)?, rows),
            Rule::I128(l, r) => ordered(comparison, i128::feed(a, l)?, i128::feed(b, r)?, rows),
            Rule::F64 => floats(comparison, f64::feed(a, 1)?, f64::feed(b, 1)?, rows),
            Rule::IntegerFloat if are_floats(a, rows)? => {
                floats(comparison, f64::feed(a, 1)?, f64::feed(b, 1)?, rows)
            }
            Rule::IntegerFloat => {
                let test = |a: i128, b: f64| accepts(comparison, with_float(a, b));
                collect(i128::feed(a, 1)?, f64::feed(b, 1)?, rows, test)
            }
        };
        Ok(Arc::new(BooleanArray::new(holds, valid(&[a, b], rows))))
    })
}

fn arrow(comparison: Comparison, a: &Operand, b: &Operand) -> Result<ArrayRef> {
    let holds = match comparison {
        Comparison::Eq => cmp::eq(a, b),
        Comparison::Ne => cmp::neq(a, b),
        Comparison::Lt => cmp::lt(a, b),
        Comparison::Le => cmp::lt_eq(a, b),
        Comparison::Gt => cmp::gt(a, b),
        Comparison::Ge => cmp::gt_eq(a, b),
    };
    Ok(Arc::new(holds.map_err(failed)?))
}

/// Whether every integer is a float, too.
fn are_floats(operand: &Operand, rows: usize) -> Result<bool> {
    let mut feed = i64::feed(operand, 1)?;
    let rows = if operand.is_scalar { 1 } else { rows };
    let mut all = true;
    for (start, len) in chunks(rows) {
        let (values, overflows) = feed.chunk(start, len);
        let bits = values.iter().fold(0, |bits, value| bits | value.unsigned_abs());
        all &= !overflows && bits < 1 << f64::MANTISSA_DIGITS;
    }
    Ok(all)
}

fn with_float(a: i128, b: f64) -> Ordering {
    if b.is_nan() {
        return Ordering::Less;
    }
    let rest = || 0.0.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal);
    // The cast saturates beyond every integer of 64 bits.
    a.cmp(&(b.trunc() as i128)).then_with(rest)
}

fn collect<A: ArrowNativeType, B: ArrowNativeType>(
    mut a: Feed<A>,
    mut b: Feed<B>,
    rows: usize,
    test: impl Fn(A, B) -> bool,
) -> BooleanBuffer {
    let mut bits = Bits::with_capacity(rows);
    for (start, len) in chunks(rows) {
        bits.extend(a.chunk(start, len).0, b.chunk(start, len).0, &test);
    }
    bits.finish()
}

fn ordered<T: ArrowNativeType + Ord>(
    comparison: Comparison,
    a: Feed<T>,
    b: Feed<T>,
    rows: usize,
) -> BooleanBuffer {
    match comparison {
        Comparison::Eq => collect(a, b, rows, |a, b| a == b),
        Comparison::Ne => collect(a, b, rows, |a, b| a != b),
        Comparison::Lt => collect(a, b, rows, |a, b| a < b),
        Comparison::Le => collect(a, b, rows, |a, b| a <= b),
        Comparison::Gt => collect(a, b, rows, |a, b| a > b),
        Comparison::Ge => collect(a, b, rows, |a, b| a >= b),
    }
}

fn floats(comparison: Comparison, a: Feed<f64>, b: Feed<f64>, rows: usize) -> BooleanBuffer {
    // `x != x` only for NaN. No branches, so that the loops are vectorized.
    let equal = |a: f64, b: f64| (a == b) | (a.is_nan() & b.is_nan());
    let less = |a: f64, b: f64| (a < b) | (!a.is_nan() & b.is_nan());
    match comparison {
        Comparison::Eq => collect(a, b, rows, equal),
        Comparison::Ne => collect(a, b, rows, |a, b| !equal(a, b)),
        Comparison::Lt => collect(a, b, rows, less),
        Comparison::Le => collect(a, b, rows, |a, b| !less(b, a)),
        Comparison::Gt => collect(a, b, rows, |a, b| less(b, a)),
        Comparison::Ge => collect(a, b, rows, |a, b| !less(a, b)),
    }
}
