//! Segments whose commits interleave, as streams and compactions make them: ties, deletions and versions of rows are
//! decided row by row then.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, TimestampNanosecondArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_format::{Deletion, EditItem, Keep, PartitionKey, PartitionUnit, TableMeta};
use proptest::prelude::*;

use super::Order;
use crate::segment::sync::SyncBatch;
use crate::segment::{SegmentWriter, commit_spec};
use crate::{Database, Snapshot, TableSpec};

/// A row: series, time, commit; its id is its place in the order of commits.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    code: u32,
    ts: i64,
    commit: i64,
    id: i64,
}

fn database(keep: Keep) -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let db = Database::builder(path).without_sync().open().expect("a database");
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let schema = Schema::new(vec![
        Field::new("ts", ts, false),
        Field::new("sym", DataType::Utf8, true),
        Field::new("id", DataType::Int64, true),
    ]);
    let spec = TableSpec::new("t", schema).time("ts").series("sym").keep(keep);
    db.create_table(&spec).expect("a table");
    (directory, db)
}

/// One segment of rows of several commits, with a commit time for each row.
fn add_segment(snapshot: &Snapshot, mut rows: Vec<Row>) {
    rows.sort_by_key(|row| (row.code, row.ts, row.id));
    let (Some(first), Some(last)) = (
        rows.iter().map(|row| row.commit).min(),
        rows.iter().map(|row| row.commit).max(),
    ) else {
        return;
    };
    let engine = snapshot.engine();
    let table = snapshot.table("t").expect("the table").meta();
    engine.encode_symbols("sym", &["b", "a", "c"]).expect("symbols");
    let domains = engine.sync_domains(table).expect("durable symbols");
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(
            rows.iter().map(|row| row.ts),
        )),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.code))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
    ];
    let mut meta = TableMeta::clone(table);
    if first != last {
        meta.columns.push(commit_spec());
        let commits = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.commit));
        columns.push(Arc::new(commits));
    }
    let (segment, directory) = engine.next_segment();
    let key = PartitionKey::containing(PartitionUnit::Day, 0);
    let mut writer = SegmentWriter::create(
        engine.storage(),
        &Arc::new(meta),
        key,
        segment,
        directory,
        &crate::segment::EncodingPolicy::plain(),
    )
    .expect("a segment");
    writer.push(&columns).expect("rows in order");
    let mut sync = SyncBatch::default();
    let (mut reference, guard) = writer.finish(0, &mut sync).expect("a whole segment");
    (reference.first_commit, reference.last_commit) = (first, last);
    let mut items: Vec<EditItem> = domains.into_iter().map(EditItem::GrowDomain).collect();
    items.push(EditItem::AddSegment(reference));
    engine.commit(|_, _| Ok(items)).expect("a commit");
    guard.keep();
}

fn ids(snapshot: &Snapshot, order: Order) -> Vec<i64> {
    let scan = snapshot.scan("t").expect("a scan").columns(["id"]).order(order);
    let batches = scan.batch_rows(5).collect().expect("rows");
    let ids =
        |batch: &arrow_array::RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(ids).collect()
}

/// The text order of the codes that [`add_segment`] gives: b, a, c.
fn text(code: u32) -> u32 {
    [1, 0, 2][code as usize]
}

fn expected(rows: &[Row], keep: Keep, deletions: &[(i64, i64, Option<u32>, i64)], order: Order) -> Vec<i64> {
    let is_deleted = |row: &Row| {
        deletions.iter().any(|(start, end, code, commit)| {
            row.commit < *commit
                && *start <= row.ts
                && row.ts < *end
                && code.is_none_or(|code| code == row.code)
        })
    };
    let live: Vec<&Row> = rows.iter().filter(|row| !is_deleted(row)).collect();
    let counts = |at: &usize| match keep {
        Keep::All => true,
        Keep::First => !live[..*at]
            .iter()
            .any(|row| (row.code, row.ts) == (live[*at].code, live[*at].ts)),
        Keep::Last => !live[at + 1..]
            .iter()
            .any(|row| (row.code, row.ts) == (live[*at].code, live[*at].ts)),
    };
    let mut kept: Vec<&Row> = (0..live.len()).filter(counts).map(|at| live[at]).collect();
    match order {
        Order::Series => kept.sort_by_key(|row| (text(row.code), row.ts)),
        Order::Time => kept.sort_by_key(|row| (row.ts, text(row.code))),
        Order::Stored => {}
    }
    kept.iter().map(|row| row.id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn rows_of_interleaving_commits_come_in_the_order_of_their_commits(
        commits in prop::collection::vec((0..3usize, prop::collection::vec((0..3u32, 0..12i64), 0..25)), 1..12),
        deletions in prop::collection::vec((0..12i64, 0..12i64, prop::option::of(0..3u32), 0..12i64), 0..3),
        keep in prop_oneof![Just(Keep::All), Just(Keep::First), Just(Keep::Last)],
    ) {
        let (_directory, db) = database(keep);
        // A segment holds each key once, which with deletions between its commits is its writer's business.
        let deletions = if keep == Keep::All { deletions } else { Vec::new() };
        let mut rows: Vec<Row> = Vec::new();
        let mut streams: [Vec<Row>; 3] = Default::default();
        for (number, (stream, plain)) in commits.iter().enumerate() {
            for (code, ts) in plain {
                let row = Row { code: *code, ts: *ts, commit: number as i64 * 2, id: rows.len() as i64 };
                rows.push(row.clone());
                let held = &mut streams[*stream];
                let same = held.iter().position(|other| (other.code, other.ts) == (row.code, row.ts));
                match (keep, same) {
                    (Keep::First, Some(_)) => {}
                    (Keep::Last, Some(at)) => held[at] = row,
                    _ => held.push(row),
                }
            }
        }
        for stream in streams {
            add_segment(&db.snapshot().expect("a snapshot"), stream);
        }
        let deletions: Vec<_> = deletions.into_iter().map(|(a, b, code, at)| (a, b, code, at * 2 - 1)).collect();
        for (number, (start, end, code, commit)) in deletions.iter().enumerate() {
            let deletion = Deletion {
                deletion: number as u64,
                table: db.table("t").expect("the table").meta().expect("its description").table,
                start: *start,
                end: *end,
                series: code.map(|code| vec![code]),
                commit: *commit,
            };
            let snapshot = db.snapshot().expect("a snapshot");
            snapshot.engine().commit(|_, _| Ok(vec![EditItem::Delete(deletion)])).expect("a deletion");
        }
        let snapshot = db.snapshot().expect("a snapshot");
        for order in [Order::Series, Order::Time, Order::Stored] {
            let mut found = ids(&snapshot, order);
            if order == Order::Stored {
                found.sort_unstable();
            }
            prop_assert_eq!(&found, &expected(&rows, keep, &deletions, order), "{:?}", order);
            let count = snapshot.scan("t").expect("a scan").order(order).count().expect("a count");
            prop_assert_eq!(count as usize, found.len());
        }
    }
}
