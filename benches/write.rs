//! Writes: a sorted day, an unsorted day, a small commit beside many others, and opening what is there.

#[expect(dead_code, reason = "this bench has sizes of its own")]
mod data;

use std::io::Write;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int32Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{RecordBatch, UInt32Array};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gapless::Database;
use rayon::prelude::*;

use data::{DAY_NS, FIRST_DAY, Random, is_test, sorted_day, spec};

fn rows() -> usize {
    if is_test() { 10_000 } else { 4_000_000 }
}

/// The bytes of a day's columns, as the store writes them.
fn column_bytes(day: &RecordBatch) -> Vec<Vec<u8>> {
    fn bytes<T: arrow_buffer::ArrowNativeType>(values: &[T]) -> Vec<u8> {
        arrow_buffer::Buffer::from_slice_ref(values).to_vec()
    }
    let keys = |at: usize| bytes(day.column(at).as_dictionary::<UInt32Type>().keys().values());
    vec![
        bytes(day.column(0).as_primitive::<TimestampNanosecondType>().values()),
        keys(1),
        bytes(day.column(2).as_primitive::<Float64Type>().values()),
        bytes(day.column(3).as_primitive::<Int32Type>().values()),
        bytes(day.column(4).as_primitive::<Int8Type>().values()),
        keys(5),
        keys(6),
    ]
}

fn shuffled(day: &RecordBatch) -> RecordBatch {
    let mut random = Random(7);
    let mut order: Vec<u32> = (0..day.num_rows() as u32).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at as u64 + 1) as usize);
    }
    let order = UInt32Array::from(order);
    let columns = day
        .columns()
        .iter()
        .map(|array| arrow_select::take::take(array, &order, None).expect("rows"))
        .collect();
    RecordBatch::try_new(day.schema(), columns).expect("the columns fit the schema")
}

/// Runs `work` on fresh directories and times it alone.
fn timed(iterations: u64, mut work: impl FnMut(&std::path::Path) -> Duration) -> Duration {
    (0..iterations)
        .map(|_| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            work(directory.path())
        })
        .sum()
}

fn bulk(criterion: &mut Criterion) {
    let day = sorted_day(0, rows(), 500);
    let columns = column_bytes(&day);
    let unsorted = shuffled(&day);
    let mut group = criterion.benchmark_group("write_one_day");
    group
        .throughput(Throughput::Elements(day.num_rows() as u64))
        .sample_size(10);
    group.bench_function("plain_files_synced", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |directory| {
                let start = Instant::now();
                columns.par_iter().enumerate().for_each(|(at, bytes)| {
                    let mut file = std::fs::File::create(directory.join(at.to_string())).expect("a file");
                    file.write_all(bytes).expect("bytes");
                    file.sync_all().expect("a sync");
                });
                start.elapsed()
            })
        });
    });
    for (name, batch) in [("sorted_synced", &day), ("shuffled_synced", &unsorted)] {
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                timed(iterations, |directory| {
                    let db = Database::builder(directory.join("bench.db"))
                        .open()
                        .expect("a database");
                    let table = db.create_table(&spec("trade")).expect("a table");
                    let start = Instant::now();
                    table.write([batch.clone()]).expect("a day is written");
                    start.elapsed()
                })
            });
        });
    }
    group.finish();
}

/// A database with one small segment on each of many days, written without syncs.
fn many_partitions(directory: &std::path::Path, days: usize) -> std::path::PathBuf {
    let path = directory.join(format!("{days}.db"));
    let db = Database::builder(&path)
        .without_sync()
        .open()
        .expect("a database");
    let table = db.create_table(&spec("trade")).expect("a table");
    let small = sorted_day(0, 40, 2);
    let batches = (0..days).map(|day| moved(&small, day));
    if days > 0 {
        table.write(batches).expect("days are written");
    }
    path
}

fn moved(batch: &RecordBatch, days: usize) -> RecordBatch {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
    let times = times
        .unary::<_, TimestampNanosecondType>(|time| time + days as i64 * DAY_NS)
        .with_timezone("UTC");
    let mut columns = batch.columns().to_vec();
    columns[0] = std::sync::Arc::new(times);
    RecordBatch::try_new(batch.schema(), columns).expect("the columns fit the schema")
}

fn beside_many(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let many = if is_test() { 50 } else { 10_000 };
    let small = sorted_day(0, 1000, 10);
    let mut group = criterion.benchmark_group("commit_1000_rows_synced_beside_segments");
    group.measurement_time(Duration::from_secs(8)).sample_size(30);
    for days in [0, many] {
        let path = many_partitions(directory.path(), days);
        let db = Database::builder(&path).open().expect("a database");
        let table = db.table("trade").expect("the table");
        let mut day = 20_000;
        group.bench_function(days.to_string(), |b| {
            b.iter(|| {
                day += 1; // A partition of its own, so that no directory grows.
                table.write([moved(&small, day)]).expect("a commit")
            });
        });
    }
    group.finish();
    let path = many_partitions(directory.path(), many + 1);
    criterion.bench_function(&format!("open_{many}_day_partitions"), |b| {
        b.iter(|| {
            let db = Database::builder(&path).open().expect("a database");
            assert_eq!(
                db.version()
                    .expect("a version")
                    .table("trade")
                    .expect("a table")
                    .partition_count(),
                many + 1
            );
        });
    });
    let path = &path;
    criterion.bench_function(&format!("open_{many}_day_partitions_and_read_one_window"), |b| {
        b.iter(|| {
            let db = Database::builder(path).open().expect("a database");
            let table = db.table("trade").expect("the table");
            let day = FIRST_DAY + 7 * DAY_NS;
            let rows = table
                .scan()
                .expect("a scan")
                .series([data::symbol(1)])
                .between(day, day + DAY_NS)
                .collect();
            assert!(!rows.expect("rows").is_empty());
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = bulk, beside_many
}
criterion_main!(benches);
