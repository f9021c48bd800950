//! A small market database with everything that makes a scan hard: nulls, `NaN`, infinities, both zeros, several partitions,
//! segments whose times overlap, and rows that are streamed and in no segment yet.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::{Attestation, CoverageState, Database, Keep, Maintenance, TableSpec};
use gapless_sql::Session;
use tempfile::TempDir;

pub const SECOND: i64 = 1_000_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const DAY: i64 = 1440 * MINUTE;
/// 2026-11-20T00:00:00Z.
pub const START: i64 = 1_795_132_800 * SECOND;

/// One row of `trade`.
pub type Trade = (
    i64,
    Option<&'static str>,
    Option<f64>,
    Option<i64>,
    Option<&'static str>,
);

/// A database in a directory of its own, which goes with it.
pub struct Market {
    pub database: Database,
    pub directory: TempDir,
}

impl Market {
    /// An empty one. Nothing runs in the background.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let database = Database::builder(directory.path().join("market.db"))
            .maintenance(Maintenance::Manual)
            .small_commit_rows(0)
            .open()
            .expect("a new database");
        Self { database, directory }
    }

    /// With the tables `trade`, `quote`, `bar` and `meter`.
    pub fn new() -> Self {
        let market = Self::empty();
        trades(&market.database);
        quotes(&market.database);
        bars(&market.database);
        meters(&market.database);
        market
    }

    /// A session of two threads, so that plans are the same on every machine.
    pub fn session(&self) -> Session {
        Session::builder(&self.database)
            .threads(2)
            .open()
            .expect("a session")
    }
}

fn time() -> Field {
    Field::new(
        "ts",
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        false,
    )
}

fn symbol(name: &str) -> Field {
    Field::new(
        name,
        DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8)),
        true,
    )
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(values).with_timezone("UTC"))
}

pub fn trade_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        time(),
        symbol("sym"),
        Field::new("price", DataType::Float64, true),
        Field::new("size", DataType::Int64, true),
        symbol("exch"),
        Field::new("late", DataType::Boolean, true),
    ]))
}

pub fn trade_batch(rows: &[Trade], late: bool) -> RecordBatch {
    let syms: StringArray = rows.iter().map(|row| row.1).collect();
    let exchanges: StringArray = rows.iter().map(|row| row.4).collect();
    let symbols = |values: StringArray| arrow_cast::cast(&values, symbol("").data_type()).expect("symbols");
    let columns: Vec<ArrayRef> = vec![
        times(rows.iter().map(|row| row.0)),
        symbols(syms),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>()),
        symbols(exchanges),
        Arc::new(BooleanArray::from(vec![late; rows.len()])),
    ];
    RecordBatch::try_new(trade_schema(), columns).expect("the columns fit")
}

fn trades(database: &Database) {
    let spec = TableSpec::new("trade", trade_schema().as_ref().clone())
        .time("ts")
        .series("sym");
    let table = database.create_table(&spec).expect("a table");
    let at = |day: i64, minute: i64, second: i64| START + day * DAY + minute * MINUTE + second * SECOND;
    let (a, b, c) = (Some("A"), Some("B"), Some("C"));
    let first = [
        (at(0, 570, 0), a, Some(10.0), Some(100), Some("N")),
        (at(0, 570, 30), a, Some(10.5), Some(200), Some("Q")),
        (at(0, 571, 0), a, None, Some(50), Some("N")),
        (at(0, 571, 30), a, Some(f64::NAN), Some(10), Some("Q")),
        (at(0, 572, 0), a, Some(11.0), Some(300), None),
        (at(0, 570, 10), b, Some(20.0), Some(10), Some("N")),
        (at(0, 570, 10), b, Some(20.5), None, Some("N")),
        (at(0, 573, 0), b, Some(f64::INFINITY), Some(1), Some("Q")),
        (at(0, 570, 20), None, Some(-1.0), Some(7), Some("N")),
        (at(1, 570, 0), a, Some(12.0), Some(100), Some("N")),
        (at(1, 570, 1), c, Some(-0.0), Some(5), Some("Q")),
        (at(1, 570, 2), c, Some(0.0), Some(6), Some("Q")),
        (at(1, 570, 3), c, Some(-f64::NAN), Some(8), Some("N")),
    ];
    let late = [
        (at(0, 570, 15), a, Some(10.25), Some(40), Some("Q")),
        (at(0, 570, 30), a, Some(10.75), Some(60), Some("N")),
        (at(0, 572, 30), c, Some(f64::NEG_INFINITY), Some(2), Some("N")),
    ];
    let streamed = [
        (at(2, 600, 0), a, Some(13.0), Some(1), Some("N")),
        (at(2, 600, 30), b, Some(21.0), Some(2), Some("Q")),
        (at(0, 574, 0), b, Some(22.0), Some(3), Some("Q")),
    ];
    table.write([trade_batch(&first, false)]).expect("rows");
    table.write([trade_batch(&late, true)]).expect("late rows");
    table
        .append(&trade_batch(&streamed, false))
        .expect("streamed rows");
}

