//! A line in as many cells as there is room for.

use std::ops::Range;

use gapless_engine::CoverageState;

use crate::lines::Line;
use crate::look::{self, Look};

/// The ranges of cells: as equal as whole nanoseconds allow, without a space between them.
pub fn edges(range: &Range<i64>, cells: usize) -> Vec<Range<i64>> {
    let length = i128::from(range.end) - i128::from(range.start);
    let count = i128::try_from(cells.max(1)).unwrap_or(1);
    let edge = |at: i128| i64::try_from(i128::from(range.start) + length * at / count).unwrap_or(range.end);
    (0..count).map(|at| edge(at)..edge(at + 1)).collect()
}

/// How each cell of a line looks.
pub fn looks(line: &Line, cells: &[Range<i64>]) -> Vec<Look> {
    let (mut expected, mut missing) = (Sweep::new(&line.expected), Sweep::new(&line.missing));
    let known: Vec<Range<i64>> = line.known.iter().map(|known| known.start..known.end).collect();
    let states: Vec<CoverageState> = line.known.iter().map(|known| known.state).collect();
    let mut spans = Sweep::new(&known);
    let look = |cell: &Range<i64>| {
        let mut main: Option<(u64, CoverageState)> = None;
        spans.overlaps(cell, |place, length| {
            if main.is_none_or(|(longest, _)| length > longest) {
                main = states.get(place).map(|state| (length, *state));
            }
        });
        let (mut wanted, mut lacking) = (0, 0);
        expected.overlaps(cell, |_, length| wanted += length);
        missing.overlaps(cell, |_, length| lacking += length);
        match (wanted, lacking, main) {
            (0, ..) => look::CLOSED,
            (_, 0, Some((_, state))) => look::of(state),
            (_, 0, None) => look::CLOSED, // A part of a day with no slot of the grid in it.
            (wanted, lacking, Some((_, state))) if lacking >= wanted => look::of(state),
            (wanted, lacking, None) if lacking >= wanted => look::GAP,
            _ => look::PARTLY,
        }
    };
    cells.iter().map(look).collect()
}

/// Disjoint, ascending ranges that are looked at from left to right.
struct Sweep<'a> {
    ranges: &'a [Range<i64>],
    at: usize,
}

impl<'a> Sweep<'a> {
    fn new(ranges: &'a [Range<i64>]) -> Self {
        Self { ranges, at: 0 }
    }

    /// Visits the ranges that overlap a cell: their places, and by how much they do. Cells ascend.
    fn overlaps(&mut self, cell: &Range<i64>, mut visit: impl FnMut(usize, u64)) {
        while self
            .ranges
            .get(self.at)
            .is_some_and(|range| range.end <= cell.start)
        {
            self.at += 1;
        }
        for (place, range) in self.ranges.iter().enumerate().skip(self.at) {
            if range.start >= cell.end {
                break;
            }
            let (start, end) = (range.start.max(cell.start), range.end.min(cell.end));
            if start < end {
                visit(place, end.abs_diff(start));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gapless_engine::CoverageState as S;

    use super::*;

    #[test]
    fn cells_cover_the_range_and_touch() {
        for (range, count) in [(0..10, 3), (-5..1_000, 7), (i64::MIN..i64::MAX, 80), (0..3, 10)] {
            let cells = edges(&range, count);
            assert_eq!(cells.len(), count);
            assert_eq!(cells.first().map(|cell| cell.start), Some(range.start));
            assert_eq!(cells.last().map(|cell| cell.end), Some(range.end));
            assert!(cells.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    #[test]
    fn a_sweep_finds_what_a_look_at_everything_finds() {
        let ranges: Vec<Range<i64>> = (0..40).map(|at| at * 7..at * 7 + 1 + at % 6).collect();
        let mut sweep = Sweep::new(&ranges);
        for cell in edges(&(3..290), 61) {
            let mut found = 0;
            sweep.overlaps(&cell, |_, length| found += length);
            let slow = cell
                .clone()
                .filter(|time| ranges.iter().any(|range| range.contains(time)))
                .count();
            assert_eq!(found, slow as u64, "{cell:?}");
        }
        assert_eq!(look::of(S::Complete).word, "complete");
    }
}
