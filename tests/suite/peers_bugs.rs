//! What went wrong in other engines: each test is named for its symptom, and says where it was seen.
//!
//! Proven elsewhere in this suite:
//!
//! - An empty range without a neighbour is forgotten: `coverage::rules::an_empty_range_without_neighbours_is_remembered`, and by
//!   a fill `backfill::failures::an_empty_answer_is_known_from_then_on_and_never_asked_for_again`.
//! - Rows or whole files are lost when the process is killed or the power goes between two syscalls (#4996, #1993): all of
//!   `crash`, and `concurrent::processes` and `backfill::stale` with processes that are killed.
//! - An aborted compaction leaves files that nothing names (#7207):
//!   `compaction::a_cancel_after_any_batch_leaves_the_segments_as_they_were_and_no_files` when it is cancelled, the script of
//!   `crash::points` (it looks for such files after every crash) and `crash::errors` when it is cut off.
//! - Two processes fetch the same gap: `backfill::processes::sixteen_workers_of_two_processes_fill_a_range_once`.
//! - A second fetch of a table that is written without a backfill: `semantics::known`.
//!
//! Those that need queries come with them: a fill of a range without rows (#2578) or in a subquery (#6436), buckets of local
//! months across a change of the clock (#5334), a join as of a time over nulls (#18303).

use std::ops::Range;
use std::sync::{Arc, Mutex};

use gapless::backfill::{
    BackfillOrder, BackfillReport, FetchError, FetchRequest, Fetched, FetcherStrategy, GapOutcome,
};
use gapless::{Attestation, CoverageState, Database, GapQuery, Keep, Listing, Maintenance, Table};

use crate::common::{DAY, HOUR, Row, batch, rows, scratch, spec};

const MINUTE: i64 = HOUR / 60;

fn bar(minute: i64, sym: &str) -> Row {
    Row {
        ts: minute * MINUTE,
        sym: Some(sym.to_owned()),
        price: Some(1.0 + (minute % 100) as f64),
        id: minute,
    }
}

fn bars(minutes: Range<i64>, sym: &str) -> Vec<Row> {
    minutes.map(|minute| bar(minute, sym)).collect()
}

fn said(sym: &str, minutes: Range<i64>) -> Attestation {
    let range = minutes.start * MINUTE..minutes.end * MINUTE;
    Attestation::new(range)
        .series(sym)
        .interval(MINUTE)
        .source("test")
}

fn stored(table: &Table) -> Vec<Row> {
    rows(&table.scan().expect("a scan").collect().expect("rows"))
}

/// What is known of a series at minutes: first minute, end, state.
fn known(table: &Table, sym: &str) -> Vec<(i64, i64, CoverageState)> {
    let coverage = table.coverage().expect("coverage");
    let ranges = coverage
        .ranges(Some(sym), MINUTE, i64::MIN..i64::MAX)
        .expect("ranges");
    let minutes = |range: &gapless::CoverageRange| (range.start / MINUTE, range.end / MINUTE, range.state);
    ranges.iter().map(minutes).collect()
}

/// Fills minutes of a series; the report, and the ranges that the source was asked for, in minutes.
fn fill(
    table: &Table,
    sym: &str,
    minutes: Range<i64>,
    order: BackfillOrder,
    source: impl Fn(Range<i64>) -> Vec<Row> + Send + Sync + 'static,
) -> (BackfillReport, Vec<(i64, i64)>) {
    let asked: Arc<Mutex<Vec<(i64, i64)>>> = Arc::default();
    let note = Arc::clone(&asked);
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        let minutes = request.start / MINUTE..request.end / MINUTE;
        note.lock().expect("no panic").push((minutes.start, minutes.end));
        Ok(Fetched::all([batch(&source(minutes))]))
    };
    let job = table
        .backfill(FetcherStrategy::new(source))
        .series([sym])
        .interval(MINUTE);
    let job = job.range(minutes.start * MINUTE, minutes.end * MINUTE);
    let job = job.window_max(100 * MINUTE).order(order).retries(0);
    let report = job.run().expect("a report");
    let asked = asked.lock().expect("no panic").clone();
    (report, asked)
}

fn files(db: &Database) -> (usize, usize) {
    let version = db.version().expect("a version");
    let table = version.table("bars").expect("the table");
    (table.segments().count(), table.coverage().len())
}

