//! The power goes while commits are acknowledged that nobody has asked to be durable: a prefix of them is left.

use std::sync::Arc;

use gapless::io::{FaultyStorage, Storage};
use gapless::{Database, Durability, Result};

use super::script::rows_of;
use crate::common::{batch, rows, spec};

const COMMITS: i64 = 24;
const ROWS: i64 = 30;

/// Memtables are sealed all the time and never flushed: the log has many files.
fn open(storage: &Arc<dyn Storage>) -> Result<Database> {
    Database::builder("faulty")
        .durability(Durability::Buffered)
        .maintenance(gapless::Maintenance::Manual)
        .flush_bytes(12_000)
        .storage(Arc::clone(storage))
        .open()
}

/// Makes the table durable, then appends; the commits up to `synced` are made durable together.
fn run(storage: &Arc<dyn Storage>, synced: i64) -> Result<()> {
    let db = open(storage)?;
    let table = db.create_table(&spec("trade"))?;
    table.append(&batch(&rows_of(0, 2, ROWS)))?;
    db.sync()?;
    for commit in 1..COMMITS {
        table.append(&batch(&rows_of(commit * 1000, 2, ROWS)))?;
        if commit == synced {
            db.sync()?;
        }
    }
    std::mem::forget(db); // Its end would flush.
    Ok(())
}

#[test]
fn a_power_cut_leaves_a_prefix_of_buffered_commits() {
    let (mut images, mut lengths) = (0, std::collections::BTreeSet::new());
    for synced in [0, 5, COMMITS - 1] {
        let faulty = FaultyStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        run(&storage, synced).expect("a sound disk");
        for image in faulty.crashed_images(synced as u64, 400) {
            let origin = image.origin().to_owned();
            let storage: Arc<dyn Storage> = Arc::new(FaultyStorage::over(image));
            let db = open(&storage).unwrap_or_else(|error| panic!("{error:?}\n  disk: {origin}"));
            let read = db
                .table("trade")
                .expect("the table")
                .scan()
                .expect("a scan")
                .collect();
            let mut ids: Vec<i64> = rows(&read.expect("rows")).iter().map(|row| row.id).collect();
            ids.sort_unstable();
            let commits = ids.len() as i64 / ROWS;
            let expected: Vec<i64> = (0..commits)
                .flat_map(|commit| (0..ROWS).map(move |at| commit * 1000 + at))
                .collect();
            assert_eq!(ids, expected, "{origin}");
            assert!(
                commits > synced,
                "{commits} commits, {synced} were durable: {origin}"
            );
            lengths.insert(commits);
            images += 1;
        }
    }
    println!("{images} states of the disk, between {lengths:?} of {COMMITS} commits left");
    assert!(lengths.len() > 3, "{lengths:?}");
}
