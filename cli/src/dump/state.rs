//! What the manifest says is live: the log of CURRENT, applied as far as it can be read.
//!
//! If that is not as far as it was durable, the newest checkpoint of a snapshot may know more.

use std::collections::{BTreeMap, BTreeSet};

use gapless_format::{
    CalendarMeta, CalendarUse, CoverageRef, Current, DomainMeta, EditItem, HEADER_LEN, ListingMeta,
    LogHeader, RecordBody, RecordOutcome, SegmentRef, StreamMeta, TableMeta, Tail, decode_record,
};

use super::disk::{Disk, Outcome};

/// A version, in the order of its ids.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: u64,
    pub(super) committed_at: i64,
    pub(super) tables: BTreeMap<u32, TableMeta>,
    pub(super) segments: BTreeMap<u64, SegmentRef>,
    pub(super) domains: BTreeMap<String, DomainMeta>,
    pub(super) snapshots: BTreeMap<String, u64>,
    /// Removed segments whose files may be there.
    pub(super) removed: usize,
    pub(super) streams: BTreeMap<u64, StreamMeta>,
    pub(super) deletions: usize,
    pub(super) coverage: BTreeMap<u64, CoverageRef>,
    /// Removed coverage files that may be there.
    pub(super) removed_coverage: BTreeSet<u64>,
    pub(super) calendars: BTreeMap<String, CalendarMeta>,
    /// Which calendar a table or a series goes by.
    pub(super) calendar_uses: BTreeMap<(u32, Option<u32>), String>,
    /// First time, and first time after it, in which a series is listed.
    pub(super) listings: BTreeMap<(u32, u32), (i64, i64)>,
    /// The checkpoint of a snapshot it was read from, if not the log.
    pub(super) checkpoint: Option<String>,
}

/// Path of the log that is in use. Without CURRENT, the one with the greatest number.
pub(super) fn active_log(disk: &Disk, errors: &mut Vec<String>) -> Option<String> {
    let current = disk
        .read("manifest/CURRENT")
        .and_then(|bytes| Current::decode(&bytes).map_err(|error| format!("manifest/CURRENT: {error}")));
    match current {
        Ok(current) => return Some(format!("manifest/{:010}.log", current.log)),
        Err(error) => errors.push(error),
    }
    let entries = disk.list("manifest").unwrap_or_default();
    let logs = entries.into_iter().filter(|(name, _, _)| name.ends_with(".log"));
    logs.map(|(name, _, _)| format!("manifest/{name}")).next_back()
}

/// One record as it stands in a log.
pub(super) struct Placed {
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) version: u64,
    pub(super) committed_at: i64,
    pub(super) body: RecordBody,
}

/// Calls `visit` with each record; what ends the log early is the error.
pub(super) fn walk(bytes: &[u8], mut visit: impl FnMut(Placed)) -> Outcome<()> {
    LogHeader::decode(bytes).map_err(|error| error.to_string())?;
    let mut at = HEADER_LEN;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match decode_record(rest, at as u64).map_err(|error| error.to_string())? {
            RecordOutcome::End => return Ok(()),
            RecordOutcome::Torn { offset, reason } => {
                return Err(format!(
                    "at byte {offset}: no valid record ({reason}), {} bytes are not read",
                    rest.len()
                ));
            }
            RecordOutcome::Record {
                version,
                committed_at,
                body,
                len,
            } => {
                visit(Placed {
                    offset: at as u64,
                    len,
                    version,
                    committed_at,
                    body,
                });
                at += len;
            }
        }
    }
}

/// What the manifest says, and how far it can be trusted.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    /// The newest version that can be read: of the log, or of a snapshot's checkpoint if that is newer.
    pub(super) state: Option<State>,
    /// Everything that went wrong.
    pub(super) errors: Vec<String>,
    /// Why the version is not, or may not be, the newest; what it does not name may be live.
    pub(super) damage: Option<String>,
}