fn quotes(database: &Database) {
    let schema = Arc::new(Schema::new(vec![
        time(),
        symbol("sym"),
        Field::new("bid", DataType::Float64, true),
        Field::new("ask", DataType::Float64, true),
    ]));
    let spec = TableSpec::new("quote", schema.as_ref().clone())
        .time("ts")
        .series("sym");
    let table = database.create_table(&spec).expect("a table");
    let at = |second: i64| START + 570 * MINUTE + second * SECOND;
    let rows = [
        (at(-5), "A", Some(9.9), 10.1),
        (at(20), "A", Some(10.1), 10.3),
        (at(30), "A", None, 10.6),
        (at(30), "A", Some(10.6), 10.8),
        (at(10), "B", Some(19.9), 20.1),
        (at(11), "B", Some(20.2), 20.4),
    ];
    let syms: StringArray = rows.iter().map(|row| Some(row.1)).collect();
    let columns: Vec<ArrayRef> = vec![
        times(rows.iter().map(|row| row.0)),
        arrow_cast::cast(&syms, symbol("").data_type()).expect("symbols"),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    let batch = RecordBatch::try_new(schema, columns).expect("the columns fit");
    table.write([batch]).expect("rows");
}

/// One-minute bars with a key and coverage; the bar of 09:32 is missing, that of 09:31 was written twice.
fn bars(database: &Database) {
    let close = Field::new("close", DataType::Float64, true);
    let schema = Arc::new(Schema::new(vec![time(), symbol("sym"), close]));
    let spec = TableSpec::new("bar", schema.as_ref().clone())
        .time("ts")
        .series("sym")
        .key(["sym", "ts"])
        .keep(Keep::Last);
    let table = database.create_table(&spec).expect("a table");
    let at = |minute: i64| START + minute * MINUTE;
    let batch = |rows: &[(i64, f64)]| {
        let syms: StringArray = rows.iter().map(|_| Some("A")).collect();
        let columns: Vec<ArrayRef> = vec![
            times(rows.iter().map(|row| at(row.0))),
            arrow_cast::cast(&syms, symbol("").data_type()).expect("symbols"),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1))),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns fit")
    };
    table
        .write([batch(&[(570, 1.0), (571, 2.0), (573, 4.0)])])
        .expect("rows");
    table
        .write([batch(&[(571, 2.5)])])
        .expect("the bar of 09:31 again");
    let said = |from: i64, to: i64, state: CoverageState| {
        Attestation::new(at(from)..at(to))
            .series("A")
            .interval(MINUTE)
            .state(state)
            .source("vendor")
    };
    table
        .attest([
            said(570, 572, CoverageState::Complete),
            said(573, 574, CoverageState::Complete),
            said(574, 576, CoverageState::Empty),
        ])
        .expect("coverage");
}

/// A table without series.
fn meters(database: &Database) {
    let watts = Field::new("watts", DataType::Float32, true);
    let schema = Arc::new(Schema::new(vec![time(), watts]));
    let spec = TableSpec::new("meter", schema.as_ref().clone()).time("ts");
    let table = database.create_table(&spec).expect("a table");
    let columns: Vec<ArrayRef> = vec![
        times((0..8).map(|at| START + at * 6 * 60 * MINUTE)),
        Arc::new(
            (0..8i16)
                .map(|at| Some(f32::from(at) / 2.0))
                .collect::<arrow_array::Float32Array>(),
        ),
    ];
    table
        .write([RecordBatch::try_new(schema, columns).expect("the columns fit")])
        .expect("rows");
}
