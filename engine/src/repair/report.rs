//! What a repair is asked for, and what it did.

use std::fmt;

use crate::check::{Finding, LostRange, Progress};

/// What to repair.
#[derive(Clone, Default)]
pub struct RepairOptions {
    /// Only the segments and coverage files of this table.
    pub table: Option<String>,
    /// Says what would be done, and changes nothing.
    pub dry_run: bool,
    /// Called after each segment that was checked, from any thread.
    pub progress: Option<Progress>,
}

impl fmt::Debug for RepairOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepairOptions")
            .field("table", &self.table)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

/// A damaged segment whose sound rows are in another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedSegment {
    /// The table.
    pub table: String,
    /// The partition, as its path: `2026-11-20/13`.
    pub partition: String,
    /// The directory's name of the damaged segment.
    pub segment: String,
    /// Rows that it had.
    pub rows: u64,
    /// Of them, rows that are lost.
    pub rows_lost: u64,
    /// The directory's name of the segment of its sound rows; `None` when there are none, and in a dry run.
    pub salvaged: Option<String>,
    /// Where its files go, relative to the database.
    pub quarantine: String,
}

/// A damaged coverage file that is not in use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedCoverage {
    /// The table.
    pub table: String,
    /// The file's name.
    pub file: String,
    /// Where it goes, relative to the database.
    pub quarantine: String,
}

/// What a repair did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Whether nothing was changed.
    pub is_dry_run: bool,
    /// Segments checked.
    pub segments_checked: usize,
    /// Damaged segments, repaired.
    pub segments: Vec<RepairedSegment>,
    /// Damaged coverage files, taken out of use: what was said of their tables until they were written is unknown now.
    pub coverage: Vec<RepairedCoverage>,
    /// The rows that the repaired segments have lost, by table, series and time. A backfill fetches them again where
    /// coverage is asked for.
    pub lost: Vec<LostRange>,
    /// Damage that was left as it is; each message says what to do.
    pub left: Vec<Finding>,
    /// Damaged segments and coverage files that another commit has replaced meanwhile.
    pub replaced: usize,
}

impl RepairReport {
    /// Whether no damage is left.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && !(self.is_dry_run && self.has_damage())
    }

    /// Whether there was damage that a repair heals.
    pub fn has_damage(&self) -> bool {
        !self.segments.is_empty() || !self.coverage.is_empty() || self.replaced > 0
    }

    /// Rows lost in all.
    pub fn rows_lost(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows_lost).sum()
    }
}
