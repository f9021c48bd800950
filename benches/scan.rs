//! Reads: column sums at memory speed, point windows, a series' day, and what each attribute is worth.

mod data;

use std::hint::black_box;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gapless::scan::{Order, col};
use gapless::{AttributeKind, Database, Keep, Table};
use rayon::prelude::*;

use data::{DAY_NS, FIRST_DAY, is_test, scale, sorted_day, spec, symbol};

const MINUTE_NS: i64 = 60_000_000_000;

/// Eight accumulators: the additions do not wait for each other.
fn plain_sum(values: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for lane in 0..8 {
            sums[lane] += chunk[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

fn batch_sum(batch: &RecordBatch) -> f64 {
    plain_sum(batch.column(0).as_primitive::<Float64Type>().values())
}

struct Store {
    _directory: tempfile::TempDir,
    _db: Database,
    table: Table,
    days: Vec<RecordBatch>,
}

fn store() -> Store {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("bench.db"))
        .without_sync()
        .open()
        .expect("a database");
    let table = db.create_table(&spec("trade")).expect("a table");
    let scale = scale();
    let days: Vec<_> = (0..scale.days)
        .map(|day| sorted_day(day, scale.rows / scale.days, scale.symbols))
        .collect();
    for day in &days {
        table.write([day.clone()]).expect("a day is written");
    }
    Store {
        _directory: directory,
        _db: db,
        table,
        days,
    }
}

fn sum_of_a_column(criterion: &mut Criterion, store: &Store) {
    let values: Vec<Vec<f64>> = store
        .days
        .iter()
        .map(|day| day.column(2).as_primitive::<Float64Type>().values().to_vec())
        .collect();
    let bytes: usize = values.iter().map(|day| day.len() * 8).sum();
    let mut group = criterion.benchmark_group("sum_f64");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("memory_1_thread", |b| {
        b.iter(|| values.iter().map(|day| plain_sum(black_box(day))).sum::<f64>());
    });
    group.bench_function("scan_1_thread", |b| {
        b.iter(|| {
            let scan = store
                .table
                .scan()
                .expect("a scan")
                .columns(["price"])
                .order(Order::Stored);
            scan.stream()
                .expect("a stream")
                .map(|batch| batch_sum(&batch.expect("a batch")))
                .sum::<f64>()
        });
    });
    group.bench_function("memory_all_threads", |b| {
        b.iter(|| {
            values
                .par_iter()
                .flat_map(|day| day.par_chunks(1 << 20))
                .map(plain_sum)
                .sum::<f64>()
        });
    });
    group.bench_function("scan_all_threads", |b| {
        b.iter(|| {
            let scan = store.table.scan().expect("a scan").columns(["price"]);
            scan.fold(|| 0.0, |sum, batch| Ok(sum + batch_sum(&batch)), |a, b| a + b)
                .expect("a sum")
        });
    });
    group.finish();
}

fn windows(criterion: &mut Criterion, store: &Store) {
    let last = FIRST_DAY + (scale().days as i64 - 1) * DAY_NS;
    let start = last + 14 * 60 * MINUTE_NS;
    let name = symbol(4);
    criterion.bench_function("one_series_ten_minutes_all_columns", |b| {
        b.iter(|| {
            let scan = store.table.scan().expect("a scan").series([name.as_str()]);
            scan.between(start, start + 10 * MINUTE_NS)
                .collect()
                .expect("rows")
        });
    });
    let mut group = criterion.benchmark_group("one_series_one_day_all_columns");
    for rank in [0, 4, 40, 400].into_iter().filter(|rank| *rank < scale().symbols) {
        let name = symbol(rank);
        let scan = || {
            store
                .table
                .scan()
                .expect("a scan")
                .series([name.as_str()])
                .between(last, last + DAY_NS)
        };
        let rows = scan().count().expect("a count");
        group.throughput(Throughput::Elements(rows));
        group.bench_function(BenchmarkId::from_parameter(rows), |b| {
            b.iter(|| scan().collect().expect("rows"))
        });
    }
    group.finish();
    criterion.bench_function("one_day_by_time", |b| {
        b.iter(|| {
            let scan = store
                .table
                .scan()
                .expect("a scan")
                .between(last, last + DAY_NS)
                .order(Order::Time);
            scan.stream()
                .expect("a stream")
                .map(|batch| batch.expect("a batch").num_rows())
                .sum::<usize>()
        });
    });
}

/// The same rows with and without an attribute, and the same question.
fn attributes(criterion: &mut Criterion) {
    let rows = if is_test() { 10_000 } else { 4_000_000 };
    let day = sorted_day(0, rows, 200);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("bench.db"))
        .without_sync()
        .open()
        .expect("a database");
    let with = |name: &str, column: &str, kind| {
        let table = db
            .create_table(&spec(name).attribute(column, kind))
            .expect("a table");
        table.write([day.clone()]).expect("a day is written");
        table
    };
    let none = db.create_table(&spec("none")).expect("a table");
    none.write([day.clone()]).expect("a day is written");
    let grouped = with("grouped", "size", AttributeKind::Grouped);
    let mut group = criterion.benchmark_group("attribute");
    let question = |table: &Table| {
        let scan = table
            .scan()
            .expect("a scan")
            .filter(col("size").eq(77))
            .columns(["price", "size"]);
        scan.order(Order::Stored).collect().expect("rows")
    };
    group.bench_function("size_is_77/full_scan", |b| b.iter(|| question(&none)));
    group.bench_function("size_is_77/grouped", |b| b.iter(|| question(&grouped)));
    let name = symbol(100);
    group.bench_function("series/full_scan", |b| {
        b.iter(|| {
            // A condition in place of the series: every run is read and compared.
            let scan = none
                .scan()
                .expect("a scan")
                .filter(col("sym").ge(name.as_str()).and(col("sym").le(name.as_str())));
            scan.columns(["price"])
                .order(Order::Stored)
                .collect()
                .expect("rows")
        });
    });
    group.bench_function("series/parted", |b| {
        b.iter(|| {
            none.scan()
                .expect("a scan")
                .series([name.as_str()])
                .columns(["price"])
                .collect()
                .expect("rows")
        });
    });
    sorted_and_unique(&mut group, &db, rows);
    group.finish();
}

fn sorted_and_unique(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    db: &Database,
    rows: usize,
) {
    use arrow_array::{ArrayRef, Int64Array, TimestampNanosecondArray};
    use arrow_schema::{DataType, Field, Schema, TimeUnit};
    use std::sync::Arc;
    let schema = Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("order_id", DataType::Int64, false),
    ]));
    let ids = Int64Array::from_iter_values(
        (0..rows as i64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)),
    );
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampNanosecondArray::from_iter_values((0..rows as i64).map(|at| at * 1000))
                .with_timezone("UTC"),
        ),
        Arc::new(ids),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns fit the schema");
    let wanted = (rows as i64 / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
    for unique in [false, true] {
        let name = if unique { "unique" } else { "not_unique" };
        let mut spec = gapless::TableSpec::new(name, schema.as_ref().clone()).time("ts");
        if unique {
            spec = spec.attribute("order_id", AttributeKind::Unique);
        }
        let table = db.create_table(&spec).expect("a table");
        table.write([batch.clone()]).expect("rows are written");
        let id = if unique {
            "order_id/unique"
        } else {
            "order_id/full_scan"
        };
        group.bench_function(id, |b| {
            b.iter(|| {
                table
                    .scan()
                    .expect("a scan")
                    .filter(col("order_id").eq(wanted))
                    .collect()
                    .expect("rows")
            });
        });
        if unique {
            continue;
        }
        let (start, end) = (rows as i64 * 500, rows as i64 * 500 + 1_000_000);
        group.bench_function("time/full_scan", |b| {
            b.iter(|| {
                let all = table
                    .scan()
                    .expect("a scan")
                    .order(Order::Stored)
                    .stream()
                    .expect("a stream");
                let inside = |batch: RecordBatch| {
                    let times = batch
                        .column(0)
                        .as_primitive::<arrow_array::types::TimestampNanosecondType>();
                    times
                        .values()
                        .iter()
                        .filter(|time| (start..end).contains(*time))
                        .count()
                };
                all.map(|batch| inside(batch.expect("a batch"))).sum::<usize>()
            });
        });
        group.bench_function("time/sorted", |b| {
            b.iter(|| {
                table
                    .scan()
                    .expect("a scan")
                    .between(start, end)
                    .collect()
                    .expect("rows")
            });
        });
    }
}

