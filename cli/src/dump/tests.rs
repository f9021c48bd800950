//! Dumps of broken databases: whatever byte is changed, the dump says what it can and does not panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, TimestampNanosecondArray,
};
use gapless::{Attestation, AttributeKind, CoverageState, Database, Error, TableSpec, WriteOptions};

use super::*;

fn database(path: &Path) {
    let db = Database::builder(path)
        .without_sync()
        .small_commit_rows(0)
        .open()
        .expect("a new database");
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampNanosecondArray::from_iter_values(
                (0..9).map(|i| i * 20_000_000_000_000),
            )),
        ),
        (
            "sym",
            Arc::new(StringArray::from_iter(
                (0..9).map(|i| (i != 4).then_some(["A", "B"][i % 2])),
            )),
        ),
        (
            "price",
            Arc::new(Float64Array::from_iter(
                (0..9).map(|i| (i != 3).then_some(f64::from(i))),
            )),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter((0..9).map(|i| Some(i % 2 == 0)))),
        ),
        (
            "note",
            Arc::new(StringArray::from_iter_values((0..9).map(|i| format!("n{i}é")))),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<
                arrow_array::types::Int32Type,
                _,
                _,
            >(
                (0..9).map(|i| Some((0..i % 3).map(Some).collect::<Vec<_>>()))
            )),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, array)| (name, array, name != "ts")),
    )
    .expect("columns of one length");
    let spec = TableSpec::new("trade", batch.schema().as_ref().clone())
        .time("ts")
        .series("sym")
        .attribute("note", AttributeKind::Unique)
        .attribute("flag", AttributeKind::Grouped);
    drop(db.create_table(&spec).expect("a new table"));
    let mut transaction = db.transaction().expect("open for writing");
    transaction
        .write("trade", [Ok::<_, Error>(batch)], &WriteOptions::default())
        .expect("rows are built");
    let said = [
        Attestation::new(0..9).series("A").source("vendor").batch("1"),
        Attestation::new(9..20).series("B").interval(60_000_000_000),
        Attestation::new(i64::MIN..0).state(CoverageState::NotApplicable),
    ];
    for said in said {
        transaction.attest("trade", said).expect("a sound statement");
    }
    transaction.commit().expect("a commit");
    db.create_snapshot("kept").expect("a snapshot");
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Every kind of dump; whether any of them met an error.
fn dump_all(root: &Path, changed: &Path) -> bool {
    let disk = Disk::new(root);
    let choice = |name: &str| ColumnChoice {
        name: name.into(),
        rows: 5,
        page: 0,
    };
    let mut sections = vec![
        database_section(&disk),
        manifest(&disk),
        domains(&disk, None, 10),
        domains(&disk, Some("sym"), 10),
        segments(&disk, "trade", None, None, None),
        file(changed, Some(10)),
        streams(&disk, 3),
    ];
    for name in ["ts", "sym", "price", "flag", "note", "list"] {
        sections.push(segments(&disk, "trade", None, None, Some(&choice(name))));
    }
    let mut has_errors = false;
    for section in sections {
        has_errors |= section.has_errors();
        assert!(section.json().is_object());
        section
            .print(&mut crate::output::Output::nowhere())
            .expect("nowhere takes it");
    }
    has_errors
}

fn database_section(disk: &Disk) -> Section {
    super::database(disk, None, None)
}

#[test]
fn a_dump_of_a_broken_database_says_so_and_never_panics() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    let mut all = Vec::new();
    files(&root, &mut all);
    // Also of the files that only are locked, which hold nothing.
    assert!(all.iter().any(|path| path.ends_with("manifest/CREATE")));
    assert!(all.iter().any(|path| path.ends_with("symbols/sym.lock")));
    assert!(
        all.iter()
            .any(|path| path.extension().is_some_and(|it| it == "cov"))
    );
    assert!(all.iter().all(|path| !dump_all(&root, path)));
    let (mut tried, mut told) = (0, 0);
    for (at, path) in all.iter().enumerate() {
        let bytes = fs::read(path).expect("a file");
        for offset in (at % 11..bytes.len()).step_by(11) {
            for new in [bytes[offset] ^ 1 << (offset % 8), 0x00, 0xff] {
                let mut changed = bytes.clone();
                changed[offset] = new;
                fs::write(path, &changed).expect("the disk takes it");
                tried += usize::from(new != bytes[offset]);
                told += usize::from(dump_all(&root, path));
            }
        }
        for len in (0..bytes.len()).step_by(37) {
            fs::write(path, &bytes[..len]).expect("the disk takes it");
            dump_all(&root, path);
        }
        fs::remove_file(path).expect("it is there");
        dump_all(&root, path);
        fs::write(path, &bytes).expect("the disk takes it");
    }
    println!("dumps: {tried} changed bytes, {told} told as errors");
    assert!(tried > 300 && told * 10 > tried * 9, "{told} of {tried}");
}

/// Flips a bit two thirds into the log; what a dump then shows of the table, and of a column of it.
fn damaged(root: &Path) -> (String, Section) {
    let log = root.join("manifest/0000000001.log");
    let mut bytes = fs::read(&log).expect("the log");
    let at = bytes.len() * 2 / 3;
    bytes[at] ^= 1;
    fs::write(&log, bytes).expect("the disk takes it");
    let choice = ColumnChoice {
        name: "price".into(),
        rows: 9,
        page: 0,
    };
    let disk = Disk::new(root);
    let column = segments(&disk, "trade", Some("1970-01-01"), None, Some(&choice));
    let tree = super::database(&disk, Some("trade"), None);
    (tree.json().to_string(), column)
}

