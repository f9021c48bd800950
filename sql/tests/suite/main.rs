//! Tests of SQL over gapless, through the public API.

mod fixture;
mod slt;
