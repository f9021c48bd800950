//! Statements that come in unlucky orders.
//!
//! What was said of a range, taken back and said again, counts again, also beside neighbours that agree. Failed once: the range became one with its neighbours, whose commits were older than what took it back, so nobody could
//! say which came last, and the range stayed a gap for ever.
//!
//! What is said while coverage is inferred counts. Failed once: `complete` was committed over it, as if it had been said later.

use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::{Attestation, CoverageState, GapQuery, Inference};
use crate::io::MemoryStorage;
use crate::{Database, ErrorKind, TableSpec};

fn database(small_commit_rows: usize) -> Database {
    handles(small_commit_rows).0
}

/// Two handles of a new database.
fn handles(small_commit_rows: usize) -> (Database, Database) {
    let storage = Arc::new(MemoryStorage::new());
    let open = || {
        Database::builder("memory")
            .small_commit_rows(small_commit_rows)
            .maintenance(crate::Maintenance::Manual)
            .storage(Arc::clone(&storage) as Arc<dyn crate::io::Storage>)
            .open()
            .expect("a database")
    };
    let db = open();
    db.create_table(&TableSpec::new("t", schema()).time("ts").series("sym"))
        .expect("a new table");
    (db, open())
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
        Field::new("sym", DataType::Utf8, true),
    ])
}

fn attest(db: &Database, range: std::ops::Range<i64>) {
    let mut transaction = db.transaction().expect("open for writing");
    let said = Attestation::new(range).series("a").interval(1).source("test");
    transaction.attest("t", said).expect("a sound statement");
    transaction.commit().expect("a commit");
}

fn gaps(db: &Database) -> Vec<(i64, i64)> {
    let table = db.table("t").expect("the table");
    let query = GapQuery::new(0, 100).series(["a"]).interval(1);
    let gaps = table.gaps(&query).expect("gaps");
    gaps.iter().map(|gap| (gap.start, gap.end)).collect()
}

#[test]
fn what_was_taken_back_and_said_again_is_covered() {
    for small_commit_rows in [0, 4096] {
        for flushes in 0..8 {
            let db = database(small_commit_rows);
            let flush = |bit: u32| {
                if flushes & bit != 0 {
                    db.flush().expect("a flush");
                }
            };
            attest(&db, 0..100);
            flush(1);
            db.table("t")
                .expect("the table")
                .delete(40..60, None)
                .expect("a deletion");
            assert_eq!(gaps(&db), [(40, 60)]);
            flush(2);
            attest(&db, 40..50);
            assert_eq!(gaps(&db), [(50, 60)], "{small_commit_rows} {flushes}");
            flush(4);
            attest(&db, 50..60);
            assert_eq!(gaps(&db), [], "{small_commit_rows} {flushes}");
            db.flush().expect("a flush");
            assert_eq!(gaps(&db), [], "{small_commit_rows} {flushes}");
            for _ in 0..20 {
                attest(&db, 0..1); // Until files are merged.
            }
            db.flush().expect("a flush");
            assert_eq!(gaps(&db), [], "{small_commit_rows} {flushes}");
        }
    }
}

/// A row at each of the first hundred times.
fn write_rows(db: &Database) {
    let table = db.table("t").expect("the table");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(0..100)),
        Arc::new(StringArray::from_iter_values((0..100).map(|_| "a"))),
    ];
    let rows = RecordBatch::try_new(Arc::new(schema()), columns).expect("a batch");
    table.append(&rows).expect("appended");
}

fn say(db: &Database, state: CoverageState) {
    let said = Attestation::new(10..20)
        .series("a")
        .interval(1)
        .source("test")
        .state(state);
    db.table("t").expect("the table").attest([said]).expect("said");
}

/// What is known of the first hundred times: start, end and state.
fn known(db: &Database) -> Vec<(i64, i64, CoverageState)> {
    let coverage = db.table("t").expect("the table").coverage().expect("coverage");
    let ranges = coverage.ranges(Some("a"), 1, 0..100).expect("ranges");
    ranges
        .iter()
        .map(|range| (range.start, range.end, range.state))
        .collect()
}

/// Complete, but for the middle.
fn around(state: CoverageState) -> Vec<(i64, i64, CoverageState)> {
    use CoverageState::{Complete, Unknown};
    let mut all = vec![(0, 10, Complete), (10, 20, state), (20, 100, Complete)];
    all.retain(|(_, _, state)| *state != Unknown);
    all
}

#[test]
fn what_is_said_while_coverage_is_inferred_counts() {
    use CoverageState::{Complete, Empty, Lost, Partial, Unknown};
    for small_commit_rows in [0, 4096] {
        for state in [Lost, Partial, Unknown, Empty] {
            for (is_other, is_before, flushes) in
                (0..8).map(|bits| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0))
            {
                let case = format!("{small_commit_rows} {state:?} {is_other} {is_before} {flushes}");
                let (db, other) = handles(small_commit_rows);
                write_rows(&db);
                if flushes {
                    db.flush().expect("a flush");
                }
                let sayer = if is_other { &other } else { &db };
                let table = db.table("t").expect("the table");
                let meanwhile = || {
                    if is_before {
                        say(sayer, state);
                    }
                };
                table
                    .infer_with(&Inference::new(1), &meanwhile)
                    .expect("inferred");
                if !is_before {
                    assert_eq!(known(&db), [(0, 100, Complete)], "{case}");
                    say(sayer, state);
                }
                assert_eq!(known(&db), around(state), "{case}");
                sayer.flush().expect("a flush");
                assert_eq!(known(&db), around(state), "{case}");
                db.flush().expect("a flush");
                for _ in 0..20 {
                    attest(&db, 200..201); // Until files are merged.
                }
                db.flush().expect("a flush");
                assert_eq!(known(&other), around(state), "{case}");
                // What is unknown by now is inferred, what was said stays.
                table.infer_coverage(1, None).expect("inferred");
                let last = if state == Unknown {
                    vec![(0, 100, Complete)]
                } else {
                    around(state)
                };
                assert_eq!(known(&db), last, "{case}");
            }
        }
    }
}

