//! Aggregates: what is made of the rows of a group.
//!
//! | module | owns |
//! | --- | --- |
//! | `accumulator` | what every aggregate does with rows |
//! | `plan` | which types an aggregate takes, and what computes it |
//! | `count`, `sum`, `whole`, `weighted`, `extreme`, `text`, `edge`, `moments`, `rank`, `distinct` | the aggregates |
//! | `rows`, `native`, `log` | rows without nulls, arrays as slices, values by group |
//! | `double_double`, `totals`, `vectors`, `lanes`, `slide`, `prefix` | arithmetic, its loops in vectors, windows that slide |
//!
//! The rules of all of them:
//!
//! - Nulls are skipped. Of two arguments a row counts only where both are there.
//! - A group without values gives null, also for `sum`; [`count`], [`count_of`] and [`n_unique`] give 0.
//! - A result does not depend on the order in which rows are added up, nor on how many threads did it: floats are added in twice
//!   their precision.

use std::fmt;

use crate::expr::Expr;

mod accumulator;
mod count;
mod distinct;
mod double_double;
mod edge;
mod extreme;
mod lanes;
mod log;
mod moments;
mod native;
mod plan;
mod prefix;
mod rank;
mod rows;
mod slide;
mod sum;
mod text;
mod totals;
mod vectors;
mod weighted;
mod whole;

#[cfg(test)]
mod tests;

pub(crate) use accumulator::{Accumulator, Sequence, Span};

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
    Count,
    CountOf,
    Sum,
    Min,
    Max,
    Mean,
    First,
    Last,
    Vwap,
    Wmean,
    Var,
    Std,
    Cov,
    Corr,
    Median,
    Quantile(f64),
    NUnique,
}

impl Function {
    const fn name(self) -> &'static str {
        match self {
            Self::Count | Self::CountOf => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::First => "first",
            Self::Last => "last",
            Self::Vwap => "vwap",
            Self::Wmean => "wmean",
            Self::Var => "var",
            Self::Std => "std",
            Self::Cov => "cov",
            Self::Corr => "corr",
            Self::Median => "median",
            Self::Quantile(_) => "quantile",
            Self::NUnique => "n_unique",
        }
    }
}

/// A function of the rows of a group, the expressions it is given, and the name of its result.
///
/// ```
/// use gapless_query::aggregate::{first, vwap};
/// assert_eq!(first("price").name(), "first(price)");
/// assert_eq!(vwap("price", "size").alias("vwap").name(), "vwap");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    function: Function,
    arguments: Vec<Expr>,
    alias: Option<String>,
}

fn of(function: Function, arguments: Vec<Expr>) -> Aggregate {
    Aggregate {
        function,
        arguments,
        alias: None,
    }
}

/// How many rows there are, with or without values, as `Int64`.
#[must_use]
pub fn count() -> Aggregate {
    of(Function::Count, Vec::new())
}

/// How many values there are that are not null, as `Int64`. NaN is a value. Takes any type.
#[must_use]
pub fn count_of(values: impl Into<Expr>) -> Aggregate {
    of(Function::CountOf, vec![values.into()])
}

/// The sum of numbers or durations; null where there are no values. Nulls are skipped.
///
/// Integers give `Int64`, unsigned ones `UInt64`, durations durations, decimals `Decimal128(38, scale)`; a sum that does not fit is
/// an error. Floats give `Float64` as IEEE 754 has it: NaN where there is one or infinities of both signs, and 0.0 for zeros of
/// either sign.
#[must_use]
pub fn sum(values: impl Into<Expr>) -> Aggregate {
    of(Function::Sum, vec![values.into()])
}

/// The least value, of the same type: numbers, decimals, times, booleans, text, binary, symbols by their text.
///
/// Nulls are skipped; null where there are no values. NaN is skipped too, unless all values are NaN. -0.0 is less than 0.0.
#[must_use]
pub fn min(values: impl Into<Expr>) -> Aggregate {
    of(Function::Min, vec![values.into()])
}

/// The greatest value, of the same type, as [`min`]. NaN is skipped unless all values are NaN.
#[must_use]
pub fn max(values: impl Into<Expr>) -> Aggregate {
    of(Function::Max, vec![values.into()])
}

/// The mean of numbers as `Float64`, of timestamps or durations as the same type, rounded to the nearest, halves up.
///
/// Nulls are skipped; null where there are no values. NaN and infinities as IEEE 754 adds them.
#[must_use]
pub fn mean(values: impl Into<Expr>) -> Aggregate {
    of(Function::Mean, vec![values.into()])
}

/// The first value in time that is not null, of any type; of rows equal in time the one of the first series by name, of one
/// series the one that arrived first. Rows without a column of times go by their order. NaN is a value.
#[must_use]
pub fn first(values: impl Into<Expr>) -> Aggregate {
    of(Function::First, vec![values.into()])
}

