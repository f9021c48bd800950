//! A bound expression as a tree, and its evaluation.
//!
//! A literal is an array of one value and stays one; so does whatever is computed of literals alone, which happens once, on binding.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Datum, UInt32Array, new_null_array};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{ArrowError, DataType};
pub(super) use gapless_engine::{Error, Result};

use super::choose::{Choice, Logic};
use super::symbol::PerSymbol;

/// Values of all rows, or one value for all of them.
#[derive(Clone)]
pub(super) struct Operand {
    pub(super) array: ArrayRef,
    pub(super) is_scalar: bool,
}

impl Operand {
    pub(super) fn rows(array: ArrayRef) -> Self {
        Self {
            array,
            is_scalar: false,
        }
    }

    /// As many values as there are rows.
    pub(super) fn into_rows(self, rows: usize) -> Result<ArrayRef> {
        if !self.is_scalar {
            return Ok(self.array);
        }
        if self.array.is_null(0) || *self.array.data_type() == DataType::Null {
            return Ok(new_null_array(self.array.data_type(), rows));
        }
        arrow_select::take::take(&self.array, &UInt32Array::from_value(0, rows), None).map_err(failed)
    }
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (&self.array, self.is_scalar)
    }
}

/// The columns of the rows in question.
pub(super) struct Rows<'a> {
    pub(super) columns: &'a [ArrayRef],
    pub(super) len: usize,
}

/// Computes as many values as it is told of its arguments.
pub(super) type Kernel = Box<dyn Fn(&[Operand], usize) -> Result<ArrayRef> + Send + Sync>;

/// A part of a bound expression.
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
}

pub(super) enum Kind {
    Column(usize),
    Literal(Literal),
    PerSymbol(PerSymbol),
    Logic(Logic),
    Choice(Choice),
    Call(Call),
}

/// One value.
pub(super) struct Literal {
    pub(super) array: ArrayRef,
    /// An unscaled decimal, whose scale is that of what it stands beside.
    pub(super) unscaled: Option<i128>,
}

pub(super) struct Call {
    kernel: Kernel,
    arguments: Vec<Node>,
    /// Whether some values are errors.
    can_fail: bool,
}

/// The error of an Arrow kernel, as one of the caller's data.
pub(super) fn failed(error: ArrowError) -> Error {
    let message = match &error {
        ArrowError::ComputeError(message)
        | ArrowError::CastError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::ParseError(message)
        | ArrowError::InvalidArgumentError(message) => message.clone(),
        other => other.to_string(),
    };
    Error::invalid(message)
}

impl Node {
    pub(super) fn literal(array: ArrayRef) -> Self {
        Self {
            data_type: array.data_type().clone(),
            nullable: array.logical_null_count() > 0,
            kind: Kind::Literal(Literal {
                array,
                unscaled: None,
            }),
        }
    }

    pub(super) fn column(index: usize, data_type: &DataType) -> Self {
        Self {
            kind: Kind::Column(index),
            data_type: data_type.clone(),
            nullable: true,
        }
    }

    pub(super) fn null(data_type: &DataType) -> Self {
        Self::literal(new_null_array(data_type, 1))
    }

    /// A call that gives no errors, and null only for null.
    pub(super) fn call(
        data_type: DataType,
        arguments: Vec<Self>,
        kernel: impl Fn(&[Operand], usize) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::call_with(data_type, arguments, false, false, Box::new(kernel))
    }

    /// A call; of literals alone it is computed at once.
    pub(super) fn call_with(
        data_type: DataType,
        arguments: Vec<Self>,
        can_fail: bool,
        makes_nulls: bool,
        kernel: Kernel,
    ) -> Result<Self> {
        let nullable = makes_nulls || arguments.iter().any(|node| node.nullable);
        let literals: Option<Vec<Operand>> = arguments.iter().map(Self::scalar).collect();
        if let Some(literals) = literals {
            return Ok(Self::literal(kernel(&literals, 1)?));
        }
        Ok(Self {
            kind: Kind::Call(Call {
                kernel,
                arguments,
                can_fail,
            }),
            data_type,
            nullable,
        })
    }

    pub(super) fn scalar(&self) -> Option<Operand> {
        match &self.kind {
            Kind::Literal(literal) => Some(Operand {
                array: Arc::clone(&literal.array),
                is_scalar: true,
            }),
            _ => None,
        }
    }

    pub(super) fn is_null_literal(&self) -> bool {
        matches!(&self.kind, Kind::Literal(literal) if literal.array.logical_null_count() > 0)
    }

