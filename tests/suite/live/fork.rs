//! A process that forks with a database open: the child is refused, and whatever it drops leaves its parent unharmed.
//!
//! Failed once: a child that dropped its copies removed its parent's pin, spill files and segments under way.
//!
//! The fork happens in a process of its own (`live::child`), because the harness has threads that the child would
//! lack. The child of the fork writes what it met to a file.

use std::path::Path;
use std::time::{Duration, Instant};

use fork::{Fork, fork};
use gapless::{Database, Durability, Error, Maintenance, Mode, WriteOptions};

use super::child::start;
use super::model::{Commits, judge, read, row, rows_of};
use crate::common::{batch, spec};
use crate::concurrent::child::say;

const CHILD_TIME: Duration = Duration::from_secs(20);

fn files(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            found.push(entry.path().display().to_string());
            if entry.path().is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn rows_there(db: &Database) -> i64 {
    let snapshot = db.snapshot().expect("a snapshot");
    let seen = judge(&read(&snapshot, "t", true).expect("rows"), |_| Commits::Any).expect("whole");
    seen.get(&1).copied().unwrap_or(0)
}

fn append(db: &Database, from: i64, rows: i64) -> gapless::Result<()> {
    let rows = batch(&rows_of(1, from, rows));
    db.table("t")?
        .append_with(&rows, Some(Durability::Buffered))
        .map(|_| ())
}

/// The process that forks.
pub fn forking(path: &Path) {
    let open = || {
        Database::builder(path)
            .maintenance(Maintenance::Manual)
            .open()
            .expect("it opens")
    };
    let db = open();
    let table = db.create_table(&spec("t")).expect("a table");
    append(&db, 0, 100).expect("rows");
    db.flush().expect("a flush");
    append(&db, 100, 52).expect("rows in memory");
    let snapshot = db.snapshot().expect("a snapshot");
    let mut writer = table.writer().expect("a row writer");
    let waiting = row(1, 152);
    let new = writer
        .row()
        .ts(waiting.ts)
        .sym(waiting.sym.as_deref().expect("a symbol"))
        .null();
    new.i64(waiting.id).end().expect("a row that waits");
    // Segments that are built and not committed, and rows that are sorted on disk.
    let mut change = db.transaction().expect("a transaction");
    let options = WriteOptions {
        memory_bytes: 0,
        ..WriteOptions::default()
    };
    let parts = (0..3).map(|part| Ok::<_, Error>(batch(&rows_of(1, 153 + part * 3000, 3000))));
    change.write("t", parts, &options).expect("segments");
    let before = files(path);
    let report = path.with_extension("report");
    match fork().expect("a fork") {
        Fork::Child => {
            let refused = [
                ("append", append(&db, 9999, 1).err()),
                ("table.write", table.write([batch(&rows_of(1, 9999, 1))]).err()),
                ("row writer", writer.flush().err()),
                ("transaction", db.transaction().err()),
                ("commit", change.commit().err()),
                ("scan", table.scan().err()),
                ("scan of a snapshot", snapshot.scan("t").err()),
                ("snapshot", db.snapshot().err()),
                ("flush", db.flush().err()),
                ("compact", db.compact("t").err()),
                ("collect garbage", db.collect_garbage().err()),
            ];
            drop((snapshot, writer, table, db));
            let mut text = String::new();
            for (what, error) in refused {
                let error = error.map_or("NOT REFUSED".to_owned(), |error| format!("{error:?}"));
                text.push_str(&format!("{what}: {error}\n"));
            }
            // A handle of its own is as good as any other process's.
            let own = Database::builder(path).mode(Mode::Read).open();
            let rows = own.and_then(|own| own.table("t")?.rows());
            text.push_str(&format!("own: {rows:?}\n"));
            std::fs::write(report.with_extension("new"), text).expect("a report");
            std::fs::rename(report.with_extension("new"), &report).expect("a report");
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            let since = Instant::now();
            while !report.exists() && since.elapsed() < CHILD_TIME {
                std::thread::sleep(Duration::from_millis(5));
            }
            let is_over = report.exists();
            let _ = std::process::Command::new("kill")
                .args(["-9", &child.to_string()])
                .status();
            fork::waitpid(child).expect("the child is reaped");
            assert!(is_over, "the child of the fork hangs");
        }
    }
    for line in std::fs::read_to_string(&report).expect("a report").lines() {
        say(line);
    }
    let left = files(path);
    let gone: Vec<_> = before.iter().filter(|file| !left.contains(file)).collect();
    say(format!("gone: {gone:?}"));
    // The parent goes on: its lock is held, its rows are there, what was under way is committed.
    assert_eq!(rows_there(&db), 152);
    writer.flush().expect("the row that waited");
    change.commit().expect("the transaction that was under way");
    append(&db, 9153, 7).expect("rows");
    assert_eq!(rows_there(&db), 9160);
    drop((snapshot, writer, table, db));
    assert_eq!(rows_there(&open()), 9160);
    let report = gapless::check::check_database(path, &Default::default()).expect("a check");
    assert!(report.is_clean(), "{:#?}", report.findings);
    say("parent whole");
}

#[test]
fn a_forked_child_is_refused_and_its_parent_is_unharmed() {
    let directory = tempfile::tempdir().expect("a directory");
    let lines = start("fork", &directory.path().join("db"), 0).rest();
    println!("{lines:#?}");
    assert_eq!(lines.len(), 14, "{lines:#?}");
    let (refused, rest) = lines.split_at(11);
    for line in refused {
        assert!(
            line.contains("of which this one is a fork") && line.contains("Invalid"),
            "not refused, or not clearly: {line}"
        );
    }
    assert_eq!(rest, ["own: Ok(152)", "gone: []", "parent whole"]);
}
