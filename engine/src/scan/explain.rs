//! What a scan touches and what it prunes, told before it runs.

use std::collections::BTreeSet;

use gapless_format::PAGE_ROWS;

use super::builder::{Order, Scan};
use super::plan::{Plan, memory_segments};
use crate::error::Result;

/// What a scan touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explain {
    /// Partitions of the table.
    pub partitions: usize,
    /// Partitions with rows in the time range.
    pub partitions_read: usize,
    /// Segments of the table, and blocks of rows that are not in segments yet.
    pub segments: usize,
    /// Segments with rows that are left.
    pub segments_read: usize,
    /// Rows of the table.
    pub rows: u64,
    /// Rows that are left after time, series, indexes and page statistics; the condition sees these only.
    pub rows_read: u64,
    /// Pages of each column that these rows lie in.
    pub pages_read: u64,
}

impl std::fmt::Display for Explain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "reads {} of {} partitions, {} of {} segments, {} of {} rows, {} pages of each column",
            self.partitions_read,
            self.partitions,
            self.segments_read,
            self.segments,
            self.rows_read,
            self.rows,
            self.pages_read
        )
    }
}

/// Plans the scan; of the data, only indexes and the times that bound the range are read.
pub(crate) fn explain(scan: Scan) -> Result<Explain> {
    let plan = Plan::new(scan.order(Order::Stored))?;
    let mut explain = whole(&plan.scan)?;
    let mut partitions = BTreeSet::new();
    for cluster in &plan.clusters {
        for reference in &cluster.segments {
            let pieces = plan.selected(cluster, reference)?;
            if pieces.is_empty() {
                continue;
            }
            partitions.insert(reference.partition.path());
            explain.segments_read += 1;
            let mut pages = BTreeSet::new();
            for piece in &pieces {
                explain.rows_read += piece.rows.len() as u64;
                let span = piece.rows.span();
                if !span.is_empty() {
                    pages.extend(span.start / PAGE_ROWS..=(span.end - 1) / PAGE_ROWS);
                }
            }
            explain.pages_read += pages.len() as u64;
        }
    }
    explain.partitions_read = partitions.len();
    Ok(explain)
}

/// What the table has, with what is not in segments yet.
fn whole(scan: &Scan) -> Result<Explain> {
    let every_time = Scan {
        time: i64::MIN..i64::MAX,
        ..scan.clone()
    };
    let streamed = memory_segments(&every_time)?;
    let streamed = streamed.iter().map(|segment| segment.reference());
    let stored = scan.table.partitions();
    let mut partitions: BTreeSet<_> = stored.iter().map(|(key, _)| key.path()).collect();
    partitions.extend(streamed.clone().map(|block| block.partition.path()));
    Ok(Explain {
        partitions: partitions.len(),
        segments: scan.table.segment_count() + streamed.len(),
        rows: scan.table.rows() + streamed.map(|block| block.rows).sum::<u64>(),
        ..Explain::default()
    })
}
