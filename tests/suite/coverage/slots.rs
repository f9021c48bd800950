//! Which slots are expected: those of which a part is, and those that are lost, whoever was there and whatever was open.

use std::path::{Path, PathBuf};

use gapless::check::{CheckOptions, FindingKind, Severity, check_database};
use gapless::repair::RepairOptions;
use gapless::{Attestation, Calendar, CoverageState, Database, Days, ErrorKind, GapQuery, Listing, Table};

use super::fixture::{MINUTE, fresh, open, row};
use crate::common::{DAY, HOUR, Row, batch, spec};

/// 1970-01-05, a Monday.
const MONDAY: i64 = 4 * DAY;

/// New York, which opens at 14:30 UTC in winter.
fn nyse(db: &Database, table: &Table) {
    let calendar = Calendar::new("America/New_York")
        .and_then(|calendar| calendar.session("mon-fri".parse::<Days>()?, "09:30", "16:00"))
        .expect("a calendar");
    db.set_calendar("nyse", &calendar).expect("a calendar");
    table.set_calendar(Some("nyse"), None).expect("in use");
}

fn said(range: std::ops::Range<i64>, state: CoverageState) -> Attestation {
    Attestation::new(range)
        .series("a")
        .interval(MINUTE)
        .state(state)
        .source("test")
}

fn found(table: &Table, query: &GapQuery) -> Vec<(String, i64, i64)> {
    let gaps = table.gaps(query).expect("gaps");
    gaps.into_iter()
        .map(|gap| (gap.series.unwrap_or_default(), gap.start, gap.end))
        .collect()
}

#[test]
fn a_missing_day_is_a_gap_though_its_bar_begins_before_the_market_opens() {
    let (_directory, db, table) = fresh();
    nyse(&db, &table);
    let days = |first: i64, last: i64| {
        let query = GapQuery::new(first, last).series(["a"]).interval(DAY);
        found(&table, &query)
    };
    let week = [("a".to_owned(), MONDAY, MONDAY + 5 * DAY)];
    assert_eq!(days(MONDAY, MONDAY + 7 * DAY), week);
    // A day belongs to the range in which it begins, wherever in it the market opens.
    assert_eq!(
        days(MONDAY - DAY, MONDAY + 1).last(),
        Some(&("a".to_owned(), MONDAY, MONDAY + DAY))
    );
    assert_eq!(days(MONDAY + 1, MONDAY + DAY), []);
    assert_eq!(days(MONDAY - 2 * DAY, MONDAY), []);
    let query = GapQuery::new(MONDAY, MONDAY + 7 * DAY)
        .series(["a"])
        .interval(DAY);
    let coverage = table.coverage().expect("coverage");
    let complete = coverage.completeness(&query).expect("completeness");
    let expected: Vec<u64> = complete.iter().map(|day| day.expected).collect();
    assert_eq!(expected, [1, 1, 1, 1, 1, 0, 0]);
    assert!(complete.iter().all(|day| day.covered == 0));
    // Bars of an hour: the first session's hour begins at 14:00.
    let hours = GapQuery::new(MONDAY, MONDAY + DAY).series(["a"]).interval(HOUR);
    let open = [("a".to_owned(), MONDAY + 14 * HOUR, MONDAY + 21 * HOUR)];
    assert_eq!(found(&table, &hours), open);
    let listing =
        Listing::new(Some(MONDAY + 17 * HOUR + 1), Some(MONDAY + 19 * HOUR + 1)).expect("a listing");
    table.set_listing("a", &listing).expect("listed");
    let alive = [("a".to_owned(), MONDAY + 17 * HOUR, MONDAY + 20 * HOUR)];
    assert_eq!(found(&table, &hours), alive);
}

