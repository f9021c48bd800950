//! The strategy that takes rows from files, of whatever format a reader knows.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::filter::filter_record_batch;
use parking_lot::Mutex;

use super::fetch::FetchError;
use super::live_replay::{time_name, whole_slots};
use super::strategy::{BackfillError, BackfillStrategy, Filled};
use super::writer::GapWriter;
use crate::coverage::Gap;
use crate::coverage::intervals::Intervals;

/// Files whose rows are kept from one gap to the next.
const CACHED_FILES_MAX: usize = 4;

/// What files say about ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FilesAttest {
    /// Nothing: their rows are written, and the range stays a gap.
    #[default]
    Nothing,
    /// That each has all rows of a series from its first to its last one.
    Bounds,
    /// That together they have all rows of whatever range is asked for.
    Everything,
}

type ReadFile = dyn Fn(&Path) -> Result<Vec<RecordBatch>, FetchError> + Send + Sync;
type NameSeries = dyn Fn(&Path) -> Option<String> + Send + Sync;

/// Takes the rows of a gap from files: a drop directory, an archive.
///
/// - Every file is read once to learn which series it has and from when to when, at the first gap. Then a file is read again when
///   a gap needs it; the rows of a few are kept, so memory is bounded by the largest files and the rows of a gap.
/// - Files that come later are not seen: make a new strategy then.
/// - What they attest must be said ([`FilesStrategy::attests`]), because files do not tell what is not in them.
///
/// ```
/// use gapless_engine::backfill::{FetchError, FilesAttest, FilesStrategy};
/// let reader = |_: &std::path::Path| -> Result<Vec<arrow_array::RecordBatch>, FetchError> { Ok(Vec::new()) };
/// let files = FilesStrategy::new(["incoming"], reader).attests(FilesAttest::Bounds);
/// ```
pub struct FilesStrategy {
    paths: Vec<PathBuf>,
    reader: Box<ReadFile>,
    series: Option<Box<NameSeries>>,
    attests: FilesAttest,
    files: Mutex<Option<Arc<Vec<File>>>>,
    /// The newest last.
    cache: Mutex<Vec<(PathBuf, Arc<Vec<Rows>>)>>,
}

impl fmt::Debug for FilesStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesStrategy")
            .field("paths", &self.paths)
            .field("attests", &self.attests)
            .finish_non_exhaustive()
    }
}

/// What a file has: of each series the first and the last time.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// By series; no series for files of a table without any.
    bounds: HashMap<Option<String>, (i64, i64)>,
}

/// Rows of a file, with their times and series.
struct Rows {
    batch: RecordBatch,
    times: Vec<i64>,
    series: Series,
}

/// The series of rows.
enum Series {
    /// The table has none.
    None,
    /// The whole file is of one.
    One(String),
    /// By row: which of the names.
    Many(Vec<Option<u32>>, Vec<String>),
}

impl Series {
    /// Which of the names a row has; `None` where there is only one.
    fn code(&self, row: usize) -> Option<u32> {
        match self {
            Self::None | Self::One(_) => None,
            Self::Many(rows, _) => rows.get(row).copied().flatten(),
        }
    }

    /// The name of a code.
    fn name(&self, code: Option<u32>) -> Option<&str> {
        match self {
            Self::None => None,
            Self::One(name) => Some(name),
            Self::Many(_, names) => names.get(code? as usize).map(String::as_str),
        }
    }
}

impl Rows {
    /// The first and the last time of each series.
    fn bounds(&self) -> HashMap<Option<u32>, (i64, i64)> {
        let mut bounds: HashMap<Option<u32>, (i64, i64)> = HashMap::new();
        for (row, time) in self.times.iter().enumerate() {
            let (first, last) = bounds.entry(self.series.code(row)).or_insert((*time, *time));
            (*first, *last) = ((*first).min(*time), (*last).max(*time));
        }
        bounds
    }

    /// Which rows are of a series and lie in a range.
    fn are(&self, series: Option<&str>, range: &Range<i64>) -> BooleanArray {
        let rows = self.times.iter().enumerate();
        rows.map(|(row, time)| {
            let is_inside = range.contains(time);
            Some(is_inside && self.series.name(self.series.code(row)) == series)
        })
        .collect()
    }
}

