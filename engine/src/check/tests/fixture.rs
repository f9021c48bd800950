//! A small database with everything in it, in memory, and what a scan of it gives.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float64Builder, ListBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    Time32SecondArray, Time64MicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};

use crate::database::{Database, Mode};
use crate::error::Error;
use crate::io::{EntryKind, MemoryStorage, RelPath, Storage};
use crate::scan::Order;
use crate::segment::EncodingPolicy;
use crate::table::TableSpec;
use crate::write::WriteOptions;
use crate::{Attestation, AttributeKind, CoverageState, PartitionUnit};

const HOUR_NS: i64 = 3_600_000_000_000;
/// 2026-11-20T00:00Z.
const DAY: i64 = 1_795_132_800_000_000_000;

/// Opens a database in memory.
pub(super) fn open(storage: &MemoryStorage, mode: Mode) -> crate::Result<Database> {
    Database::builder("memory")
        .small_commit_rows(0)
        .maintenance(crate::Maintenance::Manual)
        .storage(Arc::new(storage.clone()))
        .mode(mode)
        .open()
}

/// Day and hour partitions, two tables with every type and attribute, nulls, a snapshot that keeps a dropped
/// table, coverage of all three, and symbols that no commit names.
pub(super) fn database() -> MemoryStorage {
    let storage = MemoryStorage::new();
    {
        let db = open(&storage, Mode::ReadWrite).expect("a new database");
        let all = db.create_table(&every_type_spec()).expect("a new table");
        write_covering(&db, "all", every_type_batch(DAY, 11), said_of_all());
        let hours = WriteOptions {
            partition: Some(PartitionUnit::Hour),
            ..WriteOptions::default()
        };
        let late = every_type_batch(DAY + 30 * HOUR_NS, 6);
        all.write_with([Ok::<_, Error>(late)], &hours)
            .expect("hour partitions are written");
        let quote = db.create_table(&quote_spec("quote")).expect("a new table");
        drop(quote);
        let said = [Attestation::new(DAY - 50 * HOUR_NS..DAY).source("vendor")];
        write_covering(&db, "quote", quote_batch(DAY - 50 * HOUR_NS, 9), said);
        let gone = db.create_table(&quote_spec("gone")).expect("a new table");
        drop(gone);
        let said = [Attestation::new(DAY..DAY + HOUR_NS).state(CoverageState::Partial)];
        write_covering(&db, "gone", quote_batch(DAY, 3), said);
        // Enough rows that parts of pages are worth encoding.
        let cold = WriteOptions {
            encoding: EncodingPolicy::cold(),
            ..WriteOptions::default()
        };
        let encoded = every_type_batch(DAY + 60 * HOUR_NS, 70);
        all.write_with([Ok::<_, Error>(encoded)], &cold)
            .expect("an encoded segment is written");
        db.create_snapshot("month end").expect("a snapshot");
        db.drop_table("gone").expect("the table was there");
        // A write that is given up: its symbols stay behind the committed length.
        let mut abandoned = db.transaction().expect("open for writing");
        let batch = every_type_batch(DAY, 1);
        let renamed: ArrayRef = Arc::new(StringArray::from(vec!["never committed"]));
        let mut columns = batch.columns().to_vec();
        columns[1] = renamed;
        let batch = RecordBatch::try_new(batch.schema(), columns).expect("one row");
        abandoned
            .write("all", [Ok::<_, Error>(batch)], &WriteOptions::default())
            .expect("built but not committed");
        drop(abandoned);
    }
    storage.deep_copy()
}

/// Rows and what they cover, in one commit, in files.
pub(super) fn write_covering(
    db: &Database,
    table: &str,
    rows: RecordBatch,
    said: impl IntoIterator<Item = Attestation>,
) {
    let mut transaction = db.transaction().expect("open for writing");
    transaction
        .write(table, [Ok::<_, Error>(rows)], &WriteOptions::default())
        .expect("rows are built");
    for said in said {
        transaction.attest(table, said).expect("a sound statement");
    }
    transaction.commit().expect("a commit");
}

