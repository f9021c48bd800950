//! Operators over scans of gapless, written for the order in which rows are stored.
//!
//! | module | owns |
//! | --- | --- |
//! | [`aggregate`] | aggregates: sums, extremes, first and last, moments, quantiles of the rows of a group |
//! | [`bucket`] | time buckets: ranges of equal length, or calendar days, weeks and months of a zone |
//! | [`expr`] | expressions over columns: what users write, and how it is computed for a batch |
//! | [`fill`] | how slots without rows are filled |
//! | [`query`] | what is asked, step by step |
//! | `operator` | each step: what it gives, what it needs, and how it runs |
//! | `source` | what runs: rows in parts, read side by side |
//! | `interrupt` | queries that are ended from elsewhere |
//! | `memory` | how much memory a query may hold |
//! | `explain` | what a query will do, for people |

pub mod aggregate;
pub mod bucket;
mod error;
mod explain;
pub mod expr;
mod interrupt;
mod memory;
mod operator;
pub mod query;
mod source;

/// How a column of slots without rows is filled.
pub mod fill {
    pub use crate::operator::fill::{FillMethod, constant, linear, previous};
}

pub use aggregate::{
    Aggregate, corr, count, count_of, cov, first, last, max, mean, median, min, n_unique, ohlc, quantile,
    std, sum, var, vwap, wmean,
};
pub use bucket::{Bucket, Every, IntoBucket};
pub use expr::{Expr, IntoExpr, col, lit};
pub use interrupt::Interrupt;
pub use operator::{
    AsOf, Direction, Fill, HorizonJoin, Join, Rolling, SeriesFunction, SortKey, WindowJoin, cum_count,
    cum_max, cum_min, cum_prod, cum_sum, delta, ema, ema_by_time, ema_half_life, ema_span, forward_fill,
    next, previous, ratio, row_number,
};
pub use query::{Grouped, IntoQuery, Query, QueryBatches, Rolled, Windowed};