fn scans(criterion: &mut Criterion) {
    let store = store();
    sum_of_a_column(criterion, &store);
    windows(criterion, &store);
    drop(store);
    attributes(criterion);
}

/// A finished day of which one row in a hundred came late, in a segment of its own, against the same day in one.
fn late_rows(criterion: &mut Criterion) {
    let rows = if is_test() { 10_000 } else { 4_000_000 };
    let day = sorted_day(0, rows, 200);
    let part = |late: bool| {
        let is_meant = |row: usize| (row.wrapping_mul(0x9e37_79b9) >> 7).is_multiple_of(100);
        let rows = (0..day.num_rows()).filter(|row| is_meant(*row) == late);
        let rows = UInt32Array::from_iter_values(rows.map(|row| row as u32));
        take_record_batch(&day, &rows).expect("some rows")
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("bench.db"))
        .without_sync()
        .open()
        .expect("a database");
    let make = |name: &str, keep: Keep, parts: &[RecordBatch]| {
        let table = db.create_table(&spec(name).keep(keep)).expect("a table");
        for part in parts {
            table.write([part.clone()]).expect("rows are written");
        }
        table
    };
    let tables = [
        ("one_segment", make("one_segment", Keep::All, &[part(false)])),
        (
            "late_rows",
            make("late_rows", Keep::All, &[part(false), part(true)]),
        ),
        (
            "late_rows_keep_last",
            make("late_rows_keep_last", Keep::Last, &[part(false), part(true)]),
        ),
    ];
    let mut group = criterion.benchmark_group("late");
    for (name, table) in &tables {
        for (what, series, order) in [
            ("one_series_by_time", true, Order::Time),
            ("day_by_series", false, Order::Series),
            ("day_by_time", false, Order::Time),
        ] {
            let scan = || {
                let scan = table.scan().expect("a scan").order(order);
                if series {
                    scan.series([symbol(4).as_str()])
                } else {
                    scan
                }
            };
            group.throughput(Throughput::Elements(scan().count().expect("a count")));
            group.bench_function(BenchmarkId::new(what, name), |b| {
                b.iter(|| {
                    let batches = scan().stream().expect("a stream");
                    batches
                        .map(|batch| batch.expect("a batch").num_rows())
                        .sum::<usize>()
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1));
    targets = scans, late_rows
}
criterion_main!(benches);
