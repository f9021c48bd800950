//! `--manifest`: CURRENT, LOCK and every record of the log.

use gapless_format::{
    CalendarMeta, CalendarUse, CoverageRef, Current, Deletion, EditItem, ListingMeta, LogHeader, RecordBody,
    SegmentRef, StreamMeta, TableMeta, Tail,
};
use serde_json::Value;

use super::coverage;
use super::disk::Disk;
use super::section::{Section, hex64};
use super::state::{self, Placed};
use crate::render::instant_iso;

/// The manifest of a database.
pub(crate) fn manifest(disk: &Disk) -> Section {
    let mut section = Section::new("manifest");
    match disk.read("manifest/CURRENT").map(|bytes| Current::decode(&bytes)) {
        Ok(Ok(current)) => section.field("current_log", current.log),
        Ok(Err(error)) => section.error(format!("manifest/CURRENT: {error}")),
        Err(error) => section.error(error),
    }
    match disk.read("manifest/LOCK").map(|bytes| Tail::decode(&bytes)) {
        Ok(Ok(tail)) => {
            section.field("durable_log", tail.log);
            section.field("durable_bytes", tail.committed_len);
            section.field("suspect_tail", tail.suspect);
        }
        Ok(Err(error)) => section.error(format!("manifest/LOCK: {error}")),
        Err(error) => section.error(error),
    }
    let entries = match disk.list("manifest") {
        Ok(entries) => entries,
        Err(error) => {
            section.error(error);
            return section;
        }
    };
    for (name, _, _) in entries {
        if name.ends_with(".log") || name.ends_with(".ckpt") {
            let path = format!("manifest/{name}");
            match disk.read(&path) {
                Ok(bytes) => section.push(log(&path, &bytes)),
                Err(error) => section.error(error),
            }
        }
    }
    section
}

/// One log or snapshot checkpoint.
pub(super) fn log(path: &str, bytes: &[u8]) -> Section {
    let mut section = Section::new(path.to_owned());
    section.field("bytes", bytes.len());
    match LogHeader::decode(bytes) {
        Ok(header) => {
            section.field("number", header.number);
            section.field("database_id", format!("{:032x}", header.database));
        }
        Err(error) => section.error(error),
    }
    section.columns(["offset", "bytes", "version", "committed_at", "kind", "item"]);
    let outcome = state::walk(bytes, |record| rows(&mut section, record));
    if let Err(error) = outcome {
        section.error(error);
    }
    section
}

fn rows(section: &mut Section, record: Placed) {
    let items: Vec<(&'static str, String)> = match record.body {
        RecordBody::Edit(items) => items.iter().map(edit).collect(),
        RecordBody::Checkpoint(checkpoint) => {
            let mut items = vec![(
                "checkpoint",
                format!(
                    "{} tables, {} segments, {} removed, {} domains, {} snapshots, {} streams, {} deletions, {} coverage files, \
                     {} removed, {} calendars, {} uses, {} listings",
                    checkpoint.tables.len(),
                    checkpoint.segments.len(),
                    checkpoint.removed.len(),
                    checkpoint.domains.len(),
                    checkpoint.snapshots.len(),
                    checkpoint.streams.len(),
                    checkpoint.deletions.len(),
                    checkpoint.coverage.len(),
                    checkpoint.removed_coverage.len(),
                    checkpoint.calendars.len(),
                    checkpoint.calendar_uses.len(),
                    checkpoint.listings.len()
                ),
            )];
            items.extend(checkpoint.tables.iter().map(|meta| ("table", table(meta))));
            items.extend(checkpoint.segments.iter().map(|meta| ("segment", segment(meta))));
            let removed = checkpoint.removed.iter();
            items.extend(removed.map(|removed| {
                let text = segment(&removed.segment);
                ("removed", format!("{text}, in version {}", removed.removed))
            }));
            let domains = checkpoint.domains.into_iter().map(EditItem::GrowDomain);
            items.extend(domains.map(|item| edit(&item)));
            let snapshots = checkpoint.snapshots.iter();
            items.extend(
                snapshots.map(|kept| ("snapshot", format!("{:?} of version {}", kept.name, kept.version))),
            );
            items.extend(checkpoint.streams.iter().map(|meta| ("stream", stream(meta))));
            let deletions = checkpoint.deletions.iter();
            items.extend(deletions.map(|meta| ("deletion", deletion(meta))));
            let files = checkpoint.coverage.iter();
            items.extend(files.map(|meta| ("coverage", coverage_file(meta))));
            let removed = checkpoint.removed_coverage.iter();
            items.extend(removed.map(|removed| {
                let (text, table) = (coverage_file(&removed.coverage), &removed.table_name);
                let text = format!("{text}, of {table:?}, in version {}", removed.removed);
                ("removed coverage", text)
            }));
            let calendars = checkpoint.calendars.iter();
            items.extend(calendars.map(|meta| ("calendar", calendar(meta))));
            let uses = checkpoint.calendar_uses.iter();
            items.extend(uses.map(|meta| ("use calendar", calendar_use(meta))));
            let listings = checkpoint.listings.iter();
            items.extend(listings.map(|meta| ("listing", listing(meta))));
            items
        }
    };
    let nothing = items.is_empty().then_some(("edit", "nothing".to_owned()));
    for (at, (kind, text)) in items.into_iter().chain(nothing).enumerate() {
        // The record's own facts stand in its first row.
        let first = |value: Value| if at == 0 { value } else { Value::Null };
        section.row([
            first(record.offset.into()),
            first(record.len.into()),
            first(record.version.into()),
            first(instant_iso(record.committed_at).into()),
            kind.into(),
            text.into(),
        ]);
    }
}

