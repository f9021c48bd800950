//! Generated tables of several commits, which overlap, are late, are deleted, and stream; and their rows as plain values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::{
    Database, EncodingPolicy, Keep, Maintenance, PartitionUnit, Table, TableSpec, WriteOptions,
};
use proptest::prelude::*;

pub const SECOND: i64 = 1_000_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// One row; `id` counts arrivals.
#[derive(Debug, Clone)]
pub struct Row {
    pub sym: Option<String>,
    pub ts: i64,
    pub price: Option<f64>,
    pub note: Option<String>,
    pub id: i64,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        let bits = |row: &Self| row.price.map(f64::to_bits);
        (&self.sym, self.ts, bits(self), &self.note, self.id)
            == (&other.sym, other.ts, bits(other), &other.note, other.id)
    }
}

/// Number of the symbol, time, price, number of the note.
pub type Drawn = (Option<u8>, i64, Option<f64>, Option<u8>);

/// Rows of one commit, and how they are written.
#[derive(Debug, Clone)]
pub struct Commit {
    pub rows: Vec<Drawn>,
    pub unit: PartitionUnit,
    pub cold: bool,
    pub streams: bool,
    pub delete: Option<(i64, i64, Option<u8>)>,
}

/// Symbols whose order is not that of their first arrival.
pub fn symbol(number: u8) -> String {
    ["zeta", "", "A/..", "é", "m"][usize::from(number) % 5].to_owned()
}

pub fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => (0..2i64, 0..24i64, 0..6i64).prop_map(|(day, hour, minute)| day * DAY + hour * HOUR + minute * MINUTE),
        4 => (0..90i64).prop_map(|minute| minute * MINUTE),
        2 => (0..40i64).prop_map(|step| step * 20 * SECOND + 7),
    ]
}

pub fn commits() -> impl Strategy<Value = Vec<Commit>> {
    let price = prop_oneof![
        3 => Just(None),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(f64::INFINITY)),
        1 => Just(Some(-0.0)),
        8 => (-4..5i32).prop_map(|price| Some(f64::from(price))),
    ];
    let sym = prop_oneof![1 => Just(None), 8 => (0..4u8).prop_map(Some)];
    let row = (sym, times(), price, prop::option::of(0..3u8));
    let unit = prop_oneof![Just(PartitionUnit::Day), Just(PartitionUnit::Hour)];
    let range = (times(), times(), prop::option::of(0..4u8));
    let commit = (
        prop::collection::vec(row, 0..40),
        unit,
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.2, range),
    )
        .prop_map(|(rows, unit, cold, streams, delete)| Commit {
            rows,
            unit,
            cold,
            streams,
            delete,
        });
    prop::collection::vec(commit, 1..6)
}

pub fn schema() -> SchemaRef {
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", ts, false),
        Field::new("sym", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("id", DataType::Int64, false),
    ]))
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let times = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.ts));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.sym.clone()))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.price))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.note.clone()))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit the schema")
}

/// The texts of a column of texts or symbols.
pub fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).expect("a column of texts");
    let column = cast(column, &DataType::Utf8).expect("texts");
    column
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

pub fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).expect("a column");
        let ts = column("ts").as_primitive::<TimestampNanosecondType>();
        let price = column("price").as_primitive::<Float64Type>();
        let id = column("id").as_primitive::<Int64Type>();
        let (sym, note) = (texts(batch, "sym"), texts(batch, "note"));
        for at in 0..batch.num_rows() {
            rows.push(Row {
                sym: sym[at].clone(),
                ts: ts.value(at),
                price: price.iter().nth(at).flatten(),
                note: note[at].clone(),
                id: id.value(at),
            });
        }
    }
    rows
}

/// A database in a directory that goes with it, and its table `t`.
pub fn table(keep: Keep, commits: &[Commit]) -> (tempfile::TempDir, Database, Table) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("test.db"))
        .small_commit_rows(0)
        .maintenance(Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a new database");
    let spec = TableSpec::new("t", schema().as_ref().clone())
        .time("ts")
        .series("sym")
        .keep(keep);
    let table = db.create_table(&spec).expect("a new table");
    let mut id = 0;
    for commit in commits {
        let rows: Vec<Row> = (id..)
            .zip(&commit.rows)
            .map(|(id, (sym, ts, price, note))| Row {
                sym: sym.map(symbol),
                ts: *ts,
                price: *price,
                note: note.map(|note| format!("note {note}")),
                id,
            })
            .collect();
        id += rows.len() as i64;
        if commit.streams {
            rows.chunks(7).for_each(|rows| {
                table.append(&batch(rows)).expect("rows are streamed");
            });
        } else {
            let encoding = match commit.cold {
                true => EncodingPolicy::cold(),
                false => EncodingPolicy::plain(),
            };
            let options = WriteOptions {
                partition: Some(commit.unit),
                encoding,
                ..WriteOptions::default()
            };
            let batches = rows
                .chunks(9)
                .map(|rows| Ok::<_, gapless_engine::Error>(batch(rows)));
            table.write_with(batches, &options).expect("rows are written");
        }
        if let Some((a, b, sym)) = &commit.delete {
            let sym = sym.map(symbol);
            let series: Option<Vec<&str>> = sym.as_deref().map(|sym| vec![sym]);
            table
                .delete(*a.min(b)..*a.max(b), series.as_deref())
                .expect("rows are deleted");
        }
    }
    (directory, db, table)
}

pub fn keeps() -> impl Strategy<Value = Keep> {
    prop_oneof![2 => Just(Keep::All), 1 => Just(Keep::Last), 1 => Just(Keep::First)]
}

/// Rows in memory as a query of batches, with their time and series.
pub fn in_memory(rows: &[Row], batch_rows: usize) -> gapless_query::Query {
    let batches = rows.chunks(batch_rows).map(batch).collect();
    gapless_query::Query::timed_batches(schema(), batches, "ts", Some("sym"))
}
