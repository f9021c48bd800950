//! Records of the manifest log: framing, checkpoints and edits.

use super::coverage::{CalendarMeta, CalendarUse, CoverageRef, ListingMeta, RemovedCoverage};
use super::segment_ref::{DomainMeta, RemovedSegment, SegmentRef, SnapshotMeta};
use super::stream::{Deletion, StreamMeta, WrittenBytes};
use super::table::TableMeta;
use crate::bytes::{Reader, Writer};
use crate::checksum::{seal, unseal};
use crate::error::FormatError;
use crate::item::{Item, MUST_UNDERSTAND, next_item, write_item};
use std::collections::HashSet;
use std::hash::Hash;

/// Bytes of a record around its items: length, kind, version, time in front, checksum behind.
pub const RECORD_LEN_MIN: usize = 32;

const KIND_CHECKPOINT: u32 = 1;
const KIND_EDIT: u32 = 2;

/// Tags of the items in a record.
pub mod tag {
    /// Checkpoint: the counters. First, once.
    pub const COUNTERS: u16 = 1;
    /// Checkpoint: a table. Edit: create it, or replace the one with the same id.
    pub const TABLE: u16 = 2;
    /// Checkpoint: a live segment. Edit: add it.
    pub const SEGMENT: u16 = 3;
    /// Checkpoint: a removed segment whose files may be there.
    pub const REMOVED_SEGMENT: u16 = 4;
    /// Checkpoint: a symbol domain. Edit: create it, or its new length.
    pub const DOMAIN: u16 = 5;
    /// Checkpoint: a named snapshot. Edit: create it.
    pub const SNAPSHOT: u16 = 6;
    /// Edit: drop a table.
    pub const DROP_TABLE: u16 = 7;
    /// Edit: remove a segment.
    pub const REMOVE_SEGMENT: u16 = 8;
    /// Edit: drop a named snapshot.
    pub const DROP_SNAPSHOT: u16 = 9;
    /// Edit: the files of these removed segments are gone.
    pub const PURGED: u16 = 10;
    /// Checkpoint: a stream. Edit: register it, or its new checkpoint.
    pub const STREAM: u16 = 11;
    /// Edit: a stream has ended and nothing of its log is needed.
    pub const END_STREAM: u16 = 12;
    /// Checkpoint: a deletion that is still to be applied. Edit: make it.
    pub const DELETION: u16 = 13;
    /// Edit: no row is left that a deletion would hide.
    pub const DROP_DELETION: u16 = 14;
    /// Checkpoint: bytes written so far. Once, or not at all when there are none.
    pub const WRITTEN: u16 = 15;
    /// Checkpoint: a live coverage file. Edit: add it.
    pub const COVERAGE: u16 = 16;
    /// Checkpoint: a removed coverage file that may be there.
    pub const REMOVED_COVERAGE: u16 = 17;
    /// Edit: remove a coverage file.
    pub const REMOVE_COVERAGE: u16 = 18;
    /// Checkpoint: a calendar. Edit: create or replace it.
    pub const CALENDAR: u16 = 19;
    /// Edit: drop a calendar.
    pub const DROP_CALENDAR: u16 = 20;
    /// Checkpoint and edit: which calendar a table or a series goes by.
    pub const USE_CALENDAR: u16 = 21;
    /// Checkpoint and edit: the life of a series.
    pub const LISTING: u16 = 22;
}

/// What a record says.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives at a time, while a record is read or written"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// The whole version.
    Checkpoint(Checkpoint),
    /// Changes to the version before.
    Edit(Vec<EditItem>),
}

