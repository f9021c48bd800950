//! The handle of an open database.

use std::path::PathBuf;
use std::sync::Arc;

use gapless_format::EditItem;

use super::builder::Builder;
use super::engine::Engine;
use super::garbage::GarbageReport;
use super::session::Session;
use super::snapshot::Snapshot;
use super::stats::WriteStats;
use super::transaction::Transaction;
use crate::compact::{self, MaintenanceReport, Plan, Policy, RunOptions};
use crate::error::{Error, Result};
use crate::manifest::{Version, log};
use crate::repair::{self, RepairOptions, RepairReport};
use crate::symbols::Domain;
use crate::table::{Table, TableSpec};

/// An open database. Cheap to clone; all handles of one directory in a process share one engine.
///
/// ```
/// use gapless_engine::Database;
///
/// let directory = tempfile::tempdir()?;
/// let db = Database::builder(directory.path().join("market.db")).open()?;
/// assert_eq!(db.tables()?.len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    engine: Arc<Engine>,
    /// What ends with the last handle.
    _session: Arc<Session>,
    writable: bool,
}

impl Database {
    pub(crate) fn new(engine: Arc<Engine>, session: Arc<Session>, writable: bool) -> Self {
        Self {
            engine,
            _session: session,
            writable,
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Says where the database is and how to open it.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder::new(path)
    }

    /// The path it was opened by.
    pub fn name(&self) -> &str {
        self.engine.name()
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.writable {
            return self.engine.check_writable();
        }
        Err(Error::invalid(format!(
            "{} is open for reading only: open it in mode \"rw\" to write",
            self.name()
        )))
    }

    /// Names of the tables, sorted.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the manifest cannot be read.
    pub fn tables(&self) -> Result<Vec<String>> {
        Ok(self.engine.refresh()?.table_names().map(str::to_owned).collect())
    }

    /// A table by its name.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn table(&self, name: &str) -> Result<Table> {
        let version = self.engine.refresh()?;
        version.table(name)?;
        Ok(Table::new(self.clone(), name.to_owned()))
    }

    /// Creates a table, durable when this returns.
    ///
    /// # Errors
    /// `Conflict` when it exists, also when another process has created it at the same time; `Invalid`;
    /// `Unsupported` for an Arrow type that is not stored. Nothing has changed then.
    pub fn create_table(&self, spec: &TableSpec) -> Result<Table> {
        let mut transaction = self.transaction()?;
        transaction.create_table(spec)?;
        transaction.commit()?;
        Ok(Table::new(self.clone(), spec.name().to_owned()))
    }

    /// Drops a table with all its rows, atomically and durably. Snapshots that are held still read it.
    ///
    /// # Errors
    /// `NotFound`; `Io`.
    pub fn drop_table(&self, name: &str) -> Result<()> {
        let mut transaction = self.transaction()?;
        transaction.drop_table(name)?;
        transaction.commit().map(|_| ())
    }

    /// Begins a change of any number of tables that becomes visible at once.
    ///
    /// # Errors
    /// `Invalid` when the database is open for reading; `Io` after a sync has failed.
    pub fn transaction(&self) -> Result<Transaction> {
        self.check_writable()?;
        Transaction::new(&self.engine)
    }

