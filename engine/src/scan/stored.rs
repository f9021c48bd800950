//! [`StoredScan`]: rows in their stored order, for operators that are written for it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use gapless_format::{ColumnSpec, NULL_CODE};

use super::builder::{Order, Scan};
use super::fold::{Task, for_each_chunk, tasks};
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
    time: ColumnSpec,
    series: Option<ColumnSpec>,
    domain: Option<Arc<Domain>>,
}

/// One part of a [`StoredScan`].
pub struct StoredPart<'a>(Task<'a>);

impl std::fmt::Debug for StoredPart<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredPart").finish_non_exhaustive()
    }
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
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    /// The times of rows.
    pub times: bool,
    /// The codes of their series.
    pub codes: bool,
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
        Ok(Self {
            plan: Plan::new(scan)?,
            time: time.ok_or_else(|| Error::internal("a table has no time column"))?,
            series,
            domain,
        })
    }

    /// The columns of its rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan.output.schema())
    }

    /// The parts, in order.
    ///
    /// # Errors
    /// `Corrupt` for a damaged segment; `Io`.
    pub fn parts(&self) -> Result<Vec<StoredPart<'_>>> {
        Ok(tasks(&self.plan)?.into_iter().map(StoredPart).collect())
    }

    /// Reads the rows of a part, `batch_rows` at most at a time, none that the condition leaves out.
    ///
    /// # Errors
    /// `Corrupt` for a damaged segment; `Io`; what `take` gives.
    pub fn read<E: From<Error>>(
        &self,
        part: &StoredPart<'_>,
        batch_rows: usize,
        beside: Beside,
        mut take: impl FnMut(StoredRows) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut failed = None;
        let read = for_each_chunk(&self.plan, &part.0, |mut chunk| {
            while chunk.len() > 0 {
                let rest = (chunk.len() > batch_rows).then(|| chunk.split_off(batch_rows));
                let rows = self.rows(&chunk, beside)?;
                if rows.batch.num_rows() > 0
                    && let Err(error) = take(rows)
                {
                    failed = Some(error);
                    return Err(Error::internal("an operator has failed"));
                }
                match rest {
                    Some(rest) => chunk = rest,
                    None => break,
                }
            }
            Ok(())
        });
        match failed {
            Some(error) => Err(error),
            None => read.map_err(E::from),
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

    /// Codes of series in the order of their names, [`Self::NO_SERIES`] last.
    pub fn sort_by_name(&self, codes: &mut [u32]) {
        codes.sort_unstable();
        let named = codes.partition_point(|code| *code != NULL_CODE);
        if let (Some(domain), Some(named)) = (&self.domain, codes.get_mut(..named)) {
            domain.sort_by_text(named);
        }
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
