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
#[cfg(feature = "sql")]
mod formats;
mod gaps;
mod heal;
mod import;
mod import_errors;
mod inspect;
#[cfg(feature = "sql")]
mod kill;
mod leases;
#[cfg(feature = "sql")]
mod misuse;
#[cfg(feature = "sql")]
mod query;
mod recover;
mod rows;
mod snapshot;
#[cfg(feature = "sql")]
mod sql;
mod support;
#[cfg(feature = "sql")]
mod terminal;
mod timeline;
mod wal;
mod without_sql;