/// A whole version of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The version; stored in the record's header, which wins.
    pub version: u64,
    /// When it was committed, in nanoseconds since the Unix epoch; stored in the record's header, which wins.
    pub committed_at: i64,
    /// The id that the next table gets.
    pub next_table: u32,
    /// The tables.
    pub tables: Vec<TableMeta>,
    /// The live segments.
    pub segments: Vec<SegmentRef>,
    /// Segments that older snapshots may still read.
    pub removed: Vec<RemovedSegment>,
    /// The symbol domains.
    pub domains: Vec<DomainMeta>,
    /// The named snapshots.
    pub snapshots: Vec<SnapshotMeta>,
    /// The streams whose logs may hold rows.
    pub streams: Vec<StreamMeta>,
    /// The deletions that hide rows.
    pub deletions: Vec<Deletion>,
    /// Bytes written so far.
    pub written: WrittenBytes,
    /// The live coverage files.
    pub coverage: Vec<CoverageRef>,
    /// Coverage files that older snapshots may still read.
    pub removed_coverage: Vec<RemovedCoverage>,
    /// The calendars.
    pub calendars: Vec<CalendarMeta>,
    /// Which tables and series go by them.
    pub calendar_uses: Vec<CalendarUse>,
    /// The lives of series.
    pub listings: Vec<ListingMeta>,
}

/// One change of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditItem {
    /// Create a table, or replace the one with the same id (a schema change).
    CreateTable(TableMeta),
    /// Drop a table.
    DropTable {
        /// Its id.
        table: u32,
    },
    /// Add a segment.
    AddSegment(SegmentRef),
    /// Remove a segment; its files stay until no snapshot needs them.
    RemoveSegment {
        /// Id of its table.
        table: u32,
        /// Its id.
        segment: u64,
    },
    /// Create a symbol domain, or commit more of its file.
    GrowDomain(DomainMeta),
    /// Pin a version by name.
    CreateSnapshot {
        /// The name.
        name: String,
        /// The version.
        version: u64,
    },
    /// Forget a name.
    DropSnapshot {
        /// The name.
        name: String,
    },
    /// The files of removed segments are gone.
    Purged {
        /// Their ids.
        segments: Vec<u64>,
    },
    /// Register a stream, or move its checkpoint.
    Stream(StreamMeta),
    /// Nothing of a stream's log is needed any more.
    EndStream {
        /// Its id.
        stream: u64,
    },
    /// Hide rows committed before.
    Delete(Deletion),
    /// Forget a deletion: no row is left that it would hide.
    DropDeletion {
        /// Its id.
        deletion: u64,
    },
    /// Add a coverage file.
    AddCoverage(CoverageRef),
    /// Remove a coverage file: others hold what it said.
    RemoveCoverage {
        /// Id of the table.
        table: u32,
        /// The file.
        file: u64,
    },
    /// Create a calendar, or replace the one of the same name.
    Calendar(CalendarMeta),
    /// Drop a calendar that nothing goes by.
    DropCalendar {
        /// Its name.
        name: String,
    },
    /// Say which calendar a table or a series goes by.
    UseCalendar(CalendarUse),
    /// Say when a series is listed.
    Listing(ListingMeta),
}

