//! Rows from elsewhere, and rows that were computed before.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use gapless_engine::Result;

use super::{Layout, Rows, RowsIter, Source};

/// Batches in memory: each is a part.
pub(crate) struct BatchSource {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Source for BatchSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Plain
    }

    fn parts(&self) -> usize {
        self.batches.len()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let batch = self.batches.get(part).cloned();
        Ok(Box::new(batch.into_iter().map(|batch| Ok(Rows::plain(batch)))))
    }
}