impl FilesStrategy {
    /// Reads files, and those that lie in directories (but not in directories within), with `reader`.
    pub fn new<P: Into<PathBuf>>(
        paths: impl IntoIterator<Item = P>,
        reader: impl Fn(&Path) -> Result<Vec<RecordBatch>, FetchError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            reader: Box::new(reader),
            series: None,
            attests: FilesAttest::default(),
            files: Mutex::default(),
            cache: Mutex::default(),
        }
    }

    /// What the files say about ranges; nothing unless told otherwise.
    #[must_use]
    pub fn attests(mut self, attests: FilesAttest) -> Self {
        self.attests = attests;
        self
    }

    /// The series of a file that has no series column, by its path; `None` for a file that is to be left out.
    #[must_use]
    pub fn series(mut self, name: impl Fn(&Path) -> Option<String> + Send + Sync + 'static) -> Self {
        self.series = Some(Box::new(name));
        self
    }

    /// The files and what they have, read at the first call.
    fn index(&self, writer: &GapWriter) -> Result<Arc<Vec<File>>, BackfillError> {
        let mut known = self.files.lock();
        if let Some(files) = &*known {
            return Ok(Arc::clone(files));
        }
        let mut files = Vec::new();
        for path in self.list()? {
            let mut bounds: HashMap<Option<String>, (i64, i64)> = HashMap::new();
            for rows in self.read(&path, writer)?.iter() {
                for (code, (first, last)) in rows.bounds() {
                    let name = rows.series.name(code).map(str::to_owned);
                    let known = bounds.entry(name).or_insert((first, last));
                    *known = (known.0.min(first), known.1.max(last));
                }
            }
            files.push(File { path, bounds });
        }
        Ok(Arc::clone(known.insert(Arc::new(files))))
    }

    /// The files by name.
    fn list(&self) -> Result<Vec<PathBuf>, FetchError> {
        let mut files = Vec::new();
        for path in &self.paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let failed = |error| FetchError::transient(format!("{}: {error}", path.display()));
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let entry = entry.map_err(failed)?.path();
                if entry.is_file() {
                    inside.push(entry);
                }
            }
            inside.sort();
            files.append(&mut inside);
        }
        Ok(files)
    }

    fn read(&self, path: &Path, writer: &GapWriter) -> Result<Arc<Vec<Rows>>, BackfillError> {
        if let Some((_, rows)) = self.cache.lock().iter().find(|(cached, _)| cached == path) {
            return Ok(Arc::clone(rows));
        }
        let batches = (self.reader)(path)?;
        let rows: Result<Vec<Rows>, BackfillError> = batches
            .into_iter()
            .filter_map(|batch| self.rows(path, batch, writer).transpose())
            .collect();
        let rows = Arc::new(rows?);
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED_FILES_MAX {
            cache.remove(0);
        }
        cache.push((path.to_owned(), Arc::clone(&rows)));
        Ok(rows)
    }

    /// The rows of a batch; `None` for a file that is left out.
    fn rows(
        &self,
        path: &Path,
        batch: RecordBatch,
        writer: &GapWriter,
    ) -> Result<Option<Rows>, BackfillError> {
        let refused = |why: String| FetchError::permanent(format!("{}: {why}", path.display()));
        let time = time_name(writer)?;
        let column = batch
            .column_by_name(&time)
            .ok_or_else(|| refused(format!("it has no column {time:?}")))?;
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let times = cast(column, &nanoseconds).and_then(|times| cast(&times, &DataType::Int64));
        let times = times.map_err(|error| refused(format!("column {time:?}: {error}")))?;
        if times.null_count() > 0 {
            return Err(refused(format!("column {time:?} has nulls")).into());
        }
        let times = times.as_primitive::<Int64Type>().values().to_vec();
        let meta = writer.table().meta()?;
        let series = meta.series_column.and_then(|id| meta.column(id));
        let series = match series.map(|series| (batch.column_by_name(&series.name), &self.series)) {
            None => Series::None,
            Some((Some(column), _)) => {
                many(column).map_err(|error| refused(format!("the series: {error}")))?
            }
            Some((None, Some(name))) => match name(path) {
                Some(name) => Series::One(name),
                None => return Ok(None),
            },
            Some((None, None)) => {
                let why = "it has no series column: say which series a file is of";
                return Err(refused(why.to_owned()).into());
            }
        };
        Ok(Some(Rows { batch, times, series }))
    }

    /// The rows of a series in a range.
    fn rows_of(
        &self,
        files: &[File],
        series: Option<&str>,
        range: &Range<i64>,
        writer: &GapWriter,
    ) -> Result<Vec<RecordBatch>, BackfillError> {
        let mut found = Vec::new();
        for file in files {
            let bounds = file.bounds.get(&series.map(str::to_owned));
            if bounds.is_none_or(|(first, last)| *last < range.start || *first >= range.end) {
                continue;
            }
            for rows in self.read(&file.path, writer)?.iter() {
                let wanted = rows.are(series, range);
                if wanted.true_count() > 0 {
                    found.push(filter_record_batch(&rows.batch, &wanted).map_err(|error| {
                        FetchError::permanent(format!("{}: {error}", file.path.display()))
                    })?);
                }
            }
        }
        Ok(found)
    }
}

/// Which series each row is of.
fn many(column: &Arc<dyn Array>) -> Result<Series, arrow_schema::ArrowError> {
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let column = cast(column, &text)?;
    let column = column.as_dictionary::<UInt32Type>();
    let names = column.values().as_string::<i32>();
    let names = names
        .iter()
        .map(|name| name.unwrap_or_default().to_owned())
        .collect();
    Ok(Series::Many(column.keys().iter().collect(), names))
}

impl BackfillStrategy for FilesStrategy {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        writer.set_source("files");
        let files = self.index(writer)?;
        let series = gap.series.as_deref();
        let key = gap.series.clone();
        let bounds: Intervals = files
            .iter()
            .filter_map(|file| file.bounds.get(&key))
            .map(|(first, last)| *first..last.saturating_add(gap.interval.max(1)))
            .collect();
        for part in writer.remaining().to_vec() {
            let ranges = match self.attests {
                FilesAttest::Everything => Intervals::single(part.clone()),
                _ => whole_slots(&bounds.clip(&part), &part, gap.interval)?,
            };
            for range in ranges.iter() {
                let rows = self.rows_of(&files, series, &range, writer)?;
                match self.attests {
                    FilesAttest::Nothing if rows.is_empty() => {}
                    FilesAttest::Nothing => drop(writer.write_partial(range, &rows)?),
                    _ => drop(writer.write(range, &rows)?),
                }
            }
        }
        Ok(Filled { is_exhausted: true })
    }

    fn name(&self) -> &str {
        "files"
    }
}
