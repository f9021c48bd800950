//! Queries through the public API against slow, obvious twins.
//!
//! | module | asks |
//! | --- | --- |
//! | `cells` | values of results, comparable to the bit |
//! | `world` | the same rows as plain values and as databases of many shapes |
//! | `tables` | tables of fewer shapes, for the operators that go by series |
//! | `groups` | do groups and aggregates say what a loop over the rows says, whatever the shape |
//! | `joins` | does the as-of join match what a loop over both tables matches |
//! | `around` | do joins with rows around a time, and with rows of equal keys, find what loops over all rows find |
//! | `fill` | is there a row for every slot, with the values that it should have |
//! | `latest` | is the last row of each series found, whatever the segments |
//! | `memory` | does a query hold no more than it may |
//! | `missing` | are the slots without rows those that a loop finds |
//! | `over` | do functions over the rows of a series, and windows, say what a loop over its rows says, whatever the partitions |
//! | `steps` | filters, columns, orders, limits, errors, threads |
//! | `extremes` | do page statistics say of the least and the greatest values what the rows say |
//! | `edges` | small cases that once failed or could |

mod around;
mod cells;
mod edges;
mod extremes;
mod fill;
mod groups;
mod interrupt;
mod joins;
mod latest;
mod memory;
mod missing;
mod over;
mod steps;
mod tables;
mod world;
