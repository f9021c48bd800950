//! One immutable state of the database, and how an edit changes it.
//!
//! Maps are persistent trees that share structure, so an edit costs its own size and not that of the database.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{
    Checkpoint, CoverageRef, Deletion, DomainMeta, EditItem, PartitionKey, PartitionUnit, RemovedCoverage,
    RemovedSegment, SegmentOrigin, SegmentRef, SnapshotMeta, StreamMeta, TableMeta, WrittenBytes,
};
use imbl::OrdMap;

use super::coverage::Expected;
use crate::error::{Error, Result};

/// One committed state of the whole database.
#[derive(Debug, Clone, Default)]
pub struct Version {
    number: u64,
    committed_at: i64,
    next_table: u32,
    tables: OrdMap<u32, Arc<TableState>>,
    names: OrdMap<String, u32>,
    removed: OrdMap<u64, Arc<RemovedSegment>>,
    domains: OrdMap<String, DomainMeta>,
    snapshots: OrdMap<String, u64>,
    streams: OrdMap<u64, StreamMeta>,
    deletions: OrdMap<u64, Arc<Deletion>>,
    written: WrittenBytes,
    pub(super) removed_coverage: OrdMap<u64, Arc<RemovedCoverage>>,
    pub(super) expected: Expected,
}

/// A table at one version: its description and its live segments by partition.
#[derive(Debug, Clone)]
pub struct TableState {
    meta: Arc<TableMeta>,
    partitions: OrdMap<PartitionSlot, Arc<Vec<Arc<SegmentRef>>>>,
    /// The partition of each segment.
    slots: OrdMap<u64, PartitionSlot>,
    rows: u64,
    bytes: u64,
    segments: usize,
    /// Files of coverage, in the order in which they came.
    coverage: Arc<Vec<Arc<CoverageRef>>>,
}

/// Orders the partitions of a table by unit, then by start, so that a time range is one range per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PartitionSlot {
    unit: u8,
    start: i64,
}

const UNITS: [PartitionUnit; 4] = [
    PartitionUnit::Hour,
    PartitionUnit::Day,
    PartitionUnit::Month,
    PartitionUnit::Year,
];

impl PartitionSlot {
    fn of(key: PartitionKey) -> Self {
        Self {
            unit: unit_rank(key.unit),
            start: key.start,
        }
    }
}

fn unit_rank(unit: PartitionUnit) -> u8 {
    match unit {
        PartitionUnit::Hour => 0,
        PartitionUnit::Day => 1,
        PartitionUnit::Month => 2,
        PartitionUnit::Year => 3,
    }
}

impl TableState {
    fn new(meta: TableMeta) -> Self {
        Self {
            meta: Arc::new(meta),
            partitions: OrdMap::new(),
            slots: OrdMap::new(),
            rows: 0,
            bytes: 0,
            segments: 0,
            coverage: Arc::default(),
        }
    }

    /// The table's description.
    pub fn meta(&self) -> &Arc<TableMeta> {
        &self.meta
    }

    /// Rows in all live segments.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of all live segments on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of live segments.
    pub fn segment_count(&self) -> usize {
        self.segments
    }

    /// Number of partitions that hold rows.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// The coverage files, in the order in which they came.
    pub fn coverage(&self) -> &[Arc<CoverageRef>] {
        &self.coverage
    }

    pub(super) fn add_coverage(&mut self, coverage: CoverageRef) -> Result<()> {
        if self.coverage.iter().any(|other| other.file == coverage.file) {
            return Err(Error::corrupt(format!(
                "coverage file {} is added twice",
                coverage.name
            )));
        }
        Arc::make_mut(&mut self.coverage).push(Arc::new(coverage));
        Ok(())
    }

    pub(super) fn remove_coverage(&mut self, file: u64) -> Option<Arc<CoverageRef>> {
        let at = self.coverage.iter().position(|coverage| coverage.file == file)?;
        Some(Arc::make_mut(&mut self.coverage).remove(at))
    }

    /// Every partition with its segments in commit order; partitions by start of time.
    pub fn partitions(&self) -> Vec<(PartitionKey, Arc<Vec<Arc<SegmentRef>>>)> {
        self.partitions_between(i64::MIN..i64::MAX)
    }

