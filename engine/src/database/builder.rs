//! Opens a database, or makes one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Weak};

use gapless_format::Identity;
use parking_lot::Mutex;

use super::allocator::keep_freed_blocks;
use super::background::{BackgroundWork, Maintenance};
use super::durability::Durability;
use super::engine::{Engine, Limits, LiveLimits, staging};
use super::session::Session;
use super::{Database, pins};
use crate::clock::{Clock, SystemClock};
use crate::compact::Policy;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{Access, LockMode, Options, RealStorage, RelPath, Storage, UnsyncedStorage};
use crate::manifest::{LOG_BYTES_MIN, Manifest, log};
use crate::segment::{DECODED_BYTES_MAX, VECTORS_MAX};
use crate::stream;
use crate::symbols;

/// Whether a database is opened to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Read and write; made if it is not there.
    #[default]
    ReadWrite,
    /// Read only; an error if it is not there.
    Read,
}

/// How to open a database.
#[derive(Debug)]
pub struct Builder {
    path: PathBuf,
    mode: Mode,
    access: Access,
    synced: bool,
    vectors_max: usize,
    decoded_bytes_max: u64,
    log_bytes_min: u64,
    live: LiveLimits,
    durability: Durability,
    maintenance: Maintenance,
    work: BackgroundWork,
    clock: Arc<dyn Clock>,
    storage: Option<Arc<dyn Storage>>,
    accept_loss: bool,
}

/// Databases open in this process, by the identity of their directory.
static OPEN: LazyLock<Mutex<OpenEngines>> = LazyLock::new(Mutex::default);

type OpenEngines = HashMap<(u64, u64), (Weak<Engine>, Weak<Session>)>;

/// Largest GAPLESS file that is read.
const IDENTITY_BYTES_MAX: u64 = 4096;

fn identity_path() -> RelPath {
    RelPath::from_static("GAPLESS")
}