#[test]
fn expected_slots_are_those_of_a_loop_over_all_slots() {
    let (_directory, db, table) = fresh();
    nyse(&db, &table);
    let listing = Listing::new(Some(MONDAY + 15 * HOUR + 7), Some(MONDAY + 9 * DAY)).expect("a listing");
    table.set_listing("a", &listing).expect("listed");
    let lost = MONDAY + 2 * HOUR + 5..MONDAY + 3 * HOUR + 5;
    let known = MONDAY + 16 * HOUR..MONDAY + 18 * HOUR;
    for interval in [MINUTE, 7 * MINUTE, HOUR, 5 * HOUR, DAY, 2 * DAY] {
        let all = [
            said(lost.clone(), CoverageState::Lost).interval(interval),
            said(known.clone(), CoverageState::Complete).interval(interval),
        ];
        table.attest(all).expect("attested");
        let coverage = table.coverage().expect("coverage");
        let every = MONDAY - 5 * DAY..MONDAY + 15 * DAY;
        let open = coverage.expected_ranges(Some("a"), every).expect("ranges");
        for (start, end) in [
            (MONDAY - 2 * DAY, MONDAY + 3 * DAY),
            (MONDAY + 11, MONDAY + DAY + 13),
            (MONDAY + 3 * HOUR, MONDAY + 16 * HOUR + 1),
            (MONDAY, MONDAY),
        ] {
            let mut slots = Vec::new();
            let mut slot = (MONDAY - 4 * DAY).div_euclid(interval) * interval;
            while slot < end {
                let meets = |range: &std::ops::Range<i64>| range.start < slot + interval && slot < range.end;
                let is_expected = open.iter().any(meets) || meets(&lost);
                if slot >= start && is_expected {
                    slots.push(slot);
                }
                slot += interval;
            }
            let missing: Vec<i64> = slots
                .iter()
                .copied()
                .filter(|slot| !known.contains(slot))
                .collect();
            let query = GapQuery::new(start, end).series(["a"]).interval(interval);
            let of_gaps: Vec<i64> = coverage
                .gaps(&query)
                .expect("gaps")
                .iter()
                .flat_map(|gap| (gap.start..gap.end).step_by(interval as usize))
                .collect();
            assert_eq!(of_gaps, missing, "{interval} from {start} to {end}");
            let days = coverage.completeness(&query).expect("completeness");
            let counted: u64 = days.iter().map(|day| day.expected).sum();
            let covered: u64 = days.iter().map(|day| day.covered).sum();
            assert_eq!(counted, slots.len() as u64, "{interval} from {start} to {end}");
            assert_eq!(
                covered,
                (slots.len() - missing.len()) as u64,
                "{interval} from {start} to {end}"
            );
        }
    }
}

#[test]
fn what_is_lost_is_a_gap_before_the_market_opens_and_before_the_series_is_listed() {
    let (_directory, db, table) = fresh();
    nyse(&db, &table);
    let (from, open) = (MONDAY + 14 * HOUR, MONDAY + 14 * HOUR + 30 * MINUTE);
    let listing = Listing::new(Some(open), None).expect("a listing");
    table.set_listing("a", &listing).expect("listed");
    let end = MONDAY + 21 * HOUR;
    table
        .attest([said(MONDAY..MONDAY + DAY, CoverageState::Complete)])
        .expect("attested");
    let watermark = || {
        let coverage = table.coverage().expect("coverage");
        coverage
            .watermark(Some("a"), MINUTE, i64::MAX)
            .expect("a watermark")
    };
    let query = GapQuery::new(MONDAY, MONDAY + DAY).series(["a"]).interval(MINUTE);
    assert_eq!((found(&table, &query), watermark()), (vec![], Some(MONDAY + DAY)));
    for (lost, count) in [(from..open, 30), (end..end + HOUR, 60)] {
        table
            .attest([said(lost.clone(), CoverageState::Lost)])
            .expect("attested");
        for _ in 0..2 {
            let gap = [("a".to_owned(), lost.start, lost.end)];
            assert_eq!(
                (&found(&table, &query)[..], watermark()),
                (&gap[..], Some(lost.start))
            );
            let coverage = table.coverage().expect("coverage");
            let day = coverage.completeness(&query).expect("completeness");
            assert_eq!((day[0].expected, day[0].covered), (390 + count, 390));
            db.flush().expect("a flush");
        }
        table
            .attest([said(lost, CoverageState::Empty)])
            .expect("attested");
        assert_eq!((found(&table, &query), watermark()), (vec![], Some(MONDAY + DAY)));
    }
}

/// The only file below a directory that has a name.
fn file(directory: &Path, name: &str) -> PathBuf {
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).expect("a list").flatten() {
            match entry.path() {
                path if path.is_dir() => waiting.push(path),
                path if path.ends_with(name) => return path,
                _ => {}
            }
        }
    }
    panic!("no file {name}")
}

#[test]
fn a_series_whose_only_segment_is_lost_whole_has_gaps() {
    let (directory, db, table) = fresh();
    let rows: Vec<Row> = (0..100).map(|minute| row(minute * MINUTE, "a")).collect();
    table.write([batch(&rows)]).expect("rows");
    let query = GapQuery::new(0, 100 * MINUTE).interval(MINUTE);
    assert_eq!(found(&table, &query), [("a".to_owned(), 0, 100 * MINUTE)]);
    std::fs::remove_file(file(&directory.path().join("db/tables"), "segment.meta")).expect("removed");
    drop((table, db));
    let db = open(&directory.path().join("db"));
    assert!(
        db.repair(&RepairOptions::default())
            .expect("a repair")
            .has_damage()
    );
    let table = db.table("t").expect("the table");
    assert_eq!(found(&table, &query), [("a".to_owned(), 0, 100 * MINUTE)]);
    let series = || table.coverage().expect("coverage").series().expect("series");
    assert_eq!(series(), ["a"]);
    // Behind what is lost nothing is said of every series.
    let later = GapQuery::new(3 * DAY, 4 * DAY).interval(MINUTE);
    assert_eq!(found(&table, &later), []);
    table
        .attest([said(0..100 * MINUTE, CoverageState::Empty)])
        .expect("attested");
    assert_eq!(found(&table, &query), []);
    assert_eq!(series(), ["a"]);
}

