//! What was said of a range, taken back and said again: it counts again, also beside neighbours that agree.
//!
//! Failed once: the range became one with its neighbours, whose commits were older than what took it back, so nobody could
//! say which came last, and the range stayed a gap for ever.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::{Attestation, GapQuery};
use crate::io::MemoryStorage;
use crate::{Database, TableSpec};

fn database(small_commit_rows: usize) -> Database {
    let db = Database::builder("memory")
        .small_commit_rows(small_commit_rows)
        .maintenance(crate::Maintenance::Manual)
        .storage(Arc::new(MemoryStorage::new()))
        .open()
        .expect("a new database");
    let schema = Schema::new(vec![
        Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
        Field::new("sym", DataType::Utf8, true),
    ]);
    db.create_table(&TableSpec::new("t", schema).time("ts").series("sym"))
        .expect("a new table");
    db
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
