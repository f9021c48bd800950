//! The bytes of a plain column lie on disk and in memory as promised: zero-copy, no larger than its values, readable
//! without gapless, and with bounded maps and descriptors however many files there are.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::query::IntoQuery;
use gapless::scan::{Order, col};
use gapless::{Database, Table, TableSpec};

use crate::cells::{Cell, build};
use crate::common::{DAY, SECOND, scratch};

/// Body bytes begin here in every column file.
const BODY_AT: usize = 64;

fn time_field() -> Field {
    let data_type = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    Field::new("ts", data_type, false)
}

/// A table of one f64 column `x` (the row's number) beside the time, one row a microsecond.
fn numbers(db: &Database, rows: usize) -> Table {
    let schema = Schema::new(vec![time_field(), Field::new("x", DataType::Float64, true)]);
    let table = db
        .create_table(&TableSpec::new("numbers", schema.clone()).time("ts"))
        .expect("a new table");
    let ts = (0..rows).map(|row| i64::try_from(row).expect("small") * 1_000);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(ts).with_timezone("UTC")),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64))),
    ];
    table
        .write([RecordBatch::try_new(Arc::new(schema), columns).expect("a batch")])
        .expect("rows are written");
    table
}

fn files_below(path: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn file_called(directory: &Path, name: &str) -> std::path::PathBuf {
    let mut files = Vec::new();
    files_below(directory, &mut files);
    files
        .into_iter()
        .find(|path| path.ends_with(name))
        .expect("the column's file")
}

/// Address ranges of this process that map files below a directory, with the file's path.
fn maps_below(directory: &Path) -> BTreeMap<usize, (usize, String)> {
    let maps = fs::read_to_string("/proc/self/maps").expect("the maps of this process");
    let mut found = BTreeMap::new();
    for line in maps
        .lines()
        .filter(|line| line.contains(&*directory.to_string_lossy()))
    {
        let (range, _) = line.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("a start and an end");
        let number = |hex: &str| usize::from_str_radix(hex, 16).expect("an address");
        let path = line.split_whitespace().nth(5).expect("a path");
        found.insert(number(start), (number(end), path.to_owned()));
    }
    found
}

#[test]
fn an_f64_column_of_a_day_is_handed_out_as_an_address_inside_the_map_of_its_file() {
    let (directory, db) = scratch();
    let rows = 100_000;
    let table = numbers(&db, rows);
    let file = file_called(directory.path(), "x.col");
    let batches = table
        .scan()
        .expect("a scan")
        .columns(["x"])
        .collect()
        .expect("rows");
    let maps = maps_below(directory.path());
    let mut at = 0;
    for batch in &batches {
        let values = batch.column(0).as_primitive::<Float64Type>().values();
        let address = values.as_ptr() as usize;
        let (start, (end, path)) = maps
            .range(..=address)
            .next_back()
            .expect("a map below the address");
        assert!(address + values.len() * 8 <= *end, "the array leaves the map");
        assert_eq!(path, &*file.to_string_lossy());
        assert_eq!(
            address - start,
            BODY_AT + at * 8,
            "row {at} is not where it lies in the file"
        );
        at += values.len();
    }
    assert_eq!(at, rows);
    // One run of the series, or of the time, is no copy either.
    let from = 70_000;
    let window = table
        .scan()
        .expect("a scan")
        .columns(["x"])
        .between(from * 1_000, (from + 10) * 1_000);
    let batches = window.collect().expect("ten rows");
    let values = batches[0].column(0).as_primitive::<Float64Type>().values();
    let maps = maps_below(directory.path());
    let address = values.as_ptr() as usize;
    let (start, _) = maps
        .range(..=address)
        .next_back()
        .expect("a map below the address");
    assert_eq!(address - start, BODY_AT + 70_000 * 8);
}

#[test]
fn rows_on_both_sides_of_a_page_end_are_handed_out_without_a_copy() {
    let (directory, db) = scratch();
    let table = numbers(&db, 80_000);
    let tick = |row: i64| row * 1_000;
    // 65,536 rows make a page.
    let scan = || {
        table
            .scan()
            .map(|scan| scan.columns(["x"]).between(tick(60_000), tick(75_000)))
    };
    let streamed = scan().expect("a scan").collect().expect("rows");
    let queried = scan().query().select(["x"]).collect().expect("rows");
    let maps = maps_below(directory.path());
    for batches in [streamed, queried] {
        let values: Vec<_> = batches
            .iter()
            .map(|batch| batch.column(0).as_primitive::<Float64Type>().values())
            .collect();
        assert!(
            values
                .iter()
                .copied()
                .flatten()
                .copied()
                .eq((60_000..75_000).map(f64::from))
        );
        for values in values {
            let address = values.as_ptr() as usize;
            let (_, (end, _)) = maps
                .range(..=address)
                .next_back()
                .expect("a map below the address");
            assert!(
                address + values.len() * 8 <= *end,
                "{} rows were copied",
                values.len()
            );
        }
    }
}

#[test]
fn the_bytes_of_a_plain_column_file_from_64_on_are_its_values_as_numpy_reads_them() {
    let (directory, db) = scratch();
    for rows in [10, 70_000] {
        let table = numbers(&db, rows);
        let bytes = fs::read(file_called(directory.path(), "x.col")).expect("the file");
        let values: Vec<f64> = bytes[BODY_AT..]
            .chunks_exact(8)
            .map(|value| f64::from_le_bytes(value.try_into().expect("eight bytes")))
            .collect();
        assert!(values.iter().copied().eq((0..rows).map(|row| row as f64)));
        assert_eq!(bytes.len(), BODY_AT + rows * 8);
        db.drop_table(table.name()).expect("the table is dropped");
    }
}

#[test]
fn a_million_plain_rows_take_at_most_two_percent_more_than_their_values() {
    let (directory, db) = scratch();
    let rows = 1_000_000usize;
    let fields = vec![
        time_field(),
        Field::new("sym", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new("size", DataType::Int32, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let spec = TableSpec::new("t", schema.as_ref().clone())
        .time("ts")
        .series("sym");
    let table = db.create_table(&spec).expect("a new table");
    let batches = (0..10).map(|part| {
        let numbers = part * rows / 10..(part + 1) * rows / 10;
        let ts = numbers
            .clone()
            .map(|row| i64::try_from(row).expect("small") * (2 * DAY / 1_000_000));
        let sym: Vec<Cell> = numbers
            .clone()
            .map(|row| Cell::Text(format!("S{}", row % 500)))
            .collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampNanosecondArray::from_iter_values(ts).with_timezone("UTC")),
            build(&sym, &DataType::Utf8),
            Arc::new(Float64Array::from_iter_values(
                numbers.clone().map(|row| row as f64),
            )),
            build(
                &numbers.map(|row| Cell::Int(row as i128)).collect::<Vec<_>>(),
                &DataType::Int32,
            ),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch")
    });
    let report = table.write(batches).expect("rows are written");
    assert_eq!(report.rows, rows as u64);
    let mut files = Vec::new();
    files_below(&directory.path().join("test.db/tables"), &mut files);
    let stored: u64 = files
        .iter()
        .map(|file| file.metadata().expect("a file").len())
        .sum();
    let raw = rows * (8 + 4 + 8 + 4);
    let ratio = stored as f64 / raw as f64;
    println!(
        "{stored} bytes for {raw} bytes of values in {} files: {ratio:.4}",
        files.len()
    );
    assert_eq!(report.bytes, stored, "the report counts all files");
    assert!(ratio <= 1.02, "{ratio}");
}

/// Descriptors of this process that are open on files below a directory.
fn descriptors_below(directory: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").expect("the descriptors of this process");
    let targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(directory)).count()
}

/// The whole promise, 100,000 column files, is tried when `GAPLESS_LONG` is set.
#[test]
fn maps_and_descriptors_stay_bounded_however_many_column_files_are_read() {
    let (days, rows) = if std::env::var_os("GAPLESS_LONG").is_some() {
        (2_500, 4_200)
    } else {
        (120, 4_200)
    };
    let columns = 20;
    let open_files_max = 64;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let names: Vec<String> = (1..columns).map(|at| format!("c{at:02}")).collect();
    let mut fields = vec![time_field()];
    fields.extend(names.iter().map(|name| Field::new(name, DataType::Int64, true)));
    let schema = Arc::new(Schema::new(fields));
    {
        let db = Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .without_sync()
            .open()
            .expect("a new database");
        let table = db
            .create_table(&TableSpec::new("t", schema.as_ref().clone()).time("ts"))
            .expect("a new table");
        let values: ArrayRef = Arc::new(Int64Array::from_iter(
            (0..rows).map(|row| (row % 7 != 0).then_some(row)),
        ));
        let batches = (0..days).map(|day| {
            let ts = (0..rows).map(|row| day * DAY + row * SECOND);
            let ts = TimestampNanosecondArray::from_iter_values(ts).with_timezone("UTC");
            let mut arrays: Vec<ArrayRef> = vec![Arc::new(ts)];
            arrays.extend(names.iter().map(|_| Arc::clone(&values)));
            RecordBatch::try_new(Arc::clone(&schema), arrays).expect("a batch")
        });
        table.write(batches).expect("rows are written");
    }
    let started = std::time::Instant::now();
    let open = || {
        Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .open_files_max(open_files_max)
            .open()
            .expect("it opens again")
    };
    let db = open();
    let opened = started.elapsed();
    let table = db.table("t").expect("the table");
    let (mut most_maps, mut most_descriptors, mut count) = (0, 0, 0);
    let started = std::time::Instant::now();
    for (number, batch) in table
        .scan()
        .expect("a scan")
        .order(Order::Stored)
        .stream()
        .expect("batches")
        .enumerate()
    {
        count += batch.expect("a batch").num_rows();
        if number % 10 == 0 {
            most_maps = most_maps.max(maps_below(directory.path()).len());
            most_descriptors = most_descriptors.max(descriptors_below(directory.path()));
        }
    }
    let scanned = started.elapsed();
    let total = rows * days;
    assert_eq!(count, usize::try_from(total).expect("small"));
    let sum = table
        .scan()
        .expect("a scan")
        .filter(col(names[0].as_str()).ge(0))
        .fold(
            || 0u64,
            |sum, batch| Ok(sum + batch.num_rows() as u64),
            |a, b| a + b,
        );
    assert_eq!(
        sum.expect("a sum"),
        u64::try_from(days * rows - days * ((rows + 6) / 7)).expect("small")
    );
    most_maps = most_maps.max(maps_below(directory.path()).len());
    let mut files = Vec::new();
    files_below(&path.join("tables"), &mut files);
    println!(
        "{} files: opened in {opened:?}, scanned in {scanned:?}, at most {most_maps} maps and {most_descriptors} \
         descriptors, {} vectors in the cache",
        files.len(),
        db.open_files()
    );
    assert!(db.open_files() <= open_files_max, "{}", db.open_files());
    // Beside the cache, the batches in flight of a few threads hold their own columns.
    assert!(most_maps <= open_files_max + 40 * (columns + 1), "{most_maps}");
    assert!(most_descriptors <= 64, "{most_descriptors}");
}
