//! The only way into a gap.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use gapless_format::{Coverage, CoverageState, Deletion, TableMeta};

use super::content::{RowCounts, check_slots, compare, content, existing};
use super::observe::JobObserver;
use super::plan::Unit;
use super::strategy::{BackfillError, BackfillErrorKind};
use crate::coverage::intervals::{Grid, Intervals};
use crate::coverage::{Gap, instant};
use crate::database::{Durability, Snapshot};
use crate::error::Result;
use crate::lease::{Lease, Leases};
use crate::stream::PreparedRows;
use crate::table::Table;

/// What a strategy writes a gap through.
///
/// - Rows outside of the gap, off its grid or of another series are refused, and nothing of the call is written then.
/// - The rows of a call and what they cover are one commit, made while nobody else can have the lease of the gap. Where
///   something in its range is covered already, each part that is left is one.
/// - Rows that are here already are not written again.
/// - What an earlier attempt has committed is not asked for again: a strategy goes on at [`GapWriter::remaining`].
#[derive(Debug)]
pub struct GapWriter {
    table: Table,
    meta: Arc<TableMeta>,
    schema: SchemaRef,
    unit: Unit,
    code: Option<u32>,
    grid: Option<Grid>,
    leases: Arc<Leases>,
    lease: Lease,
    lease_ttl: Duration,
    source: String,
    has_source: bool,
    batch: String,
    durability: Option<Durability>,
    missing_columns: bool,
    /// What is not committed yet.
    left: Intervals,
    attempt: u32,
    counts: RowCounts,
    states: Vec<CoverageState>,
    /// What was committed and may have more rows.
    partial: Intervals,
    cancelled: Arc<AtomicBool>,
    observer: Arc<dyn JobObserver>,
}

/// What a writer needs to know of its job.
#[derive(Debug, Clone)]
pub(crate) struct WriterOptions {
    pub(crate) lease_ttl: Duration,
    pub(crate) source: Option<String>,
    pub(crate) batch: String,
    pub(crate) durability: Option<Durability>,
    /// Whether rows may come without some of the columns.
    pub(crate) missing_columns: bool,
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) observer: Arc<dyn JobObserver>,
}

impl GapWriter {
    pub(crate) fn new(
        table: &Table,
        meta: &Arc<TableMeta>,
        unit: Unit,
        code: Option<u32>,
        lease: Lease,
        options: &WriterOptions,
    ) -> Result<Self> {
        let grid = match unit.gap.interval {
            0 => None,
            interval => Some(Grid::new(interval)?),
        };
        Ok(Self {
            left: unit.parts.iter().cloned().collect(),
            leases: Arc::clone(table.database().engine().leases()),
            schema: crate::table::schema_of(meta),
            table: table.clone(),
            meta: Arc::clone(meta),
            unit,
            code,
            grid,
            lease,
            lease_ttl: options.lease_ttl,
            has_source: options.source.is_some(),
            source: options.source.clone().unwrap_or_default(),
            batch: options.batch.clone(),
            durability: options.durability,
            missing_columns: options.missing_columns,
            attempt: 1,
            counts: RowCounts::default(),
            states: Vec::new(),
            partial: Intervals::new(),
            cancelled: Arc::clone(&options.cancelled),
            observer: Arc::clone(&options.observer),
        })
    }

    /// The gap, from its first slot to the last. Parts of it may be covered: see [`GapWriter::remaining`].
    pub fn gap(&self) -> &Gap {
        &self.unit.gap
    }

    /// The parts of the gap that are not covered yet, ascending.
    pub fn remaining(&self) -> &[Range<i64>] {
        self.left.as_slice()
    }

    /// The columns that rows may have. The series column may be left out.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What became of the rows so far.
    pub fn counts(&self) -> RowCounts {
        self.counts
    }

    /// Whether the job was cancelled: a strategy that takes long should stop then.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Says who attests what is written from now on, unless the job says who.
    pub fn set_source(&mut self, source: impl Into<String>) {
        if !self.has_source {
            self.source = source.into();
        }
    }

    /// The rows of batches that lie in a range.
    ///
    /// # Errors
    /// Permanent when the batches have rows and none of them lies in the range, or they have no time.
    pub fn clipped(
        &self,
        batches: &[RecordBatch],
        range: &Range<i64>,
    ) -> Result<Vec<RecordBatch>, BackfillError> {
        let inside = self.rows_within(batches, range)?;
        let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        match rows(&inside) == 0 && rows(batches) > 0 {
            true => Err(refused(format!(
                "{}: the source gave rows, but none from {} to {}, so it does not speak for that range",
                self.described(),
                instant(range.start),
                instant(range.end)
            ))),
            false => Ok(inside),
        }
    }

