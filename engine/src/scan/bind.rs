//! A condition bound to the columns of a table: names to ids, literals to the columns' own values.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use gapless_format::{Bound, ColumnSpec, ColumnType, NULL_CODE, PageStats, checksum};

use super::builder::Scan;
use super::predicate::{Comparison, Literal, Predicate};
use crate::error::{Error, Result};
use crate::segment::key::{float_key, reinterpret};
use crate::symbols::Domain;

/// What a column's values are compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Integers, times and booleans, exact.
    Integer(i128),
    Float(f64),
    Decimal(i128),
    Bytes(Vec<u8>),
    /// A symbol's code; `None` when the domain does not have it.
    Code(Option<u32>),
    /// Codes of a domain for which an ordered comparison of their text holds.
    Codes(Arc<Vec<bool>>),
}

/// A bound condition.
#[derive(Debug, Clone)]
pub(crate) enum Bind {
    Compare {
        column: ColumnSpec,
        comparison: Comparison,
        value: Value,
    },
    IsNull(ColumnSpec),
    And(Vec<Bind>),
    Or(Vec<Bind>),
    Not(Box<Bind>),
    /// Always true or false for a value, unknown for null.
    Constant {
        column: ColumnSpec,
        holds: bool,
    },
}

/// Where a condition is true and where it is false; where neither, it is unknown.
pub(crate) struct Truth {
    pub(crate) yes: BooleanBuffer,
    no: BooleanBuffer,
}

impl Truth {
    fn of(array: &ArrayRef, holds: &BooleanBuffer) -> Self {
        match array.nulls() {
            None => Self {
                yes: holds.clone(),
                no: !holds,
            },
            Some(nulls) => Self {
                yes: holds & nulls.inner(),
                no: &!holds & nulls.inner(),
            },
        }
    }
}

/// Binds a condition to the scan's table.
pub(crate) fn bind(scan: &Scan, predicate: &Predicate) -> Result<Bind> {
    Ok(match predicate {
        Predicate::Compare {
            column,
            comparison,
            value,
        } => compare(scan, column, *comparison, value)?,
        Predicate::In { column, values } => {
            // An empty list is false for every value, and unknown for none.
            let parts = values
                .iter()
                .map(|value| compare(scan, column, Comparison::Eq, value));
            let mut parts = parts.collect::<Result<Vec<_>>>()?;
            parts.push(Bind::Constant {
                column: scan.column(column)?.clone(),
                holds: false,
            });
            Bind::Or(parts)
        }
        Predicate::IsNull(column) => Bind::IsNull(scan.column(column)?.clone()),
        Predicate::And(parts) => Bind::And(parts.iter().map(|part| bind(scan, part)).collect::<Result<_>>()?),
        Predicate::Or(parts) => Bind::Or(parts.iter().map(|part| bind(scan, part)).collect::<Result<_>>()?),
        Predicate::Not(part) => Bind::Not(Box::new(bind(scan, part)?)),
    })
}

fn compare(scan: &Scan, name: &str, comparison: Comparison, literal: &Literal) -> Result<Bind> {
    let column = scan.column(name)?.clone();
    let wrong = || {
        Error::invalid(format!(
            "column {name:?} is {} and cannot be compared with {literal:?}",
            column.column_type.name()
        ))
    };
    let value = match (&column.column_type, literal) {
        (ColumnType::Bool, Literal::Bool(value)) => Value::Integer(i128::from(*value)),
        (ColumnType::Number(number), literal) if number.is_float() => {
            Value::Float(float(literal).ok_or_else(wrong)?)
        }
        (ColumnType::Decimal128 { scale, .. }, literal) => {
            Value::Decimal(decimal(literal, *scale).ok_or_else(wrong)?)
        }
        (ColumnType::Utf8, Literal::Text(text)) => Value::Bytes(text.clone().into_bytes()),
        (ColumnType::Binary, Literal::Binary(bytes)) => Value::Bytes(bytes.clone()),
        (ColumnType::Symbol { domain }, Literal::Text(text)) => symbol(scan, domain, comparison, text)?,
        (
            ColumnType::Number(_)
            | ColumnType::Date
            | ColumnType::Time(_)
            | ColumnType::Timestamp { .. }
            | ColumnType::Duration(_),
            literal,
        ) => match literal {
            Literal::I64(value) => Value::Integer(i128::from(*value)),
            Literal::U64(value) => Value::Integer(i128::from(*value)),
            Literal::I128(value) => Value::Integer(*value),
            Literal::F64(value) => return Ok(integer_with_float(column, comparison, *value)),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    // Ordered comparisons of symbols have become a set of codes.
    let comparison = if matches!(value, Value::Codes(_)) {
        Comparison::Eq
    } else {
        comparison
    };
    Ok(Bind::Compare {
        column,
        comparison,
        value,
    })
}

fn float(literal: &Literal) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a float column holds no value between that could tell"
    )]
    match literal {
        Literal::F64(value) => Some(*value),
        Literal::I64(value) => Some(*value as f64),
        Literal::U64(value) => Some(*value as f64),
        _ => None,
    }
}