    /// The partitions that may hold rows of a time range, by start; a coarser one before a finer one.
    pub fn partitions_between(&self, time: Range<i64>) -> Vec<(PartitionKey, Arc<Vec<Arc<SegmentRef>>>)> {
        if time.start >= time.end {
            return Vec::new();
        }
        let mut found = Vec::new();
        for unit in UNITS {
            let first = PartitionSlot {
                unit: unit_rank(unit),
                start: PartitionKey::containing(unit, time.start).start,
            };
            let last = PartitionSlot {
                unit: unit_rank(unit),
                start: time.end.saturating_sub(1),
            };
            let slots = self.partitions.range(first..=last);
            found.extend(slots.map(|(slot, segments)| {
                (
                    PartitionKey {
                        unit,
                        start: slot.start,
                    },
                    Arc::clone(segments),
                )
            }));
        }
        found.sort_by_key(|(key, _)| (key.start, std::cmp::Reverse(unit_rank(key.unit))));
        found
    }

    /// Every live segment, by partition.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<SegmentRef>> {
        self.partitions.values().flat_map(|segments| segments.iter())
    }

    /// Least and greatest time of any row.
    pub fn time_bounds(&self) -> Option<(i64, i64)> {
        let first = self.segments().map(|segment| segment.min_time).min()?;
        let last = self.segments().map(|segment| segment.max_time).max()?;
        Some((first, last))
    }

    /// The same table with these segments only.
    ///
    /// # Errors
    /// `Corrupt` when a segment is named twice.
    pub(crate) fn with_only(&self, segments: &[Arc<SegmentRef>]) -> Result<Self> {
        let mut table = Self {
            meta: Arc::clone(&self.meta),
            ..Self::new(TableMeta::clone(&self.meta))
        };
        for segment in segments {
            table.add(SegmentRef::clone(segment))?;
        }
        Ok(table)
    }

    /// A live segment by its id.
    pub fn segment(&self, segment: u64) -> Option<&Arc<SegmentRef>> {
        let segments = self.partitions.get(self.slots.get(&segment)?)?;
        segments.iter().find(|candidate| candidate.segment == segment)
    }

    fn add(&mut self, segment: SegmentRef) -> Result<()> {
        let slot = PartitionSlot::of(segment.partition);
        let id = segment.segment;
        if self.slots.insert(id, slot).is_some() {
            return Err(Error::corrupt(format!(
                "segment {} is added twice",
                segment.directory
            )));
        }
        let mut segments = self
            .partitions
            .get(&slot)
            .map(|segments| segments.to_vec())
            .unwrap_or_default();
        self.rows += segment.rows;
        self.bytes += segment.bytes;
        self.segments += 1;
        let older = |other: &Arc<SegmentRef>| other.first_commit <= segment.first_commit;
        segments.insert(segments.partition_point(older), Arc::new(segment));
        self.partitions.insert(slot, Arc::new(segments));
        Ok(())
    }

    fn remove(&mut self, segment: u64) -> Option<Arc<SegmentRef>> {
        let found = Arc::clone(self.segment(segment)?);
        let slot = self.slots.remove(&segment)?;
        let mut left = self.partitions.get(&slot)?.to_vec();
        left.retain(|candidate| candidate.segment != segment);
        if left.is_empty() {
            self.partitions.remove(&slot);
        } else {
            self.partitions.insert(slot, Arc::new(left));
        }
        self.rows -= found.rows;
        self.bytes -= found.bytes;
        self.segments -= 1;
        Some(found)
    }
}

impl Version {
    /// The number of the commit that made this version; 0 is the empty database.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was committed: nanoseconds since the epoch, never less than the version before.
    pub fn committed_at(&self) -> i64 {
        self.committed_at
    }

    /// The id that the next table gets.
    pub(crate) fn next_table(&self) -> u32 {
        self.next_table
    }

