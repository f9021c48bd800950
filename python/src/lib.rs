//! The extension module `gapless._gapless`: the engine, its queries and SQL for Python.
//!
//! | module | owns |
//! | --- | --- |
//! | `call` | how the engine is called: without the GIL, not in a forked process, and so that Ctrl-C works |
//! | `error` | the engine's errors as Python's |
//! | `time`, `duration` | instants and lengths of time from Python |
//! | `text` | names and series from Python |
//! | `type_text`, `schema` | column types by name; schemas in and out |
//! | `data`, `column` | rows from Python: Arrow as it is, columns of lists and of NumPy |
//! | `batch`, `batches`, `rows` | rows to Python: one batch, batch by batch, all |
//! | `handle` | what an open database is to everything that reads it, until it is closed |
//! | `database`, `table`, `scan` | the classes of these names |
//! | `arrow_rows` | what every result that is rows has |
//! | `coverage` | what is known, what is missing, and saying it |
//! | `fill` | gaps filled from Python |
//! | `files` | rows of files in, and out into files |
//! | `progress` | work that is watched |
//! | `lease`, `calendar`, `snapshot`, `subscription`, `check` | what these words say |
//! | `expr`, `aggregate`, `function` | what is computed: of a row, of many rows, of the rows around one |
//! | `operators`, `groups` | the steps of a scan |
//! | `shape` | what a table looks like to people |
//! | `sql` | SQL |
//!
//! Nothing here stores, plans or computes anything. Nothing below knows Python.

mod aggregate;
mod arrow_rows;
mod batch;
mod batches;
mod calendar;
mod call;
mod check;
mod column;
mod coverage;
mod data;
mod database;
mod duration;
mod error;
mod expr;
mod files;
mod fill;
mod function;
mod groups;
mod handle;
mod lease;
mod operators;
mod progress;
mod pyarrow;
mod rows;
mod scan;
mod schema;
mod shape;
mod snapshot;
#[cfg(feature = "sql")]
mod sql;
mod subscription;
mod table;
mod text;
mod time;
mod type_text;

/// The module that `gapless/__init__.py` hands out.
#[pyo3::pymodule(gil_used = false)]
mod _gapless {
    #[pymodule_export]
    use crate::aggregate::{
        Aggregate, corr, count, cov, first, last, max, mean, median, min, n_unique, ohlc, quantile, std, sum,
        var, vwap, wmean,
    };
    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::batches::Batches;
    #[pymodule_export]
    use crate::coverage::{Coverage, Gaps, Session};
    #[pymodule_export]
    use crate::database::{Database, open};
    #[pymodule_export]
    use crate::fill::Strategy;
    #[pymodule_export]
    use crate::lease::Lease;
    #[pymodule_export]
    use crate::expr::{Expr, col, lit, when};
    #[pymodule_export]
    use crate::function::{
        SeriesFunction, cum_count, cum_max, cum_min, cum_prod, cum_sum, delta, ema, forward_fill, next,
        previous, ratio, row_number,
    };
    #[pymodule_export]
    use crate::groups::Groups;
    #[pymodule_export]
    use crate::operators::from_arrow;
    #[pymodule_export]
    use crate::rows::Rows;
    #[pymodule_export]
    use crate::scan::Scan;
    #[pymodule_export]
    use crate::schema::Schema;
    #[pymodule_export]
    use crate::subscription::Subscription;
    #[pymodule_export]
    use crate::table::Table;
}
