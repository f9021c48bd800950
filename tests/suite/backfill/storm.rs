//! A storm: sources that fail, hang, repeat rows and give too few, too many, unsorted, foreign, or none, asked by eight
//! workers in two jobs of two processes at once, until nothing is missing.
//!
//! - After each round: every row is there once and true, and nothing is covered that no source has answered for.
//! - Where no answer can get lost (nothing hangs, is cancelled or taken over) coverage is exactly what was answered for, and
//!   nobody has answered twice for the same slot, but for what lies between gaps that are to be asked for at once.
//! - At the end all that the source has is there, each row inserted once, and nobody is asked again.
//!
//! A process is an engine of its own here, which shares nothing but files. `GAPLESS_STORM_SEEDS` tries so many seeds instead of
//! the few of the gate, `GAPLESS_STORM_SEED` begins elsewhere. Threads make every run of a seed a little different.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{ArrayRef, StringArray};
use gapless::backfill::{BackfillOrder, FetchError, FetchRequest, Fetched, FetcherStrategy, RetryPolicy};
use gapless::check::{CheckOptions, Severity, check_database};
use gapless::{CoverageState, Database, GapQuery, Keep, Table};

use super::content::with;
use super::fixture::{INTERVALS, KEEPS, MINUTE, rows, stored, table};
use crate::live::streams::open;

const SLOTS: i64 = 60;
const SERIES: [&str; 4] = ["a", "b", "c", "nothing"];
/// Rounds in bad weather; then it calms down.
const ROUNDS: usize = 5;

/// A series and a slot.
type Slot = (usize, i64);

/// What the prices of a row say: its series and its slot.
fn price((series, slot): Slot) -> f64 {
    (series * 1000) as f64 + slot as f64
}

/// Whether the source has a row there.
fn exists((series, slot): Slot) -> bool {
    SERIES[series] != "nothing" && !(20..29).contains(&slot) && (slot * 7 + series as i64) % 11 != 0
}

fn all_slots() -> impl Iterator<Item = Slot> {
    (0..SERIES.len()).flat_map(|series| (0..SLOTS).map(move |slot| (series, slot)))
}

/// What can go wrong in a run beside what the source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Every answer reaches the database.
    None,
    /// Some requests hang, and are answered wrong when it is too late.
    Hangs,
    /// A job is cancelled now and then.
    Cancels,
    /// Leases expire while their holders are at it.
    Takeovers,
}

#[derive(Debug, Clone, Copy)]
struct Weather {
    seed: u64,
    interval: i64,
    keep: Keep,
    trouble: Trouble,
    /// Whether gaps that are near are asked for at once, and what lies between them again.
    merges: bool,
}

impl Weather {
    fn of(seed: u64) -> Self {
        use Trouble::{Cancels, Hangs, None, Takeovers};
        Self {
            seed,
            interval: INTERVALS[(seed % 2) as usize],
            keep: KEEPS[(seed / 2 % 3) as usize],
            trouble: [None, Hangs, None, Takeovers, None, Cancels, None][(seed % 7) as usize],
            merges: seed % 5 >= 3,
        }
    }

    /// Whether an answer of the source is in the database for certain.
    fn keeps_answers(&self) -> bool {
        self.trouble == Trouble::None
    }
}

struct Source {
    weather: Weather,
    calls: AtomicU64,
    is_calm: AtomicBool,
    is_over: AtomicBool,
    /// How often all there is of a slot was given in an answer that must be accepted.
    answered: Mutex<BTreeMap<Slot, u32>>,
    /// Slots of which some of the rows may have been given, and said to be.
    partial: Mutex<BTreeSet<Slot>>,
}