fn decimal(literal: &Literal, scale: i8) -> Option<i128> {
    let whole = match literal {
        Literal::I128(unscaled) => return Some(*unscaled),
        Literal::I64(value) => i128::from(*value),
        Literal::U64(value) => i128::from(*value),
        _ => return None,
    };
    10i128.checked_pow(u32::try_from(scale).ok()?)?.checked_mul(whole)
}

/// An integer column compared with a float: exact, also where the integer has no float.
fn integer_with_float(column: ColumnSpec, comparison: Comparison, value: f64) -> Bind {
    use Comparison as C;
    let constant = |holds| Bind::Constant {
        column: column.clone(),
        holds,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the casts saturate, which keeps every comparison right"
    )]
    let bound = |comparison, value: f64| Bind::Compare {
        column: column.clone(),
        comparison,
        value: Value::Integer(value as i128),
    };
    if value.is_nan() {
        // NaN is greater than every number.
        return constant(matches!(comparison, C::Lt | C::Le | C::Ne));
    }
    let is_whole = value.fract() == 0.0;
    match comparison {
        C::Eq if !is_whole => constant(false),
        C::Ne if !is_whole => constant(true),
        C::Eq | C::Ne => bound(comparison, value),
        C::Lt => bound(C::Lt, value.ceil()),
        C::Le => bound(C::Le, value.floor()),
        C::Gt => bound(C::Gt, value.floor()),
        C::Ge => bound(C::Ge, value.ceil()),
    }
}

