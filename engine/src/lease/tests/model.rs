//! Random operations of several processes against a slow, obvious model, with a clock that also jumps backwards.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Claim {
        series: usize,
        start: i64,
        len: i64,
        ttl: u64,
    },
    /// Two ranges at once.
    ClaimBoth {
        start: i64,
        len: i64,
        gap: i64,
        ttl: u64,
    },
    Fence(usize),
    Renew(usize, u64, Option<u16>),
    Complete(usize),
    Fail(usize),
    Release(usize),
    Recover,
    Jump(i64),
    /// The process ends, and another one opens the database.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let (start, len, ttl) = (0i64..12, 1i64..5, 1u64..60);
    let lease = 0usize..64;
    let step = prop_oneof![
        8 => (0usize..2, start.clone(), len.clone(), ttl.clone())
            .prop_map(|(series, start, len, ttl)| Step::Claim { series, start, len, ttl }),
        2 => (start, len, 0i64..4, ttl.clone())
            .prop_map(|(start, len, gap, ttl)| Step::ClaimBoth { start, len, gap, ttl }),
        6 => lease.clone().prop_map(Step::Fence),
        3 => (lease.clone(), ttl, prop::option::of(0u16..=1000))
            .prop_map(|(lease, ttl, done)| Step::Renew(lease, ttl, done)),
        3 => lease.clone().prop_map(Step::Complete),
        1 => lease.clone().prop_map(Step::Fail),
        1 => lease.prop_map(Step::Release),
        1 => Just(Step::Recover),
        4 => (-50i64..80).prop_map(Step::Jump),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec((0usize..3, step), 1..150)
}

/// Every lease that is not over.
#[derive(Default)]
struct Model {
    leases: Vec<Lease>,
    last_epoch: u64,
    now: i64,
}

impl Model {
    fn claim(&mut self, request: &LeaseRequest) -> Claim {
        let key = &request.key;
        let overlaps = |lease: &Lease| {
            lease.key.series == key.series && lease.key.start < key.end && key.start < lease.key.end
        };
        let live = |lease: &&Lease| overlaps(lease) && self.now < lease.expires_at;
        if let Some(lease) = self
            .leases
            .iter()
            .filter(live)
            .max_by_key(|lease| lease.key.start)
        {
            return Claim::Held(lease.clone());
        }
        self.leases.retain(|lease| !overlaps(lease));
        self.last_epoch = (self.last_epoch + 1).max(u64::try_from(self.now).unwrap_or(0));
        let lease = Lease {
            table: 1,
            key: key.clone(),
            epoch: self.last_epoch,
            holder: request.holder.clone(),
            batch: request.batch.clone(),
            claimed_at: self.now,
            expires_at: self.now + i64::try_from(request.ttl.as_nanos()).expect("small"),
            completion_permille: 0,
        };
        self.leases.push(lease.clone());
        Claim::Granted(lease)
    }

    fn take(&mut self, epoch: u64) -> Option<Lease> {
        let at = self.leases.iter().position(|lease| lease.epoch == epoch)?;
        Some(self.leases.remove(at))
    }
}

struct Run {
    storage: Arc<dyn Storage>,
    clock: ManualClock,
    processes: Vec<Leases>,
    model: Model,
    granted: Vec<Lease>,
}

/// The first replaces the log all the time, the last one never does.
const LOG_BYTES_MIN: [u64; 3] = [0, 2_000, NEVER_REPLACED];

impl Run {
    fn new() -> Self {
        let (storage, clock) = (memory(), ManualClock::new(30));
        let processes = LOG_BYTES_MIN.map(|min| open(&storage, &clock, min));
        Self {
            storage,
            clock,
            processes: processes.into(),
            model: Model {
                now: 30,
                ..Model::default()
            },
            granted: Vec::new(),
        }
    }

