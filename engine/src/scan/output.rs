//! Output.
use crate::error::Result;
use crate::table::types::arrow_type;
use arrow_schema::{Field, Schema, SchemaRef};
use gapless_format::ColumnSpec;
use std::sync::Arc;
pub(crate) fn schema(columns: &[ColumnSpec]) -> Result<SchemaRef> {
    Ok(Arc::new(Schema::new(
        columns
            .iter()
            .map(|c| Field::new(&c.name, arrow_type(&c.column_type), c.nullable))
            .collect::<Vec<_>>(),
    )))
}