fn symbol(scan: &Scan, domain: &str, comparison: Comparison, text: &str) -> Result<Value> {
    let domain: Arc<Domain> = scan.snapshot.engine().domain(domain, scan.snapshot.version())?;
    if matches!(comparison, Comparison::Eq | Comparison::Ne) {
        return Ok(Value::Code(domain.find(&[text]).first().copied().flatten()));
    }
    let mut holds = Vec::with_capacity(domain.len());
    domain.for_each(|_, symbol| holds.push(accepts(comparison, symbol.cmp(text))));
    Ok(Value::Codes(Arc::new(holds)))
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

/// NaN equals itself and is greater than every other number; both zeros are equal.
fn float_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Bind {
    /// The columns that the condition reads.
    pub(crate) fn columns(&self, found: &mut Vec<ColumnSpec>) {
        match self {
            Self::Compare { column, .. } | Self::IsNull(column) | Self::Constant { column, .. } => {
                if !found.iter().any(|other| other.column_id == column.column_id) {
                    found.push(column.clone());
                }
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.columns(found)),
            Self::Not(part) => part.columns(found),
        }
    }

    /// What it says of some columns alone: it holds wherever the whole does.
    pub(crate) fn within(&self, columns: &[u32]) -> Option<Self> {
        let reads_only = |part: &&Self| {
            let mut read = Vec::new();
            part.columns(&mut read);
            read.iter().all(|column| columns.contains(&column.column_id))
        };
        let parts: Vec<Self> = self.conjuncts().into_iter().filter(reads_only).cloned().collect();
        (!parts.is_empty()).then_some(Self::And(parts))
    }

    /// The conditions that all have to hold.
    pub(crate) fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::conjuncts).collect(),
            other => vec![other],
        }
    }

    /// The index keys of which one must be the row's, for a condition that an index answers: column and keys.
    pub(crate) fn keys(&self) -> Option<(&ColumnSpec, Vec<u64>)> {
        match self {
            Self::Compare {
                column,
                comparison: Comparison::Eq,
                value,
            } => Some((column, value.keys(column)?)),
            Self::Or(parts) => {
                let mut found: Option<(&ColumnSpec, Vec<u64>)> = None;
                for part in parts {
                    let (column, keys) = match part {
                        Self::Constant { column, holds: false } => (column, Vec::new()),
                        part => part.keys()?,
                    };
                    match &mut found {
                        None => found = Some((column, keys)),
                        Some((first, all)) if first.column_id == column.column_id => all.extend(keys),
                        Some(_) => return None,
                    }
                }
                found
            }
            _ => None,
        }
    }

    /// Where the condition holds. `array_of` gives the column's values for the rows in question.
    pub(crate) fn evaluate(&self, rows: usize, array_of: &dyn Fn(u32) -> Result<ArrayRef>) -> Result<Truth> {
        match self {
            Self::Compare {
                column,
                comparison,
                value,
            } => {
                let array = array_of(column.column_id)?;
                Ok(Truth::of(&array, &compare_array(&array, *comparison, value)?))
            }
            Self::Constant { column, holds } => {
                let array = array_of(column.column_id)?;
                let all = if *holds {
                    BooleanBuffer::new_set(rows)
                } else {
                    BooleanBuffer::new_unset(rows)
                };
                Ok(Truth::of(&array, &all))
            }
            Self::IsNull(column) => {
                let array = array_of(column.column_id)?;
                let valid = array
                    .nulls()
                    .map_or_else(|| BooleanBuffer::new_set(rows), |nulls| nulls.inner().clone());
                Ok(Truth {
                    yes: !&valid,
                    no: valid,
                })
            }
            Self::And(parts) => fold_truth(parts, rows, array_of, true),
            Self::Or(parts) => fold_truth(parts, rows, array_of, false),
            Self::Not(part) => {
                let Truth { yes, no } = part.evaluate(rows, array_of)?;
                Ok(Truth { yes: no, no: yes })
            }
        }
    }

    /// Whether a page with these statistics may have a row for which the condition holds.
    pub(crate) fn may_hold(&self, stats_of: &dyn Fn(&ColumnSpec) -> Option<PageStats>, rows: u32) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.may_hold(stats_of, rows)),
            Self::Or(parts) => parts.iter().any(|part| part.may_hold(stats_of, rows)),
            Self::Not(_) => true,
            Self::IsNull(column) => stats_of(column).is_none_or(|stats| stats.null_count > 0),
            Self::Constant { column, holds } => {
                *holds && stats_of(column).is_none_or(|stats| stats.null_count < rows)
            }
            Self::Compare {
                column,
                comparison,
                value,
            } => stats_of(column).is_none_or(|stats| page_may_hold(&stats, *comparison, value, rows)),
        }
    }
}

fn fold_truth(
    parts: &[Bind],
    rows: usize,
    array_of: &dyn Fn(u32) -> Result<ArrayRef>,
    all: bool,
) -> Result<Truth> {
    let (set, unset) = (BooleanBuffer::new_set(rows), BooleanBuffer::new_unset(rows));
    let mut truth = if all {
        Truth { yes: set, no: unset }
    } else {
        Truth { yes: unset, no: set }
    };
    for part in parts {
        let next = part.evaluate(rows, array_of)?;
        truth = if all {
            Truth {
                yes: &truth.yes & &next.yes,
                no: &truth.no | &next.no,
            }
        } else {
            Truth {
                yes: &truth.yes | &next.yes,
                no: &truth.no & &next.no,
            }
        };
    }
    Ok(truth)
}

