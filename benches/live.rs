//! The live half: durable and buffered appends against a bare log file, stalls during a roll, late rows, recovery.
//!
//! A binary of its own, because several figures are latency distributions. Without arguments it runs everything; with
//! names, only those. Each figure stands beside its yardstick from the same run.

#[expect(dead_code, reason = "this bench has sizes of its own")]
mod data;
mod figures;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int32Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{RecordBatch, UInt32Array};
use gapless::{Database, Durability, Maintenance, Table};

use data::{DAY_NS, FIRST_DAY, Random, sorted_day, spec};
use figures::size;

/// Names of the figures and how each is measured.
const FIGURES: [(&str, fn()); 10] = [
    ("durable_batches", durable_batches),
    ("durable_rows", durable_rows),
    ("buffered_batches", buffered_batches),
    ("buffered_rows", buffered_rows),
    ("row_writer", row_writer),
    ("roll", roll),
    ("late_rows", late_rows),
    ("under_load", under_load),
    ("amplification", amplification),
    ("recovery", recovery),
];

fn main() {
    figures::run(&FIGURES);
}

/// A day's rows as they arrive: by time.
fn arrivals(rows: usize, symbols: usize) -> RecordBatch {
    let day = sorted_day(0, rows, symbols);
    let times = day
        .column(0)
        .as_primitive::<TimestampNanosecondType>()
        .values()
        .clone();
    let mut order: Vec<u32> = (0..day.num_rows() as u32).collect();
    order.sort_by_key(|row| times[*row as usize]);
    take(&day, &order)
}

fn take(day: &RecordBatch, rows: &[u32]) -> RecordBatch {
    let rows = UInt32Array::from(rows.to_vec());
    let columns = day
        .columns()
        .iter()
        .map(|array| arrow_select::take::take(array, &rows, None).expect("rows"))
        .collect();
    RecordBatch::try_new(day.schema(), columns).expect("the columns fit the schema")
}

