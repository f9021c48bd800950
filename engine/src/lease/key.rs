//! What identifies a leased range within a table, and its printed form.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

const SECOND_NS: i64 = 1_000_000_000;
/// Stands for a series whose symbol is the empty text; nothing stands for no series.
const EMPTY_SERIES: &str = "%";

/// A range of a series at an interval, in a world and as of a time.
///
/// Printed as `series:interval:start:end:world:as_of`. Numbers are seconds, or nanoseconds with the suffix `ns` when they are
/// not whole seconds; `as_of` is empty when there is none. In series and world `%`, `:` and control characters are
/// written as `%` and two hexadecimal digits for each byte of their UTF-8. A table without series has nothing before the first `:`,
/// the series whose symbol is the empty text has a lone `%`. What is printed can be parsed back, whatever the texts hold.
///
/// ```
/// use gapless_engine::lease::LeaseKey;
/// let key = LeaseKey::new(Some("blake3:7f"), 60_000_000_000, 0..3_600_000_000_000);
/// assert_eq!(key.to_string(), "blake3%3A7f:60:0:3600::");
/// assert_eq!("blake3%3A7f:60:0:3600::".parse::<LeaseKey>()?, key);
/// # Ok::<(), gapless_engine::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey {
    /// The series' symbol; `None` for a table without series.
    pub series: Option<String>,
    /// Grid step in nanoseconds, 0 for ticks. Two leases that differ in this alone do overlap.
    pub interval: i64,
    /// First time of the range, in nanoseconds.
    pub start: i64,
    /// First time behind the range, in nanoseconds.
    pub end: i64,
    /// The world that the rows are for; may be empty.
    pub world: String,
    /// The point in time that the work is as of, in nanoseconds. Two leases that differ in this alone do overlap.
    pub as_of: Option<i64>,
}

impl LeaseKey {
    /// A range in the nameless world, as of no time.
    #[must_use]
    pub fn new(series: Option<&str>, interval: i64, range: std::ops::Range<i64>) -> Self {
        Self {
            series: series.map(str::to_owned),
            interval,
            start: range.start,
            end: range.end,
            world: String::new(),
            as_of: None,
        }
    }

    /// The same in `world`.
    #[must_use]
    pub fn world(mut self, world: &str) -> Self {
        world.clone_into(&mut self.world);
        self
    }

    /// The same as of a time.
    #[must_use]
    pub fn as_of(mut self, as_of: Option<i64>) -> Self {
        self.as_of = as_of;
        self
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}",
            SeriesText(self.series.as_deref()),
            TimeText(self.interval)
        )?;
        write!(f, ":{}:{}", TimeText(self.start), TimeText(self.end))?;
        write!(f, ":{}:", Escaped(&self.world))?;
        self.as_of.map_or(Ok(()), |as_of| TimeText(as_of).fmt(f))
    }
}

impl FromStr for LeaseKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let mut parts = text.split(':');
            let mut next = || parts.next();
            let key = Self {
                series: parse_series(next()?)?,
                interval: parse_time(next()?)?,
                start: parse_time(next()?)?,
                end: parse_time(next()?)?,
                world: unescape(next()?)?,
                as_of: match next()? {
                    "" => None,
                    as_of => Some(parse_time(as_of)?),
                },
            };
            next().is_none().then_some(key)
        };
        parse().ok_or_else(|| {
            Error::invalid(format!(
                "found the lease key {text:?}, expected series:interval:start:end:world:as_of with times in seconds or \
                 with the suffix ns, and \"%3A\" for a colon in series or world"
            ))
        })
    }
}

/// A number of nanoseconds: seconds if they are whole.
pub(crate) struct TimeText(pub(crate) i64);

impl fmt::Display for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % SECOND_NS == 0 {
            (self.0 / SECOND_NS).fmt(f)
        } else {
            write!(f, "{}ns", self.0)
        }
    }
}

fn parse_time(text: &str) -> Option<i64> {
    match text.strip_suffix("ns") {
        Some(ns) => ns.parse().ok(),
        None => text.parse::<i64>().ok()?.checked_mul(SECOND_NS),
    }
}

struct SeriesText<'a>(Option<&'a str>);

impl fmt::Display for SeriesText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some("") => f.write_str(EMPTY_SERIES),
            Some(series) => Escaped(series).fmt(f),
        }
    }
}

fn parse_series(text: &str) -> Option<Option<String>> {
    match text {
        "" => Some(None),
        EMPTY_SERIES => Some(Some(String::new())),
        _ => unescape(text).map(Some),
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_special = |c: char| matches!(c, ':' | '%') || c.is_control();
        for part in self.0.split_inclusive(is_special) {
            let special = part.chars().next_back().filter(|&c| is_special(c));
            let plain = part.len() - special.map_or(0, char::len_utf8);
            f.write_str(part.get(..plain).unwrap_or_default())?;
            for byte in part.bytes().skip(plain) {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
