//! Cold partitions against Parquet with zstd level 3: bytes per row, and how fast all columns become Arrow arrays.
//!
//! The rows are generated trades and quotes; with `GAPLESS_BENCH_DATABASES=PATH:TABLE,...` also the rows of tables that
//! are there. Parquet gets the same rows in the same order (series, time), its default settings and row groups of
//! 1,048,576 rows. Every iteration decodes every page: no decoded page is kept from one to the next.

#[expect(dead_code, reason = "this bench has sizes of its own")]
mod data;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, RecordBatchReader, StringArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gapless::database::Mode;
use gapless::scan::Order;
use gapless::{Database, EncodingPolicy, PartitionUnit, Table, TableSpec, WriteOptions};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

use data::{FIRST_DAY, Random, is_test, sorted_day, spec, symbol};

const GROUP_ROWS: usize = 1 << 20;
const BATCH_ROWS: usize = 65_536;

/// Rows of one table, in order of series and time.
struct Subject {
    name: String,
    spec: TableSpec,
    batches: Vec<RecordBatch>,
}

/// Quotes around a random walk in ticks of a cent, with sizes in hundreds, some sides missing.
fn quotes(rows: usize, symbols: usize) -> Subject {
    let mut random = Random(7);
    let each = rows / symbols;
    let total = each * symbols;
    let mut ts = Vec::with_capacity(total);
    let mut sides: [Vec<Option<f64>>; 2] = [Vec::new(), Vec::new()];
    let mut sizes: [Vec<Option<i32>>; 2] = [Vec::new(), Vec::new()];
    let mut exchanges = Vec::with_capacity(total);
    for _ in 0..symbols {
        let mut cents = 2_000 + random.below(40_000) as i64;
        let mut times: Vec<i64> = (0..each)
            .map(|_| FIRST_DAY + 48_600_000_000_000 + random.below(23_400_000_000) as i64 * 1000)
            .collect();
        times.sort_unstable();
        for time in times {
            cents = (cents + random.below(3) as i64 - 1).max(100);
            let spread = 1 + random.below(3) as i64;
            let missing = random.below(10);
            ts.push(time);
            for (side, price) in [cents, cents + spread].into_iter().enumerate() {
                let is_there = missing != side as u64;
                sides[side].push(is_there.then_some(price as f64 / 100.0));
                sizes[side].push(is_there.then(|| 100 * (1 + random.below(20) as i32)));
            }
            exchanges.push(random.below(12) as u32);
        }
    }
    let names = |count: usize, name: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..count).map(name)))
    };
    let codes = UInt32Array::from_iter_values((0..total).map(|row| (row / each) as u32));
    let sym: ArrayRef = Arc::new(DictionaryArray::new(codes, names(symbols, &symbol)));
    let exch: ArrayRef = Arc::new(DictionaryArray::new(
        UInt32Array::from(exchanges),
        names(12, &|number| format!("X{number}")),
    ));
    let [bid, ask] = sides.map(|side| Arc::new(Float64Array::from(side)) as ArrayRef);
    let [bsize, asize] = sizes.map(|side| Arc::new(Int32Array::from(side)) as ArrayRef);
    let ts: ArrayRef = Arc::new(TimestampNanosecondArray::from(ts).with_timezone("UTC"));
    let columns = [
        ("ts", ts),
        ("sym", sym),
        ("bid", bid),
        ("bsize", bsize),
        ("ask", ask),
        ("asize", asize),
        ("exch", exch),
    ];
    let fields = columns.iter().map(|(name, array)| match *name {
        "ts" => Field::new(
            *name,
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        _ => Field::new(*name, array.data_type().clone(), true),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Subject {
        name: "quotes".into(),
        spec: TableSpec::new("t", schema.as_ref().clone())
            .time("ts")
            .series("sym"),
        batches: vec![RecordBatch::try_new(schema, arrays).expect("the columns fit the schema")],
    }
}

/// A table that is there already.
fn of_database(place: &str) -> Subject {
    let (path, table) = place.rsplit_once(':').expect("PATH:TABLE");
    let db = Database::builder(path)
        .mode(Mode::Read)
        .open()
        .expect("the database");
    let table = db.table(table).expect("the table");
    let meta = table.meta().expect("its description");
    let column = |id: u32| meta.column(id).map(|column| column.name.clone());
    let batches = table
        .scan()
        .expect("a scan")
        .order(Order::Series)
        .collect()
        .expect("rows");
    let schema = batches.first().expect("a table with rows").schema();
    let mut spec = TableSpec::new("t", schema.as_ref().clone())
        .time(column(meta.time_column).expect("a time column"))
        .partition(PartitionUnit::Year);
    if let Some(series) = meta.series_column.and_then(column) {
        spec = spec.series(&series);
    }
    let file = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
    Subject {
        name: format!("{file}_{}", meta.name),
        spec,
        batches,
    }
}

fn subjects() -> Vec<Subject> {
    let (rows, symbols) = if is_test() { (20_000, 20) } else { (4_000_000, 500) };
    let mut subjects = vec![
        Subject {
            name: "trades".into(),
            spec: spec("t"),
            batches: vec![sorted_day(0, rows, symbols)],
        },
        quotes(rows, symbols),
    ];
    let more = std::env::var("GAPLESS_BENCH_DATABASES").unwrap_or_default();
    subjects.extend(more.split(',').filter(|place| !place.is_empty()).map(of_database));
    subjects
}

/// A database with the rows, stored as `encoding` says, and the bytes of its segments.
fn stored(
    directory: &Path,
    subject: &Subject,
    name: &str,
    encoding: EncodingPolicy,
) -> (Database, Table, u64) {
    let db = Database::builder(directory.join(format!("{}-{name}.db", subject.name)))
        .without_sync()
        .decoded_bytes_max(1)
        .open()
        .expect("a database");
    let table = db.create_table(&subject.spec).expect("a table");
    let options = WriteOptions {
        encoding,
        ..WriteOptions::default()
    };
    let batches = subject.batches.iter().cloned().map(Ok::<_, gapless::Error>);
    let report = table.write_with(batches, &options).expect("rows are written");
    (db, table, report.bytes)
}

fn parquet(subject: &Subject) -> bytes::Bytes {
    let schema = subject.batches[0].schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("a level")))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties)).expect("a writer");
    for batch in &subject.batches {
        writer.write(batch).expect("rows are written");
    }
    writer.close().expect("a footer");
    file.into()
}

