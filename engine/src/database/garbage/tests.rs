//! What the garbage collection removes of coverage, and what it leaves.
//!
//! When this breaks, ranges that were stated are gaps again, or files stay for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_format::{CoverageKey, CoverageRecord, CoverageState};

use crate::coverage::{COVERAGE_DIRECTORY, CoverageRange, write_coverage};
use crate::database::Database;
use crate::io::{LockMode, MemoryStorage, RelPath, Storage};
use crate::{Attestation, TableSpec};

fn open(storage: &MemoryStorage) -> Database {
    Database::builder("memory")
        .maintenance(crate::Maintenance::Manual)
        .storage(Arc::new(storage.clone()))
        .open()
        .expect("a database in memory")
}

/// A database with two tables of which something is covered, in files.
fn database(storage: &MemoryStorage) -> Database {
    let db = open(storage);
    for name in ["trade", "quote"] {
        let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let schema = Schema::new(vec![Field::new("ts", time, false)]);
        let table = db.create_table(&TableSpec::new(name, schema).time("ts"));
        table
            .expect("the name is free")
            .attest([Attestation::new(0..10).source("vendor")])
            .expect("a statement");
    }
    db.flush().expect("a flush");
    db
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a sound path")
}

fn coverage_files(storage: &MemoryStorage, table: &str) -> Vec<String> {
    let directory = path(&format!("tables/{table}/{COVERAGE_DIRECTORY}"));
    let entries = storage.list(&directory).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name).collect()
}

fn known(db: &Database, table: &str) -> Vec<CoverageRange> {
    let table = db.table(table).expect("it is there");
    let coverage = table.coverage().expect("sound files");
    coverage.ranges(None, 0, i64::MIN..i64::MAX).expect("no series")
}

/// A statement of no series.
fn statement() -> (CoverageKey, CoverageRecord<'static>) {
    let key = CoverageKey {
        series: None,
        interval: Some(0),
    };
    let record = CoverageRecord {
        start: 0,
        end: 1,
        state: CoverageState::Complete,
        first_commit: 0,
        commit: 0,
        rows: None,
        content: 0,
        fetched_at: 0,
        source: "",
        batch: "",
    };
    (key, record)
}

#[test]
fn a_coverage_file_of_the_dead_goes_and_those_of_the_living_and_of_versions_stay() {
    let storage = MemoryStorage::new();
    let db = database(&storage);
    let named = coverage_files(&storage, "trade");
    assert_eq!(named.len(), 1);
    let pin = path("readers/00000008.pin");
    let alive = storage.lock(&pin, LockMode::Exclusive, false).expect("memory");
    let own = format!("c-{:08x}-ffffff.cov", db.engine().pins().instance());
    let (dead, living) = ("c-00000007-000001.cov", "c-00000008-000001.cov");
    for name in [dead, living, &own] {
        let file = path(&format!("tables/trade/coverage/{name}"));
        storage.create(&file).expect("the name is free");
    }
    let report = db.collect_garbage().expect("a collection");
    assert_eq!((report.files, report.orphans), (1, 0), "{report:?}");
    let mut left = vec![named[0].clone(), living.to_owned(), own];
    left.sort();
    assert_eq!(coverage_files(&storage, "trade"), left);
    drop(alive);
    storage.remove_file(&pin).expect("it is there");
    assert_eq!(db.collect_garbage().expect("a collection").files, 1);
    assert_eq!(known(&db, "trade").len(), 1);
}

/// Whoever made a file that a version names is dead sooner or later.
#[test]
fn a_coverage_file_that_is_named_outlives_its_process() {
    let storage = MemoryStorage::new();
    let (files, stated) = {
        let db = database(&storage);
        (coverage_files(&storage, "trade"), known(&db, "trade"))
    };
    // A copy holds no locks, like what a crash leaves.
    let storage = storage.deep_copy();
    let db = open(&storage);
    db.collect_garbage().expect("a collection");
    assert_eq!(coverage_files(&storage, "trade"), files);
    assert_eq!(known(&db, "trade"), stated);
}

