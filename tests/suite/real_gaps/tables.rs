//! Holes that are filled from the original: its table, or its file.

use gapless::backfill::{Aggregation, BackfillStrategy, FromTableStrategy, LiveReplayStrategy, ReplaySource};

use super::pair::{Left, Natural, Pair};
use super::sources::everywhere;
use super::twin;

/// A second run plans what the first has left, and nothing of it changes.
fn assert_changes_nothing(pair: &Pair, strategy: impl BackfillStrategy + 'static) {
    let before = pair.gaps();
    let report = pair.job(pair.copy.backfill(strategy)).run().expect("a report");
    assert_eq!(report.gaps.len(), before.values().map(Vec::len).sum::<usize>());
    assert_eq!(report.rows(), Default::default());
    twin::assert_same("after a second run", &pair.gaps(), &before);
    pair.assert_same_rows();
}

/// The bars of the other table, one of one.
fn bars(pair: &Pair) -> FromTableStrategy {
    let columns = ["open", "high", "low", "close", "volume"].map(|name| (name, Aggregation::first(name)));
    FromTableStrategy::new(&pair.original)
        .source_interval(pair.interval)
        .bars(columns)
}

/// What the original does not know it does not attest, so natural holes of which nothing was known stay gaps.
fn left(natural: Natural) -> Left {
    match natural {
        Natural::Unknown => Left::AsBefore,
        Natural::Empty => Left::Nothing,
    }
}

#[test]
fn holes_are_filled_from_another_table() {
    everywhere(|pair, _| {
        let report = pair.job(pair.copy.backfill(bars(pair))).run().expect("a report");
        pair.assert_filled(&report, left(pair.natural));
        assert_changes_nothing(pair, bars(pair));
    });
}

#[test]
fn holes_are_filled_by_a_replay_of_another_table() {
    everywhere(|pair, seed| {
        let replay = || LiveReplayStrategy::new(ReplaySource::table(&pair.original));
        let job = pair
            .job(pair.copy.backfill(replay()))
            .concurrency(1 + seed as usize);
        pair.assert_filled(&job.run().expect("a report"), left(pair.natural));
        assert_changes_nothing(pair, replay());
    });
}

/// Whoever trusts the rows of the other table takes them for all there are, from the first of a series to the last; its last
/// bar may be going on, so that one is left.
#[test]
fn holes_are_filled_from_a_table_whose_rows_are_trusted() {
    everywhere(|pair, _| {
        let job = |strategy| pair.job(pair.copy.backfill(strategy)).run().expect("a report");
        for _ in 0..2 {
            job(bars(pair).trust_rows(true));
            twin::assert_same("after the fill", &pair.gaps(), &pair.outside(true));
        }
        // Those last bars are known to the original.
        job(bars(pair));
        pair.assert_same_rows();
    });
}

#[cfg(feature = "files")]
mod files {
    use gapless::backfill::{FilesAttest, FilesStrategy};
    use gapless::files::{ReadOptions, reader};

    use super::super::sources::{BITFINEX, PAIRS, bitfinex};
    use super::*;
    use crate::real_data::{self, MINUTE, data, series};

    fn strategy(name: &str, options: ReadOptions, attests: FilesAttest) -> FilesStrategy {
        let file = data().expect("the file was there").join(name);
        FilesStrategy::new([file], reader(options)).attests(attests)
    }

    #[test]
    fn holes_are_filled_from_a_file_that_speaks_for_everything() {
        everywhere(|pair, _| {
            let strategy = || strategy(PAIRS, series("sym"), FilesAttest::Everything);
            let report = pair.job(pair.copy.backfill(strategy())).run().expect("a report");
            pair.assert_filled(&report, Left::Nothing);
            let again = pair.job(pair.copy.backfill(strategy())).run().expect("a report");
            assert!(again.gaps.is_empty());
        });
    }

    /// A series that ends before the others is spoken for to its last row only.
    #[test]
    fn holes_are_filled_from_a_file_that_speaks_from_the_first_row_to_the_last() {
        everywhere(|pair, _| {
            let strategy = || strategy(PAIRS, series("sym"), FilesAttest::Bounds);
            pair.job(pair.copy.backfill(strategy())).run().expect("a report");
            pair.assert_same_rows();
            twin::assert_same("after the fill", &pair.gaps(), &pair.outside(false));
            assert_changes_nothing(pair, strategy());
        });
    }

    /// A file that attests nothing gives its rows, and every gap stays one; the next run stores none of them again.
    #[test]
    fn holes_are_filled_from_a_file_that_attests_nothing_and_stay_gaps() {
        everywhere(|pair, _| {
            let missing = pair.gaps();
            for run in 0..2 {
                let strategy = strategy(PAIRS, series("sym"), FilesAttest::Nothing);
                let report = pair.job(pair.copy.backfill(strategy)).run().expect("a report");
                let (rows, removed) = (report.rows(), pair.removed_rows() as u64);
                let counts = (rows.inserted, rows.identical, rows.changed);
                assert_eq!(counts, [(removed, 0, 0), (0, removed, 0)][run]);
                pair.assert_same_rows();
                twin::assert_same("after the fill", &pair.gaps(), &missing);
            }
        });
    }

    #[test]
    fn minutes_of_bitfinex_are_filled_from_their_file() {
        let Some(imported) = bitfinex() else {
            return;
        };
        let mut pair = Pair::new(&imported, MINUTE, Natural::Empty, 2);
        pair.punch(8);
        let strategy = || strategy(BITFINEX, real_data::bitfinex(), FilesAttest::Bounds);
        let job = || pair.job(pair.copy.backfill(strategy()));
        println!("{} gaps", pair.gaps().values().map(Vec::len).sum::<usize>());
        let report = job().run().expect("a report");
        pair.assert_filled(&report, Left::Nothing);
        assert!(job().run().expect("a report").gaps.is_empty());
    }
}