impl Builder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: Mode::default(),
            access: Access::Map,
            synced: true,
            vectors_max: VECTORS_MAX,
            decoded_bytes_max: DECODED_BYTES_MAX,
            log_bytes_min: LOG_BYTES_MIN,
            live: LiveLimits::default(),
            durability: Durability::default(),
            maintenance: Maintenance::default(),
            work: BackgroundWork::default(),
            clock: Arc::new(SystemClock),
            storage: None,
            accept_loss: false,
        }
    }

    /// Whether the database is written to, and made if it is not there.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Whether files are mapped, or copied before they are read. Copies are safe against somebody who changes or
    /// cuts files while they are read, which a map cannot be.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Leaves out every sync: an operating system crash or power cut may then lose or damage the database. For
    /// scratch data and tests.
    #[must_use]
    pub fn without_sync(mut self) -> Self {
        self.synced = false;
        self
    }

    /// Vector files (column values, offsets, validity, indexes) that are kept mapped at most while nobody reads them.
    #[must_use]
    pub fn open_files_max(mut self, files: usize) -> Self {
        self.vectors_max = files.max(1);
        self
    }

    /// Bytes of pages of encoded segments that are kept decoded at most while nobody reads them: 256 MiB unless said
    /// otherwise. Plain segments are read in place and take none.
    #[must_use]
    pub fn decoded_bytes_max(mut self, bytes: u64) -> Self {
        self.decoded_bytes_max = bytes;
        self
    }

    /// Bytes of commits that are appended to the manifest at least before it begins anew with a checkpoint: more makes
    /// opening slower and commits a little cheaper.
    #[must_use]
    pub fn log_bytes_min(mut self, bytes: u64) -> Self {
        self.log_bytes_min = bytes;
        self
    }

    /// Goes on without what a damaged or missing log of a process that died has lost: the commits before the damage are
    /// recovered, those behind it are given up for good. Otherwise such a database does not open to write.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }

    /// How durable a streamed commit is when it returns, unless it asks for something else.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether a background thread rolls, flushes and compacts.
    #[must_use]
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// When background maintenance rewrites partitions.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.work.policy = policy;
        self
    }

    /// Bytes that background maintenance reads and writes in a second; 64 MiB unless told otherwise, `None` for as
    /// fast as it goes.
    #[must_use]
    pub fn maintenance_bytes_per_s(mut self, bytes: Option<u64>) -> Self {
        self.work.bytes_per_s = bytes;
        self
    }

    /// Bytes of streamed rows after which they are written to segments; 256 MiB unless told otherwise.
    #[must_use]
    pub fn flush_bytes(mut self, bytes: usize) -> Self {
        self.live.flush_bytes = bytes.max(1);
        self
    }

    /// Bytes of streamed rows in memory at most; 1 GiB unless told otherwise. An append that would pass it waits for a
    /// flush, [`Builder::back_pressure_ms`] at most, and is then refused.
    #[must_use]
    pub fn memory_bytes_max(mut self, bytes: usize) -> Self {
        self.live.memory_bytes_max = bytes.max(1);
        self
    }

    /// Milliseconds that an append waits for memory; 30,000 unless told otherwise.
    #[must_use]
    pub fn back_pressure_ms(mut self, ms: u64) -> Self {
        self.live.back_pressure_ms = ms;
        self
    }

    /// Rows up to which a bulk commit goes through the log and is flushed with others, instead of making segments of
    /// its own; 4,096 unless told otherwise.
    #[must_use]
    pub fn small_commit_rows(mut self, rows: usize) -> Self {
        self.live.small_commit_rows = rows;
        self
    }

    /// Where the time of commits comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A storage in place of the directory, for tests of crashes and errors.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Opens the database. The same directory opened twice in one process gives the same engine.
    ///
    /// # Errors
    /// `NotFound` when there is nothing to read; `Invalid` when the directory is not a database; `Unsupported`
    /// for a newer format; `Corrupt` with file and offset; `Io`.
    pub fn open(self) -> Result<Database> {
        keep_freed_blocks();
        let name = self.path.display().to_string();
        let storage = self.open_storage()?;
        let key = storage.identity();
        let mut open = OPEN.lock();
        open.retain(|_, (engine, _)| engine.strong_count() > 0);
        let found = open
            .get(&key)
            .and_then(|(engine, session)| Some((engine.upgrade()?, session.upgrade())));
        if let Some((engine, session)) = found.filter(|(engine, _)| engine.check_process().is_ok()) {
            if self.mode == Mode::ReadWrite && !engine.is_writable() {
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!("{name} is open for reading in this process: drop that handle before writing"),
                ));
            }
            let session = session.unwrap_or_else(|| Arc::new(Session::new(&engine)));
            open.insert(key, (Arc::downgrade(&engine), Arc::downgrade(&session)));
            return Ok(Database::new(engine, session, self.mode == Mode::ReadWrite));
        }
        let writable = self.mode == Mode::ReadWrite;
        let identity = match read_identity(&*storage, &name)? {
            Some(identity) => {
                if writable {
                    restore_directories(&*storage)?;
                }
                identity
            }
            None if writable => create(&*storage, &name, &*self.clock)?,
            None => return Err(not_a_database(&name)),
        };
        let engine = Engine::open(
            name,
            storage,
            self.clock,
            identity.database,
            writable,
            Limits {
                vectors_max: self.vectors_max,
                decoded_bytes_max: self.decoded_bytes_max,
                log_bytes_min: self.log_bytes_min,
                live: self.live,
                durability: self.durability,
                maintenance: self.maintenance,
                work: self.work,
            },
        )?;
        let engine = Arc::new(engine);
        let session = Arc::new(Session::new(&engine));
        if writable {
            stream::recover_dead(&engine, self.accept_loss)?;
            engine.clean_up_after_the_dead();
        }
        open.insert(key, (Arc::downgrade(&engine), Arc::downgrade(&session)));
        Ok(Database::new(engine, session, writable))
    }

    fn open_storage(&self) -> Result<Arc<dyn Storage>> {
        if let Some(storage) = &self.storage {
            return Ok(Arc::clone(storage));
        }
        let options = Options {
            access: self.access,
            ..Options::default()
        };
        let storage = match self.mode {
            Mode::ReadWrite => open_or_create(&self.path, options)?,
            Mode::Read => RealStorage::open(&self.path, options)?,
        };
        Ok(if self.synced {
            Arc::new(storage)
        } else {
            Arc::new(UnsyncedStorage::new(Arc::new(storage)))
        })
    }
}

