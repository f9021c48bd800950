//! `+ - * / %` of numbers and times.

use std::sync::Arc;

use arrow_arith::numeric;
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};
use pulp::{Arch, NullaryFnOnce};

use super::feed::{Feed, Native, chunks, valid};
use super::node::{Error, Node, Operand, Result, both, failed};
use super::tree::Operator;
use super::types::{finer, is_number, number, unit_ns};

/// Binds an operator; `None` for types that it does not take.
pub(super) fn bind(operator: Operator, a: Node, b: Node) -> Result<Option<Node>> {
    use DataType as T;
    use Operator as O;
    let (a, b) = same_null(a, b)?;
    let (left, right) = (a.data_type.clone(), b.data_type.clone());
    match (operator, &left, &right) {
        (_, T::Null, T::Null) => Ok(Some(a)),
        (_, l, r) if is_number(l) && is_number(r) => numbers(operator, a, b).map(Some),
        (_, T::Decimal128(..), r) if r.is_decimal() || is_number(r) => decimals(operator, a, b).map(Some),
        (_, l, T::Decimal128(..)) if is_number(l) => decimals(operator, a, b).map(Some),
        (O::Sub, T::Timestamp(..), T::Timestamp(..)) | (O::Sub, T::Date32, T::Date32) => {
            integers::<i64>(operator, a, b, T::Duration(TimeUnit::Nanosecond)).map(Some)
        }
        (O::Add | O::Sub, T::Timestamp(unit, zone), T::Duration(other))
        | (O::Add, T::Duration(other), T::Timestamp(unit, zone)) => {
            let to = T::Timestamp(finer(*unit, *other), zone.clone());
            integers::<i64>(operator, a, b, to).map(Some)
        }
        (O::Add | O::Sub | O::Rem, T::Duration(unit), T::Duration(other)) => {
            integers::<i64>(operator, a, b, T::Duration(finer(*unit, *other))).map(Some)
        }
        (O::Div, T::Duration(_), T::Duration(_)) => ratio(a, b).map(Some),
        (O::Mul, T::Duration(_), r) if r.is_integer() => integers::<i64>(operator, a, b, left).map(Some),
        (O::Mul, l, T::Duration(_)) if l.is_integer() => integers::<i64>(operator, a, b, right).map(Some),
        (O::Mul | O::Div, T::Duration(_), r) if is_number(r) => scaled(operator, a, b, left).map(Some),
        (O::Mul, l, T::Duration(_)) if is_number(l) => scaled(operator, a, b, right).map(Some),
        _ => Ok(None),
    }
}

/// A null literal becomes one of the other's type; beside a timestamp it is a duration.
fn same_null(a: Node, b: Node) -> Result<(Node, Node)> {
    let beside = |other: &DataType| match other {
        DataType::Timestamp(unit, _) => DataType::Duration(*unit),
        other => other.clone(),
    };
    let (left, right) = (beside(&a.data_type), beside(&b.data_type));
    Ok(match (a.is_null_literal(), b.is_null_literal()) {
        (true, false) => (Node::null(&right), b),
        (false, true) => (a, Node::null(&left)),
        _ => (a, b),
    })
}

fn numbers(operator: Operator, a: Node, b: Node) -> Result<Node> {
    let mut to = number(&a.data_type, &b.data_type);
    // A literal beside a u64 is one, too, unless it is negative.
    let is_u64 = |node: &Node| node.data_type == DataType::UInt64 && node.whole_literal().is_none();
    let is_natural = |node: &Node| node.whole_literal().is_some_and(|value| value >= 0);
    if (is_u64(&a) && is_natural(&b)) || (is_u64(&b) && is_natural(&a)) {
        to = DataType::UInt64;
    }
    if operator == Operator::Div {
        return floats::<f64>(operator, a, b, DataType::Float64);
    }
    match to {
        DataType::Float32 => floats::<f32>(operator, a, b, to),
        DataType::Float64 => floats::<f64>(operator, a, b, to),
        DataType::UInt64 => integers::<u64>(operator, a, b, to),
        _ => integers::<i64>(operator, a, b, to),
    }
}

