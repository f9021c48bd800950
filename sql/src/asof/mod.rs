//! `left ASOF JOIN right MATCH_CONDITION (left.ts >= right.ts) ON left.sym = right.sym`.
//!
//! Every left row comes once, with the right row that matches it, or with nulls. DataFusion parses the join and does not plan it.
//!
//! | module | owns |
//! | --- | --- |
//! | `rewrite` | the parsed join as a relation of its own, which a relation planner gets to see |
//! | `relation` | the relation as a logical node: sides, keys and times |
//! | `node` | the logical node |
//! | `push_down` | conditions on left columns go below the join |
//! | `planner` | the logical node as a node of the plan that runs |
//! | `merge` | that node where both sides come by keys and time: both stream |
//! | `merger` | its state: which right row matches a left one, batch by batch |
//! | `sorted` | rows by keys and time, and how they compare |
//! | `exec` | that node elsewhere: it keeps the right side and streams the left one |
//! | `matcher` | which right row matches a left one |
//! | `side` | one side of either |

mod exec;
mod matcher;
mod merge;
mod merger;
mod node;
mod planner;
mod push_down;
mod relation;
mod rewrite;
mod side;
mod sorted;

pub(crate) use planner::AsOfPlanner;
pub(crate) use push_down::PushDownAsOf;
pub(crate) use relation::AsOfRelation;
pub(crate) use rewrite::nest_asof_joins;