    /// Pins the newest version: what it reads does not change while it is held.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the manifest cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::newest(&self.engine)
    }

    /// The version that a named snapshot keeps.
    ///
    /// # Errors
    /// `NotFound`, listing the snapshots there are.
    pub fn as_of(&self, name: &str) -> Result<Snapshot> {
        Snapshot::named(&self.engine, name)
    }

    /// Names the newest version, so that it can be read as long as the name is there. Durable when this returns.
    ///
    /// # Errors
    /// `Conflict` when the name is taken; `Invalid` for an empty or unprintable name.
    pub fn create_snapshot(&self, name: &str) -> Result<u64> {
        self.check_writable()?;
        gapless_format::file_name(name).map_err(|error| Error::invalid(format!("snapshot name: {error}")))?;
        self.engine.settle()?;
        let mut pinned = 0;
        self.engine.commit(|version, _| {
            pinned = version.number();
            if version.snapshot(name).is_none() {
                log::write_snapshot(&**self.engine.storage(), self.engine.database(), version)?;
            }
            Ok(vec![EditItem::CreateSnapshot {
                name: name.to_owned(),
                version: pinned,
            }])
        })?;
        Ok(pinned)
    }

    /// Removes the name of a version; what only it needed is removed from disk.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn drop_snapshot(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        self.engine.commit(|_, _| {
            Ok(vec![EditItem::DropSnapshot {
                name: name.to_owned(),
            }])
        })?;
        if let Err(error) = self.engine.collect_garbage() {
            tracing::warn!(%error, "files of the dropped snapshot stay until the next garbage collection");
        }
        Ok(())
    }

    /// Named snapshots and the version each one keeps.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the manifest cannot be read.
    pub fn snapshots(&self) -> Result<Vec<(String, u64)>> {
        Ok(self
            .engine
            .refresh()?
            .snapshots()
            .map(|(name, version)| (name.to_owned(), version))
            .collect())
    }

    /// The newest version, not pinned: what is live now.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the manifest cannot be read.
    pub fn version(&self) -> Result<Arc<Version>> {
        self.engine.refresh()
    }

    /// A symbol domain.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` when its file is not what was committed.
    pub fn domain(&self, name: &str) -> Result<Arc<Domain>> {
        let version = self.engine.refresh()?;
        if version.domain(name).is_none() {
            let names: Vec<_> = version
                .domains()
                .map(|domain| format!("{:?}", domain.domain))
                .collect();
            return Err(Error::not_found(format!(
                "there is no symbol domain {name:?}; there are {}",
                names.join(", ")
            )));
        }
        self.engine.domain(name, &version)
    }

    /// Writes all streamed rows of this process to segments. Returns when they are.
    ///
    /// # Errors
    /// `Io`; the rows stay in the log and in memory then.
    pub fn flush(&self) -> Result<()> {
        self.check_writable()?;
        self.engine.flush()
    }

    /// Makes everything durable that this process has streamed.
    ///
    /// # Errors
    /// `Io` when the sync fails: the database must be opened again then.
    pub fn sync(&self) -> Result<()> {
        self.check_writable()?;
        self.engine.sync_stream()
    }

    /// Bytes that this process has written since it opened the database.
    pub fn write_stats(&self) -> WriteStats {
        let own = self.engine.own_stream();
        let (unflushed, logged) = own.map_or((0, 0), |own| (own.memory_bytes() as u64, own.logged_bytes()));
        self.engine.stats().stats(unflushed, logged)
    }

    /// Removes files that no version, snapshot or reader needs, and what dead processes left.
    ///
    /// # Errors
    /// `Io`; what was removed until then is gone, the rest stays.
    pub fn collect_garbage(&self) -> Result<GarbageReport> {
        self.check_writable()?;
        self.engine.collect_garbage()
    }

    /// Bytes of streamed rows that this process holds in memory, about: at most [`Builder::memory_bytes_max`].
    pub fn memory_bytes(&self) -> usize {
        self.engine.own_stream().map_or(0, |own| own.memory_bytes())
    }

    /// Bytes of decoded pages of encoded segments that this database's cache holds now.
    pub fn decoded_bytes(&self) -> u64 {
        self.engine.cache().decoded_bytes()
    }

    /// What maintenance would do now, without doing it.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the manifest cannot be read.
    pub fn plan_maintenance(&self, policy: &Policy) -> Result<Plan> {
        let version = self.engine.refresh()?;
        Ok(self
            .engine
            .in_situation(&version, |situation| compact::plan(&version, policy, situation)))
    }

    /// Does what is worth doing: removes what has expired, builds closed days, folds late rows in, removes the files
    /// that nobody needs. Each task is one atomic, durable commit; readers are never blocked.
    ///
    /// A plan has one task for each partition. With [`Policy::full`] the next one is made and done too, until nothing is
    /// left to do.
    ///
    /// # Errors
    /// `Invalid` when the database is open for reading; `Io`. Commits that were done stay; what was under way leaves
    /// nothing behind.
    pub fn maintain(&self, policy: &Policy, options: &RunOptions) -> Result<MaintenanceReport> {
        /// One task of a partition removes segments, one applies deletions, one makes one segment of the others, one
        /// encodes it. What comes after that has been written meanwhile.
        const PLANS_MAX: usize = 4;
        let mut report = self.run_maintenance(&self.plan_maintenance(policy)?, options)?;
        let mut plans = 1;
        while policy.full && report.is_whole() && plans < PLANS_MAX {
            let plan = self.plan_maintenance(policy)?;
            if plan.tasks.is_empty() {
                break;
            }
            report.add(self.run_maintenance(&plan, options)?);
            plans += 1;
        }
        Ok(report)
    }

    /// Does what a plan says. Tasks that no longer fit, because others have committed since, are left out.
    ///
    /// # Errors
    /// As [`Database::maintain`].
    pub fn run_maintenance(&self, plan: &Plan, options: &RunOptions) -> Result<MaintenanceReport> {
        self.check_writable()?;
        compact::run(&self.engine, plan, options)
    }

    /// Makes as few segments of a table as can be, and removes the rows that deletions hide.
    ///
    /// # Errors
    /// `NotFound`; as [`Database::maintain`].
    pub fn compact(&self, table: &str) -> Result<MaintenanceReport> {
        self.table(table)?;
        let policy = Policy {
            table: Some(table.to_owned()),
            full: true,
            ..Policy::default()
        };
        self.maintain(&policy, &RunOptions::default())
    }

    pub(crate) fn expire(&self, table: &str, before: i64) -> Result<u64> {
        self.check_writable()?;
        compact::expire(&self.engine, table, before)
    }

    /// Repairs what a check finds damaged: the sound rows of damaged segments go into new ones, what is lost becomes a gap
    /// (state [`crate::CoverageState::Lost`]), the damaged files go to `quarantine/`. Nothing is deleted.
    ///
    /// Each segment is one atomic, durable commit; readers and writers go on. Snapshots read the damaged segments as long as
    /// they are held, with the same errors; their files move when no snapshot needs them any more. A coverage file that is
    /// damaged is taken out of use, and what was said of its table until it was written is unknown from then on: it may have
    /// taken back what older ones say. Damage of the manifest, of symbols and of logs is reported and left as it is.
    ///
    /// A second repair does nothing. See [`crate::check`] for what damage is.
    ///
    /// ```
    /// use gapless_engine::Database;
    /// use gapless_engine::repair::RepairOptions;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let db = Database::builder(directory.path().join("market.db")).open()?;
    /// let report = db.repair(&RepairOptions::default())?;
    /// assert!(report.is_whole() && !report.has_damage());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when the database is open for reading; `NotFound` for the table; `Io`. Segments that were repaired until
    /// then stay so, the others are as they were.
    pub fn repair(&self, options: &RepairOptions) -> Result<RepairReport> {
        if !options.dry_run {
            self.check_writable()?;
        }
        repair::repair(&self.engine, options)
    }

    /// Vector files that are mapped now because of this database's cache.
    pub fn open_files(&self) -> usize {
        self.engine.cache().open_vectors()
    }
}
