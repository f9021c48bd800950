//! Consecutive rows of one partition, as they arrived.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, ArrayRef};
use gapless_format::{PartitionKey, TableMeta};

use crate::error::{Error, Result};
use crate::segment::Segment;
use crate::write::sort;

/// A column of streamed rows, in the storage type it had when the rows were written.
#[derive(Debug, Clone)]
pub(crate) struct StreamColumn {
    pub(crate) column_id: u32,
    pub(crate) column_type: gapless_format::ColumnType,
    pub(crate) array: ArrayRef,
}

/// Rows that never change.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) table: Arc<TableMeta>,
    pub(crate) partition: PartitionKey,
    pub(crate) columns: Vec<StreamColumn>,
    /// Row after the last of each commit, and its time; both ascend.
    commits: Vec<(u32, i64)>,
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
    rows: usize,
    bytes: usize,
    sorted: OnceLock<Arc<Segment>>,
}

impl Block {
    /// The rows of one commit in one partition.
    pub(crate) fn of_commit(
        table: &Arc<TableMeta>,
        partition: PartitionKey,
        columns: Vec<StreamColumn>,
        commit: i64,
    ) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.array.len());
        let end = u32::try_from(rows).map_err(|_| Error::internal("2^32 rows in one commit"))?;
        Self::new(table, partition, columns, vec![(end, commit)])
    }

    fn new(
        table: &Arc<TableMeta>,
        partition: PartitionKey,
        columns: Vec<StreamColumn>,
        commits: Vec<(u32, i64)>,
    ) -> Result<Self> {
        let time = columns
            .iter()
            .find(|column| column.column_id == table.time_column)
            .ok_or_else(|| Error::internal("streamed rows have no time"))?;
        let times = time.array.as_primitive::<TimestampNanosecondType>().values();
        let (min_time, max_time) = times.iter().fold((i64::MAX, i64::MIN), |(min, max), time| {
            (min.min(*time), max.max(*time))
        });
        Ok(Self {
            rows: times.len(),
            bytes: columns.iter().map(|column| array_bytes(&column.array)).sum(),
            table: Arc::clone(table),
            partition,
            commits,
            min_time,
            max_time,
            columns,
            sorted: OnceLock::new(),
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Memory that its rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn first_commit(&self) -> i64 {
        self.commits.first().map_or(i64::MAX, |(_, commit)| *commit)
    }

    pub(crate) fn last_commit(&self) -> i64 {
        self.commits.last().map_or(i64::MIN, |(_, commit)| *commit)
    }

    /// The commit time of each row.
    pub(crate) fn commit_times(&self) -> Vec<i64> {
        let mut times = Vec::with_capacity(self.rows);
        for (end, commit) in &self.commits {
            times.resize(*end as usize, *commit);
        }
        times
    }

    /// The block as far as it was committed at `upto`; `None` when that is not a row.
    pub(crate) fn until(self: &Arc<Self>, upto: i64) -> Result<Option<Arc<Self>>> {
        let commits = self.commits.partition_point(|(_, commit)| *commit <= upto);
        if commits == self.commits.len() {
            return Ok(Some(Arc::clone(self)));
        }
        let Some((rows, _)) = commits.checked_sub(1).and_then(|last| self.commits.get(last)) else {
            return Ok(None);
        };
        let columns = self.slice(0..*rows as usize);
        let commits = self.commits.get(..commits).unwrap_or_default().to_vec();
        Self::new(&self.table, self.partition, columns, commits).map(|block| Some(Arc::new(block)))
    }

    /// The rows that were committed after a commit; `None` when there are none.
    pub(crate) fn after(self: &Arc<Self>, commit: i64) -> Result<Option<Arc<Self>>> {
        let old = self.commits.partition_point(|(_, other)| *other <= commit);
        let Some((first, _)) = old.checked_sub(1).and_then(|last| self.commits.get(last)) else {
            return Ok(Some(Arc::clone(self)));
        };
        let rest = self.commits.get(old..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let columns = self.slice(*first as usize..self.rows);
        let commits = rest.iter().map(|(end, commit)| (end - first, *commit)).collect();
        Self::new(&self.table, self.partition, columns, commits).map(|block| Some(Arc::new(block)))
    }

    fn slice(&self, rows: Range<usize>) -> Vec<StreamColumn> {
        let slice = |column: &StreamColumn| StreamColumn {
            array: column.array.slice(rows.start, rows.len()),
            ..column.clone()
        };
        self.columns.iter().map(slice).collect()
    }

    /// Whether the rows of both can be one block: they have the same columns.
    pub(crate) fn joins(&self, next: &Self) -> bool {
        self.columns.len() == next.columns.len()
            && self
                .columns
                .iter()
                .zip(&next.columns)
                .all(|(a, b)| a.column_id == b.column_id && a.array.data_type() == b.array.data_type())
    }

    /// Blocks that join, as one.
    pub(crate) fn joined(blocks: &[Arc<Self>]) -> Result<Self> {
        let first = blocks
            .first()
            .ok_or_else(|| Error::internal("no blocks to join"))?;
        let mut columns = Vec::with_capacity(first.columns.len());
        for (at, column) in first.columns.iter().enumerate() {
            let parts: Vec<&dyn Array> = blocks
                .iter()
                .filter_map(|block| block.columns.get(at).map(|column| column.array.as_ref()))
                .collect();
            columns.push(StreamColumn {
                array: sort::joined(&parts)?,
                ..column.clone()
            });
        }
        let mut commits: Vec<(u32, i64)> = Vec::new();
        let mut base = 0;
        for block in blocks {
            for (end, commit) in &block.commits {
                match commits.last_mut() {
                    Some(last) if last.1 == *commit => last.0 = base + end,
                    _ => commits.push((base + end, *commit)),
                }
            }
            base += u32::try_from(block.rows).unwrap_or(u32::MAX);
        }
        let latest = blocks.last().unwrap_or(first);
        Self::new(&latest.table, first.partition, columns, commits)
    }

    /// Whether it has a row of a series in a time range; `None` is any.
    pub(crate) fn has_row(&self, code: Option<u32>, time: &Range<i64>) -> bool {
        let column = |id: u32| self.columns.iter().find(|column| column.column_id == id);
        let times = column(self.table.time_column).map_or(&[][..], |column| {
            column.array.as_primitive::<TimestampNanosecondType>().values()
        });
        let is_inside = |at: &i64| (time.start <= *at) & (*at < time.end);
        let codes = code.and(self.table.series_column).and_then(column);
        match (code, codes) {
            (Some(code), Some(codes)) => {
                let codes = codes.array.as_primitive::<UInt32Type>().values();
                let hits = times
                    .iter()
                    .zip(codes)
                    .filter(|(at, other)| is_inside(at) & (**other == code));
                hits.count() > 0
            }
            (Some(_), None) => false,
            (None, _) => times.iter().any(is_inside),
        }
    }

    /// The rows sorted by (series, time), as a segment in memory. Sorted once.
    pub(crate) fn segment(&self) -> Result<Arc<Segment>> {
        if let Some(made) = self.sorted.get() {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(super::segment::sorted(self)?);
        Ok(Arc::clone(self.sorted.get_or_init(|| made)))
    }
}

/// Memory that the values of an array take, without what lies outside of its slice.
pub(crate) fn array_bytes(array: &ArrayRef) -> usize {
    if let Some(width) = array.data_type().primitive_width() {
        return array.len() * width + array.nulls().map_or(0, |nulls| nulls.len().div_ceil(8));
    }
    array
        .to_data()
        .get_slice_memory_size()
        .unwrap_or_else(|_| array.get_array_memory_size())
}
