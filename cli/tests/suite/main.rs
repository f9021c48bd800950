//! The built `gapless` binary, run as a user runs it: every verb, its JSON, its exit codes, and bad input.

mod append;
mod calendar;
mod coverage;
mod demo;
mod docs;
mod errors;
mod export;
mod fill;
mod follow;
mod gaps;
mod heal;
mod import;
mod import_errors;
mod inspect;
mod leases;
mod recover;
mod rows;
mod snapshot;
mod support;
mod timeline;
mod wal;