    /// The rows of batches that lie in a range, which may be none.
    pub(super) fn rows_within(
        &self,
        batches: &[RecordBatch],
        range: &Range<i64>,
    ) -> Result<Vec<RecordBatch>, BackfillError> {
        let mut inside = Vec::with_capacity(batches.len());
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            let batch = self.with_series(batch)?;
            let engine = self.table.database().engine();
            let rows = engine
                .prepare_rows(&self.meta, &batch)
                .map_err(|error| refused(format!("{}: {error}", self.described())))?;
            let left: Vec<bool> = rows.times().iter().map(|time| range.contains(time)).collect();
            let filtered = arrow_select::filter::filter_record_batch(&batch, &left.into())
                .map_err(|error| refused(format!("{}: {error}", self.described())))?;
            inside.push(filtered);
        }
        Ok(inside)
    }

    /// Writes all rows that the source has of a range: complete, or empty when there are none. Rows in parts of it that are
    /// covered already are left out.
    ///
    /// # Errors
    /// Permanent for rows that do not belong here (the message says which and why); lost when another worker has the lease;
    /// transient when memory is full. Nothing of the call was written then.
    pub fn write(&mut self, range: Range<i64>, batches: &[RecordBatch]) -> Result<RowCounts, BackfillError> {
        self.commit(range, batches, CoverageState::Complete)
    }

    /// Writes rows of a range that may have more: it stays a gap.
    ///
    /// # Errors
    /// As [`GapWriter::write`].
    pub fn write_partial(
        &mut self,
        range: Range<i64>,
        batches: &[RecordBatch],
    ) -> Result<RowCounts, BackfillError> {
        self.commit(range, batches, CoverageState::Partial)
    }

    /// Says that nothing can be in a range: the series was not listed, the market was closed.
    ///
    /// # Errors
    /// As [`GapWriter::write`].
    pub fn not_applicable(&mut self, range: Range<i64>) -> Result<(), BackfillError> {
        self.commit(range, &[], CoverageState::NotApplicable).map(drop)
    }

    /// Keeps the lease for another while, and tells others how much is done. Commits do so too.
    ///
    /// # Errors
    /// Lost when another worker has it.
    pub fn renew(&mut self) -> Result<(), BackfillError> {
        let done = self.completion_permille();
        self.lease = self.leases.renew(&self.lease, self.lease_ttl, Some(done))?;
        Ok(())
    }

    /// How much of the gap is covered, from 0 to 1.
    pub(crate) fn completion_ratio(&self) -> f64 {
        f64::from(self.completion_permille()) / 1000.0
    }

    fn completion_permille(&self) -> u16 {
        let all: u64 = self
            .unit
            .parts
            .iter()
            .map(|part| part.end.abs_diff(part.start))
            .sum();
        let left = self.left.total();
        u16::try_from(u128::from(all - left.min(all)) * 1000 / u128::from(all.max(1))).unwrap_or(1000)
    }

    fn commit(
        &mut self,
        range: Range<i64>,
        batches: &[RecordBatch],
        state: CoverageState,
    ) -> Result<RowCounts, BackfillError> {
        if self.is_cancelled() {
            return Err(BackfillError::new(
                BackfillErrorKind::Cancelled,
                "the job was cancelled",
            ));
        }
        let range = self.checked_range(&range)?;
        let parts = self.left.clip(&range);
        if parts.is_empty() {
            return Ok(RowCounts::default());
        }
        let rows = self.checked_rows(&range, batches)?;
        // The rows of a part are compared with each other when it is its turn, and then the parts before it are committed.
        if let Some(rows) = rows
            .as_ref()
            .filter(|_| self.grid.is_some() && parts.as_slice().len() > 1)
        {
            check_slots(rows)?;
        }
        let mut counts = RowCounts::default();
        for part in parts.iter() {
            counts += self.commit_part(&part, rows.as_ref(), state)?;
        }
        Ok(counts)
    }

    /// Commits one part that is not covered.
    fn commit_part(
        &mut self,
        part: &Range<i64>,
        rows: Option<&PreparedRows>,
        state: CoverageState,
    ) -> Result<RowCounts, BackfillError> {
        let rows = rows.map(|rows| within(rows, part)).transpose()?.flatten();
        let (given, sum) = match &rows {
            None => (0, 0),
            Some(rows) => (rows.rows() as u64, content(rows)?),
        };
        let state = match state {
            CoverageState::Complete if given == 0 => CoverageState::Empty,
            state => state,
        };
        // Under the lease, and the fence is refused if anybody had it since: no other fill writes between the two.
        let snapshot = Snapshot::newest(self.table.database().engine())?;
        let series = self.unit.gap.series.as_deref();
        let here = match &rows {
            None => None,
            Some(_) => existing(&snapshot, &self.meta, series, self.code, part)?,
        };
        let compared = rows
            .map(|rows| compare(rows, here.as_ref(), self.grid.as_ref().map(Grid::step)))
            .transpose()?;
        let (rows, replaced, counts) = compared.map_or_else(Default::default, |compared| {
            (compared.rows, compared.replaced, compared.counts)
        });
        let coverage = Coverage {
            table: self.meta.table,
            series: self.code,
            interval: Some(self.unit.gap.interval),
            start: part.start,
            end: part.end,
            state,
            rows: Some(given),
            content: sum,
            fetched_at: self.table.database().engine().now_ns(),
            source: self.source.clone(),
            batch: self.batch.clone(),
        };
        self.append(rows, self.deletions(&replaced), coverage)?;
        // Counted whatever becomes of the next part, and of the lease.
        self.counts += counts;
        let part = Intervals::single(part.clone());
        self.left = self.left.difference(&part);
        self.partial = match state {
            CoverageState::Partial => self.partial.union(&part),
            _ => self.partial.difference(&part),
        };
        self.states.push(state);
        self.observer.progress(&self.lease.key, self.completion_ratio());
        self.renew_if_old()?;
        Ok(counts)
    }

    /// Commits while nobody else can be granted the range.
    fn append(
        &self,
        rows: Option<PreparedRows>,
        deletions: Vec<Deletion>,
        coverage: Coverage,
    ) -> Result<(), BackfillError> {
        let engine = self.table.database().engine();
        let prepared = engine.prepare_commit(rows.into_iter().collect(), deletions, vec![coverage])?;
        let fence = self.leases.fence(&self.lease)?;
        let appended = engine.append_prepared(prepared, self.durability)?;
        drop(fence);
        engine.finish_append(&appended, self.durability)?;
        Ok(())
    }

    /// Hides the rows of this series in some ranges.
    fn deletions(&self, ranges: &[Range<i64>]) -> Vec<Deletion> {
        let deletion = |range: &Range<i64>| Deletion {
            deletion: self.table.database().engine().next_segment().0,
            table: self.meta.table,
            start: range.start,
            end: range.end,
            series: self.code.map(|code| vec![code]),
            commit: 0,
        };
        ranges.iter().map(deletion).collect()
    }

    fn renew_if_old(&mut self) -> Result<(), BackfillError> {
        let now = self.table.database().engine().now_ns();
        let ttl = i64::try_from(self.lease_ttl.as_nanos()).unwrap_or(i64::MAX);
        let is_old = self.lease.expires_at.saturating_sub(now) < ttl / 3 * 2;
        match is_old && !self.left.is_empty() {
            true => self.renew(),
            false => Ok(()),
        }
    }

    /// The range on the grid, refused outside of the gap.
    fn checked_range(&self, range: &Range<i64>) -> Result<Range<i64>, BackfillError> {
        let gap = &self.unit.gap;
        if range.start < gap.start || range.end > gap.end || range.start > range.end {
            return Err(refused(format!(
                "{}: the range from {} to {} was to be covered, which is not inside of the gap",
                self.described(),
                instant(range.start),
                instant(range.end)
            )));
        }
        Ok(match &self.grid {
            None => range.clone(),
            // A slot that is only begun is not covered.
            Some(grid) if range.end < gap.end => grid.ceil(range.start)..grid.floor(range.end),
            Some(grid) => grid.ceil(range.start)..range.end,
        })
    }

    /// Rows that belong here; `None` for none.
    fn checked_rows(
        &self,
        range: &Range<i64>,
        batches: &[RecordBatch],
    ) -> Result<Option<PreparedRows>, BackfillError> {
        let batches: Vec<RecordBatch> = batches
            .iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| self.with_series(batch))
            .collect::<Result<_, _>>()?;
        let batch = match batches.as_slice() {
            [] => return Ok(None),
            [only] => only.clone(),
            [first, ..] => {
                arrow_select::concat::concat_batches(&first.schema(), &batches).map_err(|error| {
                    refused(format!(
                        "{}: the batches differ in their columns: {error}",
                        self.described()
                    ))
                })?
            }
        };
        self.check_columns(&batch)?;
        let engine = self.table.database().engine();
        let rows = engine
            .prepare_rows(&self.meta, &batch)
            .map_err(|error| refused(format!("{}: {error}", self.described())))?;
        self.check_times(range, &rows)?;
        self.check_series(&rows)?;
        Ok(Some(rows))
    }

    /// The batch with a series column of this series, if it has none.
    fn with_series(&self, batch: &RecordBatch) -> Result<RecordBatch, BackfillError> {
        let column = self.meta.series_column.and_then(|id| self.meta.column(id));
        let (Some(column), Some(series)) = (column, &self.unit.gap.series) else {
            return Ok(batch.clone());
        };
        if batch.column_by_name(&column.name).is_some() {
            return Ok(batch.clone());
        }
        let values = StringArray::from(vec![series.as_str()]);
        let keys = arrow_array::Int32Array::from(vec![0; batch.num_rows()]);
        let names = arrow_array::DictionaryArray::try_new(keys, Arc::new(values))
            .map_err(|error| refused(format!("{}: {error}", self.described())))?;
        let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        fields.push(Arc::new(Field::new(&column.name, text, false)));
        columns.push(Arc::new(names));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| refused(format!("{}: {error}", self.described())))
    }

    fn check_columns(&self, batch: &RecordBatch) -> Result<(), BackfillError> {
        let is_missing = |name: &&str| batch.column_by_name(name).is_none();
        let columns = self.meta.columns.iter().map(|column| column.name.as_str());
        let missing: Vec<&str> = columns.filter(is_missing).collect();
        match missing.is_empty() || self.missing_columns {
            true => Ok(()),
            false => Err(refused(format!(
                "{}: the source gave no column {missing:?}. Nothing of it was written: give it, with nulls where the source has no \
                 value, or say that columns may be missing",
                self.described()
            ))),
        }
    }

    fn check_times(&self, range: &Range<i64>, rows: &PreparedRows) -> Result<(), BackfillError> {
        if let Some(time) = rows.times().iter().find(|time| !range.contains(*time)) {
            return Err(refused(format!(
                "{}: the source gave a row at {} for the range from {} to {}. Nothing of it was written: if the source is \
                 known to give neighbours too, clip its rows",
                self.described(),
                instant(*time),
                instant(range.start),
                instant(range.end)
            )));
        }
        let Some(grid) = &self.grid else {
            return Ok(());
        };
        match rows.times().iter().find(|time| !grid.is_on(**time)) {
            None => Ok(()),
            Some(time) => Err(refused(format!(
                "{}: the source gave a row at {}, which is not on the grid. Nothing of it was written: give bars the time of \
                 their start, or fill at a finer interval",
                self.described(),
                instant(*time)
            ))),
        }
    }

    fn check_series(&self, rows: &PreparedRows) -> Result<(), BackfillError> {
        let Some(id) = self.meta.series_column else {
            return Ok(());
        };
        let column = rows.columns.iter().find(|column| column.column_id == id);
        let is_ours = column.is_none_or(|column| {
            let codes = column.array.as_primitive::<UInt32Type>();
            codes.null_count() == 0 && codes.values().iter().all(|code| Some(*code) == self.code)
        });
        match is_ours {
            true => Ok(()),
            false => Err(refused(format!(
                "{}: the source gave rows of another series. Nothing of it was written",
                self.described()
            ))),
        }
    }

    fn described(&self) -> String {
        let of = if self.unit.gap.series.is_some() { "of " } else { "" };
        format!("table {:?}, gap {of}{}", self.meta.name, self.unit.gap)
    }

    /// What a source is to be asked for next: from the first part that is left over all that were planned to be asked for
    /// with it, but not over what was covered since; `None` when nothing is left.
    pub(super) fn next_range(&self) -> Option<Range<i64>> {
        let (first, rest) = self.remaining().split_first()?;
        let mut range = first.clone();
        for part in rest {
            let between = range.end..part.start;
            let planned = &self.unit.parts;
            if planned
                .iter()
                .any(|planned| planned.start < between.end && between.start < planned.end)
            {
                break;
            }
            range.end = part.end;
        }
        Some(range)
    }

    /// Begins another attempt.
    pub(crate) fn begin_attempt(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The states that were committed.
    pub(crate) fn states(&self) -> &[CoverageState] {
        &self.states
    }

    /// Whether something that was committed may have more rows.
    pub(crate) fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Leaves what was given only in part to the next strategy.
    pub(super) fn reopen_partial(&mut self) {
        self.left = self.left.union(&self.partial);
    }

    /// Takes over what somebody else has covered meanwhile: on a grid by slots, wherever the coverage begins and ends.
    pub(crate) fn leave_out(&mut self, covered: &Intervals) {
        let covered: Intervals = match &self.grid {
            None => covered.clone(),
            Some(grid) => {
                let slots = covered.iter().map(|range| grid.align(&range));
                slots.filter(|range| range.start < range.end).collect()
            }
        };
        self.left = self.left.difference(&covered);
    }
}

fn refused(message: String) -> BackfillError {
    BackfillError::new(BackfillErrorKind::Permanent, message)
}

/// The rows whose times lie in a range; `None` for none.
fn within(rows: &PreparedRows, range: &Range<i64>) -> Result<Option<PreparedRows>> {
    let inside = rows.times().iter().filter(|time| range.contains(*time)).count();
    if inside == rows.rows() {
        return Ok(Some(rows.clone()));
    }
    if inside == 0 {
        return Ok(None);
    }
    let left = rows.times().iter().map(|time| range.contains(time)).collect();
    super::content::filtered(rows.clone(), left).map(Some)
}
