//! Sorted runs of one partition on disk, and their merge back into order.
//!
//! A run is an Arrow IPC stream of storage arrays. Runs are numbered by arrival: among equal (series, time) the
//! row of the earlier run goes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Cursor, Write};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::interleave::interleave;
use gapless_format::{NULL_CODE, PAGE_ROWS, TableMeta};

use super::normalize::{codes, times};
use super::parts::{Parts, SortColumns};
use crate::error::{Error, Result};
use crate::io::{Region, RelPath, Storage, WritableFile};
use crate::table::types::storage_type;

/// A sorted run in a file that goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SpillRun {
    storage: Arc<dyn Storage>,
    path: RelPath,
    pub(crate) bytes: u64,
}

impl Drop for SpillRun {
    fn drop(&mut self) {
        if let Err(error) = self.storage.remove_file(&self.path) {
            tracing::warn!(path = %self.path, %error, "a spill file stays until the next garbage collection");
        }
    }
}

struct FileWrite(Box<dyn WritableFile>);

impl Write for FileWrite {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.append(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The schema of storage arrays of a table.
pub(crate) fn storage_schema(table: &TableMeta) -> SchemaRef {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|spec| Field::new(&spec.name, storage_type(&spec.column_type), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Writes rows as a sorted run.
pub(crate) fn write_run(
    storage: &Arc<dyn Storage>,
    path: RelPath,
    schema: &SchemaRef,
    rows: &Parts<'_>,
    sort_columns: SortColumns,
) -> Result<SpillRun> {
    let file = storage.create(&path)?;
    let mut run = SpillRun {
        storage: Arc::clone(storage),
        path,
        bytes: 0,
    };
    let failed = |error: arrow_schema::ArrowError| Error::io(format!("{}: {error}", "the sort's spill file"));
    let mut writer = StreamWriter::try_new(FileWrite(file), schema).map_err(failed)?;
    let mut write = |columns: Vec<ArrayRef>| {
        let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(failed)?;
        writer.write(&batch).map_err(failed)
    };
    if rows.is_sorted(sort_columns) {
        rows.parts().iter().cloned().try_for_each(&mut write)?;
    } else {
        let order = rows.order(sort_columns)?;
        order
            .chunks(PAGE_ROWS)
            .try_for_each(|chunk| write(rows.gathered(chunk)?))?;
    }
    let file = writer.into_inner().map_err(failed)?;
    run.bytes = file.0.len();
    Ok(run)
}

/// Rows of a run that are all before those of the others: so many are handed on as they lie.
const LEADING_ROWS_MIN: usize = 1024;

/// One sorted source of a merge.
struct SortedRun {
    reader: Option<StreamReader<Cursor<Region>>>,
    columns: Vec<ArrayRef>,
    row: usize,
}

/// Merges sorted runs.
pub(crate) struct Merge {
    runs: Vec<SortedRun>,
    heads: BinaryHeap<Reverse<(u32, i64, usize)>>,
    time_at: usize,
    series_at: Option<usize>,
}

impl Merge {
    /// Runs on disk, and one in memory that arrived after them.
    pub(crate) fn new(
        spilled: &[SpillRun],
        memory: Option<Vec<ArrayRef>>,
        time_at: usize,
        series_at: Option<usize>,
    ) -> Result<Self> {
        let mut runs = Vec::new();
        for run in spilled {
            let region = run.storage.open(&run.path)?.map()?;
            let reader = StreamReader::try_new(Cursor::new(region), None)
                .map_err(|error| Error::corrupt(format!("{}: {error}", run.path)))?;
            runs.push(SortedRun {
                reader: Some(reader),
                columns: Vec::new(),
                row: 0,
            });
        }
        if let Some(columns) = memory {
            runs.push(SortedRun {
                reader: None,
                columns,
                row: 0,
            });
        }
        let mut merge = Self {
            runs,
            heads: BinaryHeap::new(),
            time_at,
            series_at,
        };
        for at in 0..merge.runs.len() {
            if merge.runs[at].columns.is_empty() {
                merge.advance_batch(at)?;
            }
            merge.push_head(at);
        }
        Ok(merge)
    }

    fn push_head(&mut self, at: usize) {
        self.heads.extend(self.place(at, self.runs[at].row).map(Reverse));
    }

    /// Where a row of a run's batch comes in the order of all.
    fn place(&self, at: usize, row: usize) -> Option<(u32, i64, usize)> {
        let columns = &self.runs[at].columns;
        let time = times(columns, self.time_at).get(row)?;
        let code = codes(columns, self.series_at).get(row);
        Some((code.copied().unwrap_or(NULL_CODE), *time, at))
    }

    /// What is left of a batch all of whose rows come before those of other runs, if it is many: rows that were written in their
    /// order are not picked one by one.
    fn leading_rows(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        let Some(head @ Reverse((_, _, at))) = self.heads.pop() else {
            return Ok(None);
        };
        let run = &self.runs[at];
        let rows = run.columns.first().map_or(0, |array| array.len());
        let last = self.place(at, rows.saturating_sub(1));
        let is_first = self.heads.peek().is_none_or(|Reverse(next)| last < Some(*next));
        if !is_first || rows - run.row < LEADING_ROWS_MIN {
            self.heads.push(head);
            return Ok(None);
        }
        let slice = |array: &ArrayRef| array.slice(run.row, rows - run.row);
        let leading = run.columns.iter().map(slice).collect();
        self.advance_batch(at)?;
        self.push_head(at);
        Ok(Some(leading))
    }

    /// Reads the next batch of a run; leaves it without rows at its end.
    fn advance_batch(&mut self, at: usize) -> Result<()> {
        let run = &mut self.runs[at];
        run.row = 0;
        let next = run.reader.as_mut().and_then(Iterator::next).transpose();
        let next = next.map_err(|error| Error::corrupt(format!("the sort's spill file: {error}")))?;
        run.columns = next.map_or(Vec::new(), |batch| batch.columns().to_vec());
        Ok(())
    }

    /// The next rows in order, about a page of them or a batch of a run; `None` at the end.
    pub(crate) fn next_columns(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        if let Some(leading) = self.leading_rows()? {
            return Ok(Some(leading));
        }
        // Batches that rows of this page come from; a run's present batch is at `place[run]`.
        let mut batches: Vec<Vec<ArrayRef>> = self.runs.iter().map(|run| run.columns.clone()).collect();
        let mut place: Vec<usize> = (0..self.runs.len()).collect();
        let mut picks: Vec<(usize, usize)> = Vec::with_capacity(PAGE_ROWS);
        while picks.len() < PAGE_ROWS
            && let Some(Reverse((_, _, at))) = self.heads.pop()
        {
            let run = &mut self.runs[at];
            picks.push((place[at], run.row));
            run.row += 1;
            if run.row >= run.columns.first().map_or(0, |array| array.len()) {
                self.advance_batch(at)?;
                place[at] = batches.len();
                batches.push(self.runs[at].columns.clone());
            }
            self.push_head(at);
        }
        if picks.is_empty() {
            return Ok(None);
        }
        pick_rows(&batches, &picks).map(Some)
    }
}

/// Rows of several batches as one: `picks` are (batch, row). Batches without columns are not picked from.
fn pick_rows(batches: &[Vec<ArrayRef>], picks: &[(usize, usize)]) -> Result<Vec<ArrayRef>> {
    let sources: Vec<usize> = (0..batches.len()).filter(|at| !batches[*at].is_empty()).collect();
    let mut dense = vec![0; batches.len()];
    for (new, old) in sources.iter().enumerate() {
        dense[*old] = new;
    }
    let picks: Vec<(usize, usize)> = picks.iter().map(|(batch, row)| (dense[*batch], *row)).collect();
    let width = sources.first().map_or(0, |at| batches[*at].len());
    (0..width)
        .map(|column| {
            let arrays: Vec<&dyn Array> = sources.iter().map(|at| batches[*at][column].as_ref()).collect();
            interleave(&arrays, &picks)
                .map_err(|error| Error::internal(format!("runs do not merge: {error}")))
        })
        .collect()
}
