//! Sessions of the week in local time, as instants that were worked out by hand.

use super::super::{Calendar, Days, Listing, Session};
use super::{at, of, open};
use crate::coverage::intervals::Intervals;

#[test]
fn hours_of_a_stock_exchange_move_when_its_clocks_do() {
    let nyse = of("America/New_York", "mon-fri", "09:30", "16:00");
    assert_eq!(
        open(&nyse, "2026-03-06", "2026-03-10"),
        [
            "2026-03-06 14:30 - 2026-03-06 21:00",
            "2026-03-09 13:30 - 2026-03-09 20:00"
        ],
    );
    assert_eq!(
        open(&nyse, "2026-10-30", "2026-11-03"),
        [
            "2026-10-30 13:30 - 2026-10-30 20:00",
            "2026-11-02 14:30 - 2026-11-02 21:00"
        ],
    );
}

#[test]
fn futures_trade_from_sunday_to_friday_with_an_hours_pause() {
    let new_york = of("America/New_York", "sun-thu", "18:00", "17:00");
    let chicago = of("America/Chicago", "sun-thu", "17:00", "16:00");
    let week = [
        "2024-01-07 23:00 - 2024-01-08 22:00",
        "2024-01-08 23:00 - 2024-01-09 22:00",
        "2024-01-09 23:00 - 2024-01-10 22:00",
        "2024-01-10 23:00 - 2024-01-11 22:00",
        "2024-01-11 23:00 - 2024-01-12 22:00",
        "2024-01-14 23:00 - 2024-01-15 00:00",
    ];
    assert_eq!(open(&new_york, "2024-01-06", "2024-01-15"), week);
    assert_eq!(open(&chicago, "2024-01-06", "2024-01-15"), week);
    // The clocks go forward on the Sunday: the weekend is an hour shorter.
    assert_eq!(
        open(&chicago, "2024-03-08", "2024-03-11"),
        [
            "2024-03-08 00:00 - 2024-03-08 22:00",
            "2024-03-10 22:00 - 2024-03-11 00:00"
        ],
    );
}

#[test]
fn a_night_in_which_the_clocks_change_is_shorter_or_longer() {
    let night = of("America/New_York", "sat", "22:00", "04:00");
    assert_eq!(
        open(&night, "2026-03-07", "2026-03-09"),
        ["2026-03-08 03:00 - 2026-03-08 08:00"]
    );
    assert_eq!(
        open(&night, "2026-10-31", "2026-11-02"),
        ["2026-11-01 02:00 - 2026-11-01 09:00"]
    );
}

#[test]
fn a_time_that_is_skipped_is_as_far_after_the_change() {
    let spring = |from, to| {
        open(
            &of("America/New_York", "sun", from, to),
            "2026-03-08",
            "2026-03-09",
        )
    };
    assert_eq!(spring("02:30", "05:00"), ["2026-03-08 07:30 - 2026-03-08 09:00"]);
    assert_eq!(spring("02:15", "02:45"), ["2026-03-08 07:15 - 2026-03-08 07:45"]);
    assert!(spring("02:30", "03:10").is_empty(), "it would open at 03:30");
}

#[test]
fn of_a_time_that_occurs_twice_the_first_counts() {
    let calendar = of("America/New_York", "sun", "01:30", "03:00");
    assert_eq!(
        open(&calendar, "2026-11-01", "2026-11-02"),
        ["2026-11-01 05:30 - 2026-11-01 08:00"]
    );
}

#[test]
fn zones_without_daylight_saving_and_with_odd_offsets() {
    let mumbai = of("Asia/Kolkata", "mon-fri", "09:15", "15:30");
    assert_eq!(
        open(&mumbai, "2026-07-01", "2026-07-02"),
        ["2026-07-01 03:45 - 2026-07-01 10:00"]
    );
    assert_eq!(
        open(&mumbai, "2026-01-01", "2026-01-02"),
        ["2026-01-01 03:45 - 2026-01-01 10:00"]
    );
    let kathmandu = of("Asia/Kathmandu", "mon-sun", "11:00", "15:00");
    assert_eq!(
        open(&kathmandu, "2026-07-01", "2026-07-02"),
        ["2026-07-01 05:15 - 2026-07-01 09:15"]
    );
    // Half an hour of daylight saving: +11:00 in January, +10:30 in July.
    let lord_howe = of("Australia/Lord_Howe", "mon-sun", "10:00", "12:00");
    assert_eq!(
        open(&lord_howe, "2026-01-01", "2026-01-02"),
        [
            "2026-01-01 00:00 - 2026-01-01 01:00",
            "2026-01-01 23:00 - 2026-01-02 00:00"
        ],
    );
    assert_eq!(
        open(&lord_howe, "2026-07-01", "2026-07-02"),
        [
            "2026-07-01 00:00 - 2026-07-01 01:30",
            "2026-07-01 23:30 - 2026-07-02 00:00"
        ],
    );
}

