//! Names and symbols of every kind.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::{Database, ErrorKind, TableSpec};

use crate::common::{Row, batch, rows, scratch, spec};

const NAMES: [&str; 14] = [
    "a/b",
    "../../etc/passwd",
    "..",
    ".",
    ".hidden",
    "trailing.",
    "naïve",
    "行情",
    "🦀",
    "with space",
    "%2F",
    "Case",
    "case",
    "s-00000001-000001",
];

fn table_of(column: &str) -> (TableSpec, RecordBatch) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
        Field::new(column, DataType::Int64, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(vec![1, 2])),
        Arc::new(Int64Array::from(vec![Some(7), None])),
    ];
    let spec = TableSpec::new(column, schema.as_ref().clone()).time("ts");
    (spec, RecordBatch::try_new(schema, columns).expect("a batch"))
}

#[test]
fn tables_columns_and_snapshots_may_have_any_printable_name() {
    let (directory, db) = scratch();
    for name in NAMES {
        let (spec, batch) = table_of(name);
        let table = db
            .create_table(&spec)
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
        table
            .write([batch])
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
        db.create_snapshot(name)
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
    drop(db);
    let path = directory.path().join("test.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("the database opens");
    let mut expected: Vec<_> = NAMES.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(db.tables().expect("tables"), expected);
    db.collect_garbage().expect("nothing of it is garbage");
    for name in NAMES {
        let batches = db
            .table(name)
            .expect(name)
            .scan()
            .expect(name)
            .collect()
            .expect(name);
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
            2,
            "{name:?}"
        );
        assert!(batches[0].column_by_name(name).is_some(), "{name:?}");
        assert!(db.as_of(name).is_ok(), "{name:?}");
    }
    let outside: Vec<_> = std::fs::read_dir(directory.path())
        .expect("a list")
        .flatten()
        .collect();
    assert_eq!(outside.len(), 1, "nothing lies beside the database");
}

#[test]
fn names_that_cannot_be_are_refused_with_the_reason() {
    let (_directory, db) = scratch();
    let long = "x".repeat(64 << 10);
    for name in ["", "a\0b", "line\nbreak", long.as_str()] {
        let (spec, _) = table_of(name);
        let error = db.create_table(&spec).expect_err("no such name");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().len() < 1000, "the message is short");
        let error = db.create_snapshot(name).expect_err("no such name");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let spec = spec_with_domain(name);
        assert_eq!(
            db.create_table(&spec).expect_err("no such domain").kind(),
            ErrorKind::Invalid
        );
    }
    assert!(db.tables().expect("tables").is_empty());
}

fn spec_with_domain(domain: &str) -> TableSpec {
    spec("t").symbol("sym", domain)
}

#[test]
fn symbols_may_be_any_text() {
    let (directory, db) = scratch();
    let long = "é".repeat(32 << 10);
    let symbols = [
        "",
        "a/b",
        "../..",
        "NUL\0inside",
        "line\nbreak",
        "\u{feff}",
        "🦀",
        " ",
        "null",
        long.as_str(),
    ];
    let row = |(id, sym): (i64, &&str)| Row {
        ts: id,
        sym: Some((*sym).to_owned()),
        price: None,
        id,
    };
    let mut expected: Vec<Row> = (0..).zip(&symbols).map(row).collect();
    let table = db.create_table(&spec("t")).expect("a table");
    table.write([batch(&expected)]).expect("rows");
    drop((db, table));
    let db = Database::builder(directory.path().join("test.db"))
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("it opens");
    expected.sort_by(|a, b| a.sym.cmp(&b.sym));
    let found = rows(
        &db.table("t")
            .expect("t")
            .scan()
            .expect("a scan")
            .collect()
            .expect("rows"),
    );
    assert_eq!(found, expected);
    for symbol in symbols {
        let scan = db.table("t").expect("t").scan().expect("a scan").series([symbol]);
        assert_eq!(scan.count().expect("a count"), 1, "{:?}", symbol.get(..10));
    }
}
