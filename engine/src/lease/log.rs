//! `leases/LEASES`: following it, appending to it, replacing it.
//!
//! - A change is in the file before it is acknowledged, in one write. Nothing is synced.
//! - The first invalid record ends the log. The next writer replaces the file by one that holds what was before it.
//! - The file is replaced, too, when most of it is about leases that are over. It gets its name by a rename, so who follows
//!   sees another identity and reads from the start.
//!
//! Whoever writes holds `leases/LOCK` exclusively and has followed since it got it. Whoever only looks needs no lock.

use std::sync::Arc;

use gapless_format::lease::{LEASE_RECORD_LEN_MAX, LEASE_RECORD_LEN_MIN};
use gapless_format::{
    HEADER_LEN, LeaseItem, LeaseLogHeader, LeaseOutcome, decode_lease_record, encode_lease_record,
};

use super::lease::Lease;
use super::table::LeaseTable;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{FileStamp, ReadWindow, ReadableFile, RelPath, Storage, WritableFile};

/// A shorter log is not replaced, however little of it is needed.
pub(super) const LOG_BYTES_MIN: u64 = 1 << 20;
/// A log is replaced when it is more than this many times as long as need be.
const WASTE: u64 = 4;
/// So many leases fit in a record, however long their texts are.
const ITEMS_PER_RECORD: usize = 256;
const READ_BYTES: usize = 64 * 1024;

const LOG: &str = "leases/LEASES";
const NEW_LOG: &str = "leases/LEASES.new";

/// Which log there is, and how to reach it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) database: u128,
}

/// The leases as far as the log was read.
#[derive(Debug, Default)]
pub(super) struct Follower {
    pub(super) table: LeaseTable,
    /// `None` when there is no log, or none that is valid.
    position: Option<Position>,
}

#[derive(Debug)]
struct Position {
    file: Arc<dyn ReadableFile>,
    identity: u64,
    /// Behind the last valid record.
    end: u64,
    /// Of the next record.
    chain: u64,
    /// Something that is no record follows.
    is_torn: bool,
}

impl Follower {
    /// Reads what was written since the last time. False when it had to begin anew, or there is nothing to read.
    ///
    /// # Errors
    /// `Unsupported` when a newer gapless wrote it, `Corrupt` when it is of another database, `Io`.
    pub(super) fn follow(&mut self, place: &Place) -> Result<bool> {
        let stamp = place.storage.stamp(&RelPath::from_static(LOG))?;
        if let (Some(position), Some(stamp)) = (&mut self.position, stamp)
            && position.identity == stamp.identity
            && position.end <= stamp.len
        {
            position.is_torn = false;
            if position.end < stamp.len {
                let outcome = position.read_on(&mut self.table, stamp.len);
                outcome.inspect_err(|_| self.forget())?;
            }
            return Ok(true);
        }
        self.forget();
        if let Some(stamp) = stamp {
            let outcome = self.load(place, stamp);
            outcome.inspect_err(|_| self.forget())?;
        }
        Ok(false)
    }

    /// Begins anew the next time.
    fn forget(&mut self) {
        self.position = None;
        self.table.clear();
    }

    fn load(&mut self, place: &Place, stamp: FileStamp) -> Result<()> {
        let file = match place.storage.open(&RelPath::from_static(LOG)) {
            // Who holds no lock may come too late.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut header = [0; HEADER_LEN];
        if file.len() < HEADER_LEN as u64 {
            return Ok(());
        }
        file.read_at(0, &mut header)?;
        let (header, chain) = match LeaseLogHeader::decode(&header) {
            Ok(found) => found,
            Err(error) if error.is_unsupported() => return Err(Error::from_format(LOG, &error)),
            // A power cut has left the name and not the bytes.
            Err(_) => return Ok(()),
        };
        if header.database != place.database {
            return Err(Error::corrupt(format!(
                "{LOG} belongs to database {:032x}, found in {:032x}: remove it",
                header.database, place.database
            )));
        }
        self.table.observe(header.last_epoch);
        let len = file.len();
        let position = self.position.insert(Position {
            file,
            identity: stamp.identity,
            end: HEADER_LEN as u64,
            chain,
            is_torn: false,
        });
        position.read_on(&mut self.table, len)
    }
}

impl Position {
    /// Applies the records up to byte `len` of the file.
    fn read_on(&mut self, table: &mut LeaseTable, len: u64) -> Result<()> {
        let mut window = ReadWindow::new(self.end, READ_BYTES..READ_BYTES);
        loop {
            window.fill(&*self.file, len, LEASE_RECORD_LEN_MIN)?;
            if let Some(record) = window.unread().first_chunk() {
                let record = (u32::from_le_bytes(*record) as usize).min(LEASE_RECORD_LEN_MAX);
                window.fill(&*self.file, len, record)?;
            }
            let outcome = decode_lease_record(window.unread(), self.chain, self.end);
            match outcome.map_err(|error| Error::from_format(LOG, &error))? {
                LeaseOutcome::Record { items, chain, len } => {
                    items.into_iter().for_each(|item| table.apply(item, drop));
                    (self.chain, self.end) = (chain, self.end + len as u64);
                    window.skip(len);
                }
                LeaseOutcome::End => return Ok(()),
                LeaseOutcome::Torn { .. } => {
                    self.is_torn = true;
                    return Ok(());
                }
            }
        }
    }
}

/// The log, for one that writes it.
#[derive(Debug)]
pub(super) struct LeaseLog {
    place: Place,
    follower: Follower,
    /// The open file and its identity.
    writer: Option<(u64, Box<dyn WritableFile>)>,
    bytes_min: u64,
    /// At this length it is looked at whether the log should be replaced.
    look_at: u64,
}

/// A change that is being decided. The table has it already, the file has not.
pub(super) struct Edit<'a> {
    pub(super) table: &'a mut LeaseTable,
    items: Vec<LeaseItem>,
    ended: Vec<Lease>,
}

