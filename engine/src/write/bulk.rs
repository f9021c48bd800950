//! Builds the segments of one bulk write: nothing is visible before a commit names them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use gapless_format::{ColumnType, Keep, PAGE_ROWS, PartitionKey, PartitionUnit, SegmentRef, TableMeta};
use rayon::prelude::*;

use super::dedup::Dedup;
use super::known::Known;
use super::normalize::{self, Encode, codes, times};
use super::partition;
use super::parts::{Parts, SortColumns, release};
use super::spill::{Merge, SpillRun, storage_schema, write_run};
use crate::database::{Engine, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::memtable::array_bytes;
use crate::segment::discard::SegmentGuard;
use crate::segment::sync::SyncBatch;
use crate::segment::{EncodingPolicy, SEGMENT_ROWS_MAX, SegmentWriter};
use crate::stream::{PreparedRows, stream_columns};

/// Memory that a bulk write uses unless told otherwise.
pub(crate) const MEMORY_BYTES: usize = 2 << 30;
/// A sort holds the buffered rows, their keys in one piece and sorted rows.
const BUFFER_SHARE: usize = 3;
/// Bytes of a variable-length column in one segment at most: its offsets are signed 32-bit numbers in Arrow.
const VARIABLE_BYTES_MAX: usize = i32::MAX as usize;

/// How a bulk write is done.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Partition unit of the segments; the table's own if `None`. Units may be mixed in one table.
    pub partition: Option<PartitionUnit>,
    /// Bytes of rows to hold in memory, about; what is more is sorted on disk.
    pub memory_bytes: usize,
    /// How columns are stored: plain unless said otherwise. History that is seldom read takes less space
    /// encoded; it becomes segments at once, however few the rows are.
    pub encoding: EncodingPolicy,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            partition: None,
            memory_bytes: MEMORY_BYTES,
            encoding: EncodingPolicy::plain(),
        }
    }
}

/// What a write did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Rows taken.
    pub rows: u64,
    /// Segments they are in.
    pub segments: usize,
    /// Bytes of these segments.
    pub bytes: u64,
    /// Bytes that the sort put on disk because memory was short.
    pub spilled_bytes: u64,
    /// The version in which the rows became visible.
    pub version: u64,
    /// Of them, rows of a table with a key that were not written again: it has all of their partition already.
    pub known: u64,
}

/// Segments that wait for their commit. They are removed if it does not come.
#[derive(Debug, Default)]
pub(crate) struct BuiltSegments {
    pub(crate) segments: Vec<SegmentRef>,
    guards: Vec<SegmentGuard>,
    pub(crate) spilled_bytes: u64,
    /// Segments of which the table has every row already, at the version that was looked at.
    known: Vec<u64>,
}

impl BuiltSegments {
    /// The commit has happened.
    pub(crate) fn keep(self) {
        self.guards.into_iter().for_each(SegmentGuard::keep);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.segments.extend(other.segments);
        self.guards.extend(other.guards);
        self.spilled_bytes += other.spilled_bytes;
        self.known.extend(other.known);
    }