/// Reads the log that is in use. If it does not read to its durable length, also the checkpoints of snapshots.
pub(super) fn load(disk: &Disk) -> Manifest {
    let mut manifest = Manifest::default();
    let active = active_log(disk, &mut manifest.errors);
    if !manifest.errors.is_empty() {
        manifest.damage = Some("manifest/CURRENT cannot be read".to_owned());
    }
    let read = active.map(|path| match disk.read(&path) {
        Ok(bytes) => read_log(disk, &path, &bytes, &mut manifest),
        Err(error) => {
            manifest.errors.push(error);
            manifest.damage = Some("its log cannot be read".to_owned());
        }
    });
    if read.is_none() {
        manifest.errors.push("manifest: there is no log".to_owned());
        manifest.damage = Some("there is no log".to_owned());
    }
    if manifest.damage.is_some() {
        newest_snapshot(disk, &mut manifest);
    }
    manifest
}

fn read_log(disk: &Disk, path: &str, bytes: &[u8], manifest: &mut Manifest) {
    let (state, end, outcome) = replay(bytes);
    let torn = outcome.is_err();
    manifest
        .errors
        .extend(outcome.err().map(|error| format!("{path}: {error}")));
    let lock = disk.read("manifest/LOCK").ok();
    let tail = lock.and_then(|bytes| Tail::decode(&bytes).ok());
    // The names of logs are their numbers, all of one length.
    let durable_log = tail.as_ref().map(|tail| format!("manifest/{:010}.log", tail.log));
    let durable = match (&tail, &durable_log) {
        (Some(tail), Some(log)) if log == path => Some(tail.committed_len),
        _ => None,
    };
    // Without a durable length, what is torn may have been a commit.
    let is_short = durable.map_or(torn, |durable| end < durable);
    if durable_log.is_some_and(|log| log.as_str() > path) {
        manifest.damage = Some("manifest/CURRENT names an older log".to_owned());
    }
    if is_short || state.is_none() {
        manifest.damage = Some(format!("the manifest is damaged at byte {end}"));
        if !torn {
            let why = format!(
                "{path}: ends at byte {end}, but was durable up to {}",
                durable.unwrap_or(end)
            );
            manifest.errors.push(why);
        }
    }
    manifest.state = state;
}

/// The version at the end of a log, where that is, and why it ends there if something follows.
fn replay(bytes: &[u8]) -> (Option<State>, u64, Outcome<()>) {
    let mut state: Option<State> = None;
    let mut end = HEADER_LEN as u64;
    let outcome = walk(bytes, |record| {
        end = record.offset + record.len as u64;
        let state = state.get_or_insert_default();
        state.version = record.version;
        state.committed_at = record.committed_at;
        state.apply(record.body);
    });
    if LogHeader::decode(bytes).is_err() {
        end = 0;
    }
    (state, end, outcome)
}

/// Takes the newest checkpoint of a snapshot that can be read, if it is newer than what the log gave.
fn newest_snapshot(disk: &Disk, manifest: &mut Manifest) {
    let entries = disk.list("manifest").unwrap_or_default();
    for (name, kind, _) in entries {
        if kind != Some(false) || !name.starts_with("snapshot-") || !name.ends_with(".ckpt") {
            continue;
        }
        let path = format!("manifest/{name}");
        let (state, _, outcome) = match disk.read(&path) {
            Ok(bytes) => replay(&bytes),
            Err(error) => (None, 0, Err(error)),
        };
        if let Err(error) = outcome {
            manifest.errors.push(format!("{path}: {error}"));
            continue;
        }
        let before = manifest.state.as_ref().map_or(0, |state| state.version);
        if let Some(mut state) = state.filter(|state| state.version > before) {
            state.checkpoint = Some(path);
            manifest.state = Some(state);
        }
    }
}

