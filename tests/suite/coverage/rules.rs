//! What each call does to coverage, and what others got wrong: each test is named for its symptom.

use gapless::{
    Attestation, Calendar, CoverageState, Days, ErrorKind, GapQuery, Listing, PartitionUnit, Table,
};

use super::fixture::{MINUTE, fresh, open, row};
use crate::common::{DAY, HOUR, Row, batch, spec};

fn said(series: &str, range: std::ops::Range<i64>) -> Attestation {
    Attestation::new(range)
        .series(series)
        .interval(MINUTE)
        .source("test")
}

/// The gaps of a series in minutes.
fn gaps(table: &Table, series: &str, end: i64) -> Vec<(i64, i64)> {
    let query = GapQuery::new(0, end).series([series]).interval(MINUTE);
    let gaps = table.gaps(&query).expect("gaps");
    gaps.iter()
        .map(|gap| (gap.start / MINUTE, gap.end / MINUTE))
        .collect()
}

fn states(table: &Table, series: &str) -> Vec<(i64, i64, CoverageState)> {
    let coverage = table.coverage().expect("coverage");
    let ranges = coverage
        .ranges(Some(series), MINUTE, i64::MIN..i64::MAX)
        .expect("ranges");
    let minutes = |ns: i64| if ns == i64::MIN { ns } else { ns / MINUTE };
    ranges
        .iter()
        .map(|range| (minutes(range.start), minutes(range.end), range.state))
        .collect()
}

#[test]
fn an_empty_range_without_neighbours_is_remembered() {
    let (_directory, _db, table) = fresh();
    table
        .attest([said("a", 60 * MINUTE..120 * MINUTE).state(CoverageState::Empty)])
        .expect("attested");
    assert_eq!(gaps(&table, "a", 180 * MINUTE), [(0, 60), (120, 180)]);
    assert_eq!(states(&table, "a"), [(60, 120, CoverageState::Empty)]);
}

#[test]
fn a_series_is_not_covered_because_another_is() {
    let (_directory, _db, table) = fresh();
    table.attest([said("a", 0..HOUR)]).expect("attested");
    table.append(&batch(&[row(0, "b")])).expect("appended");
    let all = table
        .gaps(&GapQuery::new(0, HOUR).interval(MINUTE))
        .expect("gaps");
    let names: Vec<_> = all.iter().map(|gap| gap.series.as_deref()).collect();
    assert_eq!(names, [Some("b")]);
    assert_eq!(gaps(&table, "never seen", HOUR), [(0, 60)]);
}

#[test]
fn a_gap_in_the_middle_is_seen_though_newer_rows_are_there() {
    let (_directory, _db, table) = fresh();
    let rows = [row(0, "a"), row(50 * MINUTE, "a")];
    table
        .append_covering(
            &batch(&rows),
            [said("a", 0..10 * MINUTE), said("a", 40 * MINUTE..60 * MINUTE)],
            None,
        )
        .expect("appended");
    assert_eq!(gaps(&table, "a", HOUR), [(10, 40)]);
    let coverage = table.coverage().expect("coverage");
    assert_eq!(
        coverage
            .watermark(Some("a"), MINUTE, i64::MAX)
            .expect("a watermark"),
        Some(10 * MINUTE)
    );
}

#[test]
fn a_deletion_leaves_nothing_complete_over_what_it_deleted() {
    let (_directory, db, table) = fresh();
    let rows: Vec<Row> = (0..60).map(|minute| row(minute * MINUTE, "a")).collect();
    table
        .append_covering(&batch(&rows), [said("a", 0..HOUR)], None)
        .expect("appended");
    table
        .delete(10 * MINUTE..20 * MINUTE, Some(&["a"]))
        .expect("deleted");
    for _ in 0..2 {
        assert_eq!(gaps(&table, "a", HOUR), [(10, 20)]);
        db.flush().expect("flushed");
    }
    table.delete(30 * MINUTE..i64::MAX, None).expect("deleted");
    assert_eq!(gaps(&table, "a", HOUR), [(10, 20), (30, 60)]);
}

#[test]
fn a_replacement_keeps_the_coverage_of_its_range() {
    let (_directory, _db, table) = fresh();
    table
        .append_covering(&batch(&[row(0, "a")]), [said("a", 0..HOUR)], None)
        .expect("appended");
    table
        .replace(0..HOUR, Some(&["a"]), [batch(&[row(MINUTE, "a")])])
        .expect("replaced");
    assert_eq!(gaps(&table, "a", HOUR), []);
}

