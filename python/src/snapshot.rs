//! Named snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::prelude::*;

use crate::call::{self, engine};
use crate::database::Database;

#[pymethods]
impl Database {
    /// Names what is committed now, so that it can be read as long as the name is there: `scan(as_of=name)`, `gapless.open(path, as_of=name)`.
    /// Durable when this returns. Gives the number of the version.
    ///
    /// Raises ConflictError when the name is taken, InvalidError for an empty or unprintable one.
    ///
    /// >>> version = db.create_snapshot("month-end")
    /// >>> db.snapshots() == {"month-end": version}
    /// True
    fn create_snapshot(&self, py: Python<'_>, name: String) -> PyResult<u64> {
        let handle = Arc::clone(&self.handle);
        call::writing(py, move |_| handle.database()?.create_snapshot(&name))
    }

    /// The named snapshots, with the number of the version that each keeps.
    fn snapshots(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        let snapshots = engine(py, || self.handle.database()?.snapshots())?;
        Ok(snapshots.into_iter().collect())
    }

    /// Removes a name; what only it needed is removed from disk.
    ///
    /// Raises NotFoundError.
    fn drop_snapshot(&self, py: Python<'_>, name: String) -> PyResult<()> {
        let handle = Arc::clone(&self.handle);
        call::writing(py, move |_| handle.database()?.drop_snapshot(&name))
    }
}
