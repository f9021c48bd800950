//! Coverage: what is known of a range of a series, as log records carry it and as coverage files keep it.
//!
//! - A [`Coverage`] is one statement. Where two overlap, the one that was committed later counts.
//! - A coverage file holds many, by series and interval; it is never changed once a version names it.

mod file;
mod range;

pub use file::{COVERAGE_MAGIC, CoverageFile, CoverageKey, CoverageRecord, encode_coverage_file};
pub(crate) use range::decode_series;
pub use range::{Coverage, CoverageState};
