//! An expression resolved against a schema.

use std::sync::Arc;

use arrow_arith::boolean;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DurationNanosecondArray, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_cast::can_cast_types;
use arrow_schema::{DataType, Field, Schema};
use gapless_engine::coverage::duration_ns;
use gapless_engine::error::ResultExt;
use gapless_engine::scan::{Comparison, Literal};
use jiff::Timestamp;
use jiff::civil::Date;

use super::choose::{Choice, Logic, bind_extreme, is_true};
use super::node::{Error, Kind, Literal as BoundLiteral, Node, Operand, Result, Rows, failed, first};
use super::symbol::PerSymbol;
use super::tree::{Expr, Function, Value};
use super::types::is_text;
use super::{arithmetic, compare, math, set, text, time};

/// An expression resolved against a schema. Batches must have its columns in its order.
pub(crate) struct Bound {
    node: Node,
    text: String,
}

impl Bound {
    /// # Errors
    /// `Invalid` for a column that is not there, types that an operator does not take, and a literal part that has no value.
    pub(crate) fn new(expr: &Expr, schema: &Schema) -> Result<Self> {
        Ok(Self {
            node: bind(expr, schema)?,
            text: expr.to_string(),
        })
    }

    pub(crate) fn data_type(&self) -> &DataType {
        &self.node.data_type
    }

    pub(crate) fn nullable(&self) -> bool {
        self.node.nullable
    }

    /// The value of each row; a column itself is not copied.
    ///
    /// # Errors
    /// `Invalid` where a row has no value: an overflow, or a cast to a type that does not have it.
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        self.run(batch)
            .and_then(|operand| operand.into_rows(rows))
            .with_context(|| &self.text)
    }

    /// Rows for which it is true; null is not.
    ///
    /// # Errors
    /// As [`Bound::evaluate`], and `Invalid` for what is no condition.
    pub(crate) fn passing(&self, batch: &RecordBatch) -> Result<BooleanBuffer> {
        match self.data_type() {
            DataType::Boolean => Ok(is_true(&self.evaluate(batch)?)),
            DataType::Null => Ok(BooleanBuffer::new_unset(batch.num_rows())),
            other => Err(Error::invalid(format!(
                "{} is {other} and no condition: compare it with a value",
                self.text
            ))),
        }
    }

    fn run(&self, batch: &RecordBatch) -> Result<Operand> {
        self.node.evaluate(&Rows {
            columns: batch.columns(),
            len: batch.num_rows(),
        })
    }

    #[cfg(test)]
    pub(super) fn node(&self) -> &Node {
        &self.node
    }
}

fn bind(expr: &Expr, schema: &Schema) -> Result<Node> {
    match expr {
        Expr::Alias(part, _) => return bind(part, schema),
        Expr::Column(name) => return column(name, schema),
        _ => {}
    }
    if let [name] = expr.columns()[..]
        && let Some((index, field)) = schema.column_with_name(name)
        && let DataType::Dictionary(_, values) = field.data_type()
    {
        // Values of a dictionary may be null even where no key is.
        let symbols = Schema::new(vec![Field::new(name, values.as_ref().clone(), true)]);
        let inner = bind(expr, &symbols)?;
        if inner.scalar().is_some() {
            return Ok(inner);
        }
        return Ok(Node {
            data_type: inner.data_type.clone(),
            nullable: inner.nullable,
            kind: Kind::PerSymbol(PerSymbol::new(index, inner)),
        });
    }
    whole(expr, schema)
}

fn column(name: &str, schema: &Schema) -> Result<Node> {
    let Some((index, field)) = schema.column_with_name(name) else {
        let names: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| format!("{:?}", field.name()))
            .collect();
        return Err(Error::invalid(format!(
            "there is no column {name:?}; the columns are {}",
            names.join(", ")
        )));
    };
    Ok(Node {
        kind: Kind::Column(index),
        data_type: field.data_type().clone(),
        nullable: field.is_nullable(),
    })
}

/// The error of types that an operator does not take.
fn wrong(expr: &Expr, types: &[&DataType]) -> Error {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    Error::invalid(format!(
        "{expr} does not work with {}; cast a side to another type",
        types.join(" and ")
    ))
}

