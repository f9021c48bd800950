//! What an as-of join is asked for.

use gapless_engine::coverage::{IntoInterval, duration_text};
use gapless_engine::{Error, Result};

use crate::operator::Shape;
use crate::operator::sides::field;

/// On which side of a row's time the matched row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The last row at or before the time.
    Backward,
    /// The first time at or after the time; of several rows at that time the last.
    Forward,
    /// The one of both whose time is nearer; where both are as near, the earlier.
    Nearest,
}

/// What an as-of join is asked for. Rows of the same series are matched (where the right rows have no series, all rows); of
/// right rows equal in time the last counts. It is a row that is matched, not each value: what is null in it stays null.
///
/// ```
/// use gapless_query::AsOf;
/// let join = AsOf::backward().tolerance("5s").by(["exch"]);
/// assert_eq!(join.to_string(), "backward, within 5s, by exch");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct AsOf {
    pub(crate) direction: Direction,
    pub(crate) is_strict: bool,
    pub(crate) tolerance: Option<i64>,
    pub(crate) by: Vec<String>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) is_inner: bool,
    pub(crate) error: Option<Error>,
}

impl AsOf {
    /// Matches the last row at or before.
    pub const fn backward() -> Self {
        Self::new(Direction::Backward)
    }

    /// Matches the first row at or after.
    pub const fn forward() -> Self {
        Self::new(Direction::Forward)
    }

    /// Matches the nearest row.
    pub const fn nearest() -> Self {
        Self::new(Direction::Nearest)
    }

    /// Matches in a direction.
    pub const fn new(direction: Direction) -> Self {
        Self {
            direction,
            is_strict: false,
            tolerance: None,
            by: Vec::new(),
            columns: None,
            is_inner: false,
            error: None,
        }
    }

    /// Does not match rows of the very same time.
    pub const fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Matches rows no further away than this, with it: nanoseconds, a duration or text such as `"5s"`.
    pub fn tolerance(mut self, tolerance: impl IntoInterval) -> Self {
        match tolerance.into_interval() {
            Ok(tolerance) => self.tolerance = Some(tolerance),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Matches only rows that also have the same values in these columns. Null equals null.
    pub fn by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.by.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Adds these columns of the right rows only; unless told, all but their time, their series and what is joined by. A column of a
    /// name that the left rows have gets the suffix `_right`.
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out left rows without a match, instead of giving nulls.
    pub const fn inner(mut self) -> Self {
        self.is_inner = true;
        self
    }

    /// The options, if all of them are right.
    pub(crate) fn checked(self) -> Result<Self> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.tolerance.is_some_and(|tolerance| tolerance < 0) {
            return Err(Error::invalid("the tolerance of an as-of join is negative"));
        }
        Ok(self)
    }

    /// The options for these sides: rows of the same series are matched anyway, so that the series among the columns of `by` says
    /// nothing, and without further columns the rows need no keys.
    pub(crate) fn of_sides(mut self, left: &Shape, right: &Shape) -> Result<Self> {
        for name in &self.by {
            field(&left.schema, name)?;
            field(&right.schema, name)?;
        }
        if left.series_name() == right.series_name() {
            self.by.retain(|name| left.series_name() != Some(name));
        }
        Ok(self)
    }

    /// Whether two times are near enough.
    pub(crate) fn tolerates(&self, left: i64, right: i64) -> bool {
        self.tolerance
            .is_none_or(|tolerance| left.abs_diff(right) <= tolerance.unsigned_abs())
    }
}

impl std::fmt::Display for AsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.direction {
            Direction::Backward => "backward",
            Direction::Forward => "forward",
            Direction::Nearest => "nearest",
        })?;
        if self.is_strict {
            f.write_str(", strict")?;
        }
        if let Some(tolerance) = self.tolerance {
            write!(f, ", within {}", duration_text(tolerance))?;
        }
        if !self.by.is_empty() {
            write!(f, ", by {}", self.by.join(", "))?;
        }
        if self.is_inner {
            f.write_str(", inner")?;
        }
        Ok(())
    }
}