    /// Names of all tables, sorted.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// All tables, by id.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableState>> {
        self.tables.values()
    }

    /// A table by its name.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn table(&self, name: &str) -> Result<&Arc<TableState>> {
        self.names
            .get(name)
            .and_then(|id| self.tables.get(id))
            .ok_or_else(|| {
                let names: Vec<_> = self
                    .table_names()
                    .take(20)
                    .map(|name| format!("{name:?}"))
                    .collect();
                let there = if names.is_empty() {
                    "it has none".to_owned()
                } else {
                    format!("it has {}", names.join(", "))
                };
                Error::not_found(format!("there is no table {name:?} in this database; {there}"))
            })
    }

    /// A table by its id.
    pub fn table_by_id(&self, table: u32) -> Option<&Arc<TableState>> {
        self.tables.get(&table)
    }

    /// Segments that a commit has removed and whose files may still be there for older snapshots.
    pub fn removed(&self) -> impl Iterator<Item = &Arc<RemovedSegment>> {
        self.removed.values()
    }

    /// Symbol domains with their committed lengths.
    pub fn domains(&self) -> impl Iterator<Item = &DomainMeta> {
        self.domains.values()
    }

    /// A symbol domain by its name.
    pub fn domain(&self, name: &str) -> Option<&DomainMeta> {
        self.domains.get(name)
    }

    /// Named snapshots and the version each one pins.
    pub fn snapshots(&self) -> impl Iterator<Item = (&str, u64)> {
        self.snapshots
            .iter()
            .map(|(name, version)| (name.as_str(), *version))
    }

    /// The version that a named snapshot pins.
    pub fn snapshot(&self, name: &str) -> Option<u64> {
        self.snapshots.get(name).copied()
    }

    /// The streams whose logs may hold rows.
    pub fn streams(&self) -> impl Iterator<Item = &StreamMeta> {
        self.streams.values()
    }

    /// A stream by its id.
    pub fn stream(&self, stream: u64) -> Option<&StreamMeta> {
        self.streams.get(&stream)
    }

    /// The deletions that hide rows of a table.
    pub fn deletions(&self, table: u32) -> impl Iterator<Item = &Arc<Deletion>> {
        self.deletions
            .values()
            .filter(move |deletion| deletion.table == table)
    }

    /// Whether another version has the very same segments and deletions of a table.
    pub(crate) fn has_same_rows(&self, other: &Self, table: u32) -> bool {
        match (self.table_by_id(table), other.table_by_id(table)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) && self.deletions(table).eq(other.deletions(table)),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// The next version: this one with an edit applied.
    ///
    /// # Errors
    /// `Conflict` when the edit does not fit this version (a table that exists, a segment that is gone).
    pub fn apply(&self, number: u64, committed_at: i64, items: &[EditItem]) -> Result<Self> {
        let mut next = self.clone();
        next.number = number;
        next.committed_at = committed_at;
        for item in items {
            next.apply_item(item)?;
        }
        Ok(next)
    }

    fn apply_item(&mut self, item: &EditItem) -> Result<()> {
        if self.apply_coverage(item)? {
            return Ok(());
        }
        match item {
            EditItem::CreateTable(meta) => self.create_table(meta.clone()),
            EditItem::DropTable { table } => self.drop_table(*table),
            EditItem::AddSegment(segment) => {
                let counter = match segment.origin {
                    SegmentOrigin::Bulk => &mut self.written.bulk,
                    SegmentOrigin::Flush => &mut self.written.flushed,
                    SegmentOrigin::Compaction => &mut self.written.compacted,
                };
                *counter = counter.saturating_add(segment.bytes);
                self.edit_table(segment.table, |table| table.add(segment.clone()))
            }
            EditItem::RemoveSegment { table, segment } => self.remove_segment(*table, *segment),
            EditItem::GrowDomain(domain) => self.grow_domain(domain),
            EditItem::CreateSnapshot { name, version } => self.create_snapshot(name, *version),
            EditItem::DropSnapshot { name } => match self.snapshots.remove(name) {
                Some(_) => Ok(()),
                None => Err(Error::not_found(format!("there is no snapshot {name:?}"))),
            },
            EditItem::Purged { segments } => {
                for segment in segments {
                    self.removed.remove(segment);
                    self.removed_coverage.remove(segment);
                }
                Ok(())
            }
            EditItem::Stream(stream) => self.move_stream(*stream),
            EditItem::EndStream { stream } => match self.streams.remove(stream) {
                Some(_) => Ok(()),
                None => Err(stream_gone(*stream)),
            },
            EditItem::Delete(deletion) => {
                self.table_by_id(deletion.table)
                    .ok_or_else(|| gone(deletion.table))?;
                self.deletions
                    .insert(deletion.deletion, Arc::new(deletion.clone()));
                Ok(())
            }
            EditItem::DropDeletion { deletion } => match self.deletions.remove(deletion) {
                Some(_) => Ok(()),
                None => Err(Error::conflict(format!("there is no deletion {deletion:016x}"))),
            },
            EditItem::AddCoverage(_)
            | EditItem::RemoveCoverage { .. }
            | EditItem::Calendar(_)
            | EditItem::DropCalendar { .. }
            | EditItem::UseCalendar(_)
            | EditItem::Listing(_) => Err(Error::internal("an edit of coverage that was not applied")),
        }
    }

    /// A stream's checkpoint only moves on.
    fn move_stream(&mut self, stream: StreamMeta) -> Result<()> {
        if let Some(known) = self.streams.get(&stream.stream)
            && known.checkpoint > stream.checkpoint
        {
            return Err(Error::conflict(format!(
                "stream {:016x} is flushed up to {} already, not only to {}",
                stream.stream, known.checkpoint, stream.checkpoint
            )));
        }
        let known = self.streams.insert(stream.stream, stream);
        let from = known.map_or(stream.checkpoint, |known| known.checkpoint);
        self.written.log = self.written.log.saturating_add(stream.checkpoint - from);
        Ok(())
    }

    /// Bytes written since the database was made.
    pub fn written(&self) -> WrittenBytes {
        self.written
    }

    /// Creates a table, or gives the one with the same id a new description.
    fn create_table(&mut self, mut meta: TableMeta) -> Result<()> {
        if let Some(state) = self
            .tables
            .get(&meta.table)
            .filter(|state| state.meta.name == meta.name)
        {
            let mut state = TableState::clone(state);
            meta.created = state.meta.created;
            state.meta = Arc::new(meta);
            self.tables.insert(state.meta.table, Arc::new(state));
            return Ok(());
        }
        if self.names.contains_key(&meta.name) {
            return Err(Error::conflict(format!(
                "table {:?} exists already: open it, or choose another name",
                meta.name
            )));
        }
        if self.tables.contains_key(&meta.table) {
            return Err(Error::conflict(format!("table id {} is taken", meta.table)));
        }
        if meta.created == 0 {
            meta.created = self.number;
        }
        self.next_table = self.next_table.max(meta.table.saturating_add(1));
        self.names.insert(meta.name.clone(), meta.table);
        self.tables.insert(meta.table, Arc::new(TableState::new(meta)));
        Ok(())
    }

    fn drop_table(&mut self, table: u32) -> Result<()> {
        let state = self.tables.remove(&table).ok_or_else(|| gone(table))?;
        self.names.remove(&state.meta.name);
        let of_table: Vec<u64> = self.deletions(table).map(|deletion| deletion.deletion).collect();
        for deletion in of_table {
            self.deletions.remove(&deletion);
        }
        for segment in state.segments() {
            self.remember_removed(&state.meta.name, segment);
        }
        for coverage in state.coverage() {
            self.remember_coverage(&state.meta.name, coverage);
        }
        self.expected.drop_table(table);
        Ok(())
    }

    fn remove_segment(&mut self, table: u32, segment: u64) -> Result<()> {
        let mut removed = None;
        let mut name = String::new();
        self.edit_table(table, |state| {
            name.clone_from(&state.meta.name);
            removed = state.remove(segment);
            Ok(())
        })?;
        let removed = removed.ok_or_else(|| {
            Error::conflict(format!(
                "segment {segment:016x} of table {name:?} is no longer live: another commit has replaced it"
            ))
        })?;
        self.remember_removed(&name, &removed);
        Ok(())
    }

    fn remember_removed(&mut self, table_name: &str, segment: &Arc<SegmentRef>) {
        let removed = RemovedSegment {
            segment: SegmentRef::clone(segment),
            removed: self.number,
            table_name: table_name.to_owned(),
        };
        self.removed.insert(segment.segment, Arc::new(removed));
    }

    fn grow_domain(&mut self, domain: &DomainMeta) -> Result<()> {
        if let Some(known) = self.domains.get(&domain.domain)
            && known.symbols >= domain.symbols
        {
            return Ok(()); // Another process has committed a longer prefix of the same file meanwhile.
        }
        self.domains.insert(domain.domain.clone(), domain.clone());
        Ok(())
    }

    fn create_snapshot(&mut self, name: &str, version: u64) -> Result<()> {
        if let Some(taken) = self.snapshots.get(name) {
            return Err(Error::conflict(format!(
                "snapshot {name:?} exists already, at version {taken}: drop it first, or choose another name"
            )));
        }
        self.snapshots.insert(name.to_owned(), version);
        Ok(())
    }

    pub(super) fn edit_table(
        &mut self,
        table: u32,
        edit: impl FnOnce(&mut TableState) -> Result<()>,
    ) -> Result<()> {
        let state = self.tables.get_mut(&table).ok_or_else(|| gone(table))?;
        edit(Arc::make_mut(state))
    }

    /// The whole version as one stored record.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            version: self.number,
            committed_at: self.committed_at,
            next_table: self.next_table,
            tables: self
                .tables
                .values()
                .map(|state| TableMeta::clone(&state.meta))
                .collect(),
            segments: self
                .tables
                .values()
                .flat_map(|state| state.segments().map(|s| SegmentRef::clone(s)))
                .collect(),
            removed: self
                .removed
                .values()
                .map(|removed| RemovedSegment::clone(removed))
                .collect(),
            domains: self.domains.values().cloned().collect(),
            snapshots: self
                .snapshots
                .iter()
                .map(|(name, version)| SnapshotMeta {
                    name: name.clone(),
                    version: *version,
                })
                .collect(),
            written: self.written,
            streams: self.streams.values().copied().collect(),
            deletions: self
                .deletions
                .values()
                .map(|deletion| Deletion::clone(deletion))
                .collect(),
            ..Checkpoint::default()
        };
        self.checkpoint_coverage(&mut checkpoint);
        checkpoint
    }

    /// The version that a checkpoint holds.
    ///
    /// # Errors
    /// `Corrupt` when the checkpoint contradicts itself.
    pub fn from_checkpoint(mut checkpoint: Checkpoint) -> Result<Self> {
        let mut version = Self {
            number: checkpoint.version,
            committed_at: checkpoint.committed_at,
            next_table: checkpoint.next_table,
            written: checkpoint.written,
            ..Self::default()
        };
        let inconsistent =
            |error: Error| Error::corrupt(format!("the checkpoint contradicts itself: {error}"));
        for meta in std::mem::take(&mut checkpoint.tables) {
            version.create_table(meta).map_err(inconsistent)?;
        }
        version.restore_coverage(&mut checkpoint).map_err(inconsistent)?;
        version.add_all(checkpoint.segments).map_err(inconsistent)?;
        for removed in checkpoint.removed {
            version.removed.insert(removed.segment.segment, Arc::new(removed));
        }
        for domain in checkpoint.domains {
            version.domains.insert(domain.domain.clone(), domain);
        }
        for snapshot in checkpoint.snapshots {
            version.snapshots.insert(snapshot.name, snapshot.version);
        }
        for stream in checkpoint.streams {
            version.streams.insert(stream.stream, stream);
        }
        for deletion in checkpoint.deletions {
            version.deletions.insert(deletion.deletion, Arc::new(deletion));
        }
        Ok(version)
    }

    /// Adds many segments at once: one copy of each table's state instead of one for each segment.
    fn add_all(&mut self, segments: Vec<SegmentRef>) -> Result<()> {
        let mut by_table: std::collections::BTreeMap<u32, Vec<SegmentRef>> =
            std::collections::BTreeMap::new();
        for segment in segments {
            by_table.entry(segment.table).or_default().push(segment);
        }
        for (table, segments) in by_table {
            self.edit_table(table, |state| {
                segments.into_iter().try_for_each(|segment| state.add(segment))
            })?;
        }
        Ok(())
    }
}

fn stream_gone(stream: u64) -> Error {
    Error::conflict(format!(
        "stream {stream:016x} has ended: another process has recovered it"
    ))
}

pub(super) fn gone(table: u32) -> Error {
    Error::conflict(format!(
        "table id {table} does not exist at this version: it was dropped by another commit"
    ))
}
