//! What is left of the holes of a market when its closed hours are known.

use std::ops::Range;

use gapless::{Calendar, Error};

use super::twin::{self, Figures, figures};
use crate::real_data::{self, Imported, MINUTE, Scratch, at, import, time};
use gapless_interchange::ReadOptions;

/// The gaps of a table without series under a calendar.
fn gaps(table: &Scratch, calendar: Result<Calendar, Error>, span: &Range<i64>) -> Vec<Range<i64>> {
    let calendar = calendar.expect("a calendar");
    table.database.set_calendar("market", &calendar).expect("set");
    table.set_calendar(Some("market"), None).expect("in use");
    twin::gaps(table, span, MINUTE).remove("").unwrap_or_default()
}

/// Hours of the week from Sunday evening to Friday afternoon, of which the first of the year is a holiday: the session that
/// opens on the evening before is the one that is not held. (On 2024-01-15, a holiday in the United States, the file goes on
/// until 16:00 as on other days.)
fn chicago(open: &str, close: &str) -> Result<Calendar, Error> {
    Calendar::new("America/Chicago")?
        .session("sun-thu".parse()?, open, close)?
        .holiday("2023-12-31", "New Year")
}

/// The bars are labelled by their end: the first of a session is at 17:01, the last at 16:00. With the hours as the
/// exchange gives them the slot of each opening is missing; one minute later, what is left are the quiet minutes.
#[test]
fn futures_miss_quiet_minutes_only() {
    let file = "futures/cme_6eh4_1m_202401.csv.gz";
    let Some(Imported { table, stored, .. }) = import(&[file], &time("timestamp_utc", Some("UTC"))) else {
        return;
    };
    table.infer_coverage(MINUTE, None).expect("inferred");
    let span = at("2023-12-29T22:01")..at("2024-02-01");
    let left = gaps(&table, chicago("17:01", "16:01"), &span);
    // 302 of one minute, 42 of two, 3 of three, 4 of four, 2 of six; the pauses and weekends are all gone.
    let expected = Figures {
        gaps: 353,
        missing: 423,
        over_an_hour: 0,
        longest: 6,
    };
    assert_eq!(figures(&left, MINUTE), expected);
    // They are those gaps of the file that are no pause.
    let own = twin::span(&stored.times, MINUTE);
    let mut quiet = twin::holes(stored.series(""), &own, MINUTE);
    quiet.retain(|hole| hole.end - hole.start < 60 * MINUTE);
    assert_eq!(left, quiet);

    let openings = gaps(&table, chicago("17:00", "16:00"), &span);
    let expected = Figures {
        gaps: 353 + 23,
        missing: 423 + 23,
        over_an_hour: 0,
        longest: 6,
    };
    assert_eq!(figures(&openings, MINUTE), expected);
    let at_opening = |gap: &Range<i64>| gap.start.rem_euclid(1440 * MINUTE) == 23 * 60 * MINUTE;
    let openings: Vec<Range<i64>> = openings.into_iter().filter(|gap| !left.contains(gap)).collect();
    assert!(
        openings.len() == 23 && openings.iter().all(at_opening),
        "{openings:?}"
    );

    // Without the holiday all of the session of New Year's Eve is missing, from 17:01 to 16:01.
    let usual = Calendar::new("America/Chicago")
        .and_then(|calendar| calendar.session("sun-thu".parse()?, "17:01", "16:01"));
    let usual = gaps(&table, usual, &span);
    assert_eq!(usual[0], at("2023-12-31T23:01")..at("2024-01-01T22:01"));
    assert_eq!(usual[1..], left);
    table.set_calendar(None, None).expect("not in use");
    assert_eq!(twin::gaps(&table, &own, MINUTE)[""].len(), 375);
}

/// The market of currencies is open from Sunday 17:00 to Friday 17:00 in New York. Of its 111 holes four are weekends,
/// and each weekend leaves one quiet minute: at its end, or before its beginning.
#[test]
fn currencies_miss_quiet_minutes_and_those_beside_weekends() {
    let file = "fx/gbpusd_fxcm_m1_bid_201202.csv.gz";
    let Some(Imported { table, stored, .. }) = import(&[file], &ReadOptions::default()) else {
        return;
    };
    table.infer_coverage(MINUTE, None).expect("inferred");
    let span = twin::span(&stored.times, MINUTE);
    let week = Calendar::new("America/New_York")
        .and_then(|calendar| calendar.session("sun-thu".parse()?, "17:00", "17:00"));
    let left = gaps(&table, week, &span);
    let expected = Figures {
        gaps: 111,
        missing: 124,
        over_an_hour: 0,
        longest: 4,
    };
    assert_eq!(figures(&left, MINUTE), expected);
    let quiet = twin::holes(stored.series(""), &span, MINUTE);
    let beside: Vec<Range<i64>> = left.into_iter().filter(|gap| !quiet.contains(gap)).collect();
    let minute = |text: &str| at(text)..at(text) + MINUTE;
    let expected = [
        minute("2012-02-05T22:00"),
        minute("2012-02-10T21:59"),
        minute("2012-02-12T22:00"),
        minute("2012-02-24T21:59"),
    ];
    assert_eq!(beside, expected);
}

/// An exchange that never closes, and did for a week after it was robbed; two whole months and a third are holes of the download
/// (see the README). What is known to be no fault is a closure, and the rest stays a gap: minute for minute what the times
/// show outside of it.
#[test]
fn an_outage_of_an_exchange_is_a_closure() {
    let file = "bars/bitfinex_btcusd_1m_2014-2016.ndjson.zst";
    let Some(Imported { table, stored, .. }) = import(&[file], &real_data::bitfinex()) else {
        return;
    };
    table.infer_coverage(MINUTE, None).expect("inferred");
    let span = twin::span(&stored.times, MINUTE);
    let holes = twin::holes(stored.series(""), &span, MINUTE);
    let around = |text: &str| {
        let inside = at(text);
        let hole = holes.iter().find(|hole| hole.contains(&inside));
        hole.cloned().expect("a hole")
    };
    let closed = around("2016-08-05");
    assert_eq!(
        closed.start,
        at("2016-08-02T18:02") + MINUTE,
        "after the last row"
    );
    let calendar = Calendar::always_open().closure(closed.start, closed.end, "robbed");
    let left = gaps(&table, calendar, &span);
    let open: Vec<Range<i64>> = holes.iter().filter(|hole| **hole != closed).cloned().collect();
    assert!(left == open, "{} gaps and not {}", left.len(), open.len());
    let found = figures(&left, MINUTE);
    assert_eq!((found.gaps, found.over_an_hour), (196_117, 16));
    // The months that were not downloaded are the longest that is left.
    let months = [around("2014-12-01"), around("2015-05-15"), around("2016-05-01")];
    assert!(months.iter().all(|month| left.contains(month)));
    assert_eq!(found.longest, 87_839);
}
