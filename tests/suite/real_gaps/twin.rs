//! Holes by the times alone: wherever a step is wider than the interval.

use std::collections::BTreeMap;
use std::ops::Range;

use gapless::{Gap, GapQuery, Table};

use crate::common::HOUR;

/// By series; no series is "".
pub type Holes = BTreeMap<String, Vec<Range<i64>>>;

/// What ascending times leave out of a span of whole slots. A time between two slots counts for the earlier one.
pub fn holes(times: &[i64], span: &Range<i64>, interval: i64) -> Vec<Range<i64>> {
    let mut holes = Vec::new();
    let mut next = span.start;
    for time in times {
        let slot = time.div_euclid(interval) * interval;
        if slot > next {
            holes.push(next..slot);
        }
        next = slot + interval;
    }
    if next < span.end {
        holes.push(next..span.end);
    }
    holes
}

/// The whole slots from the first to the last of all times.
pub fn span(times: &BTreeMap<String, Vec<i64>>, interval: i64) -> Range<i64> {
    let slot = |time: &i64| time.div_euclid(interval) * interval;
    let first = times.values().filter_map(|times| times.first()).map(slot).min();
    let last = times.values().filter_map(|times| times.last()).map(slot).max();
    first.expect("a row")..last.expect("a row") + interval
}

/// The gaps of a table, by series. Series without any are left out.
pub fn gaps(table: &Table, span: &Range<i64>, interval: i64) -> Holes {
    let query = GapQuery::new(span.start, span.end).interval(interval);
    by_series(table.gaps(&query).expect("gaps"))
}

pub fn by_series(gaps: Vec<Gap>) -> Holes {
    let mut holes = Holes::new();
    for gap in gaps {
        let range = gap.range();
        holes
            .entry(gap.series.unwrap_or_default())
            .or_default()
            .push(range);
    }
    holes
}

/// The same without series that have none.
pub fn without_none(mut holes: Holes) -> Holes {
    holes.retain(|_, holes| !holes.is_empty());
    holes
}

/// Says where two lists differ, in a line.
pub fn assert_same(what: &str, found: &Holes, expected: &Holes) {
    for name in found.keys().chain(expected.keys()) {
        let of = |holes: &Holes| holes.get(name).cloned().unwrap_or_default();
        let (found, expected) = (of(found), of(expected));
        let differs = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at));
        if let Some(at) = differs {
            panic!(
                "{what}, series {name:?}: {} gaps and not {}; number {at} is {:?} and not {:?}",
                found.len(),
                expected.len(),
                found.get(at),
                expected.get(at)
            );
        }
    }
}

/// What a README counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub gaps: usize,
    /// Slots.
    pub missing: i64,
    /// Gaps whose rows before and after are more than an hour apart.
    pub over_an_hour: usize,
    /// Slots of the longest gap.
    pub longest: i64,
}

pub fn figures(holes: &[Range<i64>], interval: i64) -> Figures {
    let slots = |hole: &Range<i64>| (hole.end - hole.start) / interval;
    Figures {
        gaps: holes.len(),
        missing: holes.iter().map(slots).sum(),
        over_an_hour: holes
            .iter()
            .filter(|hole| hole.end - hole.start + interval > HOUR)
            .count(),
        longest: holes.iter().map(slots).max().unwrap_or_default(),
    }
}
