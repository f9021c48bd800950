//! Values of chosen rows as arrays: slices of a map where rows lie together, copies of runs where they do not.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{BooleanBufferBuilder, MutableBuffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::ArrowError;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use gapless_format::ColumnSpec;

use super::merge::{Chunk, RowRun};
use super::piece::Piece;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::segment::SegmentCache;

/// Below this many rows in a run on average, rows are gathered one by one.
const RUN_ROWS_MIN: usize = 4;

pub(super) fn internal(what: &str, error: &ArrowError) -> Error {
    Error::internal(format!("{what}: {error}"))
}

/// A column of some rows in its storage type.
pub(super) fn read_column(cache: &SegmentCache, spec: &ColumnSpec, chunks: &[Chunk]) -> Result<ArrayRef> {
    if let [chunk] = chunks {
        return read_chunk(cache, spec, chunk);
    }
    let arrays = chunks
        .iter()
        .map(|chunk| read_chunk(cache, spec, chunk))
        .collect::<Result<Vec<_>>>()?;
    joined(&arrays)
}

pub(super) fn read_chunk(cache: &SegmentCache, spec: &ColumnSpec, chunk: &Chunk) -> Result<ArrayRef> {
    let read = |pieces: &[Piece]| {
        pieces
            .iter()
            .map(|piece| read_piece(cache, spec, piece))
            .collect::<Result<Vec<_>>>()
    };
    match chunk {
        Chunk::Slice(piece) => read_piece(cache, spec, piece),
        Chunk::Picks(pieces, picks) => picked(&read(pieces)?, picks.iter().copied()),
        Chunk::Runs(pieces, runs) => gather_runs(&read(pieces)?, runs),
        Chunk::Kept(run, at, rows) => run.column(cache, spec, *at, rows),
        Chunk::Page(page, rows) => match page.column(spec) {
            Some(array) => Ok(array.slice(rows.start, rows.len())),
            None => Err(Error::internal("a page without statistics was taken by them")),
        },
    }
}

/// The rows of a piece.
pub(super) fn read_piece(cache: &SegmentCache, spec: &ColumnSpec, piece: &Piece) -> Result<ArrayRef> {
    let read = |rows: Range<usize>| piece.segment.read(cache, spec, rows);
    match &piece.rows {
        Rows::Range(_) => read(piece.rows.span()),
        Rows::Ranges(ranges) => {
            let arrays = ranges
                .iter()
                .map(|range| read(range.start as usize..range.end as usize))
                .collect::<Result<Vec<_>>>()?;
            joined(&arrays)
        }
        Rows::List(rows) => piece.segment.take(cache, spec, rows),
    }
}

fn joined(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    concat(&arrays).map_err(|error| internal("rows do not join", &error))
}

fn picked(arrays: &[ArrayRef], picks: impl Iterator<Item = (u32, u32)>) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let picks: Vec<(usize, usize)> = picks.map(|(piece, at)| (piece as usize, at as usize)).collect();
    interleave(&arrays, &picks).map_err(|error| internal("rows do not interleave", &error))
}

/// Runs of rows of several arrays, one after the other.
fn gather_runs(arrays: &[ArrayRef], runs: &[RowRun]) -> Result<ArrayRef> {
    let rows: usize = runs.iter().map(RowRun::len).sum();
    if let [run] = runs
        && let Some(array) = arrays.get(run.piece as usize)
    {
        return Ok(array.slice(run.start as usize, run.len()));
    }
    if rows < runs.len() * RUN_ROWS_MIN {
        let picks = runs
            .iter()
            .flat_map(|run| (run.start..run.end).map(|at| (run.piece, at)));
        return picked(arrays, picks);
    }
    let sources: Vec<ArrayData> = arrays.iter().map(Array::to_data).collect();
    let width = arrays
        .first()
        .and_then(|array| array.data_type().primitive_width());
    match width {
        Some(width) => copy_fixed(&sources, runs, rows, width),
        None => copy_any(&sources, runs, rows),
    }
}

fn copy_fixed(sources: &[ArrayData], runs: &[RowRun], rows: usize, width: usize) -> Result<ArrayRef> {
    let outside = || Error::internal("a run of rows lies outside of its piece");
    let values: Vec<&[u8]> = sources
        .iter()
        .map(|data| {
            let bytes = data.buffers().first()?.as_slice();
            bytes.get(data.offset() * width..(data.offset() + data.len()) * width)
        })
        .collect::<Option<_>>()
        .ok_or_else(outside)?;
    let mut copy = MutableBuffer::with_capacity(rows * width);
    for run in runs {
        let bytes = values
            .get(run.piece as usize)
            .and_then(|values| values.get(run.start as usize * width..run.end as usize * width))
            .ok_or_else(outside)?;
        copy.extend_from_slice(bytes);
    }
    let data_type = sources.first().ok_or_else(outside)?.data_type().clone();
    let data = ArrayData::builder(data_type)
        .len(rows)
        .add_buffer(copy.into())
        .nulls(copy_nulls(sources, runs, rows))
        .build()
        .map_err(|error| internal("copied rows make no array", &error))?;
    Ok(make_array(data))
}

fn copy_nulls(sources: &[ArrayData], runs: &[RowRun], rows: usize) -> Option<NullBuffer> {
    if sources.iter().all(|source| source.nulls().is_none()) {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(rows);
    for run in runs {
        match sources.get(run.piece as usize).and_then(ArrayData::nulls) {
            None => valid.append_n(run.len(), true),
            Some(nulls) => valid.append_buffer(&nulls.inner().slice(run.start as usize, run.len())),
        }
    }
    Some(NullBuffer::new(valid.finish()))
}

fn copy_any(sources: &[ArrayData], runs: &[RowRun], rows: usize) -> Result<ArrayRef> {
    let has_nulls = sources.iter().any(|source| source.nulls().is_some());
    let mut copy = MutableArrayData::new(sources.iter().collect(), has_nulls, rows);
    for run in runs {
        copy.try_extend(run.piece as usize, run.start as usize, run.end as usize)
            .map_err(|error| internal("runs of rows do not join", &error))?;
    }
    Ok(make_array(copy.freeze()))
}
