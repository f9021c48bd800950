//! What is expected and not covered.

use std::ops::Range;

use super::intervals::{Grid, Intervals, subtract_into};
use crate::error::Result;

/// A calendar, a life, and what is expected under them.
type Known = (Option<String>, Option<(i64, i64)>, Vec<Range<i64>>);

/// What is expected of the series of one query, on its grid. Series of the same calendar and life share it.
#[derive(Debug, Default)]
pub(super) struct Expected {
    known: Vec<Known>,
}

impl Expected {
    /// What is expected under a calendar in a life, computed once.
    pub(super) fn of(
        &mut self,
        calendar: Option<&str>,
        life: Option<(i64, i64)>,
        compute: impl FnOnce() -> Result<Vec<Range<i64>>>,
    ) -> Result<&[Range<i64>]> {
        let is_it = |known: &Known| known.0.as_deref() == calendar && known.1 == life;
        let at = match self.known.iter().rposition(is_it) {
            Some(at) => at,
            None => {
                if life.is_some() {
                    self.known.retain(|known| known.1.is_none()); // Lives differ from series to series.
                }
                self.known.push((calendar.map(str::to_owned), life, compute()?));
                self.known.len() - 1
            }
        };
        Ok(self.known.get(at).map_or(&[], |known| known.2.as_slice()))
    }
}

/// The slots of a grid of which any part lies in a range, as ranges from the first of them to the slot after the last: a bar
/// whose session begins after the bar does is expected too. `ranges` are ascending.
pub(super) fn slots_of(ranges: &[Range<i64>], grid: &Grid) -> Vec<Range<i64>> {
    let whole = ranges.iter().filter(|range| range.start < range.end);
    let slots: Intervals = whole
        .map(|range| grid.floor(range.start)..grid.ceil(range.end))
        .collect();
    slots.into()
}

/// The longest ranges of `expected` that are not in `covered`, on the grid: from a slot to the one after the last. Both are
/// ascending, `covered` may have neighbours that touch.
pub(super) fn gaps_in(
    expected: &[Range<i64>],
    covered: &[Range<i64>],
    grid: Option<&Grid>,
) -> Vec<Range<i64>> {
    let mut gaps = Vec::new();
    subtract_into(&mut gaps, expected, covered.iter().cloned());
    let Some(grid) = grid else {
        return gaps;
    };
    // What is left holds the slots that are missing; where only time without a slot lies between, they are one gap.
    let mut out: Vec<Range<i64>> = Vec::with_capacity(gaps.len());
    for gap in gaps {
        let gap = grid.align(&gap);
        match out.last_mut() {
            _ if gap.start >= gap.end => {}
            Some(last) if last.end == gap.start => last.end = gap.end,
            _ => out.push(gap),
        }
    }
    out
}