impl Source {
    fn new(weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            weather,
            calls: AtomicU64::new(0),
            is_calm: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            answered: Mutex::default(),
            partial: Mutex::default(),
        })
    }

    fn slots(request: &FetchRequest, end: i64) -> impl Iterator<Item = Slot> + use<> {
        let name = request.series.as_deref().expect("a series");
        let series = SERIES.iter().position(|series| *series == name);
        let series = series.expect("a series that was asked for");
        (request.start.div_euclid(MINUTE)..end.div_euclid(MINUTE)).map(move |slot| (series, slot))
    }

    fn rows_of(request: &FetchRequest, end: i64) -> Vec<(i64, f64)> {
        let slots = Self::slots(request, end).filter(|slot| exists(*slot));
        slots.map(|slot| (slot.1 * MINUTE, price(slot))).collect()
    }

    /// Notes that all there is before `end` is given now.
    fn note(&self, request: &FetchRequest, end: i64) {
        let mut partial = self.partial.lock().expect("no panic");
        let mut answered = self.answered.lock().expect("no panic");
        for slot in Self::slots(request, end) {
            *answered.entry(slot).or_default() += 1;
            partial.remove(&slot);
        }
    }

    fn answer(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let Weather {
            seed,
            interval,
            keep,
            trouble,
            ..
        } = self.weather;
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let dice = gapless_format::checksum(
            format!("{seed} {call} {:?} {}", request.series, request.start).as_bytes(),
        );
        let (start, end) = (request.start, request.end);
        assert!(
            start < end && start % MINUTE == 0 && end % MINUTE == 0,
            "{request:?}"
        );
        std::thread::sleep(Duration::from_micros(dice / 1000 % 500));
        let all = Self::rows_of(request, end);
        let with_lie = |time: i64| rows(&[all.as_slice(), &[(time, -1.0)]].concat());
        let names = |name: &str| -> ArrayRef { Arc::new(StringArray::from(vec![name; all.len() + 1])) };
        let is_calm = self.is_calm.load(Ordering::Relaxed);
        let kind = if is_calm { u64::MAX } else { dice % 18 };
        match kind {
            0 | 1 => return Err(FetchError::transient("try later")),
            2 => return Err(FetchError::permanent("no such thing")),
            3 if trouble == Trouble::Hangs => {
                while !self.is_over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return Ok(Fetched::all([with_lie(start)]));
            }
            4 => return Ok(Fetched::all([with_lie(start - MINUTE)])),
            5 => return Ok(Fetched::all([with_lie(end)])),
            6 if interval != 0 => return Ok(Fetched::all([with_lie(start + 1)])),
            7 => return Ok(Fetched::all([with(&with_lie(start), "node", names("stranger"))])),
            8 => return Ok(Fetched::all([with(&with_lie(start), "price", names("dear"))])),
            9 => return Ok(Fetched::all([with(&with_lie(start), "colour", names("red"))])),
            10 => {
                let mut partial = self.partial.lock().expect("no panic");
                // What lies between gaps that are asked for at once may be here already, and stays as it is.
                let answered = self.answered.lock().expect("no panic");
                partial.extend(Self::slots(request, end).filter(|slot| !answered.contains_key(slot)));
                let some: Vec<_> = all.iter().copied().step_by(2).collect();
                return Ok(Fetched::partial([rows(&some)]));
            }
            11 | 12 if end - start > MINUTE => {
                let slots = 1 + (dice >> 32) as i64 % ((end - start) / MINUTE - 1);
                let through = start + slots * MINUTE;
                self.note(request, through);
                // A slot that is only begun is not attested.
                let said = if interval == 0 {
                    through
                } else {
                    through + (dice >> 40) as i64 % MINUTE
                };
                return Ok(Fetched::through([rows(&Self::rows_of(request, through))], said));
            }
            // Too many: of two rows of a slot, the one that the table does not keep is a lie.
            13 if !all.is_empty() && (interval, keep) != (0, Keep::All) => {
                let (time, price) = all[all.len() / 2];
                let lie = [(time, -1.0)];
                let given = match keep {
                    Keep::First => [all.as_slice(), &lie].concat(),
                    _ => [&lie, all.as_slice()].concat(),
                };
                assert!(price >= 0.0);
                if keep != Keep::All {
                    self.note(request, end);
                }
                return Ok(Fetched::all([rows(&given)]));
            }
            // Leases are lost meanwhile.
            14 if trouble == Trouble::Takeovers => std::thread::sleep(Duration::from_millis(60)),
            _ => {}
        }
        self.note(request, end);
        let mut given = all.clone();
        // Of ticks where every row is kept, two equal rows are two rows.
        if kind == 15 && (interval, keep) != (0, Keep::All) {
            given.extend(all);
        }
        if kind == 15 || kind == 16 {
            given.sort_by_key(|(time, _)| gapless_format::checksum(&(dice ^ *time as u64).to_le_bytes()));
        }
        Ok(match given.is_empty() && dice & (1 << 50) == 0 {
            true => Fetched::all([]),
            false => Fetched::all(given.chunks(7).map(rows).chain([rows(&[])])),
        })
    }
}

struct Storm {
    weather: Weather,
    path: PathBuf,
    engines: Vec<Database>,
    source: Arc<Source>,
    /// Rows that were there before, without a word for them.
    before: BTreeSet<Slot>,
    inserted: u64,
}