/// Native values as an array of a type.
pub(super) fn array<T: ArrowNativeType>(
    values: Vec<T>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let data = ArrayData::builder(data_type.clone())
        .len(values.len())
        .nulls(nulls)
        .add_buffer(Buffer::from_vec(values));
    Ok(make_array(data.build().map_err(failed)?))
}

/// What a function gives for each pair.
fn zip<T: ArrowNativeType>(
    a: &mut Feed<T>,
    b: &mut Feed<T>,
    rows: usize,
    one: impl Fn(T, T) -> (T, bool),
) -> (Vec<T>, bool) {
    let mut out = Vec::with_capacity(rows);
    let mut overflows = false;
    for (start, len) in chunks(rows) {
        let ((a, a_over), (b, b_over)) = (a.chunk(start, len), b.chunk(start, len));
        let pairs = Pairs {
            a,
            b,
            one: &one,
            out: &mut out,
        };
        overflows |= a_over | b_over | Arch::new().dispatch(pairs);
    }
    (out, overflows)
}

/// The loop over the pairs of a chunk; whether a result did not fit.
struct Pairs<'a, T, F> {
    a: &'a [T],
    b: &'a [T],
    one: &'a F,
    out: &'a mut Vec<T>,
}

impl<T: Copy, F: Fn(T, T) -> (T, bool)> NullaryFnOnce for Pairs<'_, T, F> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        let mut overflows = false;
        self.out.extend(self.a.iter().zip(self.b).map(|(a, b)| {
            let (value, over) = (self.one)(*a, *b);
            overflows |= over;
            value
        }));
        overflows
    }
}

macro_rules! operate {
    ($operator:expr, $a:expr, $b:expr, $rows:expr, $($name:ident => $one:expr),*) => {
        match $operator { $(Operator::$name => zip(&mut $a, &mut $b, $rows, $one),)* }
    };
}

trait Float: Native {
    fn operate(operator: Operator, a: Feed<Self>, b: Feed<Self>, rows: usize) -> Vec<Self>;
}

macro_rules! float {
    ($($type:ty),*) => {
        $(impl Float for $type {
            fn operate(operator: Operator, mut a: Feed<Self>, mut b: Feed<Self>, rows: usize) -> Vec<Self> {
                operate!(operator, a, b, rows, Add => |a, b| (a + b, false), Sub => |a, b| (a - b, false),
                    Mul => |a, b| (a * b, false), Div => |a, b| (a / b, false), Rem => |a, b| (a % b, false)).0
            }
        })*
    };
}

float!(f32, f64);

fn floats<T: Float>(operator: Operator, a: Node, b: Node, to: DataType) -> Result<Node> {
    let result = to.clone();
    Node::call(result, vec![a, b], move |arguments, rows| {
        let (a, b) = both(arguments)?;
        let values = T::operate(operator, T::feed(a, 1)?, T::feed(b, 1)?, rows);
        array(values, valid(&[a, b], rows), &to)
    })
}

trait Integer: Native + TryFrom<i128> {
    fn operate(operator: Operator, a: Feed<Self>, b: Feed<Self>, rows: usize) -> (Vec<Self>, bool);
}

macro_rules! integer {
    ($($type:ty),*) => {
        $(impl Integer for $type {
            fn operate(operator: Operator, mut a: Feed<Self>, mut b: Feed<Self>, rows: usize) -> (Vec<Self>, bool) {
                // The remainder of a division by zero is made null, and the least number has none by -1.
                let rem = |a: $type, b: $type| (a.checked_rem(b).unwrap_or_default(), false);
                operate!(operator, a, b, rows, Add => <$type>::overflowing_add, Sub => <$type>::overflowing_sub,
                    Mul => <$type>::overflowing_mul, Rem => rem, Div => rem)
            }
        })*
    };
}

