//! The manifest's file: a header, a checkpoint of one version, and the edits since.
//!
//! - `manifest/CURRENT` names the log in use; it is replaced by rename, after the new log is durable.
//! - Readers take whole, valid records only. An incomplete record at the end is a commit under way, or one that
//!   a crash cut off; nobody was told that it happened.
//! - `manifest/LOCK` is the commit lock. Its content says how far the log was durable at the last commit, so a
//!   log that ends earlier, or is damaged before that, is corrupt and not merely shorter.

use std::sync::Arc;

use gapless_format::{
    Current, HEADER_LEN, LogHeader, RecordBody, RecordOutcome, Tail, decode_record, encode_record,
};

use super::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileLock, FileStamp, RelPath, Storage, WritableFile};

/// Largest CURRENT or LOCK content that is read.
const SMALL_FILE_MAX: u64 = 4096;
/// Retries when the log that CURRENT names was replaced between two reads.
const SWITCH_RETRIES: usize = 100;

/// How far a record behind a damaged one may be from the last one that was read.
const VERSIONS_AHEAD_MAX: u64 = 1 << 20;

/// Paths of the manifest.
pub(crate) fn directory() -> RelPath {
    RelPath::from_static("manifest")
}

/// The commit lock.
pub(crate) fn lock_path() -> RelPath {
    RelPath::from_static("manifest/LOCK")
}

fn current_path() -> RelPath {
    RelPath::from_static("manifest/CURRENT")
}

/// The log of a number.
pub(crate) fn log_path(number: u64) -> Result<RelPath> {
    directory().join(&format!("{number:010}.log"))
}

/// The next CURRENT before it gets its name.
const CURRENT_NEW: &str = "CURRENT.new";

/// Whether a file is one that a crash left on its way to its name.
pub(crate) fn is_temporary(name: &str) -> bool {
    name == CURRENT_NEW
}

/// The number of a log's file name.
pub(crate) fn log_number(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}

/// The version of a snapshot checkpoint's file name.
pub(crate) fn snapshot_number(name: &str) -> Option<u64> {
    name.strip_prefix("snapshot-")?
        .strip_suffix(".ckpt")?
        .parse()
        .ok()
}

/// The checkpoint that keeps a named snapshot's version.
pub(crate) fn snapshot_path(version: u64) -> Result<RelPath> {
    directory().join(&format!("snapshot-{version:010}.ckpt"))
}

/// How far this process has read the log.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    /// The log's number.
    pub(crate) log: u64,
    /// Bytes of it that are valid and applied.
    pub(crate) len: u64,
    /// Bytes that its checkpoint took, to decide when the next one is due.
    pub(crate) checkpoint_len: u64,
    /// There is something after `len` that is not a record.
    pub(crate) torn: bool,
    /// What CURRENT was when it was read.
    current: Option<FileStamp>,
    /// Database id that logs must carry.
    database: u128,
}

/// Reads the manifest from its beginning.
///
/// # Errors
/// `Corrupt` with file and offset; `Unsupported` for a newer format.
pub(crate) fn load(storage: &dyn Storage, database: u128) -> Result<(Version, Position)> {
    for _ in 0..SWITCH_RETRIES {
        let current = storage.stamp(&current_path())?;
        let number = read_current(storage)?;
        match load_log(storage, database, number, current) {
            // The log was replaced and removed after CURRENT was read: read CURRENT again.
            Err(error)
                if error.kind() == ErrorKind::NotFound && storage.stamp(&current_path())? != current => {}
            outcome => {
                let log = log_path(number)?;
                return outcome.map_err(|error| error.missing_is_corrupt(log));
            }
        }
    }
    Err(Error::corrupt(
        "manifest/CURRENT changes faster than it can be read".to_owned(),
    ))
}

fn read_current(storage: &dyn Storage) -> Result<u64> {
    let bytes = storage
        .read(&current_path(), SMALL_FILE_MAX)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::corrupt("manifest/CURRENT is missing: it names the log that is in use".to_owned())
            }
            _ => error,
        })?;
    let current = Current::decode(&bytes).map_err(|error| Error::from_format("manifest/CURRENT", &error))?;
    Ok(current.log)
}

