//! Times from text: ISO 8601 instants and local times, counts since the epoch, `strftime` formats.
//!
//! - Local text needs a zone; it is never taken as UTC silently.
//! - A local time that a clock change skips is bad; of one that occurs twice the first is taken and counted.
//! - No digit is dropped: text that is finer than the column's unit is bad.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_schema::TimeUnit;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::error::{BadValue, ErrorKind, InterchangeError, Result};
use crate::input::Progress;
use crate::text::number::{parse_decimal, parse_i64};
use crate::type_name::{nanoseconds_per, time_unit_name};

const NANOSECONDS_PER_DAY: i64 = 86_400_000_000_000;
const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// What local time means.
#[derive(Clone, Debug)]
pub(crate) enum LocalTime {
    /// Nothing: text without an offset is bad.
    Refused,
    /// Itself: the column has no zone, and text with an offset is bad.
    WallClock,
    /// UTC plus so many seconds.
    Offset(i32),
    /// The clock of a place.
    Zone(TimeZone),
}

impl LocalTime {
    /// The meaning of `--zone name`.
    pub(crate) fn of_zone(name: &str) -> Result<LocalTime> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(LocalTime::Offset(0));
        }
        if let Some((seconds, b"")) = offset_seconds(name.as_bytes()) {
            return Ok(LocalTime::Offset(seconds));
        }
        TimeZone::get(name).map(LocalTime::Zone).map_err(|error| {
            InterchangeError::new(ErrorKind::NotFound, format!("is not a known time zone ({error})"))
                .with_value(name.as_bytes())
                .with_hint("pass UTC, an offset like +05:30, or an IANA name like America/New_York")
        })
    }

    /// The name under which a column keeps the zone that the user called `given`.
    pub(crate) fn name(&self, given: &str) -> String {
        match self {
            LocalTime::Zone(zone) => zone.iana_name().unwrap_or(given).to_owned(),
            _ if given.eq_ignore_ascii_case("utc") => "UTC".to_owned(),
            _ => given.to_owned(),
        }
    }
}

/// Reads the times of one column.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    /// The unit of numbers; without one, numbers are bad.
    pub(crate) number_unit: Option<TimeUnit>,
    pub(crate) format: Option<String>,
    pub(crate) local: LocalTime,
    /// The unit of the values that come out.
    pub(crate) unit: TimeUnit,
    pub(crate) progress: Arc<Progress>,
}

impl TimeReader {
    /// The instant written as `text`, in this reader's unit.
    #[inline]
    pub(crate) fn read(&self, text: &[u8]) -> Result<i64, BadValue> {
        let nanoseconds = match (&self.format, self.number_unit) {
            (Some(format), _) => self.read_format(format, text)?,
            (None, Some(unit)) => match parse_i64(text) {
                Some(count) => return self.of_count(count, unit),
                None => match parse_decimal(text, nanosecond_digits(unit)) {
                    Some(nanoseconds) => i64::try_from(nanoseconds).map_err(|_| out_of_range())?,
                    None => self.read_iso(text)?,
                },
            },
            (None, None) => self.read_iso(text)?,
        };
        self.of_nanoseconds(nanoseconds)
    }

    /// The instant `count` units after the epoch.
    pub(crate) fn of_count(&self, count: i64, unit: TimeUnit) -> Result<i64, BadValue> {
        if unit == self.unit {
            return Ok(count);
        }
        let nanoseconds = count
            .checked_mul(nanoseconds_per(unit))
            .ok_or_else(out_of_range)?;
        self.of_nanoseconds(nanoseconds)
    }

    fn of_nanoseconds(&self, nanoseconds: i64) -> Result<i64, BadValue> {
        let divisor = nanoseconds_per(self.unit);
        if nanoseconds % divisor != 0 {
            return Err(BadValue::new(format!(
                "is finer than the column's unit, {}",
                time_unit_name(self.unit)
            )));
        }
        Ok(nanoseconds / divisor)
    }

    fn read_iso(&self, text: &[u8]) -> Result<i64, BadValue> {
        let civil = Civil::parse(text)?;
        match civil.offset {
            Some(_) if matches!(self.local, LocalTime::WallClock) => Err(BadValue::new(
                "has an offset, but the column holds local times without one",
            )),
            Some(offset) => civil.minus_offset(offset),
            None => self.instant(&civil),
        }
    }

    /// The instant that a local time is.
    pub(crate) fn instant(&self, civil: &Civil) -> Result<i64, BadValue> {
        match &self.local {
            LocalTime::Refused => Err(BadValue::new("is a local time without an offset")
                .hint("pass --zone UTC, or the IANA name of its zone")),
            LocalTime::WallClock => civil.minus_offset(0),
            LocalTime::Offset(seconds) => civil.minus_offset(*seconds),
            LocalTime::Zone(zone) => self.instant_in(zone, civil),
        }
    }