/// Series with and without rows, every series, two intervals, every state.
pub(super) fn said_of_all() -> Vec<Attestation> {
    let minute = 60_000_000_000;
    let hour = |at: i64| DAY + at * HOUR_NS..DAY + (at + 1) * HOUR_NS;
    let mut said = vec![
        Attestation::new(hour(0))
            .series("AAPL")
            .interval(minute)
            .source("vendor")
            .batch("1"),
        Attestation::new(hour(1))
            .series("MSFT")
            .source("vendor")
            .batch("1"),
        Attestation::new(i64::MIN..DAY).state(CoverageState::NotApplicable),
    ];
    let states = CoverageState::ALL
        .iter()
        .filter(|state| **state != CoverageState::Unknown);
    said.extend((2..).zip(states).map(|(at, state)| {
        let said = Attestation::new(hour(at)).series("no rows").interval(minute);
        said.state(*state)
    }));
    said
}

pub(super) fn every_type_spec() -> TableSpec {
    TableSpec::new("all", every_type_batch(0, 1).schema().as_ref().clone())
        .time("ts")
        .series("sym")
        .symbol("venue", "venues")
        .attribute("seq", AttributeKind::Sorted)
        .attribute("i32", AttributeKind::Grouped)
        .attribute("venue", AttributeKind::Grouped)
        .attribute("id", AttributeKind::Unique)
        .attribute("dec", AttributeKind::Unique)
        .attribute("part", AttributeKind::Parted)
}

/// Rows of three series (one of them null), an hour apart in all.
pub(super) fn every_type_batch(start: i64, rows: i64) -> RecordBatch {
    let n = rows as usize;
    let each = |f: &dyn Fn(i64) -> Option<i64>| (0..rows).map(f).collect::<Vec<Option<i64>>>();
    let third = |i: i64| (i % 3 != 0).then_some(i - 3);
    let series = |i: i64| match i * 3 / rows {
        0 => Some("AAPL"),
        1 => Some("MSFT"),
        _ => None,
    };
    let mut list = ListBuilder::new(Float64Builder::new());
    let mut levels = FixedSizeListBuilder::new(Float64Builder::new(), 2);
    for i in 0..rows {
        list.values().append_slice(&vec![i as f64; (i % 3) as usize]);
        list.append(i % 4 != 1);
        levels.values().append_slice(&[i as f64, f64::NAN]);
        levels.append(i % 5 != 2);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(
                TimestampNanosecondArray::from_iter_values((0..rows).map(|i| start + i * HOUR_NS / 13))
                    .with_timezone("UTC"),
            ),
        ),
        ("sym", Arc::new(StringArray::from_iter((0..rows).map(series)))),
        (
            "venue",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|i| third(i).map(|v| format!("V{}", v.rem_euclid(2)))),
            )),
        ),
        ("seq", Arc::new(Int64Array::from_iter_values(0..rows))),
        (
            "part",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|i| format!("p{}", i / 4)),
            )),
        ),
        (
            "id",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|i| (i != 2).then(|| format!("id-{i}é"))),
            )),
        ),
        (
            "dec",
            Arc::new(
                Decimal128Array::from_iter_values((0..rows).map(|i| i128::from(i) * 1000 - 7))
                    .with_precision_and_scale(20, 3)
                    .expect("the scale fits"),
            ),
        ),
        (
            "bool",
            Arc::new(BooleanArray::from_iter(
                (0..rows).map(|i| third(i).map(|v| v > 2)),
            )),
        ),
        (
            "i8",
            Arc::new(Int8Array::from_iter(
                each(&third).iter().map(|v| v.map(|v| v as i8)),
            )),
        ),
        (
            "i16",
            Arc::new(Int16Array::from_iter_values(
                (0..rows).map(|i| (i as i16).wrapping_sub(4)),
            )),
        ),
        (
            "i32",
            Arc::new(Int32Array::from_iter(
                (0..rows).map(|i| third(i).map(|v| (v % 3) as i32)),
            )),
        ),
        (
            "u8",
            Arc::new(UInt8Array::from_iter_values(
                (0..rows).map(|i| 250u8.wrapping_sub(i as u8)),
            )),
        ),
        (
            "u16",
            Arc::new(UInt16Array::from_iter(
                (0..rows).map(|i| third(i).map(|v| v as u16)),
            )),
        ),
        (
            "u32",
            Arc::new(UInt32Array::from_iter_values(
                (0..rows).map(|i| u32::MAX - i as u32),
            )),
        ),
        (
            "u64",
            Arc::new(UInt64Array::from_iter_values(
                (0..rows).map(|i| u64::MAX - i as u64),
            )),
        ),
        (
            "f32",
            Arc::new(Float32Array::from_iter(
                (0..rows).map(|i| third(i).map(|v| v as f32 / 2.0)),
            )),
        ),
        (
            "f64",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|i| if i == 1 { f64::NAN } else { 0.0 - i as f64 }),
            )),
        ),
        (
            "date",
            Arc::new(Date32Array::from_iter_values((0..rows).map(|i| i as i32 - 2))),
        ),
        (
            "t32",
            Arc::new(Time32SecondArray::from_iter_values((0..rows).map(|i| i as i32))),
        ),
        ("t64", Arc::new(Time64MicrosecondArray::from_iter_values(0..rows))),
        (
            "when",
            Arc::new(TimestampMillisecondArray::from_iter(each(&third))),
        ),
        (
            "span",
            Arc::new(DurationMicrosecondArray::from_iter_values(0..rows)),
        ),
        (
            "bin",
            Arc::new(BinaryArray::from_iter(
                (0..rows).map(|i| third(i).map(|v| vec![v as u8; v.rem_euclid(4) as usize])),
            )),
        ),
        ("list", Arc::new(list.finish())),
        ("levels", Arc::new(levels.finish())),
        ("void", Arc::new(Int64Array::from(vec![None::<i64>; n]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| {
        let nullable = name != "ts";
        (name, array, nullable)
    }))
    .expect("columns of one length")
}