    /// Tables of which segments hold nothing new.
    pub(crate) fn known_tables(&self) -> Vec<u32> {
        let is_known = |segment: &&SegmentRef| self.known.contains(&segment.segment);
        let mut tables: Vec<u32> = self
            .segments
            .iter()
            .filter(is_known)
            .map(|segment| segment.table)
            .collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// Takes out the segments that hold nothing new. Their files go with what is returned.
    pub(crate) fn take_known(&mut self) -> Self {
        let known = std::mem::take(&mut self.known);
        let (mut taken, mut left) = (Self::default(), Self::default());
        for (segment, guard) in std::mem::take(&mut self.segments)
            .into_iter()
            .zip(std::mem::take(&mut self.guards))
        {
            let to = match known.contains(&segment.segment) {
                true => &mut taken,
                false => &mut left,
            };
            to.segments.push(segment);
            to.guards.push(guard);
        }
        (self.segments, self.guards) = (left.segments, left.guards);
        taken
    }

    pub(crate) fn report(&self, version: u64) -> WriteReport {
        WriteReport {
            rows: self.segments.iter().map(|segment| segment.rows).sum(),
            segments: self.segments.len(),
            bytes: self.segments.iter().map(|segment| segment.bytes).sum(),
            spilled_bytes: self.spilled_bytes,
            version,
            known: 0,
        }
    }
}

/// The rows of one partition so far.
#[derive(Debug, Default)]
struct Buffer {
    parts: Vec<Vec<ArrayRef>>,
    rows: usize,
    bytes: usize,
    spilled: Vec<SpillRun>,
    spilled_rows: u64,
}

/// Takes batches, sorts them into partitions and writes segments.
pub(crate) struct BulkWriter {
    engine: Arc<Engine>,
    table: Arc<TableMeta>,
    options: WriteOptions,
    schema: SchemaRef,
    time_at: usize,
    series_at: Option<usize>,
    bounds: Option<Bounds>,
    /// The version of which rows are not written again.
    known: Option<Snapshot>,
    /// The version whose rows are compared with those that are written.
    witness: Option<Snapshot>,
    buffers: BTreeMap<(i64, PartitionUnit), (PartitionKey, Buffer)>,
    buffered_bytes: usize,
    spilled_bytes: u64,
}

/// What the rows of a write must not leave: the range that they replace.
pub(crate) struct Bounds {
    pub(crate) time: Range<i64>,
    /// Ascending; `None` for all series.
    pub(crate) codes: Option<Vec<u32>>,
}

impl Bounds {
    /// The first row outside.
    fn first_outside(&self, codes: &[u32], times: &[i64]) -> Option<usize> {
        let is_late = |time: i64| time >= self.time.end && self.time.end != i64::MAX;
        let by_time = times
            .iter()
            .position(|time| *time < self.time.start || is_late(*time));
        by_time.or_else(|| {
            let meant = self.codes.as_ref()?;
            codes.iter().position(|code| meant.binary_search(code).is_err())
        })
    }
}

impl BulkWriter {
    pub(crate) fn new(engine: &Arc<Engine>, table: &Arc<TableMeta>, options: WriteOptions) -> Result<Self> {
        let position = |id: u32| table.columns.iter().position(|column| column.column_id == id);
        Ok(Self {
            engine: Arc::clone(engine),
            options,
            schema: storage_schema(table),
            time_at: position(table.time_column)
                .ok_or_else(|| Error::internal("a table has no time column"))?,
            series_at: table.series_column.and_then(position),
            table: Arc::clone(table),
            bounds: None,
            known: None,
            witness: None,
            buffers: BTreeMap::new(),
            buffered_bytes: 0,
            spilled_bytes: 0,
        })
    }

    fn sort_columns(&self) -> SortColumns {
        SortColumns {
            time: self.time_at,
            series: self.series_at,
        }
    }

    /// Refuses rows outside of a range.
    pub(crate) fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// Leaves out rows that a version has, in a table that keeps one row of each key.
    pub(crate) fn without_known(mut self, known: Snapshot) -> Self {
        self.known = (self.table.keep != Keep::All).then_some(known);
        self
    }

    /// Finds out which partitions get nothing that a version does not have, in a table that keeps one row of each key.
    pub(crate) fn with_witness(mut self, witness: Snapshot) -> Self {
        self.witness = (self.table.keep != Keep::All).then_some(witness);
        self
    }

    fn check_bounds(&self, columns: &[ArrayRef]) -> Result<()> {
        let times = times(columns, self.time_at);
        let outside = |bounds: &Bounds| bounds.first_outside(codes(columns, self.series_at), times);
        match self.bounds.as_ref().and_then(outside) {
            None => Ok(()),
            Some(row) => Err(Error::invalid(format!(
                "table {:?}: row {row} of the batch, at {} ns, lies outside of what it is to replace: give the range \
                 and the series of all rows",
                self.table.name,
                times.get(row).copied().unwrap_or_default()
            ))),
        }
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// `Invalid` when it does not fit the table; `Io` when rows have to be spilled and cannot.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut encoder = EngineEncoder { engine: &self.engine };
        let columns = normalize::normalize(&self.table, batch, &mut encoder)?;
        self.check_bounds(&columns)?;
        self.push_columns(columns)
    }