/// The bytes of a batch as a bare log would write them.
fn raw_bytes(batch: &RecordBatch) -> Vec<u8> {
    fn put<T: arrow_buffer::ArrowNativeType>(bytes: &mut Vec<u8>, values: &[T]) {
        bytes.extend_from_slice(arrow_buffer::Buffer::from_slice_ref(values).as_slice());
    }
    let mut bytes = Vec::new();
    put(
        &mut bytes,
        batch.column(0).as_primitive::<TimestampNanosecondType>().values(),
    );
    for at in [1, 5, 6] {
        put(
            &mut bytes,
            batch.column(at).as_dictionary::<UInt32Type>().keys().values(),
        );
    }
    put(&mut bytes, batch.column(2).as_primitive::<Float64Type>().values());
    put(&mut bytes, batch.column(3).as_primitive::<Int32Type>().values());
    put(&mut bytes, batch.column(4).as_primitive::<Int8Type>().values());
    bytes
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn table(directory: &Path, durability: Durability, flush_bytes: usize) -> (Database, Table) {
    let db = Database::builder(directory.join("live.db"))
        .durability(durability)
        .flush_bytes(flush_bytes)
        .memory_bytes_max(4 << 30)
        .open()
        .expect("a database");
    let table = db.create_table(&spec("trade")).expect("a table");
    (db, table)
}

/// Median and 99th percentile, in microseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}

fn timed(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// One write and one fdatasync for each batch, in a file that grows.
fn raw_log(path: &Path, batches: &[Vec<u8>]) -> Vec<Duration> {
    let mut file = File::create(path).expect("a log file");
    batches
        .iter()
        .map(|batch| {
            timed(|| {
                file.write_all(batch).expect("a write");
                file.sync_data().expect("a sync");
            })
        })
        .collect()
}

fn rate(rows: usize, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}

fn compare(name: &str, rows: usize, ours: Vec<Duration>, raw: Vec<Duration>) {
    let (our_rate, raw_rate) = (rate(rows, ours.iter().sum()), rate(rows, raw.iter().sum()));
    let ((our_p50, our_p99), (raw_p50, raw_p99)) = (percentiles(ours), percentiles(raw));
    println!(
        "{name}: {our_rate:.0} rows/s (p50 {our_p50:.0} us, p99 {our_p99:.0} us); bare log {raw_rate:.0} rows/s (p50 \
         {raw_p50:.0} us, p99 {raw_p99:.0} us); ratio {:.2}",
        our_rate / raw_rate
    );
}

fn durable_batches() {
    let rows = 1000;
    let count = size(1000, 5);
    let day = arrivals(rows * count, 100);
    let count = day.num_rows() / rows;
    let batches: Vec<RecordBatch> = (0..count).map(|at| day.slice(at * rows, rows)).collect();
    let raw: Vec<Vec<u8>> = batches.iter().map(raw_bytes).collect();
    // Interleaved rounds, so that both see the same disk.
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let directory = scratch();
    let (_db, table) = table(directory.path(), Durability::Sync, 1 << 30);
    table.append(&day.slice(0, 100)).expect("the symbols");
    for (round, part) in batches.chunks(count.div_ceil(10)).enumerate() {
        ours.extend(part.iter().map(|batch| {
            timed(|| {
                table.append(batch).expect("an append");
            })
        }));
        let from = round * count.div_ceil(10);
        bare.extend(raw_log(
            &directory.path().join(format!("raw-{round}")),
            &raw[from..from + part.len()],
        ));
    }
    compare("durable appends of 1,000 rows", rows * count, ours, bare);
}

fn durable_rows() {
    let count = size(2000, 10);
    let day = arrivals(count, 100);
    let directory = scratch();
    let (_db, table) = table(directory.path(), Durability::Sync, 1 << 30);
    table.append(&day).expect("the symbols");
    let count = day.num_rows();
    let rows: Vec<RecordBatch> = (0..count).map(|at| day.slice(at, 1)).collect();
    let raw: Vec<Vec<u8>> = rows.iter().map(raw_bytes).collect();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for (round, part) in rows.chunks(count.div_ceil(10)).enumerate() {
        ours.extend(part.iter().map(|row| {
            timed(|| {
                table.append(row).expect("an append");
            })
        }));
        let from = round * count.div_ceil(10);
        bare.extend(raw_log(
            &directory.path().join(format!("raw-{round}")),
            &raw[from..from + part.len()],
        ));
    }
    let raw_rate = rate(count, bare.iter().sum());
    compare("durable single rows, one thread", count, ours, bare);
    let threads = 8;
    let time = timed(|| {
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (table, rows) = (&table, &rows);
                scope.spawn(move || {
                    for row in rows.iter().cycle().skip(thread).take(rows.len()) {
                        table.append(row).expect("an append");
                    }
                });
            }
        });
    });
    let total = threads * rows.len();
    println!(
        "durable single rows, eight threads: {:.0} rows/s; {:.2} x the bare log with one",
        rate(total, time),
        rate(total, time) / raw_rate
    );
}

fn buffered_batches() {
    let rows = 1000;
    let day = arrivals(size(3_000_000, 5_000), 100);
    let directory = scratch();
    let (_db, table) = table(directory.path(), Durability::Buffered, 4 << 30);
    table.append(&day.slice(0, 100)).expect("the symbols");
    let batches: Vec<RecordBatch> = (0..day.num_rows() / rows)
        .map(|at| day.slice(at * rows, rows))
        .collect();
    let times: Vec<Duration> = batches
        .iter()
        .map(|batch| {
            timed(|| {
                table.append(batch).expect("an append");
            })
        })
        .collect();
    let total = times.iter().sum();
    let (p50, p99) = percentiles(times);
    println!(
        "buffered appends of 1,000 rows: {:.2} M rows/s (p50 {p50:.0} us, p99 {p99:.0} us)",
        rate(batches.len() * rows, total) / 1e6
    );
}

fn buffered_rows() {
    let day = arrivals(size(200_000, 1_000), 100);
    let directory = scratch();
    let (_db, table) = table(directory.path(), Durability::Buffered, 4 << 30);
    table.append(&day.slice(0, 100)).expect("the symbols");
    let rows: Vec<RecordBatch> = (0..day.num_rows()).map(|at| day.slice(at, 1)).collect();
    let time = timed(|| {
        for row in &rows {
            table.append(row).expect("an append");
        }
    });
    println!(
        "buffered appends of one row: {:.0} rows/s",
        rate(rows.len(), time)
    );
}

