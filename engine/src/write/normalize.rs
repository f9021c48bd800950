//! Gives the columns of an incoming batch the table's storage types.
//!
//! What loses nothing is converted: column order, wider offsets, views, dictionary keys of any width, coarser time
//! units. Anything else is refused with column, row and value.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use gapless_format::{ColumnSpec, ColumnType, NULL_CODE, TableMeta};

use crate::error::{Error, Result};
use crate::segment::is_list;
use crate::table::types::{is_text, storage_type};

/// Gives codes to symbols of a domain.
pub(crate) trait Encode {
    /// The codes of symbols of a domain, in order.
    fn encode(&mut self, domain: &str, symbols: &[&str]) -> Result<Vec<u32>>;
}

/// The columns of `batch` in the order and the storage types of the table. Columns that are missing become null.
///
/// # Errors
/// `Invalid` for an unknown column, a type or value that does not fit, or a null time.
pub(crate) fn normalize(
    table: &TableMeta,
    batch: &RecordBatch,
    encoder: &mut dyn Encode,
) -> Result<Vec<ArrayRef>> {
    check_columns(table, batch)?;
    table
        .columns
        .iter()
        .map(|spec| match batch.column_by_name(&spec.name) {
            Some(array) => column(table, spec, array, encoder),
            None if spec.column_id == table.time_column => Err(Error::invalid(format!(
                "table {:?}: the batch has no time column {:?}",
                table.name, spec.name
            ))),
            None => missing(spec, batch.num_rows()),
        })
        .collect()
}

fn check_columns(table: &TableMeta, batch: &RecordBatch) -> Result<()> {
    let schema = batch.schema();
    for (at, field) in schema.fields().iter().enumerate() {
        if !table.columns.iter().any(|spec| spec.name == *field.name()) {
            let names: Vec<_> = table
                .columns
                .iter()
                .map(|spec| format!("{:?}", spec.name))
                .collect();
            return Err(Error::invalid(format!(
                "table {:?} has no column {:?}; its columns are {}",
                table.name,
                field.name(),
                names.join(", ")
            )));
        }
        if schema
            .fields()
            .iter()
            .take(at)
            .any(|other| other.name() == field.name())
        {
            return Err(Error::invalid(format!(
                "the batch has two columns called {:?}",
                field.name()
            )));
        }
    }
    Ok(())
}

fn missing(spec: &ColumnSpec, rows: usize) -> Result<ArrayRef> {
    if matches!(spec.column_type, ColumnType::Symbol { .. }) {
        let codes = ScalarBuffer::from(vec![NULL_CODE; rows]);
        return Ok(Arc::new(UInt32Array::new(
            codes,
            Some(NullBuffer::new_null(rows)),
        )));
    }
    Ok(new_null_array(&storage_type(&spec.column_type), rows))
}

fn column(
    table: &TableMeta,
    spec: &ColumnSpec,
    array: &ArrayRef,
    encoder: &mut dyn Encode,
) -> Result<ArrayRef> {
    let array = match &spec.column_type {
        ColumnType::Symbol { domain } => symbols(table, spec, domain, array, encoder)?,
        column_type => convert(table, spec, array, &storage_type(column_type))?,
    };
    if spec.column_id == table.time_column && array.null_count() > 0 {
        let row = array
            .nulls()
            .and_then(|nulls| nulls.iter().position(|valid| !valid))
            .unwrap_or_default();
        return Err(Error::invalid(format!(
            "table {:?}: the time column {:?} is null in row {row} of the batch; every row needs a time",
            table.name, spec.name
        )));
    }
    if is_list(&spec.column_type) {
        check_items(table, spec, &array)?;
    }
    Ok(array)
}

/// No item of a list is null. Items that no row shows (behind a null row, outside of a slice) do not matter.
fn check_items(table: &TableMeta, spec: &ColumnSpec, array: &ArrayRef) -> Result<()> {
    let items = match array.data_type() {
        DataType::FixedSizeList(..) => array.as_fixed_size_list().values(),
        _ => array.as_list::<i32>().values(),
    };
    let Some(nulls) = items.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Ok(());
    };
    let has_null =
        |row: &usize| array.is_valid(*row) && items_of(array, *row).any(|item| nulls.is_null(item));
    match (0..array.len()).find(has_null) {
        None => Ok(()),
        Some(row) => Err(Error::invalid(format!(
            "table {:?}: column {:?} has a null inside a list, in row {row} of the batch; lists hold numbers only: use \
             NaN or leave the item out",
            table.name, spec.name
        ))),
    }
}