#[test]
fn what_is_deleted_while_coverage_is_inferred_is_not_covered() {
    use CoverageState::{Complete, Unknown};
    for small_commit_rows in [0, 4096] {
        for bits in 0..8 {
            let (is_other, flushes_before, flushes_after) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let case = format!("{small_commit_rows} {bits}");
            let (db, other) = handles(small_commit_rows);
            write_rows(&db);
            if flushes_before {
                db.flush().expect("a flush");
            }
            let sayer = if is_other { &other } else { &db };
            let looks = Cell::new(0);
            let delete_once = || {
                looks.set(looks.get() + 1);
                if looks.get() == 1 {
                    sayer
                        .table("t")
                        .and_then(|t| t.delete(10..20, None))
                        .expect("a deletion");
                    if flushes_after {
                        sayer.flush().expect("a flush");
                        db.flush().expect("a flush");
                    }
                }
            };
            let table = db.table("t").expect("the table");
            table
                .infer_with(&Inference::new(1), &delete_once)
                .expect("inferred");
            assert_eq!(looks.get(), 2, "{case}: the rows are looked at again");
            assert_eq!(known(&db), around(Unknown), "{case}");
            db.flush().expect("a flush");
            assert_eq!(known(&other), around(Unknown), "{case}");
            // Who deletes all the time is told.
            write_rows(&db);
            let delete = || {
                sayer
                    .table("t")
                    .and_then(|t| t.delete(30..40, None))
                    .expect("a deletion")
            };
            let before = known(&db);
            assert_eq!(before, around(Unknown));
            let error = table
                .infer_with(&Inference::new(1), &delete)
                .expect_err("a conflict");
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert_eq!(
                known(&db),
                [(0, 10, Complete), (20, 30, Complete), (40, 100, Complete)],
                "{case}"
            );
        }
    }
}

#[test]
fn rows_off_the_grid_are_counted_and_may_be_refused() {
    let db = database(0);
    write_rows(&db);
    let table = db.table("t").expect("the table");
    let looked = table
        .infer_coverage_by(&Inference::new(5).on_grid_only())
        .expect("looked at");
    assert_eq!((looked.rows, looked.off_grid), (100, 80));
    assert_eq!(looked.first_off_grid, Some((Some("a".to_owned()), 1)));
    assert!(
        table.coverage().expect("coverage").intervals().is_empty(),
        "nothing is attested"
    );
    let some = Inference::new(5).on_grid_only().between(10, 11);
    let looked = table.infer_coverage_by(&some).expect("inferred");
    assert_eq!((looked.rows, looked.off_grid, looked.ranges()), (1, 0, 1));
    let none = table
        .infer_coverage_by(&Inference::new(5).series(["b"]))
        .expect("inferred");
    assert_eq!((none.rows, none.ranges()), (0, 0));
    let all = table.infer_coverage(5, None).expect("inferred");
    assert_eq!((all.off_grid, all.ranges()), (80, 1));
    let coverage = table.coverage().expect("coverage");
    assert_eq!(coverage.ranges(Some("a"), 5, 0..100).expect("ranges").len(), 1);
    assert_eq!(table.infer_coverage(1, None).expect("inferred").off_grid, 0);
}

#[test]
fn what_was_said_is_forgotten_and_its_interval_counts_no_more() {
    for small_commit_rows in [0, 4096] {
        let db = database(small_commit_rows);
        write_rows(&db);
        let table = db.table("t").expect("the table");
        let intervals = || table.coverage().expect("coverage").intervals();
        table.infer_coverage(5, None).expect("inferred");
        table.infer_coverage(7, None).expect("inferred");
        assert_eq!(intervals(), [5, 7]);
        // A part of it, of one series.
        table
            .forget_coverage(Some(&["a"]), Some(7), 0..50)
            .expect("forgotten");
        assert_eq!(intervals(), [5, 7]);
        table
            .forget_coverage(None, Some(7), i64::MIN..i64::MAX)
            .expect("forgotten");
        assert_eq!(intervals(), [5], "{small_commit_rows}");
        assert_eq!(table.coverage().expect("coverage").all_ranges(0..100).len(), 1);
        db.flush().expect("a flush");
        assert_eq!(intervals(), [5], "{small_commit_rows}");
        // What is said later counts.
        table.infer_coverage(7, None).expect("inferred");
        assert_eq!(intervals(), [5, 7], "{small_commit_rows}");
        table
            .forget_coverage(Some(&["a", "never heard of"]), None, i64::MIN..i64::MAX)
            .expect("forgotten");
        assert!(intervals().is_empty(), "{small_commit_rows}");
        let error = table
            .forget_coverage(None, None, 5..5)
            .expect_err("an empty range");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
