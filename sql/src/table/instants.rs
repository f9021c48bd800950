//! Times as SQL sees them: instants of UTC, in whatever zone the table shows them.
//!
//! DataFusion reads a text, or a time without a zone, in the zone of the column that it is compared with or inserted into, so the
//! same text would be another instant in another table.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

/// The columns, those of instants in UTC.
pub(super) fn in_utc(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<arrow_schema::Field>| match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let utc = DataType::Timestamp(*unit, Some("UTC".into()));
            Arc::new(field.as_ref().clone().with_data_type(utc))
        }
        _ => Arc::clone(field),
    };
    let fields: Vec<_> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new(fields))
}

/// The same instants in the zones of a schema.
pub(super) fn in_zones(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let is_same = |(column, field): (&ArrayRef, &Arc<arrow_schema::Field>)| {
        column.data_type() == field.data_type() || !matches!(field.data_type(), DataType::Timestamp(..))
    };
    if batch.columns().iter().zip(schema.fields()).all(is_same) {
        return Ok(batch);
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match is_same((column, field)) {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)
}