#[test]
fn a_range_that_ends_before_it_begins_is_refused_and_not_found_complete() {
    let (_directory, _db, table) = fresh();
    table.append(&batch(&[row(0, "a")])).expect("a row");
    let query = GapQuery::new(HOUR, 0).interval(MINUTE);
    let coverage = table.coverage().expect("coverage");
    let reversed = table
        .scan()
        .expect("a scan")
        .between(HOUR, 0)
        .require_coverage(MINUTE);
    let errors = [
        table.gaps(&query).expect_err("reversed"),
        coverage.completeness(&query).expect_err("reversed"),
        reversed.collect().expect_err("reversed"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(found(&table, &GapQuery::new(HOUR, HOUR).interval(MINUTE)), []);
}

#[test]
fn a_row_at_the_first_time_of_all_covers_its_own_slot_alone() {
    let (_directory, _db, table) = fresh();
    table.append(&batch(&[row(i64::MIN, "a")])).expect("a row");
    let inferred = table.infer_coverage(DAY, None).expect("inferred");
    let next = (i64::MIN / DAY) * DAY;
    let ranges: Vec<_> = inferred
        .series
        .iter()
        .flat_map(|(_, ranges)| ranges.iter())
        .collect();
    assert_eq!((ranges.len(), ranges.first()), (1, Some(&(i64::MIN..next))));
}

#[test]
fn a_lock_file_with_something_behind_its_mark_heals_with_the_next_commit() {
    let (directory, db, table) = fresh();
    let path = directory.path().join("db");
    drop((table, db));
    let lock = path.join("manifest/LOCK");
    let mut bytes = std::fs::read(&lock).expect("a mark");
    let len = bytes.len();
    bytes.extend(b"rubbish");
    std::fs::write(&lock, bytes).expect("written");
    let check = || check_database(&path, &CheckOptions::default()).expect("a check");
    let warned = |kind| check().findings.iter().any(|finding| finding.kind == kind);
    assert!(warned(FindingKind::Lock));
    let db = open(&path);
    db.create_table(&spec("u")).expect("a table");
    assert_eq!(std::fs::read(&lock).expect("a mark").len(), len);
    assert!(!warned(FindingKind::Lock));
}

#[test]
fn damaged_leases_are_a_warning_and_stop_no_fill() {
    let (directory, db, table) = fresh();
    drop((table, db));
    let path = directory.path().join("db");
    let leases = path.join("leases/LEASES");
    // Each fill is another process: who has read a log goes on where it was.
    let fill = || {
        let db = open(&path);
        let table = db.table("t").expect("the table");
        let source = |_: &gapless::backfill::FetchRequest| Ok(gapless::backfill::Fetched::all([]));
        let strategy = gapless::backfill::FetcherStrategy::new(source);
        let job = table
            .backfill(strategy)
            .range(0, HOUR)
            .series(["a"])
            .interval(MINUTE);
        job.run().expect("a report")
    };
    let found = || {
        let report = check_database(&path, &CheckOptions::default()).expect("a check");
        let found = report.findings.into_iter();
        found
            .filter(|finding| finding.kind == FindingKind::Leases)
            .collect::<Vec<_>>()
    };
    fill();
    assert_eq!(found(), []);
    // The version; in the first record.
    for at in [8, 9, 64 + 20] {
        let mut bytes = std::fs::read(&leases).expect("leases");
        bytes[at] ^= 2;
        std::fs::write(&leases, bytes).expect("written");
        let warned = found();
        assert_eq!(warned.len(), 1, "byte {at}");
        assert_eq!(warned[0].severity, Severity::Warning, "byte {at}: {warned:?}");
        assert!(warned[0].message.contains("the next fill"), "{warned:?}");
        let db = open(&path);
        let table = db.table("t").expect("the table");
        table
            .attest([said(0..HOUR, CoverageState::Lost)])
            .expect("attested");
        drop((table, db));
        let report = fill();
        assert_eq!(
            report.count("filled") + report.count("empty"),
            1,
            "byte {at}: {report:?}"
        );
        assert_eq!(found(), [], "byte {at}");
    }
}
