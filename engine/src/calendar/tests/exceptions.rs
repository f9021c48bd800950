//! Days and instants that are not as usual.

use super::super::{Calendar, Days};
use super::{at, of, open};

fn futures() -> Calendar {
    of("America/New_York", "sun-thu", "18:00", "17:00")
}

fn tokyo() -> Calendar {
    let morning = of("Asia/Tokyo", "mon-fri", "09:00", "11:30");
    morning
        .session("mon-fri".parse().expect("days"), "12:30", "15:30")
        .expect("the afternoon")
}

#[test]
fn a_holiday_removes_the_sessions_that_open_on_its_date() {
    let tokyo = tokyo().holiday("2026-07-01", "").expect("a holiday");
    assert_eq!(
        open(&tokyo, "2026-06-30", "2026-07-02"),
        [
            "2026-06-30 00:00 - 2026-06-30 02:30",
            "2026-06-30 03:30 - 2026-06-30 06:30"
        ],
    );
    // New Year's Day 2024 was a Monday: Sunday's session runs into it.
    let futures = futures().holiday("2024-01-01", "New Year").expect("a holiday");
    assert_eq!(
        open(&futures, "2023-12-31", "2024-01-03"),
        [
            "2023-12-31 23:00 - 2024-01-01 22:00",
            "2024-01-02 23:00 - 2024-01-03 00:00"
        ],
    );
}

#[test]
fn an_early_close_ends_sessions_and_removes_those_that_would_open_later() {
    let early = |time| {
        let tokyo = tokyo().early_close("2026-07-01", time).expect("an early close");
        open(&tokyo, "2026-07-01", "2026-07-02")
    };
    assert_eq!(early("11:00"), ["2026-07-01 00:00 - 2026-07-01 02:00"]);
    assert_eq!(
        early("13:00"),
        [
            "2026-07-01 00:00 - 2026-07-01 02:30",
            "2026-07-01 03:30 - 2026-07-01 04:00"
        ],
    );
    assert!(early("09:00").is_empty() && early("08:00").is_empty());
    assert_eq!(early("23:00").len(), 2, "no session is made longer");
}

#[test]
fn an_early_close_ends_the_session_of_the_evening_before_and_not_the_one_that_opens_in_the_evening() {
    // Martin Luther King's day, a Monday: Sunday's session ends at noon, Monday's opens as ever.
    let cme = of("America/Chicago", "sun-thu", "17:00", "16:00");
    let expected = [
        "2024-01-14 23:00 - 2024-01-15 18:00",
        "2024-01-15 23:00 - 2024-01-16 22:00",
        "2024-01-16 23:00 - 2024-01-17 00:00",
    ];
    let early = cme
        .clone()
        .early_close("2024-01-15", "12:00")
        .expect("an early close");
    assert_eq!(open(&early, "2024-01-14", "2024-01-17"), expected);
    // As hours of the date before.
    let written = cme
        .clone()
        .early_close("2024-01-14", "36:00")
        .expect("an early close");
    assert_eq!(open(&written, "2024-01-14", "2024-01-17"), expected);
    let both = written
        .early_close("2024-01-15", "11:00")
        .expect("an early close");
    assert_eq!(
        open(&both, "2024-01-14", "2024-01-15")[0],
        "2024-01-14 23:00 - 2024-01-15 00:00"
    );
    assert_eq!(
        open(&both, "2024-01-15", "2024-01-16")[0],
        "2024-01-15 00:00 - 2024-01-15 17:00"
    );
    // A holiday takes the session that opens on its date, and may have an early close of the one before.
    let holiday = early.holiday("2024-01-15", "King").expect("a holiday");
    assert_eq!(open(&holiday, "2024-01-14", "2024-01-16"), expected[..1]);
    holiday.verify().expect("a holiday");
    // The first session after a weekend opens late; the one that closes on that date is none of its.
    let late = cme.late_open("2024-01-15", "19:00").expect("a late open");
    assert_eq!(
        open(&late, "2024-01-14", "2024-01-16"),
        ["2024-01-14 23:00 - 2024-01-15 22:00"]
    );
    assert_eq!(
        open(&late, "2024-01-16", "2024-01-17")[0],
        "2024-01-16 01:00 - 2024-01-16 22:00"
    );
}

