//! Time buckets: ranges of equal length, or calendar days, weeks and months of a zone.

use std::ops::Range;
use std::sync::LazyLock;

use gapless_engine::coverage::{duration_ns, duration_text};
use gapless_engine::{Error, Result};
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// The zones that are built in: what a machine has installed changes no bucket.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone of the IANA database, as it is built in.
pub(crate) fn zone_of(name: &str) -> Result<TimeZone> {
    let zone = ZONES.get(name).ok().filter(|zone| !zone.is_unknown());
    zone.ok_or_else(|| {
        Error::invalid(format!(
            "there is no time zone {name:?}: give its IANA name, such as \"America/New_York\" or \"UTC\""
        ))
    })
}

/// A Thursday.
const EPOCH: Date = Date::constant(1970, 1, 1);
/// Days from the epoch to the Monday before it.
const MONDAY: i64 = -3;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Every {
    /// Nanoseconds.
    Ns(i64),
    /// Days of the calendar.
    Days(i64),
    /// Weeks of the calendar, which begin on Monday.
    Weeks(i64),
    /// Months of the calendar: 3 are a quarter, 12 a year.
    Months(i64),
}

impl Every {
    /// Reads a length such as `1m`, `4h`, `1d`, `2w`, `1mo`, `1q` or `1y`.
    ///
    /// # Errors
    /// `Invalid` for any other text, or for a length that is not positive.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number = digits.parse().ok();
        let months = |each: i64| {
            number
                .and_then(|number: i64| number.checked_mul(each))
                .map(Self::Months)
        };
        let every = match text.get(digits.len()..) {
            Some("d") => number.map(Self::Days),
            Some("w") => number.map(Self::Weeks),
            Some("mo") => months(1),
            Some("q") => months(3),
            Some("y") => months(12),
            _ => Some(Self::Ns(duration_ns(text).map_err(|_| no_length(text))?)),
        };
        every
            .filter(|every| every.count() > 0)
            .ok_or_else(|| no_length(text))
    }

    fn count(self) -> i64 {
        match self {
            Self::Ns(n) | Self::Days(n) | Self::Weeks(n) | Self::Months(n) => n,
        }
    }
}

fn no_length(text: &str) -> Error {
    Error::invalid(format!(
        "{text:?} is no length of a bucket: give a positive number and one of ns, us, ms, s, m, h, d, w, mo, q, y, such as \"1m\""
    ))
}

/// Into which ranges times fall. A bucket is known by its start.
///
/// ```
/// use gapless_query::Bucket;
/// let minutes = Bucket::new("1m")?;
/// assert_eq!(minutes.range(90_000_000_000), 60_000_000_000..120_000_000_000);
/// let days = Bucket::new("1d")?.zone("Europe/Berlin")?;
/// assert_eq!(days.range(0).start, -3_600_000_000_000);
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    every: Every,
    /// Where some bucket begins.
    origin: Option<i64>,
    /// How much later every bucket begins.
    offset: i64,
    zone: TimeZone,
}

impl Bucket {
    /// Buckets of a length as [`Every::parse`] reads it, in UTC.
    ///
    /// # Errors
    /// `Invalid` for a text that is no length.
    pub fn new(every: &str) -> Result<Self> {
        Ok(Self::of(Every::parse(every)?))
    }

    /// Buckets of a length, in UTC: shorter ones than a day are counted from the epoch.
    pub const fn of(every: Every) -> Self {
        Self {
            every,
            origin: None,
            offset: 0,
            zone: TimeZone::UTC,
        }
    }

    /// Days, weeks and months of a zone of the IANA database. A bucket begins at the first instant of its first day there; shorter
    /// buckets are the same in every zone.
    ///
    /// # Errors
    /// `Invalid` for a zone that is not there.
    pub fn zone(mut self, name: &str) -> Result<Self> {
        self.zone = zone_of(name)?;
        Ok(self)
    }

    /// Counts from this time, nanoseconds since the epoch: a bucket begins there, or at the first instant of its day where buckets
    /// are days or weeks; months are counted from its month.
    #[must_use]
    pub const fn origin(mut self, origin: i64) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Begins every bucket later, or earlier where it is negative, by a length as [`duration_ns`] reads it.
    ///
    /// # Errors
    /// `Invalid` for a text that is no length.
    pub fn offset(mut self, offset: &str) -> Result<Self> {
        self.offset = duration_ns(offset)?;
        Ok(self)
    }

