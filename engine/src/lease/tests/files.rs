//! What is found in `leases/`: nothing, rubbish, another database's, a newer gapless's; and a reader that may not write.

use std::sync::Arc;

use gapless_format::{LeaseLogHeader, checksum};

use super::*;
use crate::io::RelPath;

fn log() -> RelPath {
    RelPath::from_static("leases/LEASES")
}

fn bytes_of(storage: &Arc<dyn Storage>) -> Vec<u8> {
    storage.read(&log(), u64::MAX).expect("it is there")
}

fn overwrite(storage: &Arc<dyn Storage>, bytes: &[u8]) {
    storage.remove_file(&log()).expect("it is there");
    storage
        .create(&log())
        .expect("it is gone")
        .append(bytes)
        .expect("writes");
}

#[test]
fn a_read_only_database_lists_leases_and_grants_none() {
    let (inner, clock) = (MemoryStorage::new(), ManualClock::new(1));
    let read_only: Arc<dyn Storage> = Arc::new(inner.read_only());
    let writable: Arc<dyn Storage> = Arc::new(inner);
    let reader = open(&read_only, &clock, 0);
    assert!(reader.list().expect("no leases yet").is_empty());
    let error = reader
        .claim(&request("A", 0, 10, "one", 100))
        .expect_err("it is read-only");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let lease = grant(&open(&writable, &clock, 0), &request("A", 0, 10, "one", 100));
    assert_eq!(reader.list().expect("a list"), std::slice::from_ref(&lease));
    assert!(reader.fence(&lease).is_err());
}

#[test]
fn what_is_behind_the_last_valid_record_is_left_out() {
    let clock = ManualClock::new(1);
    for tail in [&[0; 100][..], b"rubbish", &[24, 0, 0, 0, 1], &[255; 40]] {
        let storage = memory();
        let (before, follower) = (
            open(&storage, &clock, NEVER_REPLACED),
            open(&storage, &clock, NEVER_REPLACED),
        );
        let kept = grant(&before, &request("A", 0, 10, "one", 100));
        assert_eq!(follower.list().expect("a list"), std::slice::from_ref(&kept));
        overwrite(&storage, &[&bytes_of(&storage), tail].concat());
        assert_eq!(follower.list().expect("a list"), std::slice::from_ref(&kept));
        let next = grant(&before, &request("A", 10, 20, "one", 100));
        let both = [kept, next];
        assert_eq!(follower.list().expect("a list"), both);
        assert_eq!(open(&storage, &clock, 0).list().expect("a list"), both);
    }
}

#[test]
fn a_log_cut_anywhere_holds_the_leases_before_the_cut() {
    let (storage, clock) = (memory(), ManualClock::new(1));
    let leases = open(&storage, &clock, NEVER_REPLACED);
    let granted: Vec<Lease> = (0..3)
        .map(|at| grant(&leases, &request("A", at, at + 1, "one", 9)))
        .collect();
    let whole = bytes_of(&storage);
    for len in 0..whole.len() {
        overwrite(&storage, &whole[..len]);
        let list = open(&storage, &clock, 0).list().expect("a list");
        assert_eq!(list, granted[..list.len()], "cut to {len}");
        assert!(list.len() < 3);
        let next = grant(&open(&storage, &clock, 0), &request("B", 0, 1, "two", 9));
        assert_eq!(
            open(&storage, &clock, 0).list().expect("a list").last(),
            Some(&next)
        );
    }
}

#[test]
fn a_newer_log_is_unsupported_and_another_databases_is_corrupt_and_both_are_left_alone() {
    let (storage, clock) = (memory(), ManualClock::new(1));
    grant(&open(&storage, &clock, 0), &request("A", 0, 10, "one", 100));
    let mut newer = bytes_of(&storage);
    newer[8] = 9;
    let sum = checksum(&newer[..56]);
    newer[56..64].copy_from_slice(&sum.to_le_bytes());
    let other = LeaseLogHeader {
        database: 5,
        last_epoch: 0,
    }
    .encode()
    .0
    .to_vec();
    for (bytes, kind) in [(newer, ErrorKind::Unsupported), (other, ErrorKind::Corrupt)] {
        overwrite(&storage, &bytes);
        let leases = open(&storage, &clock, 0);
        assert_eq!(leases.list().expect_err("not ours").kind(), kind);
        for _ in 0..2 {
            let error = leases
                .claim(&request("A", 0, 10, "two", 100))
                .expect_err("not ours");
            assert_eq!(error.kind(), kind, "{error}");
        }
        assert_eq!(bytes_of(&storage), bytes);
    }
}

#[test]
fn epochs_go_on_when_the_log_is_replaced_and_while_the_clock_stands_back() {
    let (storage, clock) = (memory(), ManualClock::new(1_000));
    let mut last = 0;
    for round in 0..20 {
        clock.advance(-40);
        let leases = open(&storage, &clock, 0);
        let lease = grant(&leases, &request("A", round, round + 1, "one", 100));
        assert!(lease.epoch > last);
        last = lease.epoch;
        leases.complete(&lease).expect("its own");
    }
    assert!(
        bytes_of(&storage).len() < 1_000,
        "nothing is left that is worth more"
    );
}

#[test]
fn who_has_the_lock_of_a_removed_directory_open_notices() {
    let (storage, clock) = (memory(), ManualClock::new(1));
    let one = open(&storage, &clock, NEVER_REPLACED);
    let lost = grant(&one, &request("A", 0, 10, "one", 100));
    for name in ["leases/LEASES", "leases/LOCK"] {
        storage
            .remove_file(&RelPath::from_static(name))
            .expect("it is there");
    }
    storage
        .remove_dir(&RelPath::from_static("leases"))
        .expect("it is empty");
    let other = open(&storage, &clock, NEVER_REPLACED);
    let held = grant(&other, &request("A", 0, 10, "other", 100));
    assert_lost(one.fence(&lost));
    assert_eq!(
        one.claim(&request("A", 5, 15, "one", 100)).expect("an answer"),
        Claim::Held(held)
    );
    let next = grant(&one, &request("A", 10, 20, "one", 100));
    assert_eq!(other.list().expect("a list").last(), Some(&next));
}