/// Nautilus #3875: to consolidate what is consolidated removed data.
#[test]
fn a_second_consolidation_removed_what_the_first_had_made() {
    for keep in [Keep::All, Keep::Last] {
        let (_directory, db) = scratch();
        let table = db.create_table(&spec("bars").keep(keep)).expect("a table");
        for piece in 0..12 {
            let minutes = piece * 300..(piece + 1) * 300;
            let said = said("A", minutes.clone());
            table
                .append_covering(&batch(&bars(minutes, "A")), [said], None)
                .expect("appended");
            db.flush().expect("flushed");
        }
        db.compact("bars").expect("the first");
        db.collect_garbage().expect("collected");
        let look = || (stored(&table), known(&table, "A"), files(&db), db.write_stats());
        let (before, version) = (look(), db.version().expect("a version").number());
        assert_eq!(
            (before.0.len(), before.1.as_slice()),
            (3600, &[(0, 3600, CoverageState::Complete)][..])
        );
        let report = db.compact("bars").expect("the second");
        assert_eq!(
            (report.done, report.segments_removed, report.segments_added),
            (0, 0, 0),
            "{report:?}"
        );
        assert!(look() == before, "{keep:?}: {:?} became {:?}", before.2, look().2);
        assert_eq!(
            db.version().expect("a version").number(),
            version,
            "nothing was committed"
        );
    }
}

/// Nautilus #4435: a period that has one file only was consolidated wrongly.
#[test]
fn a_period_of_one_file_was_lost_when_it_was_consolidated() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("bars")).expect("a table");
    // A day of one file, a day of three, and one row alone in a day.
    table.write([batch(&bars(0..1440, "A"))]).expect("written");
    for piece in 0..3 {
        let minutes = 1440 + piece * 480..1440 + (piece + 1) * 480;
        table.write([batch(&bars(minutes, "A"))]).expect("written");
    }
    table.write([batch(&[bar(5000, "A")])]).expect("written");
    let expected: Vec<Row> = bars(0..2880, "A").into_iter().chain([bar(5000, "A")]).collect();
    table.infer_coverage(MINUTE, None).expect("inferred");
    let covered = [
        (0, 2880, CoverageState::Complete),
        (5000, 5001, CoverageState::Complete),
    ];
    for _ in 0..2 {
        db.compact("bars").expect("compacted");
        assert_eq!(files(&db).0, 3, "a file a day");
        assert!(stored(&table) == expected);
        assert_eq!(known(&table, "A"), covered);
    }
}

/// Seen elsewhere as #6895: windows that are filled newest first left a mess of small pieces.
#[test]
fn a_table_that_was_filled_newest_first_was_another_one() {
    let mut twins = Vec::new();
    for order in [BackfillOrder::OldestFirst, BackfillOrder::NewestFirst] {
        let (_directory, db) = scratch();
        let table = db.create_table(&spec("bars")).expect("a table");
        for piece in 0..6 {
            // Each piece by a job of its own, the last ones first.
            let piece = if order == BackfillOrder::NewestFirst {
                5 - piece
            } else {
                piece
            };
            let minutes = piece * 1000..(piece + 1) * 1000;
            let (report, asked) = fill(&table, "A", minutes, order, |minutes| bars(minutes, "A"));
            assert!(report.is_complete() && asked.len() == 10, "{report:?}");
            assert!(
                asked.is_sorted_by(|a, b| (a < b) == (order == BackfillOrder::OldestFirst)),
                "{asked:?}"
            );
            db.flush().expect("flushed");
        }
        assert_eq!(
            known(&table, "A"),
            [(0, 6000, CoverageState::Complete)],
            "{order:?}"
        );
        assert_eq!(table.rows().expect("rows"), 6000);
        db.compact("bars").expect("compacted");
        let (segments, coverage) = files(&db);
        assert!(
            segments == 5 && coverage <= 8,
            "{order:?}: {segments} segments, {coverage} files of coverage"
        );
        assert_eq!(
            known(&table, "A"),
            [(0, 6000, CoverageState::Complete)],
            "{order:?}"
        );
        twins.push((stored(&table), segments));
    }
    assert!(twins[0] == twins[1], "the order of the windows shows");
    assert!(twins[0].0 == bars(0..6000, "A"));
}

