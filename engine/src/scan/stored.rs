//! [`StoredScan`]: rows in their stored order, for operators that are written for it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use gapless_format::{ColumnSpec, NULL_CODE};

use super::builder::{Order, Scan};
use super::fold::{Chunks, Task, tasks};
use super::merge::Chunk;
use super::output::{read_passed, series_domain};
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::symbols::Domain;

/// A scan as parts that can be read side by side. The parts come by time and then in the order of commits; in each, rows
/// come in runs of one series, by time inside a run. A series can have several runs, also of times that overlap: of rows
/// equal in series and time the later run, or the later row, was committed later.
#[derive(Debug)]
pub struct StoredScan {
    plan: Plan,
    parts: Vec<Task>,
    time: ColumnSpec,
    series: Option<ColumnSpec>,
    domain: Option<Arc<Domain>>,
}

/// Some rows of a part.
#[derive(Debug, Clone)]
pub struct StoredRows {
    /// The columns asked for.
    pub batch: RecordBatch,
    /// Times: nanoseconds since the epoch; empty where they were not asked for.
    pub times: ScalarBuffer<i64>,
    /// The codes of series, [`StoredScan::NO_SERIES`] for rows without one; empty where the table has no series, or they were
    /// not asked for.
    pub codes: ScalarBuffer<u32>,
}

/// What is read beside the columns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside {
    /// The times of rows.
    pub times: bool,
    /// The codes of their series.
    pub codes: bool,
}

/// The rows of a part, batch by batch, without those that the condition leaves out.
#[derive(Debug)]
pub struct StoredReader {
    scan: Arc<StoredScan>,
    chunks: Option<Chunks>,
    beside: Beside,
    /// What is left of a chunk that was too large.
    rest: Option<Chunk>,
}

impl StoredScan {
    /// The code of rows without a series.
    pub const NO_SERIES: u32 = NULL_CODE;

    /// Resolves a scan. Its order and limit do not count.
    ///
    /// # Errors
    /// As [`Scan::stream`].
    pub fn new(scan: Scan) -> Result<Self> {
        let meta = scan.meta();
        let time = meta.column(meta.time_column).cloned();
        let series = meta.series_column.and_then(|id| meta.column(id)).cloned();
        let domain = series_domain(&scan)?;
        let scan = Scan {
            order: Order::Stored,
            limit: None,
            ..scan
        };
        let plan = Plan::new(scan)?;
        Ok(Self {
            parts: tasks(&plan)?,
            plan,
            time: time.ok_or_else(|| Error::internal("a table has no time column"))?,
            series,
            domain,
        })
    }

    /// For who looks for nothing but the least and the greatest values of its columns, if that is `asked`: pages of which all rows count are
    /// given as two rows, as far as their statistics tell. No other rows are given more than once, and nulls and NaN as such.
    #[must_use]
    pub fn of_extremes(mut self, asked: bool) -> Self {
        self.plan.of_extremes = asked && !self.plan.output.has_condition();
        self
    }

    /// The columns of its rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan.output.schema())
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Reads the rows of a part.
    ///
    /// # Errors
    /// `Corrupt` for a damaged segment; `Io`.
    pub fn read(self: &Arc<Self>, part: usize, beside: Beside) -> Result<StoredReader> {
        let task = self.parts.get(part);
        let task = task.ok_or_else(|| Error::internal("a scan has no such part"))?;
        let chunks = Chunks::new(&self.plan, task)?;
        chunks.will_need(&self.plan)?;
        Ok(StoredReader {
            scan: Arc::clone(self),
            chunks: Some(chunks),
            beside,
            rest: None,
        })
    }

    /// The extremes of a page instead of its rows, where that is enough.
    fn reduced(&self, chunk: Chunk, beside: Beside) -> Chunk {
        match self.plan.of_extremes && !beside.times && !beside.codes {
            true => self.plan.output.reduced(chunk),
            false => chunk,
        }
    }

    fn rows(&self, chunk: &Chunk, beside: Beside) -> Result<StoredRows> {
        let (cache, output) = (self.plan.cache(), &self.plan.output);
        let chunks = std::slice::from_ref(chunk);
        let passing = output.passing(cache, chunks)?;
        let read = |spec: &ColumnSpec| read_passed(cache, spec, chunks, passing.as_ref());
        let mut times = ScalarBuffer::default();
        if beside.times {
            times = read(&self.time)?
                .as_primitive::<TimestampNanosecondType>()
                .values()
                .clone();
        }
        let mut codes = ScalarBuffer::default();
        if let Some(series) = self.series.as_ref().filter(|_| beside.codes) {
            let array = read(series)?;
            let array = array.as_primitive::<UInt32Type>();
            codes = match array.null_count() {
                0 => array.values().clone(),
                _ => array.iter().map(|code| code.unwrap_or(NULL_CODE)).collect(),
            };
        }
        Ok(StoredRows {
            batch: output.passed(cache, chunks, passing.as_ref())?,
            times,
            codes,
        })
    }

    /// The codes of all series that its rows may have, in the order of their names, [`Self::NO_SERIES`] last; none in a table
    /// without series.
    ///
    /// # Errors
    /// `Corrupt` for a damaged segment; `Io`.
    pub fn codes_by_name(&self) -> Result<Vec<u32>> {
        Ok(self.plan.ordered_series()?.into_iter().flatten().collect())
    }

    /// The names of series by their codes, of which none is [`Self::NO_SERIES`].
    ///
    /// # Errors
    /// `Corrupt` when the domain does not have one of them.
    pub fn names(&self, codes: &[u32]) -> Result<StringArray> {
        match &self.domain {
            Some(domain) => domain.array(codes.iter().copied()),
            None => Err(Error::internal("a table without series has no names of them")),
        }
    }
}

impl StoredReader {
    fn next_rows(&mut self) -> Result<Option<StoredRows>> {
        let plan = &self.scan.plan;
        let Some(chunks) = &mut self.chunks else {
            return Ok(None);
        };
        loop {
            let next = match self.rest.take() {
                Some(rest) => Some(rest),
                None => chunks
                    .next(plan)?
                    .map(|chunk| self.scan.reduced(chunk, self.beside)),
            };
            let Some(mut chunk) = next else {
                return Ok(None);
            };
            if chunk.len() > plan.scan.batch_rows {
                self.rest = Some(chunk.split_off(plan.scan.batch_rows));
            }
            let rows = self.scan.rows(&chunk, self.beside)?;
            if rows.batch.num_rows() > 0 {
                return Ok(Some(rows));
            }
        }
    }
}

impl Iterator for StoredReader {
    type Item = Result<StoredRows>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_rows().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.chunks = None;
        }
        next
    }
}
