//! Random statements by two processes against one array of slots for each series and interval: what was said last counts,
//! whatever is flushed, compacted or opened again between.
//!
//! `GAPLESS_COVERAGE_SECONDS` goes on for longer than the gate, `GAPLESS_COVERAGE_SEED` begins elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gapless::{Attestation, CoverageState, Database, GapQuery, Snapshot, Table, WriteOptions};

use crate::common::{Row, batch, spec};
use crate::live::streams::open;

/// Slots of the universe, and what one lasts.
const SLOTS: i64 = 48;
const STEP: i64 = 60_000_000_000;
/// The last one is never named by any statement.
const SERIES: [&str; 4] = ["a", "b", "c", "nobody"];
const INTERVALS: [i64; 2] = [STEP, 0];
const SOURCES: [&str; 2] = ["feed", "vendor"];

type Said = Option<(CoverageState, &'static str)>;

/// What is known of each slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    slots: BTreeMap<(&'static str, i64), Vec<Said>>,
}

impl Model {
    fn new() -> Self {
        let keys = SERIES
            .iter()
            .flat_map(|series| INTERVALS.map(|interval| (*series, interval)));
        Self {
            slots: keys.map(|key| (key, vec![None; SLOTS as usize])).collect(),
        }
    }

    /// Says something of some series, or of all; at one interval, or at all.
    fn say(&mut self, series: Option<&str>, interval: Option<i64>, slots: (i64, i64), said: Said) {
        for ((name, step), states) in &mut self.slots {
            let is_meant = series.is_none_or(|series| series == *name)
                && interval.is_none_or(|interval| interval == *step);
            if is_meant {
                states[slots.0 as usize..slots.1 as usize].fill(said);
            }
        }
    }

    fn check(&self, snapshot: &Snapshot, what: &str) {
        let coverage = snapshot.coverage("t").expect("coverage");
        for ((series, interval), expected) in &self.slots {
            let ranges = coverage
                .ranges(Some(series), *interval, 0..SLOTS * STEP)
                .expect("ranges");
            let mut found: Vec<Said> = vec![None; SLOTS as usize];
            let mut before = i64::MIN;
            for range in &ranges {
                assert!(
                    range.start >= before && range.start < range.end,
                    "{what}: {ranges:?}"
                );
                before = range.end;
                let source = SOURCES
                    .iter()
                    .find(|source| **source == &*range.source)
                    .expect("a source");
                for slot in range.start / STEP..range.end / STEP {
                    found[slot as usize] = Some((range.state, source));
                }
            }
            assert_eq!(&found, expected, "{what}: {series} at {interval}: {ranges:?}");
            let joined = ranges.windows(2).all(|pair| {
                pair[0].end != pair[1].start
                    || pair[0].state != pair[1].state
                    || pair[0].source != pair[1].source
            });
            assert!(joined, "{what}: neighbours that agree are one: {ranges:?}");
            self.check_gaps(&coverage, series, *interval, what);
        }
    }

    fn check_gaps(&self, coverage: &gapless::TableCoverage, series: &str, interval: i64, what: &str) {
        let query = GapQuery::new(0, SLOTS * STEP).series([series]).interval(interval);
        let gaps = coverage.gaps(&query).expect("gaps");
        let mut missing = vec![false; SLOTS as usize];
        for gap in &gaps {
            missing[(gap.start / STEP) as usize..(gap.end / STEP) as usize].fill(true);
        }
        let is_gap = |said: &Said| match said {
            None => true,
            Some((state, _)) => matches!(state, CoverageState::Partial | CoverageState::Lost),
        };
        let mut of_key = self.slots.iter().filter(|(key, _)| **key == (series, interval));
        let (_, said) = of_key.next().expect("a key of the model");
        let expected: Vec<bool> = said.iter().map(is_gap).collect();
        assert_eq!(
            missing, expected,
            "{what}: gaps of {series} at {interval}: {gaps:?}"
        );
        assert!(
            gaps.windows(2).all(|pair| pair[0].end < pair[1].start),
            "{what}: {gaps:?}"
        );
    }
}

const STATES: [CoverageState; 6] = [
    CoverageState::Complete,
    CoverageState::Complete,
    CoverageState::Empty,
    CoverageState::NotApplicable,
    CoverageState::Partial,
    CoverageState::Lost,
];

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct Run {
    path: std::path::PathBuf,
    random: Random,
    engines: Vec<Database>,
    model: Model,
    held: Vec<(Snapshot, Model)>,
    next_id: i64,
}

impl Run {
    fn below(&mut self, limit: usize) -> usize {
        (self.random.next() % limit as u64) as usize
    }

    fn table(&mut self) -> Table {
        let at = self.below(self.engines.len());
        self.engines[at].table("t").expect("the table")
    }

    fn slots(&mut self) -> (i64, i64) {
        let start = self.below(SLOTS as usize) as i64;
        let longest = [2, 6, SLOTS as usize][self.below(3)];
        (start, (start + 1 + self.below(longest) as i64).min(SLOTS))
    }