    /// Takes normalized columns.
    pub(crate) fn push_columns(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let unit = self.options.partition.unwrap_or(self.table.partition_unit);
        for (key, part) in partition::split(&columns, times(&columns, self.time_at), |_| unit)? {
            let bytes = part.iter().map(array_bytes).sum::<usize>();
            let (_, buffer) = self
                .buffers
                .entry((key.start, key.unit))
                .or_insert_with(|| (key, Buffer::default()));
            buffer.rows += part.first().map_or(0, |array| array.len());
            buffer.bytes += bytes;
            buffer.parts.push(part);
            self.buffered_bytes += bytes;
        }
        if self.buffered_bytes > self.options.memory_bytes / BUFFER_SHARE {
            self.spill()?;
        }
        Ok(())
    }

    /// Takes rows of one partition that have the table's columns in their storage types.
    pub(crate) fn push_rows(&mut self, key: PartitionKey, columns: Vec<ArrayRef>) {
        let (_, buffer) = self
            .buffers
            .entry((key.start, key.unit))
            .or_insert_with(|| (key, Buffer::default()));
        buffer.rows += columns.first().map_or(0, |array| array.len());
        buffer.parts.push(columns);
    }

    /// Rows taken so far, when they are few enough for the stream.
    pub(crate) fn is_small(&self, rows_max: usize) -> bool {
        let rows: usize = self.buffers.values().map(|(_, buffer)| buffer.rows).sum();
        self.spilled_bytes == 0 && rows <= rows_max
    }

    /// The rows taken so far, for the stream. Nothing was spilled.
    pub(crate) fn into_rows(self) -> Vec<PreparedRows> {
        let parts = self.buffers.into_values().flat_map(|(_, buffer)| buffer.parts);
        parts
            .map(|columns| PreparedRows {
                columns: stream_columns(&self.table, columns),
                table: Arc::clone(&self.table),
            })
            .collect()
    }

    /// Puts the largest buffers on disk until half of the memory is free.
    fn spill(&mut self) -> Result<()> {
        let target = self.options.memory_bytes / BUFFER_SHARE / 2;
        let mut by_size: Vec<_> = self
            .buffers
            .iter()
            .map(|(at, (_, buffer))| (buffer.bytes, *at))
            .collect();
        by_size.sort_unstable_by(|a, b| b.cmp(a));
        for (bytes, at) in by_size {
            if self.buffered_bytes <= target {
                break;
            }
            let (path, sort_columns) = (self.engine.spill_path()?, self.sort_columns());
            let Some((_, buffer)) = self.buffers.get_mut(&at) else {
                continue;
            };
            let parts = std::mem::take(&mut buffer.parts);
            let run = write_run(
                self.engine.storage(),
                path,
                &self.schema,
                &Parts::new(&parts),
                sort_columns,
            )?;
            self.spilled_bytes += run.bytes;
            buffer.spilled.push(run);
            buffer.spilled_rows += buffer.rows as u64;
            (buffer.rows, buffer.bytes) = (0, 0);
            self.buffered_bytes -= bytes;
        }
        Ok(())
    }

