//! Writes one segment from rows in their final order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, ArrayRef};
use gapless_format::{
    ColumnMeta, NULL_CODE, PartitionKey, SegmentMeta, SegmentOrigin, SegmentRef, TableMeta, checksum,
    file_name,
};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::column_writer::ColumnWriter;
use super::discard::SegmentGuard;
use super::encode::EncodingPolicy;
use super::sync::SyncBatch;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{RelPath, Storage, WritableFile};

/// Rows in one segment at most. Row numbers in indexes are u32.
pub(crate) const SEGMENT_ROWS_MAX: usize = (1 << 31) - 1;
/// Another process may remove a partition directory that has just become empty.
const CREATE_RETRIES: usize = 100;
/// Batches below this are pushed by one thread.
const PARALLEL_ROWS_MIN: usize = 32 * 1024;

/// The directory of a segment.
pub(crate) fn segment_path(table: &str, partition: PartitionKey, directory: &str) -> Result<RelPath> {
    partition_path(table, partition)?.join(directory)
}

pub(crate) fn table_path(table: &str) -> Result<RelPath> {
    let name = file_name(table).map_err(|error| Error::invalid(format!("table {table:?}: {error}")))?;
    RelPath::from_static("tables").join(&name)
}

fn partition_path(table: &str, partition: PartitionKey) -> Result<RelPath> {
    partition
        .path()
        .split('/')
        .try_fold(table_path(table)?, |path, part| path.join(part))
}

/// A segment being written.
pub(crate) struct SegmentWriter {
    storage: Arc<dyn Storage>,
    table: Arc<TableMeta>,
    partition: PartitionKey,
    segment: u64,
    directory: String,
    path: RelPath,
    guard: SegmentGuard,
    columns: Vec<ColumnWriter>,
    time_at: usize,
    series_at: Option<usize>,
    rows: u64,
    min_time: i64,
    max_time: i64,
    series: RoaringBitmap,
    null_series: bool,
    last: Option<(u32, i64)>,
}