/// Most stores: to fetch a range again writes all of it again.
#[test]
fn rows_that_were_fetched_again_were_written_again() {
    for keep in [Keep::All, Keep::First, Keep::Last] {
        let (_directory, db) = scratch();
        let table = db.create_table(&spec("bars").keep(keep)).expect("a table");
        let (first, _) = fill(&table, "A", 0..5000, BackfillOrder::OldestFirst, |minutes| {
            bars(minutes, "A")
        });
        assert_eq!(first.rows().inserted, 5000);
        db.flush().expect("flushed");
        let (rows, segments) = (stored(&table), files(&db).0);
        for pass in 0..3 {
            table
                .attest([said("A", 0..5000).state(CoverageState::Partial)])
                .expect("in doubt");
            let before = db.write_stats();
            let (again, asked) = fill(&table, "A", 0..5000, BackfillOrder::OldestFirst, |minutes| {
                bars(minutes, "A")
            });
            assert_eq!(asked.len(), 50);
            let counts = again.rows();
            assert_eq!((counts.inserted, counts.identical, counts.changed), (0, 5000, 0));
            db.flush().expect("flushed");
            let after = db.write_stats();
            let segments_of =
                |stats: gapless::WriteStats| (stats.flushed_bytes, stats.bulk_bytes, stats.compacted_bytes);
            assert_eq!(
                segments_of(after),
                segments_of(before),
                "{keep:?}, pass {pass}: rows were written"
            );
            // Who said it, when, how many rows: a record for each of fifty windows, in memory one range.
            let streamed = after.streamed_bytes - before.streamed_bytes;
            let logged = after.wal_bytes - before.wal_bytes;
            println!("{streamed} bytes in memory, {logged} in the log");
            assert!(
                streamed < 1000 && logged < 50 * 500,
                "{keep:?}, pass {pass}: {streamed} bytes in memory, {logged} in the log"
            );
            assert_eq!(files(&db).0, segments, "{keep:?}, pass {pass}");
            assert!(stored(&table) == rows, "{keep:?}, pass {pass}");
            assert_eq!(known(&table, "A"), [(0, 5000, CoverageState::Complete)]);
        }
    }
}

/// A table whose commits below so many rows go through the log.
fn streaming_below(small_commit_rows: usize, keep: Keep) -> (tempfile::TempDir, Database, Table) {
    let directory = tempfile::tempdir().expect("a directory");
    let db = Database::builder(directory.path().join("db"))
        .small_commit_rows(small_commit_rows)
        .maintenance(Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a database");
    let table = db.create_table(&spec("bars").keep(keep)).expect("a table");
    (directory, db, table)
}

/// PyStore #43 and #69: an append removed rows that were like rows of other times.
#[test]
fn rows_of_equal_values_at_other_times_were_lost_by_an_append() {
    for keep in [Keep::All, Keep::First, Keep::Last] {
        for small_commit_rows in [0, 1000] {
            let (_directory, db, table) = streaming_below(small_commit_rows, keep);
            // The price does not move, for days.
            let flat = |minutes: Range<i64>| -> Vec<Row> {
                let flat = |minute| Row {
                    id: 7,
                    price: Some(1.25),
                    ..bar(minute, "A")
                };
                minutes.map(flat).collect()
            };
            table.write([batch(&flat(0..2000))]).expect("written");
            table.append(&batch(&flat(2000..2500))).expect("appended");
            db.flush().expect("flushed");
            table.append(&batch(&flat(2500..3000))).expect("appended");
            table.write([batch(&flat(3000..4000))]).expect("written");
            let expected = flat(0..4000);
            assert!(stored(&table) == expected, "{keep:?}, {small_commit_rows}");
            db.flush().expect("flushed");
            db.compact("bars").expect("compacted");
            assert!(
                stored(&table) == expected,
                "{keep:?}, {small_commit_rows}: compacted"
            );
            let (report, _) = fill(&table, "A", 0..4500, BackfillOrder::OldestFirst, move |minutes| {
                flat(minutes)
            });
            assert_eq!(
                (report.rows().inserted, report.rows().identical),
                (500, 4000),
                "{keep:?}"
            );
            assert_eq!(
                stored(&table).len(),
                4500,
                "{keep:?}, {small_commit_rows}: filled"
            );
        }
    }
}

/// Freqtrade #8718: the time before a pair was listed is downloaded again each time.
#[test]
fn time_before_the_listing_and_after_the_delisting_was_fetched_each_time() {
    let only = |minutes: Range<i64>| {
        move |asked: Range<i64>| -> Vec<Row> {
            bars(asked, "A")
                .into_iter()
                .filter(|row| minutes.contains(&(row.ts / MINUTE)))
                .collect()
        }
    };
    // Nobody has said when it is listed: the source is asked once, and its word is kept.
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("bars")).expect("a table");
    let (report, asked) = fill(&table, "A", 0..500, BackfillOrder::OldestFirst, only(100..300));
    assert_eq!(asked, [(0, 100), (100, 200), (200, 300), (300, 400), (400, 500)]);
    assert_eq!((report.count("empty"), report.count("filled")), (3, 2));
    use CoverageState::{Complete, Empty};
    assert_eq!(
        known(&table, "A"),
        [(0, 100, Empty), (100, 300, Complete), (300, 500, Empty)]
    );
    for _ in 0..2 {
        let (report, asked) = fill(&table, "A", 0..500, BackfillOrder::OldestFirst, only(0..0));
        assert_eq!((report.gaps.len(), asked), (0, vec![]));
        db.flush().expect("flushed");
    }
    // It is known when it is listed: the source is never asked for the rest.
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("bars")).expect("a table");
    let listing = Listing::new(Some(100 * MINUTE), Some(300 * MINUTE)).expect("a listing");
    table.set_listing("A", &listing).expect("listed");
    for expected in [vec![(100, 200), (200, 300)], vec![]] {
        let (report, asked) = fill(&table, "A", 0..500, BackfillOrder::OldestFirst, only(100..300));
        assert!(
            report.gaps.iter().all(|gap| gap.outcome == GapOutcome::Filled),
            "{report:?}"
        );
        assert_eq!(asked, expected);
    }
    let query = GapQuery::new(0, 500 * MINUTE).series(["A"]).interval(MINUTE);
    assert_eq!(table.gaps(&query).expect("gaps"), []);
}

