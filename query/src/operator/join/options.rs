//! What a join by key is asked for.

use gapless_engine::{Error, Result};

/// What becomes of rows that have a match, and of rows that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Inner,
    Left,
    Semi,
    Anti,
}

/// What a join by key is asked for: the rows of both sides that have equal values in some columns.
///
/// Null equals null, both zeros are equal, NaN equals NaN, and symbols compare as text. A left row with several right rows comes as
/// often, in the order of the right rows. Right columns, but those of the key, follow the left ones; one of a name that the left rows
/// have gets the suffix `_right`.
///
/// ```
/// use gapless_query::Join;
/// assert_eq!(Join::on(["sym", "exch"]).left().to_string(), "left join on sym, exch");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Join {
    pub(super) on: Vec<String>,
    pub(super) how: How,
}

impl Join {
    /// Joins rows that are equal in these columns, which both sides must have; left rows without a match are left out.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            on: columns.into_iter().map(Into::into).collect(),
            how: How::Inner,
        }
    }

    /// Leaves out left rows without a match, as is done unless told.
    pub const fn inner(mut self) -> Self {
        self.how = How::Inner;
        self
    }

    /// Keeps left rows without a match: their right columns are null.
    pub const fn left(mut self) -> Self {
        self.how = How::Left;
        self
    }

    /// Only the left rows that have a match, each once, without right columns.
    pub const fn semi(mut self) -> Self {
        self.how = How::Semi;
        self
    }

    /// Only the left rows that have no match, without right columns.
    pub const fn anti(mut self) -> Self {
        self.how = How::Anti;
        self
    }

    /// The options, if all of them are right.
    pub(crate) fn checked(self) -> Result<Self> {
        if self.on.is_empty() {
            return Err(Error::invalid(
                "a join needs a column to join on, such as \"sym\"",
            ));
        }
        Ok(self)
    }

    /// Whether right columns are part of the result.
    pub(super) const fn has_right_columns(&self) -> bool {
        matches!(self.how, How::Inner | How::Left)
    }
}

impl std::fmt::Display for Join {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.how {
            How::Inner => "inner",
            How::Left => "left",
            How::Semi => "semi",
            How::Anti => "anti",
        };
        write!(f, "{how} join on {}", self.on.join(", "))
    }
}
