//! Values of any column type as plain Rust values: built into Arrow arrays of every encoding that may be written, and
//! read back from the arrays that a scan gives. The two ways share no code, so that one checks the other.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeListArray, LargeBinaryArray,
    LargeListArray, LargeStringArray, ListArray, PrimitiveArray, StringArray, make_array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef, TimeUnit};

/// One value. Decimals, dates and times are the integers that they are stored as.
#[derive(Debug, Clone)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i128),
    F32(f32),
    F64(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Cell>),
}

/// Equal to the last bit, NaN and the sign of zero included.
impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::F32(a), Self::F32(b)) => a.to_bits() == b.to_bits(),
            (Self::F64(a), Self::F64(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

impl Cell {
    /// As JSON: integers as they are, floats as the shortest text that reads back to the same bits.
    pub fn json(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::F32(value) if value.is_finite() => format!("{value:?}"),
            Self::F64(value) if value.is_finite() => format!("{value:?}"),
            Self::F32(value) => format!("\"{value:?}\""),
            Self::F64(value) => format!("\"{value:?}\""),
            Self::Text(text) => json_text(text),
            Self::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("\"0x{hex}\"")
            }
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::json).collect();
                format!("[{}]", items.join(","))
            }
        }
    }

    fn int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(_) | Self::F32(_) | Self::F64(_) | Self::Text(_) | Self::Bytes(_) | Self::List(_) => {
                panic!("{self:?} is not an integer")
            }
            Self::Null => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null => None,
            other => panic!("{other:?} is not text"),
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null => None,
            other => panic!("{other:?} is not binary"),
        }
    }
}

fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// An array of `data_type` with these values.
pub fn build(cells: &[Cell], data_type: &DataType) -> ArrayRef {
    use DataType as T;
    match data_type {
        T::Boolean => Arc::new(BooleanArray::from_iter(cells.iter().map(|cell| match cell {
            Cell::Bool(value) => Some(*value),
            Cell::Null => None,
            other => panic!("{other:?} is not a bool"),
        }))),
        T::Float32 => Arc::new(PrimitiveArray::<Float32Type>::from_iter(cells.iter().map(
            |cell| match cell {
                Cell::F32(value) => Some(*value),
                Cell::Null => None,
                other => panic!("{other:?} is not an f32"),
            },
        ))),
        T::Float64 => Arc::new(PrimitiveArray::<Float64Type>::from_iter(cells.iter().map(
            |cell| match cell {
                Cell::F64(value) => Some(*value),
                Cell::Null => None,
                other => panic!("{other:?} is not an f64"),
            },
        ))),
        T::Int8 => integers::<Int8Type>(cells, data_type),
        T::Int16 => integers::<Int16Type>(cells, data_type),
        T::UInt8 => integers::<UInt8Type>(cells, data_type),
        T::UInt16 => integers::<UInt16Type>(cells, data_type),
        T::UInt32 => integers::<UInt32Type>(cells, data_type),
        T::UInt64 => integers::<UInt64Type>(cells, data_type),
        T::Int32 | T::Date32 | T::Time32(_) => integers::<Int32Type>(cells, data_type),
        T::Int64 | T::Time64(_) | T::Timestamp(..) | T::Duration(_) => {
            integers::<Int64Type>(cells, data_type)
        }
        T::Decimal128(..) => integers::<Decimal128Type>(cells, data_type),
        T::Utf8 => Arc::new(StringArray::from_iter(cells.iter().map(Cell::text))),
        T::LargeUtf8 => Arc::new(LargeStringArray::from_iter(cells.iter().map(Cell::text))),
        T::Utf8View => {
            let mut builder = StringViewBuilder::new();
            cells.iter().for_each(|cell| builder.append_option(cell.text()));
            Arc::new(builder.finish())
        }
        T::Binary => Arc::new(BinaryArray::from_iter(cells.iter().map(Cell::bytes))),
        T::LargeBinary => Arc::new(LargeBinaryArray::from_iter(cells.iter().map(Cell::bytes))),
        T::BinaryView => {
            let mut builder = BinaryViewBuilder::new();
            cells.iter().for_each(|cell| builder.append_option(cell.bytes()));
            Arc::new(builder.finish())
        }
        T::Dictionary(key, values) => match key.as_ref() {
            T::Int8 => dictionary::<Int8Type>(cells, values),
            T::Int16 => dictionary::<Int16Type>(cells, values),
            T::Int32 => dictionary::<Int32Type>(cells, values),
            T::Int64 => dictionary::<Int64Type>(cells, values),
            T::UInt8 => dictionary::<UInt8Type>(cells, values),
            T::UInt16 => dictionary::<UInt16Type>(cells, values),
            T::UInt32 => dictionary::<UInt32Type>(cells, values),
            T::UInt64 => dictionary::<UInt64Type>(cells, values),
            other => panic!("{other} is not a key type"),
        },
        T::List(item) => {
            let (lens, items, nulls) = lists(cells, item);
            Arc::new(ListArray::new(
                Arc::clone(item),
                OffsetBuffer::from_lengths(lens),
                items,
                nulls,
            ))
        }
        T::LargeList(item) => {
            let (lens, items, nulls) = lists(cells, item);
            Arc::new(LargeListArray::new(
                Arc::clone(item),
                OffsetBuffer::from_lengths(lens),
                items,
                nulls,
            ))
        }
        T::FixedSizeList(item, len) => {
            // The items of a null row are null, as the builders of Arrow and PyArrow leave them.
            let mut flat = Vec::new();
            for cell in cells {
                match cell {
                    Cell::List(items) => flat.extend(items.iter().cloned()),
                    _ => flat.extend((0..*len).map(|_| Cell::Null)),
                }
            }
            let items = build(&flat, item.data_type());
            let nulls = validity(cells);
            Arc::new(FixedSizeListArray::new(Arc::clone(item), *len, items, nulls))
        }
        other => panic!("no cells for {other}"),
    }
}

