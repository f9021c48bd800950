//! A segment of many pages.
//!
//! What failed once: pages of a vector were counted by the values in its header, which for text are bytes. A text
//! column of over 64 pages with few bytes in it was refused as corrupt ("there is no page 64").

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use gapless_format::PAGE_ROWS;

use super::super::{CheckOptions, FindingKind, check};
use super::fixture::{files, open, put};
use crate::database::Mode;
use crate::io::{MemoryStorage, Storage};
use crate::table::TableSpec;

const ROWS: usize = 65 * PAGE_ROWS + 7;

#[test]
fn a_text_column_of_65_pages_of_nulls_is_read_and_damage_is_told_by_page() {
    let storage = MemoryStorage::new();
    let db = open(&storage, Mode::ReadWrite).expect("a new database");
    let times = TimestampNanosecondArray::from_iter_values(0..ROWS as i64);
    let columns: [(&str, ArrayRef, bool); 2] = [
        ("ts", Arc::new(times), false),
        ("note", Arc::new(StringArray::new_null(ROWS)), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("two columns");
    let spec = TableSpec::new("t", batch.schema().as_ref().clone()).time("ts");
    let table = db.create_table(&spec).expect("a new table");
    table.write([batch]).expect("rows are written");
    let read = table.scan().expect("the table").collect().expect("sound rows");
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), ROWS);

    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let run = || check(&shared, &CheckOptions::default()).expect("a database");
    assert!(run().is_clean());
    let (path, mut bytes) = files(&storage)
        .into_iter()
        .find(|(path, _)| path.as_str().ends_with("ts.col"))
        .expect("a time column");
    let at = 64 + 8 * (PAGE_ROWS + 5);
    bytes[at] ^= 1;
    put(&storage, &path, &bytes);
    let report = run();
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    let found = &report.findings[0];
    assert_eq!((found.kind, found.page), (FindingKind::PageChecksum, Some(1)));
    let page = PAGE_ROWS as u64;
    assert_eq!(found.rows, Some(page..2 * page));
    assert_eq!(found.offset, Some(64 + 8 * page));
}
