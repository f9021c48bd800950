//! Lengths of time as text: `250us`, `5s`, `1m`, `4h`, `1d`, `1w`.

use std::time::Duration;

use crate::error::{Error, Result};

/// Units of fixed length, in nanoseconds; a longer name stands before a shorter one that ends it.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// The nanoseconds of a length of time as text, a number and a unit: `7ns`, `250us`, `5ms`, `5s`, `1m`, `4h`, `1d`, `1w`. A day
/// has 24 hours.
///
/// ```
/// assert_eq!(gapless_engine::coverage::duration_ns("1m")?, 60_000_000_000);
/// assert!(gapless_engine::coverage::duration_ns("1 month").is_err());
/// # Ok::<(), gapless_engine::Error>(())
/// ```
///
/// # Errors
/// `Invalid` for any other text, and for what no i64 holds.
pub fn duration_ns(text: &str) -> Result<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = UNITS.iter().find(|(name, _)| *name == &text[digits.len()..]);
    let number: Option<i64> = digits.parse().ok();
    let product = unit
        .zip(number)
        .and_then(|((_, ns), number)| number.checked_mul(*ns));
    product.ok_or_else(|| {
        Error::invalid(format!(
            "{text:?} is no length of time: give a number and one of ns, us, ms, s, m, h, d, w, such as \"1m\""
        ))
    })
}

/// The shortest text of a length of time, in one unit.
pub fn duration_text(ns: i64) -> String {
    let unit = UNITS.iter().rev().find(|(_, unit)| ns != 0 && ns % unit == 0);
    let (name, unit) = unit.copied().unwrap_or(("s", 1_000_000_000));
    format!("{}{name}", ns / unit)
}

/// What can be a grid step: nanoseconds, a [`Duration`], or text as [`duration_ns`] takes it.
pub trait IntoInterval {
    /// The nanoseconds.
    ///
    /// # Errors
    /// `Invalid` for what is no length of time.
    fn into_interval(self) -> Result<i64>;
}

impl IntoInterval for i64 {
    fn into_interval(self) -> Result<i64> {
        Ok(self)
    }
}

impl IntoInterval for &str {
    fn into_interval(self) -> Result<i64> {
        duration_ns(self)
    }
}

impl IntoInterval for Duration {
    fn into_interval(self) -> Result<i64> {
        i64::try_from(self.as_nanos())
            .map_err(|_| Error::invalid(format!("{self:?} is too long for an interval")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_nanoseconds_mean_the_same() {
        for (text, ns) in [
            ("7ns", 7),
            ("250us", 250_000),
            ("5ms", 5_000_000),
            ("1m", 60_000_000_000),
            ("90s", 90_000_000_000),
            ("1w", 604_800_000_000_000),
            ("-1d", -86_400_000_000_000),
        ] {
            assert_eq!(duration_ns(text).expect("a duration"), ns, "{text}");
            assert_eq!(duration_text(ns), text);
        }
        assert_eq!(duration_text(0), "0s");
        assert_eq!(duration_text(604_800_000_000_001), "604800000000001ns");
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in [
            "",
            "m",
            "1",
            "1 m",
            "1mo",
            "1.5s",
            "9999999999w",
            "1M",
            "é1s",
            "1µs",
        ] {
            assert!(duration_ns(text).is_err(), "{text:?}");
        }
    }
}
