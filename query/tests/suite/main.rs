//! Queries against plain twins, through the public API.

mod latest;
mod tables;
