//! The answers of the reference that the comparison in `benches/compare` checks every engine with.
//!
//! - Data and reference answers are made by that folder's own programs: `cargo xtask test` has them made in `target/peers` when
//!   a Python with its packages is there. Without one the test says so and passes.
//! - Scale S: 1 M trades, 4 M quotes, 4.1 M bars.

mod checksum;
mod parameters;
mod queries;

use std::path::{Path, PathBuf};

use gapless::{Database, PartitionUnit, TableSpec, WriteOptions};
use gapless_interchange::{ReadOptions, Source, plan};

use checksum::{checksum, reference};
use parameters::Parameters;
use queries::{Peers, QUERIES};

/// The generated data.
fn data() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/S");
    let folder = std::env::var_os("GAPLESS_PEERS").map_or_else(default, PathBuf::from);
    match folder.join("ref/Q16.parquet").is_file() {
        true => Some(folder),
        false => {
            println!(
                "skipped: there is no {} (made by cargo xtask test)",
                folder.display()
            );
            None
        }
    }
}

/// Writes the generated files of a table into a database.
fn import(db: &Database, data: &Path, table: &str, series: &str, unit: PartitionUnit) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data.join(table))
        .expect("a folder of the table")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let options = ReadOptions {
        time: Some("ts".to_string()),
        series: Some(series.to_string()),
        ..ReadOptions::default()
    };
    let plan = plan(&files, &options).unwrap_or_else(|error| panic!("{error}"));
    let spec = TableSpec::new(table, plan.schema.as_ref().clone())
        .time("ts")
        .series(series)
        .partition(unit);
    let table = db.create_table(&spec).expect("a table");
    let source = Source::open(&plan, &options).expect("the files open");
    let batches = source.map(|batch| batch.map_err(|error| gapless::Error::invalid(error.to_string())));
    table
        .write_with(batches, &WriteOptions::default())
        .expect("the rows are written");
}

#[test]
fn answers_are_those_of_the_engines_that_gapless_is_compared_with() {
    let Some(data) = data() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("peers.db"))
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a database");
    import(&db, &data, "trade", "sym", PartitionUnit::Day);
    import(&db, &data, "quote", "sym", PartitionUnit::Day);
    import(&db, &data, "bar1m", "node", PartitionUnit::Month);
    let peers = Peers::open(&db, Parameters::read(&data));
    let mut wrong = Vec::new();
    for (name, columns) in QUERIES {
        let answer = peers
            .query(name)
            .collect()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (ours, theirs) = (
            checksum(&answer, columns),
            checksum(&reference(&data, name), columns),
        );
        if ours != theirs {
            wrong.push(format!("{name}: {ours}, not {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
