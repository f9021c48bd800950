//! The golden database: written once by version 1.0 of the format, read for ever.
//!
//! `fixtures/golden/v1` is never rewritten once a release has shipped: if this test fails, the code is wrong, not the
//! fixture. A change of the format that needs new bytes gets a new minor or major version and a folder of its own.
//! What went wrong elsewhere: fixtures that were regenerated together with the change they should have caught.
//!
//! Expected rows lie beside it as JSON lines, made from the values that were written, not from what was read; so does what
//! is covered. The database is that of a process that died: its log has rows and coverage that are in no file yet.
//!
//! Long because it has the writer and the reader of one fixture.

mod calendars;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::check::{CheckOptions, check_database};
use gapless::database::Mode;
use gapless::scan::Order;
use gapless::{
    Attestation, AttributeKind, CoverageState, Database, EncodingPolicy, ErrorKind, PartitionUnit, Snapshot,
    Table, TableSpec, WriteOptions,
};

use crate::cells::{Cell, Dice, build, cell};
use crate::common::{DAY, HOUR, SECOND};

/// Where the golden database of the current major version is.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/v1")
}

const SNAPSHOT: &str = "month-end";
/// 2024-02-29, a leap day.
const LEAP_DAY: i64 = 19_782 * DAY;
/// 2200-01-01.
const YEAR_2200: i64 = 84_006 * DAY;

/// A column of the golden database and how its values are made.
struct Column {
    name: &'static str,
    data_type: DataType,
    value: fn(&mut Dice) -> Cell,
}

fn column(name: &'static str, data_type: DataType, value: fn(&mut Dice) -> Cell) -> Column {
    Column {
        name,
        data_type,
        value,
    }
}

fn ints(dice: &mut Dice, least: i128, greatest: i128) -> Cell {
    match dice.below(4) {
        0 => Cell::Int(least),
        1 => Cell::Int(greatest),
        2 => Cell::Int(0),
        _ => Cell::Int(least + (i128::from(dice.roll()) % (greatest - least))),
    }
}

fn f64s(dice: &mut Dice) -> Cell {
    let tiny = f64::from_bits(1);
    let values = [
        f64::NAN,
        -0.0,
        0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        tiny,
        0.1,
        -2.5,
    ];
    Cell::F64(*dice.pick(&values))
}

fn f32s(dice: &mut Dice) -> Cell {
    let values = [
        f32::NAN,
        -0.0,
        0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        0.1,
    ];
    Cell::F32(*dice.pick(&values))
}

fn texts(dice: &mut Dice) -> Cell {
    let values = [
        "",
        "a",
        "two words",
        "quote \" and \\",
        "naïve ☃ 水",
        "tab\tnul\0",
        "0123456789abcdef0123456789",
    ];
    Cell::Text((*dice.pick(&values)).to_owned())
}

