//! The storage engine of gapless: io, manifest, segments, symbols, snapshots, scan.

pub mod clock;
pub mod error;
pub mod io;
