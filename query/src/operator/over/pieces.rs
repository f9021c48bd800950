//! A column put together from stretches of others.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, downcast_primitive};
use arrow_buffer::NullBufferBuilder;
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;
use gapless_engine::{Error, Result};

use crate::error::arrow_error;

/// What comes next in a column.
#[derive(Debug, Clone)]
enum Piece {
    /// Rows of a source.
    Rows(usize, Range<usize>),
    /// So many rows without a value.
    Missing(usize),
}

/// A column that is put together. Sources are of its type.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    sources: Vec<ArrayRef>,
    pieces: Vec<Piece>,
    rows: usize,
}

impl Pieces {
    /// A further source, and its number.
    pub(super) fn source(&mut self, array: ArrayRef) -> usize {
        self.sources.push(array);
        self.sources.len() - 1
    }

    /// A source.
    pub(super) fn array(&self, source: usize) -> Option<ArrayRef> {
        self.sources.get(source).cloned()
    }

    /// Goes on with rows of a source.
    pub(super) fn rows(&mut self, source: usize, rows: Range<usize>) {
        if !rows.is_empty() {
            self.rows += rows.len();
            self.pieces.push(Piece::Rows(source, rows));
        }
    }

    /// Goes on with rows that have no value.
    pub(super) fn missing(&mut self, rows: usize) {
        if rows > 0 {
            self.rows += rows;
            self.pieces.push(Piece::Missing(rows));
        }
    }

    /// The rows that are without a value so far.
    pub(super) fn missing_rows(&self) -> Vec<u32> {
        let (mut at, mut missing) = (0, Vec::new());
        for piece in &self.pieces {
            match piece {
                Piece::Rows(_, rows) => at += rows.len(),
                Piece::Missing(rows) => {
                    missing.extend((at..at + rows).filter_map(|row| u32::try_from(row).ok()));
                    at += rows;
                }
            }
        }
        missing
    }

    /// Takes what is missing from an array that has just these rows.
    pub(super) fn fill_missing(&mut self, array: ArrayRef) {
        let source = self.source(array);
        let mut at = 0;
        for piece in &mut self.pieces {
            if let Piece::Missing(rows) = *piece {
                *piece = Piece::Rows(source, at..at + rows);
                at += rows;
            }
        }
    }

    /// The column.
    pub(super) fn build(&self, data_type: &DataType) -> Result<ArrayRef> {
        if let [Piece::Rows(source, rows)] = self.pieces.as_slice()
            && let Some(source) = self.sources.get(*source)
        {
            return Ok(source.slice(rows.start, rows.len()));
        }
        macro_rules! numbers {
            ($T:ty, $data_type:expr) => {
                self.build_numbers::<$T>($data_type)
            };
        }
        downcast_primitive! {
            data_type => (numbers, data_type),
            _ => self.build_others(data_type)
        }
    }

    fn build_numbers<T: ArrowPrimitiveType>(&self, data_type: &DataType) -> Result<ArrayRef> {
        let sources: Option<Vec<&PrimitiveArray<T>>> = self
            .sources
            .iter()
            .map(|source| source.as_primitive_opt())
            .collect();
        let sources = sources.ok_or_else(other_type)?;
        let mut values: Vec<T::Native> = Vec::with_capacity(self.rows);
        let mut nulls = NullBufferBuilder::new(self.rows);
        for piece in &self.pieces {
            match piece {
                Piece::Missing(rows) => {
                    values.resize(values.len() + rows, T::Native::default());
                    nulls.append_n_nulls(*rows);
                }
                Piece::Rows(source, rows) => {
                    let source = sources.get(*source).ok_or_else(other_type)?;
                    values.extend_from_slice(source.values().get(rows.clone()).ok_or_else(other_type)?);
                    match source.nulls() {
                        Some(own) => nulls.append_buffer(&own.slice(rows.start, rows.len())),
                        None => nulls.append_n_non_nulls(rows.len()),
                    }
                }
            }
        }
        let array = PrimitiveArray::<T>::new(values.into(), nulls.finish());
        Ok(Arc::new(array.with_data_type(data_type.clone())))
    }

    fn build_others(&self, data_type: &DataType) -> Result<ArrayRef> {
        if self.sources.iter().any(|source| source.data_type() != data_type) {
            return Err(other_type());
        }
        let sources: Vec<_> = self.sources.iter().map(Array::to_data).collect();
        if sources.is_empty() {
            return Ok(arrow_array::new_null_array(data_type, self.rows));
        }
        let mut column = MutableArrayData::new(sources.iter().collect(), true, self.rows);
        for piece in &self.pieces {
            match piece {
                Piece::Missing(rows) => column.try_extend_nulls(*rows),
                Piece::Rows(source, rows) => column.try_extend(*source, rows.start, rows.end),
            }
            .map_err(|error| arrow_error("rows before and after", &error))?;
        }
        Ok(arrow_array::make_array(column.freeze()))
    }
}

fn other_type() -> Error {
    Error::internal("a column was to be put together from rows that are not of its type")
}