/// Binds what is more than a column.
fn whole(expr: &Expr, schema: &Schema) -> Result<Node> {
    match expr {
        Expr::Column(name) => column(name, schema),
        Expr::Alias(part, _) => bind(part, schema),
        Expr::Literal(value) => literal(value),
        Expr::Compare(comparison, a, b) => {
            let (a, b) = (bind(a, schema)?, bind(b, schema)?);
            comparable(expr, *comparison, a, b)
        }
        Expr::And(parts) => Ok(Logic::bind(true, conditions(parts, schema)?)),
        Expr::Or(parts) => Ok(Logic::bind(false, conditions(parts, schema)?)),
        Expr::Not(part) => {
            let part = condition(part, schema)?;
            Node::call(DataType::Boolean, vec![part], |arguments, _| {
                let not = boolean::not(first(arguments)?.array.as_boolean());
                Ok(Arc::new(not.map_err(failed)?))
            })
        }
        Expr::IsNull(part) => is_null(bind(part, schema)?),
        Expr::IsNan(part) => one(expr, bind(part, schema)?, math::is_nan),
        Expr::In(part, values) => one_of(expr, part, values, schema),
        Expr::Like {
            text,
            pattern,
            ignore_case,
        } => one(expr, bind(text, schema)?, |node| {
            text::bind(node, pattern, *ignore_case)
        }),
        Expr::Arithmetic(operator, a, b) => two(expr, bind(a, schema)?, bind(b, schema)?, |a, b| {
            arithmetic::bind(*operator, a, b)
        }),
        Expr::Neg(part) => one(expr, bind(part, schema)?, math::negative),
        Expr::Call(function, arguments) => call(expr, function, arguments, schema),
        Expr::Cast(part, to) => {
            let node = bind(part, schema)?;
            if !can_cast_types(&node.data_type, to) {
                return Err(wrong(expr, &[&node.data_type]));
            }
            node.coerce(to).with_context(|| expr)
        }
        Expr::If(test, yes, no) => {
            let test = condition(test, schema)?;
            two(expr, bind(yes, schema)?, bind(no, schema)?, |yes, no| {
                Choice::bind_if(test, yes, no)
            })
        }
    }
}

fn one(expr: &Expr, node: Node, bind: impl FnOnce(Node) -> Result<Option<Node>>) -> Result<Node> {
    let data_type = node.data_type.clone();
    let bound = bind(node).with_context(|| expr)?;
    bound.ok_or_else(|| wrong(expr, &[&data_type]))
}

fn two(expr: &Expr, a: Node, b: Node, bind: impl FnOnce(Node, Node) -> Result<Option<Node>>) -> Result<Node> {
    let (left, right) = (a.data_type.clone(), b.data_type.clone());
    let bound = bind(a, b).with_context(|| expr)?;
    bound.ok_or_else(|| wrong(expr, &[&left, &right]))
}

fn conditions(parts: &[Expr], schema: &Schema) -> Result<Vec<Node>> {
    parts.iter().map(|part| condition(part, schema)).collect()
}

fn condition(expr: &Expr, schema: &Schema) -> Result<Node> {
    let node = bind(expr, schema)?;
    match node.data_type {
        DataType::Boolean => Ok(node),
        DataType::Null => Ok(Node::null(&DataType::Boolean)),
        ref other => Err(Error::invalid(format!(
            "{expr} is {other} and no condition: compare it with a value"
        ))),
    }
}

fn is_null(node: Node) -> Result<Node> {
    let mut node = Node::call(DataType::Boolean, vec![node], |arguments, _| {
        let nulls = first(arguments)?.array.logical_nulls();
        let is_null = match nulls {
            Some(nulls) => !nulls.inner(),
            None => BooleanBuffer::new_unset(first(arguments)?.array.len()),
        };
        Ok(Arc::new(BooleanArray::new(is_null, None)))
    })?;
    node.nullable = false;
    Ok(node)
}

fn one_of(expr: &Expr, part: &Expr, values: &[Value], schema: &Schema) -> Result<Node> {
    let part = bind(part, schema)?;
    if let Some(set) = set::bind(&part.data_type, values) {
        return set.of(part);
    }
    // The value is computed once, and the tests read it as their only column.
    let tests = values.iter().map(|value| {
        let value = literal(value)?;
        comparable(expr, Comparison::Eq, Node::column(0, &part.data_type), value)
    });
    let test = Logic::bind(false, tests.collect::<Result<_>>()?);
    let makes_nulls = values.contains(&Value::Null);
    let kernel = move |arguments: &[Operand], rows: usize| {
        let argument = first(arguments)?;
        let columns = [Arc::clone(&argument.array)];
        let found = test.evaluate(&Rows {
            columns: &columns,
            len: rows,
        })?;
        // An empty list is false for every value, and unknown for none.
        let found = found.into_rows(rows)?;
        let nulls = super::feed::valid(&[argument], rows);
        let nulls = NullBuffer::union(nulls.as_ref(), found.nulls());
        Ok(Arc::new(BooleanArray::new(found.as_boolean().values().clone(), nulls)) as ArrayRef)
    };
    Node::call_with(
        DataType::Boolean,
        vec![part],
        false,
        makes_nulls,
        Box::new(kernel),
    )
}

