//! Ranges without other ranges: one walk over both.

use std::ops::Range;

/// Appends to `out` what of `wanted` is not in `taken`.
///
/// `wanted` is sorted and disjoint. `taken` is sorted by start; its ranges may overlap, adjoin and be empty. What is
/// appended is sorted, disjoint and, if no two ranges of `wanted` touch, not adjacent. Nothing is allocated but
/// room in `out`. `taken` is read one range further than `wanted` reaches.
///
/// ```
/// use gapless_engine::coverage::intervals::subtract_into;
/// let mut gaps = Vec::new();
/// subtract_into(&mut gaps, &[0..10, 20..30], [3..5, 4..8, 9..21].into_iter());
/// assert_eq!(gaps, [0..3, 8..9, 21..30]);
/// ```
pub fn subtract_into(
    out: &mut Vec<Range<i64>>,
    wanted: &[Range<i64>],
    taken: impl Iterator<Item = Range<i64>>,
) {
    let mut taken = taken.filter(|range| range.start < range.end);
    let mut current = taken.next();
    for want in wanted {
        // Everything before is either taken or in `out`.
        let mut start = want.start;
        while let Some(range) = &current {
            if range.start >= want.end {
                break;
            }
            if range.start > start {
                out.push(start..range.start);
            }
            start = start.max(range.end);
            if start >= want.end {
                // It may reach into the next range that is wanted.
                break;
            }
            current = taken.next();
        }
        if start < want.end {
            out.push(start..want.end);
        }
    }
}