#[test]
fn strange_names_among_coverage_files_are_left_alone() {
    let storage = MemoryStorage::new();
    let db = database(&storage);
    let strange = [
        "notes.txt",
        "c-7-000001.cov",
        "c-00000007-xyz.cov",
        "c-00000007-000001.cov.tmp",
        "c-00000007.cov",
        "s-00000007-000001",
    ];
    for name in strange {
        let file = path(&format!("tables/trade/coverage/{name}"));
        storage.create(&file).expect("the name is free");
    }
    let directory = path("tables/trade/coverage/c-00000007-000002.cov");
    storage.create_dir(&directory).expect("the name is free");
    let elsewhere = path("tables/trade/c-00000007-000001.cov");
    storage.create(&elsewhere).expect("the name is free");
    let before = coverage_files(&storage, "trade");
    db.collect_garbage().expect("a collection");
    assert_eq!(coverage_files(&storage, "trade"), before);
    assert!(storage.stamp(&elsewhere).expect("memory").is_some());
}

#[test]
fn the_coverage_directory_of_a_dropped_table_goes() {
    let storage = MemoryStorage::new();
    let db = database(&storage);
    db.drop_table("trade").expect("it is there");
    db.collect_garbage().expect("a collection");
    let tables = storage.list(&path("tables")).expect("a directory");
    let names: Vec<&str> = tables.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["quote"]);
    assert_eq!(known(&db, "quote").len(), 1);
}

#[test]
fn coverage_that_a_snapshot_needs_stays_until_the_snapshot_goes() {
    let storage = MemoryStorage::new();
    let db = database(&storage);
    db.create_snapshot("month end").expect("a snapshot");
    db.drop_table("trade").expect("it is there");
    db.collect_garbage().expect("a collection");
    assert_eq!(coverage_files(&storage, "trade").len(), 1);
    let kept = db.as_of("month end").expect("a snapshot");
    let coverage = kept.coverage("trade").expect("the file is there");
    let ranges = coverage.ranges(None, 0, 0..100).expect("no series");
    assert_eq!(ranges.len(), 1);
    drop((kept, coverage));
    db.drop_snapshot("month end").expect("it is there");
    db.collect_garbage().expect("a collection");
    assert_eq!(coverage_files(&storage, "trade"), Vec::<String>::new());
    assert!(storage.stamp(&path("tables/trade")).expect("memory").is_none());
}

#[test]
fn a_coverage_file_that_is_not_committed_yet_stays_and_goes_when_it_is_given_up() {
    let storage = MemoryStorage::new();
    let db = database(&storage);
    let (key, record) = statement();
    let new = write_coverage(db.engine(), (0, "trade"), &[(key, vec![record])]).expect("a file");
    db.collect_garbage().expect("a collection");
    assert_eq!(coverage_files(&storage, "trade").len(), 2);
    drop(new);
    assert_eq!(coverage_files(&storage, "trade").len(), 1);
}

#[test]
fn a_coverage_file_is_written_though_its_empty_directory_is_removed_again_and_again() {
    let storage = MemoryStorage::new();
    let db = database(&storage);
    let directory = path(&format!("tables/late/{COVERAGE_DIRECTORY}"));
    let (is_over, both) = (AtomicBool::new(false), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            both.wait();
            while !is_over.load(Ordering::Relaxed) {
                // As a collection does that has just found it empty.
                let _ = storage.remove_dir(&directory);
            }
        });
        both.wait();
        let written = (0..20_000).try_for_each(|_| {
            let (key, record) = statement();
            // Dropped at once, which removes it: the directory is empty again.
            write_coverage(db.engine(), (9, "late"), &[(key, vec![record])]).map(drop)
        });
        is_over.store(true, Ordering::Relaxed);
        written.expect("a file each time");
    });
}
