//! Tables of several pages in memory, damage done to their files, and what must be left of the rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use crate::check::{CheckOptions, CheckReport, LostRange, check};
use crate::coverage::{Attestation, CoverageState};
use crate::database::Database;
use crate::error::Error;
use crate::io::{EntryKind, MemoryStorage, RelPath, Storage};
use crate::repair::{RepairOptions, RepairReport};
use crate::scan::Order;
use crate::table::TableSpec;
use crate::write::WriteOptions;

/// 2026-11-20T00:00Z.
pub(super) const DAY: i64 = 1_795_132_800_000_000_000;
pub(super) const MS: i64 = 1_000_000;
pub(super) const PAGE: u64 = 65_536;

/// Series, time, value.
pub(super) type Row = (Option<String>, i64, i64);

pub(super) fn open(storage: &MemoryStorage) -> Database {
    open_on(&(Arc::new(storage.clone()) as Arc<dyn Storage>)).expect("a sound manifest")
}

pub(super) fn open_on(storage: &Arc<dyn Storage>) -> crate::Result<Database> {
    Database::builder("memory")
        .small_commit_rows(0)
        .maintenance(crate::Maintenance::Manual)
        .storage(Arc::clone(storage))
        .open()
}

pub(super) fn spec(name: &str) -> TableSpec {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let schema = Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("sym", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
    ]);
    TableSpec::new(name, schema).time("ts").series("sym")
}

pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let times = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.1));
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("ts", Arc::new(times.with_timezone("UTC")), false),
        (
            "sym",
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.0.as_deref()))),
            true,
        ),
        (
            "v",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
            true,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// `count` rows of each series, a millisecond apart, in the order in which a segment has them.
pub(super) fn rows(series: &[Option<&str>], count: i64, from: i64) -> Vec<Row> {
    let of = |series: &Option<&str>| {
        let name = series.map(str::to_owned);
        (0..count).map(move |at| (name.clone(), DAY + at * MS, from + at))
    };
    series.iter().flat_map(of).collect()
}

/// A database with a covered table of three series in one segment of three pages.
pub(super) fn three_series() -> (MemoryStorage, Vec<Row>) {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    db.create_table(&spec("t")).expect("a new table");
    let rows = rows(&[Some("a"), Some("b"), Some("c")], 60_000, 0);
    write(&db, &rows, &WriteOptions::default());
    (storage, rows)
}

/// Rows, and that all of the day is complete, in one commit.
pub(super) fn write(db: &Database, rows: &[Row], options: &WriteOptions) {
    let mut transaction = db.transaction().expect("open for writing");
    transaction
        .write("t", [Ok::<_, Error>(batch(rows))], options)
        .expect("rows are built");
    let said = Attestation::new(DAY..DAY + 86_400_000 * MS)
        .interval(MS)
        .source("test");
    transaction.attest("t", said).expect("a sound statement");
    transaction.commit().expect("a commit");
}

pub(super) fn read(db: &Database) -> crate::Result<Vec<Row>> {
    let batches = db.table("t")?.scan()?.order(Order::Series).collect()?;
    Ok(batches.iter().flat_map(rows_of).collect())
}

pub(super) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let times = batch
        .column_by_name("ts")
        .expect("a time column")
        .as_primitive::<TimestampNanosecondType>();
    let values = batch
        .column_by_name("v")
        .expect("a value column")
        .as_primitive::<Int64Type>();
    let series = batch
        .column_by_name("sym")
        .map(|array| array.as_dictionary::<UInt32Type>());
    let name = |at: usize| {
        let series = series?;
        let key = series.key(at)?;
        Some(series.values().as_string::<i32>().value(key).to_owned())
    };
    (0..batch.num_rows())
        .map(|at| (name(at), times.value(at), values.value(at)))
        .collect()
}

/// The files under `tables/` whose path ends so, with their bytes.
pub(super) fn files(storage: &dyn Storage, end: &str) -> Vec<(RelPath, Vec<u8>)> {
    let mut found = Vec::new();
    walk(storage, &RelPath::from_static("tables"), &mut found);
    found.retain(|(path, _)| path.as_str().ends_with(end));
    found
}

pub(super) fn walk(storage: &dyn Storage, path: &RelPath, found: &mut Vec<(RelPath, Vec<u8>)>) {
    for entry in storage.list(path).unwrap_or_default() {
        let path = path.join(&entry.name).expect("a sound name");
        match entry.kind {
            EntryKind::Directory => walk(storage, &path, found),
            _ => found.push((path.clone(), storage.read(&path, u64::MAX).expect("a file"))),
        }
    }
}