fn list(dice: &mut Dice, len: u64, item: fn(&mut Dice) -> Cell) -> Cell {
    Cell::List((0..len).map(|_| item(dice)).collect())
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

/// A column of every type, beside time, series and number.
fn every_type() -> Vec<Column> {
    use DataType as T;
    use TimeUnit::{Microsecond as Us, Millisecond as Ms, Nanosecond as Ns, Second as S};
    const DAY_SECONDS: i128 = 86_400;
    let zone = |name: &str| Some(Arc::from(name));
    let symbol = || T::Dictionary(Box::new(T::UInt32), Box::new(T::Utf8));
    vec![
        column("bool", T::Boolean, |d| Cell::Bool(d.below(2) == 0)),
        column("i8", T::Int8, |d| ints(d, i8::MIN.into(), i8::MAX.into())),
        column("i16", T::Int16, |d| ints(d, i16::MIN.into(), i16::MAX.into())),
        column("i32", T::Int32, |d| ints(d, i32::MIN.into(), i32::MAX.into())),
        column("i64", T::Int64, |d| ints(d, i64::MIN.into(), i64::MAX.into())),
        column("u8", T::UInt8, |d| ints(d, 0, u8::MAX.into())),
        column("u16", T::UInt16, |d| ints(d, 0, u16::MAX.into())),
        column("u32", T::UInt32, |d| ints(d, 0, u32::MAX.into())),
        column("u64", T::UInt64, |d| ints(d, 0, u64::MAX.into())),
        column("f32", T::Float32, f32s),
        column("f64", T::Float64, f64s),
        column("decimal", T::Decimal128(38, 10), |d| {
            ints(d, -(10i128.pow(37)), 10i128.pow(37))
        }),
        column("decimal negative scale", T::Decimal128(9, -2), |d| {
            ints(d, -999_999_999, 999_999_999)
        }),
        column("date", T::Date32, |d| ints(d, -200_000, 200_000)),
        column("time_s", T::Time32(S), |d| ints(d, 0, DAY_SECONDS - 1)),
        column("time_ms", T::Time32(Ms), |d| ints(d, 0, DAY_SECONDS * 1_000 - 1)),
        column("time_us", T::Time64(Us), |d| {
            ints(d, 0, DAY_SECONDS * 1_000_000 - 1)
        }),
        column("time_ns", T::Time64(Ns), |d| {
            ints(d, 0, DAY_SECONDS * 1_000_000_000 - 1)
        }),
        column("timestamp_s", T::Timestamp(S, None), |d| {
            ints(d, -10_000_000_000, 10_000_000_000)
        }),
        column("timestamp_ms", T::Timestamp(Ms, zone("Europe/Paris")), |d| {
            ints(d, i64::MIN.into(), i64::MAX.into())
        }),
        column("timestamp_us", T::Timestamp(Us, zone("+05:30")), |d| {
            ints(d, i64::MIN.into(), i64::MAX.into())
        }),
        column("timestamp_ns", T::Timestamp(Ns, zone("UTC")), |d| {
            ints(d, i64::MIN.into(), i64::MAX.into())
        }),
        column("duration_s", T::Duration(S), |d| {
            ints(d, i64::MIN.into(), i64::MAX.into())
        }),
        column("duration_ms", T::Duration(Ms), |d| ints(d, -5, 5)),
        column("duration_us", T::Duration(Us), |d| ints(d, -5, 5)),
        column("duration_ns", T::Duration(Ns), |d| ints(d, -5, 5)),
        column("venue", symbol(), texts),
        column("pair", T::Utf8, texts),
        column("utf8", T::Utf8, texts),
        column("binary", T::Binary, |d| {
            let len = d.below(5);
            Cell::Bytes((0..len).map(|_| d.roll().to_le_bytes()[0]).collect())
        }),
        column("levels", T::FixedSizeList(item(T::Float64), 3), |d| {
            list(d, 3, f64s)
        }),
        column("flags", T::FixedSizeList(item(T::UInt8), 2), |d| {
            list(d, 2, |d| ints(d, 0, 255))
        }),
        column("depth", T::List(item(T::Float32)), |d| {
            let len = d.below(4);
            list(d, len, f32s)
        }),
        column("ids", T::List(item(T::Int64)), |d| {
            let len = d.below(3);
            list(d, len, |d| ints(d, -9, 9))
        }),
    ]
}

/// A row: time, series, and the cells of the other columns, in the table's order.
#[derive(Clone)]
struct GoldenRow {
    ts: i64,
    sym: Option<&'static str>,
    cells: Vec<Cell>,
}

/// Names and types of all columns, and which table they make.
struct Golden {
    table: &'static str,
    columns: Vec<(String, DataType)>,
    rows: Vec<GoldenRow>,
}

impl Golden {
    fn new(table: &'static str, others: &[(&str, DataType)]) -> Self {
        let mut columns = vec![
            (
                "ts".to_owned(),
                DataType::Timestamp(TimeUnit::Nanosecond, Some("America/New_York".into())),
            ),
            ("sym".to_owned(), DataType::Utf8),
        ];
        columns.extend(
            others
                .iter()
                .map(|(name, data_type)| ((*name).to_owned(), data_type.clone())),
        );
        Self {
            table,
            columns,
            rows: Vec::new(),
        }
    }

    fn schema(&self) -> Schema {
        let fields = self
            .columns
            .iter()
            .map(|(name, data_type)| Field::new(name, data_type.clone(), name != "ts"));
        Schema::new(fields.collect::<Vec<_>>())
    }

    fn spec(&self) -> TableSpec {
        TableSpec::new(self.table, self.schema()).time("ts").series("sym")
    }

    fn write(&mut self, table: &Table, rows: Vec<GoldenRow>, unit: PartitionUnit) {
        self.write_as(table, rows, unit, EncodingPolicy::plain());
    }

    fn write_as(
        &mut self,
        table: &Table,
        rows: Vec<GoldenRow>,
        unit: PartitionUnit,
        encoding: EncodingPolicy,
    ) {
        let batch = self.batch(&rows);
        let options = WriteOptions {
            partition: Some(unit),
            encoding,
            ..WriteOptions::default()
        };
        table
            .write_with([Ok::<_, gapless::Error>(batch)], &options)
            .expect("golden rows are written");
        self.rows.extend(rows);
    }

    /// Into the log.
    fn append(&mut self, table: &Table, rows: Vec<GoldenRow>, said: impl IntoIterator<Item = Attestation>) {
        table
            .append_covering(&self.batch(&rows), said, None)
            .expect("golden rows are appended");
        self.rows.extend(rows);
    }

    fn batch(&self, rows: &[GoldenRow]) -> RecordBatch {
        let cells_of = |at: usize| -> Vec<Cell> {
            let cell = |row: &GoldenRow| match at {
                0 => Cell::Int(row.ts.into()),
                1 => row.sym.map_or(Cell::Null, |sym| Cell::Text(sym.to_owned())),
                _ => row.cells[at - 2].clone(),
            };
            rows.iter().map(cell).collect()
        };
        let arrays = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (_, data_type))| build(&cells_of(at), data_type));
        RecordBatch::try_new(Arc::new(self.schema()), arrays.collect()).expect("a batch")
    }

    /// The rows in order of series and time, as JSON lines.
    fn json(&self) -> String {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| (row.sym.is_none(), row.sym, row.ts));
        let line = |row: &GoldenRow| {
            let sym = row.sym.map_or(Cell::Null, |sym| Cell::Text(sym.to_owned()));
            let cells = [Cell::Int(row.ts.into()), sym]
                .into_iter()
                .chain(row.cells.iter().cloned());
            let fields = self
                .columns
                .iter()
                .zip(cells)
                .map(|((name, _), cell)| format!("{name:?}:{}", cell.json()));
            format!("{{{}}}\n", fields.collect::<Vec<_>>().join(","))
        };
        rows.iter().map(line).collect()
    }
}