fn validity(cells: &[Cell]) -> Option<NullBuffer> {
    let valid: Vec<bool> = cells.iter().map(|cell| *cell != Cell::Null).collect();
    valid.contains(&false).then(|| NullBuffer::from(valid))
}

/// Lengths, items and validity of lists. A null row keeps a hidden null item, which Arrow allows and nobody may see.
fn lists(cells: &[Cell], item: &FieldRef) -> (Vec<usize>, ArrayRef, Option<NullBuffer>) {
    let mut flat = Vec::new();
    let lens = cells
        .iter()
        .map(|cell| match cell {
            Cell::List(items) => {
                flat.extend(items.iter().cloned());
                items.len()
            }
            _ => {
                flat.push(Cell::Null);
                1
            }
        })
        .collect();
    (lens, build(&flat, item.data_type()), validity(cells))
}

fn integers<T: ArrowPrimitiveType>(cells: &[Cell], data_type: &DataType) -> ArrayRef
where
    T::Native: TryFrom<i128>,
{
    let native =
        |value: i128| T::Native::try_from(value).unwrap_or_else(|_| panic!("{value} is no {data_type}"));
    let array = PrimitiveArray::<T>::from_iter(cells.iter().map(|cell| cell.int().map(native)));
    let data = array.into_data().into_builder().data_type(data_type.clone());
    make_array(data.build().expect("an integer layout"))
}

/// A dictionary that also holds what no row uses, the same text twice, and a null.
fn dictionary<K: ArrowDictionaryKeyType>(cells: &[Cell], values: &DataType) -> ArrayRef {
    let mut texts = vec![Cell::Text("used by no row".into()), Cell::Null];
    let mut keys = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        let place = texts.iter().position(|text| text == cell);
        keys.push(match (cell, place) {
            (Cell::Null, _) if row % 2 == 0 => None,
            (_, Some(place)) if row % 3 != 2 || texts.len() > 100 => K::Native::from_usize(place),
            _ => {
                texts.push(cell.clone());
                K::Native::from_usize(texts.len() - 1)
            }
        });
    }
    let keys = PrimitiveArray::<K>::from_iter(keys);
    Arc::new(DictionaryArray::new(keys, build(&texts, values)))
}

/// The values of an array as a scan gives it.
pub fn cells(array: &ArrayRef) -> Vec<Cell> {
    (0..array.len()).map(|row| cell(array, row)).collect()
}

/// One value of an array as a scan gives it.
pub fn cell(array: &ArrayRef, row: usize) -> Cell {
    use DataType as T;
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        T::Boolean => Cell::Bool(array.as_boolean().value(row)),
        T::Float32 => Cell::F32(array.as_primitive::<Float32Type>().value(row)),
        T::Float64 => Cell::F64(array.as_primitive::<Float64Type>().value(row)),
        T::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        T::Binary => Cell::Bytes(array.as_binary::<i32>().value(row).to_owned()),
        T::Dictionary(..) => {
            let dictionary = array.as_dictionary::<UInt32Type>();
            cell(dictionary.values(), dictionary.keys().value(row) as usize)
        }
        T::List(_) => Cell::List(cells(&array.as_list::<i32>().value(row))),
        T::FixedSizeList(..) => Cell::List(cells(&array.as_fixed_size_list().value(row))),
        T::Decimal128(..) => Cell::Int(array.as_primitive::<Decimal128Type>().value(row)),
        T::Date32 | T::Time32(_) => Cell::Int(i128::from(raw::<Int32Type>(array, row))),
        T::Time64(_) | T::Timestamp(..) | T::Duration(_) => {
            Cell::Int(i128::from(raw::<Int64Type>(array, row)))
        }
        T::Int8 => Cell::Int(i128::from(array.as_primitive::<Int8Type>().value(row))),
        T::Int16 => Cell::Int(i128::from(array.as_primitive::<Int16Type>().value(row))),
        T::Int32 => Cell::Int(i128::from(array.as_primitive::<Int32Type>().value(row))),
        T::Int64 => Cell::Int(i128::from(array.as_primitive::<Int64Type>().value(row))),
        T::UInt8 => Cell::Int(i128::from(array.as_primitive::<UInt8Type>().value(row))),
        T::UInt16 => Cell::Int(i128::from(array.as_primitive::<UInt16Type>().value(row))),
        T::UInt32 => Cell::Int(i128::from(array.as_primitive::<UInt32Type>().value(row))),
        T::UInt64 => Cell::Int(i128::from(array.as_primitive::<UInt64Type>().value(row))),
        other => panic!("no cell of {other}"),
    }
}

fn raw<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> T::Native {
    let data = array
        .slice(row, 1)
        .to_data()
        .into_builder()
        .data_type(T::DATA_TYPE);
    make_array(data.build().expect("an integer layout"))
        .as_primitive::<T>()
        .value(0)
}

/// Nanoseconds in a unit.
pub fn unit_ns(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Numbers from a seed: the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    /// The next number (splitmix64).
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// One of some things.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len() as u64);
        &from[usize::try_from(at).expect("a small number")]
    }
}
