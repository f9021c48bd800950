//! The left rows of a part, batch by batch, with the right rows that are equal to them.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use gapless_engine::{Error, Result};

use super::options::How;
use super::table::Finder;
use crate::error::arrow_error;
use crate::operator::BATCH_ROWS;
use crate::operator::keys::NONE;
use crate::source::{Rows, RowsIter, SeriesRun};

pub(super) struct Reader {
    pub(super) left: Option<RowsIter>,
    /// What is left of a batch of left rows, and the groups of its rows.
    pub(super) rows: Option<(Rows, Vec<u32>)>,
    pub(super) finder: Finder,
    pub(super) right: RecordBatch,
    pub(super) columns: Arc<[usize]>,
    pub(super) schema: SchemaRef,
    pub(super) how: How,
}

impl Reader {
    fn next_rows(&mut self) -> Result<Option<Rows>> {
        if let Some((rows, groups)) = self.rows.take() {
            return self.expand(rows, groups).map(Some);
        }
        let Some(left) = &mut self.left else {
            return Ok(None);
        };
        let Some(rows) = left.next().transpose()? else {
            return Ok(None);
        };
        let groups = self.finder.groups(&rows.batch)?;
        let passing = |is_wanted: fn(u32) -> bool| {
            BooleanBuffer::collect_bool(groups.len(), |row| {
                groups.get(row).is_some_and(|group| is_wanted(*group))
            })
        };
        match self.how {
            How::Semi => self
                .renamed(rows.filtered(&passing(|group| group != NONE))?)
                .map(Some),
            How::Anti => self
                .renamed(rows.filtered(&passing(|group| group == NONE))?)
                .map(Some),
            How::Inner | How::Left => self.expand(rows, groups).map(Some),
        }
    }

    fn renamed(&self, rows: Rows) -> Result<Rows> {
        let columns = rows.batch.columns().to_vec();
        let batch = self.batch(columns, rows.len())?;
        Ok(rows.with_batch(batch))
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal(format!("a join makes no batch: {error}")))
    }

    /// Left rows with their right rows: no more at a time than a batch has, but for those of one left row.
    fn expand(&mut self, rows: Rows, mut groups: Vec<u32>) -> Result<Rows> {
        let none = usize::from(self.how == How::Left);
        let (count, total) = self.finder.fitting(&groups, none, BATCH_ROWS);
        let rest = groups.split_off(count);
        let mut own = rows;
        if !rest.is_empty() {
            self.rows = Some((own.slice(count..own.len()), rest));
            own = own.slice(0..count);
        }
        let (mut lefts, mut rights) = (Vec::with_capacity(total), Vec::with_capacity(total));
        let mut ends = Vec::with_capacity(count);
        for (row, group) in (0u32..).zip(&groups) {
            let found = self.finder.rows(*group);
            lefts.extend(std::iter::repeat_n(row, found.len()));
            rights.extend(found.iter().map(|right| Some(*right)));
            if found.is_empty() && none == 1 {
                lefts.push(row);
                rights.push(None);
            }
            ends.push(lefts.len());
        }
        let mut columns = repeated(&mut own, &lefts, &ends)?;
        let rights: UInt32Array = match self.how {
            How::Inner => rights.into_iter().flatten().collect::<Vec<u32>>().into(),
            _ => UInt32Array::from(rights),
        };
        for place in self.columns.iter() {
            let column = self.right.columns().get(*place);
            let column = column.ok_or_else(|| Error::internal("the right side of a join lacks a column"))?;
            columns.push(take(column, &rights, None).map_err(|error| arrow_error("join", &error))?);
        }
        let batch = self.batch(columns, total)?;
        Ok(own.with_batch(batch))
    }
}

/// The columns of left rows, each as often as it is wanted, and the same of their times and runs. `ends` says where the rows of each
/// end.
fn repeated(rows: &mut Rows, lefts: &[u32], ends: &[usize]) -> Result<Vec<ArrayRef>> {
    let is_same = lefts.len() == rows.len() && (0u32..).zip(lefts).all(|(row, left)| row == *left);
    if is_same {
        return Ok(rows.batch.columns().to_vec());
    }
    let end = |row: usize| match row {
        0 => 0,
        row => ends.get(row - 1).copied().unwrap_or_default(),
    };
    let run = |run: &SeriesRun| SeriesRun {
        series: run.series,
        rows: end(run.rows.start)..end(run.rows.end),
    };
    let runs = rows.runs.iter().map(run);
    rows.runs = runs.filter(|run| !run.rows.is_empty()).collect();
    if !rows.times.is_empty() {
        let time = |left: &u32| rows.times.get(*left as usize).copied();
        rows.times = lefts.iter().filter_map(time).collect();
    }
    let lefts = UInt32Array::from(lefts.to_vec());
    let columns = rows.batch.columns().iter();
    columns
        .map(|column| take(column, &lefts, None).map_err(|error| arrow_error("join", &error)))
        .collect()
}

impl Iterator for Reader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_rows().transpose();
        if matches!(next, Some(Err(_))) {
            (self.left, self.rows) = (None, None);
        }
        next
    }
}
