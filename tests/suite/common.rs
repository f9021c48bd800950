//! Tables and rows that several modules use, and a plain model of what a scan must give.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless::{Database, TableSpec};

pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// One row of the table [`spec`] describes; `id` counts arrivals.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub ts: i64,
    pub sym: Option<String>,
    pub price: Option<f64>,
    pub id: i64,
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("sym", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new("id", DataType::Int64, false),
    ]))
}

pub fn spec(name: &str) -> TableSpec {
    TableSpec::new(name, schema().as_ref().clone())
        .time("ts")
        .series("sym")
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.ts)).with_timezone("UTC"),
        ),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.sym.clone()))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.price))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit the schema")
}

pub fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let ts = batch
            .column_by_name("ts")
            .expect("ts")
            .as_primitive::<TimestampNanosecondType>();
        let price = batch
            .column_by_name("price")
            .expect("price")
            .as_primitive::<Float64Type>();
        let id = batch
            .column_by_name("id")
            .expect("id")
            .as_primitive::<arrow_array::types::Int64Type>();
        let sym = batch
            .column_by_name("sym")
            .expect("sym")
            .as_dictionary::<UInt32Type>();
        let names = sym.values().as_string::<i32>();
        for at in 0..batch.num_rows() {
            rows.push(Row {
                ts: ts.value(at),
                sym: sym.key(at).map(|key| names.value(key).to_owned()),
                price: price.is_valid(at).then(|| price.value(at)),
                id: id.value(at),
            });
        }
    }
    rows
}

/// A database in a directory that goes with it.
pub fn scratch() -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("test.db"))
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a new database");
    (directory, db)
}
