//! The columns of the rows that were matched.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowDictionaryKeyType, UInt32Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, DictionaryArray, PrimitiveArray, RecordBatch, downcast_primitive,
    new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use arrow_select::interleave::interleave;
use gapless_engine::{Error, Result};

use super::cursor::Matches;
use crate::error::arrow_error;

/// Matches, and the batches they refer to.
pub(crate) struct Matched<'a> {
    rows: &'a [(u32, u32)],
    /// Left rows that follow each other and have matches in the same batch, if they have any.
    stretches: Vec<(Option<&'a RecordBatch>, Range<usize>)>,
    all: bool,
}

impl<'a> Matched<'a> {
    pub(crate) fn new(matches: &'a Matches, batches: &[(u32, &'a RecordBatch)]) -> Self {
        let mut at = 0;
        let mut stretches = Vec::new();
        let mut all = true;
        for stretch in matches.rows.chunk_by(|(a, _), (b, _)| a == b) {
            let number = stretch.first().map_or(u32::MAX, |(number, _)| *number);
            let batch = batches
                .iter()
                .find(|(other, _)| *other == number)
                .map(|(_, batch)| *batch);
            all &= batch.is_some();
            stretches.push((batch, at..at + stretch.len()));
            at += stretch.len();
        }
        Self {
            rows: &matches.rows,
            stretches,
            all,
        }
    }

    /// A column of the matched rows, null where there is none.
    pub(crate) fn column(&self, place: usize, data_type: &DataType) -> Result<ArrayRef> {
        let columns: Vec<(Option<&ArrayRef>, Range<usize>)> = self
            .stretches
            .iter()
            .map(|(batch, rows)| (batch.and_then(|batch| batch.columns().get(place)), rows.clone()))
            .collect();
        macro_rules! primitive {
            ($t:ty) => {
                Ok(Arc::new(self.primitive::<$t>(&columns, data_type)?) as ArrayRef)
            };
        }
        downcast_primitive! {
            data_type => (primitive),
            DataType::Dictionary(key, _) if **key == DataType::UInt32 => match self.dictionary::<UInt32Type>(&columns)? {
                Some(column) => Ok(column),
                None => self.any(&columns, data_type),
            },
            _ => self.any(&columns, data_type),
        }
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        columns: &[(Option<&ArrayRef>, Range<usize>)],
        data_type: &DataType,
    ) -> Result<PrimitiveArray<T>> {
        let mut values: Vec<T::Native> = Vec::with_capacity(self.rows.len());
        for (column, rows) in columns {
            match column.and_then(|column| column.as_primitive_opt::<T>()) {
                Some(column) => {
                    let (column, rows) = (column.values(), self.rows.get(rows.clone()).unwrap_or_default());
                    values.extend(
                        rows.iter()
                            .map(|(_, row)| column.get(*row as usize).copied().unwrap_or_default()),
                    );
                }
                None => values.resize(rows.end, T::Native::default()),
            }
        }
        let array = PrimitiveArray::<T>::try_new(values.into(), self.nulls(columns))
            .map_err(|error| arrow_error("join", &error))?;
        Ok(array.with_data_type(data_type.clone()))
    }

    /// Symbols whose batches all have the same dictionary; `None` where they do not.
    fn dictionary<K: ArrowDictionaryKeyType>(
        &self,
        columns: &[(Option<&ArrayRef>, Range<usize>)],
    ) -> Result<Option<ArrayRef>> {
        let arrays: Option<Vec<Option<&DictionaryArray<K>>>> = columns
            .iter()
            .map(|(column, _)| column.map_or(Some(None), |column| column.as_dictionary_opt::<K>().map(Some)))
            .collect();
        let Some(arrays) = arrays else {
            return Ok(None);
        };
        let Some(values) = arrays.iter().flatten().map(|array| array.values()).next() else {
            return Ok(None);
        };
        let is_same = |array: &&DictionaryArray<K>| Arc::ptr_eq(array.values(), values);
        if !arrays.iter().flatten().all(is_same) {
            return Ok(None);
        }
        let keys: Vec<Option<ArrayRef>> = arrays
            .iter()
            .map(|array| array.map(|array| Arc::new(array.keys().clone()) as ArrayRef))
            .collect();
        let of_keys: Vec<(Option<&ArrayRef>, Range<usize>)> = keys
            .iter()
            .zip(columns)
            .map(|(keys, (_, rows))| (keys.as_ref(), rows.clone()))
            .collect();
        let keys = self.primitive::<K>(&of_keys, &K::DATA_TYPE)?;
        let array = DictionaryArray::<K>::try_new(keys, Arc::clone(values));
        Ok(Some(Arc::new(
            array.map_err(|error| arrow_error("join", &error))?,
        )))
    }

    /// Values of any other type.
    fn any(&self, columns: &[(Option<&ArrayRef>, Range<usize>)], data_type: &DataType) -> Result<ArrayRef> {
        let null = new_null_array(data_type, 1);
        let mut arrays: Vec<&dyn Array> = vec![&null];
        let mut rows: Vec<(usize, usize)> = Vec::with_capacity(self.rows.len());
        for (column, of_column) in columns {
            match column {
                None => rows.resize(of_column.end, (0, 0)),
                Some(column) => {
                    let number = arrays.len();
                    arrays.push(column.as_ref());
                    let found = self.rows.get(of_column.clone()).unwrap_or_default();
                    rows.extend(found.iter().map(|(_, row)| (number, *row as usize)));
                }
            }
        }
        interleave(&arrays, &rows).map_err(|error| Error::internal(format!("join: {error}")))
    }

    /// Which of the values are not null; `None` where none is.
    fn nulls(&self, columns: &[(Option<&ArrayRef>, Range<usize>)]) -> Option<NullBuffer> {
        let has_nulls = columns
            .iter()
            .any(|(column, _)| column.is_some_and(|column| column.null_count() > 0));
        if self.all && !has_nulls {
            return None;
        }
        let mut valid = arrow_buffer::BooleanBufferBuilder::new(self.rows.len());
        for (column, rows) in columns {
            match column {
                None => valid.append_n(rows.len(), false),
                Some(column) if column.null_count() == 0 => valid.append_n(rows.len(), true),
                Some(column) => {
                    let rows = self.rows.get(rows.clone()).unwrap_or_default();
                    let bits = BooleanBuffer::collect_bool(rows.len(), |row| {
                        rows.get(row)
                            .is_some_and(|(_, row)| column.is_valid(*row as usize))
                    });
                    valid.append_buffer(&bits);
                }
            }
        }
        Some(NullBuffer::new(valid.finish()))
    }
}
