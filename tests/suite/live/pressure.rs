//! Memory and disk that run out under a stream of rows: what was acknowledged stays, what was refused is not half there,
//! and everything goes on when there is room again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gapless::io::{Fault, FaultPlan, FaultyStorage, Storage};
use gapless::{Builder, Database, Durability, ErrorKind, Maintenance, WriteOptions};

use super::model::{Commits, judge, read, rows_of};
use crate::common::{batch, spec};
use crate::full_disk::Mount;

const MEMORY: usize = 100_000;

fn rows_there(db: &Database) -> i64 {
    let snapshot = db.snapshot().expect("a snapshot");
    let found = read(&snapshot, "t", true).expect("the rows");
    let seen = judge(&found, |_| Commits::Any).expect("rows without holes");
    seen.get(&1).copied().unwrap_or(0)
}

fn append(db: &Database, from: i64, rows: i64) -> gapless::Result<()> {
    let table = db.table("t")?;
    table
        .append_with(&batch(&rows_of(1, from, rows)), Some(Durability::Buffered))
        .map(|_| ())
}

/// Appends until it is refused: rows that were acknowledged, and the refusal.
fn fill(db: &Database, from: i64, limit: i64) -> (i64, Option<gapless::Error>) {
    let mut number = from;
    while number < limit {
        if let Err(error) = append(db, number, 100) {
            return (number, Some(error));
        }
        number += 100;
    }
    (number, None)
}

fn small(path: impl AsRef<Path>) -> Builder {
    Database::builder(path.as_ref())
        .memory_bytes_max(MEMORY)
        .flush_bytes(MEMORY / 4)
}

#[test]
fn without_background_work_a_full_memory_is_refused_and_nothing_is_half_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let db = small(&path)
        .maintenance(Maintenance::Manual)
        .open()
        .expect("a new database");
    for table in ["t", "other"] {
        db.create_table(&spec(table)).expect("a table");
    }
    let mut number = 0;
    for round in 0..4 {
        let (reached, error) = fill(&db, number, i64::MAX);
        assert!(reached > number, "round {round}");
        number = reached;
        let error = error.expect("memory is full");
        assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
        for part in ["call flush()", "Nothing was written", &MEMORY.to_string()] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(db.memory_bytes() <= MEMORY, "{} bytes", db.memory_bytes());
        let mut both = db.transaction().expect("a transaction");
        for table in ["t", "other"] {
            let rows = [Ok::<_, gapless::Error>(batch(&rows_of(1, number, 100)))];
            both.write(table, rows, &WriteOptions::default()).expect("rows");
        }
        assert_eq!(both.commit().expect_err("full").kind(), ErrorKind::Overloaded);
        assert_eq!(rows_there(&db), number, "what was refused is not there");
        assert_eq!(db.table("other").expect("it").rows().expect("rows"), 0);
        db.flush().expect("a flush");
        assert_eq!(db.memory_bytes(), 0);
        assert_eq!(rows_there(&db), number);
    }
    drop(db);
    let db = small(&path).open().expect("the database opens");
    assert_eq!(rows_there(&db), number);
}

