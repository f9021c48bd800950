//! Tests of SQL over gapless, through the public API.

mod asof;
mod deep;
mod docs;
mod exact;
mod fixture;
mod gap_fill;
mod native;
mod peers;
mod sessions;
mod slt;
mod support;
mod twin;