/// Rows of some row groups as arrays.
fn read_parquet(file: &bytes::Bytes, groups: Vec<usize>) -> usize {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone())
        .expect("a file")
        .with_row_groups(groups)
        .with_batch_size(BATCH_ROWS)
        .build()
        .expect("a reader");
    black_box(reader.schema());
    reader
        .map(|batch| black_box(batch.expect("a batch")).num_rows())
        .sum()
}

/// Both tables hold the same rows, bit for bit.
fn assert_same(plain: &Table, cold: &Table) {
    let rows = |table: &Table| {
        let scan = table.scan().expect("a scan").order(Order::Series);
        scan.stream().expect("rows")
    };
    for (found, expected) in rows(cold).zip(rows(plain)) {
        assert!(found.expect("a batch") == expected.expect("a batch"));
    }
}

fn read_table(table: &Table) -> usize {
    let scan = table.scan().expect("a scan");
    scan.fold(
        || 0,
        |rows, batch| Ok(rows + black_box(batch).num_rows()),
        |a, b| a + b,
    )
    .expect("rows")
}

fn cold(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for subject in subjects() {
        let rows: usize = subject.batches.iter().map(RecordBatch::num_rows).sum();
        let (_plain_db, plain, plain_bytes) =
            stored(directory.path(), &subject, "plain", EncodingPolicy::plain());
        let (_db, table, cold_bytes) = stored(directory.path(), &subject, "cold", EncodingPolicy::cold());
        assert_same(&plain, &table);
        let file = parquet(&subject);
        let per_row = |bytes: usize| bytes as f64 / rows as f64;
        println!(
            "{}: {rows} rows; bytes per row: plain {:.2}, cold {:.2}, parquet zstd 3 {:.2}; cold is {:.1} % of parquet",
            subject.name,
            per_row(plain_bytes as usize),
            per_row(cold_bytes as usize),
            per_row(file.len()),
            cold_bytes as f64 / file.len() as f64 * 100.0
        );
        let groups = ParquetRecordBatchReaderBuilder::try_new(file.clone())
            .expect("a file")
            .metadata()
            .num_row_groups();
        let mut group = criterion.benchmark_group(format!("cold_{}", subject.name));
        group
            .throughput(Throughput::Elements(rows as u64))
            .sample_size(10);
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            group.bench_function(BenchmarkId::new("gapless", threads), |b| {
                b.iter(|| assert_eq!(pool.install(|| read_table(&table)), rows));
            });
            group.bench_function(BenchmarkId::new("parquet", threads), |b| {
                b.iter(|| {
                    let read = pool.install(|| {
                        (0..groups)
                            .into_par_iter()
                            .map(|group| read_parquet(&file, vec![group]))
                            .sum::<usize>()
                    });
                    assert_eq!(read, rows);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, cold);
criterion_main!(benches);