#[test]
fn another_interval_is_another_key() {
    let (_directory, _db, table) = fresh();
    table.attest([said("a", 0..HOUR)]).expect("attested");
    let hours = table
        .gaps(&GapQuery::new(0, HOUR).series(["a"]).interval("1h"))
        .expect("gaps");
    assert_eq!(hours.len(), 1);
    table
        .attest([said("a", 0..HOUR).interval(HOUR)])
        .expect("attested");
    let error = table.gaps(&GapQuery::new(0, HOUR)).expect_err("two intervals");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.message().contains("1m") && error.message().contains("1h"),
        "{error}"
    );
}

#[test]
fn what_has_expired_is_no_gap_and_is_not_fetched_again() {
    let (_directory, db, table) = fresh();
    let rows: Vec<Row> = (0..3).map(|day| row(day * DAY, "a")).collect();
    table.write([batch(&rows)]).expect("written");
    table.attest([said("a", 0..3 * DAY)]).expect("attested");
    assert_eq!(table.expire(2 * DAY + HOUR).expect("expired"), 2);
    for _ in 0..2 {
        let days = |range: &(i64, i64, CoverageState)| (range.0, range.1 / 1440, range.2);
        let states: Vec<_> = states(&table, "a").iter().map(days).collect();
        assert_eq!(
            states,
            [
                (i64::MIN, 2, CoverageState::Expired),
                (2 * 1440, 3, CoverageState::Complete)
            ]
        );
        assert_eq!(gaps(&table, "a", 3 * DAY), []);
        // A series that comes later was not there either.
        assert_eq!(gaps(&table, "z", 3 * DAY), [(2 * 1440, 3 * 1440)]);
        db.flush().expect("flushed");
        db.compact("t").expect("compacted");
    }
}

#[test]
fn a_read_that_requires_coverage_says_what_is_missing() {
    let (_directory, _db, table) = fresh();
    table
        .append_covering(&batch(&[row(0, "a")]), [said("a", 0..HOUR)], None)
        .expect("appended");
    let scan = || table.scan().expect("a scan").series(["a"]).require_coverage("1m");
    assert_eq!(scan().between(0, HOUR).count().expect("rows"), 1);
    let error = scan()
        .between(0, 2 * HOUR)
        .collect()
        .expect_err("an hour is missing");
    assert_eq!(error.kind(), ErrorKind::Gaps);
    let missing: Vec<_> = error.missing().iter().map(|gap| (gap.start, gap.end)).collect();
    assert_eq!(missing, [(HOUR, 2 * HOUR)]);
    assert!(error.message().contains("1970-01-01T01:00:00Z"), "{error}");
    let beside = table
        .scan()
        .expect("a scan")
        .series(["a"])
        .between(0, 2 * HOUR)
        .uncovered("1m")
        .expect("gaps");
    assert_eq!(beside, error.missing());
}

#[test]
fn nothing_is_expected_before_a_series_is_listed_or_while_the_market_is_closed() {
    let (_directory, db, table) = fresh();
    let calendar = Calendar::new("America/New_York")
        .and_then(|calendar| calendar.session(Days::ALL, "09:30", "16:00"))
        .expect("a calendar");
    db.set_calendar("nyse", &calendar).expect("a calendar");
    table.set_calendar(Some("nyse"), None).expect("in use");
    // 1970-01-01 is a winter day: New York opens at 14:30 UTC.
    assert_eq!(gaps(&table, "a", DAY), [(14 * 60 + 30, 21 * 60)]);
    let listing = Listing::new(Some(15 * HOUR), None).expect("a listing");
    table.set_listing("a", &listing).expect("listed");
    assert_eq!(gaps(&table, "a", DAY), [(15 * 60, 21 * 60)]);
    assert_eq!(gaps(&table, "b", DAY), [(14 * 60 + 30, 21 * 60)]);
    db.create_snapshot("before").expect("a snapshot");
    table.set_calendar(None, None).expect("not in use");
    assert_eq!(gaps(&table, "b", DAY), [(0, 1440)]);
    let old = db
        .as_of("before")
        .expect("a snapshot")
        .coverage("t")
        .expect("coverage");
    let query = GapQuery::new(0, DAY).series(["b"]).interval(MINUTE);
    assert_eq!(
        old.gaps(&query).expect("gaps").len(),
        1,
        "an old version keeps its calendar"
    );
    assert_eq!(
        db.drop_calendar("other").expect_err("not there").kind(),
        ErrorKind::NotFound
    );
    db.drop_calendar("nyse").expect("dropped");
}

