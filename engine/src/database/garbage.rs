//! Removes what nothing needs any more: removed segments, files of dead processes, old logs and checkpoints.
//!
//! - Order matters: what is removed is decided by a version that was read *before* the pins were listed, so a
//!   reader that registers later reads that version or a newer one and does not need it.
//! - A directory of a segment, or a coverage file, that no version names is removed only if the process that made it is dead.
//! - Damaged files that a repair has taken out of use move to `quarantine/`.
//! - What gapless does not know is left alone.

use std::collections::BTreeSet;

use gapless_format::{EditItem, RemovedCoverage, RemovedSegment};

use super::engine::{Engine, staging};
use super::pins::{self, Others};
use crate::coverage::{COVERAGE_DIRECTORY, coverage_instance, coverage_path, remove_coverage};
use crate::error::{ErrorKind, Result};
use crate::io::{DirEntry, EntryKind, RelPath, Storage};
use crate::manifest::{Version, log};
use crate::repair::quarantine;
use crate::segment::discard::remove_segment;
use crate::segment::segment_path;
use crate::stream::remove_ended;

#[cfg(test)]
mod tests;

/// Depth of segment directories under `tables`: table, day, and an hour perhaps.
const SEGMENT_DEPTH_MAX: usize = 3;
/// Depth of coverage directories under `tables`, in which there are only files.
const COVERAGE_DEPTH: usize = 2;

/// What a garbage collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GarbageReport {
    /// Segments that a commit had removed.
    pub segments: usize,
    /// Segments that no commit ever named, left by a process that died.
    pub orphans: usize,
    /// Coverage files that are not used, other files of dead processes, logs and checkpoints.
    pub files: usize,
    /// Removed segments that a snapshot or reader still needs.
    pub kept: usize,
}

pub(crate) fn collect(engine: &Engine) -> Result<GarbageReport> {
    // A durable version: files must not go because of a commit that a power cut may still undo.
    let version = engine.manifest().with_lock(|version, _| Ok(version.clone()))?;
    let own = engine.pins().publish(|| engine.manifest().current().number())?;
    // Listed before the living are: who made one of them and lives has registered by then.
    let unfinished = Unfinished::list(engine)?;
    let others = pins::read_others(&**engine.storage(), engine.pins().instance())?;
    let oldest = others.oldest.map_or(own, |oldest| oldest.min(own));
    let mut report = GarbageReport::default();
    remove_dead_segments(engine, &version, oldest, &mut report)?;
    remove_orphans(engine, unfinished.segments, &others, &mut report)?;
    remove_coverage_of_the_dead(engine, unfinished.coverage, &others, &mut report)?;
    remove_empty_directories(&**engine.storage(), &tables(), 0)?;
    remove_staging(engine, unfinished.spills, &others, &mut report)?;
    remove_manifest_files(engine, &mut report)?;
    report.files += remove_ended(engine)?;
    Ok(report)
}

/// As [`collect`], only what commits have removed: looks into no directory, so its cost is that of what it removes.
pub(crate) fn collect_removed(engine: &Engine) -> Result<GarbageReport> {
    let version = engine.manifest().with_lock(|version, _| Ok(version.clone()))?;
    let own = engine.pins().publish(|| engine.manifest().current().number())?;
    let others = pins::read_others(&**engine.storage(), engine.pins().instance())?;
    let oldest = others.oldest.map_or(own, |oldest| oldest.min(own));
    let mut report = GarbageReport::default();
    remove_dead_segments(engine, &version, oldest, &mut report)?;
    Ok(report)
}

/// Whether a reader of `oldest` or later, or a named snapshot, may read it.
pub(crate) fn is_needed(removed: &RemovedSegment, oldest: u64, version: &Version) -> bool {
    may_be_read(removed.segment.created, removed.removed, oldest, version)
}

/// As [`is_needed`], of a coverage file.
pub(crate) fn is_coverage_needed(removed: &RemovedCoverage, oldest: u64, version: &Version) -> bool {
    may_be_read(removed.coverage.created, removed.removed, oldest, version)
}

/// Whether what one version made and another removed is read by a reader of `oldest` or later, or a named snapshot.
fn may_be_read(created: u64, removed: u64, oldest: u64, version: &Version) -> bool {
    removed > oldest
        || version
            .snapshots()
            .any(|(_, number)| created <= number && number < removed)
}

