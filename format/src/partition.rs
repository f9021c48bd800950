//! Partitions: half-open hours, days, months and years of UTC, and their directories.
//!
//! The calendar is the proleptic Gregorian one, in integers, right for every i64 of nanoseconds (1677 to 2262).
//! The first and the last partition of a unit are cut at the ends of that range.
//! Algorithms: <https://howardhinnant.github.io/date_algorithms.html>.

use crate::bytes::{Reader, Writer, tags};
use crate::error::FormatError;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

/// How much time one partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartitionUnit {
    /// One hour of UTC.
    Hour,
    /// One day of UTC.
    Day,
    /// One month of UTC.
    Month,
    /// One year of UTC.
    Year,
}
tags!(PartitionUnit { Hour = 0, Day = 1, Month = 2, Year = 3 });

impl PartitionUnit {
    /// `hour`, `day`, `month` or `year`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// One partition: a unit and the time at which it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// The partition's length.
    pub unit: PartitionUnit,
    /// Its first nanosecond since the Unix epoch, UTC.
    pub start: i64,
}

impl PartitionKey {
    /// The partition that holds the time `ts` (nanoseconds since the Unix epoch).
    pub fn containing(unit: PartitionUnit, ts: i64) -> Self {
        Self {
            unit,
            start: clamp(start_of(unit, ts)),
        }
    }

    /// The first nanosecond after the partition. The last partition ends at `i64::MAX`, which then belongs to it.
    pub fn end(&self) -> i64 {
        clamp(end_of(self.unit, self.start))
    }

    /// Whether the time `ts` lies in the partition.
    pub fn contains(&self, ts: i64) -> bool {
        Self::containing(self.unit, ts) == *self
    }

    /// The directory below the table's: `2026-11-20`, `2026-11-20/13`, `2026-11` or `2026`.
    pub fn path(&self) -> String {
        let (year, month, day) = civil_from_days(self.start.div_euclid(DAY_NS));
        match self.unit {
            PartitionUnit::Year => format!("{year:04}"),
            PartitionUnit::Month => format!("{year:04}-{month:02}"),
            PartitionUnit::Day => format!("{year:04}-{month:02}-{day:02}"),
            PartitionUnit::Hour => {
                let hour = self.start.rem_euclid(DAY_NS) / HOUR_NS;
                format!("{year:04}-{month:02}-{day:02}/{hour:02}")
            }
        }
    }

    /// The partition whose [`Self::path`] is `path`, or `None` when there is none.
    pub fn parse(path: &str) -> Option<Self> {
        let (unit, hour_len) = match path.len() {
            4 => (PartitionUnit::Year, 0),
            7 => (PartitionUnit::Month, 0),
            10 => (PartitionUnit::Day, 0),
            13 => (PartitionUnit::Hour, 3),
            _ => return None,
        };
        let date = path.get(..path.len() - hour_len)?;
        let mut parts = date.split('-');
        let year = number(parts.next())?;
        let month = if date.len() > 4 { number(parts.next())? } else { 1 };
        let day = if date.len() > 7 { number(parts.next())? } else { 1 };
        let hour = if hour_len > 0 { number(path.get(11..))? } else { 0 };
        let days = i128::from(days_from_civil(year, month, day));
        let start = days * i128::from(DAY_NS) + i128::from(hour * HOUR_NS);
        let key = Self {
            unit,
            start: clamp(start),
        };
        // The spelling decides: refuses 2026-02-30, hour 24, other separators and years out of range.
        (key.path() == path && key.is_valid()).then_some(key)
    }

    /// Whether the start is the start of a partition of that unit.
    pub fn is_valid(&self) -> bool {
        Self::containing(self.unit, self.start).start == self.start
    }

    /// Appends unit and start.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.unit.tag());
        writer.i64(self.start);
    }

    /// Reads unit and start.
    ///
    /// # Errors
    /// `Unsupported` for an unknown unit, `Corrupt` for a start that is not on the unit.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let unit = reader.tag(PartitionUnit::from_tag, "partition unit")?;
        let offset = reader.offset();
        let key = Self {
            unit,
            start: reader.i64("partition start")?,
        };
        if key.is_valid() {
            return Ok(key);
        }
        Err(FormatError::corrupt(
            offset,
            format!(
                "partition start: found {}, expected the start of a {}",
                key.start,
                unit.name()
            ),
        ))
    }
}

fn start_of(unit: PartitionUnit, ts: i64) -> i128 {
    let (year, month, _) = civil_from_days(ts.div_euclid(DAY_NS));
    match unit {
        PartitionUnit::Hour => i128::from(ts.div_euclid(HOUR_NS)) * i128::from(HOUR_NS),
        PartitionUnit::Day => i128::from(ts.div_euclid(DAY_NS)) * i128::from(DAY_NS),
        PartitionUnit::Month => i128::from(days_from_civil(year, month, 1)) * i128::from(DAY_NS),
        PartitionUnit::Year => i128::from(days_from_civil(year, 1, 1)) * i128::from(DAY_NS),
    }
}

fn end_of(unit: PartitionUnit, start: i64) -> i128 {
    let (year, month, _) = civil_from_days(start.div_euclid(DAY_NS));
    let (next_year, next_month) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    match unit {
        PartitionUnit::Hour => start_of(unit, start) + i128::from(HOUR_NS),
        PartitionUnit::Day => start_of(unit, start) + i128::from(DAY_NS),
        PartitionUnit::Month => i128::from(days_from_civil(next_year, next_month, 1)) * i128::from(DAY_NS),
        PartitionUnit::Year => i128::from(days_from_civil(year + 1, 1, 1)) * i128::from(DAY_NS),
    }
}

/// Cuts at the ends of what i64 nanoseconds can say.
fn clamp(ns: i128) -> i64 {
    ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// A number of digits only.
fn number(part: Option<&str>) -> Option<i64> {
    part.filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

/// Days since 1970-01-01 of a date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
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
    (year, month, day)
}
