//! A sealed memtable becomes segments: one for each partition of each table.
//!
//! A segment of several commits holds the commit time of each row: it decides the order among equal rows of other
//! streams and bulk commits, and where a subscription goes on. A compaction drops it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, TimestampNanosecondArray};
use arrow_buffer::BooleanBuffer;
use gapless_format::{
    COMMIT_COLUMN, CoverageRef, Deletion, DomainMeta, EditItem, Keep, PartitionKey, SegmentOrigin,
    StreamMeta, TableMeta,
};

use super::codec::conform;
use super::hidden::HiddenRows;
use crate::coverage::{MergedCoverage, NewCoverage, merge};
use crate::database::{Engine, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Version;
use crate::memtable::{Block, Memtable};
use crate::segment::{ColumnEncoding, EncodingPolicy, commit_spec};
use crate::write::normalize::{codes, times};
use crate::write::{BuiltSegments, BulkWriter, WriteOptions};

/// Builds are begun again when a table has changed meanwhile; more than this is no accident.
const ATTEMPTS_MAX: usize = 10;
/// A low level: a flush should be quick.
const COMMIT_PCO_LEVEL: usize = 3;

/// What the commit of a flush says of the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FlushTarget {
    /// It goes on from a checkpoint.
    Checkpoint(StreamMeta),
    /// Nothing of its log is needed any more.
    End(u64),
}

impl FlushTarget {
    fn stream(self) -> u64 {
        match self {
            Self::Checkpoint(meta) => meta.stream,
            Self::End(stream) => stream,
        }
    }

    fn item(self) -> EditItem {
        match self {
            Self::Checkpoint(meta) => EditItem::Stream(meta),
            Self::End(stream) => EditItem::EndStream { stream },
        }
    }
}

/// The partitions of one table in a memtable, with the commits of their rows.
type Parts = BTreeMap<PartitionKey, (i64, i64)>;

/// The blocks of one table, by partition.
type Blocks = Vec<(PartitionKey, Vec<Arc<Block>>)>;

/// Writes the rows of a memtable as segments and commits them with the stream's new state. Gives the bytes written.
///
/// # Errors
/// `Io`; the rows stay where they are then.
pub(crate) fn flush_memtable(
    engine: &Arc<Engine>,
    memtable: Option<&Memtable>,
    target: FlushTarget,
) -> Result<u64> {
    for attempt in 0..ATTEMPTS_MAX {
        let snapshot = Snapshot::stored(engine)?;
        let mut flush = Flush {
            engine,
            version: snapshot.version(),
            snapshot: &snapshot,
            stream: target.stream(),
            // What is left out is right for this version only.
            leaves_out_known: attempt == 0,
            compared: Vec::new(),
            built: BuiltSegments::default(),
            commits: BTreeMap::new(),
            domains: Vec::new(),
            deletions: Vec::new(),
            coverage: Vec::new(),
        };
        if let Some(memtable) = memtable {
            engine.workers().run(|| flush.build(memtable))?;
        }
        match flush.commit(target) {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                tracing::debug!(%error, "a table has changed during a flush, which is done again");
            }
            outcome => return outcome,
        }
    }
    Err(Error::conflict(
        "a flush was overtaken by changes of its tables again and again".to_owned(),
    ))
}

struct Flush<'a> {
    engine: &'a Arc<Engine>,
    version: &'a Arc<Version>,
    snapshot: &'a Snapshot,
    stream: u64,
    leaves_out_known: bool,
    /// Tables of which rows were left out because the version has them.
    compared: Vec<u32>,
    built: BuiltSegments,
    commits: BTreeMap<u32, Parts>,
    domains: Vec<DomainMeta>,
    deletions: Vec<Deletion>,
    coverage: Vec<(u32, MergedCoverage)>,
}

