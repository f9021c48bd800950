//! The rows of a part, series by series and slot by slot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
    new_null_array,
};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::Role;
use super::column::{CONSTANTS, Entry, ValueColumn, Window};
use super::seeds::{GapsOfSeries, Loaded};
use crate::operator::BATCH_ROWS;
use crate::operator::slots::{Slots, series_array, time_array};
use crate::source::{Rows, RowsIter, SeriesRun, run_ends};

/// Rows of one series in one batch that were not reached yet.
struct Stretch {
    number: u32,
    times: ScalarBuffer<i64>,
    run: SeriesRun,
}

/// Rows of a window, and the batches that they are in, with their numbers.
type Entries = (Vec<Entry>, Vec<(u32, RecordBatch)>);

/// The filled rows of a part.
pub(super) struct Reader {
    pub(super) schema: SchemaRef,
    pub(super) roles: Arc<[Role]>,
    pub(super) slots: Slots,
    /// The number of the first series of the part, and the names of all.
    pub(super) names: (u32, StringArray),
    /// Series that are given whether they have rows or not; `None` for those that have some.
    pub(super) asked: Option<VecDeque<u32>>,
    rows: Option<RowsIter>,
    columns: Vec<ValueColumn>,
    seeds: Loaded,
    gaps: GapsOfSeries,
    /// What may still be needed, by number.
    batches: BTreeMap<u32, RecordBatch>,
    next_batch: u32,
    ahead: VecDeque<Stretch>,
    /// The series that is filled, and its next slot.
    current: Option<(u32, u64)>,
    /// Of all slots that were not given: where they begin, whose they are, whether they had a row.
    starts: Vec<i64>,
    series: Vec<u32>,
    observed: Vec<bool>,
}

