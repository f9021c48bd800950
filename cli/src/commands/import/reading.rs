//! The rows of an import on their way into the writer: counted, and shown as a bar.

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use gapless_interchange::Source;
use indicatif::ProgressBar;

use crate::error::CliError;
use crate::progress;

/// The batches of the files.
pub(super) struct Rows {
    source: Source,
    bar: ProgressBar,
    raw_bytes: u64,
}

impl Rows {
    pub(super) fn new(source: Source) -> Self {
        let bar = progress::bytes(source.bytes_total(), "reading files");
        Self {
            source,
            bar,
            raw_bytes: 0,
        }
    }

    /// Bytes of the columns so far, as bare values.
    pub(super) fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Lines that were put aside.
    pub(super) fn rejected(&self) -> u64 {
        self.source.rows_rejected()
    }

    /// Local times that their zone's clock shows twice.
    pub(super) fn ambiguous_times(&self) -> u64 {
        self.source.ambiguous_times()
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.source.next();
        match &next {
            Some(Ok(batch)) => {
                self.raw_bytes += batch.columns().iter().map(|array| raw_bytes(array)).sum::<u64>();
                self.bar.set_position(self.source.bytes_read());
            }
            _ => self.bar.finish_and_clear(),
        }
        next.map(|batch| batch.map_err(CliError::from))
    }
}

/// Values, offsets of text and validity where there are nulls. Symbols are codes of four bytes.
fn raw_bytes(array: &dyn Array) -> u64 {
    match array.data_type() {
        DataType::Dictionary(..) => array.len() as u64 * 4,
        _ => array.to_data().get_slice_memory_size().unwrap_or_default() as u64,
    }
}
