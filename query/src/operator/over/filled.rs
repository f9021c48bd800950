//! The last value that was not null.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, downcast_primitive};
use arrow_buffer::{NullBuffer, NullBufferBuilder};
use arrow_schema::DataType;
use gapless_engine::Result;

use super::super::runs::Run;
use super::pieces::Pieces;
use super::running::{Chunk, Running, other_type, valid};

/// What fills the nulls of a type.
pub(super) fn forward_fill(data_type: &DataType) -> Box<dyn Running> {
    macro_rules! numbers {
        ($T:ty) => {
            Box::new(Numbers::<$T> { last: None })
        };
    }
    downcast_primitive! {
        data_type => (numbers),
        _ => Box::new(Others { data_type: data_type.clone(), last: None })
    }
}

struct Numbers<T: ArrowPrimitiveType> {
    last: Option<T::Native>,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    fn fill(
        &mut self,
        values: &PrimitiveArray<T>,
        nulls: &NullBuffer,
        chunk: &Chunk<'_>,
    ) -> Result<ArrayRef> {
        let mut filled = Vec::with_capacity(values.len());
        let mut still_null = NullBufferBuilder::new(values.len());
        for run in chunk.runs {
            let before = self.last.filter(|_| run.goes_on);
            // What comes before the first value has nothing to be filled with.
            let first = valid(nulls, &run.rows)
                .position(|is_valid| is_valid)
                .unwrap_or(run.rows.len());
            match before {
                Some(_) => still_null.append_n_non_nulls(run.rows.len()),
                None => {
                    still_null.append_n_nulls(first);
                    still_null.append_n_non_nulls(run.rows.len() - first);
                }
            }
            let of_run = values.values().get(run.rows.clone()).ok_or_else(other_type)?;
            let mut last = before.unwrap_or_default();
            filled.extend(
                of_run
                    .iter()
                    .zip(valid(nulls, &run.rows))
                    .map(|(value, is_valid)| {
                        last = if is_valid { *value } else { last };
                        last
                    }),
            );
            let has_value = before.is_some() || first < run.rows.len();
            self.last = has_value.then_some(last);
        }
        let array = PrimitiveArray::<T>::new(filled.into(), still_null.finish());
        Ok(Arc::new(array.with_data_type(values.data_type().clone())))
    }
}

impl<T: ArrowPrimitiveType> Running for Numbers<T> {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let numbers = values.as_primitive_opt::<T>().ok_or_else(other_type)?;
        match numbers.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => self.fill(numbers, nulls, chunk),
            None => {
                self.last = numbers.values().last().copied();
                Ok(Arc::clone(values))
            }
        }
    }
}

struct Others {
    data_type: DataType,
    /// A single row.
    last: Option<ArrayRef>,
}

impl Others {
    fn fill_run(
        &mut self,
        values: &ArrayRef,
        own: usize,
        nulls: &NullBuffer,
        run: &Run,
        pieces: &mut Pieces,
    ) {
        let mut last = self
            .last
            .take()
            .filter(|_| run.goes_on)
            .map(|array| (pieces.source(array), 0));
        let mut start = run.rows.start;
        for (row, is_valid) in run.rows.clone().zip(valid(nulls, &run.rows)) {
            if is_valid {
                last = Some((own, row));
                continue;
            }
            pieces.rows(own, start..row);
            match last {
                Some((source, row)) => pieces.rows(source, row..row + 1),
                None => pieces.missing(1),
            }
            start = row + 1;
        }
        pieces.rows(own, start..run.rows.end);
        self.last = last.and_then(|(source, row)| match source == own {
            true => Some(values.slice(row, 1)),
            false => pieces.array(source),
        });
    }
}

impl Running for Others {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let Some(nulls) = nulls else {
            self.last = values.len().checked_sub(1).map(|last| values.slice(last, 1));
            return Ok(Arc::clone(values));
        };
        let mut pieces = Pieces::default();
        let own = pieces.source(Arc::clone(values));
        for run in chunk.runs {
            self.fill_run(values, own, &nulls, run, &mut pieces);
        }
        pieces.build(&self.data_type)
    }
}
