//! One atomic change of any number of tables.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use gapless_format::{ColumnType, Coverage, Deletion, EditItem, Keep, TableMeta};

use super::durability::Durability;
use super::engine::Engine;
use super::snapshot::Snapshot;
use crate::coverage::{
    Attestation, CoverageKey, CoverageMap, CoverageRange, NewCoverage, merge_files, taken_back,
    write_coverage,
};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Version;
use crate::stream::PreparedRows;
use crate::table::{SchemaChange, TableSpec};
use crate::write::{Bounds, BuiltSegments, BulkWriter, WriteOptions, WriteReport};

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
    deletions: Vec<Deletion>,
    /// What is said of ranges, by table; the later counts.
    coverage: Vec<(Arc<TableMeta>, Coverage)>,
    changed: Vec<ChangedTable>,
    /// What tables with a key had when they were written to.
    witness: Option<Snapshot>,
}

/// A table whose description the transaction changes.
#[derive(Debug)]
struct ChangedTable {
    before: Arc<TableMeta>,
    after: Arc<TableMeta>,
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
            witness: None,
            small: Vec::new(),
            deletions: Vec::new(),
            coverage: Vec::new(),
            changed: Vec::new(),
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
        if meta.keep != Keep::All && meta.table < PROVISIONAL {
            writer = writer.with_witness(self.witness()?);
        }
        self.build(meta, writer, batches, options, progress)
    }

    fn build<E: From<Error>>(
        &mut self,
        meta: Arc<TableMeta>,
        mut writer: BulkWriter,
        batches: impl IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        options: &WriteOptions,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> std::result::Result<WriteReport, E> {
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
        let built = self
            .engine
            .bulk_workers()
            .run(|| writer.finish(progress))
            .map_err(|error| error.context(format!("table {:?}", meta.name)))?;
        let report = built.report(0);
        self.built.merge(built);
        self.tables.push(meta);
        Ok(report)
    }

    /// Deletes the rows with `time.start <= time < time.end` of some series, or of all, that were committed before
    /// this transaction. `i64::MAX` as the end means no end. Rows of the transaction itself stay.
    ///
    /// A series that the table does not have has no rows, so nothing of it is deleted.
    ///
    /// # Errors
    /// `NotFound` for the table; `Invalid` when series are given and the table has none.
    pub fn delete(&mut self, table: &str, time: Range<i64>, series: Option<&[&str]>) -> Result<()> {
        let meta = self.table(table)?;
        let codes = match series {
            None => None,
            Some(names) => Some(self.codes_of(&meta, names)?),
        };
        self.take_back(&meta, &time, codes.as_deref());
        self.push_deletion(&meta, time, codes);
        Ok(())
    }

    /// Nothing is known any more of rows that are deleted.
    fn take_back(&mut self, meta: &Arc<TableMeta>, time: &Range<i64>, codes: Option<&[u32]>) {
        if time.start >= time.end {
            return;
        }
        let now = self.engine.now_ns();
        let mut push = |series| {
            let coverage = taken_back(meta.table, series, time, now);
            self.coverage.push((Arc::clone(meta), coverage));
        };
        match codes {
            None => push(None),
            Some(codes) => codes.iter().for_each(|code| push(Some(*code))),
        }
    }

    /// Says what is known of a range, in the same commit as the rows. What was said of it before does not count any
    /// more.
    ///
    /// # Errors
    /// `NotFound` for the table; `Invalid` for an empty range, or a series in a table without any.
    pub fn attest(&mut self, table: &str, said: Attestation) -> Result<()> {
        let meta = self.table(table)?;
        let coverage = said.resolve(&self.engine, &meta)?;
        self.coverage.push((meta, coverage));
        Ok(())
    }

    /// Takes back what was said of a time range: of some series or of all, at one interval (0 for rows on no grid) or at every
    /// one. Nothing is known of it then, until something is said again; the rows stay. `i64::MIN` and `i64::MAX` are no
    /// beginning and no end. Of a series that the table does not have nothing was said.
    ///
    /// # Errors
    /// `NotFound` for the table; `Invalid` for an empty range, a negative interval, or series in a table without any.
    pub fn forget_coverage(
        &mut self,
        table: &str,
        series: Option<&[&str]>,
        interval: Option<i64>,
        time: Range<i64>,
    ) -> Result<()> {
        let meta = self.table(table)?;
        if time.start >= time.end {
            let Range { start, end } = time;
            return Err(Error::invalid(format!(
                "forget what was said from {start} to {end}: the range is empty; give a start before its end"
            )));
        }
        if let Some(interval) = interval.filter(|interval| *interval < 0) {
            return Err(Error::invalid(format!(
                "forget what was said at interval {interval}: give nanoseconds, or 0 for rows on no grid"
            )));
        }
        let codes: Vec<Option<u32>> = match series {
            None => vec![None],
            Some(names) => self.codes_of(&meta, names)?.into_iter().map(Some).collect(),
        };
        let now = self.engine.now_ns();
        for series in codes {
            let said = Coverage {
                interval,
                ..taken_back(meta.table, series, &time, now)
            };
            self.coverage.push((Arc::clone(&meta), said));
        }
        Ok(())
    }

    /// The codes of those series that a table has.
    fn codes_of(&self, meta: &TableMeta, names: &[&str]) -> Result<Vec<u32>> {
        let domain = self
            .engine
            .domain(series_domain(meta)?, &*self.engine.refresh()?)?;
        domain.read_ahead()?; // Other processes may have streamed rows of symbols that no commit names yet.
        Ok(domain.find(names).into_iter().flatten().collect())
    }

    /// Replaces the rows of a time range, of some series or of all, with others: from the commit on the range holds
    /// exactly these. The range is as in [`Transaction::delete`].
    ///
    /// # Errors
    /// As [`Transaction::write`]; `Invalid` also for a row outside of the range or of another series. An error leaves
    /// the transaction without the replacement.
    pub fn replace<E: From<Error>>(
        &mut self,
        table: &str,
        time: Range<i64>,
        series: Option<&[&str]>,
        batches: impl IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        options: &WriteOptions,
    ) -> std::result::Result<WriteReport, E> {
        let meta = self.table(table)?;
        let codes = match series {
            None => None,
            Some(names) => {
                // The rows may be the first of their series, so a symbol that is new is taken into the domain.
                let mut codes = self.engine.encode_symbols(series_domain(&meta)?, names)?;
                codes.sort_unstable();
                codes.dedup();
                Some(codes)
            }
        };
        let bounds = Bounds {
            time: time.clone(),
            codes: codes.clone(),
        };
        let writer = BulkWriter::new(&self.engine, &meta, options.clone())?.within(bounds);
        let report = self.build(Arc::clone(&meta), writer, batches, options, &|_, _| {})?;
        self.push_deletion(&meta, time, codes);
        Ok(report)
    }

    fn witness(&mut self) -> Result<Snapshot> {
        if self.witness.is_none() {
            self.witness = Some(Snapshot::stored(&self.engine)?);
        }
        self.witness.clone().ok_or_else(|| Error::internal("no witness"))
    }

    /// `commit` is filled in when it is known.
    fn push_deletion(&mut self, table: &TableMeta, time: Range<i64>, series: Option<Vec<u32>>) {
        // A table of this transaction has no earlier rows.
        let is_empty = time.start >= time.end || series.as_ref().is_some_and(Vec::is_empty);
        if is_empty || table.table >= PROVISIONAL {
            return;
        }
        let series = series.map(|mut codes| {
            codes.sort_unstable();
            codes.dedup();
            codes
        });
        self.deletions.push(Deletion {
            deletion: self.engine.next_segment().0,
            table: table.table,
            start: time.start,
            end: time.end,
            series,
            commit: 0,
        });
    }

    /// Changes the columns of a table. Rows that are written to it afterwards have the new ones.
    ///
    /// # Errors
    /// `NotFound` for the table; `Invalid` names table, column and reason; `Unsupported` for an Arrow type that is not
    /// stored.
    pub fn change_table(&mut self, table: &str, change: &SchemaChange) -> Result<()> {
        if let Some(created) = self.created.iter_mut().find(|meta| meta.name == table) {
            *created = change.apply(created)?;
            return Ok(());
        }
        if let Some(changed) = self
            .changed
            .iter_mut()
            .find(|changed| changed.before.name == table)
        {
            changed.after = Arc::new(change.apply(&changed.after)?);
            return Ok(());
        }
        let before = Arc::clone(self.engine.refresh()?.table(table)?.meta());
        let after = Arc::new(change.apply(&before)?);
        self.changed.push(ChangedTable { before, after });
        Ok(())
    }

    fn table(&self, name: &str) -> Result<Arc<TableMeta>> {
        if let Some(changed) = self.changed.iter().find(|changed| changed.before.name == name) {
            return Ok(Arc::clone(&changed.after));
        }
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
        let is_small = self.created.is_empty() && self.dropped.is_empty() && self.built.segments.is_empty();
        let small_rows = self.engine.live().small_commit_rows();
        let may_stream = (self.deletions.is_empty() || small_rows > 0) && self.coverage.len() <= small_rows;
        if is_small && self.changed.is_empty() && may_stream {
            return self.commit_small();
        }
        self.build_small()?;
        let mut domains = Vec::new();
        let covered = self.coverage.iter().map(|(table, _)| (table.table, table));
        let touched: BTreeMap<u32, &Arc<TableMeta>> = covered
            .chain(self.tables.iter().map(|table| (table.table, table)))
            .collect();
        for table in touched.into_values() {
            domains.extend(self.engine.sync_domains(table)?);
        }
        domains.sort_by(|a, b| (&a.domain, a.committed_len).cmp(&(&b.domain, b.committed_len)));
        domains.dedup();
        let coverage = self.write_coverage()?;
        let covered: Vec<u32> = coverage.iter().map(|new| new.reference().table).collect();
        let drops = !self.dropped.is_empty();
        let mut items: Vec<EditItem> = domains.into_iter().map(EditItem::GrowDomain).collect();
        items.extend(self.dropped.drain(..).map(|table| EditItem::DropTable { table }));
        items.extend(
            std::mem::take(&mut self.created)
                .into_iter()
                .map(EditItem::CreateTable),
        );
        let changed = std::mem::take(&mut self.changed);
        items.extend(
            changed
                .iter()
                .map(|changed| EditItem::CreateTable(TableMeta::clone(&changed.after))),
        );
        let has_deletions = !self.deletions.is_empty();
        items.extend(self.deletions.drain(..).map(EditItem::Delete));
        let mut built = std::mem::take(&mut self.built);
        items.extend(
            coverage
                .iter()
                .map(|new| EditItem::AddCoverage(new.reference().clone())),
        );
        if items.is_empty() && built.segments.is_empty() {
            return Ok(built.report(self.engine.refresh()?.number()));
        }
        let mut known = BuiltSegments::default();
        let committed = self.engine.commit(|version, now| {
            changed.iter().try_for_each(|changed| changed.check(version))?;
            if !has_deletions && changed.is_empty() && self.has_not_moved(version, now, &built.known_tables())
            {
                known = built.take_known();
            }
            items.extend(built.segments.iter().cloned().map(EditItem::AddSegment));
            Ok(numbered(items, version.next_table(), version.number() + 1, now))
        });
        match committed {
            Ok(version) => {
                let mut report = built.report(version.number());
                report.known = known.segments.iter().map(|segment| segment.rows).sum();
                report.rows += report.known;
                self.engine.stats().note_bulk(report.bytes);
                built.keep();
                coverage.into_iter().for_each(NewCoverage::keep);
                self.engine.background().start(&self.engine);
                for table in covered {
                    if let Err(error) = merge_files(&self.engine, table) {
                        tracing::warn!(%error, "small coverage files stay until they are merged with others");
                    }
                }
                if drops && let Err(error) = self.engine.collect_garbage() {
                    tracing::warn!(%error, "files of dropped tables stay until the next garbage collection");
                }
                Ok(report)
            }
            Err(error) => {
                if error.kind() == ErrorKind::Io && self.engine.manifest().check_poison().is_err() {
                    // The commit may have happened: its files must stay. If it has not, they are orphans.
                    built.keep();
                    coverage.into_iter().for_each(NewCoverage::keep);
                }
                Err(error)
            }
        }
    }
}