impl SegmentWriter {
    /// Makes the segment's directory and its column files; the policy says how columns are stored.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        table: &Arc<TableMeta>,
        partition: PartitionKey,
        segment: u64,
        directory: String,
        policy: &EncodingPolicy,
    ) -> Result<Self> {
        let path = segment_path(&table.name, partition, &directory)?;
        create_with_parents(&**storage, &path)?;
        let guard = SegmentGuard::new(storage, &path);
        let position = |id: u32| table.columns.iter().position(|column| column.column_id == id);
        let time_at =
            position(table.time_column).ok_or_else(|| Error::internal("a table has no time column"))?;
        let series_at = table.series_column.and_then(position);
        let columns = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, spec)| {
                ColumnWriter::create(storage, &path, segment, spec, Some(at) == series_at, policy)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            storage: Arc::clone(storage),
            table: Arc::clone(table),
            partition,
            segment,
            directory,
            guard,
            path,
            columns,
            time_at,
            series_at,
            rows: 0,
            min_time: i64::MAX,
            max_time: i64::MIN,
            series: RoaringBitmap::new(),
            null_series: false,
            last: None,
        })
    }

    /// Appends rows: one array for each column of the table, sorted by (series, time) also across calls.
    pub(crate) fn push(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let rows = arrays.first().map_or(0, |array| array.len());
        if arrays.len() != self.columns.len() || arrays.iter().any(|array| array.len() != rows) {
            return Err(Error::internal("a batch does not have the table's columns"));
        }
        if rows == 0 {
            return Ok(());
        }
        if self.rows + rows as u64 > SEGMENT_ROWS_MAX as u64 {
            return Err(Error::internal("a segment holds fewer than 2^31 rows"));
        }
        self.note_order(arrays)?;
        if rows < PARALLEL_ROWS_MIN {
            self.columns
                .iter_mut()
                .zip(arrays)
                .try_for_each(|(column, array)| column.push(array))?;
        } else {
            self.columns
                .par_iter_mut()
                .zip(arrays)
                .try_for_each(|(column, array)| column.push(array))?;
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Verifies the order and takes time bounds and series from it.
    fn note_order(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let array = |at: usize| {
            arrays
                .get(at)
                .ok_or_else(|| Error::internal("a batch lacks a column"))
        };
        let times = array(self.time_at)?
            .as_primitive::<TimestampNanosecondType>()
            .values();
        let Some(series_at) = self.series_at else {
            return self.note_run(NULL_CODE, times);
        };
        let codes = array(series_at)?.as_primitive::<UInt32Type>().values();
        let mut start = 0;
        for run in codes.chunk_by(|a, b| a == b) {
            let end = start + run.len();
            let code = run.first().copied().unwrap_or(NULL_CODE);
            if code == NULL_CODE {
                self.null_series = true;
            } else {
                self.series.insert(code);
            }
            self.note_run(code, times.get(start..end).unwrap_or_default())?;
            start = end;
        }
        Ok(())
    }

    fn note_run(&mut self, code: u32, times: &[i64]) -> Result<()> {
        let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
            return Ok(());
        };
        let in_order = self.last.is_none_or(|before| before <= (code, first)) && times.is_sorted();
        if !in_order {
            return Err(Error::internal(
                "rows of a segment are not sorted by series and time",
            ));
        }
        self.min_time = self.min_time.min(first);
        self.max_time = self.max_time.max(last);
        self.last = Some((code, last));
        Ok(())
    }

    /// Writes what is left and gives what a commit must name. The files are durable when `sync` was flushed.
    pub(crate) fn finish(self, created_at: i64, sync: &mut SyncBatch) -> Result<(SegmentRef, SegmentGuard)> {
        if self.rows == 0 {
            return Err(Error::internal("a segment without rows"));
        }
        let written = self
            .columns
            .into_par_iter()
            .map(ColumnWriter::finish)
            .collect::<Result<Vec<_>>>()?;
        let (metas, files): (Vec<ColumnMeta>, Vec<_>) = written
            .into_iter()
            .map(|column| (column.meta, column.files))
            .unzip();
        let mut files: Vec<_> = files.into_iter().flatten().collect();
        let bytes: u64 = metas.iter().map(column_bytes).sum();
        let meta = SegmentMeta {
            segment: self.segment,
            created_at,
            rows: self.rows,
            min_time: self.min_time,
            max_time: self.max_time,
            time_column: self.table.time_column,
            series_column: self.table.series_column,
            series: self.series,
            null_series: self.null_series,
            columns: metas,
        }
        .encode();
        let mut file = self.storage.create(&self.path.join("segment.meta")?)?;
        file.append(&meta)?;
        files.push(file);
        sync.add(&self.path, files);
        let reference = SegmentRef {
            table: self.table.table,
            segment: self.segment,
            directory: self.directory,
            partition: self.partition,
            rows: self.rows,
            min_time: self.min_time,
            max_time: self.max_time,
            bytes: bytes + meta.len() as u64,
            meta_len: meta.len() as u64,
            meta_checksum: checksum(&meta),
            created: 0,
            first_commit: 0,
            last_commit: 0,
            origin: SegmentOrigin::Bulk,
            stream: 0,
        };
        Ok((reference, self.guard))
    }
}

fn column_bytes(meta: &ColumnMeta) -> u64 {
    let indexes: u64 = meta
        .attributes
        .iter()
        .map(|attribute| attribute.index_bytes)
        .sum();
    meta.values_bytes + meta.offsets_bytes + meta.validity_bytes + indexes
}

/// Creates a file, and its directory if need be: a garbage collection may remove that while nothing is in it.
///
/// # Errors
/// `Conflict` when the name is taken, or the directory is removed as often as it is made; `Io`.
pub(crate) fn create_file_with_parents(
    storage: &dyn Storage,
    directory: &RelPath,
    path: &RelPath,
) -> Result<Box<dyn WritableFile>> {
    for _ in 0..CREATE_RETRIES {
        match storage.create(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            created => return created,
        }
        match create_with_parents(storage, directory) {
            Err(error) if error.kind() == ErrorKind::Conflict => {} // Another writer made it meanwhile.
            outcome => outcome?,
        }
    }
    Err(Error::conflict(format!(
        "{path}: its directory is removed as often as it is made"
    )))
}

/// Makes a directory and those above it.
pub(crate) fn create_with_parents(storage: &dyn Storage, path: &RelPath) -> Result<()> {
    for _ in 0..CREATE_RETRIES {
        match storage.create_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        let parent = path
            .parent()
            .ok_or_else(|| Error::internal("the root has no parent"))?;
        match create_with_parents(storage, &parent) {
            Err(error) if error.kind() == ErrorKind::Conflict => {} // Another writer made it meanwhile.
            outcome => outcome?,
        }
    }
    Err(Error::conflict(format!(
        "{path}: its partition is removed as often as it is made"
    )))
}
