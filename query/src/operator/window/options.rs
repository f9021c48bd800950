//! What a window join is asked for.

use gapless_engine::coverage::{IntoInterval, duration_text};
use gapless_engine::{Error, Result};

/// Which right rows a left row sees: those of its series (where the right rows have no series, all) whose time is from the row's time
/// plus the start to the row's time plus the end, with both ends.
///
/// ```
/// use gapless_query::WindowJoin;
/// let join = WindowJoin::between("-10s", "10s").prevailing();
/// assert_eq!(join.to_string(), "from -10s to 10s, prevailing");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct WindowJoin {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) is_prevailing: bool,
    pub(super) by: Vec<String>,
    error: Option<Error>,
}

impl WindowJoin {
    /// The window from `start` to `end`, both of which are added to the time of the left row: nanoseconds, a duration, or text such as
    /// `"-10s"`.
    pub fn between(start: impl IntoInterval, end: impl IntoInterval) -> Self {
        let mut join = Self {
            start: 0,
            end: 0,
            is_prevailing: false,
            by: Vec::new(),
            error: None,
        };
        match (start.into_interval(), end.into_interval()) {
            (Ok(start), Ok(end)) => (join.start, join.end) = (start, end),
            (Err(error), _) | (_, Err(error)) => join.error = Some(error),
        }
        join
    }

    /// Also the last row before the window, whether there are rows in the window or not: what was there when it began.
    pub const fn prevailing(mut self) -> Self {
        self.is_prevailing = true;
        self
    }

    /// Only rows that have the same values in these columns. The series is always one of them; no other column is offered.
    pub fn by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.by.extend(columns.into_iter().map(Into::into));
        self
    }

    /// The options, if all of them are right.
    pub(crate) fn checked(self) -> Result<Self> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.start > self.end {
            return Err(Error::invalid(format!(
                "the window of a window join starts at {} and ends before, at {}: exchange them",
                duration_text(self.start),
                duration_text(self.end)
            )));
        }
        Ok(self)
    }
}

impl std::fmt::Display for WindowJoin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (start, end) = (duration_text(self.start), duration_text(self.end));
        write!(f, "from {start} to {end}")?;
        if self.is_prevailing {
            f.write_str(", prevailing")?;
        }
        Ok(())
    }
}
