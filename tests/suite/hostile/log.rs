//! The manifest's log cut at every length and changed at every byte.

use std::path::{Path, PathBuf};

use gapless::{Database, ErrorKind, Mode};

use crate::common::{Row, batch, rows, spec};

fn small_database() -> (tempfile::TempDir, PathBuf, Vec<i64>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a new database");
    let table = db.create_table(&spec("t")).expect("a table");
    for id in 0..3 {
        let row = Row {
            ts: id,
            sym: Some(format!("S{id}")),
            price: Some(1.5),
            id,
        };
        table.write([batch(&[row])]).expect("a row");
    }
    db.create_snapshot("s").expect("a snapshot");
    (directory, path, vec![0, 1, 2])
}

fn state(path: &Path) -> gapless::Result<(Vec<i64>, usize)> {
    let db = Database::builder(path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .mode(Mode::Read)
        .open()?;
    let found = rows(&db.table("t")?.scan()?.collect()?);
    Ok((found.iter().map(|row| row.id).collect(), db.snapshots()?.len()))
}

fn log_file(path: &Path) -> PathBuf {
    path.join("manifest/0000000001.log")
}

/// Opens after a change of the log; errors must be `Corrupt` or `Unsupported` and name the file.
fn check(path: &Path, newest: &(Vec<i64>, usize), what: &str) -> bool {
    match state(path) {
        Ok(found) => {
            assert_eq!(&found, newest, "{what}: an older state was shown silently");
            false
        }
        Err(error) => {
            assert!(
                matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported),
                "{what}: {error:?}"
            );
            assert!(error.to_string().contains("manifest/"), "{what}: {error}");
            true
        }
    }
}

#[test]
fn a_log_cut_at_any_length_or_changed_at_any_byte_is_never_an_older_state() {
    let (_directory, path, ids) = small_database();
    let newest = (ids, 1);
    assert_eq!(state(&path).expect("sound"), newest);
    let log = std::fs::read(log_file(&path)).expect("the log");
    let (mut found, mut harmless) = (0, 0);
    for len in 0..log.len() {
        std::fs::write(log_file(&path), &log[..len]).expect("cut");
        assert!(
            check(&path, &newest, &format!("cut to {len}")),
            "cut to {len} was not found"
        );
    }
    for at in 0..log.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = log.clone();
            changed[at] ^= flip;
            std::fs::write(log_file(&path), &changed).expect("changed");
            if check(&path, &newest, &format!("byte {at} ^ {flip:02x}")) {
                found += 1;
            } else {
                harmless += 1;
            }
        }
    }
    std::fs::write(log_file(&path), &log).expect("restored");
    assert_eq!(state(&path).expect("sound again"), newest);
    println!(
        "{} cuts and {found} flips found, {harmless} flips harmless",
        log.len()
    );
    assert_eq!(harmless, 0);
}

#[test]
fn damage_before_a_whole_commit_is_found_without_the_lock_file_too() {
    let (_directory, path, ids) = small_database();
    let newest = (ids, 1);
    let log = std::fs::read(log_file(&path)).expect("the log");
    std::fs::remove_file(path.join("manifest/LOCK")).expect("removed");
    assert_eq!(state(&path).expect("the lock file only bounds"), newest);
    let _ = std::fs::remove_file(path.join("manifest/LOCK"));
    let mut older = Vec::new();
    for at in 0..log.len() {
        let mut changed = log.clone();
        changed[at] ^= 0x10;
        std::fs::write(log_file(&path), &changed).expect("changed");
        let before = older.len();
        if let Ok(found) = state(&path)
            && found != newest
        {
            older.push(at);
        }
        let _ = before;
        let _ = std::fs::remove_file(path.join("manifest/LOCK"));
    }
    // Without the lock file only the last commit can go unnoticed: it looks like one that a crash cut off.
    let last = older.first().copied().unwrap_or(log.len());
    assert!(older.iter().copied().eq(last..log.len()), "{older:?}");
    assert!(
        log.len() - last < 100,
        "more than the last commit: {} of {} bytes",
        log.len() - last,
        log.len()
    );
}

#[test]
fn a_file_that_is_gone_is_corrupt_and_named() {
    let (_directory, path, _) = small_database();
    let mut segment = PathBuf::new();
    let mut waiting = vec![path.join("tables")];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).expect("a list").flatten() {
            if entry.path().is_dir() {
                waiting.push(entry.path());
            } else if entry.file_name() == "segment.meta" {
                segment = directory_of(&entry.path());
            }
        }
    }
    let inside = |name: &str| {
        segment
            .join(name)
            .strip_prefix(&path)
            .expect("inside")
            .to_path_buf()
    };
    let victims = [
        PathBuf::from("manifest/CURRENT"),
        PathBuf::from("manifest/0000000001.log"),
        PathBuf::from("symbols/sym.sym"),
        inside("segment.meta"),
        inside("ts.col"),
        inside("sym.col"),
        inside("sym.parted"),
        inside("id.col"),
    ];
    for victim in victims {
        let bytes = std::fs::read(path.join(&victim)).expect("it is there");
        std::fs::remove_file(path.join(&victim)).expect("removed");
        let outcome = if victim.ends_with("sym.parted") {
            Database::builder(&path)
                .small_commit_rows(0)
                .maintenance(gapless::Maintenance::Manual)
                .mode(Mode::Read)
                .open()
                .and_then(|db| db.table("t")?.scan()?.series(["S0", "S1", "S2"]).collect())
                .map(|_| (vec![], 0))
        } else {
            state(&path)
        };
        match outcome {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{}: {error}", victim.display());
                assert!(
                    error.to_string().contains(&victim.display().to_string()),
                    "{}: {error}",
                    victim.display()
                );
            }
            // An index that is not asked for is not missed.
            Ok(_) => assert!(
                victim.ends_with("sym.parted"),
                "{} was not missed",
                victim.display()
            ),
        }
        std::fs::write(path.join(&victim), bytes).expect("restored");
    }
    assert!(state(&path).is_ok());
    let snapshot = std::fs::read_dir(path.join("manifest"))
        .expect("a list")
        .flatten();
    let snapshot = snapshot
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "ckpt"));
    std::fs::remove_file(snapshot.expect("a snapshot's checkpoint")).expect("removed");
    let error = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .and_then(|db| db.as_of("s").map(|_| ()))
        .expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("manifest/snapshot-"), "{error}");
}

fn directory_of(path: &Path) -> PathBuf {
    path.parent().expect("a parent").to_path_buf()
}
