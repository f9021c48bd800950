//! Holes that are filled by asking a source.

use gapless::backfill::{
    BackfillReport, ChainStrategy, FetchError, FetchRequest, Fetched, FetcherStrategy, GapOutcome,
    LiveReplayStrategy, ReplaySource, Replayed,
};

use super::memory::Memory;
use super::pair::{Left, Natural, Pair};
use super::twin::{self, Holes};
use crate::common::DAY;
use crate::real_data::{self, Imported, MINUTE, import, series};

pub const PAIRS: &str = "bars/freqtrade_10pairs_5m_201801.csv.gz";
pub const BITFINEX: &str = "bars/bitfinex_ethusd_1m_2016-2017.ndjson.zst";
const EVERY: [Natural; 2] = [Natural::Unknown, Natural::Empty];

pub fn ten_pairs() -> Option<Imported> {
    import(&[PAIRS], &series("sym"))
}

pub fn bitfinex() -> Option<Imported> {
    import(&[BITFINEX], &real_data::bitfinex())
}

/// Runs a scenario on ten pairs with punched holes, with what is known of natural holes or not, for some seeds.
pub fn everywhere(scenario: impl Fn(&Pair, u64)) {
    for natural in EVERY {
        let Some(imported) = ten_pairs() else {
            return;
        };
        for seed in 0..3 {
            let mut pair = Pair::new(&imported, 5 * MINUTE, natural, seed);
            pair.punch(10 + 15 * seed as usize);
            scenario(&pair, seed);
        }
    }
}

/// The second run of a source that speaks for everything finds nothing to do.
fn assert_asks_nothing(source: &Memory, again: BackfillReport) {
    assert_eq!(again.gaps.len(), 0, "{:?}", again.gaps.first());
    assert_eq!(source.take_asked(), []);
}

/// Without merging, a source is asked for exactly what is missing: nothing twice, and nothing that is here.
fn assert_asked(source: &Memory, missing: &Holes) {
    let mut asked = Holes::new();
    for (name, range) in source.take_asked() {
        asked.entry(name).or_default().push(range);
    }
    for ranges in asked.values_mut() {
        ranges.sort_by_key(|range| range.start);
        // Pieces of a gap follow each other.
        ranges.dedup_by(|next, before| {
            assert!(before.end <= next.start, "{next:?} was asked for twice");
            let is_next = before.end == next.start;
            if is_next {
                before.end = next.end;
            }
            is_next
        });
    }
    twin::assert_same("asked for", &asked, missing);
}

#[test]
fn holes_are_filled_by_a_fetcher() {
    everywhere(|pair, _| {
        let (source, missing) = (Memory::of(&pair.original), pair.gaps());
        let fetcher = || {
            let source = source.clone();
            FetcherStrategy::new(move |request: &FetchRequest| source.all(request))
        };
        let report = pair.job(pair.copy.backfill(fetcher())).run().expect("a report");
        assert_asked(&source, &missing);
        pair.assert_filled(&report, Left::Nothing);
        let again = pair.job(pair.copy.backfill(fetcher())).run().expect("a report");
        assert_asks_nothing(&source, again);
    });
}

/// A source that has pages and a longest range, asked by several workers for gaps that are near each other at once: rows
/// between them are here already, and are neither stored again nor counted.
#[test]
fn holes_are_filled_by_pages_in_windows_by_many_workers() {
    everywhere(|pair, seed| {
        let source = Memory::of(&pair.original);
        let job = || {
            let source = source.clone();
            let rows = 100 + seed as usize * 77;
            let fetcher = FetcherStrategy::new(move |request: &FetchRequest| source.page(request, rows));
            let job = pair.job(pair.copy.backfill(fetcher));
            let job = job.merge_within(["1h", "12h", "2d"][seed as usize]);
            job.window_max(["1d", "33m", "7d"][seed as usize]).concurrency(3)
        };
        let report = job().run().expect("a report");
        source.take_asked();
        pair.assert_filled(&report, Left::Nothing);
        assert_asks_nothing(&source, job().run().expect("a report"));
    });
}

