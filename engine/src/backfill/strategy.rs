//! How a gap is filled, and how that fails.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use super::fetch::FetchError;
use super::writer::GapWriter;
use crate::coverage::Gap;
use crate::error::{Error, ErrorKind};

/// Fills gaps through a [`GapWriter`], which is the only way in.
pub trait BackfillStrategy: Send + Sync {
    /// Fills a gap, or what an earlier attempt has left of it ([`GapWriter::remaining`]). What it commits stays, also when it
    /// fails afterwards.
    ///
    /// # Errors
    /// [`BackfillError`]: a transient one is tried again. A panic fails the gap, and the job goes on.
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError>;

    /// Which kind it is, in metrics: `fetcher`, `live_replay`, ...
    fn name(&self) -> &str;
}

/// What a strategy says when it is done with a gap. What it has covered the writer knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Nothing is left that the strategy could do: what remains of the gap stays one.
    pub is_exhausted: bool,
}

/// Why a gap was not filled.
#[derive(Debug, Clone)]
pub struct BackfillError {
    message: String,
    kind: BackfillErrorKind,
    retry_after: Option<Duration>,
}

/// What can be done about it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackfillErrorKind {
    /// It may work later.
    Transient,
    /// It will not work.
    Permanent,
    /// Another worker has the range.
    LeaseLost,
    /// The job was cancelled.
    Cancelled,
}

impl BackfillError {
    /// An error of a kind.
    #[must_use]
    pub fn new(kind: BackfillErrorKind, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind,
            retry_after: None,
        }
    }

    /// What a strategy said when it panicked.
    pub(super) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("it does not say why");
        Self::new(
            BackfillErrorKind::Permanent,
            format!("the strategy panicked: {text}"),
        )
    }

    /// The same with a prefix that says whose it is.
    pub(super) fn context(self, prefix: &str) -> Self {
        Self {
            message: format!("{prefix}: {}", self.message),
            ..self
        }
    }

    /// Both in one: transient if one of them is, and then to be tried again when both may be.
    pub(super) fn and(self, other: Self) -> Self {
        let kind = match self.kind {
            BackfillErrorKind::Transient => self.kind,
            _ => other.kind,
        };
        Self {
            message: format!("{}; {}", self.message, other.message),
            kind,
            retry_after: self.retry_after.max(other.retry_after),
        }
    }

    /// What can be done about it.
    pub fn kind(&self) -> BackfillErrorKind {
        self.kind
    }

    /// When the source wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for BackfillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BackfillError {}

impl From<FetchError> for BackfillError {
    fn from(error: FetchError) -> Self {
        let kind = match error.is_transient() {
            true => BackfillErrorKind::Transient,
            false => BackfillErrorKind::Permanent,
        };
        Self {
            retry_after: error.delay(),
            ..Self::new(kind, error.to_string())
        }
    }
}

impl From<Error> for BackfillError {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Lease => BackfillErrorKind::LeaseLost,
            ErrorKind::Overloaded | ErrorKind::Conflict | ErrorKind::Locked => BackfillErrorKind::Transient,
            _ => BackfillErrorKind::Permanent,
        };
        Self::new(kind, error.to_string())
    }
}
