//! A commit that is ready to be written: its record but for LSN and time, and its rows as memory takes them.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use gapless_format::wal::{WAL_RECORD_HEADER_LEN, WalItem, wal_record_header};
use gapless_format::{Coverage, Deletion, TableMeta, Writer, checksum};

use super::codec;
use crate::error::{Error, Result};
use crate::memtable::{Statements, StreamColumn, StreamRows, deletion_bytes};

/// Rows of one table, normalized.
#[derive(Debug, Clone)]
pub(crate) struct PreparedRows {
    pub(crate) table: Arc<TableMeta>,
    pub(crate) columns: Vec<StreamColumn>,
}

impl PreparedRows {
    /// How many they are.
    pub(crate) fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.array.len())
    }

    /// Their times.
    pub(crate) fn times(&self) -> &[i64] {
        let is_time = |column: &&StreamColumn| column.column_id == self.table.time_column;
        let time = self.columns.iter().find(is_time);
        time.map_or(&[], |time| {
            time.array.as_primitive::<TimestampNanosecondType>().values()
        })
    }

    /// The greatest of their times.
    pub(crate) fn last_time(&self) -> Option<i64> {
        self.times().iter().max().copied()
    }
}

/// A commit of any number of tables.
#[derive(Debug)]
pub(crate) struct Prepared {
    record: Vec<u8>,
    body_checksum: u64,
    pub(super) rows: Vec<StreamRows>,
    pub(super) deletions: Vec<Deletion>,
    pub(super) statements: Statements,
}

impl Prepared {
    /// Encodes a commit. `now` decides which days are open.
    ///
    /// # Errors
    /// `Invalid` when it is larger than a record may be (4 GiB).
    pub(crate) fn new(
        rows: Vec<PreparedRows>,
        deletions: Vec<Deletion>,
        statements: Statements,
        now: i64,
    ) -> Result<Self> {
        let mut writer = Writer::with_capacity(4096);
        writer.zeros(WAL_RECORD_HEADER_LEN);
        // Before the rows: what they replace is hidden first.
        for deletion in &deletions {
            WalItem::encode_deletion(&mut writer, deletion);
        }
        for coverage in &statements.coverage {
            WalItem::encode_coverage(&mut writer, coverage);
        }
        let mut split = Vec::with_capacity(rows.len());
        for rows in rows {
            codec::encode_rows(&mut writer, rows.table.table, &rows.columns)?;
            split.push(codec::split(&rows.table, rows.columns, now)?);
        }
        let record = writer.into_vec();
        if u32::try_from(record.len()).is_err() {
            return Err(Error::invalid(
                "a streamed commit is below 4 GiB: write it in parts",
            ));
        }
        Ok(Self {
            body_checksum: checksum(record.get(WAL_RECORD_HEADER_LEN..).unwrap_or_default()),
            record,
            rows: split,
            deletions,
            statements,
        })
    }

    /// Whether it hides rows.
    pub(crate) fn has_deletions(&self) -> bool {
        !self.deletions.is_empty()
    }

    /// Memory that its rows, deletions and statements will take.
    pub(crate) fn memory_bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(StreamRows::memory_bytes).sum();
        let statements = self.statements.coverage.len() * size_of::<Coverage>();
        rows + statements + self.deletions.iter().map(deletion_bytes).sum::<usize>()
    }

    /// The record at its place.
    pub(super) fn record(&mut self, lsn: u64, commit: i64) -> &[u8] {
        let body_len = u32::try_from(self.record.len() - WAL_RECORD_HEADER_LEN).unwrap_or(u32::MAX);
        let header = wal_record_header(lsn, commit, body_len, self.body_checksum);
        if let Some(front) = self.record.get_mut(..WAL_RECORD_HEADER_LEN) {
            front.copy_from_slice(&header);
        }
        &self.record
    }

    /// What memory takes, with its commit time.
    pub(super) fn into_parts(self, commit: i64) -> (Vec<StreamRows>, Vec<Deletion>, Statements) {
        let at = |deletion| Deletion { commit, ..deletion };
        let deletions = self.deletions.into_iter().map(at).collect();
        (self.rows, deletions, self.statements)
    }
}
