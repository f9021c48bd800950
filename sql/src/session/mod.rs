//! Statements over a database: planned, run, and their rows handed out.
//!
//! | module | owns |
//! | --- | --- |
//! | `builder` | what a session may use: memory, threads, files |
//! | `depth` | how deep a statement may be |
//! | `precedence` | `AND` and `OR` after `IS DISTINCT FROM` |
//! | `statement`, `clause`, `inside` | text to a statement that is allowed here: its clauses, files to write |
//! | `insert` | rows to insert, which their columns have to hold |
//! | `context` | one statement's own planner, over one snapshot |
//! | `embedded` | projections in filters, which must not be there |
//! | `rows` | the rows of a statement, as they come |
//! | `script` | a text of several statements, in pieces |
//! | `yields` | joins that can be ended |

mod builder;
mod clause;
mod context;
mod depth;
mod embedded;
mod insert;
mod inside;
mod precedence;
mod rows;
mod runtime;
mod script;
pub(crate) mod statement;
mod yields;

use std::sync::Arc;
use std::time::Duration;

use gapless_engine::{Database, Result, Snapshot};

pub use builder::SessionBuilder;
pub use inside::database_around;
pub use rows::{RowStream, Rows};
pub use script::{gives_rows, is_blank, split_statement};

use context::Planner;
use runtime::{Runtime, block_on};

/// Runs SQL over a database. Cheap to clone; clones share threads and memory.
///
/// Each statement sees one snapshot of the database, taken when it is planned: all of its tables at one version, whatever is
/// committed while it runs. It runs on threads of the session's own, streams, and ends when its rows are dropped.
///
/// ```
/// use gapless_engine::Database;
/// use gapless_sql::Session;
///
/// let directory = tempfile::tempdir()?;
/// let database = Database::builder(directory.path().join("market.db")).open()?;
/// let session = Session::new(&database)?;
/// let batches = session.sql("SELECT count(*) AS tables FROM gapless.tables")?.collect_batches()?;
/// assert_eq!(batches[0].num_rows(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    runtime: Arc<Runtime>,
    planner: Arc<Planner>,
}

impl Session {
    /// A session with the settings of [`SessionBuilder`] as they are.
    ///
    /// # Errors
    /// `Io` when threads cannot be started.
    pub fn new(database: &Database) -> Result<Self> {
        Self::builder(database).open()
    }

    /// Says what the session may use.
    #[must_use]
    pub fn builder(database: &Database) -> SessionBuilder {
        SessionBuilder::new(database)
    }

    /// Plans a statement, starts it, and gives its rows as they come. Blocks while it is planned.
    ///
    /// A statement that writes has written when its rows are read: one row with the count. It is one commit, atomic and durable
    /// then; if its rows are dropped before, nothing was written.
    ///
    /// # Errors
    /// `Invalid` for wrong SQL; `NotFound`, listing the tables there are; `Unsupported` for a statement that is not there, saying
    /// what to use instead; `Corrupt` or `Io` from the database.
    pub fn sql(&self, text: &str) -> Result<Rows> {
        block_on(self.sql_async(text))
    }

    /// As [`Session::sql`], without blocking; of any runtime.
    ///
    /// # Errors
    /// As [`Session::sql`].
    pub async fn sql_async(&self, text: &str) -> Result<Rows> {
        self.start(text, None).await
    }

    /// As [`Session::sql`], over a snapshot that is held already. A statement that writes is refused.
    ///
    /// # Errors
    /// As [`Session::sql`].
    pub fn sql_at(&self, snapshot: &Snapshot, text: &str) -> Result<Rows> {
        block_on(self.start(text, Some(snapshot.clone())))
    }

    /// Ends all statements of the session and waits until they are gone, with what they had put on disk, for so long at most.
    ///
    /// Dropping a session ends them too, but waits for nothing: a process that exits then leaves files of theirs behind. Nothing
    /// is waited for while a clone of the session, or rows of it, are still there.
    pub fn close(self, wait: Duration) {
        if let Some(runtime) = Arc::into_inner(self.runtime) {
            runtime.close(wait);
        }
    }

    async fn start(&self, text: &str, snapshot: Option<Snapshot>) -> Result<Rows> {
        let (planner, text) = (Arc::clone(&self.planner), text.to_owned());
        let planned = self
            .runtime
            .run(async move { planner.start(&text, snapshot).await });
        Ok(Rows::new(&self.runtime, planned.await??))
    }
}