#[test]
fn with_background_work_appends_go_on_and_memory_stays_below_its_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let bound = 10 * MEMORY;
    let db = small(&path)
        .memory_bytes_max(bound)
        .flush_bytes(bound / 4)
        .open()
        .expect("a new database");
    db.create_table(&spec("t")).expect("a table");
    let (done, threads, each) = (AtomicBool::new(false), 3, 30_000);
    let most = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let (mut most, mut samples) = (0, 0_u64);
            while !done.load(Ordering::Acquire) {
                most = most.max(db.memory_bytes());
                samples += 1;
                std::thread::yield_now();
            }
            println!("{samples} samples, at most {most} bytes of {bound}");
            most
        });
        let writers: Vec<_> = (1..=threads)
            .map(|writer| {
                let db = &db;
                scope.spawn(move || {
                    let table = db.table("t").expect("the table");
                    for from in (0..each).step_by(300) {
                        let rows = batch(&rows_of(writer, from, 300));
                        table
                            .append_with(&rows, Some(Durability::Buffered))
                            .expect("an append waits for a flush");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        done.store(true, Ordering::Release);
        sampler.join().expect("no panic")
    });
    assert!(most <= bound, "{most} bytes in memory, {bound} are allowed");
    let snapshot = db.snapshot().expect("a snapshot");
    let seen = judge(&read(&snapshot, "t", true).expect("rows"), |_| Commits::Any).expect("whole");
    assert_eq!(seen, (1..=threads).map(|writer| (writer, each)).collect());
}

#[test]
fn a_flush_onto_a_full_disk_keeps_the_rows_and_goes_on_when_there_is_space() {
    for round in 0..12 {
        let faulty = FaultyStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        let open = || {
            small("full")
                .maintenance(Maintenance::Manual)
                .storage(Arc::clone(&storage))
                .open()
        };
        let db = open().expect("a new database");
        db.create_table(&spec("t")).expect("a table");
        let (mut number, error) = fill(&db, 0, i64::MAX);
        assert_eq!(error.expect("memory is full").kind(), ErrorKind::Overloaded);
        // From some call of the flush on nothing can be written.
        faulty.set_plan(Some(FaultPlan::forever(
            faulty.calls() + 1 + round * 3,
            Fault::NoSpace,
        )));
        let flushed = db.flush();
        if let Err(error) = &flushed {
            assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
            assert_eq!(rows_there(&db), number, "round {round}: everything is still read");
            let error = append(&db, number, 100).expect_err("there is no room");
            assert!(
                matches!(error.kind(), ErrorKind::Overloaded | ErrorKind::Io),
                "round {round}: {error:?}"
            );
            assert!(
                error.to_string().contains("planned fault"),
                "round {round}: the reason is in the refusal: {error}"
            );
        }
        assert_eq!(rows_there(&db), number);
        faulty.set_plan(None);
        match db.flush() {
            Ok(()) => {
                append(&db, number, 100).expect("there is room again");
                number += 100;
            }
            // The commit may have happened: only a new process can tell.
            Err(error) => assert!(
                error.to_string().contains("open the database again"),
                "round {round}: {error}"
            ),
        }
        assert_eq!(rows_there(&db), number);
        drop(db);
        let db = open().expect("the database opens");
        assert_eq!(rows_there(&db), number, "round {round}: after reopening");
        db.collect_garbage().expect("garbage is collected");
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_no_row() {
    let Some(mount) = Mount::new("8m") else {
        println!("SKIPPED: a_disk_that_is_full_for_a_while_costs_no_row needs root, to mount a small tmpfs");
        return;
    };
    let path = mount.path().join("db");
    let open = || {
        Database::builder(&path)
            .memory_bytes_max(1 << 20)
            .flush_bytes(1 << 18)
            .back_pressure_ms(300)
            .open()
            .expect("the database opens")
    };
    let db = open();
    db.create_table(&spec("t")).expect("a table");
    let (mut number, error) = fill(&db, 0, 5000);
    assert!(error.is_none(), "{error:?}");
    for round in 0..3 {
        // Another program takes what is left.
        let hog = mount.path().join("hog");
        let mut bytes = 8 << 20;
        while bytes > 0 && std::fs::write(&hog, vec![1; bytes]).is_err() {
            bytes -= 4096;
        }
        let (reached, error) = fill(&db, number, number + 100_000);
        let error = error.expect("a full disk refuses in the end");
        assert!(
            matches!(error.kind(), ErrorKind::Overloaded | ErrorKind::Io)
                && error.to_string().contains("space"),
            "round {round}: {error:?}"
        );
        number = reached;
        assert_eq!(
            rows_there(&db),
            number,
            "round {round}: what was acknowledged is there, and nothing else"
        );
        std::fs::remove_file(&hog).expect("space is freed");
        db.flush().expect("there is space again");
        let (reached, error) = fill(&db, number, number + 2000);
        assert!(error.is_none(), "round {round}: {error:?}");
        number = reached;
        assert_eq!(rows_there(&db), number);
    }
    drop(db);
    assert_eq!(rows_there(&open()), number);
    println!("{number} rows over 3 full disks");
}

/// Failed once: a flush also waited for what was appended while it ran, so it never returned under a steady stream.
#[test]
fn a_flush_returns_while_others_append_without_a_pause() {
    for maintenance in [Maintenance::Manual, Maintenance::Background] {
        let directory = tempfile::tempdir().expect("a directory");
        let db = Database::builder(directory.path().join("db"))
            .maintenance(maintenance)
            .flush_bytes(4_000)
            .without_sync()
            .open()
            .expect("a new database");
        db.create_table(&spec("t")).expect("a table");
        let is_flushed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let appender = scope.spawn(|| {
                let (since, mut number) = (Instant::now(), 0);
                // Faster than any flush, until the flush is over.
                while !is_flushed.load(Ordering::Acquire) {
                    assert!(
                        since.elapsed() < Duration::from_secs(60),
                        "{maintenance:?}: the flush goes on and on"
                    );
                    append(&db, number, 100).expect("rows");
                    number += 100;
                    std::thread::sleep(Duration::from_micros(500));
                }
            });
            while db.memory_bytes() < 50_000 && !appender.is_finished() {
                std::thread::yield_now();
            }
            db.flush().expect("a flush");
            is_flushed.store(true, Ordering::Release);
            appender.join().expect("the flush returned in time");
        });
    }
}