fn load_log(
    storage: &dyn Storage,
    database: u128,
    number: u64,
    current: Option<FileStamp>,
) -> Result<(Version, Position)> {
    let path = log_path(number)?;
    // Read before the log: a commit that ends between the two reads must not look like a log that was cut.
    let tail = read_tail(storage)?;
    let mut bytes = read_from(storage, &path, 0)?;
    let name = path.to_string();
    let header = LogHeader::decode(&bytes).map_err(|error| Error::from_format(&name, &error))?;
    if header.number != number || header.database != database {
        return Err(Error::corrupt(format!(
            "{name} is log {} of database {:032x}, expected log {number} of {database:032x}: a file of another \
             database or an older copy was put here",
            header.number, header.database
        )));
    }
    let mut position = Position {
        log: number,
        len: HEADER_LEN as u64,
        checkpoint_len: 0,
        torn: false,
        current,
        database,
    };
    if let Some(len) = suspect_after(tail, number) {
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        position.torn = true;
    }
    let mut version = None;
    let records = bytes.get(HEADER_LEN..).unwrap_or_default();
    replay(&name, records, &mut position, &mut version)?;
    check_tail(storage, &position, tail)?;
    let unread = usize::try_from(position.len).unwrap_or(usize::MAX);
    check_end(
        &name,
        bytes.get(unread..).unwrap_or_default(),
        &position,
        version.as_ref(),
    )?;
    let version = version.ok_or_else(|| Error::corrupt(format!("{name} holds no checkpoint")))?;
    Ok((version, position))
}

/// Where a log ends whose last sync has failed: what follows may be in memory only, and nobody was told that it
/// happened.
fn suspect_after(tail: Option<Tail>, log: u64) -> Option<u64> {
    tail.filter(|tail| tail.suspect && tail.log == log)
        .map(|tail| tail.committed_len)
}

/// Refuses a log in which a whole record follows what is not one: that is damage, and no commit that was cut off.
///
/// A record is written only after the one before it is durable, so only the last one can be incomplete.
fn check_end(name: &str, rest: &[u8], position: &Position, version: Option<&Version>) -> Result<()> {
    let read = version.map_or(0, Version::number);
    let follows = (1..rest.len()).find(|at| {
        let candidate = rest.get(*at..).unwrap_or_default();
        let version = candidate.get(8..16).and_then(|bytes| bytes.try_into().ok());
        // The cheap look at the version spares the checksum of what cannot be a record.
        version.is_some_and(|version| u64::from_le_bytes(version).wrapping_sub(read) <= VERSIONS_AHEAD_MAX)
            && matches!(decode_record(candidate, 0), Ok(RecordOutcome::Record { version, .. }) if version > read)
    });
    match follows {
        Some(at) => Err(Error::corrupt(format!(
            "{name}: the commit at byte {} is damaged; a whole one follows at byte {}. Restore the file from a copy; \
             `gapless dump` shows what is still readable",
            position.len,
            position.len + at as u64
        ))),
        None => Ok(()),
    }
}

/// Applies the records of `bytes`, which follow `position.len` in the log.
fn replay(name: &str, bytes: &[u8], position: &mut Position, version: &mut Option<Version>) -> Result<()> {
    let start = position.len;
    loop {
        let done = usize::try_from(position.len - start).unwrap_or(usize::MAX);
        let rest = bytes.get(done..).unwrap_or_default();
        match decode_record(rest, position.len).map_err(|error| Error::from_format(name, &error))? {
            RecordOutcome::End => return Ok(()),
            RecordOutcome::Torn { .. } => {
                position.torn = true;
                return Ok(());
            }
            RecordOutcome::Record {
                version: number,
                committed_at,
                body,
                len,
            } => {
                let at = position.len;
                let located = |error: Error| {
                    Error::corrupt(format!(
                        "{name}: the record at byte {at} (version {number}) does not apply: {error}"
                    ))
                };
                *version = Some(match (body, version.take()) {
                    (RecordBody::Checkpoint(checkpoint), None) => {
                        position.checkpoint_len = len as u64;
                        Version::from_checkpoint(checkpoint).map_err(located)?
                    }
                    (RecordBody::Edit(items), Some(before)) if number == before.number() + 1 => {
                        before.apply(number, committed_at, &items).map_err(located)?
                    }
                    (_, before) => {
                        let before =
                            before.map_or("no version".to_owned(), |v| format!("version {}", v.number()));
                        return Err(located(Error::corrupt(format!("it follows {before}"))));
                    }
                });
                position.len += len as u64;
            }
        }
    }
}

