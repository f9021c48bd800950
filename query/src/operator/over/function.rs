//! [`SeriesFunction`]: what users write.

use std::fmt;

use gapless_engine::coverage::{IntoInterval, duration_text};
use gapless_engine::{Error, Result};

use crate::Expr;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Previous,
    Next,
    Delta,
    Ratio,
    CumSum,
    CumProd,
    CumMin,
    CumMax,
    CumCount,
    Ema(Decay),
    RowNumber,
    ForwardFill,
}

/// How fast an average forgets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Decay {
    /// The weight of a new value.
    Alpha(f64),
    /// The weight is 2 / (span + 1).
    Span(f64),
    /// After so many rows a value has half its weight.
    HalfLife(f64),
    /// After so many nanoseconds a value has half its weight.
    Time(i64),
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Next => "next",
            Self::Delta => "delta",
            Self::Ratio => "ratio",
            Self::CumSum => "cum_sum",
            Self::CumProd => "cum_prod",
            Self::CumMin => "cum_min",
            Self::CumMax => "cum_max",
            Self::CumCount => "cum_count",
            Self::Ema(Decay::Alpha(_)) => "ema",
            Self::Ema(Decay::Span(_)) => "ema_span",
            Self::Ema(Decay::HalfLife(_)) => "ema_half_life",
            Self::Ema(Decay::Time(_)) => "ema_by_time",
            Self::RowNumber => "row_number",
            Self::ForwardFill => "forward_fill",
        }
    }
}

/// A function over the rows of a series in order of time, for [`Query::over`](crate::Query::over): it gives a value for each row.
/// Each series begins anew.
///
/// ```
/// use gapless_query::{delta, ema, previous};
/// assert_eq!(delta("price").to_string(), "delta(price)");
/// assert_eq!(previous("bid").rows(2).name(), "previous(bid, 2)");
/// assert_eq!(ema("price", 0.1).alias("slow").name(), "slow");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SeriesFunction {
    pub(super) kind: Kind,
    pub(super) argument: Option<Expr>,
    pub(super) rows: usize,
    pub(super) default: Option<Expr>,
    alias: Option<String>,
    error: Option<Error>,
}

fn of(kind: Kind, argument: Option<Expr>) -> SeriesFunction {
    SeriesFunction {
        kind,
        argument,
        rows: 1,
        default: None,
        alias: None,
        error: None,
    }
}

/// The value of the row before, or [`rows`](SeriesFunction::rows) before. A null there is null. Where the series has no such row
/// it is null, or what [`or_else`](SeriesFunction::or_else) says. Takes any type.
pub fn previous(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::Previous, Some(values.into()))
}

/// The value of the row after, or [`rows`](SeriesFunction::rows) after; otherwise as [`previous`]. Rows are held back until it is
/// known.
pub fn next(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::Next, Some(values.into()))
}

/// The value less the [`previous`] one; null where one of them is null or not there.
///
/// Integers give `Int64`, and one that does not fit is an error; floats give their own type, decimals `Decimal128(38, scale)`.
/// Timestamps and durations give durations of their unit.
pub fn delta(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::Delta, Some(values.into()))
}

/// The value divided by the [`previous`] one as `Float64`, as IEEE 754 has it; null where one of them is null or not there. Takes
/// numbers, decimals and durations.
pub fn ratio(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::Ratio, Some(values.into()))
}

/// The sum up to the row, with it. A null is skipped, and null at its row.
///
/// Integers give `Int64`, unsigned ones `UInt64`, durations durations, decimals `Decimal128(38, scale)`; a sum that does not fit is
/// an error. Floats give `Float64`, added in about twice its precision; after NaN, all are NaN.
pub fn cum_sum(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::CumSum, Some(values.into()))
}

/// The product up to the row, with it. A null is skipped, and null at its row.
///
/// Integers give `Int64`, unsigned ones `UInt64`; a product that does not fit is an error. Floats give `Float64`.
pub fn cum_prod(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::CumProd, Some(values.into()))
}

/// The least value up to the row, with it, of the same type: numbers, decimals and times. A null is skipped, and null at its row.
/// NaN is skipped too, unless there was nothing else. -0.0 is less than 0.0.
pub fn cum_min(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::CumMin, Some(values.into()))
}

/// The greatest value up to the row, with it, as [`cum_min`].
pub fn cum_max(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::CumMax, Some(values.into()))
}

/// How many values up to the row, with it, are not null, as `Int64`; never null. Takes any type.
pub fn cum_count(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::CumCount, Some(values.into()))
}

/// The exponential moving average of numbers as `Float64`: the first value, then `alpha * value + (1 - alpha) * average`. `alpha` is
/// more than 0 and at most 1. A null is skipped as if its row were not there, and null at its row. After NaN, all are NaN.
pub fn ema(values: impl Into<Expr>, alpha: f64) -> SeriesFunction {
    of(Kind::Ema(Decay::Alpha(alpha)), Some(values.into()))
}

