//! Coverage: what a database knows it has, and what it knows it lacks.
//!
//! - A statement ([`CoverageRange`] of a key) is committed in the same record as the rows it is about. Where two
//!   overlap, the one that was committed later counts; nothing is ever inferred from row times, except by
//!   [`crate::Table::infer_coverage`], which is asked for.
//! - New statements are in the memtable ([`CoverageMap`]); a flush puts them into a coverage file, and small files
//!   become larger ones, so a commit costs its own size however many ranges there are.
//! - A reader lays the files and the memtables over each other for the keys it asks for, not for all.
//! - A gap is what is expected (asked, inside the calendar and the life of the series, on the grid) and not covered.

mod arrow;
mod attest;
mod duration;
mod expired;
mod file;
mod gaps;
mod infer;
pub mod intervals;
mod map;
mod merge;
mod overlay;
mod query;
mod range;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use arrow::{gaps_batch, ranges_batch};
pub use attest::Attestation;
pub(crate) use attest::taken_back;
pub use duration::{IntoInterval, duration_ns, duration_text};
pub(crate) use expired::{expired_until, write_expired};
pub(crate) use file::{
    COVERAGE_DIRECTORY, CoverageFiles, NewCoverage, OpenCoverage, coverage_instance, coverage_path,
    remove_coverage, write_coverage,
};
pub use gapless_format::{CoverageKey, CoverageState};
pub use infer::{Inference, InferredCoverage};
pub(crate) use map::CoverageMap;
pub(crate) use merge::{MergedCoverage, merge, merge_files};
pub(crate) use query::instant;
pub use query::{Completeness, Gap, GapQuery};
pub use range::CoverageRange;
pub use session::{LiveSession, SessionBuilder};
pub use table::TableCoverage;
