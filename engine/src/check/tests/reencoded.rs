//! Segments written again with another encoding: the same rows whatever is asked, a clean check, the same statistics.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use gapless_format::manifest::EditItem;
use gapless_format::{ColumnMeta, Encoding, PAGE_ROWS};

use super::super::{CheckOptions, check};
use super::fixture::{self, every_type_batch, every_type_spec, open, read_all};
use crate::PartitionUnit;
use crate::database::{Database, Mode};
use crate::error::{Error, ErrorKind};
use crate::io::{MemoryStorage, Storage};
use crate::scan::{Order, col};
use crate::segment::sync::SyncBatch;
use crate::segment::{EncodingPolicy, NewSegment, reencode};
use crate::table::Table;
use crate::write::WriteOptions;

const DAY: i64 = 1_795_132_800_000_000_000;
const STEP: i64 = 3_600_000_000_000 / 13;

/// Puts every live segment in another encoding and gives the descriptions of the new columns.
fn reencode_all(db: &Database, policy: &EncodingPolicy) -> Vec<ColumnMeta> {
    let snapshot = db.snapshot().expect("a snapshot");
    let (engine, version) = (snapshot.engine(), snapshot.version());
    let mut metas = Vec::new();
    let (mut items, mut sync, mut guards) = (Vec::new(), SyncBatch::default(), Vec::new());
    for table in version.tables() {
        for reference in table.segments() {
            let source = engine
                .cache()
                .segment(&table.meta().name, reference)
                .expect("a segment");
            let (segment, directory) = engine.next_segment();
            let new = NewSegment {
                segment,
                directory,
                created_at: 0,
            };
            let done = reencode(
                engine.cache(),
                table.meta(),
                &source,
                new,
                policy,
                &mut sync,
                |_| Ok(()),
            );
            let done = done.expect("a segment is written again");
            items.push(EditItem::RemoveSegment {
                table: reference.table,
                segment: reference.segment,
            });
            items.push(EditItem::AddSegment(done.reference));
            guards.push(done.guard);
        }
    }
    sync.flush(&**engine.storage()).expect("files are synced");
    engine
        .commit(|version, _| {
            for item in &mut items {
                if let EditItem::AddSegment(segment) = item {
                    segment.created = version.number() + 1;
                }
            }
            Ok(items)
        })
        .expect("a commit");
    guards.into_iter().for_each(|guard| guard.keep());
    let snapshot = db.snapshot().expect("a snapshot");
    for table in snapshot.version().tables() {
        for reference in table.segments() {
            let segment = engine
                .cache()
                .segment(&table.meta().name, reference)
                .expect("a segment");
            metas.extend(segment.meta().columns.clone());
        }
    }
    metas
}

fn assert_clean(storage: &MemoryStorage) {
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let report = check(&shared, &CheckOptions::default()).expect("a database");
    assert!(report.is_clean(), "{:#?}", report.findings);
}

#[test]
fn every_type_attribute_and_null_is_there_again_after_both_ways() {
    let storage = fixture::database();
    let before = read_all(&storage).expect("sound rows");
    let db = open(&storage, Mode::ReadWrite).expect("a database");
    for policy in [
        EncodingPolicy::plain(),
        EncodingPolicy::cold(),
        EncodingPolicy::plain(),
    ] {
        let metas = reencode_all(&db, &policy);
        let encoding = match policy == EncodingPolicy::plain() {
            true => Encoding::Plain,
            false => Encoding::Paged,
        };
        assert!(metas.iter().all(|column| column.encoding == encoding));
        assert!(read_all(&storage).expect("sound rows") == before);
        assert_clean(&storage);
    }
}

fn one(batches: Vec<RecordBatch>) -> RecordBatch {
    let schema = batches.first().expect("a batch").schema();
    concat_batches(&schema, &batches).expect("one schema")
}

/// What different questions get for an answer.
fn answers(table: &Table, rows: i64) -> Vec<RecordBatch> {
    let scan = |order| table.scan().expect("a scan").order(order);
    let mut answers = vec![
        scan(Order::Series).collect().expect("rows"),
        scan(Order::Time).batch_rows(1000).collect().expect("rows"),
        scan(Order::Stored).batch_rows(100_000).collect().expect("rows"),
        scan(Order::Series).series(["MSFT"]).collect().expect("rows"),
        scan(Order::Time)
            .filter(col("i32").eq(2))
            .collect()
            .expect("rows"),
        scan(Order::Stored)
            .filter(col("seq").gt(rows / 2))
            .collect()
            .expect("rows"),
    ];
    let page = PAGE_ROWS as i64;
    for at in [0, 1, rows / 2, page - 1, page, page + 1, rows - 1] {
        let from = DAY + at * STEP;
        for span in [1, 3 * STEP] {
            let found = scan(Order::Time).between(from, from + span).collect();
            answers.push(found.expect("rows"));
        }
    }
    let empty = RecordBatch::new_empty(table.scan().expect("a scan").stream().expect("rows").schema());
    answers
        .into_iter()
        .map(|batches| match batches.is_empty() {
            true => empty.clone(),
            false => one(batches),
        })
        .collect()
}

#[test]
fn rows_around_the_end_of_a_page_answer_as_the_plain_ones_do() {
    let page = PAGE_ROWS as i64;
    for rows in [1, 2, page - 1, page, page + 1, 2 * page + 700] {
        let storage = MemoryStorage::new();
        let db = open(&storage, Mode::ReadWrite).expect("a new database");
        let table = db.create_table(&every_type_spec()).expect("a new table");
        let decades = WriteOptions {
            partition: Some(PartitionUnit::Year),
            ..WriteOptions::default()
        };
        // One more segment in the same time: pieces interleave.
        for (first, count) in [(0, rows), (5, rows.min(40))] {
            let batch = every_type_batch(DAY + first * STEP, count);
            table
                .write_with([Ok::<_, Error>(batch)], &decades)
                .expect("rows are written");
        }
        let before = answers(&table, rows);
        reencode_all(&db, &EncodingPolicy::cold());
        let after = answers(&table, rows);
        for (at, (found, expected)) in after.iter().zip(&before).enumerate() {
            assert!(found == expected, "{rows} rows, question {at}");
        }
        assert!(db.decoded_bytes() > 0 || rows < 20);
        assert_clean(&storage);
    }
}

#[test]
fn a_rewrite_that_is_stopped_leaves_no_files() {
    let storage = fixture::database();
    let db = open(&storage, Mode::ReadWrite).expect("a database");
    let snapshot = db.snapshot().expect("a snapshot");
    let files = fixture::files(&storage).len();
    let table = snapshot.version().table("all").expect("a table");
    let reference = table.segments().next().expect("a segment");
    let engine = snapshot.engine();
    let source = engine.cache().segment("all", reference).expect("a segment");
    let (segment, directory) = engine.next_segment();
    let new = NewSegment {
        segment,
        directory,
        created_at: 0,
    };
    let stopped = reencode(
        engine.cache(),
        table.meta(),
        &source,
        new,
        &EncodingPolicy::cold(),
        &mut SyncBatch::default(),
        |_| Err(Error::conflict("stop")),
    );
    assert_eq!(stopped.expect_err("it was stopped").kind(), ErrorKind::Conflict);
    assert_eq!(fixture::files(&storage).len(), files);
}
