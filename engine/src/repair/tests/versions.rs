//! Which version of a row counts: the same one as before, of the versions that are left.

use super::fixture::*;
use crate::io::MemoryStorage;
use crate::repair::RepairOptions;
use crate::write::WriteOptions;
use crate::{Error, Keep};

const COUNT: i64 = 70_000;

fn table(keep: Keep) -> (MemoryStorage, crate::Database) {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    db.create_table(&spec("t").keep(keep)).expect("a new table");
    (storage, db)
}

fn version(number: i64) -> Vec<Row> {
    let mut rows = rows(&[Some("a")], COUNT, 0);
    rows.iter_mut().for_each(|row| row.2 += number * 1_000_000);
    rows
}

/// Damages a page of the values of the `n`th segment in the order of writing.
fn damage_nth(storage: &MemoryStorage, n: usize, page: u64) {
    let mut found = files(storage, "v.col");
    found.sort();
    let (path, mut bytes) = found.remove(n);
    bytes[(64 + page * PAGE * 8 + 17) as usize] ^= 0x10;
    put(storage, &path, &bytes);
}

/// The version of each row that counts.
fn counting(storage: &MemoryStorage) -> Vec<i64> {
    let rows = read(&open(storage)).expect("sound rows");
    rows.iter().map(|row| row.2 / 1_000_000).collect()
}

/// Of three versions of each row, of which one has lost its first page, the right one counts.
fn check_counting(storage: &MemoryStorage, keep: Keep, damaged: usize) {
    let found = counting(storage);
    assert_eq!(found.len(), COUNT as usize);
    let (in_lost, in_sound) = match (keep, damaged) {
        (Keep::First, 0) => (2, 1),
        (Keep::First, _) => (1, 1),
        (_, 2) => (2, 3),
        _ => (3, 3),
    };
    let (lost, sound) = found.split_at(PAGE as usize);
    assert!(
        lost.iter().all(|version| *version == in_lost),
        "{keep:?} {damaged}"
    );
    assert!(
        sound.iter().all(|version| *version == in_sound),
        "{keep:?} {damaged}"
    );
}

#[test]
fn of_versions_in_several_segments_the_same_counts() {
    for keep in [Keep::First, Keep::Last] {
        for damaged in 0..3 {
            let (storage, db) = table(keep);
            for number in 1..=3 {
                write(&db, &version(number), &WriteOptions::default());
            }
            drop(db);
            damage_nth(&storage, damaged, 0);
            let db = open(&storage);
            let report = db.repair(&RepairOptions::default()).expect("a repair");
            assert_eq!(report.rows_lost(), PAGE);
            assert!(run_check(&storage).is_clean());
            drop(db);
            check_counting(&storage, keep, damaged);
        }
    }
}

/// Two writes of one transaction have one commit time: the second counts because it comes later in the manifest.
#[test]
fn of_versions_of_one_commit_the_same_counts() {
    for keep in [Keep::First, Keep::Last] {
        for damaged in 0..3 {
            let (storage, db) = table(keep);
            let mut transaction = db.transaction().expect("open for writing");
            for number in 1..=3 {
                transaction
                    .write(
                        "t",
                        [Ok::<_, Error>(batch(&version(number)))],
                        &WriteOptions::default(),
                    )
                    .expect("rows are built");
            }
            transaction.commit().expect("a commit");
            drop(db);
            damage_nth(&storage, damaged, 0);
            let db = open(&storage);
            db.repair(&RepairOptions::default()).expect("a repair");
            db.collect_garbage().expect("garbage");
            assert!(
                run_check(&storage).is_clean(),
                "{:#?}",
                run_check(&storage).findings
            );
            drop(db);
            check_counting(&storage, keep, damaged);
        }
    }
}

#[test]
fn commit_times_of_rows_are_kept() {
    // Streamed in several commits, so that the segment says of each row when it was committed.
    let storage = MemoryStorage::new();
    let db = crate::Database::builder("memory")
        .maintenance(crate::Maintenance::Manual)
        .storage(std::sync::Arc::new(storage.clone()))
        .open()
        .expect("a new database");
    let table = db.create_table(&spec("t").keep(Keep::Last)).expect("a new table");
    let half = COUNT as usize / 2;
    table.append(&batch(&version(1)[..half])).expect("rows");
    table.append(&batch(&version(2)[half..])).expect("rows");
    db.flush().expect("a flush");
    drop((table, db));
    damage(&storage, "sym.parted", |bytes| bytes[70] ^= 1);
    let before = read_commits(&storage);
    assert!(before.first() < before.last());
    let db = open(&storage);
    assert!(db.repair(&RepairOptions::default()).expect("a repair").is_whole());
    assert!(run_check(&storage).is_clean());
    assert!(before == read_commits(&storage), "other commit times");
}

fn read_commits(storage: &MemoryStorage) -> Vec<i64> {
    let db = open(storage);
    let version = db.version().expect("a version");
    let state = version.table("t").expect("the table");
    let reference = state.segments().next().expect("a segment");
    let cache = db.engine().cache();
    let segment = cache.segment("t", reference).expect("a sound description");
    let commits = segment.commits(cache, 0..segment.rows()).expect("sound pages");
    commits.expect("the segment says it of each row").to_vec()
}

#[test]
fn deleted_rows_stay_deleted() {
    let (storage, all) = three_series();
    let db = open(&storage);
    db.table("t")
        .expect("the table")
        .delete(DAY..DAY + 1000 * MS, Some(&["c"]))
        .expect("a deletion");
    drop(db);
    damage_page(&storage, "v.col", 0);
    let mut left = without(&all, &[0]);
    left.retain(|row| row.0.as_deref() != Some("c") || row.1 >= DAY + 1000 * MS);
    heal(&storage, &left);
}
