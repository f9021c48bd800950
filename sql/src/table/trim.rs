//! Arrays that say how much memory they stand for.
//!
//! The engine hands out slices of whole column files. Operators that have to keep rows ask an array for the size of its buffers, and
//! a slice would answer with that of the file: a sort of a large table would be refused for memory that nobody uses.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, DictionaryArray, PrimitiveArray, RecordBatch, RecordBatchOptions,
    downcast_primitive, make_array,
};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;
use bytes::Bytes;
use gapless_engine::{Error, Result};

/// Buffers may be larger than their rows by this factor.
const SLACK: usize = 2;
/// Or by so much.
const SLACK_BYTES: usize = 64 * 1024;

/// The same rows, in buffers of about their size.
pub(crate) fn trimmed(batch: RecordBatch) -> Result<RecordBatch> {
    if batch.columns().iter().all(is_tight) {
        return Ok(batch);
    }
    let columns = batch.columns().iter().map(|column| match is_tight(column) {
        true => Ok(Arc::clone(column)),
        false => trimmed_array(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect::<Result<_>>()?, &options)
        .map_err(|error| Error::internal(format!("trimmed columns make no batch: {error}")))
}

fn is_tight(array: &ArrayRef) -> bool {
    let held = array.get_buffer_memory_size();
    held <= SLACK_BYTES
        || array
            .to_data()
            .get_slice_memory_size()
            .is_ok_and(|used| held <= SLACK * used + SLACK_BYTES)
}

fn trimmed_array(array: &ArrayRef) -> Result<ArrayRef> {
    macro_rules! of_type {
        ($type:ty) => {
            Ok(Arc::new(trimmed_primitive(array.as_primitive::<$type>())))
        };
    }
    downcast_primitive! {
        array.data_type() => (of_type),
        DataType::Dictionary(key, _) if **key == DataType::UInt32 => {
            let symbols = array.as_dictionary::<UInt32Type>();
            let keys = trimmed_primitive(symbols.keys());
            let symbols = DictionaryArray::try_new(keys, Arc::clone(symbols.values()));
            Ok(Arc::new(symbols.map_err(|error| Error::corrupt(format!("a symbol is not in its domain: {error}")))?))
        }
        _ => copied(array)
    }
}

/// A part of a buffer, which is kept as a whole.
struct Slice(Buffer);

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// The same values, not copied.
fn trimmed_primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> PrimitiveArray<T> {
    let values = Buffer::from(Bytes::from_owner(Slice(array.values().inner().clone())));
    let values = ScalarBuffer::new(values, 0, array.len());
    PrimitiveArray::new(values, array.nulls().cloned()).with_data_type(array.data_type().clone())
}

fn copied(array: &ArrayRef) -> Result<ArrayRef> {
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())
        .map_err(|error| Error::internal(format!("rows cannot be copied: {error}")))?;
    Ok(make_array(copy.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Int64Array, StringArray};
    use arrow_schema::{Field, Schema};

    #[test]
    fn a_slice_of_much_is_as_large_as_its_rows() {
        let rows = 200_000;
        let numbers: ArrayRef = Arc::new(
            (0..rows)
                .map(|n| (n % 3 > 0).then_some(n))
                .collect::<Int64Array>(),
        );
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| n.to_string())));
        let flags: ArrayRef = Arc::new((0..rows).map(|n| Some(n % 2 == 0)).collect::<BooleanArray>());
        let symbols: Vec<String> = (0..rows).map(|n| (n % 7).to_string()).collect();
        let symbols: DictionaryArray<UInt32Type> = symbols.iter().map(String::as_str).collect();
        let symbols: ArrayRef = Arc::new(symbols);
        let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
        let named = [("n", &numbers), ("t", &texts), ("f", &flags), ("s", &symbols)];
        let fields: Vec<Field> = named.iter().map(|(name, array)| field(name, array)).collect();
        let columns = named.iter().map(|(_, array)| Arc::clone(array)).collect();
        let whole = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch");
        let slice = whole.slice(1_001, 5_000);
        let trimmed = trimmed(slice.clone()).expect("the same rows");
        assert_eq!(trimmed, slice);
        assert!(slice.get_array_memory_size() > 3_000_000);
        assert!(
            trimmed.get_array_memory_size() < 300_000,
            "{}",
            trimmed.get_array_memory_size()
        );
    }
}