fn edit(item: &EditItem) -> (&'static str, String) {
    match item {
        EditItem::CreateTable(meta) => ("create table", table(meta)),
        EditItem::DropTable { table } => ("drop table", format!("id {table}")),
        EditItem::AddSegment(meta) => ("add segment", segment(meta)),
        EditItem::RemoveSegment { table, segment } => {
            ("remove segment", format!("{segment:016x} of table id {table}"))
        }
        EditItem::GrowDomain(domain) => (
            "domain",
            format!(
                "{:?}: {} symbols in {} bytes, chain {:016x}",
                domain.domain, domain.symbols, domain.committed_len, domain.chain
            ),
        ),
        EditItem::CreateSnapshot { name, version } => {
            ("create snapshot", format!("{name:?} of version {version}"))
        }
        EditItem::DropSnapshot { name } => ("drop snapshot", format!("{name:?}")),
        EditItem::Purged { segments } => (
            "purged",
            format!("{} segments and coverage files", segments.len()),
        ),
        EditItem::Stream(meta) => ("stream", stream(meta)),
        EditItem::EndStream { stream } => ("end stream", format!("{stream:016x}")),
        EditItem::Delete(deletion) => ("delete", self::deletion(deletion)),
        EditItem::DropDeletion { deletion } => ("drop deletion", format!("{deletion:016x}")),
        EditItem::AddCoverage(meta) => ("add coverage", coverage_file(meta)),
        EditItem::RemoveCoverage { table, file } => {
            ("remove coverage", format!("{file:016x} of table id {table}"))
        }
        EditItem::Calendar(meta) => ("calendar", calendar(meta)),
        EditItem::DropCalendar { name } => ("drop calendar", format!("{name:?}")),
        EditItem::UseCalendar(meta) => ("use calendar", calendar_use(meta)),
        EditItem::Listing(meta) => ("listing", listing(meta)),
    }
}

fn coverage_file(meta: &CoverageRef) -> String {
    format!(
        "{} ({:016x}) of table id {}, {} ranges, {} bytes, checksum {:016x}, of commit {}",
        meta.name,
        meta.file,
        meta.table,
        meta.ranges,
        meta.bytes,
        meta.checksum,
        instant_iso(meta.commit)
    )
}

fn calendar(meta: &CalendarMeta) -> String {
    format!("{:?}, {} bytes of text", meta.name, meta.text.len())
}

fn calendar_use(meta: &CalendarUse) -> String {
    let of = match meta.series {
        Some(code) => format!("series code {code} of table id {}", meta.table),
        None => format!("table id {}", meta.table),
    };
    match &meta.calendar {
        Some(name) => format!("{of} goes by {name:?}"),
        None => format!("{of} goes by none of its own"),
    }
}

fn listing(meta: &ListingMeta) -> String {
    format!(
        "series code {} of table id {} from {} to {}",
        meta.series,
        meta.table,
        coverage::time(meta.start),
        coverage::time(meta.end)
    )
}

fn stream(meta: &StreamMeta) -> String {
    format!(
        "{:016x}, checkpoint {}, flushed to commit {}",
        meta.stream,
        meta.checkpoint,
        instant_iso(meta.flushed)
    )
}

pub(super) fn deletion(deletion: &Deletion) -> String {
    let series = match &deletion.series {
        None => "all series".to_owned(),
        Some(codes) => format!("{} series", codes.len()),
    };
    format!(
        "{:016x} in table id {}: {} to {}, {series}, committed before {}",
        deletion.deletion,
        deletion.table,
        instant_iso(deletion.start),
        instant_iso(deletion.end),
        instant_iso(deletion.commit)
    )
}

fn table(meta: &TableMeta) -> String {
    format!(
        "{:?} (id {}), {} columns, by {}",
        meta.name,
        meta.table,
        meta.columns.len(),
        meta.partition_unit.name()
    )
}

fn segment(meta: &SegmentRef) -> String {
    format!(
        "{} of table id {} in {}, {} rows, {} bytes, meta {}, {} of commits {} to {}",
        meta.directory,
        meta.table,
        meta.partition.path(),
        meta.rows,
        meta.bytes,
        hex64(meta.meta_checksum).as_str().unwrap_or_default(),
        format!("{:?}", meta.origin).to_lowercase(),
        instant_iso(meta.first_commit),
        instant_iso(meta.last_commit)
    )
}
