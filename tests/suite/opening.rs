//! Opening: twice in one process, for reading and for writing, and what is not a database.

use std::path::Path;
use std::sync::Arc;

use gapless::{Database, ErrorKind, Mode};

use crate::common::{Row, batch, spec};

fn one() -> Row {
    Row {
        ts: 1,
        sym: Some("A".to_owned()),
        price: None,
        id: 1,
    }
}

fn open(path: &Path, mode: Mode) -> gapless::Result<Database> {
    Database::builder(path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .mode(mode)
        .open()
}

fn pins(path: &Path) -> usize {
    std::fs::read_dir(path.join("readers")).expect("readers/").count()
}

#[test]
fn a_directory_opened_twice_by_any_path_is_one_engine() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let first = open(&path, Mode::ReadWrite).expect("a new database");
    let linked = directory.path().join("linked");
    std::os::unix::fs::symlink(&path, &linked).expect("a link");
    let second = open(&linked, Mode::ReadWrite).expect("the same database");
    let third = open(&directory.path().join("./linked/../test.db"), Mode::Read).expect("the same database");
    assert_eq!(pins(&path), 1, "one engine has one pin");
    let table = first.create_table(&spec("t")).expect("a table");
    table.write([batch(&[one()])]).expect("a row");
    assert!(Arc::ptr_eq(
        &second.version().expect("a version"),
        &first.version().expect("a version")
    ));
    assert_eq!(third.table("t").expect("the table").rows().expect("rows"), 1);
    drop((first, second, third, table));
    assert_eq!(pins(&path), 0);
}

#[test]
fn a_handle_for_reading_does_not_write_also_beside_one_for_writing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let writer = open(&path, Mode::ReadWrite).expect("a new database");
    let table = writer.create_table(&spec("t")).expect("a table");
    table.write([batch(&[one()])]).expect("a row");
    writer.create_snapshot("s").expect("a snapshot");
    let reader = open(&path, Mode::Read).expect("a second handle");
    let refused = [
        reader.create_table(&spec("u")).map(|_| ()),
        reader.drop_table("t"),
        reader.transaction().map(|_| ()),
        reader.create_snapshot("x").map(|_| ()),
        reader.drop_snapshot("s"),
        reader.collect_garbage().map(|_| ()),
        reader
            .table("t")
            .expect("the table")
            .write([batch(&[one()])])
            .map(|_| ()),
    ];
    for outcome in refused {
        let error = outcome.expect_err("read only");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("reading only"), "{error}");
    }
    drop((writer, table));
    drop(reader);
    let reader = open(&path, Mode::Read).expect("a reader alone");
    let error = open(&path, Mode::ReadWrite).expect_err("open for reading in this process");
    assert_eq!(error.kind(), ErrorKind::Locked);
    drop(reader);
    open(&path, Mode::ReadWrite).expect("the reader has gone");
}

#[test]
fn what_is_not_a_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = open(&directory.path().join("missing"), Mode::Read).expect_err("nothing there");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    let empty = directory.path().join("empty");
    std::fs::create_dir(&empty).expect("a directory");
    let error = open(&empty, Mode::Read).expect_err("no database");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("not a gapless database"), "{error}");
    assert_eq!(std::fs::read_dir(&empty).expect("a list").count(), 0);
    let foreign = directory.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a directory");
    std::fs::write(foreign.join("thesis.tex"), "words").expect("a file");
    for mode in [Mode::Read, Mode::ReadWrite] {
        let error = open(&foreign, mode).expect_err("no database");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(
        std::fs::read_dir(&foreign).expect("a list").count(),
        1,
        "nothing was changed"
    );
    let file = directory.path().join("file");
    std::fs::write(&file, "words").expect("a file");
    for mode in [Mode::Read, Mode::ReadWrite] {
        assert_eq!(open(&file, mode).expect_err("a file").kind(), ErrorKind::Invalid);
    }
    let orphan = open(&directory.path().join("no/such/parent"), Mode::ReadWrite).expect_err("no parent");
    assert_eq!(orphan.kind(), ErrorKind::NotFound, "{orphan}");
}