impl Flush<'_> {
    fn build(&mut self, memtable: &Memtable) -> Result<()> {
        let mut by_table: BTreeMap<u32, Blocks> = BTreeMap::new();
        for (table, key, blocks) in memtable.all_blocks() {
            by_table.entry(table).or_default().push((key, blocks));
        }
        for (table, parts) in by_table {
            // The rows of a table that was dropped are dropped too.
            if let Some(state) = self.version.table_by_id(table) {
                let meta = Arc::clone(state.meta());
                self.build_table(&meta, parts, memtable)
                    .map_err(|error| error.context(format!("flush of table {:?}", meta.name)))?;
            }
        }
        let live = |deletion: &Arc<Deletion>| self.version.table_by_id(deletion.table).is_some();
        let deletions = memtable.deletions(i64::MAX);
        self.deletions = deletions
            .iter()
            .filter(|deletion| live(deletion))
            .map(|deletion| Deletion::clone(deletion))
            .collect();
        // A deletion may name series that no row has brought yet.
        for deletion in self.deletions.iter().filter(|deletion| deletion.series.is_some()) {
            if let Some(state) = self.version.table_by_id(deletion.table) {
                self.domains.extend(self.engine.sync_domains(state.meta())?);
            }
        }
        self.build_coverage(memtable)?;
        self.domains
            .sort_by(|a, b| (&a.domain, a.committed_len).cmp(&(&b.domain, b.committed_len)));
        self.domains.dedup();
        Ok(())
    }

    /// Writes what was stated of ranges, together with what small files hold.
    fn build_coverage(&mut self, memtable: &Memtable) -> Result<()> {
        let (coverage, _) = memtable.coverage();
        let others = self.engine.settled(self.version, self.stream);
        for table in coverage.tables() {
            let Some(state) = self.version.table_by_id(table) else {
                continue;
            };
            // Later statements of the same stream are in later memtables.
            let merged = merge(self.engine, state, &coverage, others.min(memtable.last_commit()))
                .map_err(|error| error.context(format!("coverage of table {:?}", state.meta().name)))?;
            self.coverage.push((table, merged));
            // Something may be known of a series that no row has brought yet.
            self.domains.extend(self.engine.sync_domains(state.meta())?);
        }
        Ok(())
    }

    /// Refuses a version in which another stream has begun since neighbours were joined.
    fn check_streams(&self, version: &Version) -> Result<()> {
        let is_known = |stream: &StreamMeta| self.version.stream(stream.stream).is_some();
        match self.coverage.is_empty() || version.streams().all(is_known) {
            true => Ok(()),
            false => Err(Error::conflict("another process has begun to stream")),
        }
    }

    fn build_table(&mut self, meta: &Arc<TableMeta>, parts: Blocks, memtable: &Memtable) -> Result<()> {
        let knows_all = self.knows_all_before(meta, memtable);
        if knows_all {
            self.compared.push(meta.table);
        }
        let mut writers = Writers::new(self.engine, meta, knows_all.then_some(self.snapshot));
        let epochs = self.epochs(meta, memtable);
        let hidden = self.hidden_rows(meta, memtable);
        let commits = self.commits.entry(meta.table).or_default();
        for (key, blocks) in parts {
            let first = blocks.iter().map(|block| block.first_commit()).min();
            let last = blocks.iter().map(|block| block.last_commit()).max();
            commits.insert(key, (first.unwrap_or(i64::MAX), last.unwrap_or(i64::MIN)));
            let is_stamped = first < last;
            for block in blocks.iter().flat_map(|block| of_epochs(block, &epochs)) {
                let (epoch, block) = block?;
                let columns = columns_of(meta, &block, is_stamped, &hidden)?;
                if columns.first().is_some_and(|array| !array.is_empty()) {
                    writers.of(epoch, is_stamped)?.push_rows(key, columns);
                }
            }
        }
        for writer in writers.all.into_values() {
            self.built.merge(writer.finish(&|_, _| {})?);
        }
        self.domains.extend(self.engine.sync_domains(meta)?);
        Ok(())
    }

    /// Where the first row of a key counts, a deletion that is only in another stream decides between two versions of a row
    /// that were committed before and after it. Both are written then, in segments of their own: rows from one such
    /// deletion to the next.
    fn epochs(&self, meta: &TableMeta, memtable: &Memtable) -> Vec<i64> {
        let knows_all = self
            .engine
            .knows_all_until(self.version, memtable.last_commit(), self.stream);
        if meta.keep != Keep::First || knows_all {
            return Vec::new();
        }
        match Snapshot::newest(self.engine) {
            Ok(newest) => newest.live().deleted_by_others(meta.table, self.stream),
            Err(error) => {
                tracing::warn!(%error, "a flush does not know of deletions in a log that cannot be read");
                Vec::new()
            }
        }
    }

    /// Whether rows that the version has already need not be written again: nothing that was committed before them is
    /// missing in it.
    fn knows_all_before(&self, meta: &TableMeta, memtable: &Memtable) -> bool {
        let deletions = memtable.deletions(i64::MAX);
        self.leaves_out_known
            && meta.keep != Keep::All
            && !deletions.iter().any(|deletion| deletion.table == meta.table)
            && self
                .engine
                .knows_all_until(self.version, memtable.last_commit(), self.stream)
    }

    /// Refuses a version in which tables have changed since rows were left out.
    fn check_compared(&self, version: &Version) -> Result<()> {
        match self
            .compared
            .iter()
            .all(|table| version.has_same_rows(self.version, *table))
        {
            true => Ok(()),
            false => Err(Error::conflict("rows came to a table with a key")),
        }
    }

    /// The rows that are left out: those that the memtable's own deletions hide. Where the first row of a key counts,
    /// earlier deletions too, because the next row counts instead of a deleted one.
    fn hidden_rows(&self, meta: &TableMeta, memtable: &Memtable) -> HiddenRows {
        let streamed = memtable.deletions(i64::MAX);
        let streamed = streamed
            .iter()
            .filter(|deletion| deletion.table == meta.table)
            .map(AsRef::as_ref);
        let stored = self.version.deletions(meta.table).map(AsRef::as_ref);
        match meta.keep {
            Keep::First => HiddenRows::new(stored.chain(streamed)),
            _ => HiddenRows::new(streamed),
        }
    }

    fn commit(mut self, target: FlushTarget) -> Result<u64> {
        let mut items: Vec<EditItem> = self.domains.drain(..).map(EditItem::GrowDomain).collect();
        for segment in &mut self.built.segments {
            let commits = self
                .commits
                .get(&segment.table)
                .and_then(|parts| parts.get(&segment.partition));
            let (first, last) =
                *commits.ok_or_else(|| Error::internal("a flushed segment of no partition"))?;
            (segment.first_commit, segment.last_commit) = (first, last);
            (segment.origin, segment.stream) = (SegmentOrigin::Flush, target.stream());
        }
        items.push(target.item());
        let mut coverage = std::mem::take(&mut self.coverage);
        let new_coverage: Vec<NewCoverage> = coverage
            .iter_mut()
            .filter_map(|(_, merged)| merged.new.take())
            .collect();
        let references: Vec<CoverageRef> = new_coverage.iter().map(|new| new.reference().clone()).collect();
        for (table, merged) in &coverage {
            let removed = merged.removed.iter();
            items.extend(removed.map(|file| EditItem::RemoveCoverage {
                table: *table,
                file: *file,
            }));
        }
        let deletions = std::mem::take(&mut self.deletions);
        let engine = self.engine;
        let segments = self.built.segments.clone();
        let committed = engine.commit(|version, now| {
            self.check_compared(version)?;
            self.check_streams(version)?;
            let number = version.number() + 1;
            // The rows of the memtable itself are without those that its deletions hide.
            let needed = deletions
                .into_iter()
                .filter(|deletion| engine.may_hide_rows(version, deletion, target.stream()));
            items.extend(needed.map(EditItem::Delete));
            items.extend(segments.into_iter().map(|mut segment| {
                segment.created = number;
                EditItem::AddSegment(segment)
            }));
            items.extend(references.into_iter().map(|mut file| {
                (file.created, file.commit) = (number, now);
                EditItem::AddCoverage(file)
            }));
            Ok(items)
        });
        let bytes = self.built.segments.iter().map(|segment| segment.bytes).sum();
        match committed {
            Ok(_) => {
                self.built.keep();
                new_coverage.into_iter().for_each(NewCoverage::keep);
            }
            Err(error) => {
                if error.kind() == ErrorKind::Io && self.engine.manifest().check_poison().is_err() {
                    self.built.keep(); // The commit may have happened.
                    new_coverage.into_iter().for_each(NewCoverage::keep);
                }
                return Err(error);
            }
        }
        Ok(bytes)
    }
}

