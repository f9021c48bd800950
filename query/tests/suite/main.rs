//! Queries through the public API against slow, obvious twins.
//!
//! | module | asks |
//! | --- | --- |
//! | `cells` | values of results, comparable to the bit |
//! | `world` | the same rows as plain values and as databases of many shapes |
//! | `groups` | do groups and aggregates say what a loop over the rows says, whatever the shape |
//! | `joins` | does the as-of join match what a loop over both tables matches |
//! | `steps` | filters, columns, orders, limits, errors, threads |
//! | `edges` | small cases that once failed or could |

mod cells;
mod edges;
mod groups;
mod joins;
mod steps;
mod world;
