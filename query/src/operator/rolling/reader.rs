//! The rows of a part, and what windows need of earlier and later ones.
//!
//! Windows are computed for as many rows at once as the first window goes back: that window is added up from its beginning, the
//! others follow from it. So each row is copied and added up about twice, however long windows are.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use arrow_select::nullif::nullif;
use gapless_engine::{Error, Result};

use super::super::aggregate::{Resolved, State};
use super::super::runs::{Run, runs};
use super::options::Window;
use super::spans::{Stretch, passed, spans};
use crate::aggregate::Span;
use crate::error::arrow_error;
use crate::source::{Rows, RowsIter};

/// What all parts share.
pub(super) struct Plan {
    pub(super) schema: SchemaRef,
    /// The columns of the input that are given.
    pub(super) inputs: Vec<usize>,
    pub(super) resolved: Arc<Resolved>,
    pub(super) window: Window,
    pub(super) min_rows: usize,
}

/// A batch whose windows are not computed.
struct Waiting {
    rows: Rows,
    runs: Vec<Run>,
    values: Vec<ArrayRef>,
}

/// Rows that windows reach back to, before the first that waits.
#[derive(Default)]
struct Before {
    rows: usize,
    values: Vec<ArrayRef>,
    times: Vec<i64>,
}

pub(super) struct Reader {
    plan: Arc<Plan>,
    rows: Option<RowsIter>,
    state: State,
    before: Before,
    waiting: VecDeque<Waiting>,
    /// How many of the first batches that wait have windows that end in what is known, and their rows.
    complete: usize,
    complete_rows: usize,
    done: VecDeque<Rows>,
    /// The series of the last row.
    series: Option<u32>,
}

impl Reader {
    pub(super) fn new(plan: &Arc<Plan>, rows: RowsIter) -> Result<Self> {
        Ok(Self {
            state: State::new(&plan.resolved)?,
            plan: Arc::clone(plan),
            rows: Some(rows),
            before: Before::default(),
            waiting: VecDeque::new(),
            complete: 0,
            complete_rows: 0,
            done: VecDeque::new(),
            series: None,
        })
    }

    fn next_rows(&mut self) -> Result<Option<Rows>> {
        loop {
            if let Some(rows) = self.done.pop_front() {
                return Ok(Some(rows));
            }
            match &mut self.rows {
                Some(rows) => match rows.next().transpose()? {
                    Some(rows) if rows.len() == 0 => {}
                    Some(rows) => self.take(rows)?,
                    None => {
                        self.rows = None;
                        self.complete_to(self.waiting.len());
                    }
                },
                None if self.waiting.is_empty() => return Ok(None),
                None => self.roll()?,
            }
            if self.complete_rows > 0 && self.complete_rows >= self.before.rows {
                self.roll()?;
            }
        }
    }

    fn take(&mut self, rows: Rows) -> Result<()> {
        let runs = runs(self.series, &rows.runs);
        let Some(first) = runs.first() else {
            return Err(Error::internal("rows came without their series"));
        };
        if self.waiting.is_empty() {
            self.reach_back(first.goes_on, rows.times.first().copied());
        }
        let is_known = match self.plan.window {
            Window::Rows(_) => self.waiting.len() + 1,
            // Rows at the time of the last one are in its window.
            Window::Period(_) if first.goes_on && runs.len() == 1 && self.is_last_time(&rows) => {
                self.complete
            }
            Window::Period(_) => self.waiting.len(),
        };
        self.series = rows.runs.last().map(|run| run.series);
        let values = self.plan.resolved.evaluate(&rows.batch)?;
        self.waiting.push_back(Waiting { rows, runs, values });
        self.complete_to(is_known);
        Ok(())
    }

    /// Whether all of some rows are at the time of the last row that waits.
    fn is_last_time(&self, rows: &Rows) -> bool {
        let last = self.waiting.back().and_then(|waiting| waiting.rows.times.last());
        last == rows.times.last()
    }

    fn complete_to(&mut self, complete: usize) {
        let more = self.waiting.range(self.complete.min(complete)..complete);
        self.complete_rows += more.map(|waiting| waiting.rows.len()).sum::<usize>();
        self.complete = complete;
    }

    /// Keeps of the rows before the first one that waits only what windows from there on have.
    fn reach_back(&mut self, goes_on: bool, time: Option<i64>) {
        let before = &mut self.before;
        let passed = match goes_on {
            true => passed(self.plan.window, before.rows, &before.times, time),
            false => before.rows,
        };
        before.rows -= passed;
        for values in &mut before.values {
            *values = values.slice(passed, before.rows);
        }
        before.times.drain(..passed.min(before.times.len()));
    }

    /// Computes the windows of all batches that are complete.
    fn roll(&mut self) -> Result<()> {
        let (stretches, later) = self.stretches();
        let times = self.times(&later);
        let values = self.values(&later)?;
        let spans = spans(self.plan.window, &stretches, &times)?;
        self.state.slide(&values, &spans)?;
        let mut results = self.state.emit(spans.len())?;
        if self.plan.min_rows > 1 {
            results = without_short(&results, &spans, self.plan.min_rows)?;
        }
        // Only the rows of the last series matter from here on.
        let end = self.before.rows + spans.len();
        let start = stretches.last().map_or(end, |last| last.rows.start);
        self.before = Before {
            rows: end - start,
            values: values
                .iter()
                .map(|values| values.slice(start, end - start))
                .collect(),
            times: times.get(start..end).unwrap_or_default().to_vec(),
        };
        self.give(&results)?;
        let next = self.waiting.front();
        let goes_on = next
            .and_then(|next| next.runs.first())
            .is_none_or(|first| first.goes_on);
        let time = next.map_or(times.get(end.saturating_sub(1)), |next| next.rows.times.first());
        self.reach_back(goes_on, time.copied());
        Ok(())
    }

