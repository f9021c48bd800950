//! The handle of a table.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use gapless_format::TableMeta;

use super::types::arrow_type;
use crate::database::{Database, Durability, Snapshot};
use crate::error::{Error, Result};
use crate::row::RowWriter;
use crate::scan::Scan;
use crate::subscribe::{Position, Subscription};
use crate::write::{AppendReport, WriteOptions, WriteReport};

/// A table of an open database.
#[derive(Debug, Clone)]
pub struct Table {
    database: Database,
    name: String,
}

impl Table {
    pub(crate) fn new(database: Database, name: String) -> Self {
        Self { database, name }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table's description at the newest version.
    ///
    /// # Errors
    /// `NotFound` when it was dropped.
    pub fn meta(&self) -> Result<Arc<TableMeta>> {
        Ok(Arc::clone(self.database.version()?.table(&self.name)?.meta()))
    }

    /// The Arrow schema in which its rows are read.
    ///
    /// # Errors
    /// `NotFound` when it was dropped.
    pub fn schema(&self) -> Result<SchemaRef> {
        let meta = self.meta()?;
        Ok(schema_of(&meta))
    }

    /// Rows that are stored, in segments and in memory. Rows that a deletion or a key hides are counted until a
    /// compaction removes them.
    ///
    /// # Errors
    /// `NotFound` when it was dropped.
    pub fn rows(&self) -> Result<u64> {
        let snapshot = self.database.snapshot()?;
        let table = snapshot.table(&self.name)?;
        Ok(table.rows() + snapshot.live().rows(table.meta().table)?)
    }

    /// Streams rows in any order as one atomic commit: visible when this returns, and as durable as the database
    /// is opened for.
    ///
    /// The rows go to the log and to memory, and are written to segments later, together with others. Each row belongs
    /// to the partition of its own time, however late it comes.
    ///
    /// # Errors
    /// `Invalid` names column, row and reason; `Overloaded` when memory is full and is not freed in time; `Io`.
    /// Nothing was written then, unless the error says that a sync has failed.
    pub fn append(&self, batch: &RecordBatch) -> Result<AppendReport> {
        self.append_with(batch, None)
    }

    /// As [`Table::append`], as durable as `durability` says.
    ///
    /// # Errors
    /// As [`Table::append`].
    pub fn append_with(&self, batch: &RecordBatch, durability: Option<Durability>) -> Result<AppendReport> {
        self.database.check_writable()?;
        let engine = self.database.engine();
        let meta = Arc::clone(self.database.version()?.table(&self.name)?.meta());
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(AppendReport::default());
        }
        let prepared = engine.prepare_rows(&meta, batch)?;
        let appended = engine.append(vec![prepared], Vec::new(), Vec::new(), durability)?;
        Ok(AppendReport {
            rows: rows as u64,
            commit: appended.commit,
        })
    }

    /// A writer that takes rows one by one, committed as durable as the database is opened for.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Unsupported` when it has a column of lists.
    pub fn writer(&self) -> Result<RowWriter> {
        self.writer_with(None)
    }

    /// As [`Table::writer`], with a durability of its own.
    ///
    /// # Errors
    /// As [`Table::writer`].
    pub fn writer_with(&self, durability: Option<Durability>) -> Result<RowWriter> {
        self.database.check_writable()?;
        RowWriter::new(&self.database, &self.meta()?, durability)
    }

    /// Writes rows in any order as one atomic commit, durable when this returns.
    ///
    /// Rows are sorted by (series, time), split by partition and built into segments of their own. Rows equal in
    /// both keep the order in which they came.
    ///
    /// # Errors
    /// `Invalid` names column, row and reason; `Io`. Nothing was written then.
    pub fn write(&self, batches: impl IntoIterator<Item = RecordBatch>) -> Result<WriteReport> {
        self.write_with(batches.into_iter().map(Ok::<_, Error>), &WriteOptions::default())
    }

    /// As [`Table::write`], from a source that may fail, with options.
    ///
    /// # Errors
    /// The source's own, and those of [`Table::write`]. Nothing was written then.
    pub fn write_with<E: From<Error>>(
        &self,
        batches: impl IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        options: &WriteOptions,
    ) -> std::result::Result<WriteReport, E> {
        let mut transaction = self.database.transaction()?;
        transaction.write(&self.name, batches, options)?;
        Ok(transaction.commit()?)
    }

    /// What is committed to the table from a position on, first what is stored and then what comes, each row once;
    /// `None` is the beginning.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Invalid` for a position of another database; `Conflict` when rows
    /// behind the position can no longer be told from those before it.
    pub fn subscribe(&self, from: Option<Position>) -> Result<Subscription> {
        Subscription::new(self.database.clone(), &self.name, from)
    }

    /// Reads rows of the newest version.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped.
    pub fn scan(&self) -> Result<Scan> {
        self.scan_at(&self.database.snapshot()?)
    }

    /// Reads rows of a snapshot.
    ///
    /// # Errors
    /// `NotFound` when the table is not in it.
    pub fn scan_at(&self, snapshot: &Snapshot) -> Result<Scan> {
        Scan::new(snapshot.clone(), &self.name)
    }
}

/// The Arrow schema of a table.
pub(crate) fn schema_of(meta: &TableMeta) -> SchemaRef {
    let fields: Vec<Field> = meta
        .columns
        .iter()
        .map(|column| Field::new(&column.name, arrow_type(&column.column_type), column.nullable))
        .collect();
    Arc::new(Schema::new(fields))
}
