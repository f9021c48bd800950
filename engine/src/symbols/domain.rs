//! One symbol domain: its file, and as much of it as this process has read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::StringArray;
use gapless_format::{
    DomainMeta, FormatErrorKind, Frame, SymbolFileHeader, decode_frame, encode_frame, file_name,
};
use parking_lot::{Mutex, RwLock};

use super::text::SymbolText;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{LockMode, RelPath, Storage};

/// Symbols in one frame at most; a larger append makes several.
const FRAME_SYMBOLS_MAX: usize = 1 << 20;
/// Longest symbol.
const SYMBOL_BYTES_MAX: usize = 16 << 20;

/// Content of a domain's lock file after a sync of the domain has failed.
const SYNC_FAILED: [u8; 1] = [1];

/// Tells what the newest version of the database names of a domain.
pub(crate) type Committed<'a> = &'a dyn Fn() -> Result<Option<DomainMeta>>;

/// All symbol domains of a database.
#[derive(Debug)]
pub(crate) struct Domains {
    storage: Arc<dyn Storage>,
    database: u128,
    open: Mutex<BTreeMap<String, Arc<Domain>>>,
}

impl Domains {
    pub(crate) fn new(storage: Arc<dyn Storage>, database: u128) -> Self {
        Self {
            storage,
            database,
            open: Mutex::default(),
        }
    }

    /// The domain of a name, whether or not it has a file yet.
    pub(crate) fn get(&self, name: &str) -> Arc<Domain> {
        let mut open = self.open.lock();
        let domain = open.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Domain {
                name: name.to_owned(),
                storage: Arc::clone(&self.storage),
                database: self.database,
                known: RwLock::default(),
                durable_len: AtomicU64::new(0),
            })
        });
        Arc::clone(domain)
    }
}

/// A symbol domain.
#[derive(Debug)]
pub struct Domain {
    name: String,
    storage: Arc<dyn Storage>,
    database: u128,
    known: RwLock<Known>,
    /// Bytes of the file that this process has synced.
    durable_len: AtomicU64,
}

/// What was read of the file.
#[derive(Debug, Default)]
struct Known {
    text: SymbolText,
    len: u64,
    chain: u64,
    /// All symbols as an array, for domains small enough to be handed out whole.
    whole: Option<Arc<StringArray>>,
}

/// Path of a domain's file.
pub(crate) fn domain_path(name: &str) -> Result<RelPath> {
    symbol_file(name, "sym")
}

fn symbol_file(name: &str, extension: &str) -> Result<RelPath> {
    let file = file_name(name).map_err(|error| Error::invalid(format!("symbol domain {name:?}: {error}")))?;
    directory().join(&format!("{file}.{extension}"))
}

/// The directory of all domains.
pub(crate) fn directory() -> RelPath {
    RelPath::from_static("symbols")
}

impl Domain {
    /// The domain's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Symbols that this process has read so far.
    pub fn len(&self) -> usize {
        self.known.read().text.len()
    }

    /// Whether no symbol was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the symbols and their index take.
    pub fn memory_bytes(&self) -> usize {
        self.known.read().text.memory_bytes()
    }

