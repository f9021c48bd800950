//! Threads of one process and of several, on a storage in memory and on a real one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::io::{Options, RealStorage};

fn storages() -> (tempfile::TempDir, [Arc<dyn Storage>; 2]) {
    let directory = tempfile::tempdir().expect("a directory");
    let real = RealStorage::open(directory.path(), Options::default()).expect("it is there");
    (directory, [memory(), Arc::new(real)])
}

#[test]
fn of_many_threads_that_claim_a_range_one_is_granted_it() {
    let (_directory, storages) = storages();
    for storage in &storages {
        let clock = ManualClock::new(1);
        let processes = [0, NEVER_REPLACED].map(|min| open(storage, &clock, min));
        let granted = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (processes, granted) = (&processes, &granted);
                scope.spawn(move || {
                    for at in 0..60 {
                        let request = request("A", at * 10, at * 10 + 10, &format!("t{thread}"), 100);
                        let claim = processes[thread % 2].claim(&request).expect("an answer");
                        granted.lock().expect("no panic").extend(claim.granted());
                    }
                });
            }
        });
        let mut granted = granted.into_inner().expect("no panic");
        granted.sort_by_key(|lease| lease.epoch);
        assert_eq!(granted.len(), 60);
        assert_eq!(processes[0].list().expect("a list"), granted);
        granted.dedup_by_key(|lease| lease.epoch);
        assert_eq!(granted.len(), 60, "no epoch twice");
    }
}

#[test]
fn while_a_fence_is_held_no_other_process_or_thread_takes_the_range() {
    let (_directory, storages) = storages();
    for storage in &storages {
        let clock = ManualClock::new(1);
        let processes = [(); 2].map(|()| open(storage, &clock, NEVER_REPLACED));
        for heir in &processes {
            let late = grant(&processes[0], &request("A", 0, 10, "late", 1));
            clock.advance(10);
            let fence = processes[0].fence(&late).expect("nobody has taken it over");
            let is_granted = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    let lease = grant(heir, &request("A", 0, 10, "heir", 1));
                    is_granted.store(true, Ordering::SeqCst);
                    lease
                });
                std::thread::sleep(Duration::from_millis(30));
                assert!(!is_granted.load(Ordering::SeqCst));
                drop(fence);
                let lease = waiting.join().expect("no panic");
                assert_lost(processes[0].fence(&late));
                heir.complete(&lease).expect("its own");
            });
        }
    }
}

/// Each range is written once, whoever is late: what the whole module is for.
#[test]
fn nobody_writes_under_a_lease_that_somebody_else_took_over() {
    const RANGES: usize = 20;
    let (_directory, storages) = storages();
    for storage in &storages {
        let clock = ManualClock::new(1);
        let processes = [0, NEVER_REPLACED].map(|min| open(storage, &clock, min));
        let newest: Vec<Mutex<u64>> = (0..RANGES).map(|_| Mutex::new(0)).collect();
        let written = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (processes, clock, newest, written) = (&processes, &clock, &newest, &written);
                scope.spawn(move || {
                    let process = &processes[thread % 2];
                    for round in 0..100 {
                        let at = (round * (thread + 1)) % RANGES;
                        let start = at as i64 * 10;
                        let request = request("A", start, start + 10, &format!("t{thread}"), 3);
                        let Claim::Granted(lease) = process.claim(&request).expect("an answer") else {
                            clock.advance(1);
                            continue;
                        };
                        clock.advance(1);
                        std::thread::yield_now();
                        let Ok(_fence) = process.fence(&lease) else {
                            continue;
                        };
                        let mut newest = newest[at].lock().expect("no panic");
                        assert!(
                            *newest < lease.epoch,
                            "epoch {} writes after {newest}",
                            lease.epoch
                        );
                        *newest = lease.epoch;
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(written.load(Ordering::SeqCst) > 0);
    }
}

#[test]
fn who_follows_sees_every_lease_while_the_log_is_replaced() {
    let (_directory, storages) = storages();
    for storage in &storages {
        let clock = ManualClock::new(1);
        let (busy, reader) = (open(storage, &clock, 0), open(storage, &clock, 0));
        let kept = grant(&busy, &request("kept", 0, 10, "one", 100));
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for at in 0..300 {
                    let lease = grant(&busy, &request("A", at, at + 1, "one", 100));
                    busy.complete(&lease).expect("its own");
                }
                is_done.store(true, Ordering::SeqCst);
            });
            while !is_done.load(Ordering::SeqCst) {
                assert!(reader.list().expect("a list").contains(&kept));
            }
        });
        assert_eq!(reader.list().expect("a list"), [kept]);
    }
}
