//! The power goes at every call of a repair that changes the disk: the damage is there as before, or it is repaired, and no
//! damaged file is gone.

use std::sync::Arc;

use super::fixture::*;
use crate::check::{CheckOptions, check};
use crate::io::{Fault, FaultPlan, FaultyStorage, MemoryStorage, RelPath, Storage};
use crate::repair::RepairOptions;

fn damaged() -> (MemoryStorage, Vec<Row>, Vec<u8>) {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    db.create_table(&spec("t")).expect("a new table");
    let all = rows(&[Some("a"), Some("b")], 40_000, 0);
    write(&db, &all, &crate::WriteOptions::default());
    drop(db);
    damage_page(&storage, "v.col", 1);
    let (_, bytes) = files(&storage, "v.col").remove(0);
    (storage, all, bytes)
}

#[test]
fn a_crash_leaves_the_damage_or_the_repair() {
    let (storage, all, bytes) = damaged();
    let left = without(&all, &[1]);
    let mut outcomes = [0; 2];
    let mut call = 1;
    loop {
        let faulty = FaultyStorage::over(storage.deep_copy());
        let shared: Arc<dyn Storage> = Arc::new(faulty.clone());
        let db = open_on(&shared).expect("a sound manifest");
        let first = faulty.calls();
        faulty.set_plan(Some(FaultPlan::once(first + call, Fault::Crash)));
        let outcome = db.repair(&RepairOptions::default());
        drop(db);
        if outcome.is_ok() && !faulty.has_crashed() {
            break;
        }
        for image in faulty.crashed_images(first + call, 6) {
            outcomes[usize::from(check_image(image, &left, &bytes, call))] += 1;
        }
        call += 1;
    }
    assert!(
        call > 20 && outcomes.iter().all(|count| *count > 5),
        "{call} {outcomes:?}"
    );
}

/// Whether the repair has happened.
fn check_image(image: MemoryStorage, left: &[Row], bytes: &[u8], call: u64) -> bool {
    let origin = image.origin().to_owned();
    let shared: Arc<dyn Storage> = Arc::new(image.clone());
    let db = open_on(&shared).expect("a sound manifest");
    let is_repaired = match read(&db) {
        Ok(found) => {
            assert!(found == left, "call {call}, {origin}");
            true
        }
        Err(error) => {
            assert_eq!(
                error.kind(),
                crate::ErrorKind::Corrupt,
                "call {call}, {origin}: {error}"
            );
            false
        }
    };
    let report = db.repair(&RepairOptions::default()).expect("a repair");
    assert_eq!(report.has_damage(), !is_repaired, "call {call}, {origin}");
    db.collect_garbage().expect("garbage");
    assert!(read(&db).expect("sound rows") == left, "call {call}, {origin}");
    let report = check(&shared, &CheckOptions::default()).expect("a database");
    assert!(report.is_clean(), "call {call}, {origin}: {:#?}", report.findings);
    assert_eq!(states(&db, Some("b")).len(), 3, "call {call}, {origin}");
    let mut kept = Vec::new();
    walk(&*shared, &RelPath::from_static("quarantine"), &mut kept);
    assert!(
        kept.iter().any(|(_, kept)| kept == bytes),
        "call {call}, {origin}: the damaged file is gone"
    );
    is_repaired
}