    /// A series, or now and then none, which is every series.
    fn series(&mut self) -> Option<&'static str> {
        match self.below(6) {
            0 => None,
            at => Some(SERIES[at % 3]),
        }
    }

    fn attestation(&mut self) -> (Attestation, impl FnOnce(&mut Model) + use<>) {
        let (series, interval, slots) = (self.series(), INTERVALS[self.below(2)], self.slots());
        let (state, source) = (STATES[self.below(6)], SOURCES[self.below(2)]);
        let mut said = Attestation::new(slots.0 * STEP..slots.1 * STEP)
            .interval(interval)
            .state(state)
            .source(source);
        said.series = series.map(str::to_owned);
        (said, move |model: &mut Model| {
            model.say(series, Some(interval), slots, Some((state, source)));
        })
    }

    fn rows(&mut self, slots: (i64, i64), series: &'static str, count: usize) -> Vec<Row> {
        (0..count)
            .map(|_| {
                self.next_id += 1;
                Row {
                    ts: (slots.0 + self.next_id % (slots.1 - slots.0)) * STEP,
                    sym: Some(series.to_owned()),
                    price: Some(1.0),
                    id: self.next_id,
                }
            })
            .collect()
    }

    /// One random step; says what it was.
    fn step(&mut self) -> String {
        match self.below(16) {
            0..=4 => {
                let count = 1 + self.below(3);
                let (said, tell): (Vec<_>, Vec<_>) = (0..count).map(|_| self.attestation()).unzip();
                let what = format!("attest {said:?}");
                self.table().attest(said).expect("attested");
                tell.into_iter().for_each(|tell| tell(&mut self.model));
                what
            }
            5..=6 => {
                let (said, tell) = self.attestation();
                let rows = self.rows((0, SLOTS), "a", 2);
                self.table()
                    .append_covering(&batch(&rows), [said.clone()], None)
                    .expect("appended");
                tell(&mut self.model);
                format!("append covering {said:?}")
            }
            7 => {
                let (said, tell) = self.attestation();
                let rows = self.rows((0, SLOTS), "b", 40);
                let at = self.below(self.engines.len());
                let mut transaction = self.engines[at].transaction().expect("a transaction");
                let rows = [Ok::<_, gapless::Error>(batch(&rows))];
                transaction
                    .write("t", rows, &WriteOptions::default())
                    .expect("written");
                transaction.attest("t", said.clone()).expect("attested");
                transaction.commit().expect("committed");
                tell(&mut self.model);
                format!("write with {said:?}")
            }
            8..=9 => {
                let (series, slots) = (self.series(), self.slots());
                let names = series.map(|series| [series]);
                let time = slots.0 * STEP..slots.1 * STEP;
                self.table()
                    .delete(time, names.as_ref().map(<[_; 1]>::as_slice))
                    .expect("deleted");
                self.model.say(series, None, slots, None);
                format!("delete {series:?} {slots:?}")
            }
            10 => {
                let slots = self.slots();
                let rows = self.rows(slots, "c", 3);
                let time = slots.0 * STEP..slots.1 * STEP;
                self.table()
                    .replace(time, Some(&["c"]), [batch(&rows)])
                    .expect("replaced");
                format!("replace {slots:?}")
            }
            11..=12 => {
                let at = self.below(self.engines.len());
                self.engines[at].flush().expect("flushed");
                format!("flush {at}")
            }
            13 => {
                let at = self.below(self.engines.len());
                self.engines[at].compact("t").expect("compacted");
                format!("compact {at}")
            }
            14 => {
                let at = self.below(self.engines.len());
                self.engines.remove(at);
                let again = open(&self.path);
                self.engines.insert(at, again);
                format!("open {at} again")
            }
            _ => {
                let at = self.below(self.engines.len());
                let snapshot = self.engines[at].snapshot().expect("a snapshot");
                self.held.push((snapshot, self.model.clone()));
                if self.held.len() > 3 {
                    self.held.remove(0);
                }
                format!("hold {at}")
            }
        }
    }
}

fn run(seed: u64, steps: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let mut run = Run {
        // Alone, a process joins what it says of neighbours.
        engines: (0..1 + seed % 2).map(|_| open(&path)).collect(),
        path,
        random: Random(seed),
        model: Model::new(),
        held: Vec::new(),
        next_id: 0,
    };
    let table = run.engines[0].create_table(&spec("t")).expect("a table");
    // A series that the table does not have is not deleted from.
    let known: Vec<Row> = ["a", "b", "c"]
        .iter()
        .flat_map(|series| run.rows((0, SLOTS), series, 1))
        .collect();
    table.append(&batch(&known)).expect("appended");
    let mut log = Vec::new();
    for number in 0..steps {
        log.push(run.step());
        let what = format!(
            "seed {seed}, step {number}: {}",
            log[log.len().saturating_sub(12)..].join("; ")
        );
        for (at, engine) in run.engines.iter().enumerate() {
            let snapshot = engine.snapshot().expect("a snapshot");
            run.model.check(&snapshot, &format!("{what}: engine {at}"));
        }
        for (snapshot, model) in &run.held {
            model.check(snapshot, &format!("{what}: held"));
        }
    }
}

#[test]
fn what_was_said_last_counts_whoever_said_it_and_wherever_it_is_kept() {
    let number = |name: &str, or: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(or)
    };
    let (first, limit) = (
        number("GAPLESS_COVERAGE_SEED", 1),
        number("GAPLESS_COVERAGE_SECONDS", 6),
    );
    let begin = Instant::now();
    let mut seed = first;
    while begin.elapsed() < Duration::from_secs(limit) {
        run(seed, 40);
        seed += 1;
    }
    println!("{} runs", seed - first);
}