/// Refuses a log that is shorter, or damaged earlier, than the last commit made it.
fn check_tail(storage: &dyn Storage, position: &Position, tail: Option<Tail>) -> Result<()> {
    let Some(tail) = tail else {
        return Ok(());
    };
    let name = log_path(position.log)?;
    if tail.log > position.log {
        // The log may have been switched between the two reads; the caller's retry sees it.
        if storage.stamp(&current_path())? != position.current {
            return Err(Error::not_found("the log was switched".to_owned()));
        }
        return Err(Error::corrupt(format!(
            "manifest/CURRENT names log {}, but commits went to log {}: CURRENT is an older copy",
            position.log, tail.log
        )));
    }
    if tail.log == position.log && tail.committed_len > position.len {
        return Err(Error::corrupt(format!(
            "{name}: the commit at byte {} is damaged or missing; the log was durable up to byte {}. Restore the \
             file from a copy; `gapless dump` shows what is still readable",
            position.len, tail.committed_len
        )));
    }
    Ok(())
}

/// What the last committer wrote beside its lock. A content that is not whole says nothing.
fn read_tail(storage: &dyn Storage) -> Result<Option<Tail>> {
    match storage.read(&lock_path(), SMALL_FILE_MAX) {
        Ok(bytes) => Ok(Tail::decode(&bytes).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_from(storage: &dyn Storage, path: &RelPath, offset: u64) -> Result<Vec<u8>> {
    let file = storage.open(path)?;
    let len = usize::try_from(file.len().saturating_sub(offset))
        .map_err(|_| Error::corrupt(format!("{path} is larger than memory")))?;
    let mut bytes = vec![0; len];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

/// Follows the log: the version after all commits that other processes made since `position`.
///
/// Gives `None` when there are none. Costs two file stamps when nothing has changed.
pub(crate) fn follow(
    storage: &dyn Storage,
    position: &Position,
    version: &Version,
) -> Result<Option<(Version, Position)>> {
    if storage.stamp(&current_path())? != position.current {
        return load(storage, position.database).map(Some);
    }
    let path = log_path(position.log)?;
    let Some(stamp) = storage.stamp(&path)? else {
        return load(storage, position.database).map(Some);
    };
    if stamp.len == position.len {
        return Ok(None);
    }
    if stamp.len < position.len {
        return Err(Error::corrupt(format!(
            "{path} has {} bytes, but {} were read from it before: it was cut or replaced",
            stamp.len, position.len
        )));
    }
    let bytes = match read_from(storage, &path, position.len) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return load(storage, position.database).map(Some);
        }
        bytes => bytes?,
    };
    // Read after the log: whose sync failed before the bytes were read has marked them by now.
    let suspect = suspect_after(read_tail(storage)?, position.log);
    if suspect.is_some_and(|len| len < position.len) {
        return load(storage, position.database).map(Some); // What was read has turned out not to be durable.
    }
    let mut bytes = bytes;
    if let Some(len) = suspect {
        bytes.truncate(usize::try_from(len - position.len).unwrap_or(usize::MAX));
    }
    let mut position = Position {
        torn: suspect.is_some(),
        ..position.clone()
    };
    let before = position.len;
    let mut next = Some(version.clone());
    replay(&path.to_string(), &bytes, &mut position, &mut next)?;
    match next {
        Some(next) if position.len > before || position.torn => Ok(Some((next, position))),
        _ => Ok(None),
    }
}

/// Opens the log at `position` for appending.
pub(crate) fn writer(storage: &dyn Storage, position: &Position) -> Result<Box<dyn WritableFile>> {
    storage.append_to(&log_path(position.log)?)
}

/// Whether the last committer has written that the log is durable up to `position`. The commit lock is held.
pub(crate) fn is_confirmed(lock: &dyn FileLock, position: &Position) -> bool {
    let mut bytes = vec![
        0;
        lock.len()
            .map_or(0, |len| usize::try_from(len.min(SMALL_FILE_MAX)).unwrap_or(0))
    ];
    let read = lock.read_at(0, &mut bytes).is_ok();
    let tail = Tail::decode(&bytes).ok().filter(|_| read);
    tail.is_some_and(|tail| tail.log == position.log && tail.committed_len >= position.len)
}

/// Records that the log was made durable up to `position`. The commit lock is held.
pub(crate) fn write_tail(lock: &dyn FileLock, position: &Position) -> Result<()> {
    let tail = Tail {
        log: position.log,
        committed_len: position.len,
        suspect: false,
    };
    put_tail(lock, &tail)
}

/// Records that what follows `position` in the log was not made durable and must not be read.
pub(crate) fn write_suspect_tail(lock: &dyn FileLock, position: &Position) -> Result<()> {
    let tail = Tail {
        log: position.log,
        committed_len: position.len,
        suspect: true,
    };
    put_tail(lock, &tail)
}

/// Makes a tail the whole content of the lock file: with anything behind it, it would say nothing.
fn put_tail(lock: &dyn FileLock, tail: &Tail) -> Result<()> {
    let bytes = tail.encode();
    if lock.len()? > bytes.len() as u64 {
        lock.truncate(bytes.len() as u64)?;
    }
    lock.write_at(0, &bytes)
}

/// Writes a new log that begins with a checkpoint of `version`. The commit lock is held; nothing names it yet.
pub(crate) fn write_checkpoint(
    storage: &dyn Storage,
    database: u128,
    old: Option<&Position>,
    version: &Version,
) -> Result<Position> {
    let number = old.map_or(1, |position| position.log + 1);
    let path = log_path(number)?;
    remove_if_there(storage, &path)?; // Left by a crash before CURRENT named it.
    let mut file = storage.create(&path)?;
    file.append(&LogHeader { number, database }.encode())?;
    let body = RecordBody::Checkpoint(version.checkpoint());
    let record = encode_record(version.number(), version.committed_at(), &body);
    file.append(&record)?;
    file.sync()?;
    storage.sync_dir(&directory())?;
    Ok(Position {
        log: number,
        len: (HEADER_LEN + record.len()) as u64,
        checkpoint_len: record.len() as u64,
        torn: false,
        current: None,
        database,
    })
}

/// Makes the log that [`write_checkpoint`] wrote the current one. The commit lock is held.
///
/// The old log is removed afterwards: who reads it finds that CURRENT has changed.
pub(crate) fn switch_to(
    storage: &dyn Storage,
    lock: &dyn FileLock,
    mut position: Position,
    old: Option<&Position>,
) -> Result<Position> {
    replace_current(storage, position.log)?;
    position.current = storage.stamp(&current_path())?;
    write_tail(lock, &position)?;
    if let Some(old) = old {
        remove_if_there(storage, &log_path(old.log)?)?;
    }
    Ok(position)
}

fn replace_current(storage: &dyn Storage, number: u64) -> Result<()> {
    let temporary = directory().join(CURRENT_NEW)?;
    remove_if_there(storage, &temporary)?;
    let mut file = storage.create(&temporary)?;
    file.append(&Current { log: number }.encode())?;
    file.sync()?;
    storage.rename(&temporary, &current_path())?;
    storage.sync_dir(&directory())
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(storage: &dyn Storage, path: &RelPath) -> Result<()> {
    match storage.remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the checkpoint of a named snapshot, durable before the commit that names it.
pub(crate) fn write_snapshot(storage: &dyn Storage, database: u128, version: &Version) -> Result<()> {
    let path = snapshot_path(version.number())?;
    remove_if_there(storage, &path)?;
    let mut file = storage.create(&path)?;
    file.append(&LogHeader { number: 0, database }.encode())?;
    let body = RecordBody::Checkpoint(version.checkpoint());
    file.append(&encode_record(version.number(), version.committed_at(), &body))?;
    file.sync()?;
    storage.sync_dir(&directory())
}

/// Reads the version that a named snapshot keeps.
pub(crate) fn read_snapshot(storage: &dyn Storage, database: u128, number: u64) -> Result<Arc<Version>> {
    let path = snapshot_path(number)?;
    let name = path.to_string();
    let bytes = read_from(storage, &path, 0).map_err(|error| error.missing_is_corrupt(&path))?;
    let header = LogHeader::decode(&bytes).map_err(|error| Error::from_format(&name, &error))?;
    if header.database != database {
        return Err(Error::corrupt(format!(
            "{name} belongs to database {:032x}",
            header.database
        )));
    }
    let mut position = Position {
        log: 0,
        len: HEADER_LEN as u64,
        checkpoint_len: 0,
        torn: false,
        current: None,
        database,
    };
    let mut version = None;
    let records = bytes.get(HEADER_LEN..).unwrap_or_default();
    replay(&name, records, &mut position, &mut version)?;
    match version {
        Some(version) if version.number() == number && !position.torn => Ok(Arc::new(version)),
        _ => Err(Error::corrupt(format!(
            "{name} does not hold version {number} whole"
        ))),
    }
}
