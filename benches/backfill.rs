//! Coverage and backfill: gaps of thousands of series, coverage read off the rows, holes filled from a local source.
//!
//! A binary of its own, because a fill is one run and not a loop. Without arguments it runs everything; with names, only
//! those. `infer` writes 250 million rows first (5 GB).

#[expect(dead_code, reason = "this bench has sizes of its own")]
mod data;
mod figures;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};
use gapless::{Attestation, Database, Durability, GapQuery, Keep, Table, TableSpec};

use data::{FIRST_DAY, Random};
use figures::size;

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Names of the figures and how each is measured.
const FIGURES: [(&str, fn()); 6] = [
    ("gaps", gaps),
    ("ranges", ranges),
    ("fill", fill),
    ("windows", windows),
    ("commits", commits),
    ("infer", infer),
];

fn main() {
    figures::run(&FIGURES);
}

fn bars_spec(name: &str) -> TableSpec {
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let mut fields = vec![Field::new("ts", ts, false), Field::new("node", text, false)];
    fields.extend(
        ["open", "high", "low", "close", "volume"].map(|name| Field::new(name, DataType::Float64, true)),
    );
    TableSpec::new(name, Schema::new(fields))
        .time("ts")
        .series("node")
        .keep(Keep::Last)
}

fn name(series: usize) -> String {
    format!("node{series:05}")
}

/// The bars of a series in a range, without the series column: what a source gives.
fn bars(start: i64, end: i64) -> RecordBatch {
    let times: Vec<i64> = (start..end).step_by(MINUTE as usize).collect();
    let values = |shift: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            times
                .iter()
                .map(|time| (time / MINUTE % 1000) as f64 / 8.0 + shift),
        ))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampNanosecondArray::from(times.clone()).with_timezone("UTC")),
        ),
        ("open", values(0.0)),
        ("high", values(1.0)),
        ("low", values(-1.0)),
        ("close", values(0.5)),
        ("volume", values(100.0)),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Hours that are missing in each series: distinct, ascending.
fn holes(random: &mut Random, days: usize, count: usize) -> Vec<i64> {
    let mut hours: Vec<i64> = Vec::new();
    while hours.len() < count {
        let hour = (random.next() % (days as u64 * 24)) as i64;
        if !hours.contains(&hour) {
            hours.push(hour);
        }
    }
    hours.sort_unstable();
    hours.iter().map(|hour| FIRST_DAY + hour * HOUR).collect()
}

/// Attests everything but the holes.
fn attest_without(table: &Table, series: usize, days: usize, holes_each: usize) {
    let mut random = Random(7);
    let end = FIRST_DAY + days as i64 * DAY;
    let mut said = Vec::new();
    for at in 0..series {
        let mut from = FIRST_DAY;
        for hole in holes(&mut random, days, holes_each) {
            if hole > from {
                said.push(
                    Attestation::new(from..hole)
                        .series(name(at))
                        .interval(MINUTE)
                        .source("bench"),
                );
            }
            from = hole + HOUR;
        }
        if from < end {
            said.push(
                Attestation::new(from..end)
                    .series(name(at))
                    .interval(MINUTE)
                    .source("bench"),
            );
        }
    }
    table.attest(said).expect("attested");
}

