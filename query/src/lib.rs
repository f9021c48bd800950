//! Operators over scans of gapless, written for the order in which rows are stored.
//!
//! | module | owns |
//! | --- | --- |
//! | [`bucket`] | time buckets: ranges of equal length, or calendar days, weeks and months of a zone |
//! | [`expr`] | expressions over columns |
//! | [`aggregate`] | what can be said of a group of rows |
//! | [`query`] | what is asked, step by step |
//! | `operator` | each step: what it gives, what it needs, and how it runs |
//! | `source` | what runs: rows in parts, read side by side |
//! | `explain` | what a query will do, for people |

pub mod aggregate;
pub mod bucket;
mod error;
mod explain;
pub mod expr;
mod operator;
pub mod query;
mod source;

pub use aggregate::{
    Aggregate, corr, count, count_of, cov, first, last, max, mean, median, min, n_unique, ohlc, quantile,
    std, sum, var, vwap, wmean,
};
pub use bucket::{Bucket, Every, IntoBucket};
pub use expr::{Expr, col, lit};
pub use operator::{AsOf, Direction, Fill, FillMethod, SortKey, constant, linear, previous};
pub use query::{Grouped, IntoQuery, Query, QueryBatches};