    /// How long a bucket is.
    pub const fn every(&self) -> Every {
        self.every
    }

    /// The bucket of a time, cut to what an `i64` holds.
    pub fn range(&self, time: i64) -> Range<i64> {
        let moved = time.saturating_sub(self.offset);
        let range = match self.every {
            Every::Ns(n) => fixed(moved, n, self.origin.unwrap_or(0)),
            Every::Days(n) => self.civil(Unit::Day, n, 0).range(moved),
            Every::Weeks(n) => self.civil(Unit::Day, n.saturating_mul(7), MONDAY).range(moved),
            Every::Months(n) => self.civil(Unit::Month, n, 0).range(moved),
        };
        range.start.saturating_add(self.offset)..range.end.saturating_add(self.offset)
    }

    /// As [`range`](Self::range), for a time after an earlier bucket: the next bucket of equal length is not computed anew.
    pub(crate) fn range_after(&self, earlier: Option<&Range<i64>>, time: i64) -> Range<i64> {
        if let (Every::Ns(n), Some(earlier)) = (self.every, earlier)
            && let Some(end) = earlier.end.checked_add(n)
            && (earlier.end..end).contains(&time)
        {
            return earlier.end..end;
        }
        self.range(time)
    }

    fn civil(&self, unit: Unit, count: i64, anchor: i64) -> Civil<'_> {
        let of_origin = |origin| unit.number(date(origin, &self.zone));
        Civil {
            unit,
            count,
            anchor: self.origin.map_or(anchor, of_origin),
            zone: &self.zone,
        }
    }
}

fn fixed(time: i64, every: i64, origin: i64) -> Range<i64> {
    // Nearly always nothing overflows.
    if let Some(since) = time.checked_sub(origin)
        && let Some(start) = time.checked_sub(since.rem_euclid(every))
        && let Some(end) = start.checked_add(every)
    {
        return start..end;
    }
    let (time, every, origin) = (i128::from(time), i128::from(every), i128::from(origin));
    let start = (time - origin).div_euclid(every) * every + origin;
    clamp(start)..clamp(start + every)
}

fn clamp(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

/// The date that the clocks of a zone show.
fn date(time: i64, zone: &TimeZone) -> Date {
    let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
    zone.to_datetime(time).date()
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.every {
            Every::Ns(n) => write!(f, "{}", duration_text(n))?,
            Every::Days(n) => write!(f, "{n}d")?,
            Every::Weeks(n) => write!(f, "{n}w")?,
            Every::Months(n) => write!(f, "{n}mo")?,
        }
        if let Some(origin) = self.origin {
            let origin = Timestamp::from_nanosecond(i128::from(origin)).unwrap_or_default();
            write!(f, " from {origin}")?;
        }
        if self.offset != 0 {
            write!(f, " offset {}", duration_text(self.offset))?;
        }
        match self.zone.iana_name() {
            Some(name) if self.zone != TimeZone::UTC => write!(f, " in {name}"),
            _ => Ok(()),
        }
    }
}

/// What a bucket is written as.
pub trait IntoBucket {
    /// The bucket.
    ///
    /// # Errors
    /// `Invalid` for a text that is no length.
    fn into_bucket(self) -> Result<Bucket>;
}

impl IntoBucket for Bucket {
    fn into_bucket(self) -> Result<Bucket> {
        Ok(self)
    }
}

impl IntoBucket for Every {
    fn into_bucket(self) -> Result<Bucket> {
        Ok(Bucket::of(self))
    }
}

impl IntoBucket for &str {
    fn into_bucket(self) -> Result<Bucket> {
        Bucket::new(self)
    }
}

impl<B: IntoBucket> IntoBucket for Result<B> {
    fn into_bucket(self) -> Result<Bucket> {
        self.and_then(B::into_bucket)
    }
}

/// What calendar buckets are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Month,
}

