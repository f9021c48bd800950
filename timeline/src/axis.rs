//! Where the times of an axis stand, and how they are written.

use std::ops::Range;

use jiff::{Timestamp, tz::TimeZone};

const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 86_400_000_000_000;

/// The times of an axis whose labels have room: ascending, the first at the start of the range. Each with its place, from 0 to 1.
pub fn ticks(range: &Range<i64>, labels_max: usize) -> Vec<(f64, String)> {
    let length = (i128::from(range.end) - i128::from(range.start)) as f64;
    let wanted = labels_max.max(1);
    let step = length / wanted as f64;
    (0..wanted)
        .map(|at| {
            let time = range.start.saturating_add((step * at as f64) as i64);
            (at as f64 / wanted as f64, text(rounded(time, range), range))
        })
        .collect()
}

/// A time as exact as a label of the range is.
fn rounded(time: i64, range: &Range<i64>) -> i64 {
    let unit = match range.end.abs_diff(range.start) {
        long if long > 10 * DAY.unsigned_abs() => return time,
        long if long > 10 * MINUTE.unsigned_abs() => MINUTE,
        _ => return time,
    };
    time - time.rem_euclid(unit)
}

/// A time, as exact as the length of a range needs it.
pub fn text(time: i64, range: &Range<i64>) -> String {
    let zoned = Timestamp::from_nanosecond(i128::from(time)).map(|time| time.to_zoned(TimeZone::UTC));
    let Ok(zoned) = zoned else {
        return time.to_string();
    };
    let format = match range.end.abs_diff(range.start) {
        long if long > 10 * DAY.unsigned_abs() => "%Y-%m-%d",
        long if long > 10 * MINUTE.unsigned_abs() => "%m-%d %H:%M",
        _ => "%H:%M:%S%.f",
    };
    zoned.strftime(format).to_string()
}
