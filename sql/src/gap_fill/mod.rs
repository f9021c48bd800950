//! `GROUP BY sym, time_bucket_gapfill('1m', ts)`: the buckets without rows come too.
//!
//! A group is one of the other keys; each group that has a row gets every bucket of the range that the statement's bounds of `ts`
//! make. What a bucket without a row has of an aggregate is what the aggregate of no rows is, unless `locf` or `interpolate` says
//! otherwise.
//!
//! | module | owns |
//! | --- | --- |
//! | `rule` | statements that group by `time_bucket_gapfill`: groups as before, and what fills them above |
//! | `bounds` | the range of time that the conditions of a statement make |
//! | `node` | what fills, as a logical node |
//! | `planner` | the logical node as a node of the plan that runs |
//! | `exec` | that node |
//! | `filler` | rows in order of group and bucket to rows of every bucket |
//! | `loaded` | rows that wait to be given |
//! | `line` | values on a line |
//! | `chunk` | rows that are given |
//!
//! Nothing here knows of coverage: a fill that stops at gaps is one of the Rust API.

mod bounds;
mod chunk;
mod exec;
mod filler;
mod line;
mod loaded;
mod node;
mod planner;
mod rule;

pub(crate) use planner::GapFillPlanner;
pub(crate) use rule::GapFillRule;
