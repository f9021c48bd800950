//! Proves that a database holds what it says it holds, and says where it does not.
//!
//! - Every layer is checked as far as it can be reached; a broken layer is a [`Finding`], not the end of the check.
//! - Nothing is changed or removed. The one file it makes is a pin in `readers/`, which keeps a writer from removing
//!   what is being checked.
//! - Files are read in pages with plain reads, not maps: a file that is cut meanwhile is a finding, not a signal.
//!   Memory is a page for each thread, plus one index or one frame of symbols, plus 16 bytes for each symbol.
//!
//! | file | layer |
//! | --- | --- |
//! | `identity` | `GAPLESS` |
//! | `manifest` | `manifest/`: CURRENT, LOCK, the log, checkpoints of snapshots |
//! | `symbols` | `symbols/*.sym` |
//! | `segment` | `segment.meta` against the manifest; order, times and series of the rows |
//! | `column` | the files of a column chunk: headers, lengths, pages, statistics, values |
//! | `attribute` | indexes against the rows |
//! | `damage` | which series and times the damaged pages of a segment hold |
//! | `sound` | the pages that are not damaged |
//! | `coverage` | coverage files against the manifest; calendars |
//! | `wal` | `wal/`: the logs of streams, from their checkpoints on |
//! | `leases` | `leases/LEASES` |
//! | `strays` | what nothing names |

mod attribute;
mod column;
mod coverage;
mod damage;
mod finding;
mod identity;
mod leases;
mod manifest;
mod run;
mod segment;
mod sound;
mod source;
mod strays;
mod symbols;
pub(crate) use symbols::Counts;
#[cfg(test)]
mod tests;
mod wal;

pub use damage::LostRange;
pub(crate) use damage::{CoverageDamage, Lost, Scope, SegmentDamage, lost_ranges};
pub use finding::{Finding, FindingKind, Severity};
pub use run::{CheckOptions, CheckReport, Progress, check, check_database};
pub(crate) use run::{Examined, examine};
pub(crate) use sound::{each_sound_page, prove};
