//! An embedded columnar store for time series: a directory and a library, no server.
//!
//! This crate only re-exports; the engine is in `gapless-engine`.

pub use gapless_engine::*;