/// Writes the segments of one table: those of each epoch apart, and those that hold the commit of each row.
struct Writers<'a> {
    engine: &'a Arc<Engine>,
    plain: Arc<TableMeta>,
    stamped: Arc<TableMeta>,
    /// The version of which rows are not written again.
    known: Option<&'a Snapshot>,
    all: BTreeMap<(usize, bool), BulkWriter>,
}

impl<'a> Writers<'a> {
    fn new(engine: &'a Arc<Engine>, meta: &Arc<TableMeta>, known: Option<&'a Snapshot>) -> Self {
        Self {
            engine,
            plain: Arc::clone(meta),
            stamped: Arc::new(with_commit_column(meta)),
            known,
            all: BTreeMap::new(),
        }
    }

    fn of(&mut self, epoch: usize, is_stamped: bool) -> Result<&mut BulkWriter> {
        let slot = match self.all.entry((epoch, is_stamped)) {
            Entry::Occupied(writer) => return Ok(writer.into_mut()),
            Entry::Vacant(slot) => slot,
        };
        // Commit times are near each other and are seldom read.
        let (meta, encoding) = match is_stamped {
            false => (&self.plain, EncodingPolicy::plain()),
            true => (
                &self.stamped,
                EncodingPolicy::plain()
                    .column(COMMIT_COLUMN, ColumnEncoding::Pco)
                    .pco_level(COMMIT_PCO_LEVEL),
            ),
        };
        let options = WriteOptions {
            memory_bytes: usize::MAX,
            encoding,
            ..WriteOptions::default()
        };
        let writer = BulkWriter::new(self.engine, meta, options)?;
        Ok(slot.insert(match self.known {
            Some(known) => writer.without_known(known.clone()),
            None => writer,
        }))
    }
}

