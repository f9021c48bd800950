//! Flushes the streams of processes that died, and removes what they left.

use std::sync::Arc;

use gapless_format::StreamMeta;

use super::flush::{FlushTarget, flush_memtable};
use super::log;
use super::tail::Tail;
use crate::database::Engine;
use crate::error::{ErrorKind, Result};
use crate::io::{EntryKind, FileLock, LockMode, Storage};

/// Flushes every stream whose owner is gone. What others recover at the same time is left to them. With `accept_loss` the
/// readable beginning of a damaged log is taken for the whole.
///
/// # Errors
/// `Corrupt` when a log does not hold what its owner has made durable; `Io`.
pub(crate) fn recover_dead(engine: &Arc<Engine>, accept_loss: bool) -> Result<usize> {
    let version = engine.refresh()?;
    let mut recovered = 0;
    for meta in version.streams().filter(|meta| !engine.owns_stream(meta.stream)) {
        let claim = match claim(&**engine.storage(), meta.stream) {
            Ok(None) => continue, // Its owner lives.
            Ok(claim) => claim,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Read again under the claim: another process may have recovered it meanwhile.
        let version = engine.refresh()?;
        if let Some(meta) = version.stream(meta.stream) {
            recover(engine, meta, accept_loss)
                .map_err(|error| error.context(format!("recovery of stream {:016x}", meta.stream)))?;
            recovered += 1;
        }
        drop(claim);
    }
    remove_ended(engine)?;
    Ok(recovered)
}

/// The lock of a stream that nobody holds; `None` when somebody does.
fn claim(storage: &dyn Storage, stream: u64) -> Result<Option<Box<dyn FileLock>>> {
    storage.lock(&log::lock_path(stream)?, LockMode::Exclusive, false)
}

fn recover(engine: &Arc<Engine>, meta: &StreamMeta, accept_loss: bool) -> Result<()> {
    let storage = &**engine.storage();
    let mut tail = Tail::new(meta.stream, engine.database());
    tail.skip_to(meta.checkpoint);
    match tail.follow(storage, engine.clock(), &|table| engine.table_of_record(table)) {
        Err(error) if accept_loss && error.kind() == ErrorKind::Corrupt => {
            tracing::warn!(%error, "commits of a damaged log are lost");
        }
        outcome => drop(outcome?),
    }
    let memtables = tail.memtables().to_vec();
    for (memtable, next) in memtables.iter().zip(memtables.iter().skip(1)) {
        let checkpoint = StreamMeta {
            checkpoint: next.start_lsn(),
            flushed: memtable.last_commit(),
            ..*meta
        };
        flush_memtable(engine, Some(memtable), FlushTarget::Checkpoint(checkpoint))?;
    }
    let last = memtables.last().map(|memtable| &**memtable);
    flush_memtable(engine, last, FlushTarget::End(meta.stream))?;
    Ok(())
}

/// Removes directories of streams that no version names and nobody owns.
pub(crate) fn remove_ended(engine: &Engine) -> Result<usize> {
    let storage = &**engine.storage();
    let entries = match storage.list(&log::directory()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Directory) {
        let Some(stream) = (entry.name.len() == 16)
            .then(|| u64::from_str_radix(&entry.name, 16).ok())
            .flatten()
        else {
            continue;
        };
        if engine.owns_stream(stream) {
            continue;
        }
        let claim = match claim(storage, stream) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            claim => claim?,
        };
        if claim.is_none() {
            continue;
        }
        // Read under the claim: a stream is named before its owner lets go of the lock.
        if engine.refresh()?.stream(stream).is_none() {
            remove_stream(storage, stream)?;
            removed += 1;
        }
        drop(claim);
    }
    Ok(removed)
}

/// Removes the files of a stream that has ended.
pub(crate) fn remove_stream(storage: &dyn Storage, stream: u64) -> Result<()> {
    let path = log::stream_path(stream)?;
    let entries = match storage.list(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let ours = |name: &str| matches!(name, "LOCK" | "FLUSH") || log::first_lsn(name).is_some();
    for entry in entries.iter().filter(|entry| ours(&entry.name)) {
        match storage.remove_file(&path.join(&entry.name)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match storage.remove_dir(&path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Err(error),
        _ => Ok(()),
    }
}
