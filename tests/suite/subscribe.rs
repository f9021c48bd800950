//! Subscriptions: whatever is flushed or compacted between two looks, each committed row comes once, in its order.
//!
//! A failure of the model test prints the seed with which it runs again (`GAPLESS_SEED`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gapless::{Database, ErrorKind, Maintenance, Position, Subscription, Table};

use crate::common::{DAY, HOUR, Row, batch, rows, spec};

fn open(path: &std::path::Path) -> Database {
    Database::builder(path)
        .maintenance(Maintenance::Manual)
        .small_commit_rows(2)
        .without_sync()
        .open()
        .expect("the database opens")
}

fn row(id: i64) -> Row {
    Row {
        ts: id * 7919 % (2 * DAY) + id % 5 * HOUR,
        sym: (id % 13 != 0).then(|| format!("S{}", id * id % 9)),
        price: (id % 4 != 0).then_some(id as f64),
        id,
    }
}

fn some(from: i64, count: i64) -> Vec<Row> {
    (from..from + count).map(row).collect()
}

/// Everything there is now.
fn drain(subscription: &mut Subscription) -> Vec<Row> {
    let mut found = Vec::new();
    while let Some(committed) = subscription.poll().expect("rows that can be read") {
        assert!(committed.batch.num_rows() > 0, "a batch without rows");
        assert!(committed.first_commit <= committed.last_commit);
        found.extend(rows(&[committed.batch]));
    }
    found
}

