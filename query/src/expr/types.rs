//! Types of values: which are numbers or times, and which type two values have in common.

use arrow_schema::{DataType, TimeUnit};

use super::node::{Node, Result};

const DAY_NS: i64 = 86_400_000_000_000;

/// Nanoseconds of one unit of a time type.
pub(super) fn unit_ns(data_type: &DataType) -> Option<i64> {
    match data_type {
        DataType::Timestamp(unit, _)
        | DataType::Duration(unit)
        | DataType::Time32(unit)
        | DataType::Time64(unit) => Some(match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        }),
        DataType::Date32 => Some(DAY_NS),
        _ => None,
    }
}

/// Text of any layout, also of symbols.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// The finer of two units of time.
pub(super) fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    let rank = |unit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// The type of a number that is computed with another.
pub(super) fn number(a: &DataType, b: &DataType) -> DataType {
    use DataType as T;
    match (a, b) {
        (T::Float32, T::Float32) => T::Float32,
        (a, b) if a.is_unsigned_integer() && b.is_unsigned_integer() => T::UInt64,
        (a, b) if a.is_integer() && b.is_integer() => T::Int64,
        _ => T::Float64,
    }
}

/// The type in which both values can be had, if there is one: of the arms of an `if`, and of what is the least or greatest.
pub(super) fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    Some(match (a, b) {
        (a, b) if is_text(a) && is_text(b) => T::Utf8,
        (a, b) if a == b => a.clone(),
        (T::Null, other) | (other, T::Null) => other.clone(),
        (a, b) if is_number(a) && is_number(b) => number(a, b),
        (T::Decimal128(p, s), T::Decimal128(q, t)) => {
            let scale = *s.max(t);
            let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            let precision = whole(*p, *s).max(whole(*q, *t)) + i16::from(scale);
            T::Decimal128(u8::try_from(precision.clamp(1, 38)).unwrap_or(38), scale)
        }
        (decimal @ T::Decimal128(..), other) | (other, decimal @ T::Decimal128(..)) => match other {
            other if other.is_integer() => match decimal {
                T::Decimal128(_, scale) => T::Decimal128(38, *scale),
                _ => return None,
            },
            T::Float32 | T::Float64 => T::Float64,
            _ => return None,
        },
        (T::Timestamp(a, zone), T::Timestamp(b, other)) => {
            T::Timestamp(finer(*a, *b), zone.clone().or_else(|| other.clone()))
        }
        (T::Duration(a), T::Duration(b)) => T::Duration(finer(*a, *b)),
        _ => return None,
    })
}

/// Brings values to a common type: a literal takes the type of what it stands beside, where it is one of its values.
pub(super) fn unify(nodes: Vec<Node>) -> Result<Option<Vec<Node>>> {
    let mut wanted: Option<DataType> = None;
    for node in nodes.iter().filter(|node| node.whole_literal().is_none()) {
        wanted = match &wanted {
            None => Some(node.data_type.clone()),
            Some(wanted) => match common(wanted, &node.data_type) {
                Some(common) => Some(common),
                None => return Ok(None),
            },
        };
    }
    // Whole numbers come last, so that `coalesce(size, 0)` has the type of `size`.
    for node in nodes.iter().filter(|node| node.whole_literal().is_some()) {
        wanted = match &wanted {
            None => Some(node.data_type.clone()),
            Some(wanted) if node.fits(wanted) => continue,
            Some(wanted) => match common(wanted, &node.data_type) {
                Some(common) => Some(common),
                None => return Ok(None),
            },
        };
    }
    let Some(wanted) = wanted else {
        return Ok(Some(nodes));
    };
    // Symbols are unpacked: those of two columns may be of different dictionaries.
    let wanted = if is_text(&wanted) { DataType::Utf8 } else { wanted };
    let nodes = nodes.into_iter().map(|node| node.coerce(&wanted));
    nodes.collect::<Result<_>>().map(Some)
}
