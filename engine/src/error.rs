//! The error of the engine: a kind for the caller to choose by, a message that carries the evidence.
//!
//! - A message says what was done, to what (table, series, file, offset), what was found and expected, and what to do.
//! - The type is one pointer wide, so a `Result` of a hot path stays small.
//! - Errors are `Clone`: a poisoned database hands the first cause to every later caller.

use std::fmt;
use std::sync::Arc;

use crate::coverage::Gap;

/// Gaps that a message names.
const GAPS_SHOWN: usize = 5;

/// The result of every engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be right: a bad name, range, schema, or a directory that is no database.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// Another holder has the lock.
    Locked,
    /// Somebody else's change came first, or the thing exists already. Read again and decide anew.
    Conflict,
    /// Stored bytes are not what they must be.
    Corrupt,
    /// Sound, but made by a newer gapless, or not built into this one.
    Unsupported,
    /// The operating system refused. After a failed sync the database must be opened again.
    Io,
    /// More rows wait in memory than are allowed, and nothing frees it. Nothing was written.
    Overloaded,
    /// A broken invariant of gapless itself: a bug worth reporting.
    Internal,
    /// The asked range is not covered; the message lists the gaps.
    Gaps,
    /// A lease that was taken over, ended, or never granted. What was to be done under it was not done.
    Lease,
    /// Somebody ended it before it was done.
    Interrupted,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not found",
            Self::Locked => "locked",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Io => "io",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
            Self::Gaps => "gaps",
            Self::Lease => "lease",
            Self::Interrupted => "interrupted",
        })
    }
}

type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// An error of the engine. `Display` is the message.
///
/// ```
/// use gapless_engine::error::{Error, ErrorKind};
/// let error = Error::not_found("there is no table \"trade\"").context("market.db");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "market.db: there is no table \"trade\"");
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
    gaps: Option<Arc<[Gap]>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message)
        })*
    };
}

impl Error {
    /// An error of `kind` with `message`.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                source: None,
                gaps: None,
            }),
        }
    }

    constructors! {
        /// An [`ErrorKind::Invalid`] error.
        invalid => Invalid;
        /// An [`ErrorKind::NotFound`] error.
        not_found => NotFound;
        /// An [`ErrorKind::Locked`] error.
        locked => Locked;
        /// An [`ErrorKind::Conflict`] error.
        conflict => Conflict;
        /// An [`ErrorKind::Corrupt`] error.
        corrupt => Corrupt;
        /// An [`ErrorKind::Unsupported`] error.
        unsupported => Unsupported;
        /// An [`ErrorKind::Io`] error.
        io => Io;
        /// An [`ErrorKind::Internal`] error.
        internal => Internal;
        /// An [`ErrorKind::Gaps`] error.
        gaps => Gaps;
        /// An [`ErrorKind::Lease`] error.
        lease => Lease;
    }

    /// An error of the stored bytes of a file.
    #[must_use]
    pub fn from_format(file: &str, error: &gapless_format::FormatError) -> Self {
        let kind = match error.kind {
            gapless_format::FormatErrorKind::Unsupported => ErrorKind::Unsupported,
            gapless_format::FormatErrorKind::Corrupt => ErrorKind::Corrupt,
        };
        Self::new(kind, format!("{file}: {error}"))
    }

    /// The same error, or `Corrupt` when it is that a file is missing which the database names.
    #[must_use]
    pub(crate) fn missing_is_corrupt(self, file: impl fmt::Display) -> Self {
        if self.kind() != ErrorKind::NotFound {
            return self;
        }
        Self::corrupt(format!("{file} is missing: restore it from a copy"))
    }

    /// The same error with its cause attached. The message should already tell what the cause says.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner.source = Some(Arc::new(source));
        self
    }

    /// The same error with `prefix: ` before its message.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.inner.message = format!("{prefix}: {}", self.inner.message);
        self
    }

    /// An [`ErrorKind::Gaps`] error of a table: the message names the first of the gaps, [`Error::missing`] has them all.
    #[must_use]
    pub(crate) fn uncovered(table: &str, gaps: Vec<Gap>) -> Self {
        let shown: Vec<String> = gaps.iter().take(GAPS_SHOWN).map(Gap::to_string).collect();
        let more = match gaps.len().saturating_sub(GAPS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let mut error = Self::new(
            ErrorKind::Gaps,
            format!(
                "table {table:?} does not have all that is asked for; missing: {}{more}. Fill the gaps, attest them, or \
                 read without requiring coverage",
                shown.join("; ")
            ),
        );
        error.inner.gaps = Some(gaps.into());
        error
    }

    /// The ranges that are missing; empty for an error of another kind than [`ErrorKind::Gaps`].
    #[must_use]
    pub fn missing(&self) -> &[Gap] {
        self.inner.gaps.as_deref().unwrap_or_default()
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The evidence, as text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.inner.kind, self.inner.message)?;
        match &self.inner.source {
            Some(source) => write!(f, " (source: {source:?})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Adds evidence to the error of a result.
pub trait ResultExt<T> {
    /// `prefix: ` before the message of the error.
    ///
    /// # Errors
    /// The same error, with the longer message.
    fn context(self, prefix: impl fmt::Display) -> Result<T>;

    /// Like [`ResultExt::context`], and builds the prefix only when there is an error.
    ///
    /// # Errors
    /// The same error, with the longer message.
    fn with_context<D: fmt::Display>(self, prefix: impl FnOnce() -> D) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, prefix: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.context(prefix))
    }

    fn with_context<D: fmt::Display>(self, prefix: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.context(prefix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn context_keeps_kind_and_source_and_goes_before_the_message() {
        let cause = std::io::Error::from_raw_os_error(28);
        let result: Result<()> = Err(Error::io("cannot write").with_source(cause));
        let error = result
            .with_context(|| "table trade")
            .context("market.db")
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.to_string(), "market.db: table trade: cannot write");
        assert!(error.source().is_some());
        assert_eq!(error.clone().to_string(), error.message());
    }
}
