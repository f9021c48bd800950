//! The sound rows of a damaged segment, and the proof that the segment made of them is sound.

use std::sync::Arc;

use arrow_array::ArrayRef;
use gapless_format::{SegmentMeta, SegmentRef, TableMeta};

use super::damage::SegmentDamage;
use super::finding::Sink;
use super::segment::{self, Target};
use super::source::Source;
use super::symbols::Counts;
use crate::error::{Error, Result};
use crate::io::Storage;
use crate::segment::segment_path;

/// Calls `take` with the columns of each sound page, in order.
///
/// # Errors
/// `Conflict` when a page that was sound is not any more; what `take` says.
pub(crate) fn each_sound_page(
    storage: &dyn Storage,
    damage: &SegmentDamage,
    meta: &SegmentMeta,
    mut take: impl FnMut(&[ArrayRef]) -> Result<()>,
) -> Result<()> {
    let reference = &damage.reference;
    let path = segment_path(&damage.table.name, reference.partition, &reference.directory)?;
    let source = Source::new(storage);
    let silent = Sink::default();
    let chunks = segment::chunks(&source, &path, meta);
    for page in &damage.sound {
        let arrays: Option<Vec<ArrayRef>> = chunks.iter().map(|chunk| chunk.page(*page, &silent)).collect();
        let arrays = arrays
            .ok_or_else(|| Error::conflict(format!("{path}: page {page} was sound and is damaged now")))?;
        take(&arrays)?;
    }
    Ok(())
}

/// Refuses a segment in which a check would find an error.
///
/// # Errors
/// `Internal`, with what was found.
pub(crate) fn prove(
    storage: &dyn Storage,
    table: &Arc<TableMeta>,
    reference: &SegmentRef,
    symbols: &Counts,
) -> Result<()> {
    let target = Target {
        table: Arc::clone(table),
        reference: Arc::new(reference.clone()),
    };
    let sink = segment::check(&Source::new(storage), &target, symbols);
    match sink.texts().first() {
        None => Ok(()),
        Some(found) => Err(Error::internal(format!(
            "what was saved of a damaged segment is not sound: {found}"
        ))),
    }
}
