//! Tables of the database in DataFusion's plans.
//!
//! | module | owns |
//! | --- | --- |
//! | `provider` | a table as the planner sees it |
//! | `filter`, `literal` | conditions of SQL as conditions of the engine, where both mean the same |
//! | `wanted` | the time range, the series and the condition that a statement's filters come to |
//! | `split` | time ranges of about as many rows each: the partitions of a scan |
//! | `statistics` | rows and times that are known before a scan runs |
//! | `trim` | arrays that say how much memory they stand for |
//! | `exec` | the scan as a node of a plan, with the order in which its rows come |
//! | `order` | the order in which a scan had best read, once the whole plan is there |
//! | `instants` | times in UTC, whatever the zone of their column |
//! | `insert` | rows into a table, as one commit |

mod exec;
mod filter;
mod insert;
mod instants;
mod literal;
mod order;
mod provider;
mod split;
mod statistics;
mod trim;
mod wanted;

pub(crate) use order::ScanOrder;
pub(crate) use provider::GaplessTable;
pub(crate) use trim::trimmed;
