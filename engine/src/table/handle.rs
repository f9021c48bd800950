//! The handle of a table.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use gapless_format::TableMeta;

use super::change::SchemaChange;
use super::types::arrow_type;
use crate::coverage::{Attestation, Gap, GapQuery, TableCoverage};
use crate::database::{Database, Durability, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::row::RowWriter;
use crate::scan::Scan;
use crate::stream::PreparedRows;
use crate::subscribe::{Position, Subscription};
use crate::write::{AppendReport, WriteOptions, WriteReport};

/// Times that a change of columns is tried when others change the same table.
const CHANGE_RETRIES: usize = 100;

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

    pub(crate) fn database(&self) -> &Database {
        &self.database
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
        if batch.get_array_memory_size() > engine.live().flush_bytes() {
            // Large enough for segments of its own: memory need not take it first.
            let report = self.write([batch.clone()])?;
            return Ok(AppendReport {
                rows: report.rows,
                commit: self.database.version()?.committed_at(),
            });
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

    /// Removes the partitions that end at or before a time, as one atomic commit, durable when this returns; gives the
    /// rows that went. A partition that reaches beyond it stays whole.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Invalid` when the database is open for reading; `Io`. Nothing has
    /// changed then.
    pub fn expire(&self, before: i64) -> Result<u64> {
        self.database.expire(&self.name, before)
    }

    /// Deletes the rows with `time.start <= time < time.end` of some series, or of all, as one atomic commit, durable
    /// when this returns. `i64::MAX` as the end means no end. A series that the table does not have has no rows.
    ///
    /// Snapshots that are held still read the rows; rows that are committed later are not affected.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Invalid` when series are given and the table has none; `Io`.
    pub fn delete(&self, time: Range<i64>, series: Option<&[&str]>) -> Result<()> {
        let mut transaction = self.database.transaction()?;
        transaction.delete(&self.name, time, series)?;
        transaction.commit().map(|_| ())
    }

    /// Replaces the rows of a time range, of some series or of all, as one atomic commit, durable when this returns:
    /// the range holds exactly these rows then. The range is as in [`Table::delete`].
    ///
    /// # Errors
    /// As [`Table::write`]; `Invalid` also for a row outside of the range or of another series. Nothing has changed
    /// then.
    pub fn replace(
        &self,
        time: Range<i64>,
        series: Option<&[&str]>,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<WriteReport> {
        let mut transaction = self.database.transaction()?;
        let batches = batches.into_iter().map(Ok::<_, Error>);
        transaction.replace(&self.name, time, series, batches, &WriteOptions::default())?;
        transaction.commit()
    }

    /// Adds a column at the end, atomically and durably. Rows that are there read as null; what is written without
    /// the column is null there too.
    ///
    /// # Errors
    /// `Invalid` when the name is taken or not possible; `Unsupported` for an Arrow type that is not stored. Nothing
    /// has changed then.
    pub fn add_column(&self, name: &str, data_type: DataType) -> Result<()> {
        let name = name.to_owned();
        self.change(&SchemaChange::Add { name, data_type })
    }

    /// Gives a column another name, atomically and durably.
    ///
    /// # Errors
    /// `Invalid` when there is no such column or the new name is taken. Nothing has changed then.
    pub fn rename_column(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.change(&SchemaChange::Rename { from, to })
    }

    /// Drops a column, atomically and durably. Snapshots that are held still read it.
    ///
    /// # Errors
    /// `Invalid` for the time column, the series column and columns of the key. Nothing has changed then.
    pub fn drop_column(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.change(&SchemaChange::Drop { name })
    }

    /// Gives a column a wider type, atomically and durably: one that has every value of the present type.
    ///
    /// # Errors
    /// `Invalid` for a type that does not, and for the time and the series column. Nothing has changed then.
    pub fn widen_column(&self, name: &str, data_type: DataType) -> Result<()> {
        let name = name.to_owned();
        self.change(&SchemaChange::Widen { name, data_type })
    }

    fn change(&self, change: &SchemaChange) -> Result<()> {
        for _ in 0..CHANGE_RETRIES {
            let mut transaction = self.database.transaction()?;
            transaction.change_table(&self.name, change)?;
            match transaction.commit() {
                Err(error) if error.kind() == ErrorKind::Conflict => {} // Another commit has changed the table.
                outcome => return outcome.map(|_| ()),
            }
        }
        Err(Error::conflict(format!(
            "table {:?} is changed as fast as it is read: try again",
            self.name
        )))
    }

    /// What is known of ranges of the table, and what is missing, at the newest version.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Corrupt` when a coverage file is missing or damaged.
    pub fn coverage(&self) -> Result<TableCoverage> {
        self.database.snapshot()?.coverage(&self.name)
    }

    /// The ranges that are expected and not covered, by series (as text) and time.
    ///
    /// # Errors
    /// As [`Table::coverage`] and [`TableCoverage::gaps`].
    pub fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>> {
        self.coverage()?.gaps(query)
    }

    /// Says what is known of ranges, as one atomic commit, durable when this returns. What was said of them before does
    /// not count any more.
    ///
    /// # Errors
    /// `NotFound` when the table was dropped; `Invalid` for an empty range, or a series in a table without any; `Io`.
    /// Nothing has changed then.
    pub fn attest(&self, said: impl IntoIterator<Item = Attestation>) -> Result<()> {
        let mut transaction = self.database.transaction()?;
        for said in said {
            transaction.attest(&self.name, said)?;
        }
        transaction.commit().map(|_| ())
    }

    /// Takes back what was said of a time range, of some series or of all, at one interval or at every one, as one atomic
    /// commit, durable when this returns; see [`crate::Transaction::forget_coverage`].
    ///
    /// # Errors
    /// As [`crate::Transaction::forget_coverage`]; `Io`. Nothing has changed then.
    pub fn forget_coverage(
        &self,
        series: Option<&[&str]>,
        interval: Option<i64>,
        time: Range<i64>,
    ) -> Result<()> {
        let mut transaction = self.database.transaction()?;
        transaction.forget_coverage(&self.name, series, interval, time)?;
        transaction.commit().map(|_| ())
    }

    /// As [`Table::append`], and what the rows cover, in the same commit.
    ///
    /// # Errors
    /// As [`Table::append`] and [`Table::attest`].
    pub fn append_covering(
        &self,
        batch: &RecordBatch,
        said: impl IntoIterator<Item = Attestation>,
        durability: Option<Durability>,
    ) -> Result<AppendReport> {
        self.append_prepared(self.prepare(batch)?, said, durability)
    }

    /// A batch as the stream takes it; nothing for no rows.
    pub(crate) fn prepare(&self, batch: &RecordBatch) -> Result<Vec<PreparedRows>> {
        self.database.check_writable()?;
        let meta = Arc::clone(self.database.version()?.table(&self.name)?.meta());
        match batch.num_rows() {
            0 => Ok(Vec::new()),
            _ => Ok(vec![self.database.engine().prepare_rows(&meta, batch)?]),
        }
    }

    /// As [`Table::append_covering`], of rows that are prepared.
    pub(crate) fn append_prepared(
        &self,
        rows: Vec<PreparedRows>,
        said: impl IntoIterator<Item = Attestation>,
        durability: Option<Durability>,
    ) -> Result<AppendReport> {
        self.database.check_writable()?;
        let engine = self.database.engine();
        let meta = Arc::clone(self.database.version()?.table(&self.name)?.meta());
        let coverage = said
            .into_iter()
            .map(|said| said.resolve(engine, &meta))
            .collect::<Result<Vec<_>>>()?;
        if rows.is_empty() && coverage.is_empty() {
            return Ok(AppendReport::default());
        }
        let count = rows.iter().map(|rows| rows.rows() as u64).sum();
        let appended = engine.append(rows, Vec::new(), coverage, durability)?;
        Ok(AppendReport {
            rows: count,
            commit: appended.commit,
        })
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
    /// `NotFound` when the table is not in it; `Invalid` in a process that was forked from the one that took it.
    pub fn scan_at(&self, snapshot: &Snapshot) -> Result<Scan> {
        snapshot.scan(&self.name)
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
