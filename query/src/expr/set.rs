//! `in` lists of many integers or texts, as a set.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use gapless_engine::scan::Literal;

use super::bits::Bits;
use super::feed::{Native, chunks, valid};
use super::node::{Node, Operand, Result, first};
use super::tree::Value;

/// Fewer values are compared one by one.
const FEW: usize = 4;
/// Integers that lie no further apart are looked up in a table.
const TABLE_MAX: i128 = 1 << 16;

/// Many values of one type.
pub(super) enum Set {
    /// A table of what is there from the least on.
    Near(i64, Vec<bool>),
    /// In order.
    Far(Vec<i64>),
    Texts(HashSet<String>),
}

/// The values as a set, if they are many and of the very type; others are compared one by one.
pub(super) fn bind(data_type: &DataType, values: &[Value]) -> Option<Set> {
    if values.len() <= FEW {
        return None;
    }
    match data_type {
        DataType::Utf8 => values.iter().map(text).collect::<Option<_>>().map(Set::Texts),
        // Not all values of a u64 are read as those of an i64.
        DataType::UInt64 => None,
        other if other.is_integer() => values.iter().map(integer).collect::<Option<_>>().map(integers),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Plain(Literal::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Plain(Literal::I64(value)) => Some(*value),
        Value::Plain(Literal::U64(value)) => i64::try_from(*value).ok(),
        _ => None,
    }
}

fn integers(mut values: Vec<i64>) -> Set {
    values.sort_unstable();
    let (Some(&least), Some(&greatest)) = (values.first(), values.last()) else {
        return Set::Far(values);
    };
    if i128::from(greatest) - i128::from(least) >= TABLE_MAX {
        return Set::Far(values);
    }
    let table = (least..=greatest).map(|value| values.binary_search(&value).is_ok());
    Set::Near(least, table.collect())
}

impl Set {
    /// Whether values are in it.
    pub(super) fn of(self, node: Node) -> Result<Node> {
        Node::call(DataType::Boolean, vec![node], move |arguments, rows| {
            let argument = first(arguments)?;
            let found = match &self {
                Self::Near(least, table) => find(argument, rows, |value| {
                    let place = value.wrapping_sub(*least).cast_unsigned();
                    usize::try_from(place).is_ok_and(|place| table.get(place) == Some(&true))
                })?,
                Self::Far(values) => find(argument, rows, |value| values.binary_search(&value).is_ok())?,
                Self::Texts(texts) => {
                    let column = argument.array.as_string::<i32>();
                    BooleanBuffer::collect_bool(column.len(), |row| texts.contains(column.value(row)))
                }
            };
            Ok(Arc::new(BooleanArray::new(found, valid(&[argument], rows))) as ArrayRef)
        })
    }
}

fn find(argument: &Operand, rows: usize, is_in: impl Fn(i64) -> bool) -> Result<BooleanBuffer> {
    let mut feed = i64::feed(argument, 1)?;
    let mut found = Bits::with_capacity(rows);
    for (start, len) in chunks(rows) {
        let (values, _) = feed.chunk(start, len);
        found.extend(values, values, |value, _| is_in(value));
    }
    Ok(found.finish())
}