fn open_or_create(path: &Path, options: Options) -> Result<RealStorage> {
    match RealStorage::open(path, options) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            RealStorage::create(path)?;
            RealStorage::open(path, options)
        }
        outcome => outcome,
    }
}

fn not_a_database(name: &str) -> Error {
    Error::invalid(format!(
        "{name} is not a gapless database: it has no GAPLESS file. Check the path; a new database is made in an \
         empty or missing directory"
    ))
}

fn read_identity(storage: &dyn Storage, name: &str) -> Result<Option<Identity>> {
    let bytes = match storage.read(&identity_path(), IDENTITY_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    Identity::decode(&bytes)
        .map(Some)
        .map_err(|error| Error::from_format(&format!("{name}/GAPLESS"), &error))
}

/// Makes an empty database. Of several processes that try, one does and the others find it done.
fn create(storage: &dyn Storage, name: &str, clock: &dyn Clock) -> Result<Identity> {
    let ours = [
        "manifest",
        "symbols",
        "tables",
        "readers",
        "staging",
        "quarantine",
        "wal",
        "GAPLESS.new",
    ];
    let entries = storage.list(&RelPath::root())?;
    if let Some(strange) = entries.iter().find(|entry| !ours.contains(&entry.name.as_str())) {
        if strange.name == "GAPLESS" {
            return read_identity(storage, name)?.ok_or_else(|| not_a_database(name));
        }
        return Err(Error::invalid(format!(
            "{name} is not a gapless database and not empty (it has {:?}): nothing was changed. Use an empty or \
             missing directory",
            strange.name
        )));
    }
    ensure_directory(storage, &log::directory())?;
    let lock = storage.lock(
        &RelPath::from_static("manifest/CREATE"),
        LockMode::Exclusive,
        true,
    )?;
    if let Some(identity) = read_identity(storage, name)? {
        return Ok(identity);
    }
    for directory in directories() {
        ensure_directory(storage, &directory)?;
    }
    let identity = Identity::new(database_id(clock, storage.identity()));
    Manifest::create(storage, identity.database)?;
    // The database exists when this file does: everything before is durable by then.
    storage.sync_dir(&RelPath::root())?;
    let temporary = RelPath::from_static("GAPLESS.new");
    log::remove_if_there(storage, &temporary)?;
    let mut file = storage.create(&temporary)?;
    file.append(&identity.encode())?;
    file.sync()?;
    storage.rename(&temporary, &identity_path())?;
    storage.sync_dir(&RelPath::root())?;
    drop(lock);
    Ok(identity)
}

fn directories() -> [RelPath; 4] {
    [
        symbols::directory(),
        RelPath::from_static("tables"),
        pins::directory(),
        staging(),
    ]
}

/// Makes the directories again that a copy has lost: git and many archivers leave empty ones out.
fn restore_directories(storage: &dyn Storage) -> Result<()> {
    let entries = storage.list(&RelPath::root())?;
    for directory in directories() {
        if !entries.iter().any(|entry| entry.name == directory.to_string()) {
            ensure_directory(storage, &directory)?;
        }
    }
    Ok(())
}

fn ensure_directory(storage: &dyn Storage, path: &RelPath) -> Result<()> {
    match storage.create_dir(path) {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        outcome => outcome,
    }
}

/// Tells files of this database from those of others; it is no secret.
fn database_id(clock: &dyn Clock, root: (u64, u64)) -> u128 {
    let parts = [
        clock.now_ns().cast_unsigned(),
        u64::from(std::process::id()),
        root.0,
        root.1,
    ];
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    let low = gapless_format::checksum(&bytes);
    let high = gapless_format::checksum(&[&bytes[..], b"high"].concat());
    u128::from(high) << 64 | u128::from(low)
}
