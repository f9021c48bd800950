//! Calendars as TOML.

use proptest::prelude::*;

use super::super::{Calendar, Days};
use super::{at, of};

const NYSE: &str = r#"
zone = "America/New_York"

[[session]]
days = "mon-fri"
open = "09:30"
close = "16:00"
from = "1985-09-30"

[[session]]
days = ["mon-fri"]
open = "10:00"
close = "16:00"
until = "1985-09-30"

[holidays]
"2026-12-25" = "Christmas"

[early_closes]
"2026-12-24" = "13:00"

[late_opens]
2026-01-02 = 11:00:00

[[extra]]
start = "2026-01-03T09:30:00-05:00"
end = 2026-01-03T16:00:00-05:00

[[closure]]
start = "2016-08-02T18:02:00Z"
end = "2016-08-10T15:53:00Z"
reason = "hacked"
"#;

#[test]
fn text_says_all_that_a_builder_can() {
    let built = of("America/New_York", "mon-fri", "09:30", "16:00");
    assert_ne!(Calendar::from_text(NYSE).expect("a calendar"), built);
    let weekdays: Days = "mon-fri".parse().expect("days");
    let session = |open, close| super::super::Session::new(weekdays, open, close).expect("a session");
    let built = Calendar::new("america/new_york")
        .expect("a zone")
        .with_session(session("09:30", "16:00").from("1985-09-30").expect("a date"))
        .with_session(session("10:00", "16:00").until("1985-09-30").expect("a date"))
        .holiday("2026-12-25", "Christmas")
        .and_then(|calendar| calendar.early_close("2026-12-24", "13:00"))
        .and_then(|calendar| calendar.late_open("2026-01-02", "11:00"))
        .and_then(|calendar| calendar.extra(at("2026-01-03T14:30Z"), at("2026-01-03T21:00Z"), ""))
        .and_then(|calendar| calendar.closure(at("2016-08-02T18:02Z"), at("2016-08-10T15:53Z"), "hacked"))
        .expect("a calendar");
    assert_eq!(Calendar::from_text(NYSE).expect("a calendar"), built);
    assert_eq!(built.zone(), "America/New_York");
}

#[test]
fn the_text_is_one_that_a_person_would_write() {
    let text = Calendar::from_text(NYSE).expect("a calendar").to_text();
    let (head, body) = text.split_once("\nzone").expect("a head");
    assert!(head.lines().all(|line| line.starts_with('#')), "{head}");
    let expected = r#" = "America/New_York"

[[session]]
days = "mon-fri"
open = "10:00"
close = "16:00"
until = "1985-09-30"

[[session]]
days = "mon-fri"
open = "09:30"
close = "16:00"
from = "1985-09-30"

[holidays]
"2026-12-25" = "Christmas"

[early_closes]
"2026-12-24" = "13:00"

[late_opens]
"2026-01-02" = "11:00"

[[extra]]
start = "2026-01-03T14:30:00Z"
end = "2026-01-03T21:00:00Z"

[[closure]]
start = "2016-08-02T18:02:00Z"
end = "2016-08-10T15:53:00Z"
reason = "hacked"
"#;
    assert_eq!(body, expected);
}

#[test]
fn holidays_without_names_are_a_list_and_a_closure_may_have_no_end() {
    let text =
        "zone = \"UTC\"\nholidays = [\"2026-12-25\", 2026-12-26]\n[[closure]]\nstart = 2030-01-01T00:00:00Z";
    let calendar = Calendar::from_text(text).expect("a calendar");
    let written = calendar.to_text();
    assert!(
        written.contains("holidays = [\n    \"2026-12-25\",\n    \"2026-12-26\",\n]\n"),
        "{written}"
    );
    assert!(
        written.ends_with("[[closure]]\nstart = \"2030-01-01T00:00:00Z\"\n"),
        "{written}"
    );
    assert!(!calendar.is_open(i64::MAX) && calendar.is_open(at("2029-12-31T23:59Z")));
    assert_eq!(Calendar::from_text(&written).expect("a calendar"), calendar);
}

