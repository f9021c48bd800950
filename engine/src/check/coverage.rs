//! Coverage files: those that the manifest names, whole, and the calendars.
//!
//! A file is read at once: it is written at once too, and becomes no larger than what one merge held in memory.

use std::collections::HashSet;
use std::sync::Arc;

use gapless_format::{ColumnType, CoverageFile, CoverageRef, NULL_CODE, TableMeta};

use super::finding::{Finding, FindingKind, Sink};
use super::manifest::ManifestView;
use super::source::Source;
use super::symbols::Counts;
use crate::calendar::Calendar;
use crate::coverage::coverage_path;
use crate::io::RelPath;
use crate::manifest::Version;
use crate::manifest::log;

const RESTORE: &str = "restore the file from a copy, or state again what is covered";

/// A coverage file to check.
#[derive(Debug, Clone)]
pub(super) struct CoverageTarget {
    /// Its table at the version that needs it.
    pub(super) table: Arc<TableMeta>,
    /// What the manifest says of it.
    pub(super) reference: Arc<CoverageRef>,
}

/// Checks one coverage file.
pub(super) fn check(
    source: &Source<'_>,
    target: &CoverageTarget,
    database: Option<u128>,
    symbols: &Counts,
) -> Sink {
    let sink = Sink::of_table(&target.table.name);
    let reference = &target.reference;
    let Ok(path) = coverage_path(&target.table.name, &reference.name) else {
        return sink;
    };
    let Some(bytes) = source.whole(&path, &sink) else {
        return sink;
    };
    let wrong = |message: String| sink.add(Finding::error(FindingKind::Coverage, message).file(&path));
    let found = bytes.last_chunk().map_or(0, |sum| u64::from_le_bytes(*sum));
    if bytes.len() as u64 != reference.bytes || found != reference.checksum {
        wrong(format!(
            "it is not the file that was committed: {} bytes with checksum {found:#018x}, expected {} with {:#018x}; \
             {RESTORE}",
            bytes.len(),
            reference.bytes,
            reference.checksum
        ));
    }
    let file = match CoverageFile::parse(&bytes) {
        Ok(file) => file,
        Err(error) => {
            sink.add(Finding::of_format(FindingKind::Coverage, &path, &error, RESTORE));
            return sink;
        }
    };
    if database.is_some_and(|id| id != file.database()) {
        wrong(format!(
            "it belongs to database {:032x}; {RESTORE}",
            file.database()
        ));
    }
    let ranges = file.keys().last().map_or(0, |(_, places)| places.end as u64);
    let facts = [
        ("id", file.file(), reference.file),
        ("number of ranges", ranges, reference.ranges),
    ];
    for (name, found, expected) in facts.into_iter().filter(|(_, found, expected)| found != expected) {
        wrong(format!("{name} {found}, the manifest says {expected}; {RESTORE}"));
    }
    check_series(&path, &file, &target.table, symbols, &sink);
    sink
}

/// Every series is a symbol that was committed.
fn check_series(path: &RelPath, file: &CoverageFile, table: &TableMeta, symbols: &Counts, sink: &Sink) {
    let column = table.series_column.and_then(|id| table.column(id));
    let count = match column.map(|column| &column.column_type) {
        Some(ColumnType::Symbol { domain }) => symbols.get(domain).copied().unwrap_or(0),
        _ => 0,
    };
    let codes = file.keys().iter().filter_map(|(key, _)| key.series);
    if let Some(code) = codes
        .filter(|code| *code != NULL_CODE)
        .find(|code| *code >= count)
    {
        let message =
            format!("series {code}, and the table's domain has {count} committed symbols; {RESTORE}");
        sink.add(Finding::error(FindingKind::SymbolCode, message).file(path));
    }
}

/// Every calendar of the version and of the snapshots can be read.
pub(super) fn check_calendars(view: &ManifestView, version: &Version, sink: &Sink) {
    let path = view.log.and_then(|number| log::log_path(number).ok());
    let path = path.unwrap_or_else(log::directory);
    let newest = std::iter::once((version, path));
    let snapshots = view.snapshots.iter().filter_map(|(_, version)| {
        let path = log::snapshot_path(version.number()).ok()?;
        Some((&**version, path))
    });
    let mut seen = HashSet::new();
    for (version, path) in newest.chain(snapshots) {
        for calendar in version.calendars() {
            if seen.insert((&calendar.name, &calendar.text))
                && let Err(error) = Calendar::from_text(&calendar.text)
            {
                let message = format!(
                    "calendar {:?} of version {} cannot be read: {error}; replace it, no gaps of what goes by it can be \
                     told until then",
                    calendar.name, calendar.changed
                );
                sink.add(Finding::error(FindingKind::Calendar, message).file(&path));
            }
        }
    }
}
