//! One atomic change of any number of tables.

use std::sync::Arc;

use arrow_array::RecordBatch;
use gapless_format::{EditItem, TableMeta};

use super::durability::Durability;
use super::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::PreparedRows;
use crate::table::TableSpec;
use crate::write::{BuiltSegments, BulkWriter, WriteOptions, WriteReport};

/// A change in the making. Nothing of it is visible before [`Transaction::commit`]; dropped, it leaves nothing.
#[derive(Debug)]
pub struct Transaction {
    engine: Arc<Engine>,
    created: Vec<TableMeta>,
    dropped: Vec<u32>,
    tables: Vec<Arc<TableMeta>>,
    built: BuiltSegments,
    /// Rows of small writes. They go through the stream, unless the commit needs the manifest anyway.
    small: Vec<PreparedRows>,
}

/// Ids of tables that the transaction creates, before the commit gives them their own.
const PROVISIONAL: u32 = 1 << 31;

impl Transaction {
    pub(crate) fn new(engine: &Arc<Engine>) -> Result<Self> {
        engine.check_writable()?;
        Ok(Self {
            engine: Arc::clone(engine),
            created: Vec::new(),
            dropped: Vec::new(),
            tables: Vec::new(),
            built: BuiltSegments::default(),
            small: Vec::new(),
        })
    }

    /// Creates a table. It can be written to in the same transaction.
    ///
    /// # Errors
    /// `Invalid` for a description that is wrong; `Conflict` when the table exists.
    pub fn create_table(&mut self, spec: &TableSpec) -> Result<()> {
        let id = PROVISIONAL + u32::try_from(self.created.len()).unwrap_or(u32::MAX - PROVISIONAL);
        let meta = spec.meta(id)?;
        let exists = self
            .engine
            .refresh()?
            .table(spec.name())
            .is_ok_and(|table| !self.dropped.contains(&table.meta().table));
        if exists || self.created.iter().any(|other| other.name == meta.name) {
            return Err(Error::conflict(format!(
                "table {:?} exists already: open it, or choose another name",
                spec.name()
            )));
        }
        self.created.push(meta);
        Ok(())
    }

