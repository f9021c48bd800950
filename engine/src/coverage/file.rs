//! Coverage files: written before the commit that names them, mapped and checked once when they are first asked for.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use gapless_format::{
    CoverageFile, CoverageKey, CoverageRecord, CoverageRef, CoverageState, encode_coverage_file,
};
use parking_lot::Mutex;

use super::map::is_wild;
use super::range::CoverageRange;
use crate::database::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{Region, RelPath, Storage};
use crate::manifest::Version;
use crate::segment::{create_file_with_parents, table_path};

/// Files that stay open although the newest version does not name them.
const UNUSED_MAX: usize = 16;

/// The directory of coverage files in that of a table.
pub(crate) const COVERAGE_DIRECTORY: &str = "coverage";

/// The directory of a table's coverage files.
fn coverage_directory(table: &str) -> Result<RelPath> {
    table_path(table)?.join(COVERAGE_DIRECTORY)
}

/// Where a coverage file of a table lies.
pub(crate) fn coverage_path(table: &str, name: &str) -> Result<RelPath> {
    coverage_directory(table)?.join(name)
}

/// The process number in a coverage file's name: `c-`, that number, `-`, a sequence number, `.cov`.
pub(crate) fn coverage_instance(name: &str) -> Option<u32> {
    let segment = name.strip_prefix("c-")?.strip_suffix(".cov")?;
    crate::database::garbage::instance_of(&format!("s-{segment}"))
}

/// A coverage file in use.
#[derive(Debug)]
pub(crate) struct OpenCoverage {
    /// The commit of ranges that name none.
    commit: i64,
    layout: CoverageFile,
    region: Region,
    /// Whether something is said of every series or of every interval.
    pub(super) has_wildcards: bool,
    /// Whether something is lost.
    pub(super) has_lost: bool,
}

impl OpenCoverage {
    fn open(storage: &dyn Storage, database: u128, table: &str, file: &CoverageRef) -> Result<Self> {
        let path = coverage_path(table, &file.name)?;
        let region = storage
            .open(&path)
            .map_err(|error| error.missing_is_corrupt(&path))?
            .map()?;
        let name = path.to_string();
        let layout = CoverageFile::parse(&region).map_err(|error| Error::from_format(&name, &error))?;
        let checksum = region.last_chunk::<8>().map(|sum| u64::from_le_bytes(*sum));
        let is_it = layout.database() == database
            && layout.file() == file.file
            && region.len() as u64 == file.bytes
            && checksum == Some(file.checksum);
        if !is_it {
            return Err(Error::corrupt(format!(
                "{name} is not the file that the manifest names: another one was put in its place"
            )));
        }
        let is_lost = |(_, _, state)| state == CoverageState::Lost;
        let mut places = layout.keys().iter().map(|(_, places)| places.clone());
        Ok(Self {
            has_lost: places.any(|places| layout.spans(&region, places).any(is_lost)),
            has_wildcards: layout.keys().iter().any(|(key, _)| is_wild(key)),
            commit: file.commit,
            layout,
            region,
        })
    }

    /// The keys, ascending, with the places of their ranges.
    pub(crate) fn keys(&self) -> &[(CoverageKey, Range<usize>)] {
        self.layout.keys()
    }

    /// The places of the ranges of a key that overlap a time range.
    pub(crate) fn find(&self, key: CoverageKey, time: &Range<i64>) -> Range<usize> {
        let places = self.layout.find(key);
        let at = |place: usize| self.layout.spans(&self.region, place..place + 1).next();
        let first = partition(places.clone(), |place| {
            at(place).is_some_and(|(_, end, _)| end <= time.start)
        });
        let last = partition(first..places.end, |place| {
            at(place).is_some_and(|(start, _, _)| start < time.end)
        });
        first..last
    }

    /// Start, end and state of the ranges at some places.
    pub(crate) fn spans(
        &self,
        places: Range<usize>,
    ) -> impl ExactSizeIterator<Item = (i64, i64, CoverageState)> {
        self.layout.spans(&self.region, places)
    }

    /// The range at a place.
    pub(crate) fn range(&self, place: usize) -> Option<CoverageRange> {
        let record = self.layout.record(&self.region, place)?;
        Some(CoverageRange::stored(&record, self.commit))
    }

