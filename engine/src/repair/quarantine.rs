//! `quarantine/`: the damaged files that a repair has put aside.
//!
//! - A note (`<name>.txt`) beside the place of the files says what was found. It is durable before the commit that takes
//!   the files out of use.
//! - Whoever collects garbage moves files that have a note instead of removing them, when no reader needs them any more.
//!   So a crash between commit and move loses nothing, and snapshots go on reading what is sound.
//! - Names hold the id beside the directory's name, which may come again.
//!
//! Nothing in it is ever read, checked or removed by gapless.

use gapless_format::{CoverageRef, SegmentRef, file_name};

use crate::coverage::{COVERAGE_DIRECTORY, coverage_path};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{EntryKind, FileLock, LockMode, RelPath, Storage};
use crate::segment::discard::remove_empty_parents;
use crate::segment::{create_with_parents, segment_path};

/// The directory.
pub(crate) fn directory() -> RelPath {
    RelPath::from_static("quarantine")
}

fn table_directory(table: &str) -> Result<RelPath> {
    let name = file_name(table).map_err(|error| Error::invalid(format!("table {table:?}: {error}")))?;
    directory().join(&name)
}

/// Where a damaged segment goes.
pub(crate) fn segment_place(table: &str, segment: &SegmentRef) -> Result<RelPath> {
    let partition = segment.partition.path();
    let path = partition
        .split('/')
        .try_fold(table_directory(table)?, |path, part| path.join(part))?;
    path.join(&format!("{}-{:016x}", segment.directory, segment.segment))
}

/// Where a damaged coverage file goes.
pub(crate) fn coverage_place(table: &str, file: &CoverageRef) -> Result<RelPath> {
    let stem = file.name.trim_end_matches(".cov");
    table_directory(table)?
        .join(COVERAGE_DIRECTORY)?
        .join(&format!("{stem}-{:016x}.cov", file.file))
}

fn note_of(place: &RelPath) -> Result<RelPath> {
    let name = place
        .name()
        .ok_or_else(|| Error::internal("a place without a name"))?;
    let parent = place
        .parent()
        .ok_or_else(|| Error::internal("a place at the root"))?;
    parent.join(&format!("{name}.txt"))
}

/// Whether what belongs to a place was put aside, or is to be.
pub(crate) fn has_note(storage: &dyn Storage, place: &RelPath) -> Result<bool> {
    Ok(storage.stamp(&note_of(place)?)?.is_some())
}

/// How many segments and coverage files were put aside, or are to be: each has a note.
///
/// # Errors
/// `Io`; `NotFound` when there never was a repair.
pub(crate) fn count(storage: &dyn Storage, directory: &RelPath) -> Result<usize> {
    let mut count = 0;
    for entry in storage.list(directory)? {
        let name = entry.name.as_str();
        match entry.kind {
            EntryKind::File if name.ends_with(".txt") => count += 1,
            // Nothing is looked for in a segment.
            EntryKind::Directory if !name.starts_with("s-") => {
                if let Ok(path) = directory.join(name) {
                    count += self::count(storage, &path)?;
                }
            }
            _ => {}
        }
    }
    Ok(count)
}

/// Keeps other repairs out as long as it is held: two must not go by one note.
///
/// # Errors
/// `Io`.
pub(super) fn lock(storage: &dyn Storage) -> Result<Option<Box<dyn FileLock>>> {
    match storage.create_dir(&directory()) {
        Err(error) if error.kind() == ErrorKind::Conflict => {} // It is there.
        created => {
            created?;
            storage.sync_dir(&RelPath::root())?;
        }
    }
    storage.lock(&directory().join("LOCK")?, LockMode::Exclusive, true)
}

/// A note whose commit has not come yet. Dropped, it goes again, and the files stay in use.
#[derive(Debug)]
pub(super) struct Note<'a> {
    storage: &'a dyn Storage,
    path: RelPath,
    is_kept: bool,
}

impl<'a> Note<'a> {
    /// Writes the note of a place; durable when this returns.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn write(storage: &'a dyn Storage, place: &RelPath, text: &str) -> Result<Self> {
        let path = note_of(place)?;
        let parent = path
            .parent()
            .ok_or_else(|| Error::internal("a note at the root"))?;
        let created = match storage.create(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match create_with_parents(storage, &parent) {
                    Err(error) if error.kind() == ErrorKind::Conflict => {} // It is there by now.
                    outcome => outcome?,
                }
                storage.create(&path)
            }
            created => created,
        };
        let mut note = Self {
            storage,
            path,
            is_kept: true,
        };
        match created {
            // An earlier repair was stopped around its commit: its note stays, whatever becomes of this one.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            created => {
                let mut file = created?;
                note.is_kept = false;
                file.append(text.as_bytes())?;
                file.sync()?;
            }
        }
        let mut at = Some(parent);
        while let Some(directory) = at {
            storage.sync_dir(&directory)?;
            at = directory.parent();
        }
        Ok(note)
    }

    /// The commit has happened, or may have.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = self.storage.remove_file(&self.path)
        {
            tracing::warn!(%error, "the note of a repair that was given up stays in quarantine");
        }
    }
}

/// Moves a removed segment to its place if it has a note; whether it has.
///
/// # Errors
/// `Io`.
pub(crate) fn take_segment(storage: &dyn Storage, table: &str, segment: &SegmentRef) -> Result<bool> {
    let place = segment_place(table, segment)?;
    if !has_note(storage, &place)? {
        return Ok(false);
    }
    let from = segment_path(table, segment.partition, &segment.directory)?;
    move_durably(storage, &from, &place)?;
    remove_empty_parents(storage, &from);
    Ok(true)
}

/// Moves a removed coverage file to its place if it has a note; whether it has.
///
/// # Errors
/// `Io`.
pub(crate) fn take_coverage(storage: &dyn Storage, table: &str, file: &CoverageRef) -> Result<bool> {
    let place = coverage_place(table, file)?;
    if !has_note(storage, &place)? {
        return Ok(false);
    }
    move_durably(storage, &coverage_path(table, &file.name)?, &place)?;
    Ok(true)
}

/// What is not there was moved before, or was what is damaged.
fn move_durably(storage: &dyn Storage, from: &RelPath, to: &RelPath) -> Result<()> {
    match storage.rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    }
    // The new name first: a crash between them leaves both or the new one.
    for path in [to, from] {
        match path.parent().map(|parent| storage.sync_dir(&parent)) {
            // Others collect garbage too, and remove directories that are empty.
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