#[test]
fn an_early_close_that_ends_no_session_is_refused_with_its_date_and_the_sessions() {
    let nyse = of("America/New_York", "mon-fri", "09:30", "16:00");
    let cme = of("America/Chicago", "sun-thu", "17:00", "16:00");
    let early = |calendar: &Calendar, date, time| calendar.clone().early_close(date, time).expect("a date");
    let late = |calendar: &Calendar, date, time| calendar.clone().late_open(date, time).expect("a date");
    for (calendar, evidence) in [
        (
            early(&nyse, "2024-01-13", "12:00"),
            "2024-01-13 at 12:00: no session closes on that date",
        ),
        (
            early(&nyse, "2024-01-12", "18:00"),
            "Friday; sessions then: mon-fri 09:30 to 16:00)",
        ),
        (
            early(&nyse, "2024-01-12", "16:00"),
            "no session closes on that date after 16:00",
        ),
        (early(&nyse, "2024-01-12", "09:30"), "nothing is left"),
        // The session of Friday's date closed at 16:00; that of Saturday is none.
        (
            early(&cme, "2024-01-13", "12:00"),
            "sun-thu 17:00 to 16:00 on the next day",
        ),
        // Nothing closes on a Sunday.
        (early(&cme, "2024-01-14", "20:00"), "2024-01-14"),
        (early(&cme, "2024-01-12", "36:00"), "2024-01-13 at 12:00"),
        (
            late(&nyse, "2024-01-14", "12:00"),
            "no session opens on that date before 12:00",
        ),
        (
            late(&nyse, "2024-01-12", "09:30"),
            "no session opens on that date before 09:30",
        ),
        (late(&nyse, "2024-01-12", "16:00"), "nothing is left"),
        (late(&cme, "2024-01-12", "18:00"), "Friday"),
        (
            late(&early(&nyse, "2024-01-12", "12:00"), "2024-01-12", "13:00"),
            "nothing is left",
        ),
    ] {
        let error = calendar.verify().expect_err(evidence);
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
        assert!(error.message().contains(evidence), "{error}");
        let holiday = calendar
            .holiday("2024-01-12", "")
            .and_then(|it| it.holiday("2024-01-13", ""))
            .and_then(|it| it.holiday("2024-01-14", ""));
        holiday.and_then(|it| it.verify()).expect("a holiday");
    }
    for calendar in [
        early(&nyse, "2024-01-12", "13:00"),
        early(&cme, "2024-01-12", "12:00"),
        // A half day of a market with a break at noon: the afternoon falls away.
        early(&tokyo(), "2024-01-12", "11:30"),
        late(&tokyo(), "2024-01-12", "12:30"),
        late(&cme, "2024-01-14", "25:00"),
        early(&Calendar::always_open(), "2024-01-13", "12:00"),
    ] {
        calendar.verify().expect("a calendar");
    }
}

#[test]
fn an_early_close_after_midnight_is_an_hour_after_24() {
    // The day after Thanksgiving: the session of Thursday evening ends on Friday at 13:15.
    let futures = futures()
        .early_close("2023-11-23", "37:15")
        .expect("an early close");
    assert_eq!(
        open(&futures, "2023-11-23", "2023-11-27"),
        [
            "2023-11-23 00:00 - 2023-11-23 22:00",
            "2023-11-23 23:00 - 2023-11-24 18:15",
            "2023-11-26 23:00 - 2023-11-27 00:00",
        ],
    );
}

#[test]
fn a_late_open_removes_sessions_that_would_close_before() {
    let tokyo = tokyo().late_open("2026-07-01", "13:00").expect("a late open");
    assert_eq!(
        open(&tokyo, "2026-07-01", "2026-07-02"),
        ["2026-07-01 04:00 - 2026-07-01 06:30"]
    );
    let tokyo = tokyo.early_close("2026-07-01", "14:00").expect("an early close");
    assert_eq!(
        open(&tokyo, "2026-07-01", "2026-07-02"),
        ["2026-07-01 04:00 - 2026-07-01 05:00"]
    );
}