/// Seen elsewhere as #18014: rows that were not in order within their group were joined with the wrong ones.
#[test]
fn rows_of_several_series_that_came_interleaved_and_unsorted_were_read_in_that_order() {
    let series = ["C", "A", "B"];
    let count = 2000_i64;
    // Every series, minutes of two days: each batch jumps among both.
    let at = |number: i64| bar(number * 7919 % count, series[(number * 31 % 3) as usize]);
    let all: Vec<Row> = (0..3 * count).map(at).collect();
    let mut expected = all.clone();
    expected.sort_by_key(|row| (row.sym.clone(), row.ts));
    let is_each_once = expected
        .windows(2)
        .all(|pair| (&pair[0].sym, pair[0].ts) != (&pair[1].sym, pair[1].ts));
    assert!(is_each_once && !all.is_sorted_by_key(|row| row.ts));
    for small_commit_rows in [0, 10_000] {
        for keep in [Keep::All, Keep::Last] {
            let (_directory, db, table) = streaming_below(small_commit_rows, keep);
            let covers = series.map(|name| said(name, 0..count));
            let (first, rest) = all.split_at(2500);
            table.write(first.chunks(611).map(batch)).expect("written");
            table
                .append_covering(&batch(rest), covers, None)
                .expect("appended");
            let look = |what: &str| {
                assert!(
                    stored(&table) == expected,
                    "{keep:?}, {small_commit_rows}: {what}"
                );
                let day = table.scan().expect("a scan").series(["B"]).between(DAY, 2 * DAY);
                let day = rows(&day.collect().expect("rows"));
                let of_day: Vec<Row> = expected
                    .iter()
                    .filter(|row| row.sym.as_deref() == Some("B") && row.ts >= DAY)
                    .cloned()
                    .collect();
                assert!(day == of_day, "{keep:?}, {small_commit_rows}: a day of B, {what}");
                for name in series {
                    assert_eq!(known(&table, name), [(0, count, CoverageState::Complete)]);
                }
            };
            look("streamed");
            db.flush().expect("flushed");
            look("flushed");
            db.compact("bars").expect("compacted");
            look("compacted");
        }
    }
    // A source answers for one series: an answer with others is refused as a whole.
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("bars")).expect("a table");
    let mixed = all.clone();
    let (report, _) = fill(&table, "A", 0..100, BackfillOrder::OldestFirst, move |_| {
        mixed.clone()
    });
    assert!(
        matches!(&report.gaps[0].outcome, GapOutcome::Failed(why) if !why.is_empty()),
        "{report:?}"
    );
    assert_eq!((stored(&table), known(&table, "A")), (vec![], vec![]));
    // Of its own in any order and in any number of batches.
    let shuffled = move |minutes: Range<i64>| {
        let mut bars = bars(minutes, "A");
        bars.sort_by_key(|row| row.ts / MINUTE * 7919 % 101);
        bars
    };
    let (report, _) = fill(&table, "A", 0..100, BackfillOrder::OldestFirst, shuffled);
    assert!(report.is_complete() && stored(&table) == bars(0..100, "A"));
}