impl Edit<'_> {
    pub(super) fn push(&mut self, item: LeaseItem) {
        self.items.push(item.clone());
        self.table.apply(item, |lease| self.ended.push(lease));
    }
}

impl LeaseLog {
    pub(super) fn new(place: Place, bytes_min: u64) -> Self {
        Self {
            place,
            follower: Follower::default(),
            writer: None,
            bytes_min,
            look_at: bytes_min,
        }
    }

    pub(super) fn table(&self) -> &LeaseTable {
        &self.follower.table
    }

    /// See [`Follower::follow`].
    pub(super) fn follow(&mut self) -> Result<bool> {
        self.follower.follow(&self.place)
    }

    /// Begins anew the next time.
    pub(super) fn forget(&mut self) {
        self.follower.forget();
        self.writer = None;
    }

    /// Writes what `decide` changes: all of it or nothing. Answers the leases that it ended, too.
    ///
    /// # Errors
    /// What `decide` says, or `Io`; nothing has changed then.
    pub(super) fn change<T>(
        &mut self,
        decide: impl FnOnce(&mut Edit<'_>) -> Result<T>,
    ) -> Result<(T, Vec<Lease>)> {
        let mut edit = Edit {
            table: &mut self.follower.table,
            items: Vec::new(),
            ended: Vec::new(),
        };
        let decided = decide(&mut edit);
        let Edit { items, ended, .. } = edit;
        if items.is_empty() {
            return Ok((decided?, ended));
        }
        // The table has the change, whether or not the file gets it.
        let written = decided.and_then(|decided| self.write(&items).map(|()| decided));
        let decided = written.inspect_err(|_| self.forget())?;
        self.compact();
        Ok((decided, ended))
    }

    fn write(&mut self, items: &[LeaseItem]) -> Result<()> {
        match &mut self.follower.position {
            Some(position) if !position.is_torn => append(&self.place, position, &mut self.writer, items),
            _ => {
                let image = self.image();
                self.replace(image)
            }
        }
        .map_err(|error| error.context("the leases were not written, nothing has changed"))
    }

    /// The whole content of a log that holds nothing but the leases that are left, and the chain of its next record.
    fn image(&self) -> (Vec<u8>, u64) {
        let table = self.table();
        let header = LeaseLogHeader {
            database: self.place.database,
            last_epoch: table.last_epoch(),
        };
        let (header, chain) = header.encode();
        let claims: Vec<LeaseItem> = table
            .iter()
            .map(|lease| LeaseItem::Claim(lease.to_record()))
            .collect();
        let (records, chain) = records(chain, &claims);
        ([&header[..], &records].concat(), chain)
    }

    fn replace(&mut self, (bytes, chain): (Vec<u8>, u64)) -> Result<()> {
        let storage = &*self.place.storage;
        let (log, new) = (RelPath::from_static(LOG), RelPath::from_static(NEW_LOG));
        match storage.remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        storage.create(&new)?.append(&bytes)?;
        storage.rename(&new, &log)?;
        let stamp = storage.stamp(&log)?;
        let stamp = stamp.ok_or_else(|| Error::internal(format!("{LOG} is missing after its rename")))?;
        self.writer = None;
        self.look_at = self.bytes_min.max(WASTE * bytes.len() as u64);
        self.follower.position = Some(Position {
            file: storage.open(&log)?,
            identity: stamp.identity,
            end: bytes.len() as u64,
            chain,
            is_torn: false,
        });
        Ok(())
    }

    /// Replaces the log when most of it is not needed.
    fn compact(&mut self) {
        let end = self.follower.position.as_ref().map_or(0, |position| position.end);
        if end <= self.look_at {
            return;
        }
        let image = self.image();
        self.look_at = self.bytes_min.max(WASTE * image.0.len() as u64);
        if end <= self.look_at {
            return;
        }
        if let Err(error) = self.replace(image) {
            // What was asked for is in the old log.
            tracing::warn!(%error, "the log of leases could not be replaced and goes on growing");
            self.forget();
            self.look_at = 2 * end;
        }
    }
}

fn append(
    place: &Place,
    position: &mut Position,
    writer: &mut Option<(u64, Box<dyn WritableFile>)>,
    items: &[LeaseItem],
) -> Result<()> {
    let (bytes, chain) = records(position.chain, items);
    let writer = match writer {
        Some((identity, writer)) if *identity == position.identity => writer,
        slot => {
            let writer = place.storage.append_to(&RelPath::from_static(LOG))?;
            &mut slot.insert((position.identity, writer)).1
        }
    };
    // Others append too; the lock is held, so what was read ends where the file does.
    if writer.len() != position.end && writer.refresh_len()? != position.end {
        return Err(Error::internal(format!(
            "{LOG} has {} bytes, it was read up to {}",
            writer.len(),
            position.end
        )));
    }
    writer.append(&bytes)?;
    (position.end, position.chain) = (writer.len(), chain);
    Ok(())
}

/// The records that say `items`, and the chain of the next one.
fn records(mut chain: u64, items: &[LeaseItem]) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    for items in items.chunks(ITEMS_PER_RECORD) {
        let (record, next) = encode_lease_record(chain, items);
        if bytes.is_empty() {
            bytes = record;
        } else {
            bytes.extend(record);
        }
        chain = next;
    }
    (bytes, chain)
}