impl ChangedTable {
    /// The change was made of the description that is still in force.
    fn check(&self, version: &Version) -> Result<()> {
        let name = &self.before.name;
        if *version.table(name)?.meta() == self.before {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "the columns of table {name:?} were changed by another commit meanwhile: change them again"
        )))
    }
}

/// The domain of a table's series.
pub(crate) fn series_domain(table: &TableMeta) -> Result<&str> {
    let column = table.series_column.and_then(|id| table.column(id));
    match column.map(|column| &column.column_type) {
        Some(ColumnType::Symbol { domain }) => Ok(domain),
        _ => Err(Error::invalid(format!(
            "table {:?} has no series column, so no series can be asked for",
            table.name
        ))),
    }
}

impl Transaction {
    /// Whether tables hold what the witness says, and nothing that a commit before `now` has added in a stream.
    fn has_not_moved(&self, version: &Version, now: i64, tables: &[u32]) -> bool {
        let Some(witness) = &self.witness else {
            return false;
        };
        // Of two writes to a table the second counts, also where it brings back what was there.
        let is_alone = |table: &u32| self.tables.iter().filter(|meta| meta.table == *table).count() == 1;
        !tables.is_empty()
            && tables.iter().all(is_alone)
            && self.engine.has_nothing_streamed(version, now, tables)
            && tables
                .iter()
                .all(|table| version.has_same_rows(witness.version(), *table))
    }