/// Once `dump` showed version 0 and no table, with every segment intact.
#[test]
fn behind_a_damaged_manifest_the_directories_show_the_segments() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    for entry in fs::read_dir(root.join("manifest")).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "ckpt") {
            fs::remove_file(path).expect("it is there");
        }
    }
    let (tree, column) = damaged(&root);
    assert!(
        tree.contains("from the directories: the manifest is damaged at byte "),
        "{tree}"
    );
    assert!(tree.contains("\"rows_in_all\":9"), "{tree}");
    let values = column.json()["sections"][0]["sections"][1]["rows"].clone();
    assert_eq!(values[1]["value"], 2.0, "{}", column.json());
    assert!(column.has_errors());
}

#[test]
fn behind_a_damaged_manifest_the_checkpoint_of_a_snapshot_names_the_tables() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    let (tree, _) = damaged(&root);
    assert!(tree.contains("\"read_from\":\"manifest/snapshot-"), "{tree}");
    assert!(tree.contains("\"from\":\"manifest\""), "{tree}");
    assert!(tree.contains("\"rows_in_all\":9"), "{tree}");
}

/// A cut between two records leaves a log in which every record is whole: LOCK tells that there were more.
#[test]
fn a_log_cut_between_two_records_is_told_by_its_durable_length() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    let log = root.join("manifest/0000000001.log");
    let bytes = fs::read(&log).expect("the log");
    let mut ends = Vec::new();
    state::walk(&bytes, |record| ends.push(record.offset)).expect("whole records");
    let cut = ends[1];
    fs::write(&log, &bytes[..usize::try_from(cut).expect("small")]).expect("the disk takes it");
    let text = database_section(&Disk::new(&root)).json().to_string();
    assert!(
        text.contains(&format!("the manifest is damaged at byte {cut}")),
        "{text}"
    );
    assert!(text.contains("\"rows_in_all\":9"), "{text}");
}

/// Once an empty table was printed and the exit code was 0.
#[test]
fn a_selector_that_matches_nothing_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    let disk = Disk::new(&root);
    let choice = |name: &str, page| ColumnChoice {
        name: name.into(),
        rows: 2,
        page,
    };
    let of = |table: &str, partition, segment, choice: Option<ColumnChoice>| {
        segments(&disk, table, partition, segment, choice.as_ref())
    };
    let price = || Some(choice("price", 0));
    let day = Some("1970-01-01");
    for (section, told) in [
        (
            super::database(&disk, Some("nope"), None),
            "there is no table \"nope\"",
        ),
        (
            super::database(&disk, Some("trade"), Some("1999-01-01")),
            "no partition \"1999-01-01\"",
        ),
        (of("nope", None, None, price()), "there is no table \"nope\""),
        (
            of("trade", Some("1999-01-01"), None, price()),
            "no partition \"1999-01-01\"",
        ),
        (
            of("trade", day, Some("s-nope"), None),
            "no segment that begins with \"s-nope\"",
        ),
        (
            of("trade", None, None, Some(choice("nope", 0))),
            "there is no column \"nope\"",
        ),
        (
            of("trade", None, None, Some(choice("price", 99))),
            "has no page 99: it has 1",
        ),
        (
            domains(&disk, Some("nope"), 10),
            "there is no symbol domain \"nope\"",
        ),
    ] {
        let miss = section.miss().expect("nothing matches");
        assert!(miss.contains(told), "{miss}");
    }
    assert_eq!(super::database(&disk, Some("trade"), day).miss(), None);
    assert_eq!(of("trade", day, Some("s-"), price()).miss(), None);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_told_and_not_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    let secret = directory.path().join("secret");
    fs::write(&secret, b"not yours").expect("the disk takes it");
    fs::remove_file(root.join("manifest/CURRENT")).expect("it is there");
    std::os::unix::fs::symlink(&secret, root.join("manifest/CURRENT")).expect("a link");
    let section = database_section(&Disk::new(&root));
    assert!(
        section
            .json()
            .to_string()
            .contains("symbolic link, which is not followed")
    );
}

#[test]
fn values_are_shown_with_nulls_and_symbols_as_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("db");
    database(&root);
    let choice = |name: &str| ColumnChoice {
        name: name.into(),
        rows: 2,
        page: 0,
    };
    let shown = |name: &str| {
        let section = segments(
            &Disk::new(&root),
            "trade",
            Some("1970-01-01"),
            None,
            Some(&choice(name)),
        );
        assert!(!section.has_errors(), "{}", section.json());
        section.json()["sections"][0]["sections"][1]["rows"].clone()
    };
    assert_eq!(shown("sym")[0]["value"], "A");
    let codes = segments(
        &Disk::new(&root),
        "trade",
        Some("1970-01-01"),
        None,
        Some(&choice("sym")),
    );
    let page = codes.json()["sections"][0]["sections"][0]["rows"][0].clone();
    assert_eq!((&page["min"], &page["max"]), (&"code 0".into(), &"code 1".into()));
    assert_eq!(shown("note")[0]["value"], "n0é");
    assert_eq!(shown("ts")[0]["value"], "1970-01-01T00:00:00.000000000Z");
}
