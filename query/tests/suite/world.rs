//! The same rows as plain values and as databases of many shapes.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::compact::{Policy, RunOptions};
use gapless_engine::scan::Scan;
use gapless_engine::{Database, Error, Keep, Maintenance, PartitionUnit, Table, TableSpec, WriteOptions};

use crate::cells::Cell;

pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
/// 2026-03-07, the day before clocks go forward in New York.
pub const START: i64 = 1_772_841_600 * SECOND;

/// A row of the table that [`schema`] describes; `id` counts arrivals.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub ts: i64,
    pub sym: Option<String>,
    pub price: Option<f64>,
    pub qty: Option<i32>,
    pub size: u64,
    pub flag: Option<bool>,
    pub venue: Option<String>,
    pub note: Option<String>,
    pub at: Option<i64>,
    pub id: i64,
}

impl Row {
    pub fn new(ts: i64, sym: Option<&str>, id: i64) -> Self {
        Self {
            ts,
            sym: sym.map(str::to_owned),
            price: Some(id as f64),
            qty: Some(id as i32),
            size: id as u64,
            flag: Some(id % 2 == 0),
            venue: Some("V".to_owned()),
            note: Some(format!("n{id}")),
            at: Some(ts),
            id,
        }
    }

    /// By column name.
    pub fn cell(&self, column: &str) -> Cell {
        match column {
            "ts" => Cell::Time(self.ts),
            "sym" => Cell::text(self.sym.as_deref()),
            "price" => Cell::float(self.price),
            "qty" => Cell::int(self.qty),
            "size" => Cell::Int(self.size.into()),
            "flag" => Cell::bool(self.flag),
            "venue" => Cell::text(self.venue.as_deref()),
            "note" => Cell::text(self.note.as_deref()),
            "at" => Cell::time(self.at),
            "id" => Cell::Int(self.id.into()),
            other => panic!("no column {other}"),
        }
    }

    pub fn cells(&self, columns: &[&str]) -> Vec<Cell> {
        columns.iter().map(|column| self.cell(column)).collect()
    }
}

pub const COLUMNS: [&str; 10] = [
    "ts", "sym", "price", "qty", "size", "flag", "venue", "note", "at", "id",
];

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn symbol_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("ts", time_type(), false),
        Field::new("sym", symbol_type(), true),
        Field::new("price", DataType::Float64, true),
        Field::new("qty", DataType::Int32, true),
        Field::new("size", DataType::UInt64, false),
        Field::new("flag", DataType::Boolean, true),
        Field::new("venue", symbol_type(), true),
        Field::new("note", DataType::Utf8, true),
        Field::new("at", time_type(), true),
        Field::new("id", DataType::Int64, false),
    ]))
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let symbols = |of: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<DictionaryArray<UInt32Type>>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.ts)).with_timezone("UTC"),
        ),
        symbols(|row| row.sym.as_deref()),
        Arc::new(rows.iter().map(|row| row.price).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.qty).collect::<Int32Array>()),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.size))),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        symbols(|row| row.venue.as_deref()),
        Arc::new(
            rows.iter()
                .map(|row| row.note.as_deref())
                .collect::<StringArray>(),
        ),
        Arc::new(
            rows.iter()
                .map(|row| row.at)
                .collect::<TimestampNanosecondArray>()
                .with_timezone("UTC"),
        ),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit the schema")
}

/// Numbers from a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }
}

/// What rows are like.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// How many rows.
    pub rows: usize,
    /// How many series.
    pub series: u64,
    /// Whether prices are of any magnitude; else sums of them are exact.
    pub is_wild: bool,
    /// Whether there are NaN and infinities.
    pub has_specials: bool,
    /// Whether no two rows have the same time and series.
    pub is_unique: bool,
}

/// Symbols whose text order is not the order of their first arrival.
fn symbol(number: u64) -> String {
    const NAMES: [&str; 6] = ["zeta", "", "A/..", "é", "m", "Zeta"];
    match NAMES.get(number as usize) {
        Some(name) => (*name).to_owned(),
        None => format!("s{}", number.wrapping_mul(7919) % 1000),
    }
}

