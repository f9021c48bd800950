//! `in` lists of many integers or texts, as a set.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use gapless_engine::scan::Literal;

use super::feed::{Native, chunks, valid};
use super::node::{Node, Operand, Result, first};
use super::tree::Value;

/// Fewer values are compared one by one.
const FEW: usize = 4;

/// Many values of one type.
pub(super) enum Set {
    Integers(HashSet<i128>),
    Texts(HashSet<String>),
}

/// The values as a set, if they are many and of the very type; others are compared one by one.
pub(super) fn bind(data_type: &DataType, values: &[Value]) -> Option<Set> {
    if values.len() <= FEW {
        return None;
    }
    let integer = |value: &Value| match value {
        Value::Plain(Literal::I64(value)) => Some(i128::from(*value)),
        Value::Plain(Literal::U64(value)) => Some(i128::from(*value)),
        _ => None,
    };
    let text = |value: &Value| match value {
        Value::Plain(Literal::Text(text)) => Some(text.clone()),
        _ => None,
    };
    match data_type {
        DataType::Utf8 => Some(Set::Texts(values.iter().map(text).collect::<Option<_>>()?)),
        other if other.is_integer() => {
            Some(Set::Integers(values.iter().map(integer).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

impl Set {
    /// Whether values are in it.
    pub(super) fn of(self, node: Node) -> Result<Node> {
        Node::call(DataType::Boolean, vec![node], move |arguments, rows| {
            let argument = first(arguments)?;
            let found = self.find(argument, rows)?;
            Ok(Arc::new(BooleanArray::new(found, valid(&[argument], rows))) as ArrayRef)
        })
    }

    fn find(&self, argument: &Operand, rows: usize) -> Result<BooleanBuffer> {
        match self {
            Self::Integers(set) => {
                let mut feed = i128::feed(argument, 1)?;
                let mut found = Vec::with_capacity(rows);
                for (start, len) in chunks(rows) {
                    found.extend(feed.chunk(start, len).0.iter().map(|value| set.contains(value)));
                }
                Ok(found.into())
            }
            Self::Texts(set) => {
                let texts = argument.array.as_string::<i32>();
                Ok(BooleanBuffer::collect_bool(texts.len(), |row| {
                    set.contains(texts.value(row))
                }))
            }
        }
    }
}