    fn claim(&mut self, who: usize, requests: &[LeaseRequest]) {
        let expected: Vec<Claim> = requests.iter().map(|request| self.model.claim(request)).collect();
        let before = self.granted.last().map_or(0, |lease| lease.epoch);
        let answers = self.processes[who].claim_many(requests).expect("answers");
        assert_eq!(answers, expected);
        let granted: Vec<Lease> = answers.into_iter().filter_map(Claim::granted).collect();
        for (lease, before) in granted
            .iter()
            .zip([before].into_iter().chain(granted.iter().map(|l| l.epoch)))
        {
            assert!(lease.epoch > before, "epoch {} behind {before}", lease.epoch);
        }
        self.granted.extend(granted);
    }

    fn play(&mut self, who: usize, step: &Step) {
        let holder = format!("p{who}");
        let any = |at: usize| self.granted.get(at % self.granted.len().max(1)).cloned();
        let known = |lease: &Lease| self.model.leases.iter().any(|known| known.epoch == lease.epoch);
        let process = &self.processes[who];
        match *step {
            Step::Claim {
                series,
                start,
                len,
                ttl,
            } => {
                let series = ["A", "B:%"][series];
                self.claim(who, &[request(series, start, start + len, &holder, ttl)]);
            }
            Step::ClaimBoth { start, len, gap, ttl } => {
                let second = start + gap;
                let requests = [start, second].map(|at| request("A", at, at + len, &holder, ttl));
                self.claim(who, &requests);
            }
            Step::Fence(at) => {
                let Some(lease) = any(at) else { return };
                match process.fence(&lease) {
                    Ok(_) => assert!(known(&lease), "a fence for {lease:?}"),
                    error => {
                        assert!(!known(&lease), "no fence for {lease:?}");
                        assert_lost(error);
                    }
                }
            }
            Step::Renew(at, ttl, done) => {
                let Some(lease) = any(at) else { return };
                let renewed = process.renew(&lease, ns(ttl), done);
                let now = self.model.now;
                match self
                    .model
                    .leases
                    .iter_mut()
                    .find(|known| known.epoch == lease.epoch)
                {
                    Some(known) => {
                        known.expires_at = now + i64::try_from(ttl).expect("small");
                        known.completion_permille = done.unwrap_or(known.completion_permille);
                        assert_eq!(renewed.expect("it is there"), *known);
                    }
                    None => assert_lost(renewed),
                }
            }
            Step::Complete(at) | Step::Fail(at) => {
                let Some(lease) = any(at) else { return };
                let outcome = match step {
                    Step::Fail(_) => process.fail(&lease, "given up"),
                    _ => process.complete(&lease),
                };
                match self.model.take(lease.epoch) {
                    Some(_) => outcome.expect("it is there"),
                    None => assert_lost(outcome),
                }
            }
            Step::Release(at) => {
                let Some(lease) = any(at) else { return };
                let released = process.release(lease.epoch);
                assert_eq!(released.ok(), self.model.take(lease.epoch));
            }
            Step::Recover => {
                let now = self.model.now;
                let expired: Vec<Lease> = self
                    .model
                    .leases
                    .extract_if(.., |lease| !lease.is_live(now))
                    .collect();
                assert_eq!(process.recover().expect("recovers"), expired);
            }
            Step::Jump(by) => {
                self.clock.advance(by);
                self.model.now += by;
            }
            Step::Restart => self.processes[who] = open(&self.storage, &self.clock, LOG_BYTES_MIN[who]),
        }
    }

    fn check(&self, who: usize) {
        let list = self.processes[who].list().expect("a list");
        assert_eq!(list, self.model.leases, "process {who}");
        let live: Vec<&Lease> = list
            .iter()
            .filter(|lease| lease.is_live(self.model.now))
            .collect();
        for (at, one) in live.iter().enumerate() {
            for other in &live[at + 1..] {
                let apart = one.key.series != other.key.series
                    || one.key.end <= other.key.start
                    || other.key.end <= one.key.start;
                assert!(apart, "{one:?} and {other:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn processes_agree_with_the_model_whatever_they_do(steps in steps()) {
        let mut run = Run::new();
        for (who, step) in &steps {
            run.play(*who, step);
            run.check((who + 1) % 3);
        }
    }
}
