//! Queries against plain twins, through the public API.

mod fill;
mod latest;
mod missing;
mod tables;
