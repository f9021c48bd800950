//! Which gaps are filled together, in which pieces and in which order. Pure.

use std::ops::Range;

use crate::coverage::intervals::Grid;
use crate::coverage::{Gap, duration_text};
use crate::error::{Error, Result};

/// In which order gaps are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BackfillOrder {
    /// The oldest first.
    #[default]
    OldestFirst,
    /// The newest first: what a strategy needs most comes first.
    NewestFirst,
}

/// How gaps become units of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PlanOptions {
    /// Gaps of a series that are at most so many nanoseconds apart are asked for at once.
    pub(crate) merge_within: i64,
    /// The longest range that the source gives at once, in nanoseconds; `None` for any.
    pub(crate) window_max: Option<i64>,
    pub(crate) order: BackfillOrder,
}

/// One request: a range, and the gaps in it. What lies between them is here already and is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// From the first gap to the last.
    pub(crate) gap: Gap,
    pub(crate) parts: Vec<Range<i64>>,
}

/// More windows than gaps are no plan but a mistake: the beginning of a range in the wrong unit, or a window that is too short.
const WINDOWS_MAX: i64 = 1 << 20;

/// Refuses a plan that would cut gaps into more windows than anybody asks for.
pub(crate) fn check_size(gaps: &[Gap], options: &PlanOptions) -> Result<()> {
    let Some(window) = options.window_max else {
        return Ok(());
    };
    let windows = |gap: &Gap| gap.end.saturating_sub(gap.start) / window.max(gap.interval).max(1);
    let all = gaps.iter().map(windows).fold(0, i64::saturating_add);
    if all <= WINDOWS_MAX {
        return Ok(());
    }
    let largest = gaps.iter().max_by_key(|gap| windows(gap));
    Err(Error::invalid(format!(
        "about {all} requests, of {} each, would be planned, most of them for the gap of {}: give a longer window, or a range that \
         begins later",
        duration_text(window),
        largest.map(ToString::to_string).unwrap_or_default()
    )))
}

/// The units of gaps that are sorted by series and time.
pub(crate) fn plan(gaps: Vec<Gap>, options: &PlanOptions) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for gap in gaps {
        match units.last_mut() {
            Some(unit) if is_near(&unit.gap, &gap, options.merge_within) => {
                unit.gap.end = gap.end;
                unit.parts.push(gap.range());
            }
            _ => units.push(Unit {
                parts: vec![gap.range()],
                gap,
            }),
        }
    }
    let mut units: Vec<Unit> = match options.window_max {
        None => units,
        Some(window) => units.into_iter().flat_map(|unit| split(unit, window)).collect(),
    };
    match options.order {
        BackfillOrder::OldestFirst => units.sort_by_key(|unit| unit.gap.start),
        BackfillOrder::NewestFirst => units.sort_by_key(|unit| std::cmp::Reverse(unit.gap.start)),
    }
    units
}

fn is_near(before: &Gap, next: &Gap, within: i64) -> bool {
    let is_same = before.series == next.series && before.interval == next.interval;
    is_same && before.end <= next.start && next.start.saturating_sub(before.end) <= within
}

/// Pieces of at most a window, each with the gaps in it.
fn split(unit: Unit, window: i64) -> Vec<Unit> {
    // Whole slots, and at least one.
    let window = match Grid::new(unit.gap.interval) {
        Ok(grid) => grid.floor(window).max(grid.step()),
        Err(_) => window.max(1),
    };
    let mut pieces: Vec<Unit> = Vec::new();
    for part in unit.parts {
        let mut start = part.start;
        while start < part.end {
            // A piece begins with a gap, so nothing is asked for that is here already if that can be helped.
            let limit = pieces
                .last()
                .map(|piece: &Unit| piece.gap.start.saturating_add(window))
                .filter(|limit| *limit > start);
            let end = part
                .end
                .min(limit.unwrap_or_else(|| start.saturating_add(window)));
            match (pieces.last_mut(), limit) {
                (Some(piece), Some(_)) => {
                    piece.gap.end = end;
                    piece.parts.push(start..end);
                }
                _ => pieces.push(Unit {
                    gap: Gap {
                        start,
                        end,
                        ..unit.gap.clone()
                    },
                    parts: std::iter::once(start..end).collect(),
                }),
            }
            start = end;
        }
    }
    pieces
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "a list of one range is what is meant"
)]
mod tests {
    use super::*;

