//! Time ranges of about as many rows each, so that every core has its share of a scan.

use std::ops::Range;

use gapless_engine::{Result, Snapshot};

/// A share below this is not worth a thread.
const SHARE_ROWS_MIN: u64 = 2 * 65_536;

/// Rows that lie somewhere between two times, both of which are theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) rows: u64,
}

impl Extent {
    /// Those of them that lie in a range, about.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub(super) fn rows_in(&self, time: &Range<i64>) -> u64 {
        if self.is_in(time) {
            return self.rows;
        }
        let end = i128::from(self.max.min(time.end.saturating_sub(1)));
        let inside = end - i128::from(self.min.max(time.start)) + 1;
        if inside <= 0 {
            return 0;
        }
        let span = i128::from(self.max) - i128::from(self.min) + 1;
        (self.rows as f64 * (inside as f64 / span as f64)).ceil() as u64
    }

    /// Whether all of them lie in a range.
    pub(super) fn is_in(&self, time: &Range<i64>) -> bool {
        time.start <= self.min && (self.max < time.end || time.end == i64::MAX)
    }

    /// Whether none of them lies in a range.
    pub(super) fn is_outside(&self, time: &Range<i64>) -> bool {
        self.max < time.start || (time.end <= self.min && time.end != i64::MAX)
    }
}

/// The extents of a table's segments and of its rows in memory.
pub(super) fn extents(snapshot: &Snapshot, table: &str) -> Result<Vec<Extent>> {
    let segments = snapshot.table(table)?.segments();
    let mut extents: Vec<Extent> = segments
        .map(|segment| Extent {
            min: segment.min_time,
            max: segment.max_time,
            rows: segment.rows,
        })
        .collect();
    if let Some((min, max)) = snapshot.unflushed_times(table)? {
        let rows = snapshot.unflushed_rows(table)?;
        extents.push(Extent { min, max, rows });
    }
    Ok(extents)
}

/// At most `shares` ranges, ascending, that make up `time`.
pub(super) fn split(extents: &[Extent], time: &Range<i64>, shares: usize) -> Vec<Range<i64>> {
    let mut inside: Vec<Extent> = extents
        .iter()
        .map(|extent| Extent {
            min: extent.min.max(time.start),
            max: extent.max.min(time.end),
            rows: extent.rows_in(time),
        })
        .filter(|extent| extent.rows > 0 && extent.min <= extent.max)
        .collect();
    inside.sort_unstable_by_key(|extent| (extent.min, extent.max));
    let total: u64 = inside.iter().map(|extent| extent.rows).sum();
    let shares = (total / SHARE_ROWS_MIN).clamp(1, shares.max(1) as u64);
    let mut ranges = Vec::new();
    let mut start = time.start;
    for share in 1..shares {
        let cut = time_of(&inside, total / shares * share);
        if cut > start && cut < time.end {
            ranges.push(start..cut);
            start = cut;
        }
    }
    ranges.push(start..time.end);
    ranges
}

/// The time before which about `rows` rows lie.
fn time_of(extents: &[Extent], rows: u64) -> i64 {
    let mut before = 0;
    for extent in extents {
        if rows < before + extent.rows {
            let span = i128::from(extent.max) - i128::from(extent.min) + 1;
            let offset = span * i128::from(rows - before) / i128::from(extent.rows);
            return i64::try_from(i128::from(extent.min) + offset).unwrap_or(i64::MAX);
        }
        before += extent.rows;
    }
    i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(min: i64, max: i64, rows: u64) -> Extent {
        Extent { min, max, rows }
    }

    #[test]
    fn few_rows_are_one_share() {
        let ranges = split(&[extent(0, 99, SHARE_ROWS_MIN)], &(i64::MIN..i64::MAX), 8);
        assert_eq!(ranges.len(), 1);
        assert_eq!(ranges.first(), Some(&(i64::MIN..i64::MAX)));
    }

    #[test]
    fn shares_make_up_the_range_and_are_about_equal() {
        let rows = 10 * SHARE_ROWS_MIN;
        let days: Vec<Extent> = (0..4)
            .map(|day| extent(day * 100, day * 100 + 99, rows))
            .collect();
        let ranges = split(&days, &(50..350), 3);
        assert_eq!(ranges, [50..150, 150..250, 250..350]);
        assert_eq!(
            split(&days, &(i64::MIN..i64::MAX), 2),
            [i64::MIN..200, 200..i64::MAX]
        );
    }

    #[test]
    fn rows_of_one_time_are_not_split() {
        let ranges = split(&[extent(7, 7, 100 * SHARE_ROWS_MIN)], &(7..8), 4);
        assert_eq!((ranges.len(), ranges.first()), (1, Some(&(7..8))));
    }

    #[test]
    fn an_extent_knows_where_it_lies() {
        let some = extent(10, 19, 100);
        assert_eq!(some.rows_in(&(0..15)), 50);
        assert_eq!(some.rows_in(&(20..30)), 0);
        assert!(some.is_in(&(10..20)) && !some.is_in(&(10..19)));
        assert!(some.is_outside(&(20..30)) && some.is_outside(&(0..10)) && !some.is_outside(&(19..20)));
    }
}