/// What is said of a range of a table.
#[derive(Clone)]
struct Said {
    table: &'static str,
    series: Option<&'static str>,
    interval: i64,
    range: Range<i64>,
    state: CoverageState,
    rows: Option<u64>,
    source: &'static str,
}

fn said(
    table: &'static str,
    series: Option<&'static str>,
    interval: i64,
    range: Range<i64>,
    state: CoverageState,
    source: &'static str,
) -> Said {
    Said {
        table,
        series,
        interval,
        range,
        state,
        rows: None,
        source,
    }
}

impl Said {
    fn content(&self) -> u64 {
        self.rows.map_or(0, |rows| rows << 60 | 0x1234)
    }

    fn attestation(&self) -> Attestation {
        Attestation {
            series: self.series.map(str::to_owned),
            interval: self.interval,
            state: self.state,
            rows: self.rows,
            content: self.content(),
            fetched_at: Some(YEAR_2200),
            source: self.source.to_owned(),
            batch: format!("batch of {}", self.source),
            ..Attestation::new(self.range.clone())
        }
    }

    /// The part of it in a range, of which the number of rows is not known.
    fn cut(&self, start: i64, end: i64) -> Option<Self> {
        let range = self.range.start.max(start)..self.range.end.min(end);
        let rows = self.rows.filter(|_| range == self.range);
        (range.start < range.end).then(|| Self {
            range,
            rows,
            ..self.clone()
        })
    }

