//! Calendars: hours worked out by hand, a slow model, and text.

mod exceptions;
mod model;
mod sessions;
mod text;

use super::Calendar;

/// An instant such as `2026-03-06T14:30Z`.
fn at(text: &str) -> i64 {
    let instant: jiff::Timestamp = text.parse().expect("an instant");
    i64::try_from(instant.as_nanosecond()).expect("an instant of i64 nanoseconds")
}

/// What is open from one date to another, both beginning in UTC, as `2026-03-06 14:30 - 2026-03-06 21:00`.
fn open(calendar: &Calendar, start: &str, end: &str) -> Vec<String> {
    let range = at(&format!("{start}T00:00Z"))..at(&format!("{end}T00:00Z"));
    let text = |t: i64| {
        let instant = jiff::Timestamp::from_nanosecond(t.into()).expect("an instant");
        instant.strftime("%Y-%m-%d %H:%M").to_string()
    };
    let open = calendar.open_between(&range);
    let ranges = open
        .iter()
        .map(|range| format!("{} - {}", text(range.start), text(range.end)));
    ranges.collect()
}

/// A calendar of one session.
fn of(zone: &str, days: &str, from: &str, to: &str) -> Calendar {
    let days = days.parse().expect("days");
    let calendar = Calendar::new(zone).expect("a zone");
    calendar.session(days, from, to).expect("a session")
}