    /// The value of an integer literal without a type of its own.
    pub(super) fn whole_literal(&self) -> Option<i128> {
        let Kind::Literal(literal) = &self.kind else {
            return None;
        };
        if literal.unscaled.is_some() {
            return literal.unscaled;
        }
        let array = &literal.array;
        match array.data_type() {
            _ if self.is_null_literal() => None,
            DataType::Int64 => Some(i128::from(array.as_primitive::<Int64Type>().value(0))),
            DataType::UInt64 => Some(i128::from(array.as_primitive::<UInt64Type>().value(0))),
            _ => None,
        }
    }

    /// Whether a type has the value of this literal.
    pub(super) fn fits(&self, data_type: &DataType) -> bool {
        let number = data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64);
        let Some(operand) = self.scalar().filter(|_| number) else {
            return false;
        };
        cast(&operand.array, data_type)
            .and_then(|there| cast(&there, &self.data_type))
            .is_ok_and(|back| back == operand.array)
    }

    /// The same values in another type.
    pub(super) fn coerce(self, to: &DataType) -> Result<Self> {
        if self.data_type == *to {
            return Ok(self);
        }
        if self.is_null_literal() {
            return Ok(Self::null(to));
        }
        if !can_cast_types(&self.data_type, to) {
            return Err(Error::invalid(format!("{} cannot become {to}", self.data_type)));
        }
        let wanted = to.clone();
        let kernel = move |arguments: &[Operand], _: usize| cast(&first(arguments)?.array, &wanted);
        let can_fail = !super::types::is_text(&self.data_type) || !super::types::is_text(to);
        Self::call_with(to.clone(), vec![self], can_fail, false, Box::new(kernel))
    }

    pub(super) fn evaluate(&self, rows: &Rows<'_>) -> Result<Operand> {
        match &self.kind {
            Kind::Column(index) => column(rows, *index, &self.data_type),
            Kind::Literal(literal) => Ok(Operand {
                array: Arc::clone(&literal.array),
                is_scalar: true,
            }),
            Kind::PerSymbol(part) => part.evaluate(rows),
            Kind::Logic(logic) => logic.evaluate(rows),
            Kind::Choice(choice) => choice.evaluate(rows),
            Kind::Call(call) => {
                let arguments: Vec<Operand> = (call.arguments.iter())
                    .map(|argument| argument.evaluate(rows))
                    .collect::<Result<_>>()?;
                // A choice may have come to a literal for all rows of this batch.
                let is_scalar = arguments.iter().all(|argument| argument.is_scalar);
                let array = (call.kernel)(&arguments, if is_scalar { 1 } else { rows.len })?;
                Ok(Operand { array, is_scalar })
            }
        }
    }

    /// Whether some values are errors, so that it must be computed only where it is asked for.
    pub(super) fn can_fail(&self) -> bool {
        match &self.kind {
            Kind::Column(_) | Kind::Literal(_) => false,
            Kind::PerSymbol(part) => part.inner().can_fail(),
            Kind::Logic(logic) => logic.parts().iter().any(Self::can_fail),
            Kind::Choice(choice) => choice.parts().iter().any(Self::can_fail),
            Kind::Call(call) => call.can_fail || call.arguments.iter().any(Self::can_fail),
        }
    }

    /// Adds the columns that it reads.
    pub(super) fn columns(&self, found: &mut Vec<usize>) {
        match &self.kind {
            Kind::Column(index) => found.push(*index),
            Kind::Literal(_) => {}
            Kind::PerSymbol(part) => found.push(part.column()),
            Kind::Logic(logic) => logic.parts().iter().for_each(|part| part.columns(found)),
            Kind::Choice(choice) => choice.parts().iter().for_each(|part| part.columns(found)),
            Kind::Call(call) => call.arguments.iter().for_each(|part| part.columns(found)),
        }
    }
}

fn column(rows: &Rows<'_>, index: usize, data_type: &DataType) -> Result<Operand> {
    match rows.columns.get(index) {
        Some(array) if array.data_type() == data_type => Ok(Operand::rows(Arc::clone(array))),
        Some(array) => Err(Error::internal(format!(
            "column {index} of the batch is {}, but the expression was bound to {data_type}",
            array.data_type()
        ))),
        None => Err(Error::internal(format!(
            "the batch has {} columns, but the expression was bound to more",
            rows.columns.len()
        ))),
    }
}

/// A value that the type does not have is an error.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..Default::default()
    };
    cast_with_options(array, to, &options).map_err(failed)
}

pub(super) fn first(arguments: &[Operand]) -> Result<&Operand> {
    arguments
        .first()
        .ok_or_else(|| Error::internal("a kernel was given no arguments"))
}

pub(super) fn both(arguments: &[Operand]) -> Result<(&Operand, &Operand)> {
    match arguments {
        [a, b] => Ok((a, b)),
        other => Err(Error::internal(format!(
            "a kernel of two was given {} arguments",
            other.len()
        ))),
    }
}