    /// What is read of it. The process of every session is gone, so what one has written is complete.
    fn line(&self) -> String {
        let Self {
            table,
            series,
            interval,
            range,
            state,
            rows,
            source,
        } = self;
        let state = match state {
            CoverageState::Live => &CoverageState::Complete,
            state => state,
        };
        format!(
            "{table:?} {series:?} {:?} {range:?} {state:?} {rows:?} {} {YEAR_2200} {source:?} \"batch of {source}\"\n",
            Some(interval),
            self.content()
        )
    }
}

/// Said before the snapshot: in coverage files.
fn said_in_files() -> Vec<Said> {
    use CoverageState as S;
    let (all, gone, minute) = ("everything", "dropped", 60 * SECOND);
    let day = LEAP_DAY..LEAP_DAY + DAY;
    let mut before = vec![
        Said {
            rows: Some(12),
            ..said(all, Some("AAPL"), 0, day.clone(), S::Complete, "vendor")
        },
        said(all, Some("..%水"), minute, day.clone(), S::Partial, ""),
        said(all, None, HOUR, i64::MIN..0, S::NotApplicable, "größe"),
        said(all, None, HOUR, 0..i64::MAX, S::Empty, "größe"),
        said("quotes / hourly", Some("MSFT"), 0, day, S::Live, "session"),
        said(gone, Some("gone"), 0, 0..YEAR_2200, S::Expired, "retention"),
    ];
    let states = [
        S::Complete,
        S::Empty,
        S::NotApplicable,
        S::Partial,
        S::Live,
        S::Expired,
        S::Lost,
    ];
    before.extend((0..).zip(states).map(|(at, state)| {
        let range = at * HOUR..(at + 1) * HOUR;
        said(all, Some("no rows"), minute, range, state, "states")
    }));
    before
}

/// Said after it: in the log.
fn said_in_log() -> Vec<Said> {
    use CoverageState as S;
    let (all, minute) = ("everything", 60 * SECOND);
    let noon = LEAP_DAY + 12 * HOUR;
    vec![
        said(all, Some("AAPL"), 0, noon..noon + HOUR, S::Lost, "check"),
        said(all, Some("..%水"), minute, noon..i64::MAX, S::Unknown, ""),
        said(all, Some("new"), 0, i64::MIN..noon, S::Complete, "vendor"),
    ]
}

/// Said with rows, in one record of the log.
fn said_with_rows() -> Said {
    let range = LEAP_DAY..LEAP_DAY + HOUR;
    Said {
        rows: Some(6),
        ..said(
            "quotes / hourly",
            Some("AAPL"),
            0,
            range,
            CoverageState::Complete,
            "feed",
        )
    }
}

/// What is known after all of it was said in this order, one range a line.
fn known(all: &[Said]) -> String {
    let mut keys: BTreeMap<(&str, Option<&str>, i64), Vec<Said>> = BTreeMap::new();
    for it in all {
        let ranges = keys.entry((it.table, it.series, it.interval)).or_default();
        let cut = |range: &Said| {
            let before = range.cut(i64::MIN, it.range.start);
            [before, range.cut(it.range.end, i64::MAX)]
        };
        *ranges = ranges.iter().flat_map(cut).flatten().collect();
        ranges.extend((it.state != CoverageState::Unknown).then(|| it.clone()));
        ranges.sort_by_key(|range| range.range.start);
    }
    keys.into_values().flatten().map(|range| range.line()).collect()
}

/// What a snapshot knows of its tables, likewise.
fn known_of(snapshot: &Snapshot, tables: &[&str]) -> String {
    let mut text = String::new();
    for table in tables {
        let coverage = snapshot.coverage(table).expect("the coverage of a table");
        for (series, interval, it) in coverage.all_ranges(i64::MIN..i64::MAX) {
            let range = it.start..it.end;
            text.push_str(&format!(
                "{table:?} {series:?} {interval:?} {range:?} {:?} {:?} {} {} {:?} {:?}\n",
                it.state, it.rows, it.content, it.fetched_at, it.source, it.batch
            ));
        }
    }
    text
}