    /// The stretches of the rows before, of the complete batches, and how many rows of each of the later ones are at the time of the
    /// last complete row.
    fn stretches(&self) -> (Vec<Stretch>, Vec<usize>) {
        let mut at = self.before.rows;
        let mut stretches: Vec<Stretch> = Vec::new();
        for waiting in self.waiting.iter().take(self.complete) {
            for run in &waiting.runs {
                let end = at + run.rows.len();
                match stretches.last_mut() {
                    Some(last) if run.goes_on => (last.rows.end, last.wanted.end) = (end, end),
                    _ => stretches.push(Stretch {
                        rows: if run.goes_on { 0 } else { at }..end,
                        wanted: at..end,
                    }),
                }
                at = end;
            }
        }
        let later = match self.plan.window {
            Window::Rows(_) => Vec::new(),
            Window::Period(_) => self.at_last_time(),
        };
        if let Some(last) = stretches.last_mut() {
            last.rows.end += later.iter().sum::<usize>();
        }
        (stretches, later)
    }

    fn at_last_time(&self) -> Vec<usize> {
        let last = self
            .complete
            .checked_sub(1)
            .and_then(|last| self.waiting.get(last));
        let last = last.and_then(|last| last.rows.times.last());
        let mut later = Vec::new();
        for waiting in self.waiting.iter().skip(self.complete) {
            let first = waiting.runs.first().filter(|first| first.goes_on);
            let times = first.and_then(|first| waiting.rows.times.get(first.rows.clone()));
            let times = times.unwrap_or_default();
            let rows = times.partition_point(|time| Some(time) <= last);
            later.push(rows);
            if rows < waiting.rows.len() {
                break;
            }
        }
        later
    }

    fn times(&self, later: &[usize]) -> Vec<i64> {
        if matches!(self.plan.window, Window::Rows(_)) {
            return Vec::new();
        }
        let mut times = self.before.times.clone();
        for waiting in self.waiting.iter().take(self.complete) {
            times.extend_from_slice(&waiting.rows.times);
        }
        for (waiting, rows) in self.waiting.iter().skip(self.complete).zip(later) {
            times.extend_from_slice(waiting.rows.times.get(..*rows).unwrap_or_default());
        }
        times
    }

    /// The arguments of all rows that windows have.
    fn values(&self, later: &[usize]) -> Result<Vec<ArrayRef>> {
        let count = self.waiting.front().map_or(0, |waiting| waiting.values.len());
        let mut arguments = Vec::with_capacity(count);
        for argument in 0..count {
            let before = self
                .before
                .values
                .get(argument)
                .filter(|before| !before.is_empty());
            let mut arrays: Vec<ArrayRef> = before.cloned().into_iter().collect();
            let of = |waiting: &Waiting| waiting.values.get(argument).cloned();
            arrays.extend(self.waiting.iter().take(self.complete).filter_map(of));
            let after = self.waiting.iter().skip(self.complete).zip(later);
            let after = after.filter_map(|(waiting, rows)| Some(of(waiting)?.slice(0, *rows)));
            arrays.extend(after.filter(|array| !array.is_empty()));
            arguments.push(match arrays.as_slice() {
                [one] => Arc::clone(one),
                arrays => {
                    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
                    concat(&arrays).map_err(|error| arrow_error("the rows of windows", &error))?
                }
            });
        }
        Ok(arguments)
    }

    /// Gives the complete batches their results.
    fn give(&mut self, results: &[ArrayRef]) -> Result<()> {
        let mut at = 0;
        for waiting in self.waiting.drain(..self.complete) {
            let rows = waiting.rows;
            let inputs = self.plan.inputs.iter();
            let mut columns: Vec<ArrayRef> = inputs
                .filter_map(|place| rows.batch.columns().get(*place).cloned())
                .collect();
            columns.extend(results.iter().map(|result| result.slice(at, rows.len())));
            at += rows.len();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), columns, &options)
                .map_err(|error| Error::internal(format!("windows make no batch: {error}")))?;
            self.done.push_back(rows.with_batch(batch));
        }
        (self.complete, self.complete_rows) = (0, 0);
        Ok(())
    }
}

/// Null where a window has fewer rows.
fn without_short(results: &[ArrayRef], spans: &[Span], min_rows: usize) -> Result<Vec<ArrayRef>> {
    let is_short = BooleanBuffer::collect_bool(spans.len(), |at| {
        spans
            .get(at)
            .is_some_and(|span| ((span.end - span.start) as usize) < min_rows)
    });
    let is_short = BooleanArray::new(is_short, None);
    let null = |result: &ArrayRef| {
        nullif(result, &is_short).map_err(|error| arrow_error("windows of few rows", &error))
    };
    results.iter().map(null).collect()
}

impl Iterator for Reader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_rows().transpose();
        if matches!(next, Some(Err(_))) {
            self.rows = None;
            self.waiting.clear();
            self.done.clear();
            (self.complete, self.complete_rows) = (0, 0);
        }
        next
    }
}