    /// Reads the file up to a committed length.
    ///
    /// # Errors
    /// `Corrupt` with file and offset when the file does not hold what was committed.
    pub(crate) fn load(&self, committed: Option<&DomainMeta>) -> Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        if self.known.read().len >= committed.committed_len {
            return Ok(());
        }
        let mut known = self.known.write();
        self.read_frames(&mut known, Some(committed.committed_len))?;
        let symbols = u64::try_from(known.text.len()).unwrap_or(u64::MAX);
        if known.len != committed.committed_len
            || symbols != u64::from(committed.symbols)
            || known.chain != committed.chain
        {
            // A longer prefix was read meanwhile, or the file is not the one that was committed.
            if known.len <= committed.committed_len {
                return Err(Error::corrupt(format!(
                    "{}: {symbols} symbols in {} bytes, committed were {} in {}",
                    domain_path(&self.name)?,
                    known.len,
                    committed.symbols,
                    committed.committed_len
                )));
            }
        }
        Ok(())
    }

    /// Reads whole frames from where this process is to `limit`, or to the end of the file.
    ///
    /// Gives whether something that is not a whole frame follows.
    fn read_frames(&self, known: &mut Known, limit: Option<u64>) -> Result<bool> {
        let path = domain_path(&self.name)?;
        let file = self.storage.open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::corrupt(format!("{path} is missing: restore it from a copy")),
            _ => error,
        })?;
        let end = limit.unwrap_or(file.len());
        if file.len() < end {
            return Err(Error::corrupt(format!(
                "{path} has {} bytes, committed were {end}: it was cut",
                file.len()
            )));
        }
        let count = usize::try_from(end.saturating_sub(known.len))
            .map_err(|_| Error::corrupt(format!("{path} is larger than memory")))?;
        let mut bytes = vec![0; count];
        file.read_at(known.len, &mut bytes)?;
        let mut rest = bytes.as_slice();
        let located = |error: &gapless_format::FormatError| Error::from_format(&path.to_string(), error);
        if known.len == 0 {
            let (header, len) = SymbolFileHeader::decode(rest).map_err(|error| located(&error))?;
            if header.domain != self.name || header.database != self.database {
                return Err(Error::corrupt(format!(
                    "{path} holds domain {:?} of database {:032x}: it was put here from elsewhere",
                    header.domain, header.database
                )));
            }
            known.len = len as u64;
            rest = rest.get(len..).unwrap_or_default();
        }
        while !rest.is_empty() {
            let first_code = u32::try_from(known.text.len()).unwrap_or(u32::MAX);
            match decode_frame(rest, first_code, known.chain, known.len) {
                Ok(frame) => {
                    rest = rest.get(frame.len..).unwrap_or_default();
                    known.take(&frame)?;
                }
                // Behind the committed length an append may not have finished: the caller decides what that means.
                Err(error) if limit.is_none() && error.kind == FormatErrorKind::Corrupt => return Ok(true),
                Err(error) => return Err(located(&error)),
            }
        }
        Ok(false)
    }

    /// The codes of symbols that are there; `None` for those that are not.
    pub(crate) fn find(&self, symbols: &[&str]) -> Vec<Option<u32>> {
        self.index_if_worth(symbols.len());
        let known = self.known.read();
        symbols.iter().map(|symbol| known.text.find(symbol)).collect()
    }

    fn index_if_worth(&self, lookups: usize) {
        if self.known.read().text.is_indexed() {
            return;
        }
        let mut known = self.known.write();
        if known.text.wants_index(lookups) {
            known.text.build_index();
        }
    }

    /// The codes of symbols, appending those that are new. They are not durable before [`Domain::sync`].
    ///
    /// `committed` tells what the newest version names of this domain: less than that is never cut off.
    ///
    /// # Errors
    /// `Io` when the file cannot be written; `Corrupt` when it is damaged.
    pub(crate) fn encode(&self, symbols: &[&str], committed: Committed<'_>) -> Result<Vec<u32>> {
        self.index_if_worth(symbols.len());
        {
            let known = self.known.read();
            let codes: Option<Vec<u32>> = symbols.iter().map(|symbol| known.text.find(symbol)).collect();
            if let Some(codes) = codes {
                return Ok(codes);
            }
        }
        let _lock = self
            .storage
            .lock(&symbol_file(&self.name, "lock")?, LockMode::Exclusive, true)?;
        let mut known = self.known.write();
        self.adopt(&mut known, committed)?;
        if known.text.wants_index(usize::MAX) {
            known.text.build_index();
        }
        let mut new: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for symbol in symbols {
            if known.text.find(symbol).is_none() && seen.insert(*symbol) {
                new.push(symbol);
            }
        }
        self.append(&mut known, &new)?;
        symbols
            .iter()
            .map(|symbol| {
                known
                    .text
                    .find(symbol)
                    .ok_or_else(|| Error::internal("an appended symbol has no code"))
            })
            .collect()
    }

    /// Reads what other processes appended, and cuts what a crash left half written. The lock is held.
    fn adopt(&self, known: &mut Known, committed: Committed<'_>) -> Result<()> {
        let path = domain_path(&self.name)?;
        match self.storage.stamp(&path)? {
            None => return self.create(known, &path),
            Some(stamp) if known.len > 0 && stamp.len == known.len => return Ok(()),
            Some(_) => {}
        }
        if known.len == 0 && self.is_unfinished_header(&path)? {
            self.check_uncommitted(known, &path, committed)?;
            self.storage.remove_file(&path)?;
            return self.create(known, &path);
        }
        if self.read_frames(known, None)? {
            self.check_uncommitted(known, &path, committed)?;
            let mut file = self.storage.append_to(&path)?;
            file.truncate(known.len)?;
        }
        Ok(())
    }

    /// What follows `known` in the file is cut only if no commit names it.
    fn check_uncommitted(&self, known: &Known, path: &RelPath, committed: Committed<'_>) -> Result<()> {
        match committed()? {
            Some(meta) if meta.committed_len > known.len => Err(Error::corrupt(format!(
                "{path} is damaged at byte {}, committed are {} bytes: restore it from a copy",
                known.len, meta.committed_len
            ))),
            _ => Ok(()),
        }
    }

    /// A crash while the file was made leaves less than its header, or zeros in its place. No commit can have named
    /// such a file; the caller makes sure.
    fn is_unfinished_header(&self, path: &RelPath) -> Result<bool> {
        let file = self.storage.open(path)?;
        let header_len = self.header().len();
        if file.len() < header_len as u64 {
            return Ok(true);
        }
        let mut bytes = vec![0; header_len];
        file.read_at(0, &mut bytes)?;
        Ok(bytes.iter().all(|byte| *byte == 0) || self.is_torn_header(&bytes))
    }

    /// Whether it is this file's header with some bytes that did not reach the disk.
    fn is_torn_header(&self, bytes: &[u8]) -> bool {
        let whole = self.header();
        bytes != whole
            && bytes
                .iter()
                .zip(&whole)
                .all(|(found, whole)| *found == 0 || found == whole)
    }

    fn header(&self) -> Vec<u8> {
        SymbolFileHeader {
            domain: self.name.clone(),
            database: self.database,
        }
        .encode()
    }

    fn create(&self, known: &mut Known, path: &RelPath) -> Result<()> {
        if !known.text.is_empty() {
            return Err(Error::corrupt(format!(
                "{path} was removed while the database was open"
            )));
        }
        let header = self.header();
        let mut file = self.storage.create(path)?;
        file.append(&header)?; // Made durable, and the name too, before the first commit that names it.
        known.len = header.len() as u64;
        Ok(())
    }

    fn append(&self, known: &mut Known, new: &[&str]) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        if let Some(long) = new.iter().find(|symbol| symbol.len() > SYMBOL_BYTES_MAX) {
            return Err(Error::invalid(format!(
                "a symbol of domain {:?} has {} bytes, the longest may have {SYMBOL_BYTES_MAX}: use a utf8 column",
                self.name,
                long.len()
            )));
        }
        let path = domain_path(&self.name)?;
        let mut file = self.storage.append_to(&path)?;
        for symbols in new.chunks(FRAME_SYMBOLS_MAX) {
            let first_code = u32::try_from(known.text.len())
                .map_err(|_| Error::invalid(format!("symbol domain {:?} is full", self.name)))?;
            let (frame, chain) = encode_frame(first_code, symbols, known.chain);
            file.append(&frame)?;
            known.text.push(symbols.iter().copied())?;
            known.chain = chain;
            known.len += frame.len() as u64;
            known.whole = None;
        }
        Ok(())
    }

    /// Makes all symbols known here durable and gives what a commit must name, or `None` if it did already.
    pub(crate) fn sync(&self, committed: Option<&DomainMeta>) -> Result<Option<DomainMeta>> {
        if self.known.read().len <= committed.map_or(0, |meta| meta.committed_len) {
            return Ok(None);
        }
        // Nobody may trust a sync of this file between one that fails and the mark that says so.
        let lock = self
            .storage
            .lock(&symbol_file(&self.name, "lock")?, LockMode::Exclusive, true)?;
        let lock = lock.ok_or_else(|| Error::internal("waiting for a symbol lock gave none"))?;
        let known = self.known.read();
        let grown = DomainMeta {
            domain: self.name.clone(),
            file: file_name(&self.name).unwrap_or_default(),
            committed_len: known.len,
            symbols: u32::try_from(known.text.len()).unwrap_or(u32::MAX),
            chain: known.chain,
        };
        drop(known);
        let path = domain_path(&self.name)?;
        if committed.is_none() {
            // Who made the file may have ended before its name was durable.
            self.storage.sync_dir(&directory())?;
        }
        let mut mark = [0];
        if lock.len()? > 0 {
            lock.read_at(0, &mut mark)?;
        }
        if mark == SYNC_FAILED {
            self.rewrite(&path, &grown)?;
            lock.write_at(0, &[0])?;
        } else if let Err(error) = self.storage.append_to(&path)?.sync() {
            // Another process may have written part of the file: a sync covers every writer, and so does its failure.
            let marked = lock.write_at(0, &SYNC_FAILED);
            let also = marked
                .err()
                .map(|error| format!("; and {error}"))
                .unwrap_or_default();
            return Err(error.context(format!("new symbols could not be made durable{also}")));
        }
        self.durable_len.fetch_max(grown.committed_len, Ordering::AcqRel);
        Ok(Some(grown))
    }

    /// Makes all symbols known here durable, without a commit that names them.
    ///
    /// # Errors
    /// As [`Domain::sync`].
    pub(crate) fn make_durable(&self, committed: Option<&DomainMeta>) -> Result<()> {
        if self.known.read().len > self.durable_len.load(Ordering::Acquire) {
            self.sync(committed)?;
        }
        Ok(())
    }

    /// Reads whole frames that follow what is known, committed or not: records of logs use their codes.
    ///
    /// # Errors
    /// `Corrupt` with file and offset.
    pub(crate) fn read_ahead(&self) -> Result<()> {
        let stamp = self.storage.stamp(&domain_path(&self.name)?)?;
        let Some(stamp) = stamp.filter(|stamp| stamp.len > self.known.read().len) else {
            return Ok(());
        };
        let mut known = self.known.write();
        if known.len == 0 && stamp.len < self.header().len() as u64 {
            return Ok(());
        }
        if stamp.len > known.len {
            self.read_frames(&mut known, None)?;
        }
        Ok(())
    }

    /// Puts a new file with the same content in the place of one whose sync has failed: the old one may read right
    /// and not be on the disk, and another sync of it would prove nothing. The lock is held.
    fn rewrite(&self, path: &RelPath, grown: &DomainMeta) -> Result<()> {
        let fresh = Self {
            name: self.name.clone(),
            storage: Arc::clone(&self.storage),
            database: self.database,
            known: RwLock::default(),
            durable_len: AtomicU64::new(0),
        };
        fresh.load(Some(grown))?; // Proves that the file still reads right.
        let mut bytes = vec![0; usize::try_from(grown.committed_len).unwrap_or(usize::MAX)];
        self.storage.open(path)?.read_at(0, &mut bytes)?;
        let temporary = symbol_file(&self.name, "new")?;
        match self.storage.remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = self.storage.create(&temporary)?;
        file.append(&bytes)?;
        file.sync()?;
        self.storage.rename(&temporary, path)?;
        self.storage.sync_dir(&directory())
    }

    /// The symbols of some codes, in their order.
    pub(crate) fn array(&self, codes: impl ExactSizeIterator<Item = u32>) -> Result<StringArray> {
        self.known.read().text.array(codes)
    }

    /// The symbols of all codes as one array, made once for each length of the domain.
    pub(crate) fn whole(&self) -> Result<Arc<StringArray>> {
        if let Some(whole) = &self.known.read().whole {
            return Ok(Arc::clone(whole));
        }
        let mut known = self.known.write();
        let count = u32::try_from(known.text.len()).unwrap_or(u32::MAX);
        let whole = Arc::new(known.text.array((0..count).collect::<Vec<_>>().into_iter())?);
        known.whole = Some(Arc::clone(&whole));
        Ok(whole)
    }

    /// Calls `visit` with each symbol and its code.
    pub fn for_each(&self, mut visit: impl FnMut(u32, &str)) {
        let known = self.known.read();
        for at in 0..known.text.len() {
            let code = u32::try_from(at).unwrap_or(u32::MAX);
            visit(code, known.text.get(code).unwrap_or_default());
        }
    }

    /// Sorts codes by the text of their symbols.
    pub(crate) fn sort_by_text(&self, codes: &mut [u32]) {
        let known = self.known.read();
        codes.sort_unstable_by(|a, b| known.text.get(*a).cmp(&known.text.get(*b)));
    }

    /// The symbol of a code.
    pub fn symbol(&self, code: u32) -> Option<String> {
        self.known.read().text.get(code).map(str::to_owned)
    }
}

impl Known {
    fn take(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.text.extend(frame.text(), frame.ends())?;
        self.chain = frame.chain;
        self.len += frame.len as u64;
        self.whole = None;
        Ok(())
    }
}