/// Writes the golden database into `GAPLESS_WRITE_GOLDEN`; without it, does nothing.
#[test]
fn the_golden_database_is_written_only_when_asked_for() {
    let Some(directory) = std::env::var_os("GAPLESS_WRITE_GOLDEN").map(PathBuf::from) else {
        return;
    };
    assert!(
        !directory.join("db").exists(),
        "{} has a golden database: it is never rewritten",
        directory.display()
    );
    fs::create_dir_all(directory.join("expected")).expect("a directory for the expected rows");
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let path = scratch.path().join("db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .expect("a new database");
    let state = |said: &[Said]| {
        for said in said {
            let table = db.table(said.table).expect("a table");
            table.attest([said.attestation()]).expect("a statement");
        }
    };
    let save = |golden: &Golden, name: &str| {
        fs::write(directory.join("expected").join(name), golden.json()).expect("expected rows are written");
    };

    let mut all = everything();
    let spec = all
        .spec()
        .symbol("pair", "pairs, shared")
        .attribute("id", AttributeKind::Unique)
        .attribute("venue", AttributeKind::Grouped)
        .attribute("utf8", AttributeKind::Grouped)
        .attribute("f64", AttributeKind::Grouped);
    let table = db.create_table(&spec).expect("the table of everything");
    let quote_columns = [
        ("pair", DataType::Utf8),
        ("bid", DataType::Float64),
        ("order", DataType::Int64),
        ("kind", DataType::Int32),
    ];
    let mut quotes = Golden::new("quotes / hourly", &quote_columns);
    let spec = quotes
        .spec()
        .partition(PartitionUnit::Hour)
        .symbol("pair", "pairs, shared");
    let spec = spec
        .attribute("order", AttributeKind::Sorted)
        .attribute("kind", AttributeKind::Parted);
    let quote_table = db.create_table(&spec).expect("the table of quotes");
    let mut gone = Golden::new("dropped", &[("n", DataType::Int64)]);
    let gone_table = db
        .create_table(&gone.spec().partition(PartitionUnit::Year))
        .expect("the dropped table");

    all.write(&table, everything_rows(1, LEAP_DAY, 12), PartitionUnit::Day);
    all.write(
        &table,
        everything_rows(2, LEAP_DAY + 13 * HOUR, 8),
        PartitionUnit::Hour,
    );
    all.write(&table, everything_rows(3, -5 * DAY, 7), PartitionUnit::Month);
    quotes.write(&quote_table, quote_rows(4, 40), PartitionUnit::Hour);
    gone.write(&gone_table, gone_rows(20), PartitionUnit::Year);
    // Enough rows that their pages are encoded, of every type and with nulls.
    all.write_as(
        &table,
        everything_rows(8, LEAP_DAY + 40 * DAY, 90),
        PartitionUnit::Day,
        EncodingPolicy::cold(),
    );
    quotes.write_as(
        &quote_table,
        quote_rows(9, 300),
        PartitionUnit::Day,
        EncodingPolicy::cold(),
    );
    state(&said_in_files());
    calendars::write(&db);
    db.flush().expect("coverage files are written");
    db.create_snapshot(SNAPSHOT).expect("a named snapshot");
    for (golden, name) in [(&all, "everything"), (&quotes, "quotes"), (&gone, "dropped")] {
        save(golden, &format!("{name}@{SNAPSHOT}.jsonl"));
    }
    all.write(&table, everything_rows(5, YEAR_2200, 6), PartitionUnit::Year);
    all.write(&table, everything_rows(6, LEAP_DAY, 5), PartitionUnit::Day);
    quotes.write(&quote_table, quote_rows(7, 100), PartitionUnit::Day);
    db.drop_table("dropped").expect("a table is dropped");
    quotes.append(&quote_table, quote_rows(10, 6), [said_with_rows().attestation()]);
    state(&said_in_log());
    db.sync().expect("the log is durable");
    save(&all, "everything.jsonl");
    save(&quotes, "quotes.jsonl");
    let write = |name: &str, text: String| {
        fs::write(directory.join("expected").join(name), text).expect("what is expected is written");
    };
    write("schema.txt", described(&db));
    let mut said = said_in_files();
    write(&format!("coverage@{SNAPSHOT}.txt"), known(&said));
    said.retain(|said| said.table != "dropped");
    said.push(said_with_rows());
    said.extend(said_in_log());
    write("coverage.txt", known(&said));
    // As a process leaves it that dies here, but for its pin.
    copy_files(&path, &directory.join("db"));
    fs::remove_dir_all(directory.join("db/readers")).expect("the pin of this process");
}

fn everything() -> Golden {
    let columns = every_type();
    let mut others = vec![("id", DataType::UInt64)];
    others.extend(
        columns
            .iter()
            .map(|column| (column.name, column.data_type.clone())),
    );
    Golden::new("everything", &others)
}

/// Rows out of order, some equal in series and time, with nulls in every column but time and number.
fn everything_rows(seed: u64, start: i64, count: u64) -> Vec<GoldenRow> {
    let mut dice = Dice(seed);
    let columns = every_type();
    let row = |at: u64| {
        let sym = *dice.pick(&[Some("AAPL"), Some("BRK/B"), Some(""), Some("..%水"), None]);
        let ts = start + i64::try_from(dice.below(6)).expect("small") * 600 * SECOND + 123_456_789;
        let mut cells = vec![Cell::Int(i128::from(seed * 1000 + at))];
        cells.extend(columns.iter().map(|column| match dice.below(5) {
            0 => Cell::Null,
            _ => (column.value)(&mut dice),
        }));
        GoldenRow { ts, sym, cells }
    };
    (0..count).map(row).collect()
}

/// Rows whose order number ascends with series and time in every segment.
fn quote_rows(seed: u64, count: u64) -> Vec<GoldenRow> {
    let mut dice = Dice(seed);
    let row = |at: u64| {
        let sym = if at < count / 2 { "AAPL" } else { "MSFT" };
        let step = i64::try_from(at % (count / 2)).expect("small");
        let bid = if dice.below(6) == 0 {
            Cell::Null
        } else {
            f64s(&mut dice)
        };
        GoldenRow {
            ts: LEAP_DAY + step * 300 * SECOND,
            sym: Some(sym),
            cells: vec![
                texts(&mut dice),
                bid,
                Cell::Int(at.into()),
                Cell::Int(if at < count / 2 { 7 } else { -7 }),
            ],
        }
    };
    (0..count).map(row).collect()
}

fn gone_rows(count: i64) -> Vec<GoldenRow> {
    let row = |at: i64| GoldenRow {
        ts: (at - 10) * 30 * DAY,
        sym: Some("gone"),
        cells: vec![Cell::Int(at.into())],
    };
    (0..count).map(row).collect()
}

/// Tables, columns, types and attributes, one column a line.
fn described(db: &Database) -> String {
    let mut text = String::new();
    for name in db.tables().expect("tables") {
        let meta = db
            .table(&name)
            .expect("the table")
            .meta()
            .expect("its description");
        text.push_str(&format!("{name:?} by {:?}\n", meta.partition_unit));
        for column in &meta.columns {
            let (name, nullable) = (&column.name, column.nullable);
            text.push_str(&format!(
                "  {name:?} {:?} nullable={nullable} {:?}\n",
                column.column_type, column.attributes
            ));
        }
    }
    text
}

/// Copies what git keeps: files, and the directories they are in. Empty directories are not in a clone.
fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory of the fixture") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_files(&path, &target);
        } else {
            fs::create_dir_all(to).expect("a directory");
            fs::copy(&path, &target).expect("a file is copied");
        }
    }
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let schema = batch.schema();
            let fields = schema.fields().iter().zip(batch.columns());
            let fields =
                fields.map(|(field, array)| format!("{:?}:{}", field.name(), cell(array, row).json()));
            lines.push(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")));
        }
    }
    lines
}

