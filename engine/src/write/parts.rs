//! Rows in parts, as one sequence that is sorted without being copied into one piece first.

use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;
use rayon::prelude::*;

use super::normalize::{codes, times};
use super::sort;
use crate::error::{Error, Result};

/// Rows for which the part they are in is looked up once.
const GRANULE_ROWS: usize = 4096;
/// Bytes that are given back to the system at a time.
const RELEASE_BYTES: usize = 1 << 20;

/// Where the columns stand by which rows are sorted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SortColumns {
    pub(crate) time: usize,
    pub(crate) series: Option<usize>,
}

/// Parts with the same columns, one behind the other.
pub(crate) struct Parts<'a> {
    parts: &'a [Vec<ArrayRef>],
    /// Row at which each part begins, and the row behind the last.
    starts: Vec<usize>,
    /// The part of the first row of each granule.
    granules: Vec<usize>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(parts: &'a [Vec<ArrayRef>]) -> Self {
        let mut starts = Vec::with_capacity(parts.len() + 1);
        starts.push(0);
        let mut rows = 0;
        for part in parts {
            rows += part.first().map_or(0, |array| array.len());
            starts.push(rows);
        }
        let granules = (0..rows)
            .step_by(GRANULE_ROWS)
            .map(|row| starts.partition_point(|start| *start <= row) - 1)
            .collect();
        Self {
            parts,
            starts,
            granules,
        }
    }

    fn keys(&self, at: SortColumns) -> impl Iterator<Item = (&'a [u32], &'a [i64])> {
        self.parts
            .iter()
            .map(move |part| (codes(part, at.series), times(part, at.time)))
    }

    /// The parts.
    pub(crate) fn parts(&self) -> &'a [Vec<ArrayRef>] {
        self.parts
    }

    /// Whether the rows are in order as they stand.
    pub(crate) fn is_sorted(&self, at: SortColumns) -> bool {
        sort::is_sorted(self.keys(at))
    }

    /// The rows in order of (series, time), rows that are equal as they came.
    pub(crate) fn order(&self, at: SortColumns) -> Result<Vec<u32>> {
        if let [part] = self.parts {
            return sort::order(codes(part, at.series), times(part, at.time));
        }
        let rows = self.starts.last().copied().unwrap_or_default();
        let mut all_codes = Vec::with_capacity(if at.series.is_some() { rows } else { 0 });
        let mut all_times = Vec::with_capacity(rows);
        for (codes, times) in self.keys(at) {
            all_codes.extend_from_slice(codes);
            all_times.extend_from_slice(times);
        }
        let order = sort::order(&all_codes, &all_times);
        release(all_codes);
        release(all_times);
        order
    }

    /// All columns of some rows.
    pub(crate) fn gathered(&self, rows: &[u32]) -> Result<Vec<ArrayRef>> {
        if let [part] = self.parts {
            return part.par_iter().map(|array| sort::gathered(array, rows)).collect();
        }
        let places: Vec<(usize, usize)> = rows.iter().map(|row| self.place(*row as usize)).collect();
        let width = self.parts.first().map_or(0, Vec::len);
        (0..width)
            .into_par_iter()
            .map(|column| {
                let arrays: Vec<&dyn Array> = self
                    .parts
                    .iter()
                    .filter_map(|part| part.get(column).map(AsRef::as_ref))
                    .collect();
                interleave(&arrays, &places)
                    .map_err(|error| Error::internal(format!("rows do not gather: {error}")))
            })
            .collect()
    }

    /// The part that a row is in, and its number there.
    fn place(&self, row: usize) -> (usize, usize) {
        let mut part = self.granules.get(row / GRANULE_ROWS).copied().unwrap_or_default();
        while self.starts.get(part + 1).is_some_and(|next| *next <= row) {
            part += 1;
        }
        (part, row - self.starts.get(part).copied().unwrap_or_default())
    }
}

/// Frees a large vector bit by bit. While the system takes back tens of megabytes at once, every thread of the process
/// that needs memory waits: milliseconds for somebody who only appends a row.
pub(crate) fn release<T>(mut values: Vec<T>) {
    let step = RELEASE_BYTES / size_of::<T>().max(1);
    while values.len() > step {
        values.truncate(values.len() - step);
        values.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn rows_of_many_parts_are_gathered_as_from_one() {
        let lens = [5000, 0, 1, 4095, 1, 9000, 3];
        let mut next = 0;
        let parts: Vec<Vec<ArrayRef>> = lens
            .iter()
            .map(|len| {
                let values: Vec<i64> = (next..next + len).collect();
                next += len;
                let text: StringArray = values.iter().map(|value| Some(value.to_string())).collect();
                vec![Arc::new(Int64Array::from(values)) as ArrayRef, Arc::new(text)]
            })
            .collect();
        let parts = Parts::new(&parts);
        let rows: Vec<u32> = (0..u32::try_from(next).expect("few")).rev().step_by(7).collect();
        let found = parts.gathered(&rows).expect("rows");
        let numbers: Vec<u32> = found[0]
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|value| u32::try_from(*value).expect("small"))
            .collect();
        assert_eq!(numbers, rows);
        assert!(
            found[1]
                .as_string::<i32>()
                .iter()
                .zip(&rows)
                .all(|(text, row)| text == Some(&row.to_string()))
        );
    }
}