fn row_writer() {
    let count = size(4_000_000, 10_000);
    let day = arrivals(count, 100);
    let ts = day.column(0).as_primitive::<TimestampNanosecondType>();
    let sym = day.column(1).as_dictionary::<UInt32Type>();
    let names = sym.values().as_string::<i32>();
    let price = day.column(2).as_primitive::<Float64Type>();
    let size = day.column(3).as_primitive::<Int32Type>();
    let side = day.column(4).as_primitive::<Int8Type>();
    let directory = scratch();
    let (_db, table) = table(directory.path(), Durability::Interval(10), 4 << 30);
    let mut writer = table.writer().expect("a row writer");
    let time = timed(|| {
        for at in 0..day.num_rows() {
            writer
                .row()
                .ts(ts.value(at))
                .sym(names.value(sym.keys().value(at) as usize))
                .f64(price.value(at))
                .i32(size.value(at))
                .i32(side.value(at).into())
                .sym("X1")
                .sym("C1")
                .end()
                .expect("a row");
        }
        writer.flush().expect("the last rows");
    });
    println!(
        "single rows through the row writer, Interval(10): {:.2} M rows/s",
        rate(day.num_rows(), time) / 1e6
    );
}

/// Appends go on while a memtable of many rows is sorted and written.
fn roll() {
    let rows = 1000;
    let day = arrivals(size(10_000_000, 10_000), 500);
    let directory = scratch();
    let (db, table) = table(directory.path(), Durability::Buffered, 8 << 30);
    let batches: Vec<RecordBatch> = (0..day.num_rows() / rows)
        .map(|at| day.slice(at * rows, rows))
        .collect();
    for batch in &batches {
        table.append(batch).expect("an append");
    }
    // What the machine does to the same appends without a roll.
    let alone = std::cell::Cell::new(2000);
    let quiet = stalls(&table, &batches, || alone.replace(alone.get() - 1) == 0);
    let is_done = AtomicBool::new(false);
    let (flush, during) = std::thread::scope(|scope| {
        let flusher = scope.spawn(|| {
            let time = timed(|| db.flush().expect("a flush"));
            is_done.store(true, Ordering::Release);
            time
        });
        let during = stalls(&table, &batches, || is_done.load(Ordering::Acquire));
        (flusher.join().expect("the flush"), during)
    });
    let longest = |times: &[Duration]| times.iter().max().map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "roll of {} rows: {:.2} s; {} rows appended meanwhile, longest {:.2} ms (without a roll {:.2} ms)",
        day.num_rows(),
        flush.as_secs_f64(),
        during.len() * rows,
        longest(&during),
        longest(&quiet)
    );
    let (p50, p99) = percentiles(during);
    println!("appends during the roll: p50 {p50:.0} us, p99 {p99:.0} us");
}

/// The time of each append, one every half millisecond, until something is done.
fn stalls(table: &Table, batches: &[RecordBatch], is_done: impl Fn() -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    for batch in batches.iter().cycle().take_while(|_| !is_done()) {
        times.push(timed(|| {
            table.append(batch).expect("an append");
        }));
        std::thread::sleep(Duration::from_micros(500));
    }
    times
}