/// As [`ema`] with `alpha = 2 / (span + 1)`; `span` is at least 1.
pub fn ema_span(values: impl Into<Expr>, span: f64) -> SeriesFunction {
    of(Kind::Ema(Decay::Span(span)), Some(values.into()))
}

/// As [`ema`], where a value has half its weight after so many rows: `alpha = 1 - 0.5 ^ (1 / rows)`; `rows` is more than 0.
pub fn ema_half_life(values: impl Into<Expr>, rows: f64) -> SeriesFunction {
    of(Kind::Ema(Decay::HalfLife(rows)), Some(values.into()))
}

/// As [`ema`], where a value has half its weight after a length of time such as `"5m"`: `alpha = 1 - 0.5 ^ (dt / half_life)`, where
/// `dt` is the time since the last value that was not null. A value at the time of the last one has no weight.
pub fn ema_by_time(values: impl Into<Expr>, half_life: impl IntoInterval) -> SeriesFunction {
    let half_life = half_life.into_interval();
    let error = half_life.as_ref().err().cloned();
    let kind = Kind::Ema(Decay::Time(half_life.unwrap_or_default()));
    SeriesFunction {
        error,
        ..of(kind, Some(values.into()))
    }
}

/// The number of the row in its series among the rows of the query, from 1, as `Int64`.
pub fn row_number() -> SeriesFunction {
    of(Kind::RowNumber, None)
}

/// The last value up to the row, with it, that is not null; null before the first. Takes any type. NaN is a value.
pub fn forward_fill(values: impl Into<Expr>) -> SeriesFunction {
    of(Kind::ForwardFill, Some(values.into()))
}

impl SeriesFunction {
    /// Goes so many rows back or ahead, of [`previous`], [`next`], [`delta`] and [`ratio`]; at least 1.
    pub fn rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// What [`previous`] and [`next`] give where there is no such row: an expression of the row itself, of a type that fits.
    pub fn or_else(self, default: impl Into<Expr>) -> Self {
        Self {
            default: Some(default.into()),
            ..self
        }
    }

    /// The same with a name for its column.
    pub fn alias(self, name: impl Into<String>) -> Self {
        Self {
            alias: Some(name.into()),
            ..self
        }
    }

    /// The name of its column: what [`alias`](Self::alias) gave, or the call itself, such as `delta(price)`.
    pub fn name(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.to_string())
    }

    /// The columns that it reads.
    pub(super) fn columns(&self) -> Vec<&str> {
        let expressions = self.argument.iter().chain(&self.default);
        expressions.flat_map(Expr::columns).collect()
    }

    /// Whether the times of rows matter, and not only their order.
    pub(super) const fn uses_times(&self) -> bool {
        matches!(self.kind, Kind::Ema(Decay::Time(_)))
    }

    /// Whether all that was said fits together.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(error) = &self.error {
            return Err(error.clone().context(self.kind.name()));
        }
        let shifts = matches!(self.kind, Kind::Previous | Kind::Next);
        if self.default.is_some() && !shifts {
            return Err(Error::invalid(format!(
                "{self}: or_else() is for previous() and next(): replace nulls with coalesce() afterwards"
            )));
        }
        if self.rows == 0 {
            return Err(Error::invalid(format!("{self}: rows() takes 1 or more")));
        }
        if self.rows != 1 && !shifts && !matches!(self.kind, Kind::Delta | Kind::Ratio) {
            return Err(Error::invalid(format!(
                "{self}: rows() is for previous(), next(), delta() and ratio()"
            )));
        }
        match self.kind {
            Kind::Ema(decay) => self.check_decay(decay),
            _ => Ok(()),
        }
    }

    fn check_decay(&self, decay: Decay) -> Result<()> {
        let wanted = match decay {
            Decay::Alpha(alpha) if !(alpha > 0.0 && alpha <= 1.0) => {
                "alpha must be more than 0 and at most 1"
            }
            Decay::Span(span) if !(span >= 1.0 && span.is_finite()) => "the span must be at least 1",
            Decay::HalfLife(rows) if !(rows > 0.0 && rows.is_finite()) => "the half-life must be more than 0",
            Decay::Time(ns) if ns <= 0 => "the half-life must be more than 0",
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("{self}: {wanted}")))
    }
}

/// The call, such as `previous(bid, 2)`.
impl fmt::Display for SeriesFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.kind.name())?;
        if let Some(argument) = &self.argument {
            write!(f, "{argument}")?;
        }
        match self.kind {
            Kind::Ema(Decay::Alpha(number) | Decay::Span(number) | Decay::HalfLife(number)) => {
                write!(f, ", {number}")?;
            }
            Kind::Ema(Decay::Time(ns)) => write!(f, ", {}", duration_text(ns))?,
            _ if self.rows != 1 => write!(f, ", {}", self.rows)?,
            _ => {}
        }
        f.write_str(")")
    }
}