impl Storm {
    fn new(weather: Weather, path: &Path) -> Self {
        let engines: Vec<Database> = (0..2).map(|_| open(path)).collect();
        let bars = table(&engines[0], weather.keep);
        let before: BTreeSet<Slot> = match weather.seed % 3 {
            0 => BTreeSet::new(),
            _ => all_slots()
                .filter(|slot| slot.0 == 0 && slot.1 % 4 == 1 && exists(*slot))
                .collect(),
        };
        let of_before: Vec<(i64, f64)> = before
            .iter()
            .map(|slot| (slot.1 * MINUTE, price(*slot)))
            .collect();
        if !of_before.is_empty() {
            let names: ArrayRef = Arc::new(StringArray::from(vec!["a"; of_before.len()]));
            bars.append(&with(&rows(&of_before), "node", names))
                .expect("appended");
        }
        Self {
            source: Source::new(weather),
            weather,
            path: path.to_owned(),
            engines,
            before,
            inserted: 0,
        }
    }

    fn table(&self) -> Table {
        self.engines[0].table("bars").expect("the table")
    }

    fn query(&self) -> GapQuery {
        GapQuery::new(0, SLOTS * MINUTE)
            .series(SERIES)
            .interval(self.weather.interval)
    }

    /// Two jobs at once, each of another process, with windows that do not fit each other.
    fn fill(&mut self, round: usize) {
        let Weather {
            interval, trouble, ..
        } = self.weather;
        self.source.is_over.store(false, Ordering::Relaxed);
        let jobs: Vec<_> = self
            .engines
            .iter()
            .enumerate()
            .map(|(number, db)| {
                let source = Arc::clone(&self.source);
                let mut strategy = FetcherStrategy::new(move |request: &FetchRequest| source.answer(request));
                if trouble == Trouble::Hangs {
                    strategy = strategy.timeout(Duration::from_millis(40));
                }
                let retry = RetryPolicy {
                    retries: 2,
                    backoff: Duration::ZERO,
                    ..RetryPolicy::default()
                };
                let orders = [BackfillOrder::OldestFirst, BackfillOrder::NewestFirst];
                let job = db.table("bars").expect("the table").backfill(strategy);
                let mut job = job.range(0, SLOTS * MINUTE).series(SERIES).interval(interval);
                job = job.window_max([4 * MINUTE, 15 * MINUTE][number]).concurrency(4);
                job = job.order(orders[(round + number) % 2]).retry(retry);
                if self.weather.merges {
                    job = job.merge_within(3 * MINUTE);
                }
                if trouble == Trouble::Takeovers {
                    job = job
                        .lease_ttl(Duration::from_millis(20))
                        .stalled_after(Duration::from_millis(2));
                }
                job.start().expect("a job")
            })
            .collect();
        if trouble == Trouble::Cancels && round.is_multiple_of(2) {
            std::thread::sleep(Duration::from_millis(1 + self.weather.seed % 7));
            jobs[round / 2 % 2].cancel();
        }
        for job in jobs {
            self.inserted += job.wait().expect("a report").rows().inserted;
        }
        self.source.is_over.store(true, Ordering::Relaxed);
    }

    fn check(&self, what: &str) {
        for (number, db) in self.engines.iter().enumerate() {
            let what = format!("{:?}, {what}, engine {number}", self.weather);
            self.check_engine(&db.table("bars").expect("the table"), &what);
        }
    }

