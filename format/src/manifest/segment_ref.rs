//! What the manifest knows about segments, symbol domains and named snapshots.

use crate::bytes::{Reader, Writer, tags};
use crate::error::FormatError;
use crate::names::decode_file_name;
use crate::partition::PartitionKey;

/// Longest name of a segment directory.
pub const DIRECTORY_LEN_MAX: usize = 64;

/// A live segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SegmentRef {
    /// Id of its table.
    pub table: u32,
    /// Its id.
    pub segment: u64,
    /// Its directory's name inside the partition: `s-` and characters of `A-Z a-z 0-9 -`.
    pub directory: String,
    /// The partition that holds all its rows.
    pub partition: PartitionKey,
    /// Rows.
    pub rows: u64,
    /// Smallest time.
    pub min_time: i64,
    /// Largest time, inclusive.
    pub max_time: i64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes of its `segment.meta`.
    pub meta_len: u64,
    /// Checksum of its whole `segment.meta`.
    pub meta_checksum: u64,
    /// The version that added it.
    pub created: u64,
    /// Commit time of its oldest row.
    pub first_commit: i64,
    /// Commit time of its newest row.
    pub last_commit: i64,
    /// What built it.
    pub origin: SegmentOrigin,
    /// The stream whose rows a flush put into it; 0 for none.
    pub stream: u64,
}

/// What built a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentOrigin {
    /// A bulk commit: all its rows were committed at once.
    Bulk,
    /// A flush of streamed rows.
    Flush,
    /// A compaction of other segments.
    Compaction,
}
tags!(SegmentOrigin { Bulk = 0, Flush = 1, Compaction = 2 });

/// A segment that is no longer live but whose files may still be there for older snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemovedSegment {
    /// The segment.
    pub segment: SegmentRef,
    /// The version that removed it.
    pub removed: u64,
    /// Name of its table, which may be gone.
    pub table_name: String,
}

/// A symbol domain and how much of its file is committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainMeta {
    /// Name of the domain.
    pub domain: String,
    /// Its file's name below `symbols/`, without the extension; as [`crate::file_name`] makes them.
    pub file: String,
    /// Committed bytes of the file.
    pub committed_len: u64,
    /// Committed symbols.
    pub symbols: u32,
    /// Chain after the last committed frame.
    pub chain: u64,
}

/// A version pinned by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SnapshotMeta {
    /// Its name.
    pub name: String,
    /// The pinned version.
    pub version: u64,
}

impl SegmentRef {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.table);
        writer.u64(self.segment);
        self.partition.encode(writer);
        writer.u64(self.rows);
        writer.i64(self.min_time);
        writer.i64(self.max_time);
        writer.u64(self.bytes);
        writer.u64(self.meta_len);
        writer.u64(self.meta_checksum);
        writer.u64(self.created);
        writer.i64(self.first_commit);
        writer.i64(self.last_commit);
        writer.u8(self.origin.tag());
        writer.u64(self.stream);
        writer.string(&self.directory);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let segment = Self {
            table: reader.u32("table id")?,
            segment: reader.u64("segment")?,
            partition: PartitionKey::decode(reader)?,
            rows: reader.u64("rows")?,
            min_time: reader.i64("min time")?,
            max_time: reader.i64("max time")?,
            bytes: reader.u64("bytes")?,
            meta_len: reader.u64("segment.meta length")?,
            meta_checksum: reader.u64("segment.meta checksum")?,
            created: reader.u64("creating version")?,
            first_commit: reader.i64("first commit")?,
            last_commit: reader.i64("last commit")?,
            origin: reader.tag(SegmentOrigin::from_tag, "segment origin")?,
            stream: reader.u64("stream")?,
            directory: decode_directory(reader)?,
        };
        segment.check(offset)?;
        Ok(segment)
    }

    fn check(&self, offset: u64) -> Result<(), FormatError> {
        let inside = |ts| self.partition.contains(ts);
        if self.first_commit > self.last_commit {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "segment {:?}: found commits {} to {}, expected them in order",
                    self.directory, self.first_commit, self.last_commit
                ),
            ));
        }
        if self.min_time <= self.max_time && inside(self.min_time) && inside(self.max_time) {
            return Ok(());
        }
        Err(FormatError::corrupt(
            offset,
            format!(
                "segment {:?}: found times {} to {}, expected them in order and inside the partition {}",
                self.directory,
                self.min_time,
                self.max_time,
                self.partition.path()
            ),
        ))
    }
}

/// A directory name that cannot lead anywhere else.
fn decode_directory(reader: &mut Reader<'_>) -> Result<String, FormatError> {
    let offset = reader.offset();
    let name = reader.string("segment directory")?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_sound =
        name.len() > 2 && name.len() <= DIRECTORY_LEN_MAX && name.starts_with("s-") && name.bytes().all(safe);
    if is_sound {
        return Ok(name.to_owned());
    }
    let start: String = name.chars().take(DIRECTORY_LEN_MAX).collect();
    Err(FormatError::corrupt(
        offset,
        format!("segment directory: found {start:?}, expected s- and 1 to 62 of A-Z a-z 0-9 -"),
    ))
}

impl RemovedSegment {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.removed);
        writer.string(&self.table_name);
        self.segment.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            removed: reader.u64("removing version")?,
            table_name: reader.string("table name")?.to_owned(),
            segment: SegmentRef::decode(reader)?,
        })
    }
}

impl DomainMeta {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.committed_len);
        writer.u32(self.symbols);
        writer.u64(self.chain);
        writer.string(&self.domain);
        writer.string(&self.file);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let committed_len = reader.u64("committed length")?;
        let symbols = reader.u32("symbol count")?;
        let chain = reader.u64("chain")?;
        let domain = reader.string("domain")?.to_owned();
        let offset = reader.offset();
        let file = reader.string("domain file")?.to_owned();
        if decode_file_name(&file).is_none() {
            return Err(FormatError::corrupt(
                offset,
                format!("domain {domain:?}: found file {file:?}, expected a percent-encoded file name"),
            ));
        }
        Ok(Self {
            domain,
            file,
            committed_len,
            symbols,
            chain,
        })
    }
}

impl SnapshotMeta {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.version);
        writer.string(&self.name);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            version: reader.u64("version")?,
            name: reader.string("snapshot name")?.to_owned(),
        })
    }
}