fn time_of(line: &str) -> i64 {
    let digits = line
        .strip_prefix("{\"ts\":")
        .and_then(|rest| rest.split(',').next());
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("a line begins with its time")
}

/// All rows in all orders are the expected ones.
fn check_table(snapshot: &Snapshot, table: &str, expected: &str) {
    let file = golden().join("expected").join(expected);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let expected: Vec<&str> = text.lines().collect();
    assert!(!expected.is_empty());
    let scan = |order: Order| {
        let scan = snapshot.scan(table).expect("a scan").order(order);
        assert_eq!(scan.clone().count().expect("a count"), expected.len() as u64);
        lines(&scan.collect().expect("golden rows"))
    };
    assert_eq!(scan(Order::Series), expected, "{} by series", file.display());
    let mut by_time = expected.clone();
    by_time.sort_by_key(|line| time_of(line));
    assert_eq!(scan(Order::Time), by_time, "{} by time", file.display());
    let (mut stored, mut any) = (scan(Order::Stored), expected.clone());
    stored.sort();
    any.sort_unstable();
    assert_eq!(stored, any, "{} as stored", file.display());
}

fn compare_all(db: &Database) {
    let expected = fs::read_to_string(golden().join("expected/schema.txt")).expect("the expected schema");
    assert_eq!(described(db), expected);
    assert_eq!(db.tables().expect("tables"), ["everything", "quotes / hourly"]);
    let newest = db.snapshot().expect("the newest version");
    let old = db.as_of(SNAPSHOT).expect("the named snapshot");
    for (name, file) in [("everything", "everything"), ("quotes / hourly", "quotes")] {
        check_table(&newest, name, &format!("{file}.jsonl"));
        check_table(&old, name, &format!("{file}@{SNAPSHOT}.jsonl"));
    }
    let error = db.table("dropped").expect_err("the table was dropped");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    check_table(&old, "dropped", &format!("dropped@{SNAPSHOT}.jsonl"));
    calendars::check(db, &newest);
    let expected = |name: &str| {
        let file = golden().join("expected").join(name);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let tables = ["everything", "quotes / hourly"];
    assert_eq!(known_of(&newest, &tables), expected("coverage.txt"));
    let tables = ["dropped", "everything", "quotes / hourly"];
    assert_eq!(
        known_of(&old, &tables),
        expected(&format!("coverage@{SNAPSHOT}.txt"))
    );
}

#[test]
fn the_golden_database_of_version_1_reads_as_it_was_written_read_only_and_read_write() {
    for mode in [Mode::Read, Mode::ReadWrite] {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let path = scratch.path().join("golden.db");
        copy_files(&golden().join("db"), &path);
        let db = Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .mode(mode)
            .open()
            .expect("the golden database opens");
        compare_all(&db);
        let report = check_database(&path, &CheckOptions::default()).expect("a check");
        // Who only reads does not make the empty directories again that a clone is without, and flushes no log: the
        // manifest does not name the symbols of what is in there.
        let expected = report.findings.iter().filter(|finding| {
            let file = finding.file.as_deref();
            mode == Mode::Read && matches!(file, Some("readers" | "staging" | "symbols/sym.sym"))
        });
        assert_eq!(report.findings.len(), expected.count(), "{:?}", report.findings);
        assert!(report.coverage_files >= 3, "{report:?}");
    }
}

#[test]
fn the_golden_database_can_be_written_to_and_keeps_its_rows() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let path = scratch.path().join("golden.db");
    copy_files(&golden().join("db"), &path);
    let before = {
        let db = Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .open()
            .expect("the golden database opens");
        let table = db.table("quotes / hourly").expect("the quotes");
        let rows = table.rows().expect("a count");
        let mut quotes = Golden::new(
            "quotes / hourly",
            &[("order", DataType::Int64), ("kind", DataType::Int32)],
        );
        let late = GoldenRow {
            ts: 0,
            sym: Some("NEW"),
            cells: vec![Cell::Int(1), Cell::Int(2)],
        };
        quotes.write(&table, vec![late], PartitionUnit::Hour);
        db.drop_snapshot(SNAPSHOT).expect("the snapshot is dropped");
        db.collect_garbage().expect("garbage is collected");
        rows
    };
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .mode(Mode::Read)
        .open()
        .expect("it opens again");
    let table = db.table("quotes / hourly").expect("the quotes");
    assert_eq!(table.rows().expect("a count"), before + 1);
    let new = table
        .scan()
        .expect("a scan")
        .series(["NEW"])
        .collect()
        .expect("the new row");
    assert_eq!(
        lines(&new),
        ["{\"ts\":0,\"sym\":\"NEW\",\"pair\":null,\"bid\":null,\"order\":1,\"kind\":2}"]
    );
    let newest = db.snapshot().expect("the newest version");
    check_table(&newest, "everything", "everything.jsonl");
}