    /// Writes all segments and makes them durable. `progress` is told how many of the partitions are done.
    pub(crate) fn finish(mut self, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<BuiltSegments> {
        let mut built = BuiltSegments {
            spilled_bytes: self.spilled_bytes,
            ..BuiltSegments::default()
        };
        let buffers: Vec<_> = std::mem::take(&mut self.buffers).into_values().collect();
        let total = buffers.len();
        let mut sync = SyncBatch::default();
        let mut waiting = buffers.into_iter().peekable();
        let mut done = 0;
        while waiting.peek().is_some() {
            // Small partitions are built side by side; a large one uses all threads by itself.
            let mut group = Vec::new();
            let mut rows = 0;
            while let Some((_, buffer)) = waiting.peek()
                && (group.is_empty() || (rows + buffer.rows <= PAGE_ROWS * 4 && group.len() < 16))
            {
                rows += buffer.rows;
                group.extend(waiting.next());
            }
            done += group.len();
            let parts: Vec<_> = group
                .into_par_iter()
                .map(|(key, buffer)| self.build(key, buffer))
                .collect::<Result<_>>()?;
            for (part, files) in parts {
                built.merge(part);
                sync.merge(files);
            }
            if sync.is_full() {
                sync.flush(&**self.engine.storage())?;
            }
            progress(done, total);
        }
        sync.flush(&**self.engine.storage())?;
        Ok(built)
    }

    fn build(&self, key: PartitionKey, buffer: Buffer) -> Result<(BuiltSegments, SyncBatch)> {
        let dedup = Dedup::of(&self.table, self.time_at, self.series_at);
        let mut output = SegmentOutput::new(&self.engine, &self.table, key, &self.options.encoding, dedup);
        if let Some(snapshot) = &self.known {
            output.known = Known::of(snapshot, &self.table, key, self.sort_columns())?;
        }
        if let Some(snapshot) = &self.witness {
            output.witness = Known::of(snapshot, &self.table, key, self.sort_columns())?;
        }
        if buffer.spilled.is_empty() {
            self.build_in_memory(&buffer.parts, &mut output)?;
        } else {
            self.build_merged(&buffer, &mut output)?;
        }
        output.finish()
    }

    fn build_in_memory(&self, parts: &[Vec<ArrayRef>], output: &mut SegmentOutput<'_>) -> Result<()> {
        let rows = Parts::new(parts);
        if rows.is_sorted(self.sort_columns()) {
            return parts.iter().try_for_each(|part| output.push(part));
        }
        let order = rows.order(self.sort_columns())?;
        // A few pages at a time: the sorted copy never exists as a whole.
        for chunk in order.chunks(PAGE_ROWS * 4) {
            output.push(&rows.gathered(chunk)?)?;
        }
        release(order);
        Ok(())
    }

    fn build_merged(&self, buffer: &Buffer, output: &mut SegmentOutput<'_>) -> Result<()> {
        let memory = if buffer.rows == 0 {
            None
        } else {
            let rows = Parts::new(&buffer.parts);
            Some(rows.gathered(&rows.order(self.sort_columns())?)?)
        };
        let mut merge = Merge::new(&buffer.spilled, memory, self.time_at, self.series_at)?;
        while let Some(columns) = merge.next_columns()? {
            output.push(&columns)?;
        }
        Ok(())
    }
}

/// The segments of one partition, from rows in their final order: one, unless it would pass a limit.
pub(crate) struct SegmentOutput<'a> {
    engine: &'a Arc<Engine>,
    table: &'a Arc<TableMeta>,
    key: PartitionKey,
    encoding: &'a EncodingPolicy,
    dedup: Option<Dedup>,
    known: Option<Known>,
    /// There as long as it has every row that came.
    witness: Option<Known>,
    current: Option<(SegmentWriter, Vec<usize>, usize)>,
    built: BuiltSegments,
    sync: SyncBatch,
}

impl<'a> SegmentOutput<'a> {
    /// For one partition of a table.
    pub(crate) fn new(
        engine: &'a Arc<Engine>,
        table: &'a Arc<TableMeta>,
        key: PartitionKey,
        encoding: &'a EncodingPolicy,
        dedup: Option<Dedup>,
    ) -> Self {
        Self {
            engine,
            table,
            key,
            encoding,
            dedup,
            known: None,
            witness: None,
            current: None,
            built: BuiltSegments::default(),
            sync: SyncBatch::default(),
        }
    }