/// What stands at a position of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub enum RecordOutcome {
    /// A valid record.
    Record {
        /// The version it makes.
        version: u64,
        /// When it was committed, in nanoseconds since the Unix epoch.
        committed_at: i64,
        /// What it says.
        body: RecordBody,
        /// Its bytes; the next record begins behind them.
        len: usize,
    },
    /// The input is at its end.
    End,
    /// No valid record: cut short, zeros, or a wrong checksum. Nothing behind it is to be read.
    Torn {
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// The bytes of a record.
///
/// A checkpoint's own version and time are not stored: those of the record are.
///
/// # Panics
/// When the record would be 4 GiB or more (about 30 million segments).
pub fn encode_record(version: u64, committed_at: i64, body: &RecordBody) -> Vec<u8> {
    let mut writer = Writer::with_capacity(256);
    writer.u32(0);
    writer.u32(match body {
        RecordBody::Checkpoint(_) => KIND_CHECKPOINT,
        RecordBody::Edit(_) => KIND_EDIT,
    });
    writer.u64(version);
    writer.i64(committed_at);
    match body {
        RecordBody::Checkpoint(checkpoint) => checkpoint.encode(&mut writer),
        RecordBody::Edit(items) => items.iter().for_each(|item| item.encode(&mut writer)),
    }
    let len = u32::try_from(writer.len() + 8).expect("a record is below 4 GiB");
    writer.patch_u32(0, len);
    seal(writer)
}

/// Reads the record at the start of `bytes`, a position `offset` in its file (used in messages only).
///
/// # Errors
/// Only for a record whose checksum is right: `Unsupported` for one that a newer gapless wrote, `Corrupt` for one
/// that contradicts itself.
pub fn decode_record(bytes: &[u8], offset: u64) -> Result<RecordOutcome, FormatError> {
    if bytes.is_empty() {
        return Ok(RecordOutcome::End);
    }
    let covered = match frame(bytes, offset) {
        Ok(covered) => covered,
        Err(error) => {
            return Ok(RecordOutcome::Torn {
                offset,
                reason: error.message,
            });
        }
    };
    let mut reader = Reader::with_base(covered, offset);
    reader.u32("record length")?;
    let kind_offset = reader.offset();
    let kind = reader.u32("record kind")?;
    let version = reader.u64("version")?;
    let committed_at = reader.i64("commit time")?;
    let body = match kind {
        KIND_CHECKPOINT => {
            let mut checkpoint = Checkpoint {
                version,
                committed_at,
                ..Checkpoint::default()
            };
            checkpoint.decode(reader)?;
            RecordBody::Checkpoint(checkpoint)
        }
        KIND_EDIT => RecordBody::Edit(decode_edit(reader)?),
        _ => {
            return Err(FormatError::unsupported(
                kind_offset,
                format!("record kind: found {kind}, which this version does not know"),
            ));
        }
    };
    Ok(RecordOutcome::Record {
        version,
        committed_at,
        body,
        len: covered.len() + 8,
    })
}

/// The record's bytes without its checksum, once length and checksum are right.
fn frame(bytes: &[u8], offset: u64) -> Result<&[u8], FormatError> {
    let len = Reader::with_base(bytes, offset).u32("record length")? as usize;
    if len < RECORD_LEN_MIN {
        return Err(FormatError::corrupt(
            offset,
            format!("record length: found {len}, expected at least {RECORD_LEN_MIN}"),
        ));
    }
    let Some(record) = bytes.get(..len) else {
        return Err(FormatError::torn(
            offset,
            "record",
            len as u64,
            bytes.len() as u64,
        ));
    };
    unseal(record, offset, "record")
}

impl Checkpoint {
    fn encode(&self, writer: &mut Writer) {
        write_item(writer, tag::COUNTERS, MUST_UNDERSTAND, |writer| {
            writer.u32(self.next_table)
        });
        if self.written != WrittenBytes::default() {
            write_item(writer, tag::WRITTEN, 0, |writer| self.written.encode(writer));
        }
        encode_all(writer, tag::TABLE, &self.tables, TableMeta::encode);
        encode_all(writer, tag::SEGMENT, &self.segments, SegmentRef::encode);
        encode_all(
            writer,
            tag::REMOVED_SEGMENT,
            &self.removed,
            RemovedSegment::encode,
        );
        encode_all(writer, tag::DOMAIN, &self.domains, DomainMeta::encode);
        encode_all(writer, tag::SNAPSHOT, &self.snapshots, SnapshotMeta::encode);
        encode_all(writer, tag::STREAM, &self.streams, StreamMeta::encode);
        encode_all(writer, tag::DELETION, &self.deletions, Deletion::encode);
        encode_all(writer, tag::COVERAGE, &self.coverage, CoverageRef::encode);
        encode_all(
            writer,
            tag::REMOVED_COVERAGE,
            &self.removed_coverage,
            RemovedCoverage::encode,
        );
        encode_all(writer, tag::CALENDAR, &self.calendars, CalendarMeta::encode);
        encode_all(
            writer,
            tag::USE_CALENDAR,
            &self.calendar_uses,
            CalendarUse::encode,
        );
        encode_all(writer, tag::LISTING, &self.listings, ListingMeta::encode);
    }

    fn decode(&mut self, mut reader: Reader<'_>) -> Result<(), FormatError> {
        let offset = reader.offset();
        let mut has_counters = false;
        while let Some(item) = next_item(&mut reader)? {
            if item.tag == tag::COUNTERS && has_counters {
                return Err(FormatError::corrupt(item.offset, "counters item: found twice"));
            }
            has_counters |= item.tag == tag::COUNTERS;
            self.decode_item(item)?;
        }
        if !has_counters {
            return Err(FormatError::corrupt(
                offset,
                "counters item: found none, expected one",
            ));
        }
        self.check(offset)
    }

    fn decode_item(&mut self, item: Item<'_>) -> Result<(), FormatError> {
        let mut payload = item.payload.clone();
        match item.tag {
            tag::COUNTERS => self.next_table = payload.u32("next table id")?,
            tag::WRITTEN => self.written = WrittenBytes::decode(&mut payload)?,
            tag::TABLE => self.tables.push(TableMeta::decode(&mut payload)?),
            tag::SEGMENT => self.segments.push(SegmentRef::decode(&mut payload)?),
            tag::REMOVED_SEGMENT => self.removed.push(RemovedSegment::decode(&mut payload)?),
            tag::DOMAIN => self.domains.push(DomainMeta::decode(&mut payload)?),
            tag::SNAPSHOT => self.snapshots.push(SnapshotMeta::decode(&mut payload)?),
            tag::STREAM => self.streams.push(StreamMeta::decode(&mut payload)?),
            tag::DELETION => self.deletions.push(Deletion::decode(&mut payload)?),
            tag::COVERAGE => self.coverage.push(CoverageRef::decode(&mut payload)?),
            tag::REMOVED_COVERAGE => self.removed_coverage.push(RemovedCoverage::decode(&mut payload)?),
            tag::CALENDAR => self.calendars.push(CalendarMeta::decode(&mut payload)?),
            tag::USE_CALENDAR => self.calendar_uses.push(CalendarUse::decode(&mut payload)?),
            tag::LISTING => self.listings.push(ListingMeta::decode(&mut payload)?),
            tag::DROP_TABLE..=tag::PURGED
            | tag::END_STREAM
            | tag::DROP_DELETION
            | tag::REMOVE_COVERAGE
            | tag::DROP_CALENDAR => {
                return Err(misplaced(&item, "a checkpoint"));
            }
            _ => return item.skip("checkpoint"),
        }
        payload.finish("checkpoint item")
    }

    /// Ids and names are there once, and segments belong to tables that are there.
    fn check(&self, offset: u64) -> Result<(), FormatError> {
        let wrong = |what: &str| Err(FormatError::corrupt(offset, format!("checkpoint: {what}")));
        let Some(tables) = distinct(self.tables.iter().map(|table| table.table)) else {
            return wrong("found a table id twice");
        };
        if distinct(self.tables.iter().map(|table| table.name.as_str())).is_none() {
            return wrong("found a table name twice");
        }
        if tables.iter().any(|&table| table >= self.next_table) {
            return wrong("found a table id that is not below the next one");
        }
        if self
            .segments
            .iter()
            .any(|segment| !tables.contains(&segment.table))
        {
            return wrong("found a segment of a table that is not there");
        }
        // One counter numbers segments and coverage files, so that an edit can name either as purged.
        let segments = self.segments.iter().map(|segment| segment.segment);
        let removed = self.removed.iter().map(|removed| removed.segment.segment);
        let coverage = self.coverage.iter().map(|file| file.file);
        let removed_coverage = self.removed_coverage.iter().map(|removed| removed.coverage.file);
        let files = segments.chain(removed).chain(coverage).chain(removed_coverage);
        if distinct(files).is_none() {
            return wrong("found the id of a segment or of a coverage file twice");
        }
        if distinct(self.domains.iter().map(|domain| domain.domain.as_str())).is_none() {
            return wrong("found a symbol domain twice");
        }
        if distinct(self.snapshots.iter().map(|snapshot| snapshot.name.as_str())).is_none() {
            return wrong("found a snapshot name twice");
        }
        if distinct(self.streams.iter().map(|stream| stream.stream)).is_none() {
            return wrong("found a stream twice");
        }
        if distinct(self.deletions.iter().map(|deletion| deletion.deletion)).is_none() {
            return wrong("found a deletion twice");
        }
        if self
            .deletions
            .iter()
            .any(|deletion| !tables.contains(&deletion.table))
        {
            return wrong("found a deletion in a table that is not there");
        }
        let mut of_tables = (self.coverage.iter().map(|file| file.table))
            .chain(self.calendar_uses.iter().map(|calendar_use| calendar_use.table))
            .chain(self.listings.iter().map(|listing| listing.table));
        if of_tables.any(|table| !tables.contains(&table)) {
            return wrong("found coverage or a calendar of a table that is not there");
        }
        let uses = self.calendar_uses.iter();
        if distinct(uses.map(|calendar_use| (calendar_use.table, calendar_use.series))).is_none() {
            return wrong("found two calendars of a table or a series");
        }
        if distinct(
            self.listings
                .iter()
                .map(|listing| (listing.table, listing.series)),
        )
        .is_none()
        {
            return wrong("found two lives of a series");
        }
        let Some(calendars) = distinct(self.calendars.iter().map(|calendar| calendar.name.as_str())) else {
            return wrong("found a calendar twice");
        };
        let mut used = self
            .calendar_uses
            .iter()
            .filter_map(|calendar_use| calendar_use.calendar.as_deref());
        if used.any(|name| !calendars.contains(name)) {
            return wrong("found the use of a calendar that is not there");
        }
        Ok(())
    }
}

fn encode_all<T>(writer: &mut Writer, tag: u16, values: &[T], encode: impl Fn(&T, &mut Writer)) {
    for value in values {
        write_item(writer, tag, MUST_UNDERSTAND, |writer| encode(value, writer));
    }
}

/// The set of the values, or `None` when one is there twice.
fn distinct<T: Eq + Hash>(values: impl Iterator<Item = T>) -> Option<HashSet<T>> {
    let mut set = HashSet::with_capacity(values.size_hint().0);
    for value in values {
        if !set.insert(value) {
            return None;
        }
    }
    Some(set)
}

fn misplaced(item: &Item<'_>, place: &str) -> FormatError {
    FormatError::corrupt(
        item.offset,
        format!("item tag {}: found in {place}, where it has no meaning", item.tag),
    )
}

fn decode_edit(mut reader: Reader<'_>) -> Result<Vec<EditItem>, FormatError> {
    let mut items = Vec::new();
    while let Some(item) = next_item(&mut reader)? {
        items.extend(EditItem::decode(item)?);
    }
    Ok(items)
}

impl EditItem {
    /// The tag it is stored under.
    pub const fn tag(&self) -> u16 {
        match self {
            Self::CreateTable(_) => tag::TABLE,
            Self::DropTable { .. } => tag::DROP_TABLE,
            Self::AddSegment(_) => tag::SEGMENT,
            Self::RemoveSegment { .. } => tag::REMOVE_SEGMENT,
            Self::GrowDomain(_) => tag::DOMAIN,
            Self::CreateSnapshot { .. } => tag::SNAPSHOT,
            Self::DropSnapshot { .. } => tag::DROP_SNAPSHOT,
            Self::Purged { .. } => tag::PURGED,
            Self::Stream(_) => tag::STREAM,
            Self::EndStream { .. } => tag::END_STREAM,
            Self::Delete(_) => tag::DELETION,
            Self::DropDeletion { .. } => tag::DROP_DELETION,
            Self::AddCoverage(_) => tag::COVERAGE,
            Self::RemoveCoverage { .. } => tag::REMOVE_COVERAGE,
            Self::Calendar(_) => tag::CALENDAR,
            Self::DropCalendar { .. } => tag::DROP_CALENDAR,
            Self::UseCalendar(_) => tag::USE_CALENDAR,
            Self::Listing(_) => tag::LISTING,
        }
    }

    fn encode(&self, writer: &mut Writer) {
        write_item(writer, self.tag(), MUST_UNDERSTAND, |writer| match self {
            Self::CreateTable(table) => table.encode(writer),
            Self::DropTable { table } => writer.u32(*table),
            Self::AddSegment(segment) => segment.encode(writer),
            Self::RemoveSegment { table, segment: id } | Self::RemoveCoverage { table, file: id } => {
                writer.u32(*table);
                writer.u64(*id);
            }
            Self::GrowDomain(domain) => domain.encode(writer),
            Self::CreateSnapshot { name, version } => {
                writer.u64(*version);
                writer.string(name);
            }
            Self::DropSnapshot { name } | Self::DropCalendar { name } => writer.string(name),
            Self::Purged { segments } => {
                writer.count(segments.len());
                segments.iter().for_each(|&segment| writer.u64(segment));
            }
            Self::Stream(stream) => stream.encode(writer),
            Self::EndStream { stream: id } | Self::DropDeletion { deletion: id } => writer.u64(*id),
            Self::Delete(deletion) => deletion.encode(writer),
            Self::AddCoverage(coverage) => coverage.encode(writer),
            Self::Calendar(calendar) => calendar.encode(writer),
            Self::UseCalendar(calendar_use) => calendar_use.encode(writer),
            Self::Listing(listing) => listing.encode(writer),
        });
    }

    /// The change that the item makes; `None` for one that may be skipped.
    fn decode(item: Item<'_>) -> Result<Option<Self>, FormatError> {
        let mut payload = item.payload.clone();
        let edit = match item.tag {
            tag::TABLE => Self::CreateTable(TableMeta::decode(&mut payload)?),
            tag::DROP_TABLE => Self::DropTable {
                table: payload.u32("table id")?,
            },
            tag::SEGMENT => Self::AddSegment(SegmentRef::decode(&mut payload)?),
            tag::REMOVE_SEGMENT => {
                let table = payload.u32("table id")?;
                Self::RemoveSegment {
                    table,
                    segment: payload.u64("segment")?,
                }
            }
            tag::DOMAIN => Self::GrowDomain(DomainMeta::decode(&mut payload)?),
            tag::SNAPSHOT => {
                let SnapshotMeta { name, version } = SnapshotMeta::decode(&mut payload)?;
                Self::CreateSnapshot { name, version }
            }
            tag::DROP_SNAPSHOT => Self::DropSnapshot {
                name: payload.string("snapshot name")?.to_owned(),
            },
            tag::PURGED => Self::Purged {
                segments: decode_ids(&mut payload)?,
            },
            tag::STREAM => Self::Stream(StreamMeta::decode(&mut payload)?),
            tag::END_STREAM => Self::EndStream {
                stream: payload.u64("stream")?,
            },
            tag::DELETION => Self::Delete(Deletion::decode(&mut payload)?),
            tag::DROP_DELETION => Self::DropDeletion {
                deletion: payload.u64("deletion")?,
            },
            tag::COVERAGE => Self::AddCoverage(CoverageRef::decode(&mut payload)?),
            tag::REMOVE_COVERAGE => Self::RemoveCoverage {
                table: payload.u32("table id")?,
                file: payload.u64("coverage file")?,
            },
            tag::CALENDAR => Self::Calendar(CalendarMeta::decode(&mut payload)?),
            tag::DROP_CALENDAR => Self::DropCalendar {
                name: payload.string("calendar name")?.to_owned(),
            },
            tag::USE_CALENDAR => Self::UseCalendar(CalendarUse::decode(&mut payload)?),
            tag::LISTING => Self::Listing(ListingMeta::decode(&mut payload)?),
            tag::COUNTERS | tag::REMOVED_SEGMENT | tag::WRITTEN | tag::REMOVED_COVERAGE => {
                return Err(misplaced(&item, "an edit"));
            }
            _ => return item.skip("edit").map(|()| None),
        };
        payload.finish("edit item")?;
        Ok(Some(edit))
    }
}

fn decode_ids(reader: &mut Reader<'_>) -> Result<Vec<u64>, FormatError> {
    let count = reader.count(8, "segment count")?;
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        ids.push(reader.u64("segment")?);
    }
    Ok(ids)
}
