//! Merged rows of one series that are kept: late rows are merged once, and read as slices from then on.
//!
//! What is kept is named by the rows it was made of. Segments and blocks never change, so it is right as long as it is
//! asked for; a flush, a compaction or another late row makes other pieces, and what was kept goes with its use.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray};
use gapless_format::ColumnSpec;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::gather::read_chunk;
use super::merge::{Chunk, Merge};
use super::piece::Piece;
use super::rows::Rows;
use super::ties::Ties;
use crate::error::{Error, Result};
use crate::segment::SegmentCache;

/// Fewer rows are merged again each time.
const ROWS_MIN: usize = 4096;
/// More rows are merged as they are read.
const ROWS_MAX: usize = 4 << 20;
/// Bytes that are kept, by an estimate of [`ROW_BYTES`] for each row.
const BYTES_MAX: u64 = 128 << 20;
const ROW_BYTES: u64 = 48;

/// Which rows were merged, and into chunks of how many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MergeKey {
    pieces: Vec<(u64, Rows)>,
    batch_rows: usize,
}

#[derive(Debug, Clone)]
struct ByRows;

impl Weighter<MergeKey, Arc<MergedRun>> for ByRows {
    fn weight(&self, _: &MergeKey, run: &Arc<MergedRun>) -> u64 {
        run.rows as u64 * ROW_BYTES
    }
}

/// The merged rows that are kept.
#[derive(Debug)]
pub(crate) struct MergeCache(Cache<MergeKey, Arc<MergedRun>, ByRows>);

impl MergeCache {
    pub(crate) fn new() -> Self {
        // One shard: each of several would take only runs that are much smaller than the whole.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(256)
            .weight_capacity(BYTES_MAX)
            .build()
            .expect("all that is needed is given");
        Self(Cache::with_options(
            options,
            ByRows,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ))
    }

    /// The merged rows of some pieces of one series; `None` when they are too few or too many to be kept.
    pub(crate) fn merged(
        &self,
        cache: &SegmentCache,
        ties: &Ties,
        pieces: &[(u32, Piece)],
        batch_rows: usize,
    ) -> Result<Option<Arc<MergedRun>>> {
        let rows: usize = pieces.iter().map(|(_, piece)| piece.rows.len()).sum();
        if pieces.len() < 2 || !(ROWS_MIN..=ROWS_MAX).contains(&rows) {
            return Ok(None);
        }
        let key = MergeKey {
            pieces: pieces
                .iter()
                .map(|(_, piece)| (piece.segment.reference().segment, piece.rows.clone()))
                .collect(),
            batch_rows,
        };
        let make = || MergedRun::new(cache, ties, pieces.to_vec(), batch_rows).map(Arc::new);
        self.0.get_or_insert_with(&key, make).map(Some)
    }
}

/// The rows of one series in order, chunk by chunk; a column of a chunk is gathered when it is first read.
pub(crate) struct MergedRun {
    chunks: Vec<Chunk>,
    rows: usize,
    columns: Mutex<HashMap<(u32, usize), ArrayRef>>,
    dictionaries: Mutex<HashMap<(u32, usize), ArrayRef>>,
}

impl std::fmt::Debug for MergedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergedRun")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl MergedRun {
    fn new(cache: &SegmentCache, ties: &Ties, pieces: Vec<(u32, Piece)>, batch_rows: usize) -> Result<Self> {
        let mut merge = Merge::new(cache, ties, pieces, batch_rows)?;
        let mut chunks = Vec::new();
        while let Some(chunk) = merge.next_chunk(cache)? {
            chunks.push(chunk);
        }
        Ok(Self {
            rows: chunks.iter().map(Chunk::len).sum(),
            chunks,
            columns: Mutex::default(),
            dictionaries: Mutex::default(),
        })
    }

    /// A chunk by its number, to be read through this run.
    pub(crate) fn chunk(self: &Arc<Self>, at: usize) -> Option<Chunk> {
        let chunk = self.chunks.get(at)?;
        // A slice of a map is free already.
        Some(match chunk {
            Chunk::Slice(piece) => Chunk::Slice(piece.clone()),
            other => Chunk::Kept(Arc::clone(self), at, 0..other.len()),
        })
    }

    /// Rows of a column in one chunk, in its storage type.
    pub(crate) fn column(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        at: usize,
        rows: &Range<usize>,
    ) -> Result<ArrayRef> {
        let storage_type = crate::table::types::storage_type(&spec.column_type);
        let known = self.columns.lock().get(&(spec.column_id, at)).cloned();
        // The column may have been widened since.
        if let Some(array) = known.filter(|array| *array.data_type() == storage_type) {
            return Ok(part(&array, rows));
        }
        let chunk = self
            .chunks
            .get(at)
            .ok_or_else(|| Error::internal("a chunk outside of its run"))?;
        let array = read_chunk(cache, spec, chunk)?;
        self.columns
            .lock()
            .insert((spec.column_id, at), ArrayRef::clone(&array));
        Ok(part(&array, rows))
    }

    /// As [`MergedRun::column`], for a symbol column without nulls, over all symbols of its domain.
    pub(crate) fn symbols(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        at: usize,
        rows: &Range<usize>,
        symbols: &Arc<StringArray>,
    ) -> Result<Option<ArrayRef>> {
        let known = self.dictionaries.lock().get(&(spec.column_id, at)).cloned();
        let made = match known {
            Some(made) => made,
            None => {
                let len = self.chunks.get(at).map_or(0, Chunk::len);
                let codes = self.column(cache, spec, at, &(0..len))?;
                if codes.null_count() > 0 {
                    return Ok(None);
                }
                let values: ArrayRef = Arc::clone(symbols) as ArrayRef;
                let made = DictionaryArray::try_new(codes.as_primitive::<UInt32Type>().clone(), values)
                    .map_err(|error| Error::corrupt(format!("column {:?}: {error}", spec.name)))?;
                let made: ArrayRef = Arc::new(made);
                self.dictionaries
                    .lock()
                    .insert((spec.column_id, at), ArrayRef::clone(&made));
                made
            }
        };
        // The run may have been made when the domain was shorter. It never shrinks.
        let dictionary = made.as_dictionary::<UInt32Type>();
        if symbols.len() > dictionary.values().len() {
            let values = Arc::clone(symbols) as ArrayRef;
            let longer: ArrayRef = Arc::new(dictionary.with_values(values));
            return Ok(Some(part(&longer, rows)));
        }
        Ok(Some(part(&made, rows)))
    }
}

/// Some rows of an array; all of them are the array itself.
fn part(array: &ArrayRef, rows: &Range<usize>) -> ArrayRef {
    if *rows == (0..array.len()) {
        return Arc::clone(array);
    }
    array.slice(rows.start, rows.len())
}
