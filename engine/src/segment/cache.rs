//! Bounds how many segments and vectors are open.
//!
//! Descriptors are closed after mapping, so what is bounded are maps and parsed descriptions. What a batch or a
//! scan still uses stays mapped until it is dropped, whatever the cache has let go. Decoded pages are bounded by
//! their bytes.

use std::sync::Arc;

use gapless_format::{SegmentRef, VectorKind};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::encoded::DecodedPage;
use super::reader::Segment;
use super::vector::Vector;
use super::writer::segment_path;
use crate::error::Result;
use crate::io::Storage;

/// Vectors kept open by default. Linux allows a process 65,530 maps unless told otherwise.
pub(crate) const VECTORS_MAX: usize = 16_384;
/// Segment descriptions kept by default.
pub(crate) const SEGMENTS_MAX: usize = 16_384;

/// Bytes of decoded pages kept by default.
pub(crate) const DECODED_BYTES_MAX: u64 = 256 << 20;
/// What is counted for each decoded page beside its values.
const PAGE_OVERHEAD_BYTES: u64 = 512;

/// Segment, column and page.
pub(crate) type PageId = (u64, u32, usize);

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<PageId, Arc<DecodedPage>> for ByBytes {
    fn weight(&self, _: &PageId, page: &Arc<DecodedPage>) -> u64 {
        page.bytes() + PAGE_OVERHEAD_BYTES
    }
}

/// Segment, column and part of the column chunk.
pub(crate) type VectorId = (u64, u32, VectorKind);

/// The open segments and vectors of a database.
#[derive(Debug)]
pub(crate) struct SegmentCache {
    storage: Arc<dyn Storage>,
    segments: Cache<u64, Arc<Segment>>,
    vectors: Cache<VectorId, Arc<Vector>>,
    pages: Cache<PageId, Arc<DecodedPage>, ByBytes>,
}

impl SegmentCache {
    pub(crate) fn new(storage: Arc<dyn Storage>, vectors_max: usize, decoded_bytes_max: u64) -> Self {
        // Pages of the common types are half a megabyte.
        let pages = usize::try_from(decoded_bytes_max >> 19).unwrap_or(usize::MAX);
        Self {
            storage,
            segments: Cache::new(SEGMENTS_MAX),
            vectors: Cache::new(vectors_max),
            pages: Cache::with_weighter(pages.max(16), decoded_bytes_max, ByBytes),
        }
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The same, to be kept.
    pub(crate) fn shared_storage(&self) -> &Arc<dyn Storage> {
        &self.storage
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

    /// A decoded page; what two threads ask for is decoded once.
    pub(crate) fn page(
        &self,
        id: PageId,
        decode: impl FnOnce() -> Result<DecodedPage>,
    ) -> Result<Arc<DecodedPage>> {
        self.pages.get_or_insert_with(&id, || decode().map(Arc::new))
    }

    /// Bytes of the decoded pages that are kept now.
    pub(crate) fn decoded_bytes(&self) -> u64 {
        self.pages.weight()
    }

    /// Vectors open now.
    pub(crate) fn open_vectors(&self) -> usize {
        self.vectors.len()
    }
}
