//! The process is killed, or the power goes, or a write fails, at every call that changes something.

use std::sync::Arc;

use super::*;
use crate::error::Result;
use crate::io::{Fault, FaultPlan, FaultyStorage};

/// So small that the log is replaced several times.
const LOG_BYTES_MIN: u64 = 300;
/// The script is played over and over, up to this many operations.
const OPERATIONS: usize = 66;
const IMAGES: usize = 40;

/// What was acknowledged.
#[derive(Default)]
struct Acked {
    leases: Vec<Lease>,
    /// The same before or after the operation that was not acknowledged.
    unsure: Option<Vec<Lease>>,
    /// Every state of a lease that anybody was told of, or might have been.
    ever: Vec<Lease>,
    last_epoch: u64,
}

/// One operation of the script.
#[derive(Clone, Copy)]
enum Op {
    Claim(i64),
    /// What was claimed with this start.
    Renew(i64),
    Complete(i64),
}

const SCRIPT: [Op; 22] = {
    use Op::{Claim, Complete, Renew};
    [
        Claim(0),
        Claim(10),
        Renew(0),
        Complete(10),
        Claim(20),
        Claim(10),
        Renew(10),
        Complete(20),
        Claim(30),
        Complete(0),
        Claim(40),
        Renew(40),
        Renew(40),
        Complete(30),
        Claim(20),
        Complete(20),
        Claim(50),
        Renew(50),
        Complete(40),
        Claim(0),
        Renew(0),
        Complete(50),
    ]
};

fn lease_request(start: i64) -> LeaseRequest {
    request("A", start, start + 10, "one", 1_000_000)
}

/// The leases as they are after `op` at `now`.
fn after(leases: &[Lease], op: Op, now: i64, last_epoch: u64) -> Vec<Lease> {
    let mut leases = leases.to_vec();
    let expires_at = now + 1_000_000;
    match op {
        Op::Claim(start) => {
            let request = lease_request(start);
            leases.push(Lease {
                table: request.table,
                key: request.key,
                epoch: (last_epoch + 1).max(now as u64),
                holder: request.holder,
                batch: request.batch,
                claimed_at: now,
                expires_at,
                completion_permille: 0,
            });
        }
        Op::Renew(start) => {
            for lease in leases.iter_mut().filter(|lease| lease.key.start == start) {
                (lease.expires_at, lease.completion_permille) = (expires_at, 500);
            }
        }
        Op::Complete(start) => leases.retain(|lease| lease.key.start != start),
    }
    leases
}

fn carry_out(process: &Leases, leases: &[Lease], op: Op) -> Result<()> {
    let of = |start| leases.iter().find(|lease| lease.key.start == start);
    match op {
        Op::Claim(start) => process
            .claim(&lease_request(start))
            .map(|claim| assert!(claim.granted().is_some())),
        Op::Renew(start) => of(start).map_or(Ok(()), |lease| {
            process.renew(lease, ns(1_000_000), Some(500)).map(drop)
        }),
        Op::Complete(start) => of(start).map_or(Ok(()), |lease| process.complete(lease)),
    }
}

/// Plays the script in two processes by turns; ends when one of them is struck and `ends_at_error`.
fn play(storage: &FaultyStorage, clock: &ManualClock, ends_at_error: bool) -> Acked {
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let processes = [(); 2].map(|()| open(&shared, clock, LOG_BYTES_MIN));
    let mut acked = Acked::default();
    for (at, op) in SCRIPT.into_iter().cycle().take(OPERATIONS).enumerate() {
        clock.advance(10);
        let now = crate::clock::Clock::now_ns(clock);
        if let Op::Claim(start) = op
            && acked.leases.iter().any(|lease| lease.key.start == start)
        {
            continue; // A struck operation has left it.
        }
        let next = after(&acked.leases, op, now, acked.last_epoch);
        acked.ever.extend(next.iter().cloned());
        match carry_out(&processes[at % 2], &acked.leases, op) {
            Ok(()) => {
                acked.leases = next;
                acked.last_epoch = acked.ever.iter().map(|lease| lease.epoch).max().unwrap_or(0);
            }
            Err(_) if ends_at_error => {
                acked.unsure = Some(next);
                return acked;
            }
            Err(_) => {}
        }
    }
    acked
}

#[test]
fn an_acknowledged_lease_survives_its_process_and_after_a_power_cut_is_whole_or_absent() {
    let mut replaced = 0;
    for at_call in 1.. {
        let (storage, clock) = (FaultyStorage::new(), ManualClock::new(1_000));
        storage.set_plan(Some(FaultPlan::once(at_call, Fault::Crash)));
        let acked = play(&storage, &clock, true);
        if !storage.has_crashed() {
            replaced = storage
                .op_log()
                .iter()
                .filter(|line| line.contains("rename"))
                .count();
            assert!(at_call > 25, "the script makes {at_call} calls");
            break;
        }
        for (number, image) in storage.crashed_images(at_call, IMAGES).enumerate() {
            let origin = format!("call {at_call}: {}", image.origin());
            let image: Arc<dyn Storage> = Arc::new(image);
            let list = open(&image, &clock, LOG_BYTES_MIN).list().expect(&origin);
            if number == 0 {
                // The first image is what every process sees when this one is killed.
                let is_legal = list == acked.leases || Some(&list) == acked.unsure.as_ref();
                assert!(is_legal, "{origin}: {list:?}, acknowledged {:?}", acked.leases);
            }
            for lease in &list {
                assert!(acked.ever.contains(lease), "{origin}: {lease:?}");
            }
            go_on(&image, &clock, &list, &acked, &origin);
        }
    }
    assert!(replaced > 2, "the log was replaced {replaced} times");
}

/// What is left can be used, by those who find it and by those who come.
fn go_on(image: &Arc<dyn Storage>, clock: &ManualClock, list: &[Lease], acked: &Acked, origin: &str) {
    clock.advance(10);
    let process = open(image, clock, LOG_BYTES_MIN);
    for lease in list {
        drop(process.fence(lease).expect(origin));
    }
    let lease = grant(&process, &request("A", 900, 910, "heir", 100));
    let last = acked.ever.iter().map(|lease| lease.epoch).max().unwrap_or(0);
    assert!(
        lease.epoch > last,
        "{origin}: epoch {} behind {last}",
        lease.epoch
    );
    let expected: Vec<Lease> = list.iter().cloned().chain([lease]).collect();
    assert_eq!(
        open(image, clock, LOG_BYTES_MIN).list().expect(origin),
        expected,
        "{origin}"
    );
}

#[test]
fn an_operation_whose_write_fails_has_not_happened_and_the_next_one_works() {
    for fault in [Fault::Io, Fault::NoSpace] {
        for at_call in 1.. {
            let (storage, clock) = (FaultyStorage::new(), ManualClock::new(1_000));
            storage.set_plan(Some(FaultPlan::once(at_call, fault)));
            let acked = play(&storage, &clock, false);
            let is_struck = storage.calls() >= at_call;
            let shared: Arc<dyn Storage> = Arc::new(storage);
            let list = open(&shared, &clock, LOG_BYTES_MIN).list().expect("a list");
            assert_eq!(list, acked.leases, "call {at_call}: {fault:?}");
            if !is_struck {
                break;
            }
        }
    }
}

#[test]
fn nothing_is_ever_synced() {
    let (storage, clock) = (FaultyStorage::new(), ManualClock::new(1_000));
    play(&storage, &clock, true);
    let log = storage.op_log();
    assert!(!log.iter().any(|line| line.contains("sync")), "{log:?}");
}
