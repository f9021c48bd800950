//! Stream.
use super::builder::Scan;
use crate::error::Result;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
/// The batches of a scan, in order.
#[derive(Debug)]
pub struct Batches {
    schema: SchemaRef,
}
impl Batches {
    pub(crate) fn new(scan: Scan) -> Result<Self> {
        Ok(Self {
            schema: scan.schema()?,
        })
    }
    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
impl Iterator for Batches {
    type Item = Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
