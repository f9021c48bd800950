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
//!
//! Nothing here stores, plans or computes anything. Nothing below knows Python.

mod batch;
mod batches;
mod call;
mod column;
mod data;
mod database;
mod duration;
mod error;
mod handle;
mod pyarrow;
mod rows;
mod scan;
mod schema;
mod table;
mod text;
mod time;
mod type_text;

/// The module that `gapless/__init__.py` hands out.
#[pyo3::pymodule(gil_used = false)]
mod _gapless {
    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::batches::Batches;
    #[pymodule_export]
    use crate::database::{Database, open};
    #[pymodule_export]
    use crate::rows::Rows;
    #[pymodule_export]
    use crate::scan::Scan;
    #[pymodule_export]
    use crate::schema::Schema;
    #[pymodule_export]
    use crate::table::Table;
}
