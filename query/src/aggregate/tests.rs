//! Every aggregate against a slow and obvious twin, over batches cut anywhere, merged in any way and emitted in pieces.
//!
//! A failure shows as results that differ between two ways of taking the same rows, or from the twin.

mod exact;
mod harness;
mod names;
mod order;
mod twins;
mod types;
