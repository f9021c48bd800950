//! Crashes and errors at every call that changes the disk, against a model of what was acknowledged.
//!
//! Failed once: files were removed because of a commit that was not yet durable; the file of a symbol domain whose
//! header was cut off by a crash could never be written again. Each would show as a database that does not open,
//! or that does not take another commit.

mod buffered;
mod covering;
mod errors;
mod fill;
mod live;
mod points;
mod script;