    fn instant_in(&self, zone: &TimeZone, civil: &Civil) -> Result<i64, BadValue> {
        let local = civil.date_time().ok_or_else(out_of_range)?;
        let offset: Offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => {
                self.progress.ambiguous_times.fetch_add(1, Ordering::Relaxed);
                before
            }
            AmbiguousOffset::Gap { .. } => {
                let name = zone.iana_name().unwrap_or("the given zone");
                return Err(BadValue::new(format!(
                    "does not exist in {name}: the clock was set forward over it"
                ))
                .hint("if these times follow no clock changes, pass --zone UTC or an offset like +01:00"));
            }
        };
        civil.minus_offset(offset.seconds())
    }

    fn read_format(&self, format: &str, text: &[u8]) -> Result<i64, BadValue> {
        let bad =
            |error: jiff::Error| BadValue::new(format!("does not match --time-format {format:?}: {error}"));
        let parsed = jiff::fmt::strtime::parse(format, text).map_err(bad)?;
        if parsed.offset().is_some() || parsed.timestamp().is_some() {
            let instant = parsed.to_timestamp().map_err(bad)?;
            return i64::try_from(instant.as_nanosecond()).map_err(|_| out_of_range());
        }
        let local = match parsed.to_datetime() {
            Ok(local) => local,
            // A format of a day alone means its midnight.
            Err(error) => parsed
                .to_date()
                .map_err(|_| bad(error))?
                .to_datetime(jiff::civil::Time::midnight()),
        };
        self.instant(&Civil::of(local))
    }
}

/// How many decimals of one `unit` make a nanosecond.
fn nanosecond_digits(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 9,
        TimeUnit::Millisecond => 6,
        TimeUnit::Microsecond => 3,
        TimeUnit::Nanosecond => 0,
    }
}

pub(crate) fn out_of_range() -> BadValue {
    BadValue::new("is outside of the years 1677 to 2262 that nanoseconds can tell")
}

/// A date and time of day as written, with its offset if it had one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Civil {
    year: i16,
    month: i8,
    day: i8,
    nanosecond_of_day: i64,
    pub(crate) offset: Option<i32>,
    pub(crate) has_time: bool,
}

impl Civil {
    /// Reads `2024-03-01`, `2024/03/01`, or either followed by `T` or a space, `hh:mm`, optional seconds with up to nine
    /// decimals, and an optional `Z`, `+hh`, `+hhmm` or `+hh:mm`.
    pub(crate) fn parse(text: &[u8]) -> Result<Civil, BadValue> {
        let text = text.trim_ascii();
        let (year, month, day, rest) = date(text).ok_or_else(|| not_a_time(text))?;
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(BadValue::new("is not a date of the calendar"));
        }
        let mut civil = Civil {
            year,
            month,
            day,
            nanosecond_of_day: 0,
            offset: None,
            has_time: false,
        };
        let Some((separator, time)) = rest.split_first() else {
            return Ok(civil);
        };
        if !matches!(separator, b'T' | b't' | b' ') {
            return Err(not_a_time(text));
        }
        let (nanosecond_of_day, rest) = time_of_day(time)?;
        civil.nanosecond_of_day = nanosecond_of_day;
        civil.has_time = true;
        civil.offset = match rest {
            b"" => None,
            b"Z" | b"z" => Some(0),
            offset => match offset_seconds(offset) {
                Some((seconds, b"")) => Some(seconds),
                _ => return Err(not_a_time(text)),
            },
        };
        Ok(civil)
    }

    fn of(local: DateTime) -> Civil {
        let date = local.date();
        let midnight = jiff::civil::Time::midnight();
        Civil {
            year: date.year(),
            month: date.month(),
            day: date.day(),
            nanosecond_of_day: midnight.duration_until(local.time()).as_nanos() as i64,
            offset: None,
            has_time: true,
        }
    }

    /// Local nanoseconds since 1970 as a date and time.
    pub(crate) fn of_local_nanoseconds(nanoseconds: i64) -> Option<Civil> {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?;
        Some(Civil::of(Offset::UTC.to_datetime(stamp)))
    }

    fn date_time(&self) -> Option<DateTime> {
        let second = self.nanosecond_of_day / NANOSECONDS_PER_SECOND;
        let subsecond = (self.nanosecond_of_day % NANOSECONDS_PER_SECOND) as i32;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        DateTime::new(
            self.year,
            self.month,
            self.day,
            hour as i8,
            minute as i8,
            second as i8,
            subsecond,
        )
        .ok()
    }

    /// Days since 1970-01-01.
    pub(crate) fn days(&self) -> i32 {
        days_from_civil(self.year, self.month, self.day)
    }

    fn minus_offset(&self, seconds: i32) -> Result<i64, BadValue> {
        let nanoseconds = i128::from(self.days()) * i128::from(NANOSECONDS_PER_DAY)
            + i128::from(self.nanosecond_of_day)
            - i128::from(seconds) * i128::from(NANOSECONDS_PER_SECOND);
        i64::try_from(nanoseconds).map_err(|_| out_of_range())
    }
}

