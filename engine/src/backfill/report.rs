//! What became of the gaps of a job.

use std::time::Duration;

use super::content::RowCounts;
use crate::coverage::Gap;

/// How a gap came out.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapOutcome {
    /// All of it is covered, with rows.
    Filled,
    /// The source has nothing there.
    Empty,
    /// Something was covered or written, and the rest is still a gap.
    Partial,
    /// Somebody else had covered it before it was this one's turn.
    Covered,
    /// Nothing could be done; why.
    Failed(String),
    /// Another worker has the lease, or took it over.
    Leased(String),
    /// The job was cancelled first.
    Cancelled,
}

impl GapOutcome {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Empty => "empty",
            Self::Partial => "partial",
            Self::Covered => "covered",
            Self::Failed(_) => "failed",
            Self::Leased(_) => "leased",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing of the gap is left.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Filled | Self::Empty | Self::Covered)
    }
}

/// What became of one gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapReport {
    /// The gap as it was planned: pieces of a large one, near ones together.
    pub gap: Gap,
    /// How it came out.
    pub outcome: GapOutcome,
    /// What became of the rows that the source gave.
    pub rows: RowCounts,
    /// How often the strategy was asked.
    pub attempts: u32,
    /// How long it took, pauses included.
    pub elapsed: Duration,
}

/// What became of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// Each gap, in the order in which they were done.
    pub gaps: Vec<GapReport>,
    /// How long it took.
    pub elapsed: Duration,
}

impl BackfillReport {
    /// What became of all rows.
    pub fn rows(&self) -> RowCounts {
        let mut sum = RowCounts::default();
        self.gaps.iter().for_each(|gap| sum += gap.rows);
        sum
    }

    /// How many gaps came out in a way: `filled`, `empty`, `partial`, `covered`, `failed`, `leased` or `cancelled`.
    pub fn count(&self, outcome: &str) -> usize {
        self.gaps
            .iter()
            .filter(|gap| gap.outcome.name() == outcome)
            .count()
    }

    /// Whether nothing of any gap is left.
    pub fn is_complete(&self) -> bool {
        self.gaps.iter().all(|gap| gap.outcome.is_closed())
    }

    /// How often strategies were asked.
    pub fn attempts(&self) -> u64 {
        self.gaps.iter().map(|gap| u64::from(gap.attempts)).sum()
    }
}
