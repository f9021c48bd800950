//! Writes a table with ten million symbols (or as many as asked for) and times what a user waits for.
//!
//! ```text
//! cargo run --release --example many_symbols -- 10000000
//! ```

use std::sync::Arc;
use std::time::Instant;

use gapless::arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use gapless::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use gapless::{Database, TableSpec};

/// Resident memory of this process, in MiB.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: i64 = std::env::args()
        .nth(1)
        .map_or(Ok(10_000_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("symbols.db");
    let schema = Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("sym", DataType::Utf8, false),
    ]));
    {
        let db = Database::builder(&path).open()?;
        let table = db.create_table(
            &TableSpec::new("t", schema.as_ref().clone())
                .time("ts")
                .series("sym"),
        )?;
        let step = 1_000_000;
        let batches = (0..count).step_by(step).map(|first| {
            let end = count.min(first + step as i64);
            let columns: [ArrayRef; 2] = [
                Arc::new(TimestampNanosecondArray::from_iter_values(first..end).with_timezone("UTC")),
                Arc::new(StringArray::from_iter_values(
                    (first..end).map(|number| format!("ID{number:08}")),
                )),
            ];
            RecordBatch::try_new(Arc::clone(&schema), columns.to_vec())
                .map_err(|error| gapless::Error::internal(error.to_string()))
        });
        let start = Instant::now();
        table.write_with(batches, &gapless::WriteOptions::default())?;
        println!(
            "write {count} rows with a symbol each: {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    let before = resident_mib();
    let start = Instant::now();
    let db = Database::builder(&path).open()?;
    let table = db.table("t")?;
    println!("open: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    let name = format!("ID{:08}", count / 2);
    for times in ["first", "second"] {
        let start = Instant::now();
        let rows = table.scan()?.series([name.as_str()]).count()?;
        println!(
            "{times} query of one series: {:.2} ms, {rows} row",
            start.elapsed().as_secs_f64() * 1e3
        );
    }
    let domain = db.domain("sym")?;
    println!(
        "domain: {} symbols, {:.0} MiB",
        domain.len(),
        domain.memory_bytes() as f64 / 1048576.0
    );
    for number in 0..20 {
        table.scan()?.series([format!("ID{number:08}")]).count()?;
    }
    let start = Instant::now();
    table.scan()?.series([name.as_str()]).count()?;
    println!(
        "query with the hash index: {:.3} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    println!(
        "domain with the index: {:.0} MiB; process grew by {:.0} MiB",
        domain.memory_bytes() as f64 / 1048576.0,
        resident_mib() - before
    );
    Ok(())
}