    /// Drops a table with all its rows. Snapshots that are held still read it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn drop_table(&mut self, name: &str) -> Result<()> {
        let version = self.engine.refresh()?;
        self.dropped.push(version.table(name)?.meta().table);
        Ok(())
    }

    /// Writes rows in any order to a table. They are sorted, split by partition and written to files now.
    ///
    /// # Errors
    /// `Invalid` names column, row and reason; an error leaves the transaction without these rows.
    pub fn write<E>(
        &mut self,
        table: &str,
        batches: impl IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        options: &WriteOptions,
    ) -> std::result::Result<WriteReport, E>
    where
        E: From<Error>,
    {
        self.write_with_progress(table, batches, options, &|_, _| {})
    }

    /// As [`Transaction::write`]; `progress` is told how many partitions of how many are written.
    ///
    /// # Errors
    /// As [`Transaction::write`].
    pub fn write_with_progress<E>(
        &mut self,
        table: &str,
        batches: impl IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        options: &WriteOptions,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> std::result::Result<WriteReport, E>
    where
        E: From<Error>,
    {
        let meta = self.table(table)?;
        let mut writer = BulkWriter::new(&self.engine, &meta, options.clone())?;
        for batch in batches {
            writer.push(&batch?)?;
        }
        let is_new = meta.table >= PROVISIONAL;
        let as_usual = options.partition.is_none() && options.encoding.is_plain();
        if as_usual && !is_new && writer.is_small(self.engine.live().small_commit_rows()) {
            let rows = writer.into_rows();
            let report = WriteReport {
                rows: row_count(&rows),
                ..WriteReport::default()
            };
            self.small.extend(rows);
            return Ok(report);
        }
        let built = writer
            .finish(progress)
            .map_err(|error| error.context(format!("table {table:?}")))?;
        let report = built.report(0);
        self.built.merge(built);
        self.tables.push(meta);
        Ok(report)
    }

    fn table(&self, name: &str) -> Result<Arc<TableMeta>> {
        if let Some(meta) = self.created.iter().find(|meta| meta.name == name) {
            return Ok(Arc::new(meta.clone()));
        }
        Ok(Arc::clone(self.engine.refresh()?.table(name)?.meta()))
    }

    /// Makes the change visible, atomically, and durable when this returns.
    ///
    /// # Errors
    /// `Conflict` when another commit has created or dropped a table meanwhile; `Io`. Nothing is visible then.
    pub fn commit(mut self) -> Result<WriteReport> {
        if self.created.is_empty() && self.dropped.is_empty() && self.built.segments.is_empty() {
            return self.commit_small();
        }
        self.build_small()?;
        let mut domains = Vec::new();
        for table in &self.tables {
            domains.extend(self.engine.sync_domains(table)?);
        }
        let drops = !self.dropped.is_empty();
        let mut items: Vec<EditItem> = domains.into_iter().map(EditItem::GrowDomain).collect();
        items.extend(self.dropped.drain(..).map(|table| EditItem::DropTable { table }));
        items.extend(
            std::mem::take(&mut self.created)
                .into_iter()
                .map(EditItem::CreateTable),
        );
        items.extend(self.built.segments.iter().cloned().map(EditItem::AddSegment));
        if items.is_empty() {
            return Ok(self.built.report(self.engine.refresh()?.number()));
        }
        let committed = self
            .engine
            .commit(|version, now| Ok(numbered(items, version.next_table(), version.number() + 1, now)));
        let built = std::mem::take(&mut self.built);
        match committed {
            Ok(version) => {
                let report = built.report(version.number());
                self.engine.stats().note_bulk(report.bytes);
                built.keep();
                if drops && let Err(error) = self.engine.collect_garbage() {
                    tracing::warn!(%error, "files of dropped tables stay until the next garbage collection");
                }
                Ok(report)
            }
            Err(error) => {
                if error.kind() == ErrorKind::Io && self.engine.manifest().check_poison().is_err() {
                    // The commit may have happened: its files must stay. If it has not, they are orphans.
                    built.keep();
                }
                Err(error)
            }
        }
    }
}

impl Transaction {
    /// Commits through the stream.
    fn commit_small(self) -> Result<WriteReport> {
        let rows = row_count(&self.small);
        if rows > 0 {
            self.engine
                .append(self.small, Vec::new(), Vec::new(), Some(Durability::Sync))?;
        }
        Ok(WriteReport {
            rows,
            version: self.engine.refresh()?.number(),
            ..WriteReport::default()
        })
    }

    /// Makes segments of small writes, to be committed with the others.
    fn build_small(&mut self) -> Result<()> {
        for rows in std::mem::take(&mut self.small) {
            let mut writer = BulkWriter::new(&self.engine, &rows.table, WriteOptions::default())?;
            writer.push_columns(rows.columns.into_iter().map(|column| column.array).collect())?;
            self.built.merge(writer.finish(&|_, _| {})?);
            self.tables.push(rows.table);
        }
        Ok(())
    }
}

fn row_count(rows: &[PreparedRows]) -> u64 {
    let count = |rows: &PreparedRows| rows.columns.first().map_or(0, |column| column.array.len() as u64);
    rows.iter().map(count).sum()
}

/// Gives new tables the next free ids, and everything the version and the time it is committed in.
fn numbered(mut items: Vec<EditItem>, next_table: u32, version: u64, commit: i64) -> Vec<EditItem> {
    let number = |id: &mut u32| {
        if *id >= PROVISIONAL {
            *id = *id - PROVISIONAL + next_table;
        }
    };
    for item in &mut items {
        match item {
            EditItem::CreateTable(meta) => {
                number(&mut meta.table);
                meta.created = version;
            }
            EditItem::AddSegment(segment) => {
                number(&mut segment.table);
                segment.created = version;
                (segment.first_commit, segment.last_commit) = (commit, commit);
            }
            _ => {}
        }
    }
    items
}
