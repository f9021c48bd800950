//! Functions of numbers.

use arrow_arith::numeric;
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use arrow_select::zip::zip;

use super::arithmetic::{self, array};
use super::choose::is_true;
use super::feed::{Feed, Native, chunks, valid};
use super::node::{Node, Operand, Result, both, failed, first};
use super::tree::{Function, Operator};
use super::types::is_number;

fn map<T: ArrowNativeType, U>(mut feed: Feed<T>, rows: usize, one: impl Fn(T) -> U) -> Vec<U> {
    let mut out = Vec::with_capacity(rows);
    for (start, len) in chunks(rows) {
        out.extend(feed.chunk(start, len).0.iter().map(|value| one(*value)));
    }
    out
}

/// A function of floats, the result of type `to`: `Float32` or `Float64`.
fn float(node: Node, to: DataType, one: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Result<Node> {
    let node = if node.data_type.is_decimal() {
        node.coerce(&DataType::Float64)?
    } else {
        node
    };
    let result = to.clone();
    Node::call(result, vec![node], move |arguments, rows| {
        let argument = first(arguments)?;
        let nulls = valid(&[argument], rows);
        let feed = f64::feed(argument, 1)?;
        if to == DataType::Float32 {
            return array(map(feed, rows, |value| one(value) as f32), nulls, &to);
        }
        array(map(feed, rows, &one), nulls, &to)
    })
}

/// Binds a function of one number; `None` for types that it does not take.
pub(super) fn bind(function: &Function, node: Node) -> Result<Option<Node>> {
    use DataType as T;
    use Function as F;
    let data_type = node.data_type.clone();
    let is_numeric = is_number(&data_type) || data_type.is_decimal();
    if node.is_null_literal() && (data_type == T::Null || is_numeric) {
        return Ok(Some(Node::null(&T::Float64)));
    }
    if !is_numeric && !matches!((function, &data_type), (F::Abs, T::Duration(_))) {
        return Ok(None);
    }
    let own = if data_type == T::Float32 {
        T::Float32
    } else {
        T::Float64
    };
    Ok(Some(match function {
        F::Sqrt => float(node, T::Float64, f64::sqrt)?,
        F::Ln => float(node, T::Float64, f64::ln)?,
        F::Log10 => float(node, T::Float64, f64::log10)?,
        F::Exp => float(node, T::Float64, f64::exp)?,
        F::Abs => return absolute(node).map(Some),
        // Integers are whole.
        F::Floor | F::Ceil | F::Round(0..) if data_type.is_integer() => node,
        F::Floor => float(node, own, f64::floor)?,
        F::Ceil => float(node, own, f64::ceil)?,
        F::Round(digits) => round(node, own, *digits)?,
        F::Sign if data_type.is_floating() => float(node, own, sign)?,
        F::Sign => integer_sign(node)?,
        F::NanBySign if data_type.is_floating() => float(node, own, nan_by_sign)?,
        F::NanBySign => node,
        _ => return Ok(None),
    }))
}

fn round(node: Node, to: DataType, digits: i32) -> Result<Node> {
    let factor = 10f64.powi(digits.unsigned_abs().min(400).cast_signed());
    float(node, to, move |value| {
        let rounded = match digits {
            0.. => (value * factor).round() / factor,
            _ => (value / factor).round() * factor,
        };
        // So great a number has no such digits.
        if rounded.is_finite() { rounded } else { value }
    })
}

fn sign(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() {
        value
    } else {
        value.signum()
    }
}

fn nan_by_sign(value: f64) -> f64 {
    if value.is_nan() && value.is_sign_negative() {
        f64::NEG_INFINITY
    } else {
        value
    }
}

fn integer_sign(node: Node) -> Result<Node> {
    Node::call(DataType::Int64, vec![node], |arguments, rows| {
        let argument = first(arguments)?;
        let signs = map(i128::feed(argument, 1)?, rows, |value| value.signum() as i64);
        array(signs, valid(&[argument], rows), &DataType::Int64)
    })
}

fn absolute(node: Node) -> Result<Node> {
    match node.data_type {
        DataType::Float32 => return float(node, DataType::Float32, f64::abs),
        DataType::Float64 => return float(node, DataType::Float64, f64::abs),
        ref data_type if data_type.is_unsigned_integer() => return node.coerce(&DataType::UInt64),
        _ => {}
    }
    let data_type = node.data_type.clone();
    let to = if data_type.is_integer() {
        DataType::Int64
    } else {
        data_type
    };
    let node = node.coerce(&to)?;
    let kernel = |arguments: &[Operand], rows: usize| {
        let argument = first(arguments)?;
        let signs = map(i128::feed(argument, 1)?, rows, |value| value < 0);
        let negative = arrow_array::BooleanArray::from(signs);
        if is_true(&negative).count_set_bits() == 0 {
            return Ok(argument.array.clone());
        }
        // Only what is negative, so that nothing below a null overflows.
        let values = arrow_select::nullif::nullif(
            &argument.array,
            &arrow_arith::boolean::not(&negative).map_err(failed)?,
        );
        let positive = numeric::neg(&values.map_err(failed)?).map_err(failed)?;
        zip(&negative, &positive, &argument.array).map_err(failed)
    };
    Node::call_with(to, vec![node], true, false, Box::new(kernel))
}

/// Binds the negative; `None` for what has none.
pub(super) fn negative(node: Node) -> Result<Option<Node>> {
    use DataType as T;
    let zero = match &node.data_type {
        T::Null => return Ok(Some(node)),
        T::Float32 => return float(node, T::Float32, std::ops::Neg::neg).map(Some),
        T::Float64 => return float(node, T::Float64, std::ops::Neg::neg).map(Some),
        T::Decimal128(..) => {
            let to = node.data_type.clone();
            let kernel =
                |arguments: &[Operand], _: usize| numeric::neg(&first(arguments)?.array).map_err(failed);
            return Node::call_with(to, vec![node], true, false, Box::new(kernel)).map(Some);
        }
        data_type if data_type.is_integer() => T::Int64,
        duration @ T::Duration(_) => duration.clone(),
        _ => return Ok(None),
    };
    let zero = Node::literal(array(vec![0i64], None, &zero)?);
    // A literal would make it unsigned.
    let node = if node.data_type == T::UInt64 {
        node.coerce(&T::Decimal128(20, 0))?.coerce(&T::Int64)?
    } else {
        node
    };
    arithmetic::bind(Operator::Sub, zero, node)
}

/// Binds a power; `None` for what are no numbers.
pub(super) fn power(base: Node, exponent: Node) -> Result<Option<Node>> {
    let number = |node: &Node| {
        is_number(&node.data_type) || node.data_type.is_decimal() || node.data_type == DataType::Null
    };
    if !number(&base) || !number(&exponent) {
        return Ok(None);
    }
    let arguments = vec![
        base.coerce(&DataType::Float64)?,
        exponent.coerce(&DataType::Float64)?,
    ];
    let node = Node::call(DataType::Float64, arguments, |arguments, rows| {
        let (a, b) = both(arguments)?;
        let (mut base, mut exponent) = (f64::feed(a, 1)?, f64::feed(b, 1)?);
        let mut out = Vec::with_capacity(rows);
        for (start, len) in chunks(rows) {
            let (base, exponent) = (base.chunk(start, len).0, exponent.chunk(start, len).0);
            out.extend(
                base.iter()
                    .zip(exponent)
                    .map(|(base, exponent)| base.powf(*exponent)),
            );
        }
        array(out, valid(&[a, b], rows), &DataType::Float64)
    });
    node.map(Some)
}

/// Binds whether it is not a number; `None` for what never is a number.
pub(super) fn is_nan(node: Node) -> Result<Option<Node>> {
    if node.is_null_literal() {
        return Ok(Some(Node::null(&DataType::Boolean)));
    }
    if !is_number(&node.data_type) {
        return Ok(None);
    }
    let node = Node::call(DataType::Boolean, vec![node], |arguments, rows| {
        let argument = first(arguments)?;
        let nan = map(f64::feed(argument, 1)?, rows, f64::is_nan);
        let nan = arrow_buffer::BooleanBuffer::from(nan);
        Ok(std::sync::Arc::new(arrow_array::BooleanArray::new(
            nan,
            valid(&[argument], rows),
        )))
    });
    node.map(Some)
}