/// Ids in the order in which they came, and that the other columns are theirs.
fn ids(found: &[Row]) -> Vec<i64> {
    for found in found {
        assert_eq!(*found, row(found.id), "the columns of a row are not its own");
    }
    found.iter().map(|row| row.id).collect()
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn seed() -> u64 {
    let given = std::env::var("GAPLESS_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    given.unwrap_or(0x5eed_1234_abcd_0001)
}

/// Rows by the number of their commit: inside of one, any order will do.
fn assert_in_commit_order(found: &[i64], commit_of: &BTreeMap<i64, u64>, what: &str) {
    let commits: Vec<u64> = found.iter().map(|id| commit_of[id]).collect();
    assert!(
        commits.is_sorted(),
        "{what}: commits are out of order: {commits:?}"
    );
}

/// A consumer: what it has got, and where it goes on when it is made anew.
struct Consumer {
    subscription: Subscription,
    found: Vec<i64>,
    /// Rows that were stored when it began come as they lie.
    stored: usize,
}

impl Consumer {
    fn from_beginning(table: &Table, batch_rows: usize, stored: usize) -> Self {
        Self {
            subscription: table
                .subscribe(None)
                .expect("a subscription")
                .batch_rows(batch_rows),
            found: Vec::new(),
            stored,
        }
    }

    /// Takes at most so many batches.
    fn take(&mut self, batches: u64) {
        for _ in 0..batches {
            let Some(committed) = self.subscription.poll().expect("rows that can be read") else {
                return;
            };
            assert_eq!(committed.position, self.subscription.position());
            self.found.extend(ids(&rows(&[committed.batch])));
        }
    }

    /// Forgets everything but the position, as text.
    fn restart(&mut self, table: &Table, batch_rows: usize) {
        let position = self.subscription.position().to_string();
        let position: Position = position.parse().expect("a position");
        self.subscription = table
            .subscribe(Some(position))
            .expect("it goes on")
            .batch_rows(batch_rows);
    }
}

#[test]
fn every_committed_row_comes_once_in_order_whatever_is_flushed_meanwhile() {
    for round in 0..12 {
        let seed = seed() + round;
        eprintln!("seed {seed}");
        model(&mut Random(seed));
    }
}

fn model(random: &mut Random) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let mut db = open(&path);
    let mut table = db.create_table(&spec("t")).expect("a new table");
    let mut commit_of = BTreeMap::new();
    let mut consumers = Vec::new();
    let (mut next_id, mut commit) = (0, 0);
    for step in 0..120 {
        if step % 30 == 0 {
            // In segments so far, and therefore stored for whoever begins now.
            db.flush().expect("a flush");
            let stored = usize::try_from(next_id).expect("a count");
            consumers.push(Consumer::from_beginning(
                &table,
                1 + random.next(40) as usize,
                stored,
            ));
        }
        match random.next(10) {
            0..6 => {
                let more = some(
                    next_id,
                    1 + random.next(if step % 9 == 0 { 90 } else { 6 }) as i64,
                );
                commit += 1;
                commit_of.extend(more.iter().map(|row| (row.id, commit)));
                next_id += more.len() as i64;
                if random.next(4) == 0 {
                    table.write([batch(&more)]).expect("a bulk commit");
                } else {
                    table.append(&batch(&more)).expect("an append");
                }
            }
            6 if random.next(3) == 0 => drop(db.compact("t").expect("a compaction")),
            6 => db.flush().expect("a flush"),
            7 => {
                db.collect_garbage().expect("garbage is collected");
                let at = random.next(consumers.len() as u64) as usize;
                consumers[at].restart(&table, 1 + random.next(40) as usize);
            }
            _ => {
                for consumer in &mut consumers {
                    consumer.take(random.next(4));
                }
            }
        }
        if step == 70 {
            let saved: Vec<Position> = consumers.iter().map(|c| c.subscription.position()).collect();
            let kept: Vec<(Vec<i64>, usize)> = consumers.drain(..).map(|c| (c.found, c.stored)).collect();
            drop((table, db));
            db = open(&path);
            table = db.table("t").expect("the table");
            for (position, (found, stored)) in saved.into_iter().zip(kept) {
                let subscription = table.subscribe(Some(position)).expect("it goes on").batch_rows(5);
                consumers.push(Consumer {
                    subscription,
                    found,
                    stored,
                });
            }
        }
    }
    for consumer in &mut consumers {
        consumer.take(u64::MAX);
        let expected: Vec<i64> = (0..next_id).collect();
        assert_eq!(sorted(consumer.found.clone()), expected, "every row once");
        let live = &consumer.found[consumer.stored..];
        assert_in_commit_order(live, &commit_of, "what was committed later");
        assert!(consumer.subscription.poll().expect("nothing is wrong").is_none());
    }
}

#[test]
fn a_subscriber_that_sleeps_through_flushes_gets_everything_in_order_and_a_flush_gives_nothing_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    let mut awake = table.subscribe(None).expect("a subscription");
    let mut sleeper = table.subscribe(None).expect("a subscription");
    let mut heard = Vec::new();
    for part in 0..200 {
        table.append(&batch(&some(part * 10, 10))).expect("an append");
        if part % 3 == 0 {
            heard.extend(drain(&mut awake));
        }
        if part % 20 == 19 {
            db.flush().expect("a flush");
        }
    }
    heard.extend(drain(&mut awake));
    let commits: Vec<i64> = ids(&heard).iter().map(|id| id / 10).collect();
    assert_eq!(commits.len(), 2000);
    assert!(commits.is_sorted());
    let slept = ids(&drain(&mut sleeper));
    let commits: Vec<i64> = slept.iter().map(|id| id / 10).collect();
    assert!(commits.is_sorted());
    assert_eq!(sorted(slept), (0..2000).collect::<Vec<_>>());
}