/// The last value in time that is not null, of any type; of rows equal in time the one of the last series by name, of one
/// series the one that arrived last. Rows without a column of times go by their order. NaN is a value.
#[must_use]
pub fn last(values: impl Into<Expr>) -> Aggregate {
    of(Function::Last, vec![values.into()])
}

/// The mean of prices by volume, `sum(price * size) / sum(size)`, as `Float64`.
///
/// Rows where one is null are skipped; null where there are none; NaN where all sizes add up to zero. NaN and infinities as IEEE
/// 754 multiplies and adds them. 64-bit integers and decimals are rounded to `Float64` first.
#[must_use]
pub fn vwap(price: impl Into<Expr>, size: impl Into<Expr>) -> Aggregate {
    of(Function::Vwap, vec![price.into(), size.into()])
}

/// The mean of values by weight: as [`vwap`], which is the name of it in markets.
#[must_use]
pub fn wmean(values: impl Into<Expr>, weights: impl Into<Expr>) -> Aggregate {
    of(Function::Wmean, vec![values.into(), weights.into()])
}

/// The variance of the sample (ddof 1) of numbers, as `Float64`; null for fewer than two values.
///
/// Nulls are skipped. NaN where a value is NaN or infinite, or where squares overflow, from about 1e150 on.
#[must_use]
pub fn var(values: impl Into<Expr>) -> Aggregate {
    of(Function::Var, vec![values.into()])
}

/// The standard deviation: the root of [`var`].
#[must_use]
pub fn std(values: impl Into<Expr>) -> Aggregate {
    of(Function::Std, vec![values.into()])
}

/// The covariance of the sample (ddof 1), as `Float64`; null for fewer than two rows that have both. NaN as [`var`].
#[must_use]
pub fn cov(one: impl Into<Expr>, other: impl Into<Expr>) -> Aggregate {
    of(Function::Cov, vec![one.into(), other.into()])
}

/// Pearson's correlation, from -1 to 1, as `Float64`; null for fewer than two rows that have both.
///
/// NaN where one does not vary, and as [`var`].
#[must_use]
pub fn corr(one: impl Into<Expr>, other: impl Into<Expr>) -> Aggregate {
    of(Function::Corr, vec![one.into(), other.into()])
}

/// The [`quantile`] of 0.5.
#[must_use]
pub fn median(values: impl Into<Expr>) -> Aggregate {
    of(Function::Median, vec![values.into()])
}

/// The value below which a part of the values lies, `0.0..=1.0`, interpolated linearly between the two nearest.
///
/// Numbers give `Float64`, timestamps and durations the same type. Nulls are skipped; null where there are no values. NaN is the
/// greatest value; between a number and an infinity lies the infinity. A part outside of the range is refused when the aggregate
/// is used. Holds all values of a group.
#[must_use]
pub fn quantile(values: impl Into<Expr>, part: f64) -> Aggregate {
    of(Function::Quantile(part), vec![values.into()])
}

/// How many different values there are, as `Int64`. Null is none, all NaN are one, 0.0 and -0.0 are one.
///
/// Takes numbers, decimals, times, booleans, text, binary, symbols. Holds the different values of a group.
#[must_use]
pub fn n_unique(values: impl Into<Expr>) -> Aggregate {
    of(Function::NUnique, vec![values.into()])
}

/// [`first`], [`max`], [`min`] and [`last`] of a column, named `open`, `high`, `low` and `close`.
#[must_use]
pub fn ohlc(values: impl Into<Expr>) -> [Aggregate; 4] {
    let values = values.into();
    [
        first(values.clone()).alias("open"),
        max(values.clone()).alias("high"),
        min(values.clone()).alias("low"),
        last(values).alias("close"),
    ]
}

impl Aggregate {
    /// The same with a name for its result.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.alias = Some(name.into());
        self
    }

    /// Whether it gives null for a group without values.
    pub(crate) const fn nullable(&self) -> bool {
        !matches!(
            self.function,
            Function::Count | Function::CountOf | Function::NUnique
        )
    }

    /// Whether it is the least or the greatest value of a column.
    pub(crate) fn is_extreme(&self) -> bool {
        matches!(self.function, Function::Min | Function::Max)
            && self
                .arguments()
                .iter()
                .all(|argument| argument.as_column().is_some())
    }

    /// Whether it goes by the order of rows.
    pub(crate) const fn goes_by_order(&self) -> bool {
        matches!(self.function, Function::First | Function::Last)
    }

    /// The name of the result: what [`Aggregate::alias`] gave, or the call itself, such as `vwap(price, size)`.
    pub fn name(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.to_string())
    }

    /// What the function is given.
    pub fn arguments(&self) -> &[Expr] {
        &self.arguments
    }
}

/// The call, such as `quantile(price, 0.9)`.
impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name())?;
        for (at, argument) in self.arguments.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{argument}")?;
        }
        if let Function::Quantile(part) = self.function {
            write!(f, ", {part}")?;
        }
        f.write_str(")")
    }
}
