//! Says that a gap waits because somebody else has a lease on it: a fill that waits must not look as if it hung.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gapless::clock::{Clock, SystemClock};
use gapless::lease::{Lease, default_holder};
use gapless::{Database, Gap};

use super::arguments::Args;
use crate::render::{instant, seconds};

/// How long nothing must have moved until leases are looked at, and how long it is until they are again.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is waited for.
pub(super) struct Waits<'a> {
    args: &'a Args,
    database: &'a Database,
    table: u32,
    gaps: &'a [Gap],
    us: String,
    /// The leases that were told of.
    told: HashSet<u64>,
    done: u64,
    looked: Instant,
}

impl<'a> Waits<'a> {
    pub(super) fn new(args: &'a Args, database: &'a Database, table: u32, gaps: &'a [Gap]) -> Self {
        Self {
            args,
            database,
            table,
            gaps,
            us: default_holder(),
            told: HashSet::new(),
            done: 0,
            looked: Instant::now(),
        }
    }

    /// What is to be said now, if so many gaps are done: once of each lease.
    pub(super) fn look(&mut self, done: u64) -> Vec<String> {
        if self.done != done {
            (self.done, self.looked) = (done, Instant::now());
        }
        if self.looked.elapsed() < PAUSE {
            return Vec::new();
        }
        self.looked = Instant::now();
        let now = SystemClock.now_ns();
        // That they cannot be listed is for those to say who need them.
        let leases = self.database.leases().unwrap_or_default();
        let mut said = Vec::new();
        for lease in leases {
            let is_others = lease.table == self.table && lease.holder != self.us && lease.is_live(now);
            let Some(gap) = self.gap_under(&lease).filter(|_| is_others) else {
                continue;
            };
            if self.told.insert(lease.epoch) {
                said.push(self.text(gap, &lease, now));
            }
        }
        said
    }

    fn gap_under(&self, lease: &Lease) -> Option<&'a Gap> {
        let key = &lease.key;
        self.gaps.iter().find(|gap| {
            (&gap.series, gap.interval) == (&key.series, key.interval)
                && gap.start < key.end
                && key.start < gap.end
        })
    }

    fn text(&self, gap: &Gap, lease: &Lease, now: i64) -> String {
        let left = Duration::from_nanos(lease.expires_at.abs_diff(now));
        format!(
            "the gap {} waits: {} has a lease on it until {} (for {}). If nobody works under that any more: gapless leases {} \
             release {} --yes",
            gap,
            lease.holder,
            instant(lease.expires_at),
            seconds(left),
            self.args.asked.database.display(),
            lease.epoch
        )
    }
}
