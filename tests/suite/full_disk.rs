//! A disk that fills up in the middle of a write, on a real file system.
//!
//! Mounting a small tmpfs needs root; without it the test says so and does nothing.

use std::path::Path;
use std::process::Command;

use gapless::{Database, ErrorKind};

use crate::common::{Row, batch, rows, spec};

/// A mounted file system that goes with it.
pub struct Mount(tempfile::TempDir);

impl Mount {
    pub fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(directory.path())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self(directory))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn many(first: i64, count: i64) -> Vec<Row> {
    (first..first + count)
        .map(|id| Row {
            ts: id * 3_600_000_000_000,
            sym: Some(format!("S{}", id % 7)),
            price: Some(id as f64),
            id,
        })
        .collect()
}

fn segment_directories(path: &Path) -> usize {
    let mut found = 0;
    let mut waiting = vec![path.join("tables"), path.join("staging")];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                found += usize::from(entry.file_name().to_string_lossy().starts_with("s-"));
                waiting.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn a_full_disk_is_a_clear_error_and_nothing_is_lost() {
    let Some(mount) = Mount::new("6m") else {
        println!(
            "SKIPPED: a_full_disk_is_a_clear_error_and_nothing_is_lost needs root, to mount a small tmpfs"
        );
        return;
    };
    let path = mount.0.path().join("test.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .expect("a new database");
    let table = db.create_table(&spec("t")).expect("a table");
    table.write([batch(&many(0, 50))]).expect("rows that fit");
    let before = segment_directories(&path);
    for options in [
        gapless::WriteOptions::default(),
        gapless::WriteOptions {
            memory_bytes: 1 << 20, // Sorted on disk, so that the spill meets the full disk.
            ..gapless::WriteOptions::default()
        },
    ] {
        let batches = (0..60).map(|at| Ok::<_, gapless::Error>(batch(&many(1000 + at * 10_000, 10_000))));
        let error = table
            .write_with(batches, &options)
            .expect_err("19 MB do not fit into 6 MB");
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("space"), "{error}");
        assert_eq!(segment_directories(&path), before, "the space is given back");
        assert_eq!(
            std::fs::read_dir(path.join("staging")).expect("a list").count(),
            0
        );
        assert_eq!(table.rows().expect("rows"), 50);
    }
    // Another program takes all that is left: nothing can be committed, everything can be read.
    let hog = mount.0.path().join("hog");
    let mut bytes = 8 << 20;
    while bytes > 0 {
        if std::fs::write(&hog, vec![1; bytes]).is_ok() {
            break;
        }
        bytes -= 4096;
    }
    let error = table.write([batch(&many(60, 5))]).expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let found = rows(&table.scan().expect("a scan").collect().expect("rows"));
    assert_eq!(found.len(), 50);
    drop((db, table));
    let reader = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .mode(gapless::Mode::Read)
        .open()
        .expect("it opens on a full disk");
    assert_eq!(reader.table("t").expect("t").rows().expect("rows"), 50);
    drop(reader);
    std::fs::remove_file(&hog).expect("space is freed");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .expect("the database opens");
    db.table("t")
        .expect("t")
        .write([batch(&many(60, 5))])
        .expect("there is room again");
    db.collect_garbage().expect("collected");
    assert_eq!(db.table("t").expect("t").rows().expect("rows"), 55);
}
