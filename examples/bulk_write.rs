//! Times a durable bulk write of Parquet files that were read into memory before: one commit for each table.
//!
//! ```text
//! cargo run --release --example bulk_write -- trade=trade/2026-03-03.parquet quote=quote/2026-03-03.parquet
//! ```
//!
//! The files have a time column `ts` and a series column `sym`. Prints seconds and rows per second of five runs on
//! new databases in the current directory.

use std::path::PathBuf;
use std::time::Instant;

use gapless::arrow::array::RecordBatch;
use gapless::{Database, TableSpec};
use gapless_interchange::{ReadOptions, Source, plan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tables: Vec<(String, Vec<RecordBatch>)> = Vec::new();
    for argument in std::env::args().skip(1) {
        let (name, file) = argument.split_once('=').ok_or("arguments are TABLE=FILE")?;
        let options = ReadOptions {
            time: Some("ts".into()),
            series: Some("sym".into()),
            ..ReadOptions::default()
        };
        let plan = plan(&[PathBuf::from(file)], &options)?;
        let batches = Source::open(&plan, &options)?.collect::<Result<Vec<_>, _>>()?;
        tables.push((name.to_owned(), batches));
    }
    let rows: usize = tables
        .iter()
        .flat_map(|(_, batches)| batches)
        .map(RecordBatch::num_rows)
        .sum();
    for _ in 0..5 {
        let directory = tempfile::tempdir_in(".")?;
        let db = Database::builder(directory.path().join("bulk.db")).open()?;
        let start = Instant::now();
        for (name, batches) in &tables {
            let schema = batches.first().ok_or("an empty file")?.schema();
            let table = db.create_table(
                &TableSpec::new(name, schema.as_ref().clone())
                    .time("ts")
                    .series("sym"),
            )?;
            table.write(batches.iter().cloned())?;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{rows} rows in {seconds:.4} s, {:.2} M rows/s",
            rows as f64 / seconds / 1e6
        );
    }
    Ok(())
}
