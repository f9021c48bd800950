//! Which segments of one partition are folded together.
//!
//! - What is chosen is always a run without holes in the order of commits, so that the order among equal rows needs no
//!   help from commit times.
//! - Small segments are folded with small ones, so that a row is rewritten about as often as the logarithm of the
//!   partition's size. The largest segment is touched only when what is beside it has become a fair share of it.

use std::ops::Range;

/// An older segment joins a run if it has at most this many times the bytes of all that are newer.
const JOIN_FACTOR: u64 = 2;

/// Why segments are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There are more than the limit.
    Count,
    /// This share of the partition, in percent, is outside of its largest segment.
    Share(u64),
}

/// The segments to fold, by position: `sizes` are their bytes in the order of commits.
pub(crate) fn choose(
    sizes: &[u64],
    segments_max: usize,
    late_percent_max: u64,
    is_settled: bool,
) -> Option<(Range<usize>, Reason)> {
    if sizes.len() < 2 {
        return None;
    }
    let total: u64 = sizes.iter().sum();
    let largest = sizes.iter().copied().max().unwrap_or_default();
    let late = (total - largest).saturating_mul(100) / total.max(1);
    if is_settled && late >= late_percent_max {
        return Some((0..sizes.len(), Reason::Share(late)));
    }
    (sizes.len() > segments_max).then(|| (newest_run(sizes)..sizes.len(), Reason::Count))
}

/// Where the run of segments begins that ends with the newest: at least two.
fn newest_run(sizes: &[u64]) -> usize {
    let mut begin = sizes.len();
    let mut newer = 0u64;
    for (at, size) in sizes.iter().enumerate().rev() {
        let is_forced = sizes.len() - begin < 2;
        if !is_forced && *size > newer.saturating_mul(JOIN_FACTOR) {
            break;
        }
        newer = newer.saturating_add(*size);
        begin = at;
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_segment_and_few_segments_are_left_alone() {
        assert_eq!(choose(&[5], 8, 20, true), None);
        assert_eq!(choose(&[100, 1, 1], 8, 20, true), None);
        assert_eq!(choose(&[100, 50, 50], 8, 20, false), None);
    }

    #[test]
    fn a_large_share_of_late_rows_rewrites_a_settled_partition() {
        assert_eq!(
            choose(&[80, 10, 10], 8, 20, true),
            Some((0..3, Reason::Share(20)))
        );
        assert_eq!(
            choose(&[10, 90, 15], 8, 20, true),
            Some((0..3, Reason::Share(21)))
        );
    }

    #[test]
    fn many_small_segments_are_folded_without_the_large_one() {
        let mut sizes = vec![1000];
        sizes.extend([1; 8]);
        assert_eq!(choose(&sizes, 8, 20, true), Some((1..9, Reason::Count)));
    }

    #[test]
    fn at_least_two_are_folded_whatever_their_sizes() {
        let sizes: Vec<u64> = (0..9).map(|at| 10u64.pow(9 - at)).collect();
        assert_eq!(choose(&sizes, 8, 20, true), Some((7..9, Reason::Count)));
    }
}