/// Where the items of a row lie in the list's values.
fn items_of(array: &ArrayRef, row: usize) -> Range<usize> {
    if let DataType::FixedSizeList(_, len) = array.data_type() {
        let len = usize::try_from(*len).unwrap_or_default();
        return row * len..(row + 1) * len;
    }
    let offsets = array.as_list::<i32>().value_offsets();
    let offset = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok());
    offset(row).unwrap_or_default()..offset(row + 1).unwrap_or_default()
}

fn convert(table: &TableMeta, spec: &ColumnSpec, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    let wrong = |why: String| {
        Error::invalid(format!(
            "table {:?}: column {:?} is {}: {why}",
            table.name,
            spec.name,
            spec.column_type.name()
        ))
    };
    if !is_lossless(from, to) {
        let what_to_do = match (from, to) {
            (DataType::Timestamp(_, None), DataType::Timestamp(_, Some(_))) => {
                "say of which zone these times are before writing"
            }
            _ => "cast it before writing",
        };
        return Err(wrong(format!("a batch gave {from}; {what_to_do}")));
    }
    // With `safe` off an overflow is an error and not a null.
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options).map_err(|error| wrong(format!("{from} does not convert: {error}")))
}

/// Whether every value of one type has the same value in the other (or fails loudly).
pub(crate) fn is_lossless(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        // Which instant a zone-less time means is the caller's to say; the zone of an instant is only metadata.
        (T::Timestamp(a, from_zone), T::Timestamp(b, to_zone)) => {
            (a == b || unit_ns(*a) > unit_ns(*b)) && from_zone.is_some() == to_zone.is_some()
        }
        (T::Duration(a), T::Duration(b)) => unit_ns(*a) >= unit_ns(*b),
        (T::Time32(a) | T::Time64(a), T::Time32(b) | T::Time64(b)) => unit_ns(*a) >= unit_ns(*b),
        (a, T::Utf8) if is_text(a) => true,
        (T::Dictionary(_, values), T::Utf8) => is_text(values),
        (T::LargeBinary | T::BinaryView, T::Binary) => true,
        (T::LargeList(a) | T::List(a), T::List(b)) => a.data_type() == b.data_type(),
        (T::FixedSizeList(a, x), T::FixedSizeList(b, y)) => x == y && a.data_type() == b.data_type(),
        (T::Decimal128(p, s), T::Decimal128(q, t)) => s == t && p <= q,
        (T::Null, _) => true,
        (a, b) => is_wider_number(a, b),
    }
}

fn unit_ns(unit: arrow_schema::TimeUnit) -> i64 {
    match unit {
        arrow_schema::TimeUnit::Second => 1_000_000_000,
        arrow_schema::TimeUnit::Millisecond => 1_000_000,
        arrow_schema::TimeUnit::Microsecond => 1_000,
        arrow_schema::TimeUnit::Nanosecond => 1,
    }
}

/// Whether every value of number type `a` is exact in number type `b`.
fn is_wider_number(a: &DataType, b: &DataType) -> bool {
    if !a.is_numeric() || !b.is_numeric() {
        return false;
    }
    let bits = |t: &DataType| t.primitive_width().map_or(0, |width| width * 8);
    let (from, to) = (bits(a), bits(b));
    match (a.is_integer(), b.is_integer()) {
        (true, true) => match (a.is_signed_integer(), b.is_signed_integer()) {
            (true, false) => false,
            (false, true) => from < to,
            _ => from <= to,
        },
        (true, false) => {
            matches!(b, DataType::Float64) && from <= 32 || matches!(b, DataType::Float32) && from <= 16
        }
        (false, false) => matches!((a, b), (DataType::Float32, DataType::Float64)),
        (false, true) => false,
    }
}

fn symbols(
    table: &TableMeta,
    spec: &ColumnSpec,
    domain: &str,
    array: &ArrayRef,
    encoder: &mut dyn Encode,
) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, values) if is_text(values) => dictionary(domain, array, encoder),
        text if is_text(text) || matches!(text, DataType::Null) => plain_text(domain, array, encoder),
        other => Err(Error::invalid(format!(
            "table {:?}: column {:?} is {}: a batch gave {other}; cast it to text before writing",
            table.name,
            spec.name,
            spec.column_type.name()
        ))),
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    arrow_cast::cast(array, to)
        .map_err(|error| Error::invalid(format!("{} to {to}: {error}", array.data_type())))
}

