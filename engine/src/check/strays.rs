//! What lies in the directory and no version names: strange files, orphans, leftovers. Nothing is removed.
//!
//! While the manifest is damaged, nobody can tell what no version names: then one note says so, and only names that
//! no gapless makes are findings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gapless_format::{PartitionKey, Pin, decode_file_name};

use super::coverage::CoverageTarget;
use super::finding::{Finding, FindingKind, Severity, Sink};
use super::manifest::ManifestView;
use super::segment::Target;
use super::source::Source;
use crate::coverage::{COVERAGE_DIRECTORY, coverage_instance, coverage_path};
use crate::database::{garbage, pins};
use crate::error::ErrorKind;
use crate::io::{DirEntry, EntryKind, RelPath};
use crate::manifest::{Version, log};
use crate::repair::quarantine;
use crate::symbols;

/// What a database has at its root. What is in `wal` is for `wal.rs` to say; `leases` is made by later parts.
const DIRECTORIES: [&str; 8] = [
    "manifest",
    "symbols",
    "tables",
    "readers",
    "staging",
    "quarantine",
    "wal",
    "leases",
];
const MUST_BE_THERE: [&str; 4] = ["symbols", "tables", "readers", "staging"];

/// Looks at every name in the directory. `own` is the number of the check's own pin.
pub(super) fn check(source: &Source<'_>, view: &ManifestView, own: u32, sink: &Sink) {
    check_root(source, sink);
    check_manifest(source, view, sink);
    check_symbols(source, view, sink);
    check_pins(source, own, sink);
    check_staging(source, own, sink);
    check_tables(source, view, own, sink);
    note_quarantine(source, sink);
    if view.is_damaged {
        let message = "which segments, logs, checkpoints and symbols are in use cannot be told while the manifest is \
                       damaged; delete nothing";
        sink.add(Finding::note(FindingKind::Orphan, message).file(&log::directory()));
    }
}

/// Says what repairs have put aside. None of it is checked.
fn note_quarantine(source: &Source<'_>, sink: &Sink) {
    let directory = quarantine::directory();
    let Ok(kept) = quarantine::count(source.storage, &directory) else {
        return;
    };
    if kept > 0 {
        let message = format!(
            "repairs have put {kept} damaged segments and coverage files aside; they are not checked. Remove them when they \
             are of no more use"
        );
        sink.add(Finding::note(FindingKind::Quarantine, message).file(&directory));
    }
}

/// Findings of a segment that only snapshots need: once it is repaired in its table, they are no news.
pub(super) fn of_snapshots(source: &Source<'_>, target: &Target, sink: Sink) -> Sink {
    let place = quarantine::segment_place(&target.table.name, &target.reference);
    match place.is_ok_and(|place| quarantine::has_note(source.storage, &place).unwrap_or(false)) {
        true => known_damage(sink),
        false => sink,
    }
}

/// As [`of_snapshots`], of a coverage file.
pub(super) fn coverage_of_snapshots(source: &Source<'_>, target: &CoverageTarget, sink: Sink) -> Sink {
    let place = quarantine::coverage_place(&target.table.name, &target.reference);
    match place.is_ok_and(|place| quarantine::has_note(source.storage, &place).unwrap_or(false)) {
        true => known_damage(sink),
        false => sink,
    }
}

fn known_damage(sink: Sink) -> Sink {
    let notes = Sink::default();
    for mut finding in sink.into_found().0 {
        finding.severity = Severity::Note;
        finding.message = format!(
            "only a named snapshot needs this, and reads of it fail here: drop the snapshot to have done with it. {}",
            finding.message
        );
        notes.add(finding);
    }
    notes
}

pub(super) fn list(source: &Source<'_>, path: &RelPath, sink: &Sink) -> Vec<(RelPath, DirEntry)> {
    let entries = match source.storage.list(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            sink.add(Finding::of_error(path, &error));
            return Vec::new();
        }
    };
    let with_path = |entry: DirEntry| match path.join(&entry.name) {
        Ok(path) => Some((path, entry)),
        Err(_) => {
            sink.add(stray(path, &entry));
            None
        }
    };
    entries.into_iter().filter_map(with_path).collect()
}

pub(super) fn stray(path: &RelPath, entry: &DirEntry) -> Finding {
    let what = match entry.kind {
        EntryKind::File => "a file",
        EntryKind::Directory => "a directory",
        EntryKind::Other => "a symbolic link, device or the like, which is never followed",
    };
    let message = format!("{what} that gapless does not know: look at it and remove it");
    Finding::warning(FindingKind::Stray, message).file(path)
}

fn leftover(path: &RelPath, what: &str) -> Finding {
    let message = format!("{what}; the next garbage collection removes it");
    Finding::note(FindingKind::Leftover, message).file(path)
}