#[test]
fn a_date_that_a_zone_skipped_has_no_session() {
    // Samoa went over the date line: the day after Thursday 2011-12-29 was Saturday.
    let apia = of("Pacific/Apia", "mon-fri", "09:00", "16:00");
    assert_eq!(
        open(&apia, "2011-12-29", "2012-01-02"),
        [
            "2011-12-29 00:00 - 2011-12-29 02:00",
            "2011-12-29 19:00 - 2011-12-30 02:00",
            "2012-01-01 19:00 - 2012-01-02 00:00"
        ],
    );
    let always = Calendar::new("Pacific/Apia").expect("a zone");
    let always = always.holiday("2012-01-01", "").expect("a holiday");
    assert_eq!(
        open(&always, "2011-12-29", "2011-12-31"),
        ["2011-12-29 00:00 - 2011-12-31 00:00"]
    );
}

#[test]
fn hours_before_1970_are_those_of_their_time() {
    let nyse = of("America/New_York", "mon-fri", "10:00", "15:00");
    assert_eq!(
        open(&nyse, "1950-01-04", "1950-01-05"),
        ["1950-01-04 15:00 - 1950-01-04 20:00"]
    );
    assert_eq!(
        open(&nyse, "1950-06-15", "1950-06-16"),
        ["1950-06-15 14:00 - 1950-06-15 19:00"]
    );
    assert!(nyse.is_open(at("1950-06-15T14:00Z")) && !nyse.is_open(at("1950-06-15T13:59:59.999999999Z")));
    // Mean solar time: 4:56:02 behind.
    let seconds = nyse.open_between(&(at("1850-01-02T00:00Z")..at("1850-01-03T00:00Z")));
    assert_eq!(
        seconds,
        Intervals::single(at("1850-01-02T14:56:02Z")..at("1850-01-02T19:56:02Z"))
    );
}

#[test]
fn each_era_has_its_hours() {
    let weekdays = || "mon-fri".parse::<Days>().expect("days");
    let session = |open, close| Session::new(weekdays(), open, close).expect("a session");
    let nyse = Calendar::new("America/New_York")
        .expect("a zone")
        .with_session(session("10:00", "16:00").until("1985-09-30").expect("an end"))
        .with_session(session("09:30", "16:00").from("1985-09-30").expect("a start"));
    assert_eq!(
        open(&nyse, "1985-09-27", "1985-10-01"),
        [
            "1985-09-27 14:00 - 1985-09-27 20:00",
            "1985-09-30 13:30 - 1985-09-30 20:00"
        ],
    );
    let error = session("09:30", "16:00")
        .from("2020-01-01")
        .expect("a start")
        .until("2020-01-01");
    assert!(error.is_err(), "an era without days");
}

#[test]
fn sessions_may_overlap_and_adjoin() {
    let calendar = of("UTC", "mon-sun", "08:00", "12:00")
        .session(Days::ALL, "12:00", "14:00")
        .and_then(|calendar| calendar.session(Days::ALL, "09:00", "10:00"))
        .expect("sessions");
    assert_eq!(
        open(&calendar, "2026-07-01", "2026-07-02"),
        ["2026-07-01 08:00 - 2026-07-01 14:00"]
    );
    let currencies = of("America/New_York", "sun-thu", "17:00", "17:00");
    assert_eq!(
        open(&currencies, "2026-07-05", "2026-07-12"),
        ["2026-07-05 21:00 - 2026-07-10 21:00"]
    );
}

#[test]
fn always_open_is_open_without_end() {
    let calendar = Calendar::default();
    let all = i64::MIN..i64::MAX;
    assert_eq!(calendar.open_between(&all), Intervals::single(all));
    assert!(calendar.is_open(i64::MIN) && calendar.is_open(i64::MAX) && calendar.is_always_open());
    assert!(calendar.open_between(&(5..5)).is_empty());
}

#[test]
fn all_of_time_can_be_asked_for() {
    let always = Calendar::new("America/New_York").expect("a zone");
    let always = always.holiday("2026-12-25", "Christmas").expect("a holiday");
    let day = at("2026-12-25T05:00Z")..at("2026-12-26T05:00Z");
    assert_eq!(
        always.open_between(&(i64::MIN..i64::MAX)).as_slice(),
        [i64::MIN..day.start, day.end..i64::MAX],
    );
    assert!(always.is_open(i64::MAX) && always.is_open(i64::MIN) && !always.is_open(day.start));
    let nyse = of("America/New_York", "mon-fri", "09:30", "16:00");
    let all = nyse.open_between(&(i64::MIN..i64::MAX));
    assert!((152_000..153_000).contains(&all.len()), "{}", all.len());
    assert!(!nyse.is_open(i64::MIN) && !nyse.is_open(i64::MAX));
}

#[test]
fn a_listing_limits_what_is_expected() {
    let expected: Intervals = [0..10, 20..30].into_iter().collect();
    let clip = |start, end| Listing::new(start, end).expect("a listing").clip(&expected);
    assert_eq!(clip(None, None), expected);
    assert_eq!(clip(Some(5), Some(25)).as_slice(), [5..10, 20..25]);
    assert!(clip(Some(10), Some(20)).is_empty());
    assert!(Listing::new(Some(5), Some(5)).is_err());
}
