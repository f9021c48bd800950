//! The rows of a part and the functions of them, batch by batch.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, NullArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use gapless_engine::{Error, Result};

use super::super::runs::{Run, runs};
use super::resolved::{Begun, Resolved};
use super::running::Chunk;
use crate::source::{Rows, RowsIter};

/// A column of the result.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// One of the input.
    Input(usize),
    /// A function.
    Function(usize),
}

/// What all parts share.
pub(super) struct Plan {
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<Column>,
    pub(super) functions: Vec<Resolved>,
}

/// A batch, of which some functions may wait for later ones.
struct Waiting {
    rows: Rows,
    runs: Vec<Run>,
    /// For each function, its column; of one that looks ahead, its argument.
    values: Vec<ArrayRef>,
}

pub(super) struct Reader {
    plan: Arc<Plan>,
    rows: Option<RowsIter>,
    begun: Vec<Begun>,
    /// How many later rows of a series must be known.
    rows_ahead: usize,
    waiting: VecDeque<Waiting>,
    /// The series of the last row.
    series: Option<u32>,
}

impl Reader {
    pub(super) fn new(plan: &Arc<Plan>, rows: RowsIter) -> Result<Self> {
        Ok(Self {
            begun: plan
                .functions
                .iter()
                .map(Resolved::begin)
                .collect::<Result<_>>()?,
            rows_ahead: plan.functions.iter().map(Resolved::rows_ahead).max().unwrap_or(0),
            plan: Arc::clone(plan),
            rows: Some(rows),
            waiting: VecDeque::new(),
            series: None,
        })
    }

    fn next_rows(&mut self) -> Result<Option<Rows>> {
        while !self.is_ready()
            && let Some(rows) = &mut self.rows
        {
            match rows.next().transpose()? {
                Some(rows) if rows.len() == 0 => {}
                Some(rows) => self.take(rows)?,
                None => self.rows = None,
            }
        }
        match self.waiting.pop_front() {
            Some(first) => self.finish(first).map(Some),
            None => Ok(None),
        }
    }

    fn take(&mut self, rows: Rows) -> Result<()> {
        let runs = runs(self.series, &rows.runs);
        let chunk = Chunk::new(&rows, &runs)?;
        let mut values = Vec::with_capacity(self.begun.len());
        for (begun, function) in self.begun.iter_mut().zip(&self.plan.functions) {
            let argument = match &function.argument {
                Some(argument) => argument.evaluate(&rows.batch)?,
                None => Arc::new(NullArray::new(rows.len())),
            };
            values.push(match begun {
                Begun::Running(running) => running.take(&argument, &chunk)?,
                Begun::Ahead(_) => argument,
            });
        }
        self.series = rows.runs.last().map(|run| run.series);
        self.waiting.push_back(Waiting { rows, runs, values });
        Ok(())
    }

    /// Whether all is known of the first batch that waits.
    fn is_ready(&self) -> bool {
        let mut later = self.waiting.iter();
        if later.next().is_none() {
            return false;
        }
        let mut left = self.rows_ahead;
        for next in later {
            match next.runs.as_slice() {
                [first] if first.goes_on && first.rows.len() < left => left -= first.rows.len(),
                // The series has ended, or there are rows enough.
                _ => return true,
            }
        }
        left == 0
    }

    /// What later batches have of the last series of the first one.
    fn ahead(&self, function: usize) -> Vec<ArrayRef> {
        let (mut ahead, mut rows) = (Vec::new(), 0);
        for next in &self.waiting {
            let Some(first) = next.runs.first().filter(|first| first.goes_on) else {
                break;
            };
            let values = next.values.get(function);
            ahead.extend(values.map(|values| values.slice(first.rows.start, first.rows.len())));
            rows += first.rows.len();
            if rows >= self.rows_ahead || next.runs.len() > 1 {
                break;
            }
        }
        ahead
    }

    fn finish(&self, waiting: Waiting) -> Result<Rows> {
        let Waiting { rows, runs, values } = waiting;
        let chunk = Chunk::new(&rows, &runs)?;
        let mut computed = Vec::with_capacity(values.len());
        for (at, (values, begun)) in values.into_iter().zip(&self.begun).enumerate() {
            computed.push(match begun {
                Begun::Running(_) => values,
                Begun::Ahead(next) => next.column(&values, &self.ahead(at), &chunk)?,
            });
        }
        let column = |column: &Column| {
            let array = match column {
                Column::Input(at) => rows.batch.columns().get(*at),
                Column::Function(at) => computed.get(*at),
            };
            array
                .cloned()
                .ok_or_else(|| Error::internal("a column was not computed"))
        };
        let columns = self.plan.columns.iter().map(column).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), columns, &options)
            .map_err(|error| Error::internal(format!("functions make no batch: {error}")))?;
        Ok(rows.with_batch(batch))
    }
}

impl Iterator for Reader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_rows().transpose();
        if matches!(next, Some(Err(_))) {
            self.rows = None;
            self.waiting.clear();
        }
        next
    }
}