#[test]
fn exceptions_hold_without_sessions_too() {
    let calendar = Calendar::new("Europe/Berlin")
        .and_then(|calendar| calendar.holiday("2026-07-02", ""))
        .and_then(|calendar| calendar.early_close("2026-07-04", "12:00"))
        .expect("a calendar");
    assert_eq!(
        open(&calendar, "2026-07-01", "2026-07-06"),
        [
            "2026-07-01 00:00 - 2026-07-01 22:00",
            "2026-07-02 22:00 - 2026-07-04 10:00",
            "2026-07-04 22:00 - 2026-07-06 00:00",
        ],
    );
}

#[test]
fn a_closure_takes_away_whatever_is_open() {
    // Bitfinex was down from the evening of 2 August 2016 to 10 August.
    let (start, end) = (at("2016-08-02T18:02:00Z"), at("2016-08-10T15:53:00Z"));
    let calendar = Calendar::always_open()
        .closure(start, end, "hacked")
        .expect("a closure");
    assert_eq!(
        open(&calendar, "2016-08-01", "2016-08-12"),
        [
            "2016-08-01 00:00 - 2016-08-02 18:02",
            "2016-08-10 15:53 - 2016-08-12 00:00"
        ],
    );
    let tokyo = tokyo()
        .closure(at("2026-07-01T01:00Z"), at("2026-07-01T01:30Z"), "")
        .and_then(|calendar| calendar.closure(at("2026-07-01T01:10Z"), at("2026-07-01T01:40Z"), ""))
        .and_then(|calendar| calendar.closure(at("2026-07-01T04:00Z"), i64::MAX, "for good"))
        .expect("closures");
    assert_eq!(
        open(&tokyo, "2026-07-01", "2026-08-01"),
        [
            "2026-07-01 00:00 - 2026-07-01 01:00",
            "2026-07-01 01:40 - 2026-07-01 02:30",
            "2026-07-01 03:30 - 2026-07-01 04:00",
        ],
    );
    assert!(!tokyo.is_open(i64::MAX));
}

#[test]
fn an_extra_opening_holds_on_a_holiday_but_not_in_a_closure() {
    let tokyo = tokyo()
        .holiday("2026-07-01", "")
        .and_then(|calendar| calendar.extra(at("2026-07-01T02:00Z"), at("2026-07-01T05:00Z"), "drill"))
        .and_then(|calendar| calendar.closure(at("2026-07-01T03:00Z"), at("2026-07-01T04:00Z"), ""))
        .expect("a calendar");
    assert_eq!(
        open(&tokyo, "2026-07-01", "2026-07-02"),
        [
            "2026-07-01 02:00 - 2026-07-01 03:00",
            "2026-07-01 04:00 - 2026-07-01 05:00"
        ],
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let tokyo = tokyo();
    for (error, evidence) in [
        (Calendar::new("Mars/Olympus"), "Mars/Olympus"),
        (tokyo.clone().holiday("2026-13-25", ""), "2026-13-25"),
        (tokyo.clone().holiday("2026-12-25T10:00", ""), "2026-12-25T10:00"),
        (tokyo.clone().early_close("2026-12-24", "1pm"), "1pm"),
        (tokyo.clone().late_open("2026-12-24", "48:01"), "48:01"),
        (tokyo.clone().session(Days::ALL, "24:00", "03:00"), "24:00"),
        (tokyo.clone().session(Days::ALL, "18:00", "27:00"), "27:00"),
        (tokyo.clone().session(Days::ALL, "9:5", "10:00"), "9:5"),
        (tokyo.clone().closure(7, 7, ""), "7 ns"),
        (tokyo.clone().extra(7, 6, ""), "6 ns"),
        (Days::day(7).map(|_| tokyo), "weekday 7"),
    ] {
        let error = error.expect_err(evidence);
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
        assert!(error.message().contains(evidence), "{error}");
    }
}
