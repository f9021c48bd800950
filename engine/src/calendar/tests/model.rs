//! Random calendars against a model that asks the rules for each minute, around days on which clocks changed.

use jiff::civil::{Date, Time, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan};
use proptest::prelude::*;

use super::super::date::Date as Day;
use super::super::time::WallTime;
use super::super::zone::Zone;
use super::super::{Calendar, Days, Session};

/// Zones, and a date near which something happens to their clocks.
const SCENES: [(&str, Date); 10] = [
    ("UTC", date(1969, 12, 30)),
    ("America/New_York", date(2026, 3, 6)),
    ("America/New_York", date(2026, 10, 30)),
    ("America/New_York", date(1883, 11, 17)),
    ("Europe/London", date(1968, 10, 26)),
    ("Australia/Lord_Howe", date(2026, 4, 3)),
    ("Pacific/Apia", date(2011, 12, 28)),
    ("Pacific/Kwajalein", date(1993, 8, 20)),
    ("America/Sao_Paulo", date(2018, 11, 3)),
    ("Asia/Kolkata", date(2026, 1, 1)),
];
const SCENE_DAYS: i64 = 6;
const MINUTE: i64 = 60_000_000_000;

#[derive(Clone, Debug)]
struct Hours {
    days: u8,
    /// Minutes of the day.
    open: i64,
    close: i64,
    /// Days from the scene's date.
    from: Option<i64>,
    until: Option<i64>,
}

#[derive(Clone, Debug)]
enum Exception {
    Holiday,
    Early(i64),
    Late(i64),
}

#[derive(Clone, Debug)]
struct Spec {
    zone: &'static str,
    base: Date,
    sessions: Vec<Hours>,
    exceptions: std::collections::BTreeMap<i64, Exception>,
    /// Minutes from the scene's date in UTC, and lengths.
    extras: Vec<(i64, i64)>,
    closures: Vec<(i64, i64)>,
}

fn spec() -> impl Strategy<Value = Spec> {
    let minute = || prop_oneof![(0..24i64).prop_map(|hour| hour * 60), 0..1440i64];
    let era = || prop::option::weighted(0.2, -1..SCENE_DAYS);
    let session =
        (1..128u8, minute(), minute(), era(), era()).prop_map(|(days, open, close, from, until)| {
            let until = until.filter(|until| from.is_none_or(|from| from < *until));
            Hours {
                days,
                open,
                close,
                from,
                until,
            }
        });
    let exception = prop_oneof![
        Just(Exception::Holiday),
        (0..2880i64).prop_map(Exception::Early),
        (0..2880i64).prop_map(Exception::Late),
    ];
    let occasions = || prop::collection::vec((-200..SCENE_DAYS * 1440, 1..2000i64), 0..3);
    (
        prop::sample::select(SCENES.to_vec()),
        prop::collection::vec(session, 0..4),
        prop::collection::btree_map(-2..SCENE_DAYS + 1, exception, 0..4),
        occasions(),
        occasions(),
    )
        .prop_map(|((zone, base), sessions, exceptions, extras, closures)| Spec {
            zone,
            base,
            sessions,
            exceptions,
            extras,
            closures,
        })
}

impl Spec {
    fn date(&self, day: i64) -> Date {
        self.base.checked_add(Span::new().days(day)).expect("a date")
    }

    /// Nanoseconds of a minute after the scene's date began in UTC.
    fn minute(&self, minute: i64) -> i64 {
        let base = self.base.to_zoned(TimeZone::UTC).expect("an instant");
        i64::try_from(base.timestamp().as_nanosecond()).expect("i64 nanoseconds") + minute * MINUTE
    }

    fn calendar(&self) -> crate::Result<Calendar> {
        let mut calendar = Calendar::new(self.zone)?;
        for hours in &self.sessions {
            let days = (0..7).filter(|day| hours.days & (1 << day) != 0);
            for day in days {
                let mut session = Session::new(Days::day(day)?, &clock(hours.open), &clock(hours.close))?;
                if let Some(from) = hours.from {
                    session = session.from(&self.date(from).to_string())?;
                }
                if let Some(until) = hours.until {
                    session = session.until(&self.date(until).to_string())?;
                }
                calendar = calendar.with_session(session);
            }
        }
        for (day, exception) in &self.exceptions {
            let date = self.date(*day).to_string();
            calendar = match exception {
                Exception::Holiday => calendar.holiday(&date, "a \"holiday\"\\\n"),
                Exception::Early(minute) => calendar.early_close(&date, &clock(*minute)),
                Exception::Late(minute) => calendar.late_open(&date, &clock(*minute)),
            }?;
        }
        for (start, len) in &self.extras {
            calendar = calendar.extra(self.minute(*start), self.minute(start + len), "")?;
        }
        for (start, len) in &self.closures {
            calendar = calendar.closure(self.minute(*start), self.minute(start + len), "down")?;
        }
        Ok(calendar)
    }

