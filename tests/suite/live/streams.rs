//! Several processes write one table, in turns: each commit is seen by all at once, whatever is flushed, compacted, copied
//! or opened again between, and by whom.
//!
//! A process is an engine of its own here: its storage has another identity, so that nothing is shared but the files.
//! `GAPLESS_STREAMS_SECONDS` goes on for longer than the gate, `GAPLESS_STREAMS_SEED` begins elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gapless::io::{
    DirEntry, FileLock, FileStamp, LockMode, Options, ReadableFile, RealStorage, RelPath, Storage,
    UnsyncedStorage, WritableFile,
};
use gapless::scan::Order;
use gapless::{
    Database, Durability, Keep, Maintenance, PartitionUnit, Result, Snapshot, Table, WriteOptions,
};

use crate::common::{DAY, HOUR, Row, batch, rows, spec};
use crate::semantics::model::{Deleted, Model, Written, is_in, ordered, same};

/// Second number of identities that no directory and no memory has.
const ELSEWHERE: u64 = u64::MAX - 1;

/// The same directory under another identity.
#[derive(Debug)]
struct Elsewhere(UnsyncedStorage, u64);

impl Storage for Elsewhere {
    fn create(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        self.0.create(path)
    }
    fn append_to(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        self.0.append_to(path)
    }
    fn open(&self, path: &RelPath) -> Result<Arc<dyn ReadableFile>> {
        self.0.open(path)
    }
    fn read(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>> {
        self.0.read(path, limit)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.0.rename(from, to)
    }
    fn remove_file(&self, path: &RelPath) -> Result<()> {
        self.0.remove_file(path)
    }
    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        self.0.remove_dir(path)
    }
    fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, path: &RelPath) -> Result<()> {
        self.0.sync_dir(path)
    }
    fn list(&self, path: &RelPath) -> Result<Vec<DirEntry>> {
        self.0.list(path)
    }
    fn stamp(&self, path: &RelPath) -> Result<Option<FileStamp>> {
        self.0.stamp(path)
    }
    fn lock(&self, path: &RelPath, mode: LockMode, wait: bool) -> Result<Option<Box<dyn FileLock>>> {
        self.0.lock(path, mode, wait)
    }
    fn lock_path_is(&self, lock: &dyn FileLock) -> Result<bool> {
        self.0.lock_path_is(lock)
    }
    fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }
    fn identity(&self) -> (u64, u64) {
        (self.1, ELSEWHERE)
    }
}

fn elsewhere(path: &Path) -> Arc<dyn Storage> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    std::fs::create_dir_all(path).expect("a directory");
    let real = RealStorage::open(path, Options::default()).expect("a directory");
    let identity = NEXT.fetch_add(1, Ordering::Relaxed);
    Arc::new(Elsewhere(UnsyncedStorage::new(Arc::new(real)), identity))
}

/// Opens the database as another process would.
pub(crate) fn open(path: &Path) -> Database {
    Database::builder(path)
        .storage(elsewhere(path))
        .small_commit_rows(12)
        .maintenance(Maintenance::Manual)
        .open()
        .expect("a database")
}

fn row(ts: i64, sym: &str, id: i64) -> Row {
    Row {
        ts,
        sym: Some(sym.to_owned()),
        price: Some(id as f64),
        id,
    }
}

fn ids(db: &Database) -> Vec<i64> {
    let scan = db.table("t").expect("the table").scan().expect("a scan");
    rows(&scan.collect().expect("rows"))
        .iter()
        .map(|row| row.id)
        .collect()
}