impl Reader {
    pub(super) fn new(
        rows: RowsIter,
        columns: Vec<ValueColumn>,
        seeds: Loaded,
        gaps: GapsOfSeries,
        schema: &Schema,
    ) -> Result<Self> {
        let mut batches: BTreeMap<u32, RecordBatch> = seeds.batches.iter().cloned().collect();
        batches.insert(CONSTANTS, constants(&columns, schema)?);
        Ok(Self {
            schema: Arc::new(Schema::empty()),
            roles: Arc::new([]),
            slots: Slots::Listed(Arc::new([])),
            names: (0, StringArray::new_null(0)),
            asked: None,
            next_batch: u32::try_from(batches.len()).unwrap_or(u32::MAX),
            rows: Some(rows),
            columns,
            seeds,
            gaps,
            batches,
            ahead: VecDeque::new(),
            current: None,
            starts: Vec::new(),
            series: Vec::new(),
            observed: Vec::new(),
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<Rows>> {
        let next = self.next_rows();
        if next.is_err() {
            // After a failure nothing more comes.
            (self.rows, self.current, self.asked) = (None, None, None);
            self.ahead.clear();
            self.starts.clear();
        }
        next
    }

    fn next_rows(&mut self) -> Result<Option<Rows>> {
        loop {
            let decided = self.columns.iter().map(ValueColumn::decided).min();
            let decided = decided.unwrap_or(self.starts.len());
            if self.starts.len() >= BATCH_ROWS && decided > 0 {
                return self.give(decided.min(BATCH_ROWS)).map(Some);
            }
            match self.current {
                Some((series, slot)) if slot < self.slots.count() => self.window(series, slot)?,
                Some((series, _)) => self.finish(series)?,
                None => {
                    if !self.begin()? {
                        return match self.starts.len() {
                            0 => Ok(None),
                            count => self.give(count.min(BATCH_ROWS)).map(Some),
                        };
                    }
                }
            }
        }
    }

    /// Begins the next series; false when there is none.
    fn begin(&mut self) -> Result<bool> {
        if self.slots.count() == 0 {
            return Ok(false);
        }
        loop {
            if self.ahead.is_empty() {
                self.read()?;
            }
            let present = self.ahead.front().map(|stretch| stretch.run.series);
            let asked = self.asked.as_ref().and_then(|asked| asked.front().copied());
            let Some(series) = present.into_iter().chain(asked).min() else {
                return Ok(false);
            };
            if let Some(asked) = &mut self.asked
                && asked.front() == Some(&series)
            {
                asked.pop_front();
            } else if self.asked.is_some() {
                // Nobody asked for it.
                self.skip(series)?;
                continue;
            }
            for column in &mut self.columns {
                column.begin(series, &self.seeds)?;
            }
            self.pass_before(series)?;
            let range = self.slots.range();
            let is_inside = |stretch: &Stretch| {
                stretch.run.series == series
                    && stretch
                        .times
                        .get(stretch.run.rows.start)
                        .is_some_and(|time| *time < range.end)
            };
            if asked == Some(series) || self.front_of(series)?.is_some_and(is_inside) {
                self.current = Some((series, 0));
                return Ok(true);
            }
            self.skip(series)?;
        }
    }

    /// The next rows of a series, read if they were not.
    fn front_of(&mut self, series: u32) -> Result<Option<&Stretch>> {
        if self.ahead.is_empty() {
            self.read()?;
        }
        Ok(self.ahead.front().filter(|stretch| stretch.run.series == series))
    }

    fn read(&mut self) -> Result<()> {
        while let Some(rows) = &mut self.rows {
            let Some(rows) = rows.next().transpose()? else {
                self.rows = None;
                break;
            };
            if rows.runs.is_empty() {
                continue;
            }
            let number = self.next_batch;
            self.next_batch += 1;
            self.ahead.extend(rows.runs.iter().map(|run| Stretch {
                number,
                times: rows.times.clone(),
                run: run.clone(),
            }));
            self.batches.insert(number, rows.batch);
            break;
        }
        Ok(())
    }

    /// Leaves the rest of a series out.
    fn skip(&mut self, series: u32) -> Result<()> {
        while self.front_of(series)?.is_some() {
            self.ahead.pop_front();
            self.forget();
        }
        Ok(())
    }

    /// Rows before the range are seeds.
    fn pass_before(&mut self, series: u32) -> Result<()> {
        let start = self.slots.range().start;
        while let Some(stretch) = self.front_of(series)? {
            let rows = stretch.run.rows.clone();
            let times = stretch.times.clone();
            let number = stretch.number;
            let of_run = times.get(rows.clone()).unwrap_or_default();
            let passed = rows.start + of_run.partition_point(|time| *time < start);
            if let Some(batch) = self.batches.get(&number).filter(|_| passed > rows.start) {
                for column in &mut self.columns {
                    column.before((number, batch), &times, rows.start..passed)?;
                }
            }
            if passed < rows.end {
                if let Some(stretch) = self.ahead.front_mut() {
                    stretch.run.rows.start = passed;
                }
                return Ok(());
            }
            self.ahead.pop_front();
            self.forget();
        }
        Ok(())
    }

    /// Adds the next slots of a series.
    fn window(&mut self, series: u32, from: u64) -> Result<()> {
        let left = usize::try_from(self.slots.count() - from).unwrap_or(usize::MAX);
        let room = BATCH_ROWS.saturating_sub(self.starts.len());
        let count = left.min(if room == 0 { BATCH_ROWS } else { room });
        let bounds: Vec<i64> = (from..=from + count as u64)
            .map(|slot| self.slots.start(slot))
            .collect();
        let (entries, batches) = self.entries(series, from, bounds.last().copied().unwrap_or_default())?;
        let mut last = vec![u32::MAX; count];
        for (at, entry) in (0..).zip(&entries) {
            if let Some(last) = last.get_mut(entry.slot as usize) {
                *last = at;
            }
        }
        self.starts.extend(bounds.iter().take(count));
        self.series.resize(self.starts.len(), series);
        self.observed.extend(last.iter().map(|at| *at != u32::MAX));
        let window = Window {
            entries: &entries,
            last: &last,
            bounds: &bounds,
            batches: &batches,
            gaps: self.gaps.get(&series).map_or(&[], Vec::as_slice),
        };
        for column in &mut self.columns {
            column.add(&window, &self.starts)?;
        }
        self.current = Some((series, from + count as u64));
        Ok(())
    }

    /// The rows of a series before a time, and the batches that they are in.
    fn entries(&mut self, series: u32, from: u64, end: i64) -> Result<Entries> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut batches: Vec<(u32, RecordBatch)> = Vec::new();
        let slots = self.slots.clone();
        while let Some(stretch) = self.front_of(series)? {
            let rows = stretch.run.rows.clone();
            let (number, times) = (stretch.number, stretch.times.clone());
            let of_run = times.get(rows.clone()).unwrap_or_default();
            let taken = of_run.partition_point(|time| *time < end);
            if taken > 0 {
                if batches.last().is_none_or(|(last, _)| *last != number) {
                    let batch = self.batches.get(&number).cloned();
                    let batch = batch.ok_or_else(|| Error::internal("a batch was forgotten too early"))?;
                    batches.push((number, batch));
                }
                let place = u32::try_from(batches.len() - 1).unwrap_or(u32::MAX);
                let entry = |(at, time): (usize, &i64)| Entry {
                    slot: u32::try_from(slots.of(*time).saturating_sub(from)).unwrap_or(u32::MAX),
                    batch: place,
                    row: u32::try_from(at).unwrap_or(u32::MAX),
                    time: *time,
                };
                entries.extend(
                    (rows.start..)
                        .zip(of_run.get(..taken).unwrap_or_default())
                        .map(entry),
                );
            }
            if taken < rows.len() {
                if let Some(stretch) = self.ahead.front_mut() {
                    stretch.run.rows.start += taken;
                }
                break;
            }
            self.ahead.pop_front();
        }
        Ok((entries, batches))
    }

    /// A series ends; rows after the range may decide its last slots.
    fn finish(&mut self, series: u32) -> Result<()> {
        while let Some(stretch) = self.front_of(series)? {
            let (number, times, rows) = (stretch.number, stretch.times.clone(), stretch.run.rows.clone());
            if let Some(batch) = self.batches.get(&number) {
                for column in &mut self.columns {
                    column.after(batch, &times, rows.clone())?;
                }
            }
            self.ahead.pop_front();
            self.forget();
        }
        let gaps = self.gaps.get(&series).map_or(&[][..], Vec::as_slice);
        for column in &mut self.columns {
            column.end(&self.starts, gaps);
        }
        self.current = None;
        Ok(())
    }

    /// The first slots as rows.
    fn give(&mut self, count: usize) -> Result<Rows> {
        let starts: ScalarBuffer<i64> = self.starts.drain(..count).collect();
        let series: Vec<u32> = self.series.drain(..count).collect();
        let observed: Vec<bool> = self.observed.drain(..count).collect();
        let batches: Vec<(u32, &RecordBatch)> = self
            .batches
            .iter()
            .map(|(number, batch)| (*number, batch))
            .collect();
        let mut values = self.columns.iter_mut();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.roles.len());
        for (role, field) in self.roles.iter().zip(self.schema.fields()) {
            columns.push(match role {
                Role::Time => time_array(
                    TimestampNanosecondArray::new(starts.clone(), None),
                    field.data_type(),
                )?,
                Role::Series => series_array(
                    series.iter().copied(),
                    self.names.0,
                    &self.names.1,
                    field.data_type(),
                )?,
                Role::Observed => Arc::new(BooleanArray::from(observed.clone())),
                Role::Value(_) => {
                    let column = values.next();
                    let column = column.ok_or_else(|| Error::internal("a filled column is missing"))?;
                    column.take(count, &batches, field.data_type())?
                }
            });
        }
        self.forget();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal(format!("filled rows make no batch: {error}")))?;
        let run = |(series, rows)| SeriesRun { series, rows };
        Ok(Rows {
            batch,
            times: starts,
            runs: run_ends(&series).map(run).collect(),
        })
    }

    /// Forgets batches that no value can come from any more.
    fn forget(&mut self) {
        let own = u32::try_from(self.seeds.batches.len()).unwrap_or(u32::MAX);
        let ahead = self
            .ahead
            .front()
            .map_or(self.next_batch, |stretch| stretch.number);
        if self.batches.range(own + 1..ahead).next().is_none() {
            return;
        }
        let needed: BTreeSet<u32> = self.columns.iter().flat_map(ValueColumn::needed).collect();
        self.batches
            .retain(|number, _| *number <= own || *number >= ahead || needed.contains(number));
    }
}

/// The constants of columns, as one row.
fn constants(columns: &[ValueColumn], schema: &Schema) -> Result<RecordBatch> {
    let mut arrays: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| new_null_array(field.data_type(), 1))
        .collect();
    for column in columns {
        if let Some((place, array)) = column.constant()?
            && let Some(slot) = arrays.get_mut(place)
        {
            *slot = array;
        }
    }
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::internal(format!("constants make no batch: {error}")))
}
