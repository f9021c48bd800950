//! Rows as they stand in a log record: Arrow arrays to bytes and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use gapless_format::wal::encode_wal_rows;
use gapless_format::{
    ColumnType, NULL_CODE, PartitionUnit, TableMeta, WalColumn, WalRows, WalValues, Writer,
};

use crate::error::{Error, Result};
use crate::memtable::{StreamColumn, StreamRows};
use crate::segment::{clear_padding, fixed_array, fixed_bytes, variable_array};
use crate::write::partition;

/// Bytes of one column, as a record takes them.
struct ColumnBytes<'a> {
    column: &'a StreamColumn,
    validity: Option<Vec<u8>>,
    lengths: Option<Vec<u8>>,
    values: Buffer,
}

/// Appends rows of a table to a record. A column of nulls is left out.
pub(crate) fn encode_rows(writer: &mut Writer, table: u32, columns: &[StreamColumn]) -> Result<()> {
    let rows = columns.first().map_or(0, |column| column.array.len());
    let rows = u32::try_from(rows).map_err(|_| Error::invalid("a commit has at most 2^32 rows"))?;
    let bytes = columns
        .iter()
        .filter(|column| column.array.null_count() < column.array.len())
        .map(column_bytes)
        .collect::<Result<Vec<_>>>()?;
    let values = bytes.iter().map(|bytes| WalValues {
        column_id: bytes.column.column_id,
        column_type: &bytes.column.column_type,
        validity: bytes.validity.as_deref(),
        lengths: bytes.lengths.as_deref(),
        values: bytes.values.as_slice(),
    });
    encode_wal_rows(writer, table, rows, values);
    Ok(())
}

fn column_bytes(column: &StreamColumn) -> Result<ColumnBytes<'_>> {
    let array = &column.array;
    let (lengths, values) = match array.data_type() {
        DataType::Boolean => (None, Buffer::from_vec(bits(array.as_boolean().values()))),
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            variable(array.value_offsets(), array.values(), 1)
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            variable(array.value_offsets(), array.values(), 1)
        }
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            let (items, width) = fixed_bytes(array.values())?;
            variable(array.value_offsets(), &items, width)
        }
        _ => (None, fixed_bytes(array)?.0),
    };
    Ok(ColumnBytes {
        column,
        validity: array
            .nulls()
            .filter(|nulls| nulls.null_count() > 0)
            .map(|nulls| bits(nulls.inner())),
        lengths,
        values,
    })
}

fn bits(values: &BooleanBuffer) -> Vec<u8> {
    let sliced = values.sliced();
    let bytes = sliced.as_slice().get(..values.len().div_ceil(8));
    clear_padding(bytes.unwrap_or_default(), values.len())
}

fn variable(offsets: &[i32], items: &Buffer, width: usize) -> (Option<Vec<u8>>, Buffer) {
    let lengths = offsets
        .windows(2)
        .flat_map(|pair| pair[1].wrapping_sub(pair[0]).to_le_bytes())
        .collect();
    let at = |offset: Option<&i32>| offset.map_or(0, |offset| offset.unsigned_abs() as usize * width);
    let (start, end) = (at(offsets.first()), at(offsets.last()));
    (Some(lengths), items.slice_with_length(start, end - start))
}

/// The rows of a record's item, split by partition.
///
/// # Errors
/// `Corrupt` when the bytes are no rows of the table.
pub(crate) fn decode_rows(rows: &WalRows<'_>, table: &Arc<TableMeta>, now: i64) -> Result<StreamRows> {
    let mut columns = Vec::with_capacity(rows.columns.len());
    for column in &rows.columns {
        let array = decode_column(column, rows.rows)
            .ok_or_else(|| Error::corrupt(format!("column id {} does not decode", column.column_id)))?;
        columns.push(StreamColumn {
            column_id: column.column_id,
            column_type: column.column_type.clone(),
            array,
        });
    }
    with_series(table, &mut columns, rows.rows);
    split(table, columns, now)
}

/// Puts a series column of nulls back, which a record leaves out: the runs of series are looked up by it.
fn with_series(table: &TableMeta, columns: &mut Vec<StreamColumn>, rows: usize) {
    let has = |id: u32| columns.iter().any(|column| column.column_id == id);
    let spec = table.series_column.and_then(|id| table.column(id));
    let Some(spec) = spec.filter(|spec| !has(spec.column_id)) else {
        return;
    };
    let before = table
        .columns
        .iter()
        .take_while(|other| other.column_id != spec.column_id);
    // Where its owner has it, so that blocks join.
    let place = before.filter(|other| has(other.column_id)).count();
    columns.insert(
        place.min(columns.len()),
        StreamColumn {
            column_id: spec.column_id,
            column_type: spec.column_type.clone(),
            array: nulls(&spec.column_type, rows),
        },
    );
}

