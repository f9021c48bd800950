//! The strategy that makes bars of finer rows that are already here.

mod aggregation;
mod bars;
mod strategy;

pub use aggregation::Aggregation;
pub use strategy::FromTableStrategy;
