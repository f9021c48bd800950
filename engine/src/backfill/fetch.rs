//! What a source is asked, what it answers, and how it fails.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// A request for the rows of one series in a range.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The table.
    pub table: String,
    /// The series; `None` in a table without series.
    pub series: Option<String>,
    /// Grid step in nanoseconds; 0 for rows on no grid.
    pub interval: i64,
    /// First time: nanoseconds since the epoch.
    pub start: i64,
    /// First time that is not wanted.
    pub end: i64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The columns that rows may have. The series column may be left out.
    pub schema: SchemaRef,
}

impl FetchRequest {
    /// The range.
    pub fn range(&self) -> Range<i64> {
        self.start..self.end
    }
}

/// What a source has given.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// Rows, in any order; none is an answer too.
    pub batches: Vec<RecordBatch>,
    /// How far the source attests that this is all there is: the first time that it does not speak for. `None` is the end of
    /// the request.
    pub through: Option<i64>,
    /// The source says itself that rows may be missing. They are kept, and the range stays a gap.
    pub is_partial: bool,
}

impl Fetched {
    /// All that the source has of the range; no rows say that it has none.
    #[must_use]
    pub fn all(batches: impl IntoIterator<Item = RecordBatch>) -> Self {
        Self {
            batches: batches.into_iter().collect(),
            ..Self::default()
        }
    }

    /// All that the source has before a time. What follows is asked for again.
    #[must_use]
    pub fn through(batches: impl IntoIterator<Item = RecordBatch>, through: i64) -> Self {
        Self {
            through: Some(through),
            ..Self::all(batches)
        }
    }

    /// Rows of a range that may have more.
    #[must_use]
    pub fn partial(batches: impl IntoIterator<Item = RecordBatch>) -> Self {
        Self {
            is_partial: true,
            ..Self::all(batches)
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Gives rows of a series in a range: an exchange's API, a file, another database.
///
/// A closure does as well: `|request: &FetchRequest| -> Result<Fetched, FetchError> { .. }`.
pub trait Fetcher: Send + Sync {
    /// The rows of a range.
    ///
    /// # Errors
    /// [`FetchError::transient`] for what may work later, [`FetchError::permanent`] for what will not.
    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError>;

    /// Who it is, in coverage and reports.
    fn name(&self) -> &str {
        "fetcher"
    }
}

impl<F> Fetcher for F
where
    F: Fn(&FetchRequest) -> Result<Fetched, FetchError> + Send + Sync,
{
    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        self(request)
    }
}

/// Why a source gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError {
    message: String,
    is_transient: bool,
    retry_after: Option<Duration>,
}

impl FetchError {
    /// It may work later: a timeout, a rate limit, a server that is down.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_transient: true,
            retry_after: None,
        }
    }

    /// It will not work: a wrong symbol, a wrong key.
    #[must_use]
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_transient: false,
            retry_after: None,
        }
    }

    /// The source says when to ask again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Whether it may work later.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// When the source wants to be asked again.
    pub fn delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FetchError {}