fn decode_column(column: &WalColumn<'_>, rows: usize) -> Option<ArrayRef> {
    let nulls = column.validity.map(|bytes| {
        let bits = BooleanBuffer::new(Buffer::from(bytes), 0, rows);
        NullBuffer::new(bits)
    });
    let mut values = MutableBuffer::from_len_zeroed(column.values.len());
    column.values.unpack(&mut values);
    let values: Buffer = values.into();
    let Some(lengths) = &column.lengths else {
        return fixed_array(&column.column_type, values, 0..rows, nulls);
    };
    let mut bytes = vec![0; lengths.len()];
    lengths.unpack(&mut bytes);
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut at = 0_i32;
    offsets.push(at);
    for length in bytes.as_chunks::<4>().0 {
        at = at.checked_add(i32::try_from(u32::from_le_bytes(*length)).ok()?)?;
        offsets.push(at);
    }
    let width = match &column.column_type {
        ColumnType::List(item) => item.width(),
        _ => 1,
    };
    if usize::try_from(at).ok()?.checked_mul(width)? != values.len() {
        return None;
    }
    variable_array(
        &column.column_type,
        OffsetBuffer::new(offsets.into()),
        values,
        nulls,
    )
    .ok()
}

/// Splits rows of a table by partition: an hour of a day that is open, else the table's own unit.
pub(crate) fn split(table: &Arc<TableMeta>, columns: Vec<StreamColumn>, now: i64) -> Result<StreamRows> {
    let time = columns
        .iter()
        .find(|column| column.column_id == table.time_column);
    let times = time
        .and_then(|column| column.array.as_primitive_opt::<TimestampNanosecondType>())
        .filter(|times| times.null_count() == 0)
        .ok_or_else(|| Error::corrupt(format!("rows of table {:?} have no times", table.name)))?
        .values()
        .clone();
    let arrays: Vec<ArrayRef> = columns.iter().map(|column| Arc::clone(&column.array)).collect();
    let open = gapless_format::PartitionKey::containing(PartitionUnit::Day, now).start;
    let unit = |time: i64| match table.partition_unit {
        PartitionUnit::Day if time >= open => PartitionUnit::Hour,
        unit => unit,
    };
    let parts = partition::split(&arrays, &times, unit)?
        .into_iter()
        .map(|(key, arrays)| {
            let column = |(column, array): (&StreamColumn, ArrayRef)| StreamColumn {
                array,
                ..column.clone()
            };
            (key, columns.iter().zip(arrays).map(column).collect())
        })
        .collect();
    Ok(StreamRows {
        table: Arc::clone(table),
        parts,
    })
}

/// Normalized columns of a table with their ids and types.
pub(crate) fn stream_columns(table: &TableMeta, arrays: Vec<ArrayRef>) -> Vec<StreamColumn> {
    let column = |(spec, array): (&gapless_format::ColumnSpec, ArrayRef)| StreamColumn {
        column_id: spec.column_id,
        column_type: spec.column_type.clone(),
        array,
    };
    table.columns.iter().zip(arrays).map(column).collect()
}

/// Columns in the order and the types of a table's present description; those that are missing are null.
pub(crate) fn conform(table: &TableMeta, columns: &[StreamColumn], rows: usize) -> Result<Vec<ArrayRef>> {
    table
        .columns
        .iter()
        .map(|spec| {
            let found = columns.iter().find(|column| column.column_id == spec.column_id);
            match found {
                Some(column) => crate::table::types::widened(&column.array, &spec.column_type),
                None => Ok(nulls(&spec.column_type, rows)),
            }
        })
        .collect()
}

/// Nulls of a column's storage type; symbols have the null code behind them.
fn nulls(column_type: &ColumnType, rows: usize) -> ArrayRef {
    if matches!(column_type, ColumnType::Symbol { .. }) {
        let codes = vec![NULL_CODE; rows];
        return Arc::new(UInt32Array::new(codes.into(), Some(NullBuffer::new_null(rows))));
    }
    arrow_array::new_null_array(&crate::table::types::storage_type(column_type), rows)
}
