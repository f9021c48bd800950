//! Where the window of each row begins and ends.

use std::ops::Range;

use gapless_engine::{Error, Result};

use super::options::Window;
use crate::aggregate::Span;

/// Rows of one series that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// All of them.
    pub(super) rows: Range<usize>,
    /// Those whose windows are wanted.
    pub(super) wanted: Range<usize>,
}

/// The windows of the wanted rows of stretches that follow each other. `times` are those of all rows; windows of so many rows do
/// without.
///
/// # Errors
/// `Invalid` for more rows than can be numbered.
pub(super) fn spans(window: Window, stretches: &[Stretch], times: &[i64]) -> Result<Vec<Span>> {
    let end = stretches.last().map_or(0, |last| last.rows.end);
    if u32::try_from(end).is_err() {
        return Err(Error::invalid(format!(
            "windows of {end} rows are too many to aggregate: ask for a shorter window"
        )));
    }
    let mut spans = Vec::with_capacity(stretches.iter().map(|stretch| stretch.wanted.len()).sum());
    for stretch in stretches {
        match window {
            Window::Rows(rows) => of_rows(rows, stretch, &mut spans),
            Window::Period(period) => of_period(period, stretch, times, &mut spans)?,
        }
    }
    Ok(spans)
}

/// The next span; its group is its number.
fn push(spans: &mut Vec<Span>, rows: Range<usize>) {
    // That the rows can be numbered was checked for all of them.
    let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    spans.push(Span {
        group: number(spans.len()),
        start: number(rows.start),
        end: number(rows.end),
    });
}

fn of_rows(rows: usize, stretch: &Stretch, spans: &mut Vec<Span>) {
    for row in stretch.wanted.clone() {
        let start = (row + 1).saturating_sub(rows).max(stretch.rows.start);
        push(spans, start..row + 1);
    }
}

fn of_period(period: i64, stretch: &Stretch, times: &[i64], spans: &mut Vec<Span>) -> Result<()> {
    let missing = || Error::internal("rows to be rolled over came without their times");
    let times = times.get(..stretch.rows.end).ok_or_else(missing)?;
    let (mut start, mut end) = (stretch.rows.start, stretch.wanted.start);
    for row in stretch.wanted.clone() {
        let time = *times.get(row).ok_or_else(missing)?;
        while times.get(end).is_some_and(|other| *other <= time) {
            end += 1;
        }
        // Before the first of all times there is nothing to leave out.
        if let Some(after) = time.checked_sub(period) {
            while times.get(start).is_some_and(|other| *other <= after) {
                start += 1;
            }
        }
        push(spans, start..end);
    }
    Ok(())
}

/// How many of the rows before a row are not in its window any more, nor in that of a later row.
pub(super) fn passed(window: Window, before: usize, times: &[i64], time: Option<i64>) -> usize {
    match (window, time) {
        (Window::Rows(rows), _) => (before + 1).saturating_sub(rows),
        (Window::Period(period), Some(time)) => match time.checked_sub(period) {
            Some(after) => times.partition_point(|other| *other <= after),
            None => 0,
        },
        (Window::Period(_), None) => 0,
    }
}