#[test]
fn rows_without_a_series_are_seen_by_another_process_before_they_are_flushed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let (a, b) = (open(&path), open(&path));
    a.create_table(&spec("t")).expect("a table");
    let (of_a, of_b) = (a.table("t").expect("t"), b.table("t").expect("t"));
    let none = |ts: i64, id: i64| Row {
        sym: None,
        ..row(ts, "", id)
    };
    of_a.append(&batch(&[none(2, 2), none(1, 1)])).expect("rows");
    assert_eq!(ids(&b), [1, 2]);
    of_a.append(&batch(&[row(3, "A", 3), none(4, 4)])).expect("rows");
    of_a.append(&batch(&[none(0, 0)])).expect("rows");
    let seen = |db: &Database| {
        let mut seen = ids(db);
        seen.sort_unstable();
        seen
    };
    assert_eq!(seen(&b), [0, 1, 2, 3, 4]);
    assert_eq!(ids(&a), ids(&b));
    of_b.append(&batch(&[none(5, 5)])).expect("rows");
    assert_eq!(seen(&a), [0, 1, 2, 3, 4, 5]);
    drop((of_a, a));
    assert_eq!(seen(&b), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_deletion_in_another_stream_decides_which_row_of_a_key_is_the_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let (a, b) = (open(&path), open(&path));
    a.create_table(&spec("t").keep(Keep::First)).expect("a table");
    let table = |db: &Database| db.table("t").expect("the table");
    table(&b).write([batch(&[row(5 * DAY, "x", 99)])]).expect("a row");
    table(&a).write([batch(&[row(1, "a", 1)])]).expect("a row");
    table(&b).delete(0..10, None).expect("a deletion");
    table(&a).write([batch(&[row(1, "a", 2)])]).expect("a row");
    for step in [
        "nothing is flushed",
        "a is flushed",
        "b is flushed",
        "a is compacted",
    ] {
        match step {
            "a is flushed" => a.flush().expect("a flush"),
            "b is flushed" => b.flush().expect("a flush"),
            "a is compacted" => drop(a.compact("t").expect("a compaction")),
            _ => {}
        }
        assert_eq!((ids(&a), ids(&b)), (vec![2, 99], vec![2, 99]), "{step}");
    }
}

