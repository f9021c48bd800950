//! What stands beside the bars.

use gapless_engine::duration_text;
use jiff::Timestamp;

use crate::lines::{Line, Picture};

/// The name of a line: its series, and its interval where there are several.
pub fn label(line: &Line, picture: &Picture) -> String {
    let series = line.series.as_deref().unwrap_or(&picture.table);
    if !picture.has_intervals {
        return series.to_owned();
    }
    match line.interval {
        0 => format!("{series} no grid"),
        interval => format!("{series} {}", duration_text(interval)),
    }
}

/// A share, never rounded up to all or down to nothing.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if share > 0.0 && share < 0.001 => "<0.1%".to_owned(),
        Some(share) => format!("{:.1}%", (share * 1000.0).floor() / 10.0),
    }
}

/// A time for people: as many decimals as it needs, in steps of three.
pub fn instant(ns: i64) -> String {
    let decimals = match ns.rem_euclid(1_000_000_000) {
        0 => 0,
        part if part % 1_000_000 == 0 => 3,
        part if part % 1_000 == 0 => 6,
        _ => 9,
    };
    match Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(time) => format!("{time:.decimals$}"),
        Err(_) => ns.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_not_rounded_to_all_or_nothing() {
        for (share, text) in [
            (None, "-"),
            (Some(0.0), "0.0%"),
            (Some(0.0001), "<0.1%"),
            (Some(0.9999), "99.9%"),
            (Some(1.0), "100.0%"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn a_time_has_the_decimals_that_it_needs() {
        assert_eq!(instant(0), "1970-01-01T00:00:00Z");
        assert_eq!(instant(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(instant(1_500_000), "1970-01-01T00:00:00.001500Z");
    }
}
