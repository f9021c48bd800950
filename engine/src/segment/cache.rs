//! Bounds how many segments and vectors are open.
//!
//! Descriptors are closed after mapping, so what is bounded are maps and parsed descriptions. What a batch or a
//! scan still uses stays mapped until it is dropped, whatever the cache has let go.

use std::sync::Arc;

use gapless_format::{SegmentRef, VectorKind};
use quick_cache::sync::Cache;

use super::reader::Segment;
use super::vector::Vector;
use super::writer::segment_path;
use crate::error::Result;
use crate::io::Storage;

/// Vectors kept open by default. Linux allows a process 65,530 maps unless told otherwise.
pub(crate) const VECTORS_MAX: usize = 16_384;
/// Segment descriptions kept by default.
pub(crate) const SEGMENTS_MAX: usize = 16_384;

/// Segment, column and part of the column chunk.
pub(crate) type VectorId = (u64, u32, VectorKind);

/// The open segments and vectors of a database.
#[derive(Debug)]
pub(crate) struct SegmentCache {
    storage: Arc<dyn Storage>,
    segments: Cache<u64, Arc<Segment>>,
    vectors: Cache<VectorId, Arc<Vector>>,
}

impl SegmentCache {
    pub(crate) fn new(storage: Arc<dyn Storage>, vectors_max: usize) -> Self {
        Self {
            storage,
            segments: Cache::new(SEGMENTS_MAX),
            vectors: Cache::new(vectors_max),
        }
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The open segment of a reference.
    pub(crate) fn segment(&self, table: &str, reference: &Arc<SegmentRef>) -> Result<Arc<Segment>> {
        self.segments.get_or_insert_with(&reference.segment, || {
            let path = segment_path(table, reference.partition, &reference.directory)?;
            Segment::open(&*self.storage, path, reference).map(Arc::new)
        })
    }

    pub(crate) fn vector(&self, id: VectorId, open: impl FnOnce() -> Result<Vector>) -> Result<Arc<Vector>> {
        self.vectors.get_or_insert_with(&id, || open().map(Arc::new))
    }

    /// Vectors open now.
    pub(crate) fn open_vectors(&self) -> usize {
        self.vectors.len()
    }
}