/// The columns of a block without the rows that deletions hide, with the commit of each row behind them if wanted.
fn columns_of(
    meta: &TableMeta,
    block: &Block,
    is_stamped: bool,
    hidden: &HiddenRows,
) -> Result<Vec<ArrayRef>> {
    let mut columns = conform(meta, &block.columns, block.rows())?;
    let left = left_of(meta, block, &columns, hidden);
    if is_stamped {
        columns.push(Arc::new(TimestampNanosecondArray::from(block.commit_times())));
    }
    match left {
        Some(left) => filtered(&columns, &left),
        None => Ok(columns),
    }
}

/// The parts of a block that were committed before the first of some commits, between two of them, and so on.
fn of_epochs<'a>(
    block: &'a Arc<Block>,
    epochs: &'a [i64],
) -> impl Iterator<Item = Result<(usize, Arc<Block>)>> + 'a {
    (0..=epochs.len()).filter_map(move |epoch| {
        let after = epoch.checked_sub(1).and_then(|before| epochs.get(before));
        let rest = match after {
            None => Ok(Some(Arc::clone(block))),
            Some(after) => block.after(*after - 1),
        };
        let part = match (rest, epochs.get(epoch)) {
            (Ok(Some(rest)), Some(end)) => rest.until(*end - 1),
            (rest, _) => rest,
        };
        part.transpose().map(|part| part.map(|part| (epoch, part)))
    })
}

/// A table's description with the commit times as its last column.
fn with_commit_column(meta: &TableMeta) -> TableMeta {
    let mut meta = meta.clone();
    meta.columns.push(commit_spec());
    meta
}

/// Which rows of a block no deletion hides; `None` for all.
fn left_of(
    meta: &TableMeta,
    block: &Block,
    columns: &[ArrayRef],
    hidden: &HiddenRows,
) -> Option<BooleanArray> {
    if hidden.is_empty() {
        return None;
    }
    let position = |id: u32| meta.columns.iter().position(|column| column.column_id == id);
    let times = times(columns, position(meta.time_column).unwrap_or_default());
    let codes = codes(columns, meta.series_column.and_then(position));
    let commits = block.commit_times();
    let is_left = |row: usize| !hidden.hides(codes.get(row).copied(), times[row], commits[row]);
    let left = BooleanBuffer::collect_bool(times.len(), is_left);
    (left.count_set_bits() < left.len()).then(|| BooleanArray::new(left, None))
}

fn filtered(columns: &[ArrayRef], left: &BooleanArray) -> Result<Vec<ArrayRef>> {
    let filter = |array: &ArrayRef| arrow_select::filter::filter(array, left);
    let filtered: std::result::Result<Vec<_>, _> = columns.iter().map(filter).collect();
    filtered.map_err(|error| Error::internal(format!("rows do not filter: {error}")))
}