    fn check_engine(&self, table: &Table, what: &str) {
        let slots: Vec<Slot> = stored(table)
            .iter()
            .map(|(time, price)| {
                let slot = ((*price / 1000.0) as usize, *price as i64 % 1000);
                assert!(
                    *price >= 0.0 && slot.1 * MINUTE == *time,
                    "{what}: a lie at {time}: {price}"
                );
                slot
            })
            .collect();
        let found: BTreeSet<Slot> = slots.iter().copied().collect();
        assert_eq!(found.len(), slots.len(), "{what}: a row is there twice");
        assert!(found.iter().all(|slot| exists(*slot)), "{what}");
        assert_eq!(
            found.len() as u64,
            self.inserted + self.before.len() as u64,
            "{what}: rows inserted"
        );

        let (mut covered, mut partial) = (BTreeSet::new(), BTreeSet::new());
        let coverage = table.coverage().expect("coverage");
        for (series, name) in SERIES.iter().enumerate() {
            let ranges = coverage.ranges(Some(name), self.weather.interval, i64::MIN..i64::MAX);
            for range in ranges.expect("ranges") {
                assert!(
                    range.start % MINUTE == 0 && range.end % MINUTE == 0,
                    "{what}: {range:?}"
                );
                let slots = (range.start / MINUTE..range.end / MINUTE).map(|slot| (series, slot));
                match range.state {
                    CoverageState::Partial => partial.extend(slots),
                    CoverageState::Complete => covered.extend(slots),
                    CoverageState::Empty => {
                        let wrong: Vec<Slot> = slots.clone().filter(|slot| exists(*slot)).collect();
                        assert!(wrong.is_empty(), "{what}: {wrong:?} are said to be empty");
                        covered.extend(slots);
                    }
                    other => panic!("{what}: nobody has said {other:?}"),
                }
            }
        }
        let missing: Vec<&Slot> = covered
            .iter()
            .filter(|slot| exists(**slot) && !found.contains(slot))
            .collect();
        assert!(
            missing.is_empty(),
            "{what}: covered, and without rows: {missing:?}"
        );
        let without_a_word =
            |slot: &&Slot| !covered.contains(slot) && !partial.contains(slot) && !self.before.contains(slot);
        let unsaid: Vec<&Slot> = found.iter().filter(without_a_word).collect();
        assert!(unsaid.is_empty(), "{what}: rows without coverage: {unsaid:?}");
        let gaps = coverage.gaps(&self.query()).expect("gaps");
        let gaps: i64 = gaps.iter().map(|gap| (gap.end - gap.start) / MINUTE).sum();
        assert_eq!(
            gaps as usize,
            SERIES.len() * SLOTS as usize - covered.len(),
            "{what}"
        );

        let answered = self.source.answered.lock().expect("no panic");
        let of_source: BTreeSet<Slot> = answered.keys().copied().collect();
        assert!(covered.is_subset(&of_source), "{what}: covered without an answer");
        if self.weather.keeps_answers() {
            assert_eq!(covered, of_source, "{what}: coverage is what was answered for");
            let of_source = self.source.partial.lock().expect("no panic");
            assert_eq!(partial, *of_source, "{what}: what was given in part");
            let twice: Vec<_> = answered.iter().filter(|(_, times)| **times > 1).collect();
            assert!(
                self.weather.merges || twice.is_empty(),
                "{what}: answered more than once: {twice:?}"
            );
        }
    }

    /// What may happen between two rounds.
    fn between(&mut self, round: usize) {
        let at = round % 2;
        match (self.weather.seed + round as u64) % 4 {
            0 => self.engines[at].flush().expect("flushed"),
            1 => {
                self.engines[at].flush().expect("flushed");
                self.engines[at].compact("bars").expect("compacted");
            }
            2 => {
                self.engines.remove(at);
                self.engines.insert(at, open(&self.path));
            }
            _ => {}
        }
    }

    fn run(mut self) {
        for round in 0..ROUNDS {
            self.fill(round);
            self.check(&format!("round {round}"));
            self.between(round);
            self.check(&format!("after round {round}"));
        }
        self.source.is_calm.store(true, Ordering::Relaxed);
        let is_whole = |storm: &Self| storm.table().gaps(&storm.query()).expect("gaps").is_empty();
        // What a cancelled job or a worker that is late has leased is waited for, so one round will do but for takeovers.
        for round in ROUNDS..ROUNDS + 20 {
            if is_whole(&self) {
                break;
            }
            self.fill(round | 1);
            self.check(&format!("calm round {round}"));
        }
        assert!(is_whole(&self), "{:?}: gaps are left", self.weather);
        let rows = all_slots().filter(|slot| exists(*slot)).count();
        assert_eq!(stored(&self.table()).len(), rows, "{:?}", self.weather);
        let calls = self.source.calls.load(Ordering::Relaxed);
        self.fill(0);
        self.check("the end");
        assert_eq!(
            self.source.calls.load(Ordering::Relaxed),
            calls,
            "nobody is asked again"
        );
        self.engines[0].recover_leases().expect("recovered");
        assert_eq!(
            self.engines[1].leases().expect("leases"),
            [],
            "{:?}",
            self.weather
        );
        self.engines.clear();
        let report = check_database(&self.path, &CheckOptions::default()).expect("a check");
        let mut damage = report
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Note);
        assert!(
            damage.next().is_none(),
            "{:?}: {:#?}",
            self.weather,
            report.findings
        );
    }
}

#[test]
fn whatever_sources_do_each_row_is_there_once_and_coverage_says_what_is_true() {
    let number = |name: &str, or: u64| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(or)
    };
    let first = number("GAPLESS_STORM_SEED", 0);
    for seed in first..first + number("GAPLESS_STORM_SEEDS", 14) {
        let directory = tempfile::tempdir().expect("a directory");
        println!("{:?}", Weather::of(seed));
        Storm::new(Weather::of(seed), &directory.path().join("db")).run();
    }
}