fn open(path: &Path) -> Database {
    Database::builder(path)
        .durability(Durability::Interval(100))
        .open()
        .expect("a database")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Gaps of many series from coverage.
fn gaps() {
    let (series, days) = (size(2000, 20), 90);
    for holes_each in [50, 500] {
        let directory = tempfile::tempdir().expect("a directory");
        let db = open(&directory.path().join("db"));
        let table = db.create_table(&bars_spec("bars")).expect("a table");
        attest_without(&table, series, days, holes_each);
        let end = FIRST_DAY + days as i64 * DAY;
        let query = GapQuery::new(FIRST_DAY, end).interval(MINUTE);
        let found = table.gaps(&query).expect("gaps").len();
        let all = median(
            (0..21)
                .map(|_| {
                    let begin = Instant::now();
                    assert_eq!(table.gaps(&query).expect("gaps").len(), found);
                    begin.elapsed()
                })
                .collect(),
        );
        let one = median(
            (0..1001)
                .map(|at| {
                    let query = query.clone().series([name(at % series)]);
                    let begin = Instant::now();
                    assert!(!table.gaps(&query).expect("gaps").is_empty());
                    begin.elapsed()
                })
                .collect(),
        );
        println!("gaps: {series} series x {days} days, {found} gaps: all {all:?}, one series {one:?}");
    }
}

/// What is known of one series, where the table has many and each has many ranges.
fn ranges() {
    let (series, holes_each) = (size(10_000, 20), size(99, 9));
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&bars_spec("bars")).expect("a table");
    attest_without(&table, series, 90, holes_each);
    let coverage = table.coverage().expect("coverage");
    let (mut count, mut at) = (0, 0);
    let time = |read: &mut dyn FnMut(&str)| {
        let times = (0..1001).map(|nth| {
            let name = name(nth * 7919 % series);
            let begin = Instant::now();
            read(&name);
            begin.elapsed()
        });
        median(times.collect())
    };
    let held = time(&mut |name| {
        count += coverage
            .ranges(Some(name), MINUTE, 0..i64::MAX)
            .expect("ranges")
            .len();
        at += 1;
    });
    let opened = time(&mut |name| {
        let coverage = table.coverage().expect("coverage");
        assert!(
            !coverage
                .ranges(Some(name), MINUTE, 0..i64::MAX)
                .expect("ranges")
                .is_empty()
        );
    });
    println!(
        "ranges: {series} series with {} ranges: {held:?} of one, {opened:?} with a new snapshot",
        count / at
    );
    let begin = Instant::now();
    let rows = coverage.arrow_ranges(0..i64::MAX).expect("ranges").num_rows();
    println!("ranges: {rows} as Arrow in {:?}", begin.elapsed());
}

/// Holes filled from a local source, and filled again.
fn fill() {
    let (series, days, holes_each) = (size(2000, 10), 90, size(50, 3));
    for workers in [1, 2] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("db");
        let db = open(&path);
        let table = db.create_table(&bars_spec("bars")).expect("a table");
        attest_without(&table, series, days, holes_each);
        let end = FIRST_DAY + days as i64 * DAY;
        let asked = Arc::new(AtomicU64::new(0));
        let source = {
            let asked = Arc::clone(&asked);
            move |request: &FetchRequest| -> Result<Fetched, FetchError> {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok(Fetched::all([bars(request.start, request.end)]))
            }
        };
        let begin = Instant::now();
        let report = table
            .backfill(FetcherStrategy::new(source.clone()))
            .range(FIRST_DAY, end)
            .interval(MINUTE)
            .concurrency(workers)
            .run()
            .expect("a report");
        let took = begin.elapsed();
        assert!(report.is_complete());
        let rows = report.rows().inserted;
        let written = db.write_stats();
        println!(
            "fill: {} gaps, {workers} workers: {took:?}, {:.2} M rows/s, {} asked, files {}",
            report.gaps.len(),
            rows as f64 / took.as_secs_f64() / 1e6,
            asked.load(Ordering::Relaxed),
            files(&path)
        );
        println!("      {written:?}");
        asked.store(0, Ordering::Relaxed);
        let begin = Instant::now();
        let again = table
            .backfill(FetcherStrategy::new(source))
            .range(FIRST_DAY, end)
            .interval(MINUTE)
            .run()
            .expect("a report");
        println!(
            "refill: {:?}, {} gaps, {} asked",
            begin.elapsed(),
            again.gaps.len(),
            asked.load(Ordering::Relaxed)
        );
        db.flush().expect("flushed");
        println!("      files after a flush {}", files(&path));
    }
}

/// One window of each node written over what the table has, each durable when its call returns: I5 of the comparison with
/// other engines.
fn windows() {
    let (nodes, days) = (size(100, 5), 30);
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&bars_spec("bars")).expect("a table");
    let end = FIRST_DAY + days * DAY;
    let batches = (0..nodes).map(|node| with_node(&bars(FIRST_DAY, end), &name(node)));
    table.write(batches).expect("written");
    let mut random = Random(11);
    let windows: Vec<_> = (0..nodes)
        .map(|node| {
            let minutes = 60 + (random.next() % 1381) as i64;
            let start = FIRST_DAY + (random.next() % (days as u64 * 1440 - 1440)) as i64 * MINUTE;
            (node, start, start + minutes * MINUTE)
        })
        .collect();
    let (mut times, mut rows, begin) = (Vec::new(), 0, Instant::now());
    for (node, start, end) in windows {
        let batch = with_node(&bars(start, end), &name(node));
        rows += batch.num_rows();
        let said = Attestation::new(start..end)
            .series(name(node))
            .interval(MINUTE)
            .source("bench");
        let began = Instant::now();
        table
            .append_covering(&batch, [said], Some(Durability::Sync))
            .expect("committed");
        times.push(began.elapsed());
    }
    let took = begin.elapsed();
    println!(
        "windows: {nodes} windows, {rows} rows, each durable: median {:?}, {:.2} M rows/s",
        median(times),
        rows as f64 / took.as_secs_f64() / 1e6
    );
    let count = table.scan().and_then(|scan| scan.count()).expect("a count");
    assert_eq!(count, nodes as u64 * days as u64 * 1440);
}

