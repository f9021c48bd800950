//! An embedded columnar store for time series: a directory and a library, no server.
//!
//! This crate only re-exports: the engine is in `gapless-engine`, and [`arrow`] has the Arrow crates it was built with.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `files` | files of other formats as a source of backfills |
//! | `metrics` | Prometheus metrics, and an endpoint for them |
//! | `tokio` | backfills from asynchronous sources |

pub use gapless_engine::*;

/// The Arrow crates whose arrays go in and come out.
pub mod arrow {
    pub use arrow_array as array;
    pub use arrow_schema as datatypes;
}

/// Queries: groups, joins in time, fills and functions over the rows of a series.
pub use gapless_query as query;

#[cfg(feature = "files")]
pub mod files;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/coverage.md")]
struct CoveragePage;

#[cfg(doctest)]
#[doc = include_str!("../docs/queries.md")]
struct QueriesPage;
