//! Queries through the public API against slow, obvious twins.
//!
//! | module | asks |
//! | --- | --- |
//! | `over` | do functions over the rows of a series, and windows, say what a loop over its rows says, whatever the partitions |

mod over;