    /// Takes rows that follow those it has in the order of (series code, time). With a key, only the row that counts is
    /// written.
    pub(crate) fn push(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let Some(dedup) = &mut self.dedup else {
            return self.write(columns);
        };
        let settled = dedup.push(columns)?;
        settled.into_iter().try_for_each(|part| self.write_new(part))
    }

    fn write_new(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let columns = match &mut self.known {
            Some(known) => known.new_of(columns)?,
            None => columns,
        };
        if let Some(witness) = &mut self.witness
            && !witness.has_all(&columns)?
        {
            self.witness = None;
        }
        if columns.first().is_none_or(|array| array.is_empty()) {
            return Ok(());
        }
        self.write(&columns)
    }

    fn write(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, |array| array.len());
        let sizes: Vec<usize> = self
            .table
            .columns
            .iter()
            .zip(columns)
            .map(|(spec, array)| {
                if spec.column_type.has_offsets() {
                    variable_bytes(&spec.column_type, array)
                } else {
                    0
                }
            })
            .collect();
        if sizes.iter().any(|size| *size > VARIABLE_BYTES_MAX) && rows > 1 {
            let half = rows / 2;
            let slice = |from: usize, len: usize| {
                columns
                    .iter()
                    .map(|array| array.slice(from, len))
                    .collect::<Vec<_>>()
            };
            self.write(&slice(0, half))?;
            return self.write(&slice(half, rows - half));
        }
        let full = self.current.as_ref().is_some_and(|(_, bytes, count)| {
            count + rows > SEGMENT_ROWS_MAX
                || bytes
                    .iter()
                    .zip(&sizes)
                    .any(|(so_far, more)| so_far + more > VARIABLE_BYTES_MAX)
        });
        if full {
            self.close()?;
        }
        if self.current.is_none() {
            self.current = Some((self.open()?, vec![0; sizes.len()], 0));
        }
        if let Some((writer, bytes, count)) = &mut self.current {
            writer.push(columns)?;
            *count += rows;
            bytes
                .iter_mut()
                .zip(sizes)
                .for_each(|(so_far, more)| *so_far += more);
        }
        Ok(())
    }

    /// A new segment. A dead process that had this one's number may have left a directory of the name.
    fn open(&self) -> Result<SegmentWriter> {
        loop {
            let (segment, directory) = self.engine.next_segment();
            match SegmentWriter::create(
                self.engine.storage(),
                self.table,
                self.key,
                segment,
                directory,
                self.encoding,
            ) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                outcome => return outcome,
            }
        }
    }

    fn close(&mut self) -> Result<()> {
        if let Some((writer, _, _)) = self.current.take() {
            let (segment, guard) = writer.finish(self.engine.now_ns(), &mut self.sync)?;
            self.built.segments.push(segment);
            self.built.guards.push(guard);
        }
        Ok(())
    }

    /// What was written. It is durable when the batch of syncs was flushed.
    pub(crate) fn finish(mut self) -> Result<(BuiltSegments, SyncBatch)> {
        if let Some(held) = self.dedup.as_mut().and_then(Dedup::finish) {
            self.write_new(held)?;
        }
        self.close()?;
        if self.witness.is_some() {
            self.built.known = self
                .built
                .segments
                .iter()
                .map(|segment| segment.segment)
                .collect();
        }
        Ok((self.built, self.sync))
    }
}

fn variable_bytes(column_type: &ColumnType, array: &ArrayRef) -> usize {
    // Offsets count items, and the limit is on both, so the larger of the two is what matters.
    let bytes = array.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
    match column_type {
        ColumnType::Utf8 | ColumnType::Binary => bytes.saturating_sub(array.len() * 4),
        _ => bytes,
    }
}

/// Gives codes from the database's domains.
pub(crate) struct EngineEncoder<'a> {
    pub(crate) engine: &'a Arc<Engine>,
}

impl Encode for EngineEncoder<'_> {
    fn encode(&mut self, domain: &str, symbols: &[&str]) -> Result<Vec<u32>> {
        self.engine.encode_symbols(domain, symbols)
    }
}
