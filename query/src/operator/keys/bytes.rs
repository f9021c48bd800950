//! Values of several columns as bytes.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, Schema, SortOptions};
use gapless_engine::{Error, Result};

use crate::error::arrow_error;
use crate::operator::sides::field;
use crate::operator::unknown_column;

/// Ascending, null last.
const ORDER: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

/// The type of the values of a column, symbols being text.
pub(crate) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Whether values of two types can be equal. The types of text are one, and so are those of instants of one unit, whatever the zone.
fn is_comparable(one: &DataType, other: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Timestamp, Utf8, Utf8View};
    match (value_type(one), value_type(other)) {
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (Timestamp(one, Some(_)), Timestamp(other, Some(_))) => one == other,
        (one, other) => one == other,
    }
}

/// Keys of rows as bytes: equal where the values are, also for columns of different types that are comparable, and in their order.
pub(crate) struct KeyBytes {
    types: Vec<DataType>,
    converter: RowConverter,
}

impl KeyBytes {
    pub(crate) fn new(types: Vec<DataType>) -> Result<Self> {
        let field = |of: &DataType| SortField::new_with_options(of.clone(), ORDER);
        let converter = RowConverter::new(types.iter().map(field).collect());
        Ok(Self {
            converter: converter.map_err(|error| arrow_error("keys", &error))?,
            types,
        })
    }

    /// The keys of rows, from the columns of the key.
    pub(crate) fn rows(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalized).collect();
        let rows = self.converter.convert_columns(&columns);
        rows.map_err(|error| arrow_error("keys", &error))
    }

    /// Columns from keys, wherever they were made.
    pub(crate) fn columns<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows = self.converter.convert_rows(keys.map(|key| parser.parse(key)));
        let columns = rows.map_err(|error| arrow_error("keys", &error))?;
        let typed = |(column, of): (&ArrayRef, &DataType)| {
            cast(column, of).map_err(|error| Error::internal(format!("a key: {error}")))
        };
        columns.iter().zip(&self.types).map(typed).collect()
    }
}

/// Columns that rows are joined by.
pub(crate) struct KeyColumns {
    places: Vec<usize>,
    bytes: KeyBytes,
}

impl KeyColumns {
    /// The same columns of both sides of a join, by their names.
    pub(crate) fn of_sides(
        what: &str,
        left: &Schema,
        right: &Schema,
        names: &[String],
    ) -> Result<(Self, Self)> {
        for name in names {
            check_comparable(what, left, right, name)?;
        }
        Ok((Self::new(left, names)?, Self::new(right, names)?))
    }

    fn new(schema: &Schema, names: &[String]) -> Result<Self> {
        let place = |name: &String| schema.index_of(name).map_err(|_| unknown_column(name, schema));
        let places = names.iter().map(place).collect::<Result<Vec<_>>>()?;
        let types = places
            .iter()
            .map(|place| schema.field(*place).data_type().clone());
        Ok(Self {
            bytes: KeyBytes::new(types.collect())?,
            places,
        })
    }

    /// The columns of some rows.
    pub(crate) fn of(&self, batch: &RecordBatch, rows: &Range<usize>) -> Vec<ArrayRef> {
        let columns = self.places.iter().filter_map(|place| batch.columns().get(*place));
        columns
            .map(|column| column.slice(rows.start, rows.len()))
            .collect()
    }

    /// The keys of some rows.
    pub(crate) fn rows(&self, batch: &RecordBatch, rows: &Range<usize>) -> Result<Rows> {
        self.bytes.rows(&self.of(batch, rows))
    }
}

/// Refuses columns of a name whose values can never be equal.
pub(crate) fn check_comparable(what: &str, left: &Schema, right: &Schema, name: &str) -> Result<()> {
    let (a, b) = (field(left, name)?.data_type(), field(right, name)?.data_type());
    if is_comparable(a, b) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "column {name:?} is {} on the left of {what} and {} on its right: cast one of them",
        value_type(a),
        value_type(b)
    )))
}

/// Both zeros are one value, and so is every NaN; also in a dictionary.
pub(crate) fn normalized(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let one = |x: f64| if x.is_nan() { f64::NAN } else { x + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        DataType::Float32 => {
            let one = |x: f32| if x.is_nan() { f32::NAN } else { x + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        DataType::Dictionary(_, of) if of.is_floating() => match column.as_any_dictionary_opt() {
            Some(dictionary) => dictionary.with_values(normalized(dictionary.values())),
            None => Arc::clone(column),
        },
        _ => Arc::clone(column),
    }
}
