//! Parts of times, and buckets.

use std::ops::Range;

use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::arithmetic::array;
use super::feed::{Native, chunks, valid};
use super::node::{Error, Node, Result, first};
use super::tree::TimePart;
use super::types::unit_ns;
use crate::Bucket;
use crate::bucket::zone_of;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// What the clocks of a zone show. Times mostly come in order, so the offset is kept until it changes.
struct Clock {
    zone: TimeZone,
    /// Seconds, and the instants in seconds where it holds.
    offset: (i64, Range<i64>),
}

impl Clock {
    fn new(zone: TimeZone) -> Self {
        // No second lies in the range.
        Self {
            zone,
            offset: (0, 0..0),
        }
    }

    /// Seconds since the epoch, as the clocks show them.
    fn local(&mut self, seconds: i64) -> i64 {
        if !self.offset.1.contains(&seconds) {
            self.offset = self.offset_at(seconds);
        }
        seconds.saturating_add(self.offset.0)
    }

    fn offset_at(&self, seconds: i64) -> (i64, Range<i64>) {
        let Ok(time) = Timestamp::from_second(seconds) else {
            // No calendar has it.
            return (0, seconds..seconds.saturating_add(1));
        };
        let after = self
            .zone
            .following(time)
            .next()
            .map(|next| next.timestamp().as_second());
        // The transition at this very second is the one that led here.
        (
            i64::from(self.zone.to_offset(time).seconds()),
            seconds..after.unwrap_or(i64::MAX),
        )
    }
}

/// Year, month and day of a count of days since the epoch, after Howard Hinnant, "chrono-compatible low-level date algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn day_of_year(days: i64) -> i64 {
    let (year, month, day) = civil(days);
    let leap = i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before = usize::try_from(month - 1)
        .ok()
        .and_then(|month| before.get(month))
        .copied();
    before.unwrap_or(0) + if month > 2 { leap } else { 0 } + day
}

/// A part of local seconds and nanoseconds.
fn part_of(part: TimePart, seconds: i64, ns: i64) -> i64 {
    let (days, of_day) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    match part {
        TimePart::Year => civil(days).0,
        TimePart::Month => civil(days).1,
        TimePart::Day => civil(days).2,
        TimePart::Hour => of_day / 3600,
        TimePart::Minute => of_day / 60 % 60,
        TimePart::Second => of_day % 60,
        TimePart::Millisecond => ns / 1_000_000,
        TimePart::Microsecond => ns / 1_000,
        TimePart::Nanosecond => ns,
        // The epoch was a Thursday.
        TimePart::Weekday => (days + 3).rem_euclid(7) + 1,
        TimePart::DayOfYear => day_of_year(days),
        TimePart::Date => days,
        TimePart::TimeOfDay => of_day * SECOND_NS + ns,
    }
}

fn zone(name: Option<&str>, data_type: &DataType) -> Result<TimeZone> {
    let own = match data_type {
        DataType::Timestamp(_, zone) => zone.as_deref(),
        _ => None,
    };
    match (name, own) {
        (Some(name), _) => zone_of(name),
        (None, Some(own)) => fixed(own).map_or_else(|| zone_of(own), Ok),
        (None, None) => Ok(TimeZone::UTC),
    }
}

/// Zones of Arrow may be offsets, such as `+02:00`.
fn fixed(name: &str) -> Option<TimeZone> {
    let (sign, digits) = match name.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() > 2 {
        (number / 100, number % 100)
    } else {
        (number, 0)
    };
    let seconds = sign * (hours * 3600 + minutes * 60);
    jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

/// Years and dates of what no calendar has are cut.
fn narrow(part: i64) -> i32 {
    i32::try_from(part).unwrap_or(if part < 0 { i32::MIN } else { i32::MAX })
}

/// Binds a part of a time; `None` for what is no time.
pub(super) fn bind_part(part: TimePart, zone_name: Option<&str>, node: Node) -> Result<Option<Node>> {
    let of_clock = !matches!(
        part,
        TimePart::Year
            | TimePart::Month
            | TimePart::Day
            | TimePart::Weekday
            | TimePart::DayOfYear
            | TimePart::Date
    );
    let to = match part {
        TimePart::Date => DataType::Date32,
        TimePart::TimeOfDay => DataType::Time64(TimeUnit::Nanosecond),
        _ => DataType::Int32,
    };
    match &node.data_type {
        DataType::Null => return Ok(Some(Node::null(&to))),
        DataType::Timestamp(..) => {}
        DataType::Date32 if zone_name.is_none() => {}
        DataType::Time32(_) | DataType::Time64(_) if zone_name.is_none() && of_clock => {}
        _ => return Ok(None),
    }
    let unit = unit_ns(&node.data_type).unwrap_or(1);
    let zone = zone(zone_name, &node.data_type)?;
    let result = to.clone();
    let node = Node::call(result, vec![node], move |arguments, rows| {
        let argument = first(arguments)?;
        let parts = parts(argument, unit, part, &zone, rows)?;
        let nulls = valid(&[argument], rows);
        match to {
            DataType::Time64(_) => array(parts, nulls, &to),
            _ => array(parts.into_iter().map(narrow).collect(), nulls, &to),
        }
    });
    node.map(Some)
}

fn parts(
    argument: &super::node::Operand,
    unit: i64,
    part: TimePart,
    zone: &TimeZone,
    rows: usize,
) -> Result<Vec<i64>> {
    let mut clock = Clock::new(zone.clone());
    // Units of a second, or seconds of a unit.
    let (per_second, unit_seconds) = ((SECOND_NS / unit).max(1), (unit / SECOND_NS).max(1));
    let mut times = i64::feed(argument, 1)?;
    let mut out = Vec::with_capacity(rows);
    for (start, len) in chunks(rows) {
        out.extend(times.chunk(start, len).0.iter().map(|time| {
            let seconds = time.div_euclid(per_second).saturating_mul(unit_seconds);
            part_of(
                part,
                clock.local(seconds),
                time.rem_euclid(per_second) * unit.min(SECOND_NS),
            )
        }));
    }
    Ok(out)
}

/// Binds the start of the bucket of a time; `None` for what is no timestamp.
pub(super) fn bind_bucket(bucket: Bucket, node: Node) -> Result<Option<Node>> {
    let data_type = node.data_type.clone();
    if !matches!(data_type, DataType::Timestamp(..)) {
        return Ok(None);
    }
    let Some(unit) = unit_ns(&data_type) else {
        return Err(Error::internal("a timestamp without a unit"));
    };
    let result = data_type.clone();
    let node = Node::call(result, vec![node], move |arguments, rows| {
        let argument = first(arguments)?;
        let mut times = i64::feed(argument, 1)?;
        let mut out = Vec::with_capacity(rows);
        // Times mostly come in order.
        let mut last = 0..0;
        for (start, len) in chunks(rows) {
            for time in times.chunk(start, len).0 {
                let ns = time.saturating_mul(unit);
                if !last.contains(&ns) {
                    last = bucket.range(ns);
                }
                out.push(last.start.div_euclid(unit));
            }
        }
        array(out, valid(&[argument], rows), &data_type)
    });
    node.map(Some)
}