impl State {
    fn apply(&mut self, body: RecordBody) {
        match body {
            RecordBody::Checkpoint(checkpoint) => {
                self.tables = checkpoint
                    .tables
                    .into_iter()
                    .map(|table| (table.table, table))
                    .collect();
                let segments = checkpoint.segments.into_iter();
                self.segments = segments.map(|segment| (segment.segment, segment)).collect();
                let domains = checkpoint.domains.into_iter();
                self.domains = domains.map(|domain| (domain.domain.clone(), domain)).collect();
                self.streams = checkpoint
                    .streams
                    .iter()
                    .map(|stream| (stream.stream, *stream))
                    .collect();
                self.deletions = checkpoint.deletions.len();
                let snapshots = checkpoint.snapshots.into_iter();
                self.snapshots = snapshots
                    .map(|snapshot| (snapshot.name, snapshot.version))
                    .collect();
                self.removed = checkpoint.removed.len();
                let files = checkpoint.coverage.into_iter();
                self.coverage = files.map(|file| (file.file, file)).collect();
                let removed = checkpoint.removed_coverage.iter();
                self.removed_coverage = removed.map(|removed| removed.coverage.file).collect();
                let calendars = checkpoint.calendars.into_iter();
                self.calendars = calendars
                    .map(|calendar| (calendar.name.clone(), calendar))
                    .collect();
                checkpoint
                    .calendar_uses
                    .into_iter()
                    .for_each(|calendar_use| self.use_calendar(calendar_use));
                checkpoint
                    .listings
                    .into_iter()
                    .for_each(|listing| self.list(listing));
            }
            RecordBody::Edit(items) => items.into_iter().for_each(|item| self.edit(item)),
        }
    }

    fn edit(&mut self, item: EditItem) {
        match item {
            EditItem::CreateTable(table) => {
                self.tables.insert(table.table, table);
            }
            EditItem::DropTable { table } => {
                self.tables.remove(&table);
                let before = self.segments.len();
                self.segments.retain(|_, segment| segment.table != table);
                self.removed += before - self.segments.len();
                let of_table = self.coverage.values().filter(|file| file.table == table);
                self.removed_coverage.extend(of_table.map(|file| file.file));
                self.coverage.retain(|_, file| file.table != table);
                self.calendar_uses.retain(|(other, _), _| *other != table);
                self.listings.retain(|(other, _), _| *other != table);
            }
            EditItem::AddSegment(segment) => {
                self.segments.insert(segment.segment, segment);
            }
            EditItem::RemoveSegment { segment, .. } => {
                self.removed += usize::from(self.segments.remove(&segment).is_some());
            }
            EditItem::GrowDomain(domain) => {
                let longer = |known: &DomainMeta| known.symbols >= domain.symbols;
                if !self.domains.get(&domain.domain).is_some_and(longer) {
                    self.domains.insert(domain.domain.clone(), domain);
                }
            }
            EditItem::CreateSnapshot { name, version } => {
                self.snapshots.insert(name, version);
            }
            EditItem::DropSnapshot { name } => {
                self.snapshots.remove(&name);
            }
            EditItem::Purged { segments } => {
                let of_coverage = segments.iter().filter(|id| self.removed_coverage.remove(id));
                let count = segments.len() - of_coverage.count();
                self.removed = self.removed.saturating_sub(count);
            }
            EditItem::Stream(stream) => {
                self.streams.insert(stream.stream, stream);
            }
            EditItem::EndStream { stream } => {
                self.streams.remove(&stream);
            }
            EditItem::Delete(_) => self.deletions += 1,
            EditItem::DropDeletion { .. } => self.deletions = self.deletions.saturating_sub(1),
            EditItem::AddCoverage(file) => {
                self.coverage.insert(file.file, file);
            }
            EditItem::RemoveCoverage { file, .. } => {
                self.removed_coverage
                    .extend(self.coverage.remove(&file).map(|file| file.file));
            }
            EditItem::Calendar(mut calendar) => {
                if calendar.changed == 0 {
                    calendar.changed = self.version;
                }
                self.calendars.insert(calendar.name.clone(), calendar);
            }
            EditItem::DropCalendar { name } => {
                self.calendars.remove(&name);
            }
            EditItem::UseCalendar(calendar_use) => self.use_calendar(calendar_use),
            EditItem::Listing(listing) => self.list(listing),
        }
    }

    fn use_calendar(&mut self, calendar_use: CalendarUse) {
        let key = (calendar_use.table, calendar_use.series);
        match calendar_use.calendar {
            Some(name) => self.calendar_uses.insert(key, name),
            None => self.calendar_uses.remove(&key),
        };
    }

    fn list(&mut self, listing: ListingMeta) {
        let key = (listing.table, listing.series);
        match (listing.start, listing.end) {
            (i64::MIN, i64::MAX) => self.listings.remove(&key),
            life => self.listings.insert(key, life),
        };
    }

    /// A table by its name.
    pub(super) fn table(&self, name: &str) -> Option<&TableMeta> {
        self.tables.values().find(|table| table.name == name)
    }
}