integer!(i64, u64);

/// Nanoseconds of a unit of a side, of one of the result.
fn factor(side: &DataType, to: &DataType) -> i64 {
    match (unit_ns(side), unit_ns(to)) {
        (Some(side), Some(to)) => side / to,
        _ => 1,
    }
}

fn integers<T: Integer>(operator: Operator, a: Node, b: Node, to: DataType) -> Result<Node> {
    let (left, right) = (factor(&a.data_type, &to), factor(&b.data_type, &to));
    let result = to.clone();
    let is_rem = operator == Operator::Rem;
    let kernel = move |arguments: &[Operand], rows: usize| {
        let (a, b) = both(arguments)?;
        let mut nulls = valid(&[a, b], rows);
        if is_rem {
            nulls = NullBuffer::union(nulls.as_ref(), nonzero::<T>(b, right, rows)?.as_ref());
        }
        let (values, overflows) = T::operate(operator, T::feed(a, left)?, T::feed(b, right)?, rows);
        if overflows {
            // Whatever lies below a null may overflow.
            check::<T>(operator, (a, left), (b, right), nulls.as_ref(), rows, &to)?;
        }
        array(values, nulls, &to)
    };
    Node::call_with(result, vec![a, b], true, is_rem, Box::new(kernel))
}

fn nonzero<T: Integer>(operand: &Operand, factor: i64, rows: usize) -> Result<Option<NullBuffer>> {
    let mut feed = T::feed(operand, factor)?;
    let mut bits = super::bits::Bits::with_capacity(rows);
    for (start, len) in chunks(rows) {
        let (values, _) = feed.chunk(start, len);
        bits.extend(values, values, |value, _| value != T::default());
    }
    Ok(Some(NullBuffer::new(bits.finish())).filter(|nulls| nulls.null_count() > 0))
}

/// Refuses results that the type does not have.
fn check<T: Integer>(
    operator: Operator,
    (a, left): (&Operand, i64),
    (b, right): (&Operand, i64),
    nulls: Option<&NullBuffer>,
    rows: usize,
    to: &DataType,
) -> Result<()> {
    let (mut a, mut b) = (i128::feed(a, left)?, i128::feed(b, right)?);
    for row in (0..rows).filter(|row| nulls.is_none_or(|nulls| nulls.is_valid(*row))) {
        let ((a, _), (b, _)) = (a.chunk(row, 1), b.chunk(row, 1));
        let (Some(&a), Some(&b)) = (a.first(), b.first()) else {
            continue;
        };
        let (sign, exact) = match operator {
            Operator::Add => ("+", a.checked_add(b)),
            Operator::Sub => ("-", a.checked_sub(b)),
            Operator::Mul => ("*", a.checked_mul(b)),
            Operator::Div | Operator::Rem => ("%", a.checked_rem(b)),
        };
        // A side that does not fit has been cut.
        let fits = |value: i128| T::try_from(value).is_ok();
        if !fits(a) || !fits(b) || !exact.is_some_and(fits) {
            return Err(Error::invalid(format!(
                "overflow: {a} {sign} {b} does not fit {to}; cast a side to Float64 or a decimal"
            )));
        }
    }
    Ok(())
}

/// How often one duration is in another.
fn ratio(a: Node, b: Node) -> Result<Node> {
    let unit = |node: &Node| unit_ns(&node.data_type).unwrap_or(1) as f64;
    let factor = unit(&a) / unit(&b);
    Node::call(DataType::Float64, vec![a, b], move |arguments, rows| {
        let (a, b) = both(arguments)?;
        let (mut left, mut right) = (f64::feed(a, 1)?, f64::feed(b, 1)?);
        let (values, _) = zip(&mut left, &mut right, rows, |a, b| (a / b * factor, false));
        array(values, valid(&[a, b], rows), &DataType::Float64)
    })
}