/// Rows in order of arrival.
pub fn rows(seed: u64, kind: Kind) -> Vec<Row> {
    let random = &mut Random::new(seed);
    let mut rows: Vec<Row> = (0..kind.rows as i64).map(|id| row(random, kind, id)).collect();
    if kind.is_unique {
        let mut seen = std::collections::HashSet::new();
        rows.retain(|row| seen.insert((row.ts, row.sym.clone())));
    }
    rows
}

fn row(random: &mut Random, kind: Kind, id: i64) -> Row {
    // Few hours, of which each is a segment where partitions are hours: midnights of UTC, New York and Kathmandu are in them.
    let grid = (random.below(3) as i64) * DAY + random.pick(&[0, 4, 5, 18]) * HOUR;
    let ts = START
        + match random.below(3) {
            0 => grid,
            1 => grid + random.below(4) as i64 - i64::from(random.one_in(20)),
            _ => grid + random.below(HOUR as u64) as i64,
        };
    let price = match random.below(if kind.has_specials { 16 } else { 10 }) {
        0 => None,
        1 => Some(0.0),
        2..10 if kind.is_wild => {
            let exponent = random.below(60) as i32 - 30;
            Some((random.below(2_000_001) as f64 - 1e6) * 0.1 * 2f64.powi(exponent))
        }
        2..10 => Some((random.below(20_001) as f64 - 1e4) / 8.0),
        10 => Some(-0.0),
        11 => Some(f64::NAN),
        12 => Some(f64::INFINITY),
        13 => Some(f64::NEG_INFINITY),
        _ => Some(1.0),
    };
    let some = |random: &mut Random| !random.one_in(7);
    Row {
        ts,
        sym: (!random.one_in(9)).then(|| symbol(random.below(kind.series.max(1)))),
        price,
        qty: some(random).then(|| random.below(201) as i32 - 100),
        size: random.below(1000),
        flag: some(random).then(|| random.one_in(2)),
        venue: some(random).then(|| random.pick(&["X", "A", "é", ""]).to_owned()),
        note: some(random).then(|| format!("note {}", random.below(12))),
        at: some(random).then(|| START + random.below(1000) as i64 - 500),
        id,
    }
}

/// How rows lie in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One compacted segment for each day.
    Days,
    /// A segment for each hour.
    Hours,
    /// Days and hours, some of them compacted.
    Mixed,
    /// Segments of times that overlap.
    Late,
    /// Half of the rows in memory.
    Tail,
    /// All of the rows in memory.
    Memory,
    /// With rows that were deleted.
    Deleted,
    /// With rows that later ones replaced: for unique rows.
    KeepLast,
    /// With later rows that do not count: for unique rows.
    KeepFirst,
}

pub const SHAPES: [Shape; 7] = [
    Shape::Days,
    Shape::Hours,
    Shape::Mixed,
    Shape::Late,
    Shape::Tail,
    Shape::Memory,
    Shape::Deleted,
];
pub const UNIQUE_SHAPES: [Shape; 9] = [
    Shape::KeepLast,
    Shape::KeepFirst,
    Shape::Days,
    Shape::Hours,
    Shape::Mixed,
    Shape::Late,
    Shape::Tail,
    Shape::Memory,
    Shape::Deleted,
];

