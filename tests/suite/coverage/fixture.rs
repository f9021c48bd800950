//! A table to say things of.

use gapless::{Database, Maintenance, Table};

use crate::common::{Row, spec};

pub const MINUTE: i64 = 60_000_000_000;

pub fn open(path: &std::path::Path) -> Database {
    Database::builder(path)
        .small_commit_rows(0)
        .maintenance(Maintenance::Manual)
        .open()
        .expect("a database")
}

pub fn fresh() -> (tempfile::TempDir, Database, Table) {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db.create_table(&spec("t")).expect("a table");
    (directory, db, table)
}

pub fn row(ts: i64, sym: &str) -> Row {
    Row {
        ts,
        sym: Some(sym.to_owned()),
        price: Some(1.0),
        id: ts,
    }
}