/// 2^63: less than it are all values of an i64.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// A duration times or through a float, rounded to its unit.
fn scaled(operator: Operator, a: Node, b: Node, to: DataType) -> Result<Node> {
    let result = to.clone();
    let kernel = move |arguments: &[Operand], rows: usize| {
        let (a, b) = both(arguments)?;
        let nulls = valid(&[a, b], rows);
        let exact = f64::operate(operator, f64::feed(a, 1)?, f64::feed(b, 1)?, rows);
        let fits = |value: f64| (-I64_END..I64_END).contains(&value);
        let wrong = exact.iter().enumerate().find(|(row, value)| {
            !fits(value.round()) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row))
        });
        if let Some((_, value)) = wrong {
            return Err(Error::invalid(format!("overflow: {value} is no {to}")));
        }
        array(
            exact.iter().map(|value| value.round() as i64).collect(),
            nulls,
            &to,
        )
    };
    Node::call_with(result, vec![a, b], true, false, Box::new(kernel))
}

/// An integer beside a decimal as one: a literal with no more digits than it has.
fn decimal(node: Node) -> Result<Node> {
    let digits = match node.whole_literal() {
        Some(value) => {
            let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
            return match u8::try_from(digits) {
                Ok(digits @ 1..=38) => {
                    let array = Decimal128Array::from_value(value, 1);
                    let array = array.with_precision_and_scale(digits, 0).map_err(failed)?;
                    Ok(Node::literal(Arc::new(array)))
                }
                _ => Err(Error::invalid(format!(
                    "{value} has more than the 38 digits of a decimal"
                ))),
            };
        }
        None => match node.data_type {
            DataType::Int8 | DataType::UInt8 => 3,
            DataType::Int16 | DataType::UInt16 => 5,
            DataType::Int32 | DataType::UInt32 => 10,
            DataType::Int64 => 19,
            _ => 20,
        },
    };
    node.coerce(&DataType::Decimal128(digits, 0))
}

fn decimals(operator: Operator, a: Node, b: Node) -> Result<Node> {
    let is_float = |node: &Node| matches!(node.data_type, DataType::Float32 | DataType::Float64);
    if operator == Operator::Div || is_float(&a) || is_float(&b) {
        let (a, b) = (a.coerce(&DataType::Float64)?, b.coerce(&DataType::Float64)?);
        return floats::<f64>(operator, a, b, DataType::Float64);
    }
    let side = |node: Node| {
        if node.data_type.is_integer() {
            decimal(node)
        } else {
            Ok(node)
        }
    };
    let (a, b) = (side(a)?, side(b)?);
    let kernel = move |arguments: &[Operand], _: usize| {
        let (a, b) = both(arguments)?;
        match operator {
            Operator::Add => numeric::add(a, b),
            Operator::Sub => numeric::sub(a, b),
            Operator::Mul => numeric::mul(a, b),
            Operator::Div | Operator::Rem => numeric::rem(a, &null_if_zero(b)?),
        }
        .map_err(failed)
    };
    // The precision of the result is Arrow's.
    let empty = |node: &Node| Operand::rows(arrow_array::new_empty_array(&node.data_type));
    let to = kernel(&[empty(&a), empty(&b)], 0)?.data_type().clone();
    Node::call_with(to, vec![a, b], true, operator == Operator::Rem, Box::new(kernel))
}

fn null_if_zero(operand: &Operand) -> Result<Operand> {
    let mut feed = i128::feed(operand, 1)?;
    let rows = operand.array.len();
    let mut bits = super::bits::Bits::with_capacity(rows);
    for (start, len) in chunks(rows) {
        let (values, _) = feed.chunk(start, len);
        bits.extend(values, values, |value, _| value == 0);
    }
    let zero = BooleanArray::new(bits.finish(), None);
    Ok(Operand {
        array: arrow_select::nullif::nullif(&operand.array, &zero).map_err(failed)?,
        is_scalar: operand.is_scalar,
    })
}
