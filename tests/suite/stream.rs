//! Streamed rows: visible at once, the same after a flush, a reopen and a crash.

use gapless::{Database, Durability, Maintenance};

use crate::common::{DAY, HOUR, Row, SECOND, batch, rows, spec};

fn open(path: &std::path::Path) -> Database {
    Database::builder(path)
        .maintenance(Maintenance::Manual)
        .open()
        .expect("the database opens")
}

fn generated(from: i64, count: i64) -> Vec<Row> {
    let row = |id: i64| Row {
        ts: id * 7919 % (3 * DAY) + id % 3 * HOUR,
        sym: (id % 11 != 0).then(|| format!("S{}", id * id % 7)),
        price: (id % 5 != 0).then_some(id as f64),
        id,
    };
    (from..from + count).map(row).collect()
}

fn sorted(mut expected: Vec<Row>) -> Vec<Row> {
    // Null series last, as the order by series has it.
    expected.sort_by_key(|row| (row.sym.is_none(), row.sym.clone(), row.ts, row.id));
    expected
}

fn all(db: &Database) -> Vec<Row> {
    let table = db.table("t").expect("the table is there");
    rows(
        &table
            .scan()
            .expect("a snapshot")
            .collect()
            .expect("all rows read"),
    )
}

#[test]
fn an_explained_scan_counts_streamed_rows_on_both_sides() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    table.write([batch(&generated(0, 500))]).expect("a bulk commit");
    table
        .append(&batch(&generated(1_000, 300)))
        .expect("rows are appended");
    let explained = table
        .scan()
        .and_then(|scan| scan.explain())
        .expect("an explanation");
    assert_eq!((explained.rows_read, explained.rows), (800, 800));
    assert_eq!(explained.segments_read, explained.segments, "{explained}");
    assert_eq!(explained.partitions_read, explained.partitions, "{explained}");
}

#[test]
fn streamed_rows_are_visible_at_once_and_the_same_after_flush_and_reopen() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let db = open(&path);
    let table = db.create_table(&spec("t")).expect("a new table");
    let mut expected = Vec::new();
    for part in 0..50 {
        let more = generated(part * 100, 1 + part * 7);
        table.append(&batch(&more)).expect("rows are appended");
        expected.extend(more);
        if part % 10 == 0 {
            assert_eq!(all(&db), sorted(expected.clone()), "after append {part}");
        }
        if part == 20 || part == 21 {
            db.flush().expect("a flush");
            assert_eq!(all(&db), sorted(expected.clone()), "after the flush");
        }
        if part == 30 {
            table
                .write([batch(&generated(1_000_000, 9000))])
                .expect("a bulk commit");
            expected.extend(generated(1_000_000, 9000));
        }
    }
    assert_eq!(all(&db), sorted(expected.clone()));
    assert!(
        path.join("wal")
            .read_dir()
            .expect("wal is there")
            .next()
            .is_some()
    );
    drop(table);
    drop(db);
    assert!(
        path.join("wal")
            .read_dir()
            .expect("wal is there")
            .next()
            .is_none(),
        "the stream has ended"
    );
    let db = open(&path);
    assert_eq!(all(&db), sorted(expected));
}

#[test]
fn each_durability_keeps_rows_through_a_drop() {
    for durability in [Durability::Sync, Durability::Interval(1), Durability::Buffered] {
        let directory = tempfile::tempdir().expect("a directory");
        let db = open(&directory.path().join("db"));
        let table = db.create_table(&spec("t")).expect("a new table");
        let more = generated(0, 10);
        table
            .append_with(&batch(&more), Some(durability))
            .expect("rows are appended");
        std::thread::sleep(std::time::Duration::from_millis(5));
        drop((db, table));
        assert_eq!(all(&open(&directory.path().join("db"))), sorted(more));
    }
}

#[test]
fn a_late_row_lands_in_the_partition_of_its_own_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a new table");
    let late = Row {
        ts: 400 * DAY + 5 * SECOND,
        sym: Some("S1".into()),
        price: None,
        id: 1,
    };
    table
        .append(&batch(std::slice::from_ref(&late)))
        .expect("a late row");
    db.flush().expect("a flush");
    let version = db.version().expect("a version");
    let partitions = version.table("t").expect("the table").partitions();
    let paths: Vec<String> = partitions.iter().map(|(key, _)| key.path()).collect();
    assert_eq!(paths, ["1971-02-05"]);
    assert_eq!(all(&db), [late]);
}