#[test]
fn a_session_that_ends_without_a_word_leaves_a_gap_by_construction() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let db = crate::live::streams::open(&path);
    let table = db.create_table(&spec("t")).expect("a table");
    let mut session = table
        .session()
        .series("a")
        .interval("1m")
        .source("feed")
        .start(0)
        .open()
        .expect("a session");
    session
        .append(&batch(&[row(0, "a"), row(9 * MINUTE, "a")]))
        .expect("appended");
    session.heartbeat(15 * MINUTE + 1).expect("a heartbeat");
    assert_eq!(states(&table, "a"), [(0, 15, CoverageState::Live)]);
    db.flush().expect("flushed");
    // The process is killed: nothing of it says goodbye.
    std::mem::forget(session);
    let copy = directory.path().join("copy");
    copy_all(&path, &copy);
    let again = open(&copy);
    let table = again.table("t").expect("the table");
    assert_eq!(states(&table, "a"), [(0, 15, CoverageState::Complete)]);
    let mut session = table
        .session()
        .series("a")
        .interval("1m")
        .source("feed")
        .start(20 * MINUTE + 1)
        .open()
        .expect("a session");
    session.heartbeat(30 * MINUTE).expect("a heartbeat");
    assert_eq!(
        gaps(&table, "a", 30 * MINUTE),
        [(15, 21)],
        "opening again does not cover the time between"
    );
    session.close();
    assert_eq!(
        states(&table, "a"),
        [
            (0, 15, CoverageState::Complete),
            (21, 30, CoverageState::Complete)
        ]
    );
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_all(&source, &target);
        } else {
            std::fs::copy(source, target).expect("copied");
        }
    }
}

#[test]
fn a_session_that_is_dropped_closes_at_its_watermark() {
    let (_directory, _db, table) = fresh();
    {
        let mut session = table
            .session()
            .series("a")
            .source("feed")
            .start(5)
            .open()
            .expect("a session");
        session
            .append(&batch(&[row(7, "a"), row(40, "a")]))
            .expect("appended");
        assert_eq!(session.watermark(), 40, "more rows may come that have this time");
    }
    let coverage = table.coverage().expect("coverage");
    let ranges = coverage.ranges(Some("a"), 0, i64::MIN..i64::MAX).expect("ranges");
    let found: Vec<_> = ranges
        .iter()
        .map(|range| (range.start, range.end, range.state))
        .collect();
    assert_eq!(found, [(5, 40, CoverageState::Complete)]);
}

#[test]
fn a_session_is_not_moved_by_rows_of_another_series_or_by_a_time_that_no_clock_has_reached() {
    let (_directory, _db, table) = fresh();
    let mut session = table
        .session()
        .series("a")
        .interval(MINUTE)
        .start(0)
        .open()
        .expect("a session");
    session.append(&batch(&[row(0, "a")])).expect("appended");
    let far = 4_102_444_800_000_000_000; // 2100-01-01T00:00:00Z
    for (rows, expected) in [
        (vec![row(50 * MINUTE, "b")], "another series"),
        (vec![row(MINUTE, "a"), row(50 * MINUTE, "b")], "another series"),
        (vec![row(far, "a")], "ahead of the clock"),
    ] {
        let error = session.append(&batch(&rows)).expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(expected), "{error}");
    }
    let error = session
        .heartbeat(far)
        .expect_err("nobody has followed it until then");
    assert!(error.message().contains("ahead of the clock"), "{error}");
    assert_eq!(session.watermark(), MINUTE);
    assert_eq!(
        table.rows().expect("a count"),
        1,
        "nothing of what was refused was written"
    );
    assert_eq!(gaps(&table, "a", 60 * MINUTE), [(1, 60)]);
    drop(session);
    let session = table
        .session()
        .series("a")
        .interval(MINUTE)
        .start(0)
        .ahead_max(i64::MAX);
    let mut session = session.open().expect("a session");
    session
        .heartbeat(far)
        .expect("a simulation has a clock of its own");
}

