//! Runs the check: layer by layer, segments in parallel, and adds up what was found.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::coverage::{self, CoverageTarget};
use super::damage::{self, CoverageDamage, LostRange, SegmentDamage};
use super::finding::{Finding, FindingKind, Severity, Sink};
use super::identity::{self, Known};
use super::manifest::{self, ManifestView};
use super::segment::{self, Target};
use super::source::Source;
use super::{leases, strays, symbols, wal};
use crate::clock::{Clock, SystemClock};
use crate::database::pins::Pins;
use crate::error::Result;
use crate::io::{Options, RealStorage, Storage};
use crate::manifest::{TableState, Version, log};

/// Told how many segments of how many are checked.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// What to check.
#[derive(Clone, Default)]
pub struct CheckOptions {
    /// Only the segments and coverage files of this table; everything else is checked all the same.
    pub table: Option<String>,
    /// Called after each segment, from any thread.
    pub progress: Option<Progress>,
}

impl fmt::Debug for CheckOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckOptions")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// What was checked and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What is not as it should be, ordered by place. A segment gives at most 1000.
    pub findings: Vec<Finding>,
    /// Findings beyond that number.
    pub findings_left_out: u64,
    /// The version that was checked, if the manifest could be read.
    pub version: Option<u64>,
    /// Tables of that version.
    pub tables: usize,
    /// Named snapshots.
    pub snapshots: usize,
    /// Segments checked, those that only snapshots need included.
    pub segments: usize,
    /// Rows of these segments.
    pub rows: u64,
    /// Coverage files checked, those that only snapshots need included.
    pub coverage_files: usize,
    /// Files opened.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What the damaged segments of the newest version have lost, by table, series and time.
    pub damage: Vec<LostRange>,
}

impl CheckReport {
    /// Findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// Whether there is nothing but notes.
    pub fn is_clean(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity == Severity::Note)
    }

    fn take(&mut self, sink: Sink) {
        let (found, left_out) = sink.into_found();
        self.findings.extend(found);
        self.findings_left_out += left_out;
    }
}

/// Checks the database in a directory; see [`check`].
///
/// ```
/// use gapless_engine::Database;
/// use gapless_engine::check::{CheckOptions, check_database};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("market.db");
/// Database::builder(&path).open()?;
/// let report = check_database(&path, &CheckOptions::default())?;
/// assert!(report.is_clean(), "{:?}", report.findings);
///
/// std::fs::write(path.join("GAPLESS"), b"something else")?;
/// let report = check_database(&path, &CheckOptions::default())?;
/// assert!(report.findings[0].to_string().starts_with("error: GAPLESS, byte 0: "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `NotFound` or `Invalid` when there is no database; damage is no error but a finding.
pub fn check_database(path: impl AsRef<Path>, options: &CheckOptions) -> Result<CheckReport> {
    let storage = RealStorage::open(path, Options::default())?;
    check(&(Arc::new(storage) as Arc<dyn Storage>), options)
}

/// Checks a database, also one that is too damaged to open, while others read and write it.
///
/// # Errors
/// `Invalid` when the directory is no database; `NotFound` when the asked table does not exist. Damage is no error
/// but a finding.
pub fn check(storage: &Arc<dyn Storage>, options: &CheckOptions) -> Result<CheckReport> {
    Ok(examine(storage, options)?.report)
}

/// What a check has found, and what a repair needs to know of it.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub(crate) report: CheckReport,
    /// Damaged segments of the newest version.
    pub(crate) segments: Vec<SegmentDamage>,
    /// Damaged coverage files of the newest version.
    pub(crate) coverage: Vec<CoverageDamage>,
    /// Committed symbols of each domain.
    pub(crate) symbols: symbols::Counts,
}

