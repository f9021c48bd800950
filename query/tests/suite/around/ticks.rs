//! Rows in memory and in tables, and what comes out of a query as text.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_cast::cast;
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::{Database, Maintenance, PartitionUnit, TableSpec};
use gapless_query::{IntoQuery, Query};
use proptest::prelude::*;

/// Rows of a day are a few hundred minutes apart at most: some are in one hour, some in one day.
pub const MINUTE: i64 = 60_000_000_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub ts: i64,
    pub sym: Option<&'static str>,
    pub price: Option<f64>,
    pub size: Option<i64>,
}

pub fn schema() -> SchemaRef {
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", ts, false),
        Field::new("sym", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new("size", DataType::Int64, true),
    ]))
}

pub fn batch(ticks: &[Tick]) -> RecordBatch {
    let ts = TimestampNanosecondArray::from_iter_values(ticks.iter().map(|tick| tick.ts));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ts.with_timezone("UTC")),
        Arc::new(StringArray::from_iter(ticks.iter().map(|tick| tick.sym))),
        Arc::new(Float64Array::from_iter(ticks.iter().map(|tick| tick.price))),
        Arc::new(Int64Array::from_iter(ticks.iter().map(|tick| tick.size))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit the schema")
}

/// Where rows are.
#[derive(Debug, Clone)]
pub enum Place {
    /// In batches of so many rows.
    Batches(usize),
    /// In a table, written by so many rows at a time: segments overlap.
    Table(PartitionUnit, usize),
}

pub fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => (1usize..40).prop_map(Place::Batches),
        1 => (10usize..60).prop_map(|rows| Place::Table(PartitionUnit::Day, rows)),
        1 => (10usize..60).prop_map(|rows| Place::Table(PartitionUnit::Hour, rows)),
    ]
}

/// A query, its rows in their order, and the database that they are in.
pub struct Held {
    pub query: Query,
    pub rows: Vec<Tick>,
    _database: Option<(tempfile::TempDir, Database)>,
}

pub fn held(ticks: &[Tick], place: &Place) -> Held {
    match place {
        Place::Batches(rows) => Held {
            query: Query::timed_batches(
                schema(),
                ticks.chunks(*rows).map(batch).collect(),
                "ts",
                Some("sym"),
            ),
            rows: ticks.to_vec(),
            _database: None,
        },
        Place::Table(unit, rows) => {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let db = Database::builder(directory.path().join("test.db"))
                .small_commit_rows(0)
                .maintenance(Maintenance::Manual)
                .without_sync()
                .open()
                .expect("a new database");
            let spec = TableSpec::new("ticks", schema().as_ref().clone())
                .time("ts")
                .series("sym");
            let table = db.create_table(&spec.partition(*unit)).expect("a table");
            for ticks in ticks.chunks(*rows) {
                table.write([batch(ticks)]).expect("rows");
            }
            Held {
                query: table.scan().expect("a scan").query(),
                rows: by_series_and_time(ticks),
                _database: Some((directory, db)),
            }
        }
    }
}

/// Rows by series, null last, and time; those that are equal in both as they came.
pub fn by_series_and_time(ticks: &[Tick]) -> Vec<Tick> {
    let mut ticks = ticks.to_vec();
    ticks.sort_by_key(|tick| (tick.sym.is_none(), tick.sym, tick.ts));
    ticks
}

pub fn ticks(count: usize, prices: Vec<f64>) -> impl Strategy<Value = Vec<Tick>> {
    let tick = (
        -90i64..90,
        prop::sample::select(vec![Some("a"), Some("a"), Some("bb"), Some("c"), None]),
        prop::option::weighted(0.8, prop::sample::select(prices)),
        prop::option::weighted(0.8, -5i64..5),
    );
    let tick = tick.prop_map(|(minutes, sym, price, size)| Tick {
        ts: minutes * 20 * MINUTE,
        sym,
        price,
        size,
    });
    prop::collection::vec(tick, 0..count)
}

/// Prices of which sums are exact.
pub fn prices() -> Vec<f64> {
    vec![
        -2.5,
        1.25,
        3.0,
        0.5,
        1e6,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ]
}

/// The values of a row, times in nanoseconds; null is empty.
pub fn text(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        let plain = |column: &ArrayRef| match column.data_type() {
            DataType::Timestamp(..) | DataType::Duration(_) => {
                cast(column, &DataType::Int64).expect("nanoseconds")
            }
            _ => Arc::clone(column),
        };
        let columns: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
        for row in 0..batch.num_rows() {
            let value = |column: &ArrayRef| array_value_to_string(column, row).expect("a value");
            rows.push(columns.iter().map(value).collect());
        }
    }
    rows
}

pub fn float(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}

pub fn int(value: Option<i64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// The values of a tick, as they come out of a query.
pub fn values(tick: &Tick) -> Vec<String> {
    vec![
        tick.ts.to_string(),
        tick.sym.unwrap_or_default().to_string(),
        float(tick.price),
        int(tick.size),
    ]
}
