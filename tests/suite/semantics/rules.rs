//! What each operation promises, one sentence at a time.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::scan::col;
use gapless::{ErrorKind, Keep, PartitionUnit, TableSpec, WriteOptions};

use crate::common::{DAY, HOUR, Row, batch, rows, schema, scratch, spec};

fn row(ts: i64, sym: &str, price: f64, id: i64) -> Row {
    Row {
        ts,
        sym: Some(sym.to_owned()),
        price: Some(price),
        id,
    }
}

fn ids(table: &gapless::Table) -> Vec<i64> {
    let found = table.scan().expect("a scan").collect().expect("rows");
    rows(&found).iter().map(|row| row.id).collect()
}

#[test]
fn a_filter_does_not_bring_back_an_older_version_of_a_row() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("bars").keep(Keep::Last)).expect("a table");
    table
        .write([batch(&[row(1, "a", 10.0, 1), row(2, "a", 20.0, 2)])])
        .expect("rows");
    table
        .write([batch(&[row(1, "a", 11.0, 3)])])
        .expect("a correction");
    let question = |price: f64| {
        let scan = table.scan().expect("a scan").filter(col("price").eq(price));
        rows(&scan.collect().expect("rows")).len()
    };
    assert_eq!((question(10.0), question(11.0), question(20.0)), (0, 1, 1));
    assert_eq!(ids(&table), [3, 2]);
}

#[test]
fn rows_that_are_fetched_twice_are_there_once_whatever_partitions_hold_them() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("bars").keep(Keep::First)).expect("a table");
    let fetched: Vec<Row> = (0..50).map(|at| row(at * HOUR, "a", 1.0, at)).collect();
    for unit in [PartitionUnit::Hour, PartitionUnit::Day, PartitionUnit::Year] {
        let options = WriteOptions {
            partition: Some(unit),
            ..WriteOptions::default()
        };
        let batches = [Ok::<_, gapless::Error>(batch(&fetched)), Ok(batch(&fetched))];
        let report = table.write_with(batches, &options).expect("rows");
        assert_eq!(report.rows, 50, "one write holds each key once");
    }
    assert_eq!(ids(&table), (0..50).collect::<Vec<_>>());
    assert_eq!(table.scan().expect("a scan").count().expect("a count"), 50);
}

#[test]
fn a_key_without_time_and_series_has_them_all_the_same() {
    let (_directory, db) = scratch();
    let table = db
        .create_table(&spec("t").keep(Keep::Last).key(["price"]))
        .expect("a table");
    let meta = table.meta().expect("a description");
    assert_eq!(meta.key, [0, 1, 2]);
    let table = db.create_table(&spec("u").keep(Keep::Last)).expect("a table");
    assert_eq!(table.meta().expect("a description").key, [0, 1]);
}

#[test]
fn keys_that_cannot_be_are_refused_by_name() {
    let (_directory, db) = scratch();
    let list = DataType::List(Arc::new(Field::new("item", DataType::Float64, true)));
    let mut fields: Vec<Field> = schema()
        .fields()
        .iter()
        .map(|field| Field::clone(field))
        .collect();
    fields.push(Field::new("levels", list, true));
    let wide = TableSpec::new("t", Schema::new(fields)).time("ts").series("sym");
    for (spec, word) in [
        (wide.clone().keep(Keep::Last).key(["levels"]), "levels"),
        (wide.clone().keep(Keep::Last).key(["nobody"]), "nobody"),
        (wide.key(["price"]), "keep"),
    ] {
        let error = db.create_table(&spec).expect_err("it cannot be");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_deletion_hides_what_was_there_and_nothing_that_comes_after() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("t")).expect("a table");
    let all: Vec<Row> = (0..10)
        .map(|at| row(at, ["a", "b"][at as usize % 2], 1.0, at))
        .collect();
    table.write([batch(&all)]).expect("rows");
    let before = db.snapshot().expect("a snapshot");
    table.delete(2..6, Some(&["a", "nobody"])).expect("a deletion");
    assert_eq!(ids(&table), [0, 6, 8, 1, 3, 5, 7, 9]);
    table
        .delete(0..i64::MAX, Some(&["nobody"]))
        .expect("nothing is deleted");
    assert_eq!(ids(&table).len(), 8);
    table.write([batch(&[row(4, "a", 2.0, 100)])]).expect("a row");
    assert_eq!(ids(&table), [0, 100, 6, 8, 1, 3, 5, 7, 9]);
    table.delete(i64::MIN..i64::MAX, None).expect("a deletion");
    assert_eq!(table.scan().expect("a scan").count().expect("a count"), 0);
    let kept = before.scan("t").expect("a scan").count().expect("a count");
    assert_eq!(kept, 10, "the snapshot still has them");
}