#[test]
fn a_commit_larger_than_a_batch_is_split_and_each_part_can_be_gone_on_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let db = open(&path);
    let table = db.create_table(&spec("t")).expect("a new table");
    let mut whole = table.subscribe(None).expect("a subscription").batch_rows(100);
    table.append(&batch(&some(0, 1000))).expect("a large append");
    table.write([batch(&some(1000, 1000))]).expect("a bulk commit");
    let mut found = Vec::new();
    let mut places = Vec::new();
    while let Some(committed) = whole.poll().expect("rows") {
        assert!(committed.batch.num_rows() <= 100);
        assert_eq!(committed.first_commit, committed.last_commit);
        found.extend(ids(&rows(&[committed.batch])));
        places.push((found.len(), committed.position));
    }
    assert_eq!(places.len(), 20);
    // The rest of a streamed commit is found after its flush too.
    db.flush().expect("a flush");
    for (at, position) in places {
        let mut rest = table
            .subscribe(Some(position))
            .expect("it goes on")
            .batch_rows(333);
        assert_eq!(ids(&drain(&mut rest)), found[at..], "from row {at} on");
    }
}

#[test]
fn stored_rows_are_replayed_in_parts_that_can_be_gone_on_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let db = open(&path);
    let table = db.create_table(&spec("t")).expect("a new table");
    for part in 0..5 {
        table
            .write([batch(&some(part * 100, 100))])
            .expect("a bulk commit");
    }
    table.append(&batch(&some(500, 10))).expect("an append");
    let mut whole = table.subscribe(None).expect("a subscription").batch_rows(64);
    table.append(&batch(&some(510, 10))).expect("an append");
    let mut found = Vec::new();
    let mut places = vec![(0, whole.position())];
    while let Some(committed) = whole.poll().expect("rows") {
        found.extend(ids(&rows(&[committed.batch])));
        places.push((found.len(), committed.position));
    }
    assert_eq!(sorted(found.clone()), (0..520).collect::<Vec<_>>());
    db.flush().expect("a flush");
    table.append(&batch(&some(520, 10))).expect("an append");
    for (at, position) in places {
        let position: Position = position.to_string().parse().expect("a position");
        let mut rest = table
            .subscribe(Some(position))
            .expect("it goes on")
            .batch_rows(50);
        let rest = ids(&drain(&mut rest));
        assert_eq!(rest[..found.len() - at], found[at..], "from row {at} on");
        assert_eq!(
            sorted(rest[found.len() - at..].to_vec()),
            (520..530).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_snapshot_gives_the_position_behind_what_it_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    table.append(&batch(&some(0, 10))).expect("an append");
    table.write([batch(&some(10, 10))]).expect("a bulk commit");
    let snapshot = db.snapshot().expect("a snapshot");
    table.append(&batch(&some(20, 1))).expect("an append");
    db.flush().expect("a flush");
    let position = snapshot.position("t").expect("a position");
    let mut new = table.subscribe(Some(position)).expect("a subscription");
    assert_eq!(ids(&drain(&mut new)), [20]);
}

#[test]
fn a_waiting_subscriber_is_woken_by_a_commit_and_gives_up_in_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    let mut new = table.subscribe(None).expect("a subscription");
    let began = Instant::now();
    assert!(new.next(Duration::from_millis(50)).expect("no error").is_none());
    assert!(began.elapsed() >= Duration::from_millis(50));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for id in 0..50 {
                std::thread::sleep(Duration::from_millis(3));
                table.append(&batch(&some(id, 1))).expect("an append");
            }
        });
        let mut found = Vec::new();
        while found.len() < 50 {
            let committed = new
                .next(Duration::from_secs(60))
                .expect("no error")
                .expect("in time");
            found.extend(ids(&rows(&[committed.batch])));
        }
        assert_eq!(found, (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn other_tables_do_not_show_and_a_dropped_table_ends_a_subscription() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    let other = db.create_table(&spec("other")).expect("a new table");
    let mut new = table.subscribe(None).expect("a subscription");
    other.append(&batch(&some(0, 10))).expect("an append");
    other.write([batch(&some(10, 10))]).expect("a bulk commit");
    db.flush().expect("a flush");
    assert!(new.poll().expect("no error").is_none());
    let position = new.position();
    assert_eq!(
        other
            .subscribe(Some(position.clone()))
            .expect_err("of another table")
            .kind(),
        ErrorKind::NotFound
    );
    db.drop_table("t").expect("it is dropped");
    for _ in 0..2 {
        assert_eq!(new.poll().expect_err("it is gone").kind(), ErrorKind::NotFound);
    }
    let again = db.create_table(&spec("t")).expect("a new table");
    assert_eq!(new.poll().expect_err("it is another").kind(), ErrorKind::NotFound);
    assert_eq!(
        again
            .subscribe(Some(position))
            .expect_err("of the old one")
            .kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_position_of_another_database_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let make = |name: &str| {
        let db = open(&directory.path().join(name));
        db.create_table(&spec("t")).expect("a new table")
    };
    let (a, b) = (make("a"), make("b"));
    let position = a.subscribe(None).expect("a subscription").position();
    assert_eq!(
        b.subscribe(Some(position))
            .expect_err("of another database")
            .kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn what_is_compacted_and_collected_behind_a_saved_position_is_a_conflict_and_never_a_hole() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    table.append(&batch(&some(0, 50))).expect("an append");
    let early = db
        .snapshot()
        .expect("a snapshot")
        .position("t")
        .expect("a position");
    let mut pinned = table.subscribe(Some(early.clone())).expect("a subscription");
    for part in 1..4 {
        table.append(&batch(&some(part * 50, 50))).expect("an append");
        db.flush().expect("a flush");
    }
    let late = db
        .snapshot()
        .expect("a snapshot")
        .position("t")
        .expect("a position");
    let compacted = || {
        db.compact("t").expect("a compaction");
        db.collect_garbage().expect("garbage is collected");
    };
    compacted();
    // As long as somebody holds them, the segments are there: for others with an old position too.
    let mut second = table.subscribe(Some(early.clone())).expect("a subscription");
    assert_eq!(drain(&mut second).len(), 150);
    assert_eq!(ids(&drain(&mut pinned)).len(), 150);
    drop((pinned, second));
    compacted();
    let outcome = table.subscribe(Some(early)).and_then(|mut again| again.poll());
    assert_eq!(
        outcome.expect_err("it cannot be told").kind(),
        ErrorKind::Conflict
    );
    let mut rest = table.subscribe(Some(late)).expect("nothing was missed");
    assert!(rest.poll().expect("nothing was missed").is_none());
    table.append(&batch(&some(200, 1))).expect("an append");
    assert_eq!(ids(&drain(&mut rest)), [200]);
    let mut all = table.subscribe(None).expect("a subscription");
    assert_eq!(sorted(ids(&drain(&mut all))), (0..201).collect::<Vec<_>>());
}

#[test]
fn rows_come_in_the_schema_that_the_table_has_now() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    let mut new = table.subscribe(None).expect("a subscription");
    table.append(&batch(&some(0, 5))).expect("an append");
    db.flush().expect("a flush");
    table.append(&batch(&some(5, 5))).expect("an append");
    table.rename_column("price", "px").expect("a new name");
    let mut names = Vec::new();
    while let Some(committed) = new.poll().expect("rows") {
        names.push(committed.batch.schema().field(2).name().clone());
    }
    assert!(
        !names.is_empty() && names.iter().all(|name| name == "px"),
        "{names:?}"
    );
}

/// What lags lies in segments: a subscription holds no memtable back.
#[test]
fn appends_do_not_wait_for_a_subscriber_that_reads_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    // Memory for a hundredth of what is appended: a memtable that stayed would make the next append fail.
    let db = Database::builder(&path)
        .without_sync()
        .maintenance(Maintenance::Manual)
        .memory_bytes_max(20_000)
        .open()
        .expect("a database");
    let table = db.create_table(&spec("t")).expect("a new table");
    let mut idle = table.subscribe(None).expect("a subscription");
    for part in 0..50 {
        table.append(&batch(&some(part * 100, 100))).expect("an append");
        db.flush().expect("a flush");
    }
    assert_eq!(drain(&mut idle).len(), 5000);
}