#[test]
fn a_scan_sees_what_another_process_was_told_is_done_while_its_own_commits() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let (writer, busy) = (open(&path), open(&path));
    writer.create_table(&spec("t")).expect("a table");
    writer.create_table(&spec("u")).expect("a table");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let table = busy.table("u").expect("the table");
            let more: Vec<Row> = (0..20).map(|at| row(at, "x", at)).collect();
            while !is_done.load(Ordering::Relaxed) {
                table.write([batch(&more)]).expect("rows");
            }
        });
        let (written, read) = (
            writer.table("t").expect("the table"),
            busy.table("t").expect("the table"),
        );
        let (mut count, end) = (0, Instant::now() + Duration::from_secs(2));
        while Instant::now() < end {
            for step in [1, 20] {
                let more: Vec<Row> = (count..count + step).map(|at| row(at, "a", at)).collect();
                written.write([batch(&more)]).expect("rows");
                count += step;
                let seen = read.scan().expect("a scan").count().expect("a count");
                assert_eq!(seen, count as u64);
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
}

/// Random numbers that depend on nothing but the seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

/// Processes that take turns, and the model of what they have committed.
struct World {
    dice: Dice,
    directory: tempfile::TempDir,
    path: PathBuf,
    processes: Vec<Database>,
    model: Model,
    held: Vec<(Snapshot, Vec<Row>)>,
    log: Vec<String>,
    commits: u64,
    ids: i64,
    copies: usize,
    today: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let keep = dice.pick(&[Keep::All, Keep::Last, Keep::First]);
        let price_in_key = keep != Keep::All && dice.below(2) == 0;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("db");
        let mut processes = vec![open(&path)];
        let mut spec = spec("t").keep(keep);
        if price_in_key {
            spec = spec.key(["price"]);
        }
        processes[0].create_table(&spec).expect("a table");
        for _ in 0..=dice.below(2) {
            processes.push(open(&path));
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            log: vec![format!("seed {seed}, keep {keep:?}, price in key {price_in_key}")],
            dice,
            directory,
            path,
            processes,
            model: Model::new(keep, price_in_key),
            held: Vec::new(),
            commits: 0,
            ids: 0,
            copies: 0,
            today: now.expect("after 1970").as_nanos() as i64 / DAY * DAY,
        }
    }

    fn time(&mut self) -> i64 {
        self.dice.pick(&[0, DAY, self.today]) + self.dice.below(2) as i64 * HOUR + self.dice.below(4) as i64
    }

    fn rows(&mut self, count: u64) -> Vec<Row> {
        let one = |world: &mut Self| {
            world.ids += 1;
            Row {
                ts: world.time(),
                sym: Some(world.dice.pick(&["z", "a", "m"]).to_owned()),
                price: Some(world.dice.below(2) as f64),
                id: world.ids,
            }
        };
        (0..count).map(|_| one(self)).collect()
    }

    /// A range of time, and series or all of them.
    fn range(&mut self) -> (i64, i64, Option<Vec<String>>) {
        let start = self.time();
        let end = start + 1 + self.dice.below(3) as i64;
        let (start, end) = self.dice.pick(&[
            (start, end),
            (start, end),
            (i64::MIN, i64::MAX),
            (0, DAY),
            (self.today, i64::MAX),
        ]);
        let series = match self.dice.below(3) {
            0 => None,
            count => Some(
                (0..count)
                    .map(|_| self.dice.pick(&["z", "a", "m", "q"]).to_owned())
                    .collect(),
            ),
        };
        (start, end, series)
    }

    fn written(&mut self, rows: Vec<Row>) {
        let commit = self.commits;
        self.model
            .rows
            .extend(rows.into_iter().map(|row| Written { row, commit }));
    }

    fn deleted(&mut self, (start, end, series): (i64, i64, Option<Vec<String>>)) {
        let commit = self.commits;
        self.model.deletions.push(Deleted {
            start,
            end,
            series,
            commit,
        });
    }

    /// One process does one thing.
    fn step(&mut self) {
        let at = self.dice.below(self.processes.len() as u64) as usize;
        let db = self.processes[at].clone();
        let table = db.table("t").expect("the table");
        self.commits += 1;
        let action = self.dice.below(100);
        self.log
            .push(format!("{} process {at}: action {action}", self.commits));
        match action {
            0..=34 => self.write(&table, action < 25),
            35..=49 => {
                let range = self.range();
                let names: Option<Vec<&str>> = range
                    .2
                    .as_ref()
                    .map(|names| names.iter().map(String::as_str).collect());
                table
                    .delete(range.0..range.1, names.as_deref())
                    .expect("a deletion");
                self.deleted(range);
            }
            50..=61 => self.replace(&table),
            62..=75 => db.flush().expect("a flush"),
            76..=85 => {
                let report = db.compact("t").expect("a compaction");
                assert!(report.failed.is_empty(), "{report:?}");
            }
            86..=89 => self.maintain(&db),
            90..=92 => self
                .held
                .push((db.snapshot().expect("a snapshot"), self.model.live())),
            93..=94 => {
                self.held.clear();
                drop((table, db));
                drop(self.processes.remove(at));
                self.processes.insert(at, open(&self.path));
            }
            95..=96 => drop(db.collect_garbage().expect("a garbage collection")),
            _ => {
                drop((table, db));
                self.crash();
            }
        }
    }

    fn write(&mut self, table: &Table, is_small: bool) {
        let count = if is_small { 1 + self.dice.below(8) } else { 20 };
        let rows = self.rows(count);
        let partition = self
            .dice
            .pick(&[None, Some(PartitionUnit::Hour), Some(PartitionUnit::Day)]);
        let options = WriteOptions {
            partition: partition.filter(|_| !is_small),
            ..WriteOptions::default()
        };
        if is_small && self.dice.below(2) == 0 {
            let appended = table.append_with(&batch(&rows), Some(Durability::Buffered));
            appended.expect("rows");
        } else {
            let written = table.write_with([Ok::<_, gapless::Error>(batch(&rows))], &options);
            written.expect("rows");
        }
        self.written(rows);
    }

    fn replace(&mut self, table: &Table) {
        let (start, end, series) = self.range();
        let count = self.dice.pick(&[10, 10, 60]);
        let mut rows = self.rows(count);
        let is_named = |row: &Row| {
            series
                .as_ref()
                .is_none_or(|names| row.sym.as_ref().is_some_and(|sym| names.contains(sym)))
        };
        rows.retain(|row| is_in(row.ts, start, end) && is_named(row));
        let names: Option<Vec<&str>> = series
            .as_ref()
            .map(|names| names.iter().map(String::as_str).collect());
        let replaced = table.replace(start..end, names.as_deref(), [batch(&rows)]);
        replaced.expect("a replacement");
        self.deleted((start, end, series));
        self.written(rows);
    }

    fn maintain(&mut self, db: &Database) {
        let policy = gapless::compact::Policy {
            deletions_max: self.dice.below(3) as usize,
            segments_max: 1 + self.dice.below(3) as usize,
            settle_ns: 0,
            day_grace_ns: 0,
            deletion_age_ns: 0,
            cold_after_ns: (self.dice.below(2) == 0).then_some(0),
            ..Default::default()
        };
        db.maintain(&policy, &Default::default()).expect("maintenance");
    }

    /// All processes are gone; what is left is what their files were.
    fn crash(&mut self) {
        self.held.clear();
        self.copies += 1;
        let to = self.directory.path().join(format!("copy-{}", self.copies));
        copy(&self.path, &to);
        let count = self.processes.len();
        self.processes.clear();
        self.path = to;
        self.processes.extend((0..count).map(|_| open(&self.path)));
    }

    /// One process, or a reader that has just come, sees what the model says; and so does every snapshot that is held.
    fn check(&mut self) {
        let expected = self.model.live();
        let at = self.dice.below(self.processes.len() as u64 + 1) as usize;
        let reader = Database::builder(&self.path)
            .storage(elsewhere(&self.path))
            .mode(gapless::Mode::Read);
        let snapshot = match self.processes.get(at) {
            Some(process) => process.snapshot(),
            None => reader.open().and_then(|reader| reader.snapshot()),
        };
        self.check_snapshot(&snapshot.expect("a snapshot"), &expected, at);
        for (snapshot, expected) in &self.held {
            self.check_snapshot(snapshot, expected, at);
        }
        if self.held.len() > 3 {
            self.held.remove(0);
        }
    }

    fn check_snapshot(&self, snapshot: &Snapshot, expected: &[Row], process: usize) {
        for order in [Order::Series, Order::Time, Order::Stored] {
            let scan = snapshot.scan("t").expect("a scan").order(order);
            let mut found = rows(&scan.collect().expect("rows"));
            if order == Order::Stored {
                found.sort_by_key(|row| row.id);
            }
            let log = || self.log.join("\n");
            assert!(
                same(&found, &ordered(expected, order)),
                "process {process}, {order:?}\n{}",
                log()
            );
        }
        let count = snapshot.scan("t").expect("a scan").count().expect("a count");
        assert_eq!(count, expected.len() as u64, "{}", self.log.join("\n"));
    }

    /// All end, and what they leave is whole.
    fn end(mut self) {
        self.held.clear();
        self.processes.clear();
        let db = open(&self.path);
        db.compact("t").expect("a compaction");
        let expected = self.model.live();
        self.check_snapshot(&db.snapshot().expect("a snapshot"), &expected, 0);
        drop(db);
        let report = gapless::check::check_database(&self.path, &Default::default()).expect("a check");
        let is_wrong = |finding: &&gapless::check::Finding| finding.severity > gapless::check::Severity::Note;
        let wrong: Vec<_> = report.findings.iter().filter(is_wrong).collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{}", self.log.join("\n"));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[test]
fn processes_that_take_turns_see_one_table() {
    let number = |name: &str, usual: u64| {
        std::env::var(name)
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(usual)
    };
    let first = number("GAPLESS_STREAMS_SEED", 1);
    let end = Instant::now() + Duration::from_secs(number("GAPLESS_STREAMS_SECONDS", 10));
    let mut seed = first;
    while seed < first + 4 || Instant::now() < end {
        let mut world = World::new(seed);
        for _ in 0..60 {
            world.step();
            world.check();
        }
        world.end();
        seed += 1;
    }
    println!("seeds {first} to {}", seed - 1);
}