impl Value {
    fn keys(&self, column: &ColumnSpec) -> Option<Vec<u64>> {
        Some(match self {
            // A value outside of the column's type equals none of its rows.
            Self::Integer(value) => match &column.column_type {
                ColumnType::Number(number) if number.is_unsigned() => {
                    u64::try_from(*value).ok().into_iter().collect()
                }
                ColumnType::Bool => u64::try_from(*value).ok().into_iter().collect(),
                _ => i64::try_from(*value)
                    .ok()
                    .map(i64::cast_unsigned)
                    .into_iter()
                    .collect(),
            },
            Self::Float(value) => vec![float_key(*value)],
            Self::Decimal(value) => vec![checksum(&value.to_le_bytes())],
            Self::Bytes(bytes) => vec![checksum(bytes)],
            Self::Code(code) => code.map(u64::from).into_iter().collect(),
            Self::Codes(_) => return None,
        })
    }
}

fn page_may_hold(stats: &PageStats, comparison: Comparison, value: &Value, rows: u32) -> bool {
    if stats.null_count >= rows {
        return false;
    }
    let order = |bound: &Bound| -> Option<Ordering> {
        Some(match (bound, value) {
            (Bound::I64(bound), Value::Integer(value)) => i128::from(*bound).cmp(value),
            (Bound::U64(bound), Value::Integer(value)) => i128::from(*bound).cmp(value),
            (Bound::I128(bound), Value::Decimal(value)) => bound.cmp(value),
            (Bound::F64(bound), Value::Float(value)) => float_order(*bound, *value),
            (Bound::U64(bound), Value::Code(Some(code))) => bound.cmp(&u64::from(*code)),
            _ => return None,
        })
    };
    if matches!(value, Value::Code(None)) {
        return matches!(comparison, Comparison::Ne);
    }
    let nan_value = matches!(value, Value::Float(value) if value.is_nan());
    if stats.has_nan || nan_value {
        return true; // The bounds say nothing of NaN.
    }
    let (Some(min), Some(max)) = (order(&stats.min), order(&stats.max)) else {
        return true;
    };
    match comparison {
        Comparison::Eq => min.is_le() && max.is_ge(),
        Comparison::Ne => !(min.is_eq() && max.is_eq()),
        Comparison::Lt => min.is_lt(),
        Comparison::Le => min.is_le(),
        Comparison::Gt => max.is_gt(),
        Comparison::Ge => max.is_ge(),
    }
}

fn compare_array(array: &ArrayRef, comparison: Comparison, value: &Value) -> Result<BooleanBuffer> {
    use DataType as T;
    let wrong = || Error::internal(format!("{} was bound to {value:?}", array.data_type()));
    match (array.data_type(), value) {
        (T::UInt32, Value::Code(code)) => {
            let codes = array.as_primitive::<UInt32Type>().values();
            let code = code.unwrap_or(NULL_CODE);
            Ok(collect(codes, comparison, |v| v.cmp(&code)))
        }
        (T::UInt32, Value::Codes(holds)) => {
            let codes = array.as_primitive::<UInt32Type>().values();
            Ok(BooleanBuffer::collect_bool(codes.len(), |row| {
                holds.get(codes[row] as usize).copied().unwrap_or(false)
            }))
        }
        (T::Boolean, Value::Integer(value)) => {
            let values = array.as_boolean().values();
            Ok(BooleanBuffer::collect_bool(values.len(), |row| {
                accepts(comparison, i128::from(values.value(row)).cmp(value))
            }))
        }
        (T::Float64, Value::Float(value)) => Ok(floats(
            array.as_primitive::<Float64Type>().values(),
            comparison,
            *value,
        )),
        (T::Float32, Value::Float(value)) => {
            let values = array.as_primitive::<Float32Type>().values();
            Ok(collect(values, comparison, |v| float_order(f64::from(v), *value)))
        }
        (T::Decimal128(..), Value::Decimal(value)) => Ok(collect(
            array.as_primitive::<Decimal128Type>().values(),
            comparison,
            |v| v.cmp(value),
        )),
        (T::Utf8, Value::Bytes(bytes)) => {
            let values = array.as_string::<i32>();
            let holds = |row| accepts(comparison, values.value(row).as_bytes().cmp(bytes));
            Ok(BooleanBuffer::collect_bool(values.len(), holds))
        }
        (T::Binary, Value::Bytes(bytes)) => {
            let values = array.as_binary::<i32>();
            Ok(BooleanBuffer::collect_bool(values.len(), |row| {
                accepts(comparison, values.value(row).cmp(bytes))
            }))
        }
        (T::Int64, Value::Integer(value)) => Ok(integers::<Int64Type>(array, comparison, *value)),
        (T::Int32, Value::Integer(value)) => Ok(integers::<Int32Type>(array, comparison, *value)),
        (T::Int16, Value::Integer(value)) => Ok(integers::<Int16Type>(array, comparison, *value)),
        (T::Int8, Value::Integer(value)) => Ok(integers::<Int8Type>(array, comparison, *value)),
        (T::UInt64, Value::Integer(value)) => Ok(integers::<UInt64Type>(array, comparison, *value)),
        (T::UInt32, Value::Integer(value)) => Ok(integers::<UInt32Type>(array, comparison, *value)),
        (T::UInt16, Value::Integer(value)) => Ok(integers::<UInt16Type>(array, comparison, *value)),
        (T::UInt8, Value::Integer(value)) => Ok(integers::<UInt8Type>(array, comparison, *value)),
        (T::Date32 | T::Time32(_), _) => compare_array(&reinterpret::<Int32Type>(array)?, comparison, value),
        (T::Time64(_) | T::Timestamp(..) | T::Duration(_), _) => {
            compare_array(&reinterpret::<Int64Type>(array)?, comparison, value)
        }
        _ => Err(wrong()),
    }
}

