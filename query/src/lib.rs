//! Operators over scans of gapless, written for the order in which rows are stored.
//!
//! | module | owns |
//! | --- | --- |
//! | [`bucket`] | time buckets: ranges of equal length, or calendar days, weeks and months of a zone |

pub mod bucket;

pub use bucket::{Bucket, Every};