fn quote_spec(name: &str) -> TableSpec {
    let schema = Schema::new(vec![
        Field::new(
            "time",
            DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, None),
            false,
        ),
        Field::new("bid", DataType::Float64, true),
    ]);
    TableSpec::new(name, schema).time("time")
}

pub(super) fn quote_batch(start: i64, rows: i64) -> RecordBatch {
    let times = (0..rows).rev().map(|i| start + i * 7 * HOUR_NS);
    RecordBatch::try_from_iter([
        (
            "time",
            Arc::new(TimestampNanosecondArray::from_iter_values(times)) as ArrayRef,
        ),
        (
            "bid",
            Arc::new(Float64Array::from_iter_values((0..rows).map(|i| i as f64))),
        ),
    ])
    .expect("columns of one length")
}

/// Every row of every table and of the snapshot, in order.
pub(super) fn read_all(storage: &MemoryStorage) -> crate::Result<Vec<(String, RecordBatch)>> {
    let db = open(storage, Mode::Read)?;
    let mut rows = Vec::new();
    for name in db.tables()? {
        for batch in db.table(&name)?.scan()?.order(Order::Series).collect()? {
            rows.push((name.clone(), batch));
        }
    }
    for (name, _) in db.snapshots()? {
        let snapshot = db.as_of(&name)?;
        for table in snapshot.version().table_names() {
            let scan = crate::scan::Scan::new(snapshot.clone(), table)?;
            for batch in scan.order(Order::Time).collect()? {
                rows.push((format!("{name}/{table}"), batch));
            }
        }
    }
    Ok(rows)
}

/// Paths of all files, and their bytes.
pub(super) fn files(storage: &MemoryStorage) -> Vec<(RelPath, Vec<u8>)> {
    fn walk(storage: &MemoryStorage, path: &RelPath, found: &mut Vec<(RelPath, Vec<u8>)>) {
        for entry in storage.list(path).expect("a directory") {
            let path = path.join(&entry.name).expect("a sound name");
            match entry.kind {
                EntryKind::Directory => walk(storage, &path, found),
                _ => {
                    let bytes = storage.read(&path, u64::MAX).expect("a file");
                    found.push((path, bytes));
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(storage, &RelPath::root(), &mut found);
    found
}

/// Gives a file other bytes.
pub(super) fn put(storage: &MemoryStorage, path: &RelPath, bytes: &[u8]) {
    storage.remove_file(path).expect("the file is there");
    let mut file = storage.create(path).expect("the name is free");
    file.append(bytes).expect("memory takes it");
}
