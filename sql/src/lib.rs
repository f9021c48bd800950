//! SQL over gapless: a DataFusion catalog of a database's tables, functions of time series, system tables.
//!
//! [`Session`] runs statements. The tables of the database need no schema before their names; the schema `gapless` has what the
//! database knows of itself. `docs/sql.md` says what there is, with examples.
//!
//! | module | owns |
//! | --- | --- |
//! | `session` | statements: text to rows, limits, threads |
//! | `catalog` | the database as the planner sees it, as one snapshot has it |
//! | `table` | a table: conditions, time ranges, order, statistics, insertion |
//! | `system` | the schema `gapless` |
//! | `function` | functions of time series |
//! | `native` | what the operators of `gapless-query` run instead of DataFusion's |
//! | `asof` | `ASOF JOIN ... MATCH_CONDITION` |
//! | `gap_fill` | `GROUP BY ... time_bucket_gapfill(...)` |
//! | `exact` | numbers of a statement, with all of their digits |
//! | `float_key` | zeros and `NaN` as keys |
//! | `condition` | conditions that name no column stay above those nodes |
//! | `planner` | logical nodes that only gapless has as nodes of the plan that runs |
//! | `pump` | batches as asynchronous streams |
//! | `error` | DataFusion's errors as the engine's |
//!
//! Nothing here stores or decodes anything: rows come from [`gapless_engine::Scan`] and go to [`gapless_engine::Table`].

mod asof;
mod catalog;
mod condition;
mod error;
mod exact;
mod float_key;
mod function;
mod gap_fill;
mod native;
mod planner;
mod pump;
mod session;
mod system;
mod table;

pub use session::{
    RowStream, Rows, Session, SessionBuilder, database_around, gives_rows, is_blank, split_statement,
};
