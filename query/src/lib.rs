//! Operators over scans of gapless, written for the order in which rows are stored.
//!
//! | module | owns |
//! | --- | --- |
//! | [`aggregate`] | aggregates: sums, extremes, first and last, moments, quantiles of the rows of a group |
//! | [`bucket`] | time buckets: ranges of equal length, or calendar days, weeks and months of a zone |
//! | [`expr`] | expressions over columns |

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the operators that drive the accumulators are written next"
    )
)]
pub mod aggregate;
pub mod bucket;
pub mod expr;

pub use bucket::{Bucket, Every};
