//! Operators over scans of gapless, written for the order in which rows are stored.
//!
//! | module | owns |
//! | --- | --- |
//! | [`bucket`] | time buckets: ranges of equal length, or calendar days, weeks and months of a zone |
//! | [`expr`] | expressions over columns: what users write, and how it is computed for a batch |

pub mod bucket;
pub mod expr;

pub use bucket::{Bucket, Every};
pub use expr::{Expr, IntoExpr, col, lit};
