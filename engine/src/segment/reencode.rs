//! Writes a segment again with another encoding: the same rows in the same order, with the same attributes.

use std::sync::Arc;

use gapless_format::{ColumnSpec, PAGE_ROWS, SegmentMeta, SegmentOrigin, SegmentRef, TableMeta};

use super::cache::SegmentCache;
use super::discard::SegmentGuard;
use super::encode::EncodingPolicy;
use super::reader::Segment;
use super::sync::SyncBatch;
use super::writer::SegmentWriter;
use crate::error::Result;

/// The name of a new segment, as the engine's `next_segment` gives it, and the time of its making.
#[derive(Debug, Clone)]
pub(crate) struct NewSegment {
    pub(crate) segment: u64,
    pub(crate) directory: String,
    pub(crate) created_at: i64,
}

/// A segment that was written again, to take the place of its source in a commit.
#[derive(Debug)]
#[allow(dead_code, reason = "maintenance commits it")]
pub(crate) struct Reencoded {
    /// What the commit must name instead of the source.
    pub(crate) reference: SegmentRef,
    /// Removes the new files unless the commit takes them over.
    pub(crate) guard: SegmentGuard,
}

/// Reads `source` page by page and writes its rows into a new segment of the same partition, stored as `policy` says.
///
/// The new segment has the columns of the source, under the names and with the attributes that they have there,
/// whatever has become of the table since: also columns that were dropped, and the commit times of its rows. Its
/// reference has the source's time range and commit times, and `Compaction` as its origin. Nothing is visible before
/// a commit removes the source and adds the reference, and nothing is durable before `sync` was flushed.
///
/// At most one page of each column is held decoded, and the source's pages do not push others out of the cache.
/// `progress` is told the rows written so far after each page; the rewrite ends with the error that it gives.
///
/// # Errors
/// `Corrupt` when a page of the source is damaged, `Conflict` when the directory is there already, `Io`. The new files
/// are removed then.
#[allow(dead_code, reason = "maintenance rewrites cold partitions with it")]
pub(crate) fn reencode(
    cache: &SegmentCache,
    table: &TableMeta,
    source: &Segment,
    new: NewSegment,
    policy: &EncodingPolicy,
    sync: &mut SyncBatch,
    mut progress: impl FnMut(u64) -> Result<()>,
) -> Result<Reencoded> {
    let columns = stored_columns(source.meta());
    let described = Arc::new(TableMeta {
        columns: columns.clone(),
        ..table.clone()
    });
    let from = source.reference();
    let mut writer = SegmentWriter::create(
        cache.shared_storage(),
        &described,
        from.partition,
        new.segment,
        new.directory,
        policy,
    )?;
    let mut row = 0;
    while row < source.rows() {
        let end = (row + PAGE_ROWS).min(source.rows());
        let arrays = columns
            .iter()
            .map(|spec| source.read_once(cache, spec, row..end))
            .collect::<Result<Vec<_>>>()?;
        writer.push(&arrays)?;
        row = end;
        progress(row as u64)?;
    }
    let (reference, guard) = writer.finish(new.created_at, sync)?;
    let reference = SegmentRef {
        first_commit: from.first_commit,
        last_commit: from.last_commit,
        origin: SegmentOrigin::Compaction,
        ..reference
    };
    Ok(Reencoded { reference, guard })
}

/// The segment's columns as a table that has just them.
pub(crate) fn stored_columns(meta: &SegmentMeta) -> Vec<ColumnSpec> {
    let columns = meta.columns.iter();
    columns
        .map(|column| ColumnSpec {
            column_id: column.column_id,
            name: column.name.clone(),
            column_type: column.column_type.clone(),
            nullable: true,
            attributes: column.attributes.iter().map(|attribute| attribute.kind).collect(),
        })
        .collect()
}