fn check_root(source: &Source<'_>, sink: &Sink) {
    let entries = list(source, &RelPath::root(), sink);
    for (path, entry) in &entries {
        match (entry.name.as_str(), entry.kind) {
            ("GAPLESS", EntryKind::File) => {}
            ("GAPLESS.new", EntryKind::File) => {
                sink.add(leftover(path, "left by a crash while the database was made"));
            }
            (name, EntryKind::Directory) if DIRECTORIES.contains(&name) => {}
            _ => sink.add(stray(path, entry)),
        }
    }
    for name in MUST_BE_THERE {
        if !entries.iter().any(|(_, entry)| entry.name == name) {
            let path = RelPath::from_static(name);
            let message = "the directory is missing: make it again, empty";
            sink.add(Finding::warning(FindingKind::Missing, message).file(&path));
        }
    }
}

fn check_manifest(source: &Source<'_>, view: &ManifestView, sink: &Sink) {
    let kept: BTreeSet<u64> = view
        .version
        .iter()
        .flat_map(|version| version.snapshots().map(|(_, number)| number))
        .collect();
    for (path, entry) in list(source, &log::directory(), sink) {
        let name = entry.name.as_str();
        let is_file = entry.kind == EntryKind::File;
        let number = log::log_number(name);
        let snapshot = log::snapshot_number(name);
        match () {
            () if is_file && ["CURRENT", "LOCK", "CREATE"].contains(&name) => {}
            () if is_file && name == "CURRENT.new" => {
                if !view.is_damaged {
                    sink.add(leftover(&path, "left by a crash while the log was switched"));
                }
            }
            () if is_file && number.is_some() => {
                if !view.is_damaged && number != view.log {
                    sink.add(leftover(&path, "a log that is not in use"));
                }
            }
            () if is_file && snapshot.is_some() => {
                if !view.is_damaged && !snapshot.is_some_and(|number| kept.contains(&number)) {
                    sink.add(leftover(&path, "the checkpoint of a snapshot that has no name"));
                }
            }
            () => sink.add(stray(&path, &entry)),
        }
    }
}

fn check_symbols(source: &Source<'_>, view: &ManifestView, sink: &Sink) {
    for (path, entry) in list(source, &symbols::directory(), sink) {
        let domain = |extension: &str| decode_file_name(entry.name.strip_suffix(extension)?);
        let known = |name: &str| {
            let version = view.version.as_ref();
            version.is_none_or(|version| version.domain(name).is_some())
        };
        match (domain(".sym"), domain(".lock")) {
            _ if entry.kind != EntryKind::File => sink.add(stray(&path, &entry)),
            (Some(name), _) if view.is_damaged || known(&name) => {}
            (Some(_), _) => {
                let message =
                    "symbols that no commit names yet; the next write to this domain takes them over";
                sink.add(Finding::note(FindingKind::SymbolsUncommitted, message).file(&path));
            }
            (None, Some(_)) => {}
            (None, None) => sink.add(stray(&path, &entry)),
        }
    }
}

fn check_pins(source: &Source<'_>, own: u32, sink: &Sink) {
    for (path, entry) in list(source, &pins::directory(), sink) {
        let hex = entry.name.strip_suffix(".pin").filter(|hex| hex.len() == 8);
        let instance = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match instance {
            Some(instance) if entry.kind == EntryKind::File => {
                if instance != own {
                    check_pin(source, &path, instance, sink);
                }
            }
            _ => sink.add(stray(&path, &entry)),
        }
    }
}

fn check_pin(source: &Source<'_>, path: &RelPath, instance: u32, sink: &Sink) {
    match pins::is_alive(source.storage, instance) {
        Ok(true) => {
            let bytes = source.storage.read(path, 4096).unwrap_or_default();
            // With no content it protects everything, which is what a process begins with.
            if !bytes.is_empty() && Pin::decode(&bytes).is_err() {
                let message =
                    "the pin of a living process is not readable: nothing is removed while it lives";
                sink.add(Finding::note(FindingKind::Leftover, message).file(path));
            }
        }
        Ok(false) => sink.add(leftover(path, "the pin of a process that is gone")),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => sink.add(Finding::of_error(path, &error)),
    }
}

fn check_staging(source: &Source<'_>, own: u32, sink: &Sink) {
    for (path, entry) in list(source, &RelPath::from_static("staging"), sink) {
        let owner = entry
            .name
            .strip_suffix(".spill")
            .and_then(|name| name.split_once('-'))
            .and_then(|(hex, _)| u32::from_str_radix(hex, 16).ok());
        match owner {
            Some(owner) if entry.kind == EntryKind::File => {
                let alive = owner == own || pins::is_alive(source.storage, owner).unwrap_or(true);
                if !alive {
                    sink.add(leftover(&path, "rows that a process sorted before it died"));
                }
            }
            _ => sink.add(stray(&path, &entry)),
        }
    }
}

/// What was found in the directories of tables, with the process that made each.
#[derive(Debug, Default)]
struct Found {
    /// Directories of segments.
    segments: Vec<(RelPath, u32)>,
    coverage: Vec<(RelPath, u32)>,
}

