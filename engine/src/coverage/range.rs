//! A range of a series of which something is known.

use std::sync::Arc;

use gapless_format::{Coverage, CoverageRecord, CoverageState};

/// A half-open range of time of one series and interval, what is known of it, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageRange {
    /// First time: nanoseconds since the epoch.
    pub start: i64,
    /// First time after it; `i64::MAX` for no end.
    pub end: i64,
    /// What is known.
    pub state: CoverageState,
    /// Rows that the source gave for it; `None` when only a part of what was said still counts.
    pub rows: Option<u64>,
    /// Sum of the checksums of these rows, modulo 2^64; 0 when that is not known.
    pub content: u64,
    /// When the newest of them were fetched: nanoseconds since the epoch.
    pub fetched_at: i64,
    /// Who said so.
    pub source: Arc<str>,
    /// The newest batch that it came with.
    pub batch: Arc<str>,
    /// Commit time of the newest statement in it.
    pub commit: i64,
    /// Commit time of the oldest one.
    pub(crate) first_commit: i64,
}

impl CoverageRange {
    /// A statement as it was committed.
    pub(crate) fn committed(coverage: Coverage, commit: i64) -> Self {
        Self {
            start: coverage.start,
            end: coverage.end,
            state: coverage.state,
            rows: coverage.rows,
            content: coverage.content,
            fetched_at: coverage.fetched_at,
            source: coverage.source.into(),
            batch: coverage.batch.into(),
            commit,
            first_commit: commit,
        }
    }

    /// A range of a file. `commit` is that of the file.
    pub(crate) fn stored(record: &CoverageRecord<'_>, commit: i64) -> Self {
        let of_file = |own: i64| if own == i64::MIN { commit } else { own };
        Self {
            start: record.start,
            end: record.end,
            state: record.state,
            rows: record.rows,
            content: record.content,
            fetched_at: record.fetched_at,
            source: record.source.into(),
            batch: record.batch.into(),
            commit: of_file(record.commit),
            first_commit: of_file(record.first_commit),
        }
    }

    /// It as a file holds it.
    pub(crate) fn record(&self) -> CoverageRecord<'_> {
        CoverageRecord {
            start: self.start,
            end: self.end,
            state: self.state,
            first_commit: self.first_commit,
            commit: self.commit,
            rows: self.rows,
            content: self.content,
            fetched_at: self.fetched_at,
            source: &self.source,
            batch: &self.batch,
        }
    }

    /// The part of it in `start..end`. How many rows that part has is not known.
    pub(crate) fn cut(&self, start: i64, end: i64) -> Self {
        let (start, end) = (self.start.max(start), self.end.min(end));
        let is_whole = (start, end) == (self.start, self.end);
        Self {
            start,
            end,
            rows: self.rows.filter(|_| is_whole),
            content: if is_whole { self.content } else { 0 },
            ..self.clone()
        }
    }

    /// Whether `next` says the same and follows at once.
    pub(crate) fn joins(&self, next: &Self) -> bool {
        // What two sessions have written is not one: one may be over.
        let same_session = self.state != CoverageState::Live || self.batch == next.batch;
        self.end == next.start && self.state == next.state && self.source == next.source && same_session
    }

    /// Takes a range that joins.
    pub(crate) fn join(&mut self, next: &Self) {
        self.end = next.end;
        self.rows = self.rows.zip(next.rows).and_then(|(a, b)| a.checked_add(b));
        self.content = match self.rows {
            Some(_) => self.content.wrapping_add(next.content),
            None => 0,
        };
        if next.commit > self.commit {
            self.batch = Arc::clone(&next.batch);
        }
        self.fetched_at = self.fetched_at.max(next.fetched_at);
        self.commit = self.commit.max(next.commit);
        self.first_commit = self.first_commit.min(next.first_commit);
    }

    /// Memory that it takes, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        2 * size_of::<Self>() + self.source.len() + self.batch.len()
    }
}

/// Whether a state leaves nothing to be fetched.
pub(crate) fn is_covered(state: CoverageState) -> bool {
    use CoverageState as S;
    match state {
        S::Complete | S::Empty | S::NotApplicable | S::Live | S::Expired => true,
        S::Partial | S::Lost | S::Unknown => false,
    }
}

/// How much a state claims: of two statements whose order is not known, the one that claims less counts.
pub(crate) fn claim(state: CoverageState) -> u8 {
    use CoverageState as S;
    match state {
        S::Unknown => 0,
        S::Lost => 1,
        S::Partial => 2,
        S::Expired => 3,
        S::Live => 4,
        S::NotApplicable | S::Empty => 5,
        S::Complete => 6,
    }
}