fn call(expr: &Expr, function: &Function, arguments: &[Expr], schema: &Schema) -> Result<Node> {
    let arguments: Vec<Node> = (arguments.iter())
        .map(|argument| bind(argument, schema))
        .collect::<Result<_>>()?;
    let types: Vec<DataType> = arguments.iter().map(|node| node.data_type.clone()).collect();
    let bound = call_of(function, arguments).with_context(|| expr)?;
    bound.ok_or_else(|| wrong(expr, &types.iter().collect::<Vec<_>>()))
}

fn call_of(function: &Function, mut arguments: Vec<Node>) -> Result<Option<Node>> {
    match function {
        Function::Least => return bind_extreme(true, arguments),
        Function::Greatest => return bind_extreme(false, arguments),
        Function::Coalesce => return Choice::bind_coalesce(arguments),
        _ => {}
    }
    let wanted = if *function == Function::Pow { 2 } else { 1 };
    if arguments.len() != wanted {
        return Err(Error::invalid(format!(
            "the function takes {wanted} arguments, not {}",
            arguments.len()
        )));
    }
    let (Some(last), before) = (arguments.pop(), arguments.pop()) else {
        return Ok(None);
    };
    match (function, before) {
        (Function::Pow, Some(base)) => math::power(base, last),
        (Function::Part(part, zone), _) => time::bind_part(*part, zone.as_deref(), last),
        (Function::Bucket(bucket), _) => time::bind_bucket(bucket.clone(), last),
        (function, _) => math::bind(function, last),
    }
}

/// A comparison, in which text beside a time is read as a time.
fn comparable(expr: &Expr, comparison: Comparison, a: Node, b: Node) -> Result<Node> {
    let (a, b) = (as_time(a, &b.data_type.clone())?, b);
    let b = as_time(b, &a.data_type)?;
    two(expr, a, b, |a, b| compare::bind(comparison, a, b))
}

fn as_time(node: Node, beside: &DataType) -> Result<Node> {
    let is_time = matches!(
        beside,
        DataType::Timestamp(..) | DataType::Duration(_) | DataType::Date32
    );
    match node.scalar() {
        Some(scalar) if is_time && is_text(&node.data_type) && !node.is_null_literal() => {
            literal(&time_literal(scalar.array.as_string::<i32>().value(0), beside)?)
        }
        _ => Ok(node),
    }
}

/// Text as what it is compared with: a timestamp, a duration, or the days of a date.
pub(super) fn time_literal(text: &str, data_type: &DataType) -> Result<Value> {
    match data_type {
        DataType::Duration(_) => duration_ns(text).map(Value::Duration),
        DataType::Date32 => {
            let date: Option<Date> = text.parse().ok();
            let days = date.map(|date| Date::constant(1970, 1, 1).duration_until(date).as_hours() / 24);
            days.map(|days| Value::Plain(Literal::I64(days)))
                .ok_or_else(|| Error::invalid(format!("{text:?} is no date: write it as \"2026-11-20\"")))
        }
        _ => {
            let time: Option<Timestamp> = text.parse().ok();
            let ns = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
            ns.map(Value::Timestamp).ok_or_else(|| {
                Error::invalid(format!(
                    "{text:?} is no time with a zone: write it as \"2026-11-20T14:30:00Z\" or with an offset, such as +01:00"
                ))
            })
        }
    }
}

fn literal(value: &Value) -> Result<Node> {
    let array: ArrayRef = match value {
        Value::Null => return Ok(Node::null(&DataType::Null)),
        Value::Timestamp(ns) => Arc::new(TimestampNanosecondArray::from_value(*ns, 1).with_timezone("UTC")),
        Value::Duration(ns) => Arc::new(DurationNanosecondArray::from_value(*ns, 1)),
        Value::Plain(Literal::Bool(value)) => Arc::new(BooleanArray::from(vec![*value])),
        Value::Plain(Literal::I64(value)) => Arc::new(Int64Array::from_value(*value, 1)),
        Value::Plain(Literal::U64(value)) => Arc::new(UInt64Array::from_value(*value, 1)),
        Value::Plain(Literal::F64(value)) => Arc::new(Float64Array::from_value(*value, 1)),
        Value::Plain(Literal::Text(text)) => Arc::new(StringArray::from(vec![text.as_str()])),
        Value::Plain(Literal::Binary(bytes)) => Arc::new(BinaryArray::from(vec![bytes.as_slice()])),
        Value::Plain(Literal::I128(value)) => return wide(*value),
    };
    Ok(Node::literal(array))
}

/// A literal of 128 bits: the unscaled value of the decimal beside it, or an integer.
fn wide(value: i128) -> Result<Node> {
    let array: ArrayRef = match i64::try_from(value) {
        Ok(value) => Arc::new(Int64Array::from_value(value, 1)),
        Err(_) => arithmetic::array(vec![value], None, &DataType::Decimal128(38, 0))?,
    };
    let mut node = Node::literal(array);
    if let Kind::Literal(BoundLiteral { unscaled, .. }) = &mut node.kind {
        *unscaled = Some(value);
    }
    Ok(node)
}
