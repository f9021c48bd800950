//! `gapless.open` and [`Database`].

mod options;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gapless::{Error, Mode};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::call::{self, engine};
use crate::error::invalid;
use crate::handle::Handle;
use crate::schema::schema_of;
use crate::table::Table;
use crate::table::change::compact;
use crate::text::Names;

pub(crate) use options::{durability, keep, partition};

/// Opens a database: a directory. Opening it twice in one process gives the same engine, so threads may share it or
/// open their own.
///
/// `mode` is "rw", which makes the database if it is not there, or "r". `as_of` is the name of a snapshot: tables are
/// read as they were then. `durability` is how durable an append is when it returns: "sync" (on the disk), "buffered"
/// (handed to the operating system), or a length of time such as "20ms" (handed to the operating system, and synced
/// that often).
///
/// Raises InvalidError when the directory is not a database, LockedError when it is open in this process for reading
/// only, UnsupportedError for a newer format, CorruptionError with the file.
///
/// >>> with gapless.open(path) as db:
/// ...     db.tables()
/// []
#[pyfunction]
#[pyo3(signature = (path, mode="rw", as_of=None, *, durability=None))]
pub(crate) fn open(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    as_of: Option<String>,
    durability: Option<&Bound<'_, PyAny>>,
) -> PyResult<Database> {
    let mode = match mode {
        "rw" => Mode::ReadWrite,
        "r" => Mode::Read,
        other => return Err(invalid(format!("mode {other:?}: there are \"rw\" and \"r\""))),
    };
    let durability = durability.map(self::durability).transpose()?;
    let handle = engine(py, || {
        let mut builder = gapless::Database::builder(path).mode(mode);
        if let Some(durability) = durability {
            builder = builder.durability(durability);
        }
        let database = builder.open()?;
        let snapshot = as_of.map(|name| database.as_of(&name)).transpose()?;
        Ok(Handle::new(database, snapshot))
    })?;
    Ok(Database {
        handle: Arc::new(handle),
    })
}

/// An open database. It is a context manager, which closes it at the end; so does `close()`.
///
/// All methods may be called from any thread; none holds the GIL while it works.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) handle: Arc<Handle>,
}

#[pymethods]
impl Database {
    /// The path it was opened by.
    #[getter]
    fn path(&self) -> &str {
        self.handle.name()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        !self.handle.is_open()
    }

    /// Names of the tables, sorted.
    fn tables(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        engine(py, || match self.handle.is_as_of()? {
            true => Ok(self
                .handle
                .snapshot()?
                .version()
                .table_names()
                .map(str::to_owned)
                .collect()),
            false => self.handle.database()?.tables(),
        })
    }

    /// A table by its name.
    ///
    /// Raises NotFoundError, listing the tables there are.
    fn table(&self, py: Python<'_>, name: String) -> PyResult<Table> {
        engine(py, || match self.handle.is_as_of()? {
            true => self.handle.snapshot()?.table(&name).map(|_| ()),
            false => self.handle.table(&name).map(|_| ()),
        })?;
        Ok(Table::new(Arc::clone(&self.handle), name))
    }

    /// Creates a table, durable when this returns.
    ///
    /// `schema` is a dict of column names and types ({"ts": "timestamp[ns, UTC]", "price": "float64"}) or anything with
    /// `__arrow_c_schema__`, as pyarrow's schemas. `time` names the time column, a timestamp, which is stored in
    /// nanoseconds; `series` the column of the series, text, which is stored as symbols. `partition` is "day", "hour",
    /// "month" or "year".
    ///
    /// `keep` says which of several rows of one key count: "all" (ticks), or the one that was committed "last" or
    /// "first" (bars). The key is series and time, and the columns of `key`.
    ///
    /// `retain` and `cold_after` are ages, as text or `timedelta`: partitions that have ended longer ago are removed,
    /// or encoded to be small, by maintenance. `attributes` asks for indexes: {"order_id": "unique"}; there are
    /// "sorted", "parted", "grouped" and "unique". `symbols` names the domain of a text column that is stored as
    /// symbols: {"venue": "venues"}.
    ///
    /// Raises ConflictError when the table exists, InvalidError, UnsupportedError for a type that is not stored.
    /// Nothing has changed then.
    #[pyo3(signature = (name, schema, *, time, series=None, partition="day", key=None, keep="all", **options))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the table's properties, by name"
    )]
    fn create_table(
        &self,
        py: Python<'_>,
        name: String,
        schema: &Bound<'_, PyAny>,
        time: String,
        series: Option<String>,
        partition: &str,
        key: Option<Names>,
        keep: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Table> {
        let schema = schema_of(schema)?.as_ref().clone();
        let mut spec = gapless::TableSpec::new(&name, schema)
            .time(time)
            .partition(options::partition(partition)?)
            .keep(options::keep(keep)?)
            .key(key.map(|key| key.0).unwrap_or_default());
        if let Some(series) = series {
            spec = spec.series(series);
        }
        if let Some(options) = options {
            spec = options::with(spec, options)?;
        }
        engine(py, || self.handle.database()?.create_table(&spec).map(|_| ()))?;
        Ok(Table::new(Arc::clone(&self.handle), name))
    }

    /// Drops a table with all its rows, atomically and durably. Scans that are there still read it.
    ///
    /// Raises NotFoundError.
    fn drop_table(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        engine(py, || {
            self.handle.database()?.drop_table(name)?;
            self.handle.forget(name);
            Ok(())
        })
    }

    /// Makes as few segments as can be, of one table or of all, and removes the rows that deletions hide. Readers and
    /// writers go on meanwhile; what was done before an interrupt stays. Gives what was done, as `Table.compact`.
    #[pyo3(signature = (table=None))]
    fn compact<'py>(&self, py: Python<'py>, table: Option<String>) -> PyResult<Bound<'py, PyDict>> {
        compact(py, Arc::clone(&self.handle), table)
    }

    /// Writes the rows that this process has streamed to segments. They are visible and durable without it.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let handle = Arc::clone(&self.handle);
        call::writing(py, move |_| handle.database()?.flush())
    }

    /// Makes everything durable that this process has streamed, whatever its durability.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        engine(py, || self.handle.database()?.sync())
    }

    /// Closes the database: its objects cannot be used any more. Arrays and scans that are there keep what they need.
    /// Closing twice does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.handle.close());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        let closed = if self.handle.is_open() { "" } else { ", closed" };
        format!("Database({:?}{closed})", self.handle.name())
    }
}

/// An age from nanoseconds.
fn age(ns: i64) -> gapless::Result<Duration> {
    let ns = u64::try_from(ns)
        .map_err(|_| Error::invalid(format!("{ns} ns is no age: give a positive length of time")))?;
    Ok(Duration::from_nanos(ns))
}