/// What a crash of the source leaves is asked for in the next run, and nothing else.
#[test]
fn holes_are_filled_by_a_source_that_fails_for_a_while() {
    everywhere(|pair, seed| {
        let (source, missing) = (Memory::of(&pair.original), pair.gaps());
        let half = pair.span.start + (pair.span.end - pair.span.start) / 2;
        let failing = source.clone();
        let fetcher = FetcherStrategy::new(move |request: &FetchRequest| match request.start > half {
            true => Err(FetchError::permanent("not yet")),
            false => failing.all(request),
        });
        let first = pair.job(pair.copy.backfill(fetcher)).run().expect("a report");
        let left = |name: &str| -> Vec<_> {
            let holes = missing.get(name).into_iter().flatten();
            holes.filter(|hole| hole.start > half).cloned().collect()
        };
        let left: Holes = missing.keys().map(|name| (name.clone(), left(name))).collect();
        twin::assert_same("after half of a fill", &pair.gaps(), &left);
        let failed = first
            .gaps
            .iter()
            .filter(|gap| matches!(gap.outcome, GapOutcome::Failed(_)));
        assert_eq!(
            failed.count(),
            left.values().map(Vec::len).sum::<usize>(),
            "seed {seed}"
        );
        source.take_asked();
        let whole = source.clone();
        let fetcher = FetcherStrategy::new(move |request: &FetchRequest| whole.all(request));
        let mut report = pair.job(pair.copy.backfill(fetcher)).run().expect("a report");
        assert_asked(&source, &twin::without_none(left));
        report
            .gaps
            .extend(first.gaps.into_iter().filter(|gap| gap.outcome.is_closed()));
        pair.assert_filled(&report, Left::Nothing);
    });
}

/// A buffer of the newest rows, then a source that does not know three of the series, then one that has all: each is asked
/// only for what those before it have left.
#[test]
fn holes_are_filled_by_a_chain_whose_first_sources_lack_some() {
    everywhere(|pair, _| {
        let missing = pair.gaps();
        let [buffer, some, all] = [(); 3].map(|()| Memory::of(&pair.original));
        let kept = pair.span.end - 5 * DAY..pair.span.end;
        let lacks = |name: &str| ["ADA/BTC", "TRX/BTC", "ZEC/BTC"].contains(&name);
        let chain = || {
            let (buffered, kept) = (buffer.clone(), kept.clone());
            let recent = ReplaySource::rows(move |series, _, range| {
                let inside = range.start.max(kept.start)..range.end.min(kept.end);
                match inside.is_empty() {
                    true => Ok(Replayed::default()),
                    false => Ok(Replayed {
                        batches: vec![buffered.rows(series, &inside)],
                        covered: vec![inside],
                    }),
                }
            });
            let (known, whole) = (some.clone(), all.clone());
            ChainStrategy::new()
                .then(LiveReplayStrategy::new(recent))
                .then(FetcherStrategy::new(move |request: &FetchRequest| match request
                    .series
                    .as_deref()
                    .is_some_and(lacks)
                {
                    true => Err(FetchError::permanent("an unknown symbol")),
                    false => known.all(request),
                }))
                .then(FetcherStrategy::new(move |request: &FetchRequest| {
                    whole.all(request)
                }))
        };
        let report = pair.job(pair.copy.backfill(chain())).run().expect("a report");
        let part = |wanted: &dyn Fn(&str) -> bool, within: std::ops::Range<i64>| -> Holes {
            let clip = |hole: &std::ops::Range<i64>| hole.start.max(within.start)..hole.end.min(within.end);
            let of = |holes: &Vec<_>| holes.iter().map(clip).filter(|hole| !hole.is_empty()).collect();
            let named = missing.iter().filter(|(name, _)| wanted(name));
            twin::without_none(named.map(|(name, holes)| (name.clone(), of(holes))).collect())
        };
        assert_asked(&buffer, &part(&|_| true, kept.clone()));
        assert_asked(&some, &part(&|name| !lacks(name), pair.span.start..kept.start));
        assert_asked(&all, &part(&lacks, pair.span.start..kept.start));
        pair.assert_filled(&report, Left::Nothing);
        let again = pair.job(pair.copy.backfill(chain())).run().expect("a report");
        assert!(again.gaps.is_empty());
        assert!(
            [buffer, some, all]
                .iter()
                .all(|source| source.take_asked().is_empty())
        );
    });
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use std::time::Duration;

    use gapless::backfill::{AsyncFetcher, AsyncFetcherStrategy, RetryPolicy};

    use super::*;

    /// Gives rows after a while, in pages, and of every third minute only when it is asked again.
    struct Slow(Memory);

    impl AsyncFetcher for Slow {
        async fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
            let wait = request.start.rem_euclid(7).unsigned_abs();
            tokio::time::sleep(Duration::from_micros(300 * wait)).await;
            match request.attempt == 1 && request.start / MINUTE % 3 == 0 {
                true => Err(FetchError::transient("busy")),
                false => self.0.page(request, 300),
            }
        }
    }

    #[test]
    fn holes_are_filled_by_an_asynchronous_fetcher() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        everywhere(|pair, seed| {
            let source = Memory::of(&pair.original);
            let job = || {
                let job = pair
                    .copy
                    .backfill_async(AsyncFetcherStrategy::new(Slow(source.clone())));
                let retry = RetryPolicy {
                    backoff: Duration::ZERO,
                    ..RetryPolicy::default()
                };
                let job = pair.job(job).concurrency(1 + 4 * seed as usize);
                job.window_max("1d").retry(retry)
            };
            let report = runtime.block_on(job().run_async()).expect("a report");
            source.take_asked();
            pair.assert_filled(&report, Left::Nothing);
            let again = runtime.block_on(job().run_async()).expect("a report");
            assert_asks_nothing(&source, again);
        });
    }
}