/// 1 % of a finished day comes late; then one symbol's day is read.
fn late_rows() {
    let day = sorted_day(0, size(4_000_000, 20_000), 100);
    let mut random = Random(11);
    let (mut late, mut rest) = (Vec::new(), Vec::new());
    for row in 0..day.num_rows() as u32 {
        if random.below(100) == 0 {
            late.push(row)
        } else {
            rest.push(row)
        }
    }
    for at in (1..late.len()).rev() {
        late.swap(at, random.below(at as u64 + 1) as usize);
    }
    let (rest, late) = (take(&day, &rest), take(&day, &late));
    let directory = scratch();
    let (db, table) = table(directory.path(), Durability::Sync, 1 << 30);
    table.write([rest]).expect("the day");
    let query = || {
        let mut times: Vec<Duration> = (0..size(51, 3))
            .map(|_| {
                timed(|| {
                    let scan = table.scan().expect("a scan").series([data::symbol(0)]);
                    let scan = scan.between(FIRST_DAY, FIRST_DAY + DAY_NS);
                    let rows: usize = scan
                        .collect()
                        .expect("rows")
                        .iter()
                        .map(RecordBatch::num_rows)
                        .sum();
                    assert!(rows > 0, "the symbol traded");
                })
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    let before = query();
    let commit = timed(|| {
        table.append(&late).expect("late rows");
    });
    let first = timed(|| {
        let scan = table.scan().expect("a scan").series([data::symbol(0)]);
        drop(scan.collect().expect("rows"));
    });
    let streamed = query();
    db.flush().expect("a flush");
    let flushed = query();
    db.compact("trade").expect("a compaction");
    let folded = query();
    println!(
        "{} late rows into a day of {}: committed in {:.1} ms; one symbol's day {before:.0} us before, first read after \
         {:.1} ms, then {streamed:.0} us from memory ({:.2} x), {flushed:.0} us flushed ({:.2} x), {folded:.0} us folded in ({:.2} x)",
        late.num_rows(),
        day.num_rows(),
        commit.as_secs_f64() * 1e3,
        first.as_secs_f64() * 1e3,
        streamed / before,
        flushed / before,
        folded / before
    );
}

/// Ten minutes of one symbol, asked for again and again, while nothing else runs and while history is loaded and
/// compacted.
fn under_load() {
    let directory = scratch();
    let (db, table) = table(directory.path(), Durability::Sync, 1 << 30);
    table
        .write([sorted_day(0, size(4_000_000, 20_000), 100)])
        .expect("a day");
    let history: Vec<RecordBatch> = (1..4)
        .map(|day| sorted_day(day, size(2_000_000, 10_000), 100))
        .collect();
    let query = |random: &mut Random| {
        let start = FIRST_DAY + 50_000_000_000_000 + random.below(20_000_000_000_000) as i64;
        let series = data::symbol(random.below(100) as usize);
        timed(|| {
            let scan = table.scan().expect("a scan").series([series.as_str()]);
            drop(
                scan.between(start, start + 600_000_000_000)
                    .collect()
                    .expect("rows"),
            );
        })
    };
    let measure = |random: &mut Random, until: &dyn Fn(usize) -> bool| {
        let mut times = Vec::new();
        while !until(times.len()) {
            times.push(query(random));
            std::thread::sleep(Duration::from_micros(200));
        }
        percentiles(times)
    };
    let mut random = Random(5);
    let count = size(20_000, 50);
    let idle = measure(&mut random, &|done| done >= count);
    let is_done = AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..size(3, 1) {
                for day in &history {
                    table.write([day.clone()]).expect("a day of history");
                }
                db.compact("trade").expect("a compaction");
            }
            is_done.store(true, Ordering::Release);
        });
        measure(&mut random, &|_| is_done.load(Ordering::Acquire))
    });
    println!(
        "a ten-minute query: idle p50 {:.0} us, p99 {:.0} us; while history is loaded and compacted p50 {:.0} us, p99 \
         {:.0} us; p99 {:.2} x",
        idle.0,
        idle.1,
        busy.0,
        busy.1,
        busy.1 / idle.1
    );
}

/// A day in 24 rolls.
fn amplification() {
    let day = arrivals(size(4_000_000, 24_000), 100);
    let directory = scratch();
    let (db, table) = table(directory.path(), Durability::Buffered, 4 << 30);
    let rows = day.num_rows() / 24;
    for hour in 0..24 {
        for at in (0..rows).step_by(1000) {
            let part = day.slice(hour * rows + at, 1000.min(rows - at));
            table.append(&part).expect("an append");
        }
        db.flush().expect("a flush");
    }
    let rolled = db.write_stats().write_amplification().unwrap_or_default();
    db.compact("trade").expect("a compaction");
    let stats = db.write_stats();
    println!(
        "24 rolls and one segment of the day: {} MB streamed, {} MB log, {} MB flushed, {} MB compacted; {rolled:.2} bytes written \
         for each before it, {:.2} with it",
        stats.streamed_bytes >> 20,
        stats.wal_bytes >> 20,
        stats.flushed_bytes >> 20,
        stats.compacted_bytes >> 20,
        stats.write_amplification().unwrap_or_default()
    );
}

/// A copy of the database without its process, opened: what a crash leaves.
fn recovery() {
    let rows = 1000;
    let day = arrivals(size(10_000_000, 10_000), 500);
    let directory = scratch();
    let (db, table) = table(directory.path(), Durability::Buffered, 8 << 30);
    for at in 0..day.num_rows() / rows {
        table.append(&day.slice(at * rows, rows)).expect("an append");
    }
    db.sync().expect("a sync");
    let copy = directory.path().join("copy.db");
    copy_directory(&directory.path().join("live.db"), &copy);
    let start = Instant::now();
    let recovered = Database::builder(&copy)
        .maintenance(Maintenance::Manual)
        .open()
        .expect("recovery");
    let time = start.elapsed();
    let count = recovered.table("trade").expect("the table").rows().expect("rows");
    println!("recovery of {count} streamed rows: {:.2} s", time.as_secs_f64());
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
