//! The strategy that takes rows from files, of whatever format a reader knows.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
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
    cache: Mutex<Vec<(PathBuf, Arc<Option<Rows>>)>>,
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

/// The rows of a file, by series and time; rows equal in both as the file has them.
struct Rows {
    batch: RecordBatch,
    times: Vec<i64>,
    /// Where the rows of each series are.
    runs: HashMap<Option<String>, Range<usize>>,
}

impl Rows {
    /// Puts rows in order.
    fn sorted(
        batch: RecordBatch,
        times: Vec<i64>,
        series: &Series,
    ) -> Result<Self, arrow_schema::ArrowError> {
        let place = |row: u32| (series.code(row as usize), times.get(row as usize).copied());
        let mut order: Vec<u32> = (0..u32::try_from(times.len()).unwrap_or(u32::MAX)).collect();
        let batch = if order.is_sorted_by_key(|row| place(*row)) {
            batch
        } else {
            order.sort_by_key(|row| place(*row));
            take_record_batch(&batch, &UInt32Array::from(order.clone()))?
        };
        let mut runs = HashMap::new();
        let mut from = 0;
        for run in order.chunk_by(|a, b| series.code(*a as usize) == series.code(*b as usize)) {
            let code = run.first().and_then(|row| series.code(*row as usize));
            runs.insert(series.name(code).map(str::to_owned), from..from + run.len());
            from += run.len();
        }
        let times = order.iter().filter_map(|row| times.get(*row as usize).copied());
        Ok(Self {
            batch,
            times: times.collect(),
            runs,
        })
    }

    /// The first and the last time of each series.
    fn bounds(&self) -> HashMap<Option<String>, (i64, i64)> {
        let bounds = self.runs.iter().filter_map(|(series, run)| {
            let times = self.times.get(run.clone())?;
            Some((series.clone(), (*times.first()?, *times.last()?)))
        });
        bounds.collect()
    }

    /// The rows of a series in a range.
    fn of(&self, series: &Option<String>, range: &Range<i64>) -> RecordBatch {
        let run = self.runs.get(series).cloned().unwrap_or_default();
        let times = self.times.get(run.clone()).unwrap_or_default();
        let first = times.partition_point(|time| *time < range.start);
        let end = times.partition_point(|time| *time < range.end);
        self.batch.slice(run.start + first, end - first)
    }
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
            let rows = self.read(&path, writer)?;
            let bounds = rows.as_ref().as_ref().map(Rows::bounds).unwrap_or_default();
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

    /// The rows of a file; `None` for one without rows, or that is left out.
    fn read(&self, path: &Path, writer: &GapWriter) -> Result<Arc<Option<Rows>>, BackfillError> {
        if let Some((_, rows)) = self.cache.lock().iter().find(|(cached, _)| cached == path) {
            return Ok(Arc::clone(rows));
        }
        let batches = (self.reader)(path)?;
        let rows = match batches.first() {
            None => None,
            Some(first) => {
                let batch = concat_batches(&first.schema(), &batches).map_err(|error| {
                    FetchError::permanent(format!("{}: its rows do not join: {error}", path.display()))
                })?;
                drop(batches);
                self.rows(path, batch, writer)?
            }
        };
        let rows = Arc::new(rows);
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED_FILES_MAX {
            cache.remove(0);
        }
        cache.push((path.to_owned(), Arc::clone(&rows)));
        Ok(rows)
    }

    /// The rows of a batch, in order; `None` for a file that is left out.
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
        let sorted = Rows::sorted(batch, times, &series);
        sorted
            .map(Some)
            .map_err(|error| refused(format!("its rows cannot be put in order: {error}")).into())
    }

    /// The rows of a series in a range.
    fn rows_of(
        &self,
        files: &[File],
        series: &Option<String>,
        range: &Range<i64>,
        writer: &GapWriter,
    ) -> Result<Vec<RecordBatch>, BackfillError> {
        let mut found = Vec::new();
        for file in files {
            let bounds = file.bounds.get(series);
            if bounds.is_none_or(|(first, last)| *last < range.start || *first >= range.end) {
                continue;
            }
            if let Some(rows) = self.read(&file.path, writer)?.as_ref() {
                found.push(rows.of(series, range));
            }
        }
        found.retain(|batch| batch.num_rows() > 0);
        Ok(found)
    }
}

/// Which series each row is of.
fn many(column: &Arc<dyn Array>) -> Result<Series, arrow_schema::ArrowError> {
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let column = cast(column, &text)?;
    let column = column.as_dictionary::<UInt32Type>();
    // A dictionary may have a name twice, or null as a name.
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut names = Vec::new();
    let codes: Vec<Option<u32>> = column
        .values()
        .as_string::<i32>()
        .iter()
        .map(|name| {
            let name = name?;
            Some(*known.entry(name).or_insert_with(|| {
                names.push(name.to_owned());
                names.len() as u32 - 1
            }))
        })
        .collect();
    let code = |key: Option<u32>| codes.get(key? as usize).copied().flatten();
    Ok(Series::Many(column.keys().iter().map(code).collect(), names))
}

impl BackfillStrategy for FilesStrategy {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        writer.set_source("files");
        let files = self.index(writer)?;
        let bounds: Intervals = files
            .iter()
            .filter_map(|file| file.bounds.get(&gap.series))
            .map(|(first, last)| *first..last.saturating_add(gap.interval.max(1)))
            .collect();
        for part in writer.remaining().to_vec() {
            let ranges = match self.attests {
                FilesAttest::Everything => Intervals::single(part.clone()),
                _ => whole_slots(&bounds.clip(&part), &part, gap.interval)?,
            };
            for range in ranges.iter() {
                let rows = self.rows_of(&files, &gap.series, &range, writer)?;
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
