//! Chunks that make the next batch: a large one alone, so that its arrays point into the map; small ones together, by a copy.

use super::merge::Chunk;

/// Chunks of the next batch.
pub(super) struct Batching {
    chunks: Vec<Chunk>,
    rows: usize,
    /// Rows of a batch, at most.
    limit: usize,
    /// From here on a chunk is large.
    large: usize,
    has_large: bool,
}

impl Batching {
    pub(super) fn new(limit: usize, large: usize) -> Self {
        Self {
            chunks: Vec::new(),
            rows: 0,
            limit,
            large,
            has_large: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.limit
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes a chunk, or its first rows; gives back what belongs to a later batch.
    pub(super) fn take(&mut self, mut chunk: Chunk) -> Option<Chunk> {
        let room = self.limit.saturating_sub(self.rows);
        let goes_on = self.goes_on(&chunk);
        let is_small = !self.has_large && chunk.len() < self.large;
        if !goes_on && !self.chunks.is_empty() && (!is_small || chunk.len() > room) {
            return Some(chunk);
        }
        let rest = (chunk.len() > room).then(|| chunk.split_off(room));
        self.rows += chunk.len();
        self.has_large |= chunk.len() >= self.large;
        match (self.chunks.last_mut(), &chunk) {
            (Some(Chunk::Slice(last)), Chunk::Slice(piece)) if goes_on => last.extend(piece),
            _ => self.chunks.push(chunk),
        }
        rest
    }

    /// Whether a chunk continues the last one in the same page: then they are one slice of it.
    fn goes_on(&self, chunk: &Chunk) -> bool {
        match (self.chunks.last(), chunk) {
            (Some(Chunk::Slice(last)), Chunk::Slice(next)) => {
                last.joins(next) && last.rows_without_copy(0) > last.rows.len()
            }
            _ => false,
        }
    }

    pub(super) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }
}
