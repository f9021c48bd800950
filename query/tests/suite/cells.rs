//! Values of results, comparable to the bit.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};

/// A value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i128),
    Time(i64),
    /// Its bits.
    Float(u64),
    Text(String),
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Time(value) => write!(f, "@{value}"),
            Self::Float(bits) => match f64::from_bits(*bits) {
                value if value.is_nan() => write!(f, "NaN {bits:x}"),
                value => write!(f, "{value:?}"),
            },
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Cell {
    pub fn float(value: Option<f64>) -> Self {
        value.map_or(Self::Null, |value| Self::Float(value.to_bits()))
    }

    pub fn int<N: Into<i128>>(value: Option<N>) -> Self {
        value.map_or(Self::Null, |value| Self::Int(value.into()))
    }

    pub fn text(value: Option<&str>) -> Self {
        value.map_or(Self::Null, |value| Self::Text(value.to_owned()))
    }

    pub fn time(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Time)
    }

    pub fn bool(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Bool)
    }

    /// A number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Float(bits) => Some(f64::from_bits(*bits)),
            Self::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// As keys are equal: both zeros, all NaN.
    pub fn normal(&self) -> Self {
        match self {
            Self::Float(bits) => {
                let value = f64::from_bits(*bits);
                Self::Float(if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits())
            }
            other => other.clone(),
        }
    }

    /// Ascending, NaN the greatest number, null last.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => f64::from_bits(*a).total_cmp(&f64::from_bits(*b)),
            _ => panic!("{self:?} and {other:?} are of different types"),
        }
    }

    /// Whether a value is another, of floats: but for rounding.
    pub fn is_near(&self, other: &Self, tolerance: f64) -> bool {
        let (Self::Float(a), Self::Float(b)) = (self, other) else {
            return self == other;
        };
        let (a, b) = (f64::from_bits(*a), f64::from_bits(*b));
        a == b
            || a.is_nan() && b.is_nan()
            || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0) && a.is_finite() && b.is_finite()
    }
}

/// Cells of a column.
pub fn column(array: &ArrayRef) -> Vec<Cell> {
    macro_rules! ints {
        ($t:ty) => {
            array.as_primitive::<$t>().iter().map(Cell::int).collect()
        };
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().iter().map(Cell::bool).collect(),
        DataType::Int32 => ints!(Int32Type),
        DataType::Int64 => ints!(Int64Type),
        DataType::UInt32 => ints!(UInt32Type),
        DataType::UInt64 => ints!(UInt64Type),
        DataType::Float64 => array
            .as_primitive::<Float64Type>()
            .iter()
            .map(Cell::float)
            .collect(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array
            .as_primitive::<TimestampNanosecondType>()
            .iter()
            .map(Cell::time)
            .collect(),
        DataType::Utf8 => array.as_string::<i32>().iter().map(Cell::text).collect(),
        DataType::Dictionary(_, values) => column(&cast(array, values).expect("a dictionary has values")),
        other => panic!("no cells of {other}"),
    }
}

/// Cells of rows.
pub fn cells(batches: &[RecordBatch]) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<Cell>> = batch.columns().iter().map(column).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|cells| cells[row].clone()).collect::<Vec<_>>()),
        );
    }
    rows
}

/// Panics where rows are not the same to the bit.
pub fn assert_same(found: &[Vec<Cell>], wanted: &[Vec<Cell>], what: &str) {
    assert_near(found, wanted, 0.0, what);
    for (at, (a, b)) in found.iter().zip(wanted).enumerate() {
        assert!(
            a == b,
            "{what}: row {at}: the bits differ\n found {a:?}\nwanted {b:?}"
        );
    }
}

/// Panics where rows are not the same but for rounding.
pub fn assert_near(found: &[Vec<Cell>], wanted: &[Vec<Cell>], tolerance: f64, what: &str) {
    for (at, (a, b)) in found.iter().zip(wanted).enumerate() {
        let is_near = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_near(b, tolerance));
        assert!(is_near, "{what}: row {at}\n found {a:?}\nwanted {b:?}");
    }
    assert_eq!(
        found.len(),
        wanted.len(),
        "{what}: rows; more are {:?}",
        found.get(wanted.len()).or(wanted.get(found.len()))
    );
}