/// As [`check`], with what a repair needs to know.
pub(crate) fn examine(storage: &Arc<dyn Storage>, options: &CheckOptions) -> Result<Examined> {
    let source = Source::new(&**storage);
    let sink = Sink::default();
    let mut examined = Examined::default();
    let report = &mut examined.report;
    let database = match identity::check(&source, "the directory", &sink)? {
        Known::Database(id) => Some(id),
        Known::Unknown => None,
        Known::Newer => {
            report.take(sink);
            return Ok(examined);
        }
    };
    // The pin is there before the manifest is read, so nothing that the manifest names goes meanwhile.
    let pins = register(storage);
    let view = manifest::check(&source, database, &sink);
    let number = view.version.as_ref().map_or(0, |version| version.number());
    if view.version.is_some()
        && let Err(error) = pins.publish(|| oldest(&view, number))
    {
        tracing::warn!(%error, "the pin of the check could not be published");
    }
    if let Some(version) = &view.version {
        report.version = Some(number);
        report.tables = version.tables().count();
        report.snapshots = version.snapshots().count();
        check_tables(version, &sink);
        let in_symbols = Sink::default();
        let symbols = symbols::check(&source, version, &view.snapshots, view.database, &in_symbols);
        // Behind the damage there may be the commit that names them.
        let (mut found, left_out) = in_symbols.into_found();
        found.retain(|finding| !view.is_damaged || finding.kind != FindingKind::SymbolsUncommitted);
        found.into_iter().for_each(|finding| sink.add(finding));
        report.findings_left_out += left_out;
        let targets = targets(&view, version, options)?;
        report.segments = targets.len();
        report.rows = targets.iter().map(|target| target.reference.rows).sum();
        for (sink, damage) in check_segments(&source, &view, &targets, &symbols, options) {
            report.take(sink);
            examined.segments.extend(damage);
        }
        report.damage = damage::lost_ranges(storage, view.database, version, &examined.segments);
        let coverage = coverage_targets(&view, version, options);
        report.coverage_files = coverage.len();
        for (sink, damage) in check_coverage(&source, &view, &coverage, &symbols) {
            report.take(sink);
            examined.coverage.extend(damage);
        }
        coverage::check_calendars(&view, version, &sink);
        examined.symbols = symbols;
    }
    let in_wal = Sink::default();
    wal::check(&source, &view, &in_wal);
    report.take(in_wal);
    leases::check(&source, view.database, &sink);
    strays::check(&source, &view, pins.instance(), &sink);
    report.take(sink);
    (report.files, report.bytes) = source.counts();
    report.findings.sort_by_cached_key(place);
    Ok(examined)
}

/// Snapshots keep their own files, and this keeps them if one is dropped meanwhile.
fn oldest(view: &ManifestView, newest: u64) -> u64 {
    let kept = view.snapshots.iter().map(|(_, version)| version.number());
    kept.min().unwrap_or(newest).min(newest)
}

fn register(storage: &Arc<dyn Storage>) -> Arc<Pins> {
    let now = SystemClock.now_ns().to_le_bytes();
    let seed = gapless_format::checksum(&[&now[..], &std::process::id().to_le_bytes()[..]].concat());
    let seed = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or_default();
    // Without a pin a writer may remove what is checked; that is told from damage afterwards.
    let pins = Pins::register(storage, seed).unwrap_or_else(|_| Pins::unregistered(storage, seed));
    Arc::new(pins)
}

type Place = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<u64>,
);

fn place(finding: &Finding) -> Place {
    (
        finding.table.clone(),
        finding.partition.clone(),
        finding.segment.clone(),
        finding.column.clone(),
        finding.file.clone(),
        finding.offset,
    )
}

/// The rows of a table are those of its segments.
fn check_tables(version: &Version, sink: &Sink) {
    for table in version.tables() {
        let rows: u64 = table.segments().map(|segment| segment.rows).sum();
        let count = table.segments().count();
        if rows != table.rows() || count != table.segment_count() {
            let message = format!(
                "table {:?} counts {} rows in {} segments, its segments have {rows} in {count}",
                table.meta().name,
                table.rows(),
                table.segment_count()
            );
            sink.add(Finding::error(FindingKind::RowCount, message));
        }
    }
}

/// Every segment that the version or a snapshot needs, once.
fn targets(view: &ManifestView, version: &Arc<Version>, options: &CheckOptions) -> Result<Vec<Target>> {
    if let Some(name) = &options.table {
        let known = view.snapshots.iter().any(|(_, kept)| kept.table(name).is_ok());
        // A table that a damaged manifest does not name may be there: its damage is the finding then.
        if !known && !view.is_damaged {
            version.table(name)?;
        }
    }
    let (mut seen, mut targets) = (HashSet::new(), Vec::new());
    for table in tables(view, version, options) {
        for reference in table.segments() {
            if seen.insert((reference.segment, reference.directory.clone())) {
                targets.push(Target {
                    table: Arc::clone(table.meta()),
                    reference: Arc::clone(reference),
                });
            }
        }
    }
    Ok(targets)
}