impl Unit {
    /// Days or months since the epoch.
    fn number(self, date: Date) -> i64 {
        match self {
            Self::Day => EPOCH.duration_until(date).as_hours() / 24,
            Self::Month => i64::from(date.year() - 1970) * 12 + i64::from(date.month()) - 1,
        }
    }

    /// The first date of a unit; `None` where no calendar has it.
    fn first(self, number: i64) -> Option<Date> {
        match self {
            Self::Day => {
                let hours = number
                    .checked_mul(24)
                    .filter(|hours| hours.abs() < i64::MAX / 3600)?;
                EPOCH.checked_add(SignedDuration::from_hours(hours)).ok()
            }
            Self::Month => {
                let year = i16::try_from(number.div_euclid(12) + 1970).ok()?;
                Date::new(year, i8::try_from(number.rem_euclid(12) + 1).ok()?, 1).ok()
            }
        }
    }
}

/// Buckets of so many units, of which one begins with the unit `anchor`.
struct Civil<'a> {
    unit: Unit,
    count: i64,
    anchor: i64,
    zone: &'a TimeZone,
}

impl Civil<'_> {
    fn range(&self, time: i64) -> Range<i64> {
        let number = self.unit.number(date(time, self.zone)) - self.anchor;
        let mut at = number.div_euclid(self.count);
        // Where clocks go back over midnight, a day has begun before the last of the day before it. None begins at the end of time,
        // where the start of one beyond it is cut to.
        if (..i64::MAX).contains(&self.start(at + 1)) && self.start(at + 1) <= time {
            at += 1;
        }
        self.start(at)..self.start(at + 1)
    }

    /// The first instant of a bucket, cut to what an `i64` holds.
    fn start(&self, at: i64) -> i64 {
        let number = at
            .checked_mul(self.count)
            .and_then(|number| number.checked_add(self.anchor));
        let date = number.and_then(|number| self.unit.first(number));
        // A midnight that is skipped is the first instant after it; of one that occurs twice the first counts.
        let instant = date.and_then(|date| {
            let midnight = date.to_datetime(Time::midnight());
            self.zone.to_ambiguous_timestamp(midnight).compatible().ok()
        });
        let end = if at < 0 { i64::MIN } else { i64::MAX };
        instant.map_or(end, |instant| clamp(instant.as_nanosecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn ns(text: &str) -> i64 {
        let time: Timestamp = text.parse().expect("a time");
        clamp(time.as_nanosecond())
    }

    fn check(bucket: &Bucket, time: &str, start: &str, end: &str) {
        assert_eq!(bucket.range(ns(time)), ns(start)..ns(end), "{bucket:?} of {time}");
    }

    #[test]
    fn the_last_instant_is_in_the_last_bucket() {
        for every in ["1d", "1w", "1mo", "1y"] {
            let bucket = Bucket::new(every)
                .and_then(|bucket| bucket.zone("Asia/Kolkata"))
                .expect("a bucket");
            assert_eq!(
                bucket.range(i64::MAX).start,
                bucket.range(i64::MAX - 1).start,
                "{every}"
            );
        }
    }

    #[test]
    fn fixed_lengths_are_counted_from_the_epoch_or_an_origin() {
        let minutes = Bucket::new("5m").expect("a bucket");
        check(
            &minutes,
            "2026-11-20T14:33:59.999999999Z",
            "2026-11-20T14:30:00Z",
            "2026-11-20T14:35:00Z",
        );
        check(
            &minutes,
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:55:00Z",
            "1970-01-01T00:00:00Z",
        );
        let moved = minutes.clone().origin(ns("2026-01-01T00:02:00Z"));
        check(
            &moved,
            "2026-11-20T14:31:59Z",
            "2026-11-20T14:27:00Z",
            "2026-11-20T14:32:00Z",
        );
        let moved = minutes.offset("-1m").expect("an offset");
        check(
            &moved,
            "2026-11-20T14:33:59Z",
            "2026-11-20T14:29:00Z",
            "2026-11-20T14:34:00Z",
        );
        assert_eq!(Bucket::of(Every::Ns(i64::MAX)).range(-5), -i64::MAX..0);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_have_their_lengths() {
        let bucket = |every: &str| Bucket::new(every).expect("a bucket");
        check(
            &bucket("1d"),
            "1969-12-31T12:00:00Z",
            "1969-12-31T00:00:00Z",
            "1970-01-01T00:00:00Z",
        );
        check(
            &bucket("1w"),
            "2026-11-22T23:59:59Z",
            "2026-11-16T00:00:00Z",
            "2026-11-23T00:00:00Z",
        );
        check(
            &bucket("2w"),
            "1970-01-01T00:00:00Z",
            "1969-12-29T00:00:00Z",
            "1970-01-12T00:00:00Z",
        );
        check(
            &bucket("1mo"),
            "2024-02-29T12:00:00Z",
            "2024-02-01T00:00:00Z",
            "2024-03-01T00:00:00Z",
        );
        check(
            &bucket("1q"),
            "2024-06-30T12:00:00Z",
            "2024-04-01T00:00:00Z",
            "2024-07-01T00:00:00Z",
        );
        check(
            &bucket("1y"),
            "1969-06-30T12:00:00Z",
            "1969-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
        );
        let fiscal = bucket("1y").origin(ns("2020-04-01T00:00:00Z"));
        check(
            &fiscal,
            "2026-03-31T12:00:00Z",
            "2025-04-01T00:00:00Z",
            "2026-04-01T00:00:00Z",
        );
    }

    #[test]
    fn days_of_a_zone_have_23_24_or_25_hours() {
        let of_zone =
            |every: &str, zone: &str| Bucket::new(every).and_then(|it| it.zone(zone)).expect("a bucket");
        let days = of_zone("1d", "America/New_York");
        check(
            &days,
            "2026-03-08T12:00:00Z",
            "2026-03-08T05:00:00Z",
            "2026-03-09T04:00:00Z",
        );
        check(
            &days,
            "2026-11-01T04:00:00Z",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        );
        let month = of_zone("1mo", "Europe/Berlin");
        check(
            &month,
            "2026-03-31T21:59:59Z",
            "2026-02-28T23:00:00Z",
            "2026-03-31T22:00:00Z",
        );
        // Midnight is skipped in Santiago when the clocks go forward, and occurs twice when they go back.
        let days = of_zone("1d", "America/Santiago");
        check(
            &days,
            "2024-09-08T12:00:00Z",
            "2024-09-08T04:00:00Z",
            "2024-09-09T03:00:00Z",
        );
        check(
            &days,
            "2024-04-07T03:30:00Z",
            "2024-04-06T03:00:00Z",
            "2024-04-07T04:00:00Z",
        );
    }

    #[test]
    fn buckets_of_a_zone_follow_each_other_without_a_hole() {
        let zones = [
            "Pacific/Apia",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "America/Havana",
            "Africa/Casablanca",
            "Asia/Kathmandu",
        ];
        for zone in zones {
            for every in ["1d", "3d", "1w", "1mo"] {
                let bucket = Bucket::new(every)
                    .and_then(|bucket| bucket.zone(zone))
                    .expect("a bucket");
                let mut time = ns("2011-09-01T00:00:00Z");
                let mut last = bucket.range(time);
                while time < ns("2012-06-01T00:00:00Z") {
                    let range = bucket.range(time);
                    assert!(range.contains(&time), "{zone} {every} {time}");
                    assert!(range == last || range.start == last.end, "{zone} {every} {time}");
                    last = range;
                    time += HOUR / 2;
                }
            }
        }
    }

    #[test]
    fn the_ends_of_time_are_in_buckets() {
        for every in ["7ns", "1h", "1d", "1w", "1mo", "9999999y"] {
            let bucket = Bucket::new(every).expect("a bucket");
            for time in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1] {
                let range = bucket.range(time);
                assert!(
                    range.start <= time && time < range.end,
                    "{every} {time} {range:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in [
            "",
            "m",
            "0m",
            "-1d",
            "0mo",
            "1.5h",
            "1M",
            "99999999999999999999d",
            "1 d",
        ] {
            assert!(Every::parse(text).is_err(), "{text:?}");
        }
        assert!(
            Bucket::new("1d")
                .and_then(|days| days.zone("Mars/Olympus"))
                .is_err()
        );
    }
}
