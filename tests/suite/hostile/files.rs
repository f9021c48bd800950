//! Newer versions, links that lead outside, and FIFOs in the place of files.

use std::path::{Path, PathBuf};
use std::process::Command;

use gapless::{Database, ErrorKind, Mode};

use crate::common::{Row, batch, rows, spec};

fn database(directory: &Path) -> PathBuf {
    let path = directory.join("test.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a new database");
    let table = db.create_table(&spec("t")).expect("a table");
    let row = Row {
        ts: 1,
        sym: Some("A".to_owned()),
        price: Some(1.0),
        id: 1,
    };
    table.write([batch(&[row])]).expect("a row");
    path
}

fn every_path(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![path.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).expect("a list").flatten() {
            if entry.path().is_dir() {
                waiting.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn read(path: &Path, mode: Mode) -> gapless::Result<usize> {
    let db = Database::builder(path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .mode(mode)
        .open()?;
    let table = db.table("t")?;
    let all = rows(&table.scan()?.collect()?).len();
    table.scan()?.series(["A"]).collect()?;
    if mode == Mode::ReadWrite {
        let row = Row {
            ts: 2,
            sym: Some("B".to_owned()),
            price: None,
            id: 2,
        };
        table.write([batch(&[row])])?;
        db.collect_garbage()?;
    }
    Ok(all)
}

/// What a read does not need, and what a writer makes anew.
fn is_optional(relative: &str) -> bool {
    ["staging", "quarantine", "manifest/CREATE", "symbols/sym.lock"].contains(&relative)
}

#[test]
fn a_newer_major_version_in_any_kind_of_file_is_unsupported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = database(directory.path());
    let mut kinds = 0;
    for file in every_path(&path) {
        let name = file.strip_prefix(&path).expect("inside").display().to_string();
        let has_version = name == "GAPLESS"
            || [".log", ".sym", ".meta", ".col"]
                .iter()
                .any(|end| name.ends_with(end));
        if !has_version {
            continue;
        }
        let bytes = std::fs::read(&file).expect("a file");
        let mut newer = bytes.clone();
        newer[8] += 1; // The major version follows the magic.
        std::fs::write(&file, newer).expect("changed");
        let error = read(&path, Mode::Read).expect_err(&name);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error:?}");
        assert!(error.to_string().contains(&name), "{name}: {error}");
        std::fs::write(&file, bytes).expect("restored");
        kinds += 1;
    }
    assert!(kinds >= 8, "{kinds} files");
    assert_eq!(read(&path, Mode::Read).expect("sound"), 1);
}

#[test]
fn a_symbolic_link_at_any_level_is_refused_and_nothing_outside_is_read_or_removed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = database(directory.path());
    let outside = directory.path().join("outside");
    for place in every_path(&path) {
        let name = place.strip_prefix(&path).expect("inside").display().to_string();
        // A sound copy lies outside: only the link itself is wrong.
        std::fs::rename(&place, &outside).expect("moved");
        std::os::unix::fs::symlink(&outside, &place).expect("a link");
        let before = every_path(directory.path()).len();
        for mode in [Mode::Read, Mode::ReadWrite] {
            match read(&path, mode) {
                Err(error) => {
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::Io
                        ),
                        "{name}: {error:?}"
                    );
                }
                Ok(_) => assert!(
                    is_optional(&name)
                        || mode == Mode::Read && ["readers", "manifest/LOCK"].contains(&name.as_str()),
                    "{name} was followed for {mode:?}"
                ),
            }
        }
        assert!(
            every_path(directory.path()).len() >= before,
            "{name}: something outside was removed"
        );
        std::fs::remove_file(&place).expect("the link");
        std::fs::rename(&outside, &place).expect("moved back");
    }
    assert!(read(&path, Mode::ReadWrite).is_ok());
}

#[test]
fn a_fifo_in_the_place_of_any_file_is_refused_and_does_not_hang() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = database(directory.path());
    let aside = directory.path().join("aside");
    for place in every_path(&path).into_iter().filter(|place| place.is_file()) {
        let name = place.strip_prefix(&path).expect("inside").display().to_string();
        std::fs::rename(&place, &aside).expect("moved");
        let made = Command::new("mkfifo").arg(&place).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        for mode in [Mode::Read, Mode::ReadWrite] {
            match read(&path, mode) {
                Err(error) => assert!(error.to_string().contains("FIFO"), "{name}: {error:?}"),
                Ok(_) => assert!(is_optional(&name), "{name} was read for {mode:?}"),
            }
        }
        std::fs::remove_file(&place).expect("the FIFO");
        std::fs::rename(&aside, &place).expect("moved back");
    }
    assert!(read(&path, Mode::ReadWrite).is_ok());
}
