//! A new segment of the sound rows of a damaged one: the same columns, the same order, indexes made again.

use std::sync::Arc;

use gapless_format::{
    AttributeKind, COMMIT_COLUMN, ColumnSpec, Encoding, SegmentMeta, SegmentRef, TableMeta,
};

use crate::check::{Counts, SegmentDamage, each_sound_page, prove};
use crate::compact::cold_encoding;
use crate::database::Engine;
use crate::error::{ErrorKind, Result};
use crate::segment::discard::SegmentGuard;
use crate::segment::sync::SyncBatch;
use crate::segment::{EncodingPolicy, SegmentWriter, stored_columns};

/// Writes the sound rows of a damaged segment into a new one, durable and checked when this returns. `None` without any.
///
/// # Errors
/// `Conflict` when more is damaged by now; `Io`. The new files are removed then.
pub(super) fn salvage(
    engine: &Arc<Engine>,
    damage: &SegmentDamage,
    symbols: &Counts,
) -> Result<Option<(SegmentRef, SegmentGuard)>> {
    let Some(meta) = damage.meta.as_ref().filter(|_| !damage.sound.is_empty()) else {
        return Ok(None);
    };
    let columns = stored_columns(meta);
    let written = match write(engine, damage, meta, columns.clone()) {
        // An attribute that never held: reads are right without it.
        Err(error) if error.kind() == ErrorKind::Invalid => {
            tracing::info!(%error, "a repair leaves attributes out");
            write(engine, damage, meta, with_few_attributes(meta, columns))?
        }
        written => written?,
    };
    let (reference, guard) = written;
    prove(&**engine.storage(), &damage.table, &reference, symbols)?;
    Ok(Some((reference, guard)))
}

fn write(
    engine: &Arc<Engine>,
    damage: &SegmentDamage,
    meta: &SegmentMeta,
    columns: Vec<ColumnSpec>,
) -> Result<(SegmentRef, SegmentGuard)> {
    let table = Arc::new(TableMeta {
        columns,
        time_column: meta.time_column,
        series_column: meta.series_column,
        ..TableMeta::clone(&damage.table)
    });
    let is_encoded = meta
        .columns
        .iter()
        .any(|column| column.column_id != COMMIT_COLUMN && column.encoding != Encoding::Plain);
    let policy = match is_encoded {
        true => cold_encoding(&damage.table),
        false => EncodingPolicy::plain(),
    };
    let mut writer = create(engine, damage, &table, &policy)?;
    let storage = &**engine.storage();
    each_sound_page(storage, damage, meta, |arrays| writer.push(arrays))?;
    let mut sync = SyncBatch::default();
    let written = writer.finish(engine.now_ns(), &mut sync)?;
    sync.flush(storage)?;
    Ok(written)
}

/// A dead process that had this one's number may have left a directory of the name.
fn create(
    engine: &Arc<Engine>,
    damage: &SegmentDamage,
    table: &Arc<TableMeta>,
    policy: &EncodingPolicy,
) -> Result<SegmentWriter> {
    loop {
        let (segment, directory) = engine.next_segment();
        let partition = damage.reference.partition;
        match SegmentWriter::create(engine.storage(), table, partition, segment, directory, policy) {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            created => return created,
        }
    }
}

/// Without the attributes that may not hold. The order by series and time does.
fn with_few_attributes(meta: &SegmentMeta, mut columns: Vec<ColumnSpec>) -> Vec<ColumnSpec> {
    for column in &mut columns {
        let is_series = Some(column.column_id) == meta.series_column;
        column
            .attributes
            .retain(|kind| is_series && *kind == AttributeKind::Parted);
    }
    columns
}