/// A database in a directory that goes with it.
pub struct World {
    pub db: Database,
    _directory: tempfile::TempDir,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let db = Database::builder(directory.path().join("test.db"))
            .small_commit_rows(0)
            .maintenance(Maintenance::Manual)
            .without_sync()
            .open()
            .expect("a new database");
        Self {
            db,
            _directory: directory,
        }
    }

    /// A database with a table `t`.
    pub fn of(rows: &[Row], shape: Shape, has_series: bool) -> Self {
        let world = Self::new();
        world.fill("t", rows, shape, has_series);
        world
    }

    pub fn table(&self, name: &str) -> Table {
        self.db.table(name).expect("the table is there")
    }

    pub fn scan(&self) -> Scan {
        self.table("t").scan().expect("a scan")
    }

    /// A new table of some rows.
    pub fn fill(&self, name: &str, rows: &[Row], shape: Shape, has_series: bool) {
        let spec = TableSpec::new(name, schema().as_ref().clone()).time("ts");
        // Each table has symbols of its own: codes mean nothing to another one.
        let spec = spec
            .symbol("sym", format!("{name}_sym"))
            .symbol("venue", format!("{name}_venue"));
        let spec = if has_series { spec.series("sym") } else { spec };
        let keyed = |keep| spec.clone().keep(keep).key(["sym", "ts"]);
        let spec = match shape {
            Shape::KeepLast => keyed(Keep::Last),
            Shape::KeepFirst => keyed(Keep::First),
            _ => spec,
        };
        let table = self.db.create_table(&spec).expect("a new table");
        let (half, third) = (rows.len() / 2, rows.len().div_ceil(3).max(1));
        match shape {
            Shape::Days => {
                for rows in rows.chunks(third) {
                    write(&table, rows, PartitionUnit::Day);
                }
                self.db.compact(name).expect("a compaction");
            }
            Shape::Hours => write(&table, rows, PartitionUnit::Hour),
            Shape::Mixed => {
                for (number, rows) in rows.chunks(third).enumerate() {
                    let unit = [PartitionUnit::Hour, PartitionUnit::Day, PartitionUnit::Hour][number.min(2)];
                    write(&table, rows, unit);
                    if number == 1 {
                        let policy = Policy {
                            settle_ns: i64::MIN,
                            ..Policy::default()
                        };
                        self.db
                            .maintain(&policy, &RunOptions::default())
                            .expect("maintenance");
                    }
                }
            }
            Shape::Late => {
                for rows in rows.chunks(rows.len().div_ceil(5).max(1)) {
                    write(&table, rows, PartitionUnit::Day);
                }
            }
            Shape::Tail => {
                write(&table, &rows[..half], PartitionUnit::Day);
                append(&table, &rows[half..]);
            }
            Shape::Memory => append(&table, rows),
            Shape::Deleted => {
                write(&table, &others(rows), PartitionUnit::Day);
                table.delete(i64::MIN..START + DAY, None).expect("a deletion");
                let names: std::collections::BTreeSet<&str> =
                    rows.iter().filter_map(|row| row.sym.as_deref()).collect();
                let names: Vec<&str> = names.into_iter().collect();
                if has_series {
                    table
                        .delete(START..START + 2 * DAY, Some(&names))
                        .expect("a deletion");
                }
                table.delete(START..i64::MAX, None).expect("a deletion");
                write(&table, &rows[..half], PartitionUnit::Day);
                write(&table, &rows[half..], PartitionUnit::Hour);
            }
            Shape::KeepLast => {
                write(&table, &others(rows), PartitionUnit::Day);
                write(&table, &rows[..half], PartitionUnit::Day);
                append(&table, &rows[half..]);
            }
            Shape::KeepFirst => {
                write(&table, &rows[..half], PartitionUnit::Hour);
                append(&table, &rows[half..]);
                append(&table, &others(rows));
            }
        }
    }
}

/// Rows of the same times and series with other values.
fn others(rows: &[Row]) -> Vec<Row> {
    let other = |row: &Row| Row {
        price: Some(77.0),
        qty: Some(5),
        size: 3,
        id: -row.id,
        note: None,
        ..row.clone()
    };
    rows.iter().map(other).collect()
}

pub fn write(table: &Table, rows: &[Row], unit: PartitionUnit) {
    if rows.is_empty() {
        return;
    }
    let options = WriteOptions {
        partition: Some(unit),
        ..WriteOptions::default()
    };
    let batches: Vec<_> = rows
        .chunks(1 << 16)
        .map(|rows| Ok::<_, Error>(batch(rows)))
        .collect();
    table.write_with(batches, &options).expect("rows are written");
}

pub fn append(table: &Table, rows: &[Row]) {
    for rows in rows.chunks(rows.len().div_ceil(3).max(1)) {
        table.append(&batch(rows)).expect("rows are appended");
    }
}

/// By series (null last), time, arrival; without series by time and arrival.
pub fn by_series(rows: &[Row], has_series: bool) -> Vec<Row> {
    let mut rows = rows.to_vec();
    let series = |row: &Row| has_series.then(|| (row.sym.is_none(), row.sym.clone()));
    rows.sort_by_key(|row| (series(row), row.ts));
    rows
}

/// By time, series (null last), arrival.
pub fn by_time(rows: &[Row], has_series: bool) -> Vec<Row> {
    let mut rows = rows.to_vec();
    let series = |row: &Row| has_series.then(|| (row.sym.is_none(), row.sym.clone()));
    rows.sort_by_key(|row| (row.ts, series(row)));
    rows
}
