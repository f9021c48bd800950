//! Maintenance: a closed day out of its hours, late rows folded into a finished day, and the same beside many partitions.

#[expect(dead_code, reason = "this bench has sizes of its own")]
mod data;

use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gapless::{Database, Maintenance, PartitionUnit, Table, WriteOptions};

use data::{DAY_NS, is_test, sorted_day, spec};

const HOUR_NS: i64 = DAY_NS / 24;

fn rows_per_hour() -> usize {
    if is_test() { 500 } else { 170_000 }
}

fn open(directory: &Path) -> (Database, Table) {
    let db = Database::builder(directory.join("bench.db"))
        .maintenance(Maintenance::Manual)
        .small_commit_rows(0)
        .open()
        .expect("a database");
    let table = db.create_table(&spec("trade")).expect("a table");
    (db, table)
}

/// The rows with other times.
fn retimed(batch: &RecordBatch, time: impl Fn(i64) -> i64) -> RecordBatch {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
    let times = times
        .unary::<_, TimestampNanosecondType>(time)
        .with_timezone("UTC");
    let mut columns = batch.columns().to_vec();
    columns[0] = std::sync::Arc::new(times);
    RecordBatch::try_new(batch.schema(), columns).expect("the columns fit the schema")
}

fn write(table: &Table, batch: RecordBatch, unit: PartitionUnit) {
    let options = WriteOptions {
        partition: Some(unit),
        ..WriteOptions::default()
    };
    table
        .write_with([Ok::<_, gapless::Error>(batch)], &options)
        .expect("rows are written");
}

/// Times a compaction of what `fill` has written, and checks that it has not changed the number of rows.
fn timed(iterations: u64, fill: impl Fn(&Table)) -> Duration {
    (0..iterations)
        .map(|_| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let (db, table) = open(directory.path());
            fill(&table);
            let rows = table.rows().expect("a count");
            let start = Instant::now();
            let report = db.compact("trade").expect("a compaction");
            let elapsed = start.elapsed();
            assert_eq!((report.done, table.rows().expect("a count")), (1, rows));
            elapsed
        })
        .sum()
}

fn build_day(criterion: &mut Criterion) {
    let one_hour = sorted_day(0, rows_per_hour(), 100);
    let hours: Vec<RecordBatch> = (0..24)
        .map(|hour| {
            retimed(&one_hour, |time| {
                time.div_euclid(DAY_NS) * DAY_NS + hour * HOUR_NS + time.rem_euclid(DAY_NS) / 24
            })
        })
        .collect();
    let rows: usize = hours.iter().map(RecordBatch::num_rows).sum();
    let mut group = criterion.benchmark_group("build_day_of_24_hours_one_thread_synced");
    group
        .throughput(Throughput::Elements(rows as u64))
        .sample_size(10);
    group.bench_function("100_symbols", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |table| {
                for hour in &hours {
                    write(table, hour.clone(), PartitionUnit::Hour);
                }
            })
        });
    });
    group.finish();
}

fn fold_in(criterion: &mut Criterion) {
    let (rows, late_rows) = if is_test() {
        (10_000, 100)
    } else {
        (4_000_000, 40_000)
    };
    let day = sorted_day(0, rows, 500);
    let late = retimed(&sorted_day(0, late_rows, 500), |time| time + 1);
    let mut group = criterion.benchmark_group("fold_1_percent_into_a_day_one_thread_synced");
    group
        .throughput(Throughput::Elements(day.num_rows() as u64))
        .sample_size(10);
    group.bench_function("500_symbols", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |table| {
                write(table, day.clone(), PartitionUnit::Day);
                write(table, late.clone(), PartitionUnit::Day);
            })
        });
    });
    group.finish();
}

fn beside_many(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let many = if is_test() { 50 } else { 10_000 };
    let small = sorted_day(0, 40, 2);
    let mut group = criterion.benchmark_group("compact_a_small_day_beside_partitions_synced");
    group.sample_size(10);
    for days in [0, many] {
        let path = directory.path().join(days.to_string());
        std::fs::create_dir_all(&path).expect("a directory");
        let (db, table) = open(&path);
        if days > 0 {
            let batches = (1..=days).map(|day| retimed(&small, |time| time - day * DAY_NS));
            table.write(batches).expect("days are written");
        }
        let mut day = 0;
        group.bench_function(days.to_string(), |b| {
            b.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| {
                        day += 1;
                        for _ in 0..2 {
                            write(
                                &table,
                                retimed(&small, |time| time + day * DAY_NS),
                                PartitionUnit::Day,
                            );
                        }
                        let start = Instant::now();
                        assert_eq!(db.compact("trade").expect("a compaction").done, 1);
                        start.elapsed()
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500));
    targets = build_day, fold_in, beside_many
}
criterion_main!(benches);
