//! SQL, where the package is built with it.

use gapless::Result;
use gapless_sql::Session;
use pyo3::prelude::*;

use crate::call;
use crate::database::Database;
use crate::rows::Rows;

#[pymethods]
impl Database {
    /// Runs a SQL statement over one snapshot of all tables, taken when it begins, and gives its rows. A statement that
    /// writes is one commit, durable when this returns; its row is the count.
    ///
    /// Raises InvalidError for wrong SQL, NotFoundError for a table that is not there, UnsupportedError, saying what to
    /// use instead.
    ///
    /// >>> db.sql("SELECT count(*) AS rows FROM trade").to_arrow().to_pydict()
    /// {'rows': [0]}
    fn sql(&self, py: Python<'_>, text: String) -> PyResult<Rows> {
        let handle = std::sync::Arc::clone(&self.handle);
        call::reading(py, move |cancel| {
            let session: Session = handle.session()?;
            let rows = match handle.is_as_of()? {
                true => session.sql_at(&handle.snapshot()?, &text)?,
                false => session.sql(&text)?,
            };
            let schema = rows.schema();
            let batches = rows.map(|batch| {
                cancel.check()?;
                batch
            });
            Ok(Rows::new(schema, batches.collect::<Result<Vec<_>>>()?))
        })
    }
}