#[test]
fn a_replacement_with_rows_outside_of_its_range_changes_nothing() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("t")).expect("a table");
    table
        .write([batch(&[row(1, "a", 1.0, 1), row(2, "b", 1.0, 2)])])
        .expect("rows");
    for outside in [row(5, "a", 1.0, 3), row(0, "a", 1.0, 3), row(1, "b", 1.0, 3)] {
        let error = table
            .replace(1..5, Some(&["a"]), [batch(&[outside])])
            .expect_err("outside");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(ids(&table), [1, 2]);
    let report = table
        .replace(1..5, Some(&["a"]), [batch(&[row(4, "a", 1.0, 9)])])
        .expect("a replacement");
    assert_eq!((report.rows, ids(&table)), (1, vec![9, 2]));
    table.replace(0..DAY, None, []).expect("an empty replacement");
    assert_eq!(ids(&table), Vec::<i64>::new());
}

#[test]
fn rows_and_deletions_of_several_tables_are_one_commit() {
    let (_directory, db) = scratch();
    for name in ["t", "u"] {
        let table = db.create_table(&spec(name)).expect("a table");
        table.write([batch(&[row(1, "a", 1.0, 1)])]).expect("rows");
    }
    let mut transaction = db.transaction().expect("a transaction");
    let rows = |id| [Ok::<_, gapless::Error>(batch(&[row(1, "a", 1.0, id)]))];
    transaction
        .write("t", rows(2), &WriteOptions::default())
        .expect("rows");
    transaction.delete("t", 0..DAY, None).expect("a deletion");
    transaction
        .replace("u", 0..DAY, None, rows(3), &WriteOptions::default())
        .expect("rows");
    let table = |name: &str| db.table(name).expect("a table");
    assert_eq!((ids(&table("t")), ids(&table("u"))), (vec![1], vec![1]));
    transaction.commit().expect("a commit");
    assert_eq!((ids(&table("t")), ids(&table("u"))), (vec![2], vec![3]));
}

#[test]
fn a_table_without_series_keeps_deletes_and_replaces_too() {
    let (_directory, db) = scratch();
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("ts", ts, false),
        Field::new("venue", DataType::Utf8, true),
        Field::new("value", DataType::Int64, true),
    ]));
    let spec = TableSpec::new("t", schema.as_ref().clone())
        .time("ts")
        .keep(Keep::Last)
        .key(["venue"]);
    let table = db.create_table(&spec).expect("a table");
    let write = |rows: &[(i64, Option<&str>, i64)]| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(
                TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.0)).with_timezone("UTC"),
            ),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns fit");
        table.write([batch]).expect("rows");
    };
    let values = || -> Vec<i64> {
        let batches = table
            .scan()
            .expect("a scan")
            .columns(["value"])
            .collect()
            .expect("rows");
        let column = |batch: &RecordBatch| batch.column(0).as_any().downcast_ref::<Int64Array>().cloned();
        batches
            .iter()
            .filter_map(column)
            .flat_map(|values| values.values().to_vec())
            .collect()
    };
    write(&[
        (1, Some("N"), 1),
        (1, Some("Q"), 2),
        (1, None, 3),
        (2, Some("N"), 4),
    ]);
    write(&[(1, Some("Q"), 5), (1, None, 6), (3, Some("N"), 7)]);
    assert_eq!(values(), [1, 5, 6, 4, 7]);
    table.delete(2..3, None).expect("a deletion");
    assert_eq!(values(), [1, 5, 6, 7]);
    let error = table.delete(2..3, Some(&["a"])).expect_err("there is no series");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn versions_of_a_row_in_one_streamed_commit_are_told_apart_before_and_after_a_flush() {
    for first in [i64::MIN, 0] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let db = gapless::Database::builder(directory.path().join("test.db"));
        let db = db.without_sync().open().expect("a database");
        let table = db.create_table(&spec("bars").keep(Keep::First)).expect("a table");
        let other: Vec<Row> = (0..18).map(|id| row(DAY, "b", 1.0, id)).collect();
        let same = [row(first, "a", 1.0, 19), row(first, "a", 1.0, 20)];
        table
            .write([batch(&other[..9]), batch(&other[9..]), batch(&same)])
            .expect("rows");
        assert_eq!(ids(&table), [19, 0], "in memory, at {first}");
        db.flush().expect("a flush");
        assert_eq!(ids(&table), [19, 0], "in a segment, at {first}");
    }
}
