//! The files of one stream: `wal/<stream>/<first lsn>.wal`.
//!
//! - An LSN is a position in the stream. The end of one file is the first LSN of the next.
//! - Payloads are opaque here.

use std::sync::Arc;

use gapless_format::{HEADER_LEN, WalHeader, WalOutcome, WalRecord, wal};

use crate::error::{Error, ErrorKind, Result};
use crate::io::{ReadWindow, ReadableFile, RelPath, Storage, WritableFile};

/// Bytes that are read at first, and at most, at a time: most readers find a record or two, or space for more.
const READ_BYTES_MIN: usize = 8 * 1024;
const READ_BYTES_MAX: usize = 256 * 1024;

/// The directory of all streams.
pub(crate) fn directory() -> RelPath {
    RelPath::from_static("wal")
}

/// The directory of one stream.
pub(crate) fn stream_path(stream: u64) -> Result<RelPath> {
    directory().join(&format!("{stream:016x}"))
}

/// The file that the living owner of a stream holds.
pub(crate) fn lock_path(stream: u64) -> Result<RelPath> {
    stream_path(stream)?.join("LOCK")
}

/// A file by which other processes ask the owner of a stream to flush it.
pub(crate) fn request_path(stream: u64) -> Result<RelPath> {
    stream_path(stream)?.join("FLUSH")
}

/// Asks the owner of a stream to flush it soon.
pub(crate) fn ask_to_flush(storage: &dyn Storage, stream: u64) -> Result<()> {
    match storage.create(&request_path(stream)?) {
        Err(error) if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Err(error),
        _ => Ok(()), // It was asked already, or has ended.
    }
}

/// A log file.
pub(crate) fn file_path(stream: u64, first_lsn: u64) -> Result<RelPath> {
    stream_path(stream)?.join(&format!("{first_lsn:016x}.wal"))
}

/// The first LSN of a log file, by its name.
pub(crate) fn first_lsn(name: &str) -> Option<u64> {
    let hex = name.strip_suffix(".wal").filter(|hex| hex.len() == 16)?;
    u64::from_str_radix(hex, 16).ok()
}

/// Makes a log file with its header, open for appending and, by a second handle, for syncing.
pub(crate) fn create(
    storage: &dyn Storage,
    header: WalHeader,
) -> Result<(Box<dyn WritableFile>, Box<dyn WritableFile>)> {
    let path = file_path(header.stream, header.first_lsn)?;
    let mut file = storage.create(&path)?;
    file.append(&header.encode())?;
    let syncer = storage.append_to(&path)?;
    Ok((file, syncer))
}

/// Reads the records of one log file from some position on.
pub(crate) struct LogReader {
    name: String,
    file: Arc<dyn ReadableFile>,
    first_lsn: u64,
    /// Its next record begins with what is unread.
    window: ReadWindow,
}

/// Why a log file has no further record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// It ends here, so far.
    End,
    /// What follows is no whole record.
    Torn(String),
}

impl LogReader {
    /// Opens the file that begins at `first_lsn`, to be read from `lsn` on; `None` when there is none, or it has no
    /// header yet.
    ///
    /// # Errors
    /// `Corrupt` when it is another file; `Unsupported` for a newer format.
    pub(crate) fn open(storage: &dyn Storage, expected: WalHeader, lsn: u64) -> Result<Option<Self>> {
        let path = file_path(expected.stream, expected.first_lsn)?;
        let file = match storage.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let name = path.to_string();
        if file.len() < HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut header = [0; HEADER_LEN];
        file.read_at(0, &mut header)?;
        if is_unfinished(&header, &expected.encode()) {
            return Ok(None);
        }
        let header = WalHeader::decode(&header).map_err(|error| Error::from_format(&name, &error))?;
        if header != expected {
            return Err(Error::corrupt(format!(
                "{name} is of stream {:016x} of database {:032x} from LSN {}: a file of another database was put here",
                header.stream, header.database, header.first_lsn
            )));
        }
        Ok(Some(Self {
            name,
            file,
            first_lsn: expected.first_lsn,
            window: ReadWindow::new(
                HEADER_LEN as u64 + (lsn - expected.first_lsn),
                READ_BYTES_MIN..READ_BYTES_MAX,
            ),
        }))
    }

    /// The position of the next record.
    pub(crate) fn lsn(&self) -> u64 {
        self.first_lsn + (self.window.at() - HEADER_LEN as u64)
    }

    /// The file's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Hands the next record to `take`; what ends the file is given when there is none.
    pub(crate) fn next<T>(
        &mut self,
        take: impl FnOnce(&WalRecord<'_>) -> Result<T>,
    ) -> Result<std::result::Result<T, LogEnd>> {
        let (file, file_len) = (&*self.file, self.file.len());
        self.window.fill(file, file_len, wal::WAL_RECORD_HEADER_LEN)?;
        if let Some(len) = self.window.unread().first_chunk() {
            let len = u32::from_le_bytes(*len) as usize;
            self.window.fill(file, file_len, len)?;
        }
        let outcome = wal::decode_wal_record(self.window.unread(), self.lsn(), self.window.at())
            .map_err(|error| Error::from_format(&self.name, &error))?;
        let record = match outcome {
            WalOutcome::Record(record) => record,
            WalOutcome::End => return Ok(Err(LogEnd::End)),
            WalOutcome::Torn { reason, .. } => return Ok(Err(LogEnd::Torn(reason))),
        };
        let taken = take(&record)?;
        let len = record.len;
        self.window.skip(len);
        Ok(Ok(taken))
    }
}

/// Whether it is the expected header with some bytes that did not reach the disk. Nothing behind it was acknowledged.
fn is_unfinished(found: &[u8], expected: &[u8]) -> bool {
    found != expected
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| *found == 0 || found == expected)
}