    fn gap(series: &str, start: i64, end: i64) -> Gap {
        Gap {
            series: Some(series.to_owned()),
            start,
            end,
            interval: 10,
        }
    }

    fn ranges(units: &[Unit]) -> Vec<(Range<i64>, Vec<Range<i64>>)> {
        units
            .iter()
            .map(|unit| (unit.gap.range(), unit.parts.clone()))
            .collect()
    }

    #[test]
    fn near_gaps_of_a_series_are_asked_for_at_once() {
        let gaps = vec![
            gap("a", 0, 10),
            gap("a", 30, 40),
            gap("a", 100, 110),
            gap("b", 110, 120),
        ];
        let options = PlanOptions {
            merge_within: 20,
            ..PlanOptions::default()
        };
        let units = plan(gaps, &options);
        assert_eq!(
            ranges(&units),
            [
                (0..40, vec![0..10, 30..40]),
                (100..110, vec![100..110]),
                (110..120, vec![110..120])
            ]
        );
    }

    #[test]
    fn a_piece_is_at_most_a_window_and_begins_with_a_gap() {
        let options = PlanOptions {
            merge_within: 1000,
            window_max: Some(35),
            ..PlanOptions::default()
        };
        let units = plan(vec![gap("a", 0, 50), gap("a", 90, 100)], &options);
        assert_eq!(
            ranges(&units),
            [
                (0..30, vec![0..30]),
                (30..50, vec![30..50]),
                (90..100, vec![90..100])
            ]
        );
        let units = plan(vec![gap("a", 0, 10), gap("a", 20, 60)], &options);
        assert_eq!(
            ranges(&units),
            [(0..30, vec![0..10, 20..30]), (30..60, vec![30..60])]
        );
    }

    #[test]
    fn the_newest_come_first_when_asked() {
        let options = PlanOptions {
            order: BackfillOrder::NewestFirst,
            window_max: Some(10),
            ..PlanOptions::default()
        };
        let units = plan(vec![gap("a", 0, 20), gap("b", 5, 15)], &options);
        let starts: Vec<i64> = units.iter().map(|unit| unit.gap.start).collect();
        assert_eq!(starts, [10, 5, 0]);
    }

    #[test]
    fn every_slot_of_every_gap_is_in_one_unit() {
        let gaps: Vec<Gap> = (0..50)
            .map(|at| gap("a", at * 100, at * 100 + 10 + at % 7 * 10))
            .collect();
        for merge_within in [0, 40, 100, 10_000] {
            for window_max in [None, Some(1), Some(10), Some(70), Some(330)] {
                let options = PlanOptions {
                    merge_within,
                    window_max,
                    order: BackfillOrder::OldestFirst,
                };
                let units = plan(gaps.clone(), &options);
                let slots = |ranges: &mut dyn Iterator<Item = Range<i64>>| -> Vec<i64> {
                    ranges.flat_map(|range| range.step_by(10)).collect()
                };
                let wanted = slots(&mut gaps.iter().map(Gap::range));
                let planned = slots(&mut units.iter().flat_map(|unit| unit.parts.clone()));
                assert_eq!(planned, wanted);
                for unit in &units {
                    let longest = window_max.map_or(i64::MAX, |window| window.max(10));
                    assert!(unit.gap.end - unit.gap.start <= longest);
                }
            }
        }
    }

    #[test]
    fn a_plan_of_millions_of_requests_is_refused_in_words() {
        let options = PlanOptions {
            window_max: Some(60),
            ..PlanOptions::default()
        };
        let gaps = [gap("a", 0, 600), gap("b", 0, 60 * (WINDOWS_MAX - 10))];
        check_size(&gaps, &options).expect("as many as can be");
        let gaps = [gap("a", 0, 600), gap("b", 0, i64::MAX)];
        let error = check_size(&gaps, &options).expect_err("too many");
        assert!(
            error.message().contains("\"b\"") && error.message().contains("longer window"),
            "{error}"
        );
        check_size(&gaps, &PlanOptions::default()).expect("two requests");
    }
}
