//! Rows that a table with a key has already, the same in every column, are not stored a second time.

use gapless::{Database, Keep, Maintenance};
use proptest::prelude::*;

use crate::common::{DAY, Row, batch, rows, spec};

fn row(ts: i64, sym: &str, price: f64) -> Row {
    Row {
        ts,
        sym: Some(sym.to_owned()),
        price: Some(price),
        id: ts + 1,
    }
}

fn bars(count: i64) -> Vec<Row> {
    (0..count)
        .map(|at| row(at * 60, ["a", "b", "c"][at as usize % 3], at as f64))
        .collect()
}

fn open(path: &std::path::Path, small_commit_rows: usize) -> Database {
    Database::builder(path)
        .small_commit_rows(small_commit_rows)
        .maintenance(Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a database")
}

fn segments(db: &Database) -> usize {
    let version = db.version().expect("a version");
    version.table("bars").expect("the table").segments().count()
}

fn read(db: &Database) -> Vec<Row> {
    let scan = db.table("bars").expect("the table").scan().expect("a scan");
    rows(&scan.collect().expect("rows"))
}

#[test]
fn a_second_fetch_leaves_no_segment_however_it_comes() {
    for keep in [Keep::Last, Keep::First] {
        for small_commit_rows in [0, 1000] {
            let directory = tempfile::tempdir().expect("a directory");
            let db = open(&directory.path().join("test.db"), small_commit_rows);
            let table = db.create_table(&spec("bars").keep(keep)).expect("a table");
            table.write([batch(&bars(300))]).expect("the first fetch");
            db.flush().expect("a flush");
            let (first, count) = (read(&db), segments(&db));
            let again = table.write([batch(&bars(300))]).expect("the second fetch");
            assert_eq!(again.rows, 300);
            db.flush().expect("a flush");
            assert_eq!(
                (read(&db), segments(&db)),
                (first.clone(), count),
                "{keep:?}, {small_commit_rows}"
            );
            table.append(&batch(&bars(100))).expect("a part of it, streamed");
            db.flush().expect("a flush");
            assert_eq!(
                (read(&db), segments(&db)),
                (first, count),
                "{keep:?}, {small_commit_rows}"
            );
            // One new value: its row is stored, as a later version.
            let mut changed = bars(300);
            changed[17].price = Some(-1.0);
            table.write([batch(&changed)]).expect("a correction");
            db.flush().expect("a flush");
            assert_eq!(segments(&db), count + 1);
            let price = read(&db)
                .iter()
                .find(|row| row.ts == 17 * 60)
                .and_then(|row| row.price);
            assert_eq!(price, Some(if keep == Keep::Last { -1.0 } else { 17.0 }));
        }
    }
}

#[test]
fn a_second_fetch_is_written_where_the_first_was_deleted_or_corrected() {
    for small_commit_rows in [0, 1000] {
        let directory = tempfile::tempdir().expect("a directory");
        let db = open(&directory.path().join("test.db"), small_commit_rows);
        let table = db.create_table(&spec("bars").keep(Keep::Last)).expect("a table");
        table.write([batch(&bars(50))]).expect("the first fetch");
        db.flush().expect("a flush");
        let first = read(&db);
        // Deleted and fetched again, with and without a flush between.
        for flushes in [true, false] {
            table.delete(0..DAY, None).expect("a deletion");
            if flushes {
                db.flush().expect("a flush");
            }
            table.write([batch(&bars(50))]).expect("it again");
            assert_eq!(read(&db), first);
            db.flush().expect("a flush");
            assert_eq!(read(&db), first);
        }
        // In one commit with its deletion.
        table
            .replace(0..DAY, None, [batch(&bars(50))])
            .expect("a replacement");
        db.flush().expect("a flush");
        assert_eq!(read(&db), first);
        // Corrected in the stream, then fetched as before.
        table.append(&batch(&[row(60, "b", -7.0)])).expect("a correction");
        table.write([batch(&bars(50))]).expect("it again");
        assert_eq!(read(&db), first);
        db.flush().expect("a flush");
        assert_eq!(read(&db), first);
        // Two writes to one table in one transaction: the second counts.
        let mut change = db.transaction().expect("a transaction");
        let options = gapless::WriteOptions::default();
        for rows in [vec![row(60, "b", -8.0)], bars(50)] {
            change
                .write("bars", [Ok::<_, gapless::Error>(batch(&rows))], &options)
                .expect("rows");
        }
        change.commit().expect("a commit");
        assert_eq!(read(&db), first);
        db.flush().expect("a flush");
        assert_eq!(read(&db), first);
    }
}

#[test]
fn rows_of_other_columns_than_the_table_had_are_never_taken_for_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("test.db"), 0);
    let table = db.create_table(&spec("bars").keep(Keep::Last)).expect("a table");
    table.write([batch(&bars(50))]).expect("the first fetch");
    let without_price = batch(&bars(50)).project(&[0, 1, 3]).expect("columns");
    let mut change = db.transaction().expect("a transaction");
    change
        .change_table(
            "bars",
            &gapless::SchemaChange::Drop {
                name: "price".to_owned(),
            },
        )
        .expect("a change");
    let options = gapless::WriteOptions::default();
    let written = change.write("bars", [Ok::<_, gapless::Error>(without_price)], &options);
    written.expect("rows without it");
    assert_eq!(change.commit().expect("a commit").known, 0);
    assert_eq!(table.scan().expect("a scan").count().expect("a count"), 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Few keys and few values, so that much of what comes is there already.
    #[test]
    fn what_counts_is_the_same_as_in_a_list_of_all_rows(
        writes in prop::collection::vec(
            (prop::collection::vec((0..6i64, 0..2usize, 0..2i64), 1..12), 0..4u8), 1..8),
        first in any::<bool>(),
        streamed in any::<bool>(),
    ) {
        let keep = if first { Keep::First } else { Keep::Last };
        let directory = tempfile::tempdir().expect("a directory");
        let db = open(&directory.path().join("test.db"), if streamed { 100 } else { 0 });
        let table = db.create_table(&spec("bars").keep(keep)).expect("a table");
        let mut model = std::collections::BTreeMap::new();
        for (rows, after) in writes {
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(at, sym, price)| Row { id: price, ..row(at * DAY / 4, ["a", "b"][sym], price as f64) })
                .collect();
            for row in &rows {
                let key = (row.sym.clone(), row.ts);
                match keep {
                    Keep::First => drop(model.entry(key).or_insert_with(|| row.clone())),
                    _ => drop(model.insert(key, row.clone())),
                }
            }
            table.write([batch(&rows)]).expect("rows");
            match after {
                0 => db.flush().expect("a flush"),
                1 => {
                    db.flush().expect("a flush");
                    db.compact("bars").expect("a compaction");
                }
                _ => {}
            }
            prop_assert_eq!(read(&db), model.values().cloned().collect::<Vec<_>>());
        }
    }
}
