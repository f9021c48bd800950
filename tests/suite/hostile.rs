//! Directories that are damaged, or made to harm: an error that names the file, or the whole newest state.
//!
//! Failed once: a commit in the middle of the log was damaged, `manifest/LOCK` was gone, and the database showed an
//! older state without a word.

mod files;
mod log;
mod names;
