//! An embedded columnar store for time series: a directory and a library, no server.
//!
//! This crate only re-exports: the engine is in `gapless-engine`, and [`arrow`] has the Arrow crates it was built with.

pub use gapless_engine::*;

/// The Arrow crates whose arrays go in and come out.
pub mod arrow {
    pub use arrow_array as array;
    pub use arrow_schema as datatypes;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/coverage.md")]
struct CoveragePage;