    /// The oldest and newest commit of the range at a place.
    pub(crate) fn commits(&self, place: usize) -> (i64, i64) {
        let of_file = |own: i64| if own == i64::MIN { self.commit } else { own };
        let record = self.layout.record(&self.region, place);
        record.map_or((self.commit, self.commit), |record| {
            (of_file(record.first_commit), of_file(record.commit))
        })
    }
}

/// The first place for which `is_before` is false.
fn partition(places: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (places.start, places.end);
    while low < high {
        let middle = low + (high - low) / 2;
        match is_before(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

/// The coverage files that are open.
#[derive(Debug, Default)]
pub(crate) struct CoverageFiles {
    open: Mutex<HashMap<u64, Arc<OpenCoverage>>>,
}

impl CoverageFiles {
    /// A file of a table, opened if it is not yet.
    ///
    /// # Errors
    /// `Corrupt` when it is missing or damaged; `Io`.
    pub(crate) fn get(
        &self,
        storage: &dyn Storage,
        database: u128,
        table: &str,
        file: &CoverageRef,
    ) -> Result<Arc<OpenCoverage>> {
        if let Some(open) = self
            .open
            .lock()
            .get(&file.file)
            .filter(|open| open.commit == file.commit)
        {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(OpenCoverage::open(storage, database, table, file)?);
        self.open.lock().insert(file.file, Arc::clone(&opened));
        Ok(opened)
    }

    /// Closes files that a version does not name, once there are many of them.
    pub(crate) fn forget_unused(&self, version: &Version) {
        let mut open = self.open.lock();
        let used = || version.tables().flat_map(|state| state.coverage());
        if open.len() > used().count() + UNUSED_MAX {
            let used: HashSet<u64> = used().map(|file| file.file).collect();
            open.retain(|file, _| used.contains(file));
        }
    }
}

/// A coverage file that was written and that no version names yet. Dropped, it goes again.
#[derive(Debug)]
pub(crate) struct NewCoverage {
    storage: Arc<dyn Storage>,
    path: RelPath,
    reference: CoverageRef,
    is_kept: bool,
}

impl NewCoverage {
    /// What a commit says of it. `created` and `commit` are for the commit to fill in.
    pub(crate) fn reference(&self) -> &CoverageRef {
        &self.reference
    }

    /// A version names it now, or may.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewCoverage {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = self.storage.remove_file(&self.path)
        {
            tracing::warn!(%error, "a coverage file that is not used stays until the next garbage collection");
        }
    }
}

/// Writes a coverage file, durable when this returns. Nothing names it yet.
///
/// # Errors
/// `Io`.
pub(crate) fn write_coverage(
    engine: &Engine,
    table: (u32, &str),
    keys: &[(CoverageKey, Vec<CoverageRecord<'_>>)],
) -> Result<NewCoverage> {
    let storage = engine.storage();
    let (file, segment_name) = engine.next_segment();
    let name = format!("c-{}.cov", segment_name.trim_start_matches("s-"));
    let directory = coverage_directory(table.1)?;
    let path = coverage_path(table.1, &name)?;
    let bytes = encode_coverage_file(engine.database(), file, keys);
    let checksum = bytes.last_chunk::<8>().map_or(0, |sum| u64::from_le_bytes(*sum));
    let reference = CoverageRef {
        table: table.0,
        file,
        name,
        bytes: bytes.len() as u64,
        checksum,
        ranges: keys.iter().map(|(_, ranges)| ranges.len() as u64).sum(),
        created: 0,
        commit: 0,
    };
    let mut writer = create_file_with_parents(&**storage, &directory, &path)?;
    let new = NewCoverage {
        storage: Arc::clone(storage),
        path,
        reference,
        is_kept: false,
    };
    writer.append(&bytes)?;
    writer.sync()?;
    // Another writer may have made the directories and not come to its sync.
    let mut at = Some(directory);
    while let Some(directory) = at {
        storage.sync_dir(&directory)?;
        at = directory.parent();
    }
    Ok(new)
}

/// Removes a coverage file that nothing needs.
pub(crate) fn remove_coverage(storage: &dyn Storage, table: &str, name: &str) -> Result<()> {
    let path = coverage_path(table, name)?;
    match storage.remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
