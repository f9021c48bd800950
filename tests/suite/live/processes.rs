//! Processes that stream, bulk-load, compact and read one database, and are killed or stopped at any moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gapless::{Database, Maintenance};

use super::child::{BULK_FROM, commits_of, look, start};
use super::model::{Dice, Seen, soak_seconds, went_back};
use crate::common::spec;
use crate::concurrent::child::Process;

/// Rows that a writer was heard to acknowledge.
type Heard = Arc<Mutex<BTreeMap<i64, i64>>>;

/// A writing process and the thread that listens to it.
struct Writer {
    number: i64,
    id: u32,
    listener: std::thread::JoinHandle<()>,
}

impl Writer {
    fn start(path: &Path, number: i64, heard: &Heard) -> Self {
        let mut process = start("stream", path, number as u64);
        let (id, heard) = (process.child.id(), Arc::clone(heard));
        let listener = std::thread::spawn(move || {
            while let Some(line) = process.line() {
                // What else is said is a panic, of which the judge will hear from the missing rows.
                let rows = line
                    .parse()
                    .unwrap_or_else(|_| panic!("writer {number} says {line:?}"));
                heard.lock().expect("no panic").insert(number, rows);
            }
            let status = process.child.wait().expect("a status");
            assert_eq!(status.code(), None, "writer {number} ended by itself: {status}");
        });
        Self { number, id, listener }
    }

    fn signal(&self, name: &str) {
        signal(self.id, name);
    }

    fn kill(self) {
        self.signal("-KILL");
        self.listener
            .join()
            .expect("the writer was whole until it was killed");
    }
}

fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([name, &id.to_string()]).status();
    assert!(sent.expect("kill").success(), "{name} to {id}");
}

fn rows_of(heard: &Heard) -> Seen {
    heard.lock().expect("no panic").clone()
}

fn check_heard(found: &Seen, heard: &Seen, when: &str) {
    assert_eq!(
        went_back(heard, found),
        None,
        "acknowledged rows are not there {when}"
    );
}

fn streams(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.join("wal")).expect("wal/");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn create(path: &Path) {
    let db = Database::builder(path).open().expect("a new database");
    for table in ["a", "b", "s"] {
        db.create_table(&spec(table)).expect("a table");
    }
}

fn read_only(path: &Path) -> Database {
    let db = Database::builder(path).mode(gapless::Mode::Read).open();
    db.expect("a reader")
}

struct Reader(Process);

impl Reader {
    fn start(path: &Path, number: u64) -> Self {
        let mut process = start("follow", path, number);
        assert_eq!(process.line().as_deref(), Some("ready"));
        Self(process)
    }

    /// Snapshots, and what the last one had.
    fn stop(mut self) -> (u64, Seen) {
        self.0.tell("stop");
        let lines = self.0.rest();
        let (snapshots, rows) = lines.split_first().expect("a number of snapshots");
        let pair = |line: &String| {
            let (writer, rows) = line.split_once(' ').expect("two numbers");
            (writer.parse().expect("a writer"), rows.parse().expect("rows"))
        };
        (
            snapshots.parse().expect("a number"),
            rows.iter().map(pair).collect(),
        )
    }
}

#[test]
fn processes_that_are_killed_at_any_moment_lose_nothing_while_the_others_go_on() {
    let seed = Dice::seed();
    let mut dice = Dice::new(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    create(&path);
    let heard = Heard::default();
    let mut next = 1;
    let mut new_writer = |from: i64| {
        next += 1;
        Writer::start(&path, from + next, &heard)
    };
    let mut writers = vec![new_writer(0), new_writer(0), new_writer(BULK_FROM)];
    let mut compactor = start("compact", &path, 0);
    let readers: Vec<Reader> = (0..2).map(|number| Reader::start(&path, number)).collect();
    let own = read_only(&path);
    let (mut kills, mut looks, mut stops) = (0, 0, 0);
    let end = Instant::now() + soak_seconds(8);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100 + dice.below(400)));
        let victim = dice.below(writers.len() as u64) as usize;
        if dice.below(3) == 0 {
            // One that is stopped in the middle of whatever it does holds up nobody who reads or streams.
            let stopped = &writers[victim];
            stopped.signal("-STOP");
            let before = rows_of(&heard);
            check_heard(&look(&own, false), &before, "while a writer is stopped");
            std::thread::sleep(Duration::from_millis(dice.below(200)));
            stopped.signal("-CONT");
            stops += 1;
        } else {
            let writer = writers.swap_remove(victim);
            let from = if writer.number >= BULK_FROM { BULK_FROM } else { 0 };
            writer.kill();
            kills += 1;
            // The next one that opens recovers the stream of the killed one.
            writers.push(new_writer(from));
        }
        let before = rows_of(&heard);
        check_heard(
            &look(&own, looks % 4 == 0),
            &before,
            "for a reader that was open all the time",
        );
        looks += 1;
    }
    for writer in writers {
        writer.kill();
        kills += 1;
    }
    compactor.child.kill().expect("killed");
    let mut compactions = 0;
    while let Some(line) = compactor.line() {
        compactions += line.parse::<u64>().expect("tasks that were done");
    }
    compactor.child.wait().expect("a status");
    let heard = rows_of(&heard);
    // Only a process that opens for writing recovers; readers see the rows in the logs all the same.
    check_heard(&look(&own, true), &heard, "after all were killed");
    drop(own);
    let mut snapshots = 0;
    let open = || {
        let db = Database::builder(&path).maintenance(Maintenance::Manual).open();
        db.expect("the database opens after all were killed")
    };
    let db = open();
    let found = look(&db, true);
    check_heard(&found, &heard, "after recovery");
    assert_eq!(streams(&path), Vec::<String>::new(), "no stream is left");
    for reader in readers {
        let (seen, rows) = reader.stop();
        snapshots += seen;
        assert_eq!(rows, found, "a reader that was open all the time");
    }
    for table in ["a", "b", "s"] {
        db.compact(table).expect("a compaction");
    }
    db.collect_garbage().expect("garbage is collected");
    assert_eq!(look(&db, true), found, "after a compaction");
    drop(db);
    let report = gapless::check::check_database(&path, &Default::default()).expect("a check");
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    println!(
        "{kills} kills, {stops} stops, {looks} looks, {snapshots} snapshots of readers, {compactions} tasks of \
         maintenance, {} writers, {} rows",
        found.len(),
        found.values().sum::<i64>()
    );
    assert!(found.keys().all(|writer| commits_of(*writer).rows(0) > 0) && kills > 3 && snapshots > 10);
}
