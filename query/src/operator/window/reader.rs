//! The left rows of a part, batch by batch, and what aggregates say of the windows around them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use gapless_engine::{Error, Result};

use super::options::WindowJoin;
use super::rights::Rights;
use super::tasks::{self, Task};
use crate::operator::aggregate::Resolved;
use crate::source::{Rows, SeriesRun};

/// Right rows of tasks that wait to be run.
const WAITING_ROWS: usize = 1 << 20;

/// Adds the aggregates of windows to left rows.
pub(super) struct Reader {
    pub(super) rights: Rights,
    pub(super) window: Arc<WindowJoin>,
    pub(super) resolved: Arc<Resolved>,
    pub(super) schema: SchemaRef,
}

impl Reader {
    /// The left rows, and what is said of their windows.
    pub(super) fn join(&mut self, rows: Rows) -> Result<Rows> {
        let mut work = Work::default();
        for run in &rows.runs {
            self.take(run, &rows.times, &mut work)?;
        }
        let results = self.finish(work, rows.len(), &rows.times)?;
        let mut columns: Vec<ArrayRef> = rows.batch.columns().to_vec();
        columns.extend(results);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal(format!("a window join makes no batch: {error}")))?;
        Ok(rows.with_batch(batch))
    }

    /// Takes left rows of a series: those whose windows are in the same right rows at a time.
    fn take(&mut self, run: &SeriesRun, times: &[i64], work: &mut Work) -> Result<()> {
        self.rights.go_to(run.series)?;
        let mut at = run.rows.start;
        while at < run.rows.end {
            let lefts = times.get(at..run.rows.end).unwrap_or_default();
            let Some((count, rights)) = self.rights.next(lefts, &self.window)? else {
                break;
            };
            work.waiting += rights.times.len();
            work.tasks.push(Task {
                lefts: at..at + count,
                rights,
            });
            at += count;
            if work.waiting > WAITING_ROWS {
                self.run(work, at, times)?;
            }
        }
        Ok(())
    }

    /// Runs what is waiting: left rows before a place.
    fn run(&self, work: &mut Work, end: usize, times: &[i64]) -> Result<()> {
        let lefts: Range<usize> = work.done..end;
        let tasks = std::mem::take(&mut work.tasks);
        work.results
            .extend(tasks::run(&tasks, lefts, times, &self.window, &self.resolved)?);
        (work.done, work.waiting) = (end, 0);
        Ok(())
    }

    fn finish(&self, mut work: Work, rows: usize, times: &[i64]) -> Result<Vec<ArrayRef>> {
        if work.done < rows || work.results.is_empty() {
            self.run(&mut work, rows, times)?;
        }
        tasks::joined(work.results)
    }
}

/// What is done of a batch, and what is to do.
#[derive(Default)]
struct Work {
    /// Left rows whose results are there.
    done: usize,
    results: Vec<Vec<ArrayRef>>,
    tasks: Vec<Task>,
    /// The right rows of these.
    waiting: usize,
}