#[test]
fn many_small_commits_to_one_series_are_a_handful_of_ranges() {
    let (_directory, db, table) = fresh();
    for minute in 0..2000 {
        let said = said("a", minute * MINUTE..(minute + 1) * MINUTE);
        table
            .append_covering(&batch(&[row(minute * MINUTE, "a")]), [said], None)
            .expect("appended");
        if minute % 300 == 299 {
            db.flush().expect("flushed");
        }
    }
    assert_eq!(states(&table, "a"), [(0, 2000, CoverageState::Complete)]);
    db.flush().expect("flushed");
    let version = db.version().expect("a version");
    let files = version.table("t").expect("the table").coverage();
    let ranges: u64 = files.iter().map(|file| file.ranges).sum();
    assert!(files.len() <= 2 && ranges <= 4, "{files:?}");
}

#[test]
fn many_bulk_commits_leave_a_bounded_number_of_coverage_files() {
    let (directory, db, table) = fresh();
    for hour in 0..100 {
        table
            .attest([said("a", hour * 2 * HOUR..(hour * 2 + 1) * HOUR)])
            .expect("attested");
    }
    assert_eq!(gaps(&table, "a", 200 * HOUR).len(), 100);
    let version = db.version().expect("a version");
    let files = version.table("t").expect("the table").coverage();
    assert!(files.len() < 12, "{}", files.len());
    db.collect_garbage().expect("collected");
    let path = directory.path().join("db/tables/t/coverage");
    let there = std::fs::read_dir(path).expect("a directory").count();
    assert_eq!(there, files.len(), "files that were merged are gone");
}

#[test]
fn rows_off_the_grid_are_inferred_into_the_slot_that_they_lie_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("db"));
    let table = db
        .create_table(&spec("t").partition(PartitionUnit::Hour))
        .expect("a table");
    let times = [
        0,
        MINUTE + 30,
        3 * MINUTE,
        59 * MINUTE,
        60 * MINUTE,
        61 * MINUTE,
        70 * MINUTE,
    ];
    let rows: Vec<Row> = times.iter().map(|time| row(*time, "a")).collect();
    table.write([batch(&rows)]).expect("written");
    table
        .append(&batch(&[row(2 * MINUTE, "a"), row(5 * MINUTE, "b")]))
        .expect("appended");
    table.infer_coverage(MINUTE, None).expect("inferred");
    use CoverageState::Complete;
    assert_eq!(
        states(&table, "a"),
        [(0, 4, Complete), (59, 62, Complete), (70, 71, Complete)]
    );
    assert_eq!(states(&table, "b"), [(5, 6, Complete)]);
    let again = table.infer_coverage(MINUTE, None).expect("inferred");
    assert_eq!(again.ranges(), 4);
}

/// The condition of a scan was left out: every row counted, so the rows that a user had excluded were covered.
#[test]
fn rows_that_a_scan_leaves_out_are_not_inferred() {
    use gapless::scan::col;
    let (_directory, db, table) = fresh();
    let row = |minute: i64, sym: &str| Row {
        price: (minute % 3 != 1).then_some(minute as f64),
        ..row(minute * MINUTE, sym)
    };
    let rows: Vec<Row> = (0..6)
        .flat_map(|minute| [row(minute, "a"), row(minute + 1, "b")])
        .collect();
    table.append(&batch(&rows)).expect("appended");
    for _ in 0..2 {
        let scan = table.scan().expect("a scan").filter(col("price").is_not_null());
        let inferred = scan.clone().infer_coverage(MINUTE).expect("inferred");
        let minutes = inferred.series.iter().map(|(name, ranges)| {
            let ranges = ranges
                .iter()
                .map(|range| (range.start / MINUTE, range.end / MINUTE));
            (name.as_deref().expect("a series"), ranges.collect::<Vec<_>>())
        });
        let minutes: Vec<_> = minutes.collect();
        assert_eq!(
            minutes,
            [("a", vec![(0, 1), (2, 4), (5, 6)]), ("b", vec![(2, 4), (5, 7)])]
        );
        assert_eq!(inferred.rows, 8);
        let limited = scan.limit(3).infer_coverage(MINUTE).expect_err("a limit");
        assert_eq!(limited.kind(), ErrorKind::Invalid);
        db.flush().expect("flushed");
    }
}