#[test]
fn each_error_tells_its_line_and_what_to_do() {
    for (text, line, evidence) in [
        ("", 1, "zone = "),
        (
            "zone = \"UTC\"\nholiday = []",
            2,
            "unknown key \"holiday\": a calendar has zone, session",
        ),
        ("zone = 5", 1, "quotes"),
        ("\n\nzone = \"New York\"", 3, "IANA name"),
        ("zone = \"UTC\"\nzone = \"UTC\"", 2, "duplicate"),
        (
            "zone = \"UTC\"\nholidays = [\"2026-12-25\",\n\"2026-02-30\"]",
            3,
            "2026-02-30",
        ),
        ("zone = \"UTC\"\nholidays = 7", 2, "[holidays]"),
        (
            "zone = \"UTC\"\n[holidays]\n\"25.12.2026\" = \"\"",
            3,
            "25.12.2026",
        ),
        (
            "zone = \"UTC\"\n[early_closes]\n\"2026-12-24\" = \"1 pm\"",
            3,
            "1 pm",
        ),
        ("zone = \"UTC\"\nlate_opens = []", 2, "[late_opens]"),
        ("zone = \"UTC\"\n[session]\ndays = \"mon\"", 2, "[[session]]"),
        (
            "zone = \"UTC\"\n[[session]]\ndays = \"mon\"\nopen = \"09:00\"",
            2,
            "close is missing",
        ),
        (
            "zone = \"UTC\"\n[[session]]\ndays = \"lun\"\nopen = \"09:00\"\nclose = \"10:00\"",
            3,
            "mon-fri",
        ),
        (
            "zone = \"UTC\"\n[[session]]\ndays = []\nopen = \"09:00\"\nclose = \"10:00\"",
            3,
            "without days",
        ),
        (
            "zone = \"UTC\"\n[[session]]\ndays = \"mon\"\nopen = \"25:00\"\nclose = \"10:00\"",
            4,
            "25:00",
        ),
        (
            "zone = \"UTC\"\n[[session]]\nday = \"mon\"",
            3,
            "unknown key \"day\": a session has days",
        ),
        ("zone = \"UTC\"\n[[closure]]\nstart = \"2026-01-01\"", 3, "offset"),
        (
            "zone = \"UTC\"\n[[closure]]\nstart = \"1500-01-01T00:00Z\"",
            3,
            "1677",
        ),
        (
            "zone = \"UTC\"\n[[extra]]\nstart = \"2026-01-01T00:00Z\"",
            2,
            "end is missing",
        ),
        (
            "zone = \"UTC\"\n[[extra]]\nstart = 2026-01-01T00:00:00Z\nend = 2025-01-01T00:00:00Z",
            3,
            "end after",
        ),
        (
            "zone = \"UTC\"\n[[extra]]\nbegin = 1",
            3,
            "[[extra]] has start, end, reason",
        ),
        ("zone = \"UTC", 1, ""),
    ] {
        let error = Calendar::from_text(text).expect_err(text);
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
        let place = format!("calendar text, line {line}: ");
        assert!(error.message().starts_with(&place), "{text}\n{error}");
        assert!(error.message().contains(evidence), "{text}\n{error}");
    }
}

#[test]
fn days_are_written_as_spans_over_the_end_of_the_week_too() {
    for (text, canonical) in [
        ("mon,tue,wed,thu,fri,sat,sun", "mon-sun"),
        ("Sat, Sun", "sat-sun"),
        ("sun-thu", "sun-thu"),
        ("mon, wed-fri", "mon, wed-fri"),
        ("fri-mon, wed", "wed, fri-mon"),
        ("tue-tue", "tue"),
    ] {
        assert_eq!(text.parse::<Days>().expect(text).to_string(), canonical);
    }
    for text in ["", "mon-", "mon fri", "monday", "mon-tue-wed"] {
        text.parse::<Days>().expect_err(text);
    }
}

proptest! {
    #[test]
    fn a_reason_may_be_any_text(reason in any::<String>(), start in any::<i64>(), len in 1..i64::MAX) {
        let end = start.saturating_add(len);
        prop_assume!(start < end);
        let calendar = Calendar::always_open()
            .closure(start, end, &reason)
            .and_then(|calendar| calendar.extra(start, end, &reason))
            .and_then(|calendar| calendar.holiday("2026-12-25", &reason))
            .expect("a calendar");
        prop_assert_eq!(Calendar::from_text(&calendar.to_text()).expect("a calendar"), calendar);
    }

    #[test]
    fn days_are_the_same_after_a_round_trip_through_text(mask in 1..128u8) {
        let days = (0..7).filter(|day| mask & (1 << day) != 0).map(|day| Days::day(day).expect("a day"));
        let days = days.reduce(|all, day| all | day).expect("a day at least");
        prop_assert_eq!(days.to_string().parse::<Days>().expect("days"), days);
    }

    #[test]
    fn damaged_text_is_an_error_or_a_calendar(at in 0..NYSE.len(), byte in 0..128u8) {
        let mut text = NYSE.as_bytes().to_vec();
        text[at] = byte;
        let text = String::from_utf8(text).expect("ASCII");
        if let Ok(calendar) = Calendar::from_text(&text) {
            prop_assert_eq!(Calendar::from_text(&calendar.to_text()).expect("a calendar"), calendar);
        }
        let cut = &NYSE[..at];
        drop(Calendar::from_text(cut));
    }
}
