//! The check, on databases that were damaged on purpose.
//!
//! What shows here when it breaks: a byte that changes without a finding, a finding on a sound database, a panic.

mod coverage;
mod findings;
mod fixture;
mod flips;
mod pages;
mod reencoded;
mod wal;