/// Encodes each of the dictionary's values that a row uses once, and maps the keys.
fn dictionary(domain: &str, array: &ArrayRef, encoder: &mut dyn Encode) -> Result<ArrayRef> {
    let keys_and_values = array.as_any_dictionary();
    let values = cast(keys_and_values.values(), &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    let keys = match array.as_dictionary_opt::<UInt32Type>() {
        Some(array) => array.keys().clone(),
        None => cast(
            &arrow_array::make_array(keys_and_values.keys().to_data()),
            &DataType::UInt32,
        )?
        .as_primitive::<UInt32Type>()
        .clone(),
    };
    // A few rows may be a slice of a batch with a large dictionary.
    let used = if keys.len() < values.len() {
        keys_in_order(&keys)
    } else {
        used_values(&keys, values.len())
    };
    let present: Vec<u32> = used
        .into_iter()
        .filter(|key| (*key as usize) < values.len() && values.is_valid(*key as usize))
        .collect();
    let texts: Vec<&str> = present.iter().map(|key| values.value(*key as usize)).collect();
    let codes = encoder.encode(domain, &texts)?;
    if keys.len() < values.len() {
        let code_of = |key: u32| {
            present
                .binary_search(&key)
                .ok()
                .and_then(|at| codes.get(at).copied())
        };
        return Ok(mapped(&keys, code_of));
    }
    let mut all = vec![NULL_CODE; values.len()];
    for (key, code) in present.iter().zip(codes) {
        if let Some(slot) = all.get_mut(*key as usize) {
            *slot = code;
        }
    }
    Ok(mapped(&keys, |key| all.get(key as usize).copied()))
}

/// The code of each key; null where there is none.
fn mapped(keys: &UInt32Array, code_of: impl Fn(u32) -> Option<u32>) -> ArrayRef {
    let code_of = |key: u32| code_of(key).unwrap_or(NULL_CODE);
    coded(match keys.nulls() {
        None => keys.values().iter().map(|key| code_of(*key)).collect(),
        Some(_) => keys.iter().map(|key| key.map_or(NULL_CODE, code_of)).collect(),
    })
}

/// The keys of a few rows, each once.
fn keys_in_order(keys: &UInt32Array) -> Vec<u32> {
    let mut used: Vec<u32> = keys.iter().flatten().collect();
    used.sort_unstable();
    used.dedup();
    used
}

/// The keys of many rows, each once: values of a dictionary that no row uses are not put into the domain.
fn used_values(keys: &UInt32Array, count: usize) -> Vec<u32> {
    let mut used = vec![false; count];
    for key in keys.iter().flatten() {
        if let Some(used) = used.get_mut(key as usize) {
            *used = true;
        }
    }
    (0_u32..)
        .zip(used)
        .filter_map(|(key, used)| used.then_some(key))
        .collect()
}

fn plain_text(domain: &str, array: &ArrayRef, encoder: &mut dyn Encode) -> Result<ArrayRef> {
    let array = cast(array, &DataType::Utf8)?;
    let array = array.as_string::<i32>();
    let mut place_of: hashbrown::HashMap<&str, u32> = hashbrown::HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    let mut places: Vec<u32> = Vec::with_capacity(array.len());
    for text in array {
        places.push(match text {
            None => NULL_CODE,
            Some(text) => *place_of.entry(text).or_insert_with(|| {
                distinct.push(text);
                u32::try_from(distinct.len() - 1).unwrap_or(NULL_CODE)
            }),
        });
    }
    let codes = encoder.encode(domain, &distinct)?;
    for place in &mut places {
        *place = codes.get(*place as usize).copied().unwrap_or(NULL_CODE);
    }
    Ok(coded(places))
}

/// Codes as an array that is null where the code is [`NULL_CODE`].
fn coded(codes: Vec<u32>) -> ArrayRef {
    let nulls = codes.contains(&NULL_CODE).then(|| {
        codes
            .iter()
            .map(|code| *code != NULL_CODE)
            .collect::<NullBuffer>()
    });
    Arc::new(UInt32Array::new(codes.into(), nulls))
}

/// The times of normalized columns.
pub(crate) fn times(columns: &[ArrayRef], at: usize) -> &[i64] {
    columns.get(at).map_or(&[], |array| {
        array.as_primitive::<TimestampNanosecondType>().values()
    })
}

/// The series codes of normalized columns; empty when the table has no series.
pub(crate) fn codes(columns: &[ArrayRef], at: Option<usize>) -> &[u32] {
    at.and_then(|at| columns.get(at))
        .map_or(&[], |array| array.as_primitive::<UInt32Type>().values())
}
