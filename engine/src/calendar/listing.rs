//! The life of a series.

use std::ops::Range;

use crate::coverage::intervals::Intervals;
use crate::error::{Error, Result};

/// From when to when a series exists: rows are expected from its listing to its delisting.
///
/// ```
/// use gapless_engine::calendar::Listing;
/// use gapless_engine::coverage::intervals::Intervals;
/// let listing = Listing::new(Some(100), None)?;
/// assert_eq!(listing.clip(&Intervals::single(0..500)).as_slice(), [100..500]);
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Listing {
    start: Option<i64>,
    end: Option<i64>,
}

impl Listing {
    /// A life from its first instant until the first instant after it; `None` is unlimited.
    ///
    /// # Errors
    /// `Invalid` if the end is not after the start.
    pub fn new(start: Option<i64>, end: Option<i64>) -> Result<Self> {
        match (start, end) {
            (Some(start), Some(end)) if start >= end => Err(Error::invalid(format!(
                "a listing from {start} ns to {end} ns: give an end after the start"
            ))),
            _ => Ok(Self { start, end }),
        }
    }

    /// The first instant, if there is one.
    #[must_use]
    pub fn start(&self) -> Option<i64> {
        self.start
    }

    /// The first instant after it, if it ends.
    #[must_use]
    pub fn end(&self) -> Option<i64> {
        self.end
    }

    /// All of it as a range; `i64::MAX` is no end.
    #[must_use]
    pub fn range(&self) -> Range<i64> {
        self.start.unwrap_or(i64::MIN)..self.end.unwrap_or(i64::MAX)
    }

    /// What of the ranges is in its life.
    #[must_use]
    pub fn clip(&self, expected: &Intervals) -> Intervals {
        expected.clip(&self.range())
    }
}
