//! Windows of left rows that follow each other, and the right rows that they are in.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use gapless_engine::Result;
use rayon::prelude::*;

use super::options::WindowJoin;
use super::rights::Piece;
use crate::error::arrow_error;
use crate::operator::aggregate::{Resolved, State};

/// Rows for which it pays to wake another thread.
const SPLIT_ROWS: usize = 32_768;

/// Windows that are found at a time: they stay in the cache until their rows were put together.
const SPANS: usize = 4096;

/// Left rows of one series, and right rows that have all of their windows.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) lefts: Range<usize>,
    pub(super) rights: Piece,
}

impl Task {
    fn weight(&self) -> usize {
        self.lefts.len() + self.rights.times.len()
    }

    /// Some of its left rows, with no more right rows than they need; `None` where none of them is its own.
    fn cut(&self, rows: &Range<usize>, window: &WindowJoin, times: &[i64]) -> Option<Self> {
        let lefts = self.lefts.start.max(rows.start)..self.lefts.end.min(rows.end);
        if lefts == self.lefts {
            return Some(self.clone());
        }
        let own = times.get(lefts.clone())?;
        let rights = window.range(*own.first()?, *own.last()?, &self.rights.times);
        Some(Self {
            lefts,
            rights: self.rights.slice(&rights),
        })
    }
}

/// The rows of some tasks.
fn weight(tasks: &[Task]) -> usize {
    tasks.iter().map(Task::weight).sum()
}

/// The aggregates of left rows, whose times are given: on several threads where the rows are many. Rows without a task have empty
/// windows.
pub(super) fn run(
    tasks: &[Task],
    lefts: Range<usize>,
    times: &[i64],
    window: &WindowJoin,
    resolved: &Arc<Resolved>,
) -> Result<Vec<Vec<ArrayRef>>> {
    // Other threads than rayon's may be waited for by all of these.
    let threads = rayon::current_thread_index().map_or(1, |_| rayon::current_num_threads());
    let shares = (weight(tasks) / SPLIT_ROWS).min(threads);
    if shares < 2 {
        return Ok(vec![share(tasks, lefts, times, window, resolved)?]);
    }
    let cut = |rows: Range<usize>| {
        let own: Vec<Task> = tasks
            .iter()
            .filter_map(|task| task.cut(&rows, window, times))
            .collect();
        share(&own, rows, times, window, resolved)
    };
    shares_of(tasks, lefts, shares).into_par_iter().map(cut).collect()
}

/// Left rows in shares of about equal weight.
fn shares_of(tasks: &[Task], lefts: Range<usize>, shares: usize) -> Vec<Range<usize>> {
    let each = weight(tasks).div_ceil(shares).max(1);
    let (mut weight, mut start) = (0, lefts.start);
    let mut ranges = Vec::with_capacity(shares);
    for task in tasks {
        let of_task = task.weight();
        let mut wanted = (ranges.len() + 1) * each;
        while weight + of_task > wanted && ranges.len() + 1 < shares {
            let row = task.lefts.start + (wanted - weight) * task.lefts.len() / of_task.max(1);
            if row > start {
                ranges.push(start..row);
                start = row;
            } else {
                break;
            }
            wanted = (ranges.len() + 1) * each;
        }
        weight += of_task;
    }
    ranges.push(start..lefts.end);
    ranges
}

fn share(
    tasks: &[Task],
    lefts: Range<usize>,
    times: &[i64],
    window: &WindowJoin,
    resolved: &Arc<Resolved>,
) -> Result<Vec<ArrayRef>> {
    let mut state = State::new(resolved)?;
    state.grow(lefts.len());
    for task in tasks {
        let mut start = task.lefts.start;
        while let Some(first) = times.get(start).filter(|_| start < task.lefts.end) {
            // No fewer than a window has rows: each block goes over all rows of its windows.
            let rows = window.range(*first, *first, &task.rights.times).len();
            let block = start..start + SPANS.max(rows);
            start = block.end;
            let Some(few) = task.cut(&block, window, times) else {
                break;
            };
            let own = times.get(few.lefts.clone()).unwrap_or_default();
            let spans = window.spans(own, &few.rights.times, few.lefts.start - lefts.start);
            state.slide(&few.rights.values, &spans)?;
        }
    }
    state.emit(lefts.len())
}

/// Columns whose parts follow each other.
pub(super) fn joined(parts: Vec<Vec<ArrayRef>>) -> Result<Vec<ArrayRef>> {
    let mut parts = parts;
    if parts.len() < 2 {
        return Ok(parts.pop().unwrap_or_default());
    }
    let columns = parts.first().map_or(0, Vec::len);
    let column = |place: usize| {
        let arrays: Vec<&dyn Array> = parts
            .iter()
            .filter_map(|part| part.get(place))
            .map(|array| array.as_ref())
            .collect();
        concat(&arrays).map_err(|error| arrow_error("window join", &error))
    };
    (0..columns).map(column).collect()
}