    /// All sessions whose dates are near the scene, as instants.
    fn sessions_of_dates(&self, rules: &TimeZone) -> Vec<std::ops::Range<i64>> {
        let always = Hours {
            days: 127,
            open: 0,
            close: 0,
            from: None,
            until: None,
        };
        let sessions = if self.sessions.is_empty() {
            vec![always]
        } else {
            self.sessions.clone()
        };
        let mut out = Vec::new();
        for day in -5..SCENE_DAYS + 5 {
            let date = self.date(day);
            if date.to_zoned(rules.clone()).expect("an instant").date() != date {
                continue;
            }
            for hours in &sessions {
                let weekday = date.weekday().to_monday_zero_offset();
                let in_era =
                    hours.from.is_none_or(|from| from <= day) && hours.until.is_none_or(|until| day < until);
                if hours.days & (1 << weekday) == 0 || !in_era {
                    continue;
                }
                let close = if hours.close <= hours.open {
                    hours.close + 1440
                } else {
                    hours.close
                };
                let open = match self.exceptions.get(&day) {
                    Some(Exception::Holiday) => continue,
                    Some(Exception::Late(late)) => hours.open.max(*late),
                    _ => hours.open,
                };
                // Early closes of the date on which it closes, as minutes after the scene's date began.
                let closes_on = if close > 1440 { day + 1 } else { day };
                let early = self
                    .exceptions
                    .iter()
                    .filter_map(|(of, exception)| match exception {
                        Exception::Early(minute) if *minute > 1440 => Some((of + 1, of * 1440 + minute)),
                        Exception::Early(minute) => Some((*of, of * 1440 + minute)),
                        _ => None,
                    });
                let early = early.filter(|(of, _)| *of == closes_on);
                let early = early.map(|(_, minute)| minute - day * 1440).min();
                let close = early.map_or(close, |early| close.min(early));
                if open < close {
                    out.push(instant(date, open, rules)..instant(date, close, rules));
                }
            }
        }
        out
    }

    fn is_open(&self, sessions: &[std::ops::Range<i64>], t: i64) -> bool {
        let within = |occasions: &[(i64, i64)]| {
            let mut occasions = occasions.iter();
            occasions.any(|(start, len)| (self.minute(*start)..self.minute(start + len)).contains(&t))
        };
        let open = sessions.iter().any(|session| session.contains(&t)) || within(&self.extras);
        open && !within(&self.closures)
    }
}

fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn instant(date: Date, minute: i64, rules: &TimeZone) -> i64 {
    let date = date.checked_add((minute / 1440).days()).expect("a date");
    let minute = minute % 1440;
    let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).expect("a time");
    let zoned = date
        .to_datetime(time)
        .to_zoned(rules.clone())
        .expect("an instant");
    i64::try_from(zoned.timestamp().as_nanosecond()).expect("i64 nanoseconds")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_calendar_is_open_in_the_minutes_that_its_rules_say(spec in spec()) {
        let calendar = spec.calendar().expect("a calendar");
        let rules = TimeZoneDatabase::bundled().get(spec.zone).expect("a zone");
        let sessions = spec.sessions_of_dates(&rules);
        let range = spec.minute(0)..spec.minute(SCENE_DAYS * 1440);
        let open = calendar.open_between(&range);
        prop_assert!(open.as_slice().windows(2).all(|two| two[0].end < two[1].start));
        prop_assert_eq!(open.clip(&range), open.clone());
        // Local mean times are no whole minutes: look just before each end, too.
        let ends = open.iter().flat_map(|range| [range.start - 1, range.start, range.end - 1, range.end]);
        let minutes = (0..SCENE_DAYS * 1440).map(|minute| spec.minute(minute));
        for t in minutes.chain(ends.filter(|t| range.contains(t))) {
            prop_assert_eq!(open.contains(t), spec.is_open(&sessions, t), "at {} in {}", t, calendar.to_text());
        }
        for hour in 0..SCENE_DAYS * 24 {
            let t = spec.minute(hour * 60 + hour);
            prop_assert_eq!(calendar.is_open(t), spec.is_open(&sessions, t));
        }
    }

    #[test]
    fn a_calendar_is_the_same_after_a_round_trip_through_text(spec in spec()) {
        let calendar = spec.calendar().expect("a calendar");
        let text = calendar.to_text();
        let read = Calendar::from_text(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &calendar);
        prop_assert_eq!(read.to_text(), text);
    }

    #[test]
    fn a_clock_may_be_asked_in_any_order(
        (zone, base) in prop_oneof![
            prop::sample::select(SCENES.to_vec()),
            Just(("Europe/Berlin", date(2026, 10, 22))),
            Just(("Australia/Sydney", date(2026, 4, 2))),
        ],
        asked in prop::collection::vec((0..SCENE_DAYS, 0..2880i64), 1..20),
    ) {
        let rules = TimeZoneDatabase::bundled().get(zone).expect("a zone");
        let zone = Zone::new(zone).expect("a zone");
        let mut shared = zone.clock();
        for (day, minute) in asked {
            let date = base.checked_add(Span::new().days(day)).expect("a date");
            let expected = instant(date, minute, &rules);
            let (day, time): (Day, WallTime) = (
                date.to_string().parse().expect("a date"),
                clock(minute).parse().expect("a time"),
            );
            for clock in [&mut shared, &mut zone.clock()] {
                prop_assert_eq!(clock.instant(day, time) * 1_000_000_000, expected, "{} {}", date, time);
            }
        }
    }
}