/// The same rows with the name of their series.
fn with_node(batch: &RecordBatch, name: &str) -> RecordBatch {
    let node = DictionaryArray::new(
        UInt32Array::from(vec![0; batch.num_rows()]),
        Arc::new(StringArray::from(vec![name])) as ArrayRef,
    );
    let schema = batch.schema();
    let mut columns: Vec<(String, ArrayRef)> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
        .collect();
    columns.insert(1, ("node".to_owned(), Arc::new(node)));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn files(path: &Path) -> usize {
    let entries = std::fs::read_dir(path).expect("a directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() { files(&path) } else { 1 }
        })
        .sum()
}

/// Many small commits to one series: what one costs as they become more.
fn commits() {
    let count = size(1_000_000, 1000);
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&bars_spec("bars")).expect("a table");
    let tenth = count / 10;
    let begin = Instant::now();
    let mut last = Instant::now();
    let nothing = RecordBatch::new_empty(table.schema().expect("a schema"));
    for at in 0..count {
        let start = FIRST_DAY + at as i64 * MINUTE;
        let said = Attestation::new(start..start + MINUTE)
            .series("node00000")
            .interval(MINUTE)
            .source("bench");
        table
            .append_covering(&nothing, [said], Some(Durability::Interval(100)))
            .expect("committed");
        if (at + 1) % tenth == 0 {
            println!(
                "commits: {} to {}: {:?} each",
                at + 1 - tenth,
                at + 1,
                last.elapsed() / tenth as u32
            );
            last = Instant::now();
        }
    }
    println!("commits: {count} in {:?}", begin.elapsed());
    let begin = Instant::now();
    let ranges = table
        .coverage()
        .and_then(|coverage| coverage.ranges(Some("node00000"), MINUTE, i64::MIN..i64::MAX))
        .expect("ranges");
    println!("commits: {} ranges, read in {:?}", ranges.len(), begin.elapsed());
}

/// Coverage read off the rows.
fn infer() {
    let (series, days) = (size(2000, 10), size(90, 2));
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let schema = Arc::new(Schema::new(vec![
        Field::new("ts", ts, false),
        Field::new("node", text, false),
        Field::new("close", DataType::Float64, true),
    ]));
    let spec = TableSpec::new("bars", schema.as_ref().clone())
        .time("ts")
        .series("node");
    let table = db.create_table(&spec).expect("a table");
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..series).map(name)));
    let mut random = Random(3);
    let mut rows = 0;
    for day in 0..days {
        let (mut times, mut nodes) = (Vec::new(), Vec::new());
        let start = FIRST_DAY + day as i64 * DAY;
        for node in 0..series as u32 {
            for minute in 0..1440 {
                if !random.next().is_multiple_of(1000) {
                    times.push(start + minute * MINUTE);
                    nodes.push(node);
                }
            }
        }
        rows += times.len();
        let close = Float64Array::from_iter_values(times.iter().map(|time| (time / MINUTE % 97) as f64));
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
                Arc::new(DictionaryArray::new(UInt32Array::from(nodes), Arc::clone(&names))),
                Arc::new(close),
            ],
        )
        .expect("columns of one length");
        table.write([batch]).expect("written");
    }
    let mut ranges = 0;
    let took = median(
        (0..5)
            .map(|_| {
                let begin = Instant::now();
                ranges = table
                    .scan()
                    .expect("a scan")
                    .infer_coverage(MINUTE)
                    .expect("inferred")
                    .ranges();
                begin.elapsed()
            })
            .collect(),
    );
    println!(
        "infer: {rows} rows, {ranges} ranges: {took:?}, {:.2} GB/s of times",
        rows as f64 * 8.0 / took.as_secs_f64() / 1e9
    );
    let begin = Instant::now();
    table.infer_coverage(MINUTE, None).expect("inferred");
    println!("infer: attested in {:?}", begin.elapsed());
    let begin = Instant::now();
    let found = table
        .gaps(&GapQuery::new(FIRST_DAY, FIRST_DAY + days as i64 * DAY).interval(MINUTE))
        .expect("gaps")
        .len();
    println!("infer: {found} gaps from coverage in {:?}", begin.elapsed());
}