fn remove_dead_segments(
    engine: &Engine,
    version: &Version,
    oldest: u64,
    report: &mut GarbageReport,
) -> Result<()> {
    let storage = &**engine.storage();
    // What a repair has put aside is moved and not removed.
    let has_quarantine = storage.stamp(&quarantine::directory())?.is_some();
    let mut purged = Vec::new();
    for removed in version.removed() {
        if is_needed(removed, oldest, version) {
            report.kept += 1;
            continue;
        }
        let segment = &removed.segment;
        let is_kept = has_quarantine && quarantine::take_segment(storage, &removed.table_name, segment)?;
        if !is_kept {
            let path = segment_path(&removed.table_name, segment.partition, &segment.directory)?;
            remove_segment(storage, &path)?;
        }
        purged.push(segment.segment);
    }
    report.segments = purged.len();
    for removed in version.removed_coverage() {
        if is_coverage_needed(removed, oldest, version) {
            continue; // Not counted as kept: a few small files.
        }
        let (table, file) = (&removed.table_name, &removed.coverage);
        if !(has_quarantine && quarantine::take_coverage(storage, table, file)?) {
            remove_coverage(storage, table, &file.name)?;
        }
        purged.push(removed.coverage.file);
        report.files += 1;
    }
    if !purged.is_empty() {
        engine.commit(|_, _| Ok(vec![EditItem::Purged { segments: purged }]))?;
    }
    Ok(())
}

/// Files that are of use only to the process that makes them, until a commit names them.
struct Unfinished {
    segments: Vec<(RelPath, u32)>,
    coverage: Vec<(RelPath, u32)>,
    spills: Vec<(RelPath, u32)>,
}

impl Unfinished {
    fn list(engine: &Engine) -> Result<Self> {
        let storage = &**engine.storage();
        let mut segments = Vec::new();
        walk_segments(storage, &tables(), 0, &mut |path, instance| {
            segments.push((path.clone(), instance));
        })?;
        let coverage = list_coverage(storage)?;
        let mut spills = Vec::new();
        for entry in storage.list(&staging())? {
            let owner = entry
                .name
                .split_once('-')
                .map(|(hex, _)| u32::from_str_radix(hex, 16));
            if let (Some(Ok(owner)), true) = (owner, entry.name.ends_with(".spill")) {
                spills.push((staging().join(&entry.name)?, owner));
            }
        }
        Ok(Self {
            segments,
            coverage,
            spills,
        })
    }
}

/// Those whose process is dead.
fn of_the_dead<'a>(
    engine: &'a Engine,
    others: &'a Others,
    files: Vec<(RelPath, u32)>,
) -> impl Iterator<Item = RelPath> + 'a {
    let is_dead = |owner: u32| owner != engine.pins().instance() && !others.alive.contains(&owner);
    files
        .into_iter()
        .filter(move |(_, owner)| is_dead(*owner))
        .map(|(path, _)| path)
}

/// Segment directories whose process is dead and that no version names.
fn remove_orphans(
    engine: &Engine,
    segments: Vec<(RelPath, u32)>,
    others: &Others,
    report: &mut GarbageReport,
) -> Result<()> {
    let storage = &**engine.storage();
    let found: Vec<RelPath> = of_the_dead(engine, others, segments).collect();
    if found.is_empty() {
        return Ok(());
    }
    // Read after the owners were found dead: whatever they committed is in it.
    let named = named_segments(&*engine.refresh()?)?;
    for path in found.iter().filter(|path| !named.contains(*path)) {
        remove_segment(storage, path)?;
        report.orphans += 1;
    }
    Ok(())
}

/// Coverage files whose process is dead and that no version names.
fn remove_coverage_of_the_dead(
    engine: &Engine,
    coverage: Vec<(RelPath, u32)>,
    others: &Others,
    report: &mut GarbageReport,
) -> Result<()> {
    let found: Vec<RelPath> = of_the_dead(engine, others, coverage).collect();
    if found.is_empty() {
        return Ok(());
    }
    // Read after the owners were found dead: whatever they committed is in it.
    let named = named_coverage(&*engine.refresh()?)?;
    for path in found.iter().filter(|path| !named.contains(*path)) {
        log::remove_if_there(&**engine.storage(), path)?;
        report.files += 1;
    }
    Ok(())
}

/// All coverage files that a version names, live or removed.
pub(crate) fn named_coverage(version: &Version) -> Result<BTreeSet<RelPath>> {
    let live = version.tables().flat_map(|table| {
        let files = table.coverage().iter();
        files.map(|file| coverage_path(&table.meta().name, &file.name))
    });
    let removed = version
        .removed_coverage()
        .map(|removed| coverage_path(&removed.table_name, &removed.coverage.name));
    live.chain(removed).collect()
}

/// Every coverage file, with the number of the process that made it.
fn list_coverage(storage: &dyn Storage) -> Result<Vec<(RelPath, u32)>> {
    let mut found = Vec::new();
    for table in directories(storage, &tables())? {
        for directory in directories(storage, &table)? {
            if directory.name() != Some(COVERAGE_DIRECTORY) {
                continue;
            }
            for entry in entries(storage, &directory)? {
                let instance = coverage_instance(&entry.name).filter(|_| entry.kind == EntryKind::File);
                if let Some(instance) = instance {
                    found.push((directory.join(&entry.name)?, instance));
                }
            }
        }
    }
    Ok(found)
}