/// `hh:mm`, optional seconds, up to nine decimals; what follows is returned.
pub(crate) fn time_of_day(text: &[u8]) -> Result<(i64, &[u8]), BadValue> {
    let bad = || BadValue::new("is not a time of day (hh:mm:ss)");
    let (hour, rest) = two_digits(text).ok_or_else(bad)?;
    let (minute, mut rest) = rest.strip_prefix(b":").and_then(two_digits).ok_or_else(bad)?;
    let (mut second, mut subsecond) = (0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = two_digits(after).ok_or_else(bad)?;
        if let Some((b'.' | b',', decimals)) = rest.split_first() {
            (subsecond, rest) = nanosecond(decimals)?;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(BadValue::new(
            "is not a time of day: hours end at 23, minutes and seconds at 59",
        ));
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Ok((seconds * NANOSECONDS_PER_SECOND + subsecond, rest))
}

fn nanosecond(decimals: &[u8]) -> Result<(i64, &[u8]), BadValue> {
    let mut value = 0i64;
    let mut count = 0usize;
    let mut rest = decimals;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        if count < 9 {
            value = value * 10 + i64::from(digit - b'0');
        } else if *digit != b'0' {
            return Err(BadValue::new("is finer than a nanosecond"));
        }
        (count, rest) = (count + 1, after);
    }
    if count == 0 {
        return Err(BadValue::new("has no digits after the point"));
    }
    for _ in count..9 {
        value *= 10;
    }
    Ok((value, rest))
}

fn two_digits(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] => Some(((a - b'0') * 10 + (b - b'0'), rest)),
        _ => None,
    }
}

fn date(text: &[u8]) -> Option<(i16, i8, i8, &[u8])> {
    let (century, rest) = two_digits(text)?;
    let (year, rest) = two_digits(rest)?;
    let (separator @ (b'-' | b'/'), rest) = rest.split_first()? else {
        return None;
    };
    let (month, rest) = two_digits(rest)?;
    let (day, rest) = two_digits(rest.strip_prefix(std::slice::from_ref(separator))?)?;
    Some((
        i16::from(century) * 100 + i16::from(year),
        month as i8,
        day as i8,
        rest,
    ))
}

/// `+hh`, `+hhmm` or `+hh:mm` (or with `-`), in seconds, and what follows.
fn offset_seconds(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, rest) = text.split_first()?;
    let sign = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = two_digits(rest)?;
    let (minutes, rest) = match rest.strip_prefix(b":").or(Some(rest)).and_then(two_digits) {
        Some((minutes, rest)) => (minutes, rest),
        None => (0, rest),
    };
    (hours <= 23 && minutes <= 59)
        .then_some((sign * (i32::from(hours) * 3_600 + i32::from(minutes) * 60), rest))
}

fn not_a_time(text: &[u8]) -> BadValue {
    if is_day_or_month_first(text) {
        return BadValue::new("does not tell which number is the day and which the month")
            .hint("pass --time-format '%m/%d/%Y %H:%M:%S' or '%d/%m/%Y %H:%M:%S'");
    }
    if parse_i64(text).is_some() || parse_decimal(text, 18).is_some() {
        return BadValue::new("is a number, not a time in text").hint("pass --time-unit s, ms, us or ns");
    }
    BadValue::new("is not a time in ISO 8601 (2024-03-01T09:30:00.5Z)")
        .hint("pass --time-format for another notation")
}

/// Whether `text` begins like `3/4/2024` or `03.04.24`.
pub(crate) fn is_day_or_month_first(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| matches!(byte, b'/' | b'.' | b'-'));
    let short = |part: Option<&[u8]>| {
        part.is_some_and(|p| (1..=2).contains(&p.len()) && p.iter().all(u8::is_ascii_digit))
    };
    short(parts.next())
        && short(parts.next())
        && parts
            .next()
            .is_some_and(|part| part.len() >= 2 && part.iter().take(2).all(u8::is_ascii_digit))
}

fn days_in_month(year: i16, month: i8) -> i8 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i16, month: i8, day: i8) -> i32 {
    let (year, month, day) = (
        i32::from(year) - i32::from(month <= 2),
        i32::from(month),
        i32::from(day),
    );
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
