//! What is known about the rows of each series, and what is not.

pub mod intervals;
