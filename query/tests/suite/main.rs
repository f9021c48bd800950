//! Queries through the public API against slow, obvious twins.
//!
//! | module | asks |
//! | --- | --- |
//! | `around` | do joins with rows around a time, and with rows of equal keys, find what loops over all rows find |
//! | `fill` | is there a row for every slot, with the values that it should have |
//! | `latest` | is the last row of each series found, whatever the segments |
//! | `missing` | are the slots without rows those that a loop finds |
//! | `over` | do functions over the rows of a series, and windows, say what a loop over its rows says, whatever the partitions |
//! | `tables` | the tables that they ask |

mod around;
mod fill;
mod latest;
mod missing;
mod over;
mod tables;
