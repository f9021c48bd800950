//! What windows are asked for.

use gapless_engine::coverage::{IntoInterval, duration_text};
use gapless_engine::{Error, Result};

/// How far back a window goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// So many rows, with the row itself.
    Rows(usize),
    /// Rows at a time after that of the row less so many nanoseconds, and at or before that of the row.
    Period(i64),
}

/// Windows that slide over the rows of each series: one for each row.
///
/// ```
/// use gapless_query::Rolling;
/// assert_eq!(Rolling::rows(20).to_string(), "20 rows");
/// assert_eq!(Rolling::period("5m").min_rows(3).to_string(), "5m, at least 3 rows");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Rolling {
    window: Result<Window>,
    pub(super) min_rows: usize,
}

impl Rolling {
    /// The last rows of the series up to the row, with it; fewer where the series begins.
    pub const fn rows(rows: usize) -> Self {
        Self {
            window: Ok(Window::Rows(rows)),
            min_rows: 1,
        }
    }

    /// The rows of the series in `(t - period, t]`, where `t` is the time of the row: all rows at `t` are among them, also those that
    /// come after it. The period is a length such as `"5m"`; a day is 24 hours.
    pub fn period(period: impl IntoInterval) -> Self {
        Self {
            window: period.into_interval().map(Window::Period),
            min_rows: 1,
        }
    }

    /// Aggregates of windows with fewer rows are null, also counts.
    pub fn min_rows(self, rows: usize) -> Self {
        Self {
            min_rows: rows,
            ..self
        }
    }

    /// The window, if it is one.
    pub(super) fn window(&self) -> Result<Window> {
        match self.window.clone()? {
            Window::Rows(0) => Err(Error::invalid(
                "a window of 0 rows has nothing in it: ask for 1 or more",
            )),
            Window::Period(ns) if ns <= 0 => Err(Error::invalid(format!(
                "a window of {} has nothing in it: ask for a period that is more than 0",
                duration_text(ns)
            ))),
            window => Ok(window),
        }
    }
}

impl std::fmt::Display for Rolling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.window {
            Ok(Window::Rows(rows)) => write!(f, "{rows} rows")?,
            Ok(Window::Period(ns)) => f.write_str(&duration_text(*ns))?,
            Err(error) => write!(f, "{error}")?,
        }
        match self.min_rows {
            0 | 1 => Ok(()),
            rows => write!(f, ", at least {rows} rows"),
        }
    }
}
