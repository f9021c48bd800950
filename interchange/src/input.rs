//! The bytes of a text file: opened, counted, decompressed, and read ahead on a thread of their own.
//!
//! - Everything streams: no more than a few blocks are in memory, whatever a file expands to.
//! - Progress counts the bytes of the file as stored, compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use crate::error::{InterchangeError, Result};
use crate::file_format::Compression;

/// Decompressed bytes that travel together from the reading thread.
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks that wait for the parser.
const BLOCKS_AHEAD: usize = 4;

/// Counters that a [`Source`](crate::Source) shares with its threads.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) bytes_read: AtomicU64,
    pub(crate) rows_rejected: AtomicU64,
    pub(crate) ambiguous_times: AtomicU64,
}

/// Reads through, counting.
pub(crate) struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R> Counted<R> {
    pub(crate) fn new(inner: R, progress: Arc<Progress>) -> Self {
        Counted { inner, progress }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress
            .bytes_read
            .fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The decompressed bytes of `file`.
pub(crate) fn open(
    file: &Path,
    compression: Compression,
    progress: Arc<Progress>,
) -> Result<Box<dyn Read + Send>> {
    let failed = |error: io::Error| InterchangeError::io("cannot be opened", &error).at_file(file);
    let stored = Counted::new(File::open(file).map_err(failed)?, progress);
    Ok(match compression {
        Compression::None => Box::new(stored),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(
            1 << 16,
            stored,
        ))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(stored).map_err(failed)?),
    })
}

/// The bytes of `inner`, read on a thread that runs a few blocks ahead. The thread ends when the
/// bytes do, at the first error, or when the returned reader is dropped.
pub(crate) fn read_ahead(mut inner: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
    std::thread::Builder::new()
        .name("gapless-read".into())
        .spawn(move || {
            loop {
                let mut block = Vec::with_capacity(BLOCK_BYTES);
                let read = inner.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
                // An empty block is the end mark. What was read before an error is still good text.
                let last = read.is_err() || block.is_empty();
                let sent = if read.is_ok() || !block.is_empty() {
                    sender.send(Ok(block))
                } else {
                    Ok(())
                };
                let sent = sent.and_then(|()| read.map_or_else(|error| sender.send(Err(error)), |_| Ok(())));
                if last || sent.is_err() {
                    return;
                }
            }
        })
        .map_err(|error| InterchangeError::io("cannot start a reading thread", &error))?;
    Ok(Box::new(ReadAhead {
        receiver,
        block: Vec::new(),
        position: 0,
        ended: false,
    }))
}

struct ReadAhead {
    receiver: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    position: usize,
    ended: bool,
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.block.len() && !self.ended {
            // Without its end mark the thread has died: that must not pass for the end of the file.
            let block = self
                .receiver
                .recv()
                .map_err(|_| io::Error::other("the reading thread ended early"))?;
            (self.block, self.position) = (block?, 0);
            self.ended = self.block.is_empty();
        }
        let rest = self.block.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (Some(from), Some(to)) = (rest.get(..count), buffer.get_mut(..count)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.position += count;
        Ok(count)
    }
}