fn collect<V: Copy>(values: &[V], comparison: Comparison, order: impl Fn(V) -> Ordering) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |row| accepts(comparison, order(values[row])))
}

/// A value that the type cannot hold is above or below all of its values.
fn integers<T: ArrowPrimitiveType>(array: &ArrayRef, comparison: Comparison, value: i128) -> BooleanBuffer
where
    T::Native: TryFrom<i128> + Ord,
{
    let values = array.as_primitive::<T>().values();
    let Ok(value) = T::Native::try_from(value) else {
        let order = if value < 0 {
            Ordering::Greater
        } else {
            Ordering::Less
        };
        let holds = accepts(comparison, order);
        return if holds {
            BooleanBuffer::new_set(values.len())
        } else {
            BooleanBuffer::new_unset(values.len())
        };
    };
    // One plain comparison for each operator, so that the loop is vectorized.
    match comparison {
        Comparison::Eq => BooleanBuffer::collect_bool(values.len(), |row| values[row] == value),
        Comparison::Ne => BooleanBuffer::collect_bool(values.len(), |row| values[row] != value),
        Comparison::Lt => BooleanBuffer::collect_bool(values.len(), |row| values[row] < value),
        Comparison::Le => BooleanBuffer::collect_bool(values.len(), |row| values[row] <= value),
        Comparison::Gt => BooleanBuffer::collect_bool(values.len(), |row| values[row] > value),
        Comparison::Ge => BooleanBuffer::collect_bool(values.len(), |row| values[row] >= value),
    }
}

fn floats(values: &[f64], comparison: Comparison, value: f64) -> BooleanBuffer {
    if value.is_nan() {
        return collect(values, comparison, |v| float_order(v, value));
    }
    // NaN is greater than `value`, so it passes "not less" and "not less or equal".
    match comparison {
        Comparison::Eq => BooleanBuffer::collect_bool(values.len(), |row| values[row] == value),
        Comparison::Ne => BooleanBuffer::collect_bool(values.len(), |row| values[row] != value),
        Comparison::Lt => BooleanBuffer::collect_bool(values.len(), |row| values[row] < value),
        Comparison::Le => BooleanBuffer::collect_bool(values.len(), |row| values[row] <= value),
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN must pass")]
        Comparison::Gt => BooleanBuffer::collect_bool(values.len(), |row| !(values[row] <= value)),
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN must pass")]
        Comparison::Ge => BooleanBuffer::collect_bool(values.len(), |row| !(values[row] < value)),
    }
}