fn check_tables(source: &Source<'_>, view: &ManifestView, own: u32, sink: &Sink) {
    let mut found = Found::default();
    let tables = RelPath::from_static("tables");
    for (path, entry) in list(source, &tables, sink) {
        if entry.kind == EntryKind::Directory && decode_file_name(&entry.name).is_some() {
            walk(source, &path, "", &mut found, sink);
        } else {
            sink.add(stray(&path, &entry));
        }
    }
    let Some(version) = view.version.as_ref().filter(|_| !view.is_damaged) else {
        return;
    };
    // Asked before the version is read again, so what a process committed before it died is in that version.
    let mut alive: BTreeMap<u32, bool> = BTreeMap::new();
    for (_, owner) in found.segments.iter().chain(&found.coverage) {
        alive
            .entry(*owner)
            .or_insert_with(|| *owner == own || pins::is_alive(source.storage, *owner).unwrap_or(true));
    }
    let is_alive = |owner: u32| alive.get(&owner).copied().unwrap_or(true);
    let newest = view
        .database
        .and_then(|id| log::load(source.storage, id).ok())
        .map(|(version, _)| Arc::new(version));
    let newest = newest.as_ref().unwrap_or(version);
    check_segments(&found.segments, newest, is_alive, sink);
    check_coverage(&found.coverage, newest, is_alive, sink);
}

fn check_segments(found: &[(RelPath, u32)], newest: &Version, is_alive: impl Fn(u32) -> bool, sink: &Sink) {
    let Ok(named) = garbage::named_segments(newest) else {
        return;
    };
    let waiting = waiting_segments(newest);
    for (path, owner) in found {
        let finding = if waiting.contains(path) {
            leftover(path, "a removed segment that no snapshot needs")
        } else if named.contains(path) {
            continue;
        } else if is_alive(*owner) {
            let message = "files of a segment that its process has not committed yet";
            Finding::note(FindingKind::Orphan, message).file(path)
        } else {
            let message = "files of a segment that no version names, left by a process that died; the next garbage \
                           collection removes them";
            Finding::warning(FindingKind::Orphan, message).file(path)
        };
        sink.add(finding);
    }
}

/// As segments, but for the severity: a coverage file is small.
fn check_coverage(found: &[(RelPath, u32)], newest: &Version, is_alive: impl Fn(u32) -> bool, sink: &Sink) {
    let Ok(named) = garbage::named_coverage(newest) else {
        return;
    };
    let waiting = waiting_coverage(newest);
    for (path, owner) in found {
        let finding = if waiting.contains(path) {
            leftover(path, "a removed coverage file that no snapshot needs")
        } else if named.contains(path) {
            continue;
        } else if is_alive(*owner) {
            let message = "a coverage file that its process has not committed yet";
            Finding::note(FindingKind::Orphan, message).file(path)
        } else {
            leftover(
                path,
                "a coverage file that no version names, left by a process that died",
            )
        };
        sink.add(finding);
    }
}

/// Removed segments whose files no named snapshot needs; a reader may.
fn waiting_segments(version: &Version) -> BTreeSet<RelPath> {
    version
        .removed()
        .filter(|removed| !garbage::is_needed(removed, u64::MAX, version))
        .filter_map(|removed| {
            let segment = &removed.segment;
            crate::segment::segment_path(&removed.table_name, segment.partition, &segment.directory).ok()
        })
        .collect()
}

/// Removed coverage files that no named snapshot needs; a reader may.
fn waiting_coverage(version: &Version) -> BTreeSet<RelPath> {
    version
        .removed_coverage()
        .filter(|removed| !garbage::is_coverage_needed(removed, u64::MAX, version))
        .filter_map(|removed| coverage_path(&removed.table_name, &removed.coverage.name).ok())
        .collect()
}

/// Goes through the coverage files of a table.
fn walk_coverage(source: &Source<'_>, directory: &RelPath, found: &mut Found, sink: &Sink) {
    for (path, entry) in list(source, directory, sink) {
        match coverage_instance(&entry.name) {
            Some(owner) if entry.kind == EntryKind::File => found.coverage.push((path, owner)),
            _ => sink.add(stray(&path, &entry)),
        }
    }
}

/// Goes through the partitions of a table; `partition` is the path of the one that `directory` is, or empty.
fn walk(source: &Source<'_>, directory: &RelPath, partition: &str, found: &mut Found, sink: &Sink) {
    let entries = list(source, directory, sink);
    if entries.is_empty() && !partition.is_empty() {
        let message = "an empty partition, left by a crash; it holds no rows";
        sink.add(Finding::note(FindingKind::Leftover, message).file(directory));
    }
    for (path, entry) in entries {
        let inner = match partition {
            "" => entry.name.clone(),
            outer => format!("{outer}/{}", entry.name),
        };
        let is_directory = entry.kind == EntryKind::Directory;
        match garbage::instance_of(&entry.name) {
            Some(owner) if is_directory && !partition.is_empty() => found.segments.push((path, owner)),
            None if is_directory && partition.is_empty() && entry.name == COVERAGE_DIRECTORY => {
                walk_coverage(source, &path, found, sink);
            }
            None if is_directory && PartitionKey::parse(&inner).is_some() => {
                walk(source, &path, &inner, found, sink);
            }
            _ => sink.add(stray(&path, &entry)),
        }
    }
}
