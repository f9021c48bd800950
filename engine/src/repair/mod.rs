//! Heals damage: what is sound of a damaged segment goes into a new one, the rest becomes a gap, the files are kept.
//!
//! - Nothing is deleted. Damaged files move to `quarantine/` once no reader needs them, and stay there.
//! - A segment is repaired in one commit: the damaged segment goes, one of its sound rows comes in its place in the order
//!   of commits, and what is lost is stated as [`crate::CoverageState::Lost`]. A crash leaves the old state or the new one.
//! - What only a copy can bring back is not touched: manifest, symbols, logs.
//!
//! | file | owns |
//! | --- | --- |
//! | `plan` | what is done about which damage; pure |
//! | `salvage` | a new segment of the sound rows of a damaged one |
//! | `quarantine` | where damaged files go, and when |
//! | `run` | the commits |
//! | `report` | what was asked for and what was done |

mod plan;
pub(crate) mod quarantine;
mod report;
mod run;
mod salvage;
#[cfg(test)]
mod tests;

pub use report::{RepairOptions, RepairReport, RepairedCoverage, RepairedSegment};
pub(crate) use run::repair;
