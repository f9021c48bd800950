//! Completeness in columns: by day, or by week or month where there is no room for days.

use std::ops::Range;

use gapless_engine::Completeness;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::lines::share;

const DAY: i64 = 86_400_000_000_000;

/// What a column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Unit {
    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The least unit of which a range has at most so many.
    pub fn fitting(range: &Range<i64>, columns_max: usize) -> Self {
        [Self::Day, Self::Week, Self::Month]
            .into_iter()
            .find(|unit| unit.columns(range).len() <= columns_max)
            .unwrap_or(Self::Year)
    }

    /// The columns of a range, each with its beginning.
    pub fn columns(self, range: &Range<i64>) -> Vec<i64> {
        let mut columns = Vec::new();
        let mut day = range.start.div_euclid(DAY).saturating_mul(DAY);
        while day < range.end {
            let column = self.of(day.max(range.start));
            if columns.last() != Some(&column) {
                columns.push(column);
            }
            let Some(next) = day.checked_add(DAY) else { break };
            day = next;
        }
        columns
    }

    /// The column that a time lies in: its beginning.
    fn of(self, time: i64) -> i64 {
        let start = || {
            let date = Timestamp::from_nanosecond(i128::from(time))
                .ok()?
                .to_zoned(TimeZone::UTC)
                .date();
            let days = i64::from(date.weekday().to_monday_zero_offset());
            let first = match self {
                Self::Day => date,
                Self::Week => date.checked_sub(jiff::Span::new().days(days)).ok()?,
                Self::Month => date.first_of_month(),
                Self::Year => date.first_of_year(),
            };
            ns(first)
        };
        start().unwrap_or(time)
    }

    /// The column as text.
    pub fn text(self, column: i64) -> String {
        let Ok(time) = Timestamp::from_nanosecond(i128::from(column)) else {
            return column.to_string();
        };
        let format = match self {
            Self::Day | Self::Week => "%Y-%m-%d",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        time.strftime(format).to_string()
    }

    /// The share of what is expected that is covered, by column.
    pub fn shares(self, days: &[Completeness], columns: &[i64]) -> Vec<Option<f64>> {
        let mut rest = days;
        let mut shares = Vec::with_capacity(columns.len());
        for column in columns {
            let count = rest
                .iter()
                .take_while(|day| self.of(day.start) == *column)
                .count();
            shares.push(share(rest.iter().take(count)));
            rest = rest.get(count..).unwrap_or_default();
        }
        shares
    }
}

fn ns(date: Date) -> Option<i64> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    i64::try_from(zoned.timestamp().as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(count: i64) -> Vec<Completeness> {
        let day = |at: i64| Completeness {
            series: None,
            start: at * DAY,
            end: (at + 1) * DAY,
            expected: 10,
            covered: u64::try_from(at % 11).unwrap_or(0),
        };
        (0..count).map(day).collect()
    }

    #[test]
    fn columns_are_days_then_weeks_then_months() {
        let range = 0..100 * DAY;
        assert_eq!(Unit::fitting(&range, 100), Unit::Day);
        assert_eq!(Unit::fitting(&range, 99), Unit::Week);
        assert_eq!(Unit::fitting(&range, 14), Unit::Month);
        assert_eq!(Unit::fitting(&range, 3), Unit::Year);
        // 1970-01-01 was a Thursday.
        assert_eq!(Unit::Week.text(Unit::Week.columns(&range)[0]), "1969-12-29");
        assert_eq!(Unit::Month.columns(&range).len(), 4);
    }

    #[test]
    fn every_day_is_in_one_column() {
        let days = days(100);
        for unit in [Unit::Day, Unit::Week, Unit::Month, Unit::Year] {
            let columns = unit.columns(&(0..100 * DAY));
            let shares = unit.shares(&days, &columns);
            assert_eq!(shares.len(), columns.len());
            assert!(shares.iter().all(Option::is_some), "{unit:?}");
        }
        let year = Unit::Year.shares(&days, &Unit::Year.columns(&(0..100 * DAY)));
        assert_eq!(year, [share(days.iter())]);
    }
}
