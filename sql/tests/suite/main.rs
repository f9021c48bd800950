//! Tests of SQL over gapless, through the public API.

mod docs;
mod fixture;
mod native;
mod peers;
mod sessions;
mod slt;
mod support;
mod twin;
