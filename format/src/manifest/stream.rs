//! What the manifest knows about streams and about deleted rows.

use crate::bytes::{Reader, Writer};
use crate::error::FormatError;

/// A stream: the write-ahead log of one writing process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamMeta {
    /// Its id, which names its directory below `wal/`.
    pub stream: u64,
    /// The LSN below which its log is not needed: those rows are in segments.
    pub checkpoint: u64,
    /// Commit time of the newest row below the checkpoint.
    pub flushed: i64,
}

/// Rows that are hidden: those of a time range, of all or some series, that were committed before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deletion {
    /// Its id.
    pub deletion: u64,
    /// Id of its table.
    pub table: u32,
    /// First time that is hidden.
    pub start: i64,
    /// First time that is not; `i64::MAX` for no end.
    pub end: i64,
    /// The series, ascending codes; `None` for all rows.
    pub series: Option<Vec<u32>>,
    /// Only rows with an earlier commit time are hidden.
    pub commit: i64,
}

impl StreamMeta {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.stream);
        writer.u64(self.checkpoint);
        writer.i64(self.flushed);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            stream: reader.u64("stream")?,
            checkpoint: reader.u64("checkpoint")?,
            flushed: reader.i64("flushed commit")?,
        })
    }
}

impl Deletion {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.deletion);
        writer.u32(self.table);
        writer.i64(self.start);
        writer.i64(self.end);
        writer.i64(self.commit);
        writer.bool(self.series.is_some());
        let codes = self.series.as_deref().unwrap_or_default();
        writer.count(codes.len());
        codes.iter().for_each(|code| writer.u32(*code));
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let deletion = reader.u64("deletion")?;
        let table = reader.u32("table id")?;
        let start = reader.i64("start")?;
        let end = reader.i64("end")?;
        let commit = reader.i64("commit time")?;
        let has_series = reader.bool("has series")?;
        let offset = reader.offset();
        let count = reader.count(4, "series count")?;
        let codes = (0..count)
            .map(|_| reader.u32("series code"))
            .collect::<Result<Vec<_>, _>>()?;
        let ascending = codes.is_sorted_by(|a, b| a < b);
        if start > end || !ascending || (!has_series && !codes.is_empty()) {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "deletion {deletion:016x}: found times {start} to {end} and {count} series, expected them in order"
                ),
            ));
        }
        Ok(Self {
            deletion,
            table,
            start,
            end,
            series: has_series.then_some(codes),
            commit,
        })
    }
}

/// Bytes of data files and logs written since the database was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WrittenBytes {
    /// Records of logs, of rows that are in segments by now.
    pub log: u64,
    /// Segments of bulk commits.
    pub bulk: u64,
    /// Segments of streamed rows.
    pub flushed: u64,
    /// Segments made of other segments.
    pub compacted: u64,
}

impl WrittenBytes {
    /// Bytes written for each byte of data, which is what came in first in segments; `None` without data.
    pub fn amplification(&self) -> Option<f64> {
        let data = self.bulk + self.flushed;
        (data > 0).then(|| (self.log + data + self.compacted) as f64 / data as f64)
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        for bytes in [self.log, self.bulk, self.flushed, self.compacted] {
            writer.u64(bytes);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            log: reader.u64("bytes of logs")?,
            bulk: reader.u64("bytes of bulk commits")?,
            flushed: reader.u64("bytes of flushes")?,
            compacted: reader.u64("bytes of compactions")?,
        })
    }
}
