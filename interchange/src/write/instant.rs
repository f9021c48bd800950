//! Instants, days and times of day as ISO 8601 text.

use arrow_schema::TimeUnit;

use crate::type_name::nanoseconds_per;

const SECONDS_PER_DAY: i64 = 86_400;

/// Appends `2018-01-01T00:00:02.610000000`; `None` if the year has not four digits.
pub(crate) fn push_instant(out: &mut Vec<u8>, count: i64, unit: TimeUnit) -> Option<()> {
    let per_second = 1_000_000_000 / nanoseconds_per(unit);
    let (seconds, part) = (count.div_euclid(per_second), count.rem_euclid(per_second));
    push_day(out, seconds.div_euclid(SECONDS_PER_DAY))?;
    out.push(b'T');
    push_seconds(out, seconds.rem_euclid(SECONDS_PER_DAY));
    out.push(b'.');
    push_digits(out, part * nanoseconds_per(unit), 9);
    Some(())
}

/// Appends `hh:mm:ss` and as many decimals as the unit has; `None` outside of a day.
pub(crate) fn push_time(out: &mut Vec<u8>, count: i64, unit: TimeUnit) -> Option<()> {
    let per_second = 1_000_000_000 / nanoseconds_per(unit);
    let seconds = count.div_euclid(per_second);
    if !(0..SECONDS_PER_DAY).contains(&seconds) {
        return None;
    }
    push_seconds(out, seconds);
    let decimals = match unit {
        TimeUnit::Second => return Some(()),
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    out.push(b'.');
    push_digits(out, count.rem_euclid(per_second), decimals);
    Some(())
}

/// Appends `2018-01-01` (days since 1970; Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(crate) fn push_day(out: &mut Vec<u8>, days: i64) -> Option<()> {
    let days = days.checked_add(719_468)?;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        return None;
    }
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, month, 2);
    out.push(b'-');
    push_digits(out, day, 2);
    Some(())
}

fn push_seconds(out: &mut Vec<u8>, seconds: i64) {
    push_digits(out, seconds / 3_600, 2);
    out.push(b':');
    push_digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    push_digits(out, seconds % 60, 2);
}

/// The last `count` digits of a value that is not negative.
fn push_digits(out: &mut Vec<u8>, value: i64, count: u32) {
    for place in (0..count).rev() {
        let digit = value / 10i64.pow(place) % 10;
        out.push(b'0' + digit as u8);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_nanosecond_instant_is_written_as_jiff_writes_it(count in any::<i64>()) {
            let mut out = Vec::new();
            push_instant(&mut out, count, TimeUnit::Nanosecond).unwrap();
            let expected = jiff::Timestamp::from_nanosecond(i128::from(count)).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap() + "Z", format!("{expected:.9}"));
        }

        #[test]
        fn every_instant_of_any_unit_is_written_or_refused_without_a_panic(count in any::<i64>()) {
            for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond] {
                let mut out = Vec::new();
                if push_instant(&mut out, count, unit).is_some() {
                    prop_assert_eq!(out.len(), 29);
                }
                let _ = push_time(&mut out, count, unit);
            }
        }
    }
}