/// Every coverage file that the version or a snapshot needs, once.
fn coverage_targets(
    view: &ManifestView,
    version: &Arc<Version>,
    options: &CheckOptions,
) -> Vec<CoverageTarget> {
    let (mut seen, mut targets) = (HashSet::new(), Vec::new());
    for table in tables(view, version, options) {
        for reference in table.coverage() {
            if seen.insert((reference.file, reference.name.clone())) {
                targets.push(CoverageTarget {
                    table: Arc::clone(table.meta()),
                    reference: Arc::clone(reference),
                });
            }
        }
    }
    targets
}

/// The wanted tables of the version and of every snapshot.
fn tables<'a>(
    view: &'a ManifestView,
    version: &'a Arc<Version>,
    options: &'a CheckOptions,
) -> impl Iterator<Item = &'a Arc<TableState>> {
    let versions = std::iter::once(version).chain(view.snapshots.iter().map(|(_, version)| version));
    versions.flat_map(|version| version.tables()).filter(|table| {
        options
            .table
            .as_ref()
            .is_none_or(|name| *name == table.meta().name)
    })
}

fn check_segments(
    source: &Source<'_>,
    view: &ManifestView,
    targets: &[Target],
    symbols: &symbols::Counts,
    options: &CheckOptions,
) -> Vec<(Sink, Option<SegmentDamage>)> {
    let done = AtomicUsize::new(0);
    let tell = |done: usize| {
        if let Some(progress) = &options.progress {
            progress(done, targets.len());
        }
    };
    tell(0);
    targets
        .par_iter()
        .map(|target| {
            let sink = segment::check(source, target, symbols);
            tell(done.fetch_add(1, Ordering::Relaxed) + 1);
            if !sink.has_errors() {
                return (sink, None);
            }
            let id = target.reference.segment;
            let names = |version: &Version| {
                let mut segments = version.tables().flat_map(|table| table.segments());
                segments.any(|segment| segment.segment == id)
            };
            if sink.has_missing() && !is_still_named(source, view, names) {
                return (Sink::default(), None);
            }
            match view.version.as_ref().is_some_and(|version| names(version)) {
                true => {
                    let damage = damage::survey(source, target, symbols, &sink);
                    (sink, Some(damage))
                }
                false => (strays::of_snapshots(source, target, sink), None),
            }
        })
        .collect()
}

fn check_coverage(
    source: &Source<'_>,
    view: &ManifestView,
    targets: &[CoverageTarget],
    symbols: &symbols::Counts,
) -> Vec<(Sink, Option<CoverageDamage>)> {
    let check_one = |target: &CoverageTarget| {
        let sink = coverage::check(source, target, view.database, symbols);
        let names = |version: &Version| {
            let mut files = version.tables().flat_map(|table| table.coverage());
            files.any(|file| file.file == target.reference.file)
        };
        if sink.has_missing() && !is_still_named(source, view, names) {
            return (Sink::default(), None);
        }
        let is_live = view.version.as_ref().is_some_and(|version| names(version));
        match (sink.has_errors(), is_live) {
            (true, true) => {
                let damage = CoverageDamage {
                    table: Arc::clone(&target.table),
                    reference: Arc::clone(&target.reference),
                    refusal: damage::refusal_of(&sink),
                    findings: sink.texts(),
                };
                (sink, Some(damage))
            }
            (true, false) => (strays::coverage_of_snapshots(source, target, sink), None),
            _ => (sink, None),
        }
    };
    targets.par_iter().map(check_one).collect()
}

/// Whether the newest version or one of its snapshots still needs what `names` finds. If not, its files have gone rightly.
fn is_still_named(source: &Source<'_>, view: &ManifestView, names: impl Fn(&Version) -> bool) -> bool {
    let Some((newest, _)) = view.database.and_then(|id| log::load(source.storage, id).ok()) else {
        return true; // The manifest is damaged: nobody can have committed anything.
    };
    let kept = |number: u64| newest.snapshots().any(|(_, kept)| kept == number);
    names(&newest)
        || view
            .snapshots
            .iter()
            .any(|(_, version)| kept(version.number()) && names(version))
}
