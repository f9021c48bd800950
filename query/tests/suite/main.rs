//! Queries through the public API against slow, obvious twins.
//!
//! | module | asks |
//! | --- | --- |
//! | `latest` | is the last row of each series found, whatever the segments |
//! | `over` | do functions over the rows of a series, and windows, say what a loop over its rows says, whatever the partitions |
//! | `tables` | the tables that they ask |

mod latest;
mod over;
mod tables;
