//! What the native operators of `gapless-query` run instead of DataFusion's.
//!
//! | module | owns |
//! | --- | --- |
//! | `aggregate` | groups of a table's rows as a native query, where both mean the same |
//! | `key`, `function`, `value` | what is grouped by, aggregates, and what these are given |
//! | `condition` | conditions on floats that a scan cannot tell exactly |
//! | `node` | the logical node, and where it takes the place of an aggregation |
//! | `planner` | the logical node as a node of the plan that runs |
//! | `exec` | that node: any native query as a leaf of a plan |
//!
//! What cannot be shown to mean the same is left to DataFusion.

mod aggregate;
mod condition;
pub(crate) mod exec;
mod function;
mod key;
mod node;
mod planner;
mod value;

pub(crate) use node::with_native;
pub(crate) use planner::NativePlanner;