/// Gives the only file that ends so other bytes.
pub(super) fn damage(storage: &MemoryStorage, end: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut found = files(storage, end);
    assert_eq!(found.len(), 1, "{end}");
    let (path, mut bytes) = found.remove(0);
    change(&mut bytes);
    put(storage, &path, &bytes);
}

pub(super) fn put(storage: &MemoryStorage, path: &RelPath, bytes: &[u8]) {
    storage.remove_file(path).expect("the file is there");
    let mut file = storage.create(path).expect("the name is free");
    file.append(bytes).expect("memory takes it");
}

/// Damages a page of a plain column of 8 or 4 bytes a value.
pub(super) fn damage_page(storage: &MemoryStorage, file: &str, page: u64) {
    let width = if file == "sym.col" { 4 } else { 8 };
    damage(storage, file, |bytes| {
        bytes[(64 + page * PAGE * width + 17) as usize] ^= 0x10;
    });
}

pub(super) fn run_check(storage: &MemoryStorage) -> CheckReport {
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    check(&shared, &CheckOptions::default()).expect("a database")
}

pub(super) fn lost(series: Option<&str>, range: Range<i64>, rows: Option<u64>) -> LostRange {
    LostRange {
        table: "t".to_owned(),
        series: series.map(str::to_owned),
        is_null_series: false,
        start: DAY + range.start * MS,
        end: DAY + range.end * MS + 1,
        rows,
    }
}

/// Checks, repairs, and checks that the repair is what it says: the rows that are left, what is lost, nothing deleted.
pub(super) fn heal(storage: &MemoryStorage, left: &[Row]) -> RepairReport {
    let before = run_check(storage);
    assert!(!before.is_clean(), "nothing is damaged");
    let damaged: BTreeMap<Vec<u8>, RelPath> = of_damaged(storage, &before);
    let db = open(storage);
    let plan = db
        .repair(&RepairOptions {
            dry_run: true,
            ..RepairOptions::default()
        })
        .expect("a plan");
    let report = db.repair(&RepairOptions::default()).expect("a repair");
    assert_eq!(plan.lost, report.lost);
    assert_eq!(plan.lost, before.damage);
    assert_eq!(plan.segments.len(), report.segments.len());
    assert!(plan.is_dry_run && !plan.is_whole());
    assert!(report.is_whole(), "{report:#?}");
    let after = run_check(storage);
    assert!(after.is_clean(), "{:#?}", after.findings);
    let found = read(&db).expect("sound rows");
    assert_eq!(found.len(), left.len());
    assert!(found == left, "other rows are left");
    let again = db.repair(&RepairOptions::default()).expect("a repair");
    assert!(!again.has_damage() && again.is_whole(), "{again:#?}");
    let mut kept = Vec::new();
    walk(storage, &RelPath::from_static("quarantine"), &mut kept);
    for (bytes, path) in damaged {
        assert!(kept.iter().any(|(_, kept)| *kept == bytes), "{path} is gone");
    }
    report
}

/// The files of damaged segments.
fn of_damaged(storage: &MemoryStorage, report: &CheckReport) -> BTreeMap<Vec<u8>, RelPath> {
    let damaged: Vec<&str> = report
        .findings
        .iter()
        .filter_map(|finding| finding.segment.as_deref())
        .collect();
    let all = files(storage, "").into_iter();
    let of_segment = |path: &RelPath| damaged.iter().any(|segment| path.as_str().contains(segment));
    all.filter(|(path, _)| of_segment(path))
        .map(|(path, bytes)| (bytes, path))
        .collect()
}

/// What is known of a series.
pub(super) fn states(db: &Database, series: Option<&str>) -> Vec<(i64, i64, CoverageState)> {
    let coverage = db
        .table("t")
        .expect("the table")
        .coverage()
        .expect("sound coverage");
    let ranges = coverage
        .ranges(series, MS, DAY..DAY + 86_400_000 * MS)
        .expect("the series");
    ranges
        .iter()
        .map(|range| (range.start, range.end, range.state))
        .collect()
}

/// Rows without those of some pages.
pub(super) fn without(rows: &[Row], pages: &[u64]) -> Vec<Row> {
    let left = |at: &usize| !pages.contains(&(*at as u64 / PAGE));
    let rows = rows.iter().enumerate().filter(|(at, _)| left(at));
    rows.map(|(_, row)| row.clone()).collect()
}
