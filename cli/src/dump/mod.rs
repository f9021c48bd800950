//! What `gapless dump` shows: the stored structures, read through `gapless-format` and nothing else.
//!
//! - The engine is never opened, so this works on a database that is too damaged for it.
//! - What cannot be read is told in its place, and the dump goes on.
//! - No symbolic link below the database is followed. Nothing is reserved that a file does not have.
//!
//! | file | owns |
//! | --- | --- |
//! | `section` | what is shown, as text or as JSON |
//! | `disk` | files below the database |
//! | `state` | what the manifest says is live |
//! | `tree` | the database, its tables and partitions |
//! | `segment` | one segment: columns, attributes, pages |
//! | `values` | values of a column file |
//! | `symbols` | symbol files |
//! | `records` | manifest logs |
//! | `coverage` | coverage files, calendars, listings |
//! | `wal` | streams of the write-ahead log and their records |
//! | `file` | any single file, by its magic |

mod coverage;
mod disk;
mod file;
mod records;
mod section;
mod segment;
mod state;
mod symbols;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod wal;

pub(crate) use disk::Disk;
pub(crate) use file::{ROWS, file};
pub(crate) use records::manifest;
pub(crate) use section::Section;
pub(crate) use segment::{ColumnChoice, segments};
pub(crate) use symbols::domains;
pub(crate) use tree::database;
pub(crate) use wal::streams;
