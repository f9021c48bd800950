//! What filling is asked for.

use gapless_engine::coverage::{IntoInterval, duration_text};
use gapless_engine::scan::Literal;
use gapless_engine::{Error, Result};

use crate::bucket::{Bucket, IntoBucket};

/// What a column is in a slot that has no value of it: no row, or a row with a null.
#[derive(Debug, Clone)]
#[must_use]
pub struct FillMethod {
    pub(crate) kind: Kind,
    pub(crate) max_age: Option<Result<i64>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Previous,
    Linear,
    Constant(Literal),
}

/// Carries the last value that was there before: the last that is not null, also from before the range. NaN is a value.
pub const fn previous() -> FillMethod {
    FillMethod::of(Kind::Previous)
}

/// Goes in a straight line from the last value before to the first value after, by the times of their rows:
/// `v0 + (v1 - v0) * (t - t0) / (t1 - t0)`, where `t` is the start of the slot. Null where there is no value on one of both sides.
/// Columns of floats stay what they are; integers and decimals become `Float64`.
pub const fn linear() -> FillMethod {
    FillMethod::of(Kind::Linear)
}

/// Puts the same value everywhere. Of a time column it is nanoseconds since the epoch, of a duration nanoseconds.
pub fn constant(value: impl Into<Literal>) -> FillMethod {
    FillMethod::of(Kind::Constant(value.into()))
}

impl FillMethod {
    const fn of(kind: Kind) -> Self {
        Self { kind, max_age: None }
    }

    /// Leaves null what is null, and what has no row.
    pub const fn null() -> Self {
        Self::of(Kind::Null)
    }

    /// Carries a value as long as its age is at most this, nanoseconds, a duration or text such as `"5m"`: from the time of its row
    /// to the start of the slot. Only of [`previous`].
    pub fn max_age(mut self, age: impl IntoInterval) -> Self {
        self.max_age = Some(age.into_interval());
        self
    }
}

impl std::fmt::Display for FillMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Previous => f.write_str("previous"),
            Kind::Linear => f.write_str("linear"),
            Kind::Constant(value) => write!(f, "{value:?}"),
        }?;
        match &self.max_age {
            Some(Ok(age)) => write!(f, " for {}", duration_text(*age)),
            _ => Ok(()),
        }
    }
}

/// Rows on a regular grid: one of each series in each slot of a range, whatever was there.
///
/// ```
/// use gapless_query::Fill;
/// use gapless_query::fill::{constant, previous};
/// let fill = Fill::every("1m").between(0, 3_600_000_000_000).with("close", previous().max_age("5m")).with("volume", constant(0));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Fill {
    pub(crate) bucket: Result<Bucket>,
    pub(crate) range: Option<(i64, i64)>,
    pub(crate) methods: Vec<(String, FillMethod)>,
    pub(crate) max_age: Option<Result<i64>>,
    pub(crate) stop_at_gaps: Option<Result<i64>>,
    pub(crate) observed: Option<String>,
}

impl Fill {
    /// Slots of a length such as `"1m"`, or of a [`Bucket`].
    pub fn every(bucket: impl IntoBucket) -> Self {
        Self {
            bucket: bucket.into_bucket(),
            range: None,
            methods: Vec::new(),
            max_age: None,
            stop_at_gaps: None,
            observed: None,
        }
    }

    /// The slots of which any part lies in `start..end`, nanoseconds since the epoch; unless told, those of the scan's range.
    pub const fn between(mut self, start: i64, end: i64) -> Self {
        self.range = Some((start, end));
        self
    }

    /// How a column is filled. The others are null where they have no row.
    pub fn with(mut self, column: impl Into<String>, method: FillMethod) -> Self {
        self.methods.push((column.into(), method));
        self
    }

    /// The greatest age of every value that is carried and has no [`FillMethod::max_age`] of its own.
    pub fn max_age(mut self, age: impl IntoInterval) -> Self {
        self.max_age = Some(age.into_interval());
        self
    }

    /// Fills nothing over gaps of the coverage of this interval, as [`gapless_engine::Scan::uncovered`] has it: no value is carried
    /// over a gap or interpolated across one, and no constant stands in a slot that a gap touches. What has a row stays.
    pub fn stop_at_gaps(mut self, interval: impl IntoInterval) -> Self {
        self.stop_at_gaps = Some(interval.into_interval());
        self
    }

    /// Adds a column of this name: true where the slot had a row.
    pub fn observed(mut self, name: impl Into<String>) -> Self {
        self.observed = Some(name.into());
        self
    }

    /// The greatest age of what a method carries.
    pub(crate) fn age_of(&self, method: &FillMethod) -> Result<Option<i64>> {
        let age = method
            .max_age
            .clone()
            .or_else(|| self.max_age.clone())
            .transpose()?;
        match age {
            Some(age) if age < 0 => Err(Error::invalid("the greatest age of a filled value is negative")),
            age => Ok(age),
        }
    }
}