    /// Commits through the stream.
    fn commit_small(self) -> Result<WriteReport> {
        let rows = row_count(&self.small);
        if rows > 0 || !self.deletions.is_empty() || !self.coverage.is_empty() {
            let coverage = self.coverage.into_iter().map(|(_, coverage)| coverage).collect();
            self.engine
                .append(self.small, self.deletions, coverage, Some(Durability::Sync))?;
        }
        Ok(WriteReport {
            rows,
            version: self.engine.refresh()?.number(),
            ..WriteReport::default()
        })
    }

    /// Writes what is said of ranges, one file for each table.
    fn write_coverage(&mut self) -> Result<Vec<NewCoverage>> {
        let mut said = CoverageMap::default();
        let mut tables: BTreeMap<u32, Arc<TableMeta>> = BTreeMap::new();
        for (table, coverage) in self.coverage.drain(..) {
            let key = CoverageKey {
                series: coverage.series,
                interval: coverage.interval,
            };
            // The commit of the file stands for that of its ranges.
            said.cover(
                table.table,
                key,
                CoverageRange::committed(coverage, i64::MIN),
                None,
            );
            tables.insert(table.table, table);
        }
        let write = |table: &TableMeta| {
            let keys: Vec<_> = said
                .of_table(table.table)
                .map(|(key, ranges)| (key, ranges.iter().map(CoverageRange::record).collect()))
                .collect();
            write_coverage(&self.engine, (table.table, &table.name), &keys)
        };
        tables.values().map(|table| write(table)).collect()
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
                if meta.table >= PROVISIONAL {
                    meta.created = version;
                }
                number(&mut meta.table);
            }
            EditItem::AddSegment(segment) => {
                number(&mut segment.table);
                segment.created = version;
                (segment.first_commit, segment.last_commit) = (commit, commit);
            }
            EditItem::Delete(deletion) => deletion.commit = commit,
            EditItem::AddCoverage(file) => {
                number(&mut file.table);
                (file.created, file.commit) = (version, commit);
            }
            _ => {}
        }
    }
    items
}
