//! An open database, as the objects that read it share it, until it is closed.

use std::collections::HashMap;

use gapless::{Database, Error, Result, Snapshot, Table};
use parking_lot::RwLock;

use crate::call::check_process;

/// How long a close waits for statements to end.
#[cfg(feature = "sql")]
const SQL_CLOSE: std::time::Duration = std::time::Duration::from_secs(5);

/// A database that can be closed while tables and scans of it are still there.
#[derive(Debug)]
pub(crate) struct Handle {
    name: String,
    open: RwLock<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    database: Database,
    /// The named snapshot that is read in place of the newest version.
    as_of: Option<Snapshot>,
    tables: HashMap<String, Table>,
    /// What runs SQL, once there was some.
    #[cfg(feature = "sql")]
    session: Option<gapless_sql::Session>,
}

impl Handle {
    pub(crate) fn new(database: Database, as_of: Option<Snapshot>) -> Self {
        Self {
            name: database.name().to_owned(),
            open: RwLock::new(Some(Open {
                database,
                as_of,
                tables: HashMap::new(),
                #[cfg(feature = "sql")]
                session: None,
            })),
        }
    }

    /// The path it was opened by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.read().is_some()
    }

    /// Lets go of the database. Scans and arrays that are there keep what they need.
    pub(crate) fn close(&self) {
        let closed = self.open.write().take();
        #[cfg(feature = "sql")]
        if let Some(Open {
            session: Some(session),
            ..
        }) = closed
        {
            session.close(SQL_CLOSE);
        }
    }

    /// The database.
    ///
    /// # Errors
    /// `Invalid` when it is closed, or in a process that was forked.
    pub(crate) fn database(&self) -> Result<Database> {
        self.with(|open| Ok(open.database.clone()))
    }

    /// The snapshot to read: the named one, or the newest version.
    ///
    /// # Errors
    /// As [`Handle::database`]; `Corrupt` or `Io`.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.with(|open| match &open.as_of {
            Some(snapshot) => Ok(snapshot.clone()),
            None => open.database.snapshot(),
        })
    }

    /// The snapshot of `as_of`, or else the one of [`Handle::snapshot`].
    ///
    /// # Errors
    /// As [`Handle::snapshot`]; `NotFound`, listing the snapshots there are.
    pub(crate) fn snapshot_of(&self, as_of: Option<&str>) -> Result<Snapshot> {
        match as_of {
            Some(name) => self.database()?.as_of(name),
            None => self.snapshot(),
        }
    }

    /// Whether a named snapshot is read in place of the newest version.
    pub(crate) fn is_as_of(&self) -> Result<bool> {
        self.with(|open| Ok(open.as_of.is_some()))
    }

    /// A table of the newest version.
    ///
    /// # Errors
    /// As [`Handle::database`]; `NotFound`, listing the tables there are.
    pub(crate) fn table(&self, name: &str) -> Result<Table> {
        let known = self.with(|open| Ok(open.tables.get(name).cloned()))?;
        if let Some(table) = known {
            return Ok(table);
        }
        let table = self.database()?.table(name)?;
        if let Some(open) = self.open.write().as_mut() {
            open.tables.insert(name.to_owned(), table.clone());
        }
        Ok(table)
    }

    /// Does not know a table any more: it was dropped.
    pub(crate) fn forget(&self, name: &str) {
        if let Some(open) = self.open.write().as_mut() {
            open.tables.remove(name);
        }
    }

    /// What runs SQL: threads and memory that all statements share.
    ///
    /// # Errors
    /// As [`Handle::database`]; `Io` when threads cannot be started.
    #[cfg(feature = "sql")]
    pub(crate) fn session(&self) -> Result<gapless_sql::Session> {
        if let Some(session) = self.with(|open| Ok(open.session.clone()))? {
            return Ok(session);
        }
        let session = gapless_sql::Session::new(&self.database()?)?;
        match self.open.write().as_mut() {
            Some(open) => Ok(open.session.get_or_insert(session).clone()),
            None => Err(self.closed()),
        }
    }

    fn closed(&self) -> Error {
        Error::invalid(format!("{} is closed: open it again", self.name))
    }

    fn with<T>(&self, read: impl FnOnce(&Open) -> Result<T>) -> Result<T> {
        check_process()?;
        let open = self.open.read();
        let open = open.as_ref().ok_or_else(|| self.closed())?;
        read(open)
    }
}