/// The entries of a directory; none when it is not there.
fn entries(storage: &dyn Storage, directory: &RelPath) -> Result<Vec<DirEntry>> {
    match storage.list(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries,
    }
}

/// The directories in a directory, but for those with names that no path has.
fn directories(storage: &dyn Storage, directory: &RelPath) -> Result<Vec<RelPath>> {
    let entries = entries(storage, directory)?;
    let found = entries.iter().filter(|entry| entry.kind == EntryKind::Directory);
    Ok(found
        .filter_map(|entry| directory.join(&entry.name).ok())
        .collect())
}

/// The directories of all segments that a version names, live or removed.
pub(crate) fn named_segments(version: &Version) -> Result<BTreeSet<RelPath>> {
    let live = version.tables().flat_map(|table| {
        table
            .segments()
            .map(|segment| segment_path(&table.meta().name, segment.partition, &segment.directory))
    });
    let removed = version.removed().map(|removed| {
        segment_path(
            &removed.table_name,
            removed.segment.partition,
            &removed.segment.directory,
        )
    });
    live.chain(removed).collect()
}

/// Calls `visit` with each segment directory and the number of the process that made it.
pub(crate) fn walk_segments(
    storage: &dyn Storage,
    directory: &RelPath,
    depth: usize,
    visit: &mut dyn FnMut(&RelPath, u32),
) -> Result<()> {
    let entries = entries(storage, directory)?;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Directory) {
        let Ok(path) = directory.join(&entry.name) else {
            continue;
        };
        // A table may be called like a segment; the directories right below `tables` are those of tables.
        match instance_of(&entry.name).filter(|_| depth > 0) {
            Some(instance) => visit(&path, instance),
            None if depth < SEGMENT_DEPTH_MAX => walk_segments(storage, &path, depth + 1, visit)?,
            None => {}
        }
    }
    Ok(())
}

/// Directories of tables, partitions and coverage in which nothing is left. Who makes a file there at the same time
/// makes them again.
fn remove_empty_directories(storage: &dyn Storage, directory: &RelPath, depth: usize) -> Result<bool> {
    let entries = match storage.list(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        entries => entries?,
    };
    let mut is_empty = true;
    let is_coverage = depth == COVERAGE_DEPTH && directory.name() == Some(COVERAGE_DIRECTORY);
    for entry in &entries {
        let ours = entry.kind == EntryKind::Directory && depth < SEGMENT_DEPTH_MAX && !is_coverage;
        is_empty &= ours
            && (depth == 0 || instance_of(&entry.name).is_none())
            && remove_empty_directories(storage, &directory.join(&entry.name)?, depth + 1)?;
    }
    if is_empty && depth > 0 {
        match storage.remove_dir(directory) {
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(false),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(is_empty)
}

fn tables() -> RelPath {
    RelPath::from_static("tables")
}

/// The process number in a segment's directory name.
pub(crate) fn instance_of(name: &str) -> Option<u32> {
    let (instance, sequence) = name.strip_prefix("s-")?.split_once('-')?;
    u32::from_str_radix(sequence, 16).ok()?;
    (instance.len() == 8)
        .then(|| u32::from_str_radix(instance, 16).ok())
        .flatten()
}

fn remove_staging(
    engine: &Engine,
    spills: Vec<(RelPath, u32)>,
    others: &Others,
    report: &mut GarbageReport,
) -> Result<()> {
    for path in of_the_dead(engine, others, spills) {
        log::remove_if_there(&**engine.storage(), &path)?;
        report.files += 1;
    }
    Ok(())
}

/// Logs other than the current one, and checkpoints of snapshots that were dropped.
fn remove_manifest_files(engine: &Engine, report: &mut GarbageReport) -> Result<()> {
    let removed = engine.manifest().with_lock(|version, current_log| {
        let mut removed = 0;
        for entry in engine.storage().list(&log::directory())? {
            // A later one was left by a process that ended before CURRENT named it.
            let unused_log = log::log_number(&entry.name).is_some_and(|number| number != current_log);
            let unused_snapshot = log::snapshot_number(&entry.name)
                .is_some_and(|number| version.snapshots().all(|(_, kept)| kept != number));
            if unused_log || unused_snapshot || log::is_temporary(&entry.name) {
                log::remove_if_there(&**engine.storage(), &log::directory().join(&entry.name)?)?;
                removed += 1;
            }
        }
        Ok(removed)
    })?;
    report.files += removed;
    Ok(())
}