#[test]
fn a_session_that_goes_on_does_not_cover_again_what_was_deleted_behind_its_watermark() {
    let (_directory, _db, table) = fresh();
    let session = table.session().series("a").interval("1m").source("feed").start(0);
    let mut session = session.open().expect("a session");
    let rows: Vec<Row> = (0..10).map(|minute| row(minute * MINUTE, "a")).collect();
    session.append(&batch(&rows)).expect("appended");
    table
        .delete(2 * MINUTE..4 * MINUTE, Some(&["a"]))
        .expect("deleted");
    session.heartbeat(20 * MINUTE).expect("a heartbeat");
    assert_eq!(gaps(&table, "a", 20 * MINUTE), [(2, 4)]);
    session.close();
    assert_eq!(gaps(&table, "a", 20 * MINUTE), [(2, 4)]);
    use CoverageState::Complete;
    assert_eq!(states(&table, "a"), [(0, 2, Complete), (4, 20, Complete)]);
}

#[test]
fn a_session_covers_the_slot_of_a_row_between_two_slots_and_no_more() {
    let (_directory, _db, table) = fresh();
    let session = table.session().series("a").interval("1m").source("feed").start(0);
    let mut session = session.open().expect("a session");
    session
        .append(&batch(&[row(MINUTE + 30, "a")]))
        .expect("appended");
    assert_eq!(session.watermark(), 2 * MINUTE);
}

#[test]
fn what_is_known_and_what_is_missing_are_rows_of_arrow() {
    use arrow_array::RecordBatch;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{DurationNanosecondType, TimestampNanosecondType, UInt32Type, UInt64Type};

    let (_directory, _db, table) = fresh();
    table
        .attest([
            said("a", 0..10 * MINUTE),
            Attestation::new(i64::MIN..0).state(CoverageState::NotApplicable),
        ])
        .expect("attested");
    let coverage = table.coverage().expect("coverage");
    let text = |batch: &RecordBatch, column: usize, row: usize| {
        let texts = batch.column(column).as_dictionary::<UInt32Type>();
        let key = texts.key(row)?;
        Some(texts.values().as_string::<i32>().value(key).to_owned())
    };
    let times = |batch: &RecordBatch, column: usize| {
        let times = batch.column(column).as_primitive::<TimestampNanosecondType>();
        assert_eq!(times.timezone(), Some("UTC"));
        times.values().to_vec()
    };

    let ranges = coverage.arrow_ranges(i64::MIN..i64::MAX).expect("ranges");
    let names: Vec<_> = ranges
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let expected = [
        "series",
        "interval",
        "start",
        "end",
        "state",
        "source",
        "batch",
        "rows",
        "fetched_at",
        "commit",
    ];
    assert_eq!(names, expected);
    let all = coverage.all_ranges(i64::MIN..i64::MAX);
    assert_eq!(ranges.num_rows(), all.len());
    for (at, (series, interval, range)) in all.iter().enumerate() {
        assert_eq!(text(&ranges, 0, at), *series);
        let intervals = ranges.column(1).as_primitive::<DurationNanosecondType>();
        assert_eq!(intervals.iter().nth(at).flatten(), *interval);
        assert_eq!(
            (times(&ranges, 2)[at], times(&ranges, 3)[at]),
            (range.start, range.end)
        );
        assert_eq!(text(&ranges, 4, at).as_deref(), Some(range.state.name()));
        assert_eq!(text(&ranges, 5, at).as_deref(), Some(&*range.source));
        let rows = ranges.column(7).as_primitive::<UInt64Type>();
        assert_eq!(rows.iter().nth(at).flatten(), range.rows);
    }

    let query = GapQuery::new(-5 * MINUTE, 20 * MINUTE)
        .series(["a", "b"])
        .interval(MINUTE);
    let gaps = coverage.arrow_gaps(&query).expect("gaps");
    let found: Vec<_> = (0..gaps.num_rows())
        .map(|at| {
            (
                text(&gaps, 0, at),
                times(&gaps, 2)[at] / MINUTE,
                times(&gaps, 3)[at] / MINUTE,
            )
        })
        .collect();
    let expected = coverage.gaps(&query).expect("gaps");
    let expected: Vec<_> = expected
        .into_iter()
        .map(|gap| (gap.series, gap.start / MINUTE, gap.end / MINUTE))
        .collect();
    assert_eq!(found, expected);
    assert!(!found.is_empty());

    let days = coverage.arrow_completeness(&query).expect("days");
    assert_eq!(days.num_rows(), 4, "two series, two days");
    let covered = days.column(4).as_primitive::<UInt64Type>();
    assert_eq!(covered.value(1), 10, "of the second day of a");
}