/// Ten days of minutes with 538 natural holes of which nothing is known: each is asked for once, and is empty from then on.
#[test]
fn natural_holes_are_asked_for_once_and_are_empty() {
    let options = real_data::freqtrade();
    let Some(imported) = import(&["bars/freqtrade_unittest_btc_1m_201711.json.gz"], &options) else {
        return;
    };
    for seed in 0..3 {
        let mut pair = Pair::new(&imported, MINUTE, Natural::Unknown, seed);
        pair.punch(5);
        let (source, missing) = (Memory::of(&pair.original), pair.gaps());
        let job = || {
            let source = source.clone();
            let fetcher = FetcherStrategy::new(move |request: &FetchRequest| source.all(request));
            pair.job(pair.copy.backfill(fetcher))
        };
        let report = job().run().expect("a report");
        assert_asked(&source, &missing);
        pair.assert_filled(&report, Left::Nothing);
        assert!(
            report.count("empty") > 100,
            "seed {seed}: {}",
            report.count("empty")
        );
        assert_asks_nothing(&source, job().run().expect("a report"));
    }
}

/// Half a million minutes with 70,242 natural holes, which a person has seen: what is asked for are the rows that were
/// deleted, and the natural holes between them stay as they were.
#[test]
fn holes_between_many_natural_ones_are_filled() {
    let Some(imported) = bitfinex() else {
        return;
    };
    let mut pair = Pair::new(&imported, MINUTE, Natural::Empty, 1);
    pair.punch(40);
    let source = Memory::of(&pair.original);
    let job = || {
        let source = source.clone();
        let fetcher = FetcherStrategy::new(move |request: &FetchRequest| source.all(request));
        pair.job(pair.copy.backfill(fetcher))
            .merge_within("3h")
            .concurrency(2)
    };
    let report = job().run().expect("a report");
    println!(
        "{} requests, {} rows",
        source.take_asked().len(),
        report.rows().inserted
    );
    pair.assert_filled(&report, Left::Nothing);
    assert_asks_nothing(&source, job().run().expect("a report"));
}
