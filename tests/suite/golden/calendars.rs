//! The calendars and listings of the golden database.

use std::ops::Range;

use gapless::{Calendar, Database, Listing, Snapshot};

use crate::common::{DAY, HOUR};

/// A Sunday, on which New York's clocks went forward: 2000-04-02T00:00:00Z.
const SPRING: i64 = 954_633_600_000_000_000;

fn exchange() -> Calendar {
    let exchange = Calendar::new("America/New_York").expect("a zone");
    let week = "mon-fri".parse().expect("days");
    exchange
        .session(week, "09:30", "16:00")
        .and_then(|it| it.holiday("2000-04-04", "a holiday"))
        .and_then(|it| it.early_close("2000-04-05", "13:00"))
        .and_then(|it| it.late_open("2000-04-06", "11:00"))
        .and_then(|it| it.closure(SPRING + 5 * DAY, SPRING + 5 * DAY + 15 * HOUR, "größe"))
        .and_then(|it| it.extra(SPRING + 6 * DAY, SPRING + 6 * DAY + HOUR, "a test"))
        .expect("a calendar")
}

/// When the exchange is open in the week around: in UTC, an hour earlier after the change of clocks.
fn open() -> Vec<Range<i64>> {
    let minutes = |day: i64, start: i64, end: i64| {
        let day = SPRING + day * DAY;
        day + start * HOUR / 60..day + end * HOUR / 60
    };
    vec![
        minutes(-2, 14 * 60 + 30, 21 * 60),
        minutes(1, 13 * 60 + 30, 20 * 60),
        minutes(3, 13 * 60 + 30, 17 * 60),
        minutes(4, 15 * 60, 20 * 60),
        minutes(5, 15 * 60, 20 * 60),
        minutes(6, 0, 60),
    ]
}

/// Says them: the quotes go by the exchange, one series of them by none, one is listed for a while.
pub(super) fn write(db: &Database) {
    db.set_calendar("exchange", &exchange()).expect("a calendar");
    db.set_calendar("größe / always", &Calendar::always_open())
        .expect("a calendar");
    let quotes = db.table("quotes / hourly").expect("the quotes");
    quotes.set_calendar(Some("exchange"), None).expect("used");
    quotes
        .set_calendar(Some("größe / always"), Some(&["MSFT"]))
        .expect("used");
    let life = Listing::new(Some(SPRING + DAY), Some(SPRING + 4 * DAY)).expect("a life");
    let begun = Listing::new(Some(SPRING), None).expect("a life");
    quotes
        .set_listings([("AAPL", life), ("new", begun)])
        .expect("listed");
}

/// Compares what a database has of them.
pub(super) fn check(db: &Database, newest: &Snapshot) {
    assert_eq!(db.calendars().expect("names"), ["exchange", "größe / always"]);
    assert_eq!(db.calendar("exchange").expect("a calendar"), exchange());
    let coverage = newest.coverage("quotes / hourly").expect("coverage");
    let week = SPRING - 2 * DAY..SPRING + 7 * DAY;
    let expected = |series: &str| {
        let ranges = coverage.expected_ranges(Some(series), week.clone());
        ranges.expect("expected ranges")
    };
    assert_eq!(expected("EURUSD"), open());
    assert_eq!(expected("MSFT"), std::slice::from_ref(&week));
    assert_eq!(expected("AAPL"), open()[1..3]);
    assert_eq!(expected("new"), open()[1..]);
    let listing = db
        .table("quotes / hourly")
        .and_then(|quotes| quotes.listing("AAPL"));
    let life = Listing::new(Some(SPRING + DAY), Some(SPRING + 4 * DAY)).expect("a life");
    assert_eq!(listing.expect("a listing"), life);
}
