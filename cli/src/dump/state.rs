//! What the manifest says is live: the log of CURRENT, applied as far as it can be read.

use std::collections::BTreeMap;

use gapless_format::{
    Current, DomainMeta, EditItem, HEADER_LEN, LogHeader, RecordBody, RecordOutcome, SegmentRef, TableMeta,
    decode_record,
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

/// The newest version that can be read; `None` when there is none, and everything that went wrong.
pub(super) fn load(disk: &Disk) -> (Option<State>, Vec<String>) {
    let mut errors = Vec::new();
    let Some(path) = active_log(disk, &mut errors) else {
        return (None, errors);
    };
    let mut state: Option<State> = None;
    let outcome = disk.read(&path).and_then(|bytes| {
        walk(&bytes, |record| {
            let state = state.get_or_insert_default();
            state.version = record.version;
            state.committed_at = record.committed_at;
            state.apply(record.body);
        })
        .map_err(|error| format!("{path}: {error}"))
    });
    errors.extend(outcome.err());
    (state, errors)
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
                let snapshots = checkpoint.snapshots.into_iter();
                self.snapshots = snapshots
                    .map(|snapshot| (snapshot.name, snapshot.version))
                    .collect();
                self.removed = checkpoint.removed.len();
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
                self.removed = self.removed.saturating_sub(segments.len());
            }
        }
    }

    /// A table by its name.
    pub(super) fn table(&self, name: &str) -> Option<&TableMeta> {
        self.tables.values().find(|table| table.name == name)
    }
}
