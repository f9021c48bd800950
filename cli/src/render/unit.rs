//! Counts, sizes, durations and instants.

use jiff::Timestamp;

/// `336,776`.
pub(crate) fn count(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `336,776 rows`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// `14.9 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    format!("{value:.1} {name}")
}

/// A measured time: `850 ns`, `12.3 us`, `4.56 ms`, `1.23 s`, `2 min 5 s`.
pub(crate) fn seconds(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 1e-6 => format!("{} ns", time.as_nanos()),
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.2} s"),
        s => format!("{} min {:.0} s", (s / 60.0) as u64, s % 60.0),
    }
}

/// A stored duration, exactly: `-1d 2h 3m 4.5s`.
pub(crate) fn duration(ns: i128) -> String {
    const SECOND: u128 = 1_000_000_000;
    let whole = ns.unsigned_abs();
    let mut parts = Vec::new();
    let mut rest = whole;
    for (unit, len) in [("d", 86_400 * SECOND), ("h", 3_600 * SECOND), ("m", 60 * SECOND)] {
        if rest >= len {
            parts.push(format!("{}{unit}", rest / len));
            rest %= len;
        }
    }
    if rest > 0 || parts.is_empty() {
        let fraction = format!("{:09}", rest % SECOND);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        parts.push(format!("{}{point}{fraction}s", rest / SECOND));
    }
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{}", parts.join(" "))
}

/// An instant for people: as many decimals as it needs, in steps of three.
pub(crate) fn instant(ns: i64) -> String {
    with_decimals(Timestamp::from_nanosecond(i128::from(ns)).ok(), decimals(ns))
        .unwrap_or_else(|| ns.to_string())
}

/// An instant for scripts: always nine decimals.
pub(crate) fn instant_iso(ns: i64) -> String {
    with_decimals(Timestamp::from_nanosecond(i128::from(ns)).ok(), 9).unwrap_or_else(|| ns.to_string())
}

/// How many decimals a time needs: 0, 3, 6 or 9.
pub(crate) fn decimals(ns: i64) -> usize {
    match ns.rem_euclid(1_000_000_000) {
        0 => 0,
        part if part % 1_000_000 == 0 => 3,
        part if part % 1_000 == 0 => 6,
        _ => 9,
    }
}

/// `2013-01-01T10:15:00Z` with some decimals.
pub(crate) fn with_decimals(time: Option<Timestamp>, decimals: usize) -> Option<String> {
    time.map(|time| format!("{time:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_read_well_at_their_edges() {
        assert_eq!(count(0u64), "0");
        assert_eq!(count(336_776u64), "336,776");
        assert_eq!(count(1_000u64), "1,000");
        assert_eq!(plural(1, "row"), "1 row");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
    }

    #[test]
    fn durations_are_exact_and_instants_keep_their_decimals() {
        assert_eq!(duration(0), "0s");
        assert_eq!(duration(-93_784_500_000_000), "-1d 2h 3m 4.5s");
        assert_eq!(duration(1), "0.000000001s");
        assert_eq!(instant(0), "1970-01-01T00:00:00Z");
        assert_eq!(instant(-1_000_000), "1969-12-31T23:59:59.999Z");
        assert_eq!(instant_iso(1), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(instant_iso(i64::MIN), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(instant_iso(i64::MAX), "2262-04-11T23:47:16.854775807Z");
    }
}
