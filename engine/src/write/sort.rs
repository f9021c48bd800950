//! The stable order of rows by (series, time), and rows in that order.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::concat::concat;
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Whether rows are in order already: series codes, where there are any, then times.
pub(crate) fn is_sorted<'a>(parts: impl Iterator<Item = (&'a [u32], &'a [i64])>) -> bool {
    let mut last: Option<(u32, i64)> = None;
    for (codes, times) in parts {
        let mut start = 0;
        let whole = [0u32];
        let runs: Box<dyn Iterator<Item = (u32, usize)>> = if codes.is_empty() {
            Box::new(whole.iter().map(|_| (0, times.len())))
        } else {
            Box::new(codes.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())))
        };
        for (code, len) in runs {
            let Some(run) = times.get(start..start + len) else {
                return false;
            };
            let (Some(first), Some(end)) = (run.first(), run.last()) else {
                continue;
            };
            if last.is_some_and(|last| last > (code, *first)) || !run.is_sorted() {
                return false;
            }
            last = Some((code, *end));
            start += len;
        }
    }
    true
}

/// The rows in order of (code, time, row). `codes` is empty for a table without series.
pub(crate) fn order(codes: &[u32], times: &[i64]) -> Result<Vec<u32>> {
    let count = u32::try_from(times.len()).map_err(|_| Error::internal("more than 2^32 rows to sort"))?;
    if codes.is_empty() {
        let mut rows: Vec<u32> = (0..count).collect();
        sort_run(&mut rows, times);
        return Ok(rows);
    }
    let (mut rows, starts) = by_code(codes, count);
    // Each run of one code is sorted by time on its own; runs are split off so that threads share them.
    let mut rest = rows.as_mut_slice();
    let mut runs = Vec::with_capacity(starts.len());
    for len in starts {
        let (run, tail) = rest.split_at_mut(len);
        runs.push(run);
        rest = tail;
    }
    runs.into_par_iter().for_each(|run| sort_run(run, times));
    Ok(rows)
}

fn sort_run(rows: &mut [u32], times: &[i64]) {
    let time = |row: &u32| times.get(*row as usize).copied().unwrap_or(i64::MAX);
    if !rows.is_sorted_by_key(time) {
        // Pairs keep the comparisons out of the times' cache misses.
        let mut pairs: Vec<(i64, u32)> = rows.iter().map(|row| (time(row), *row)).collect();
        pairs.sort();
        for (row, (_, sorted)) in rows.iter_mut().zip(pairs) {
            *row = sorted;
        }
    }
}

/// Rows grouped by ascending code, in their order inside each group, with the length of each group.
fn by_code(codes: &[u32], count: u32) -> (Vec<u32>, Vec<usize>) {
    let mut distinct: Vec<u32> = Vec::new();
    let mut counts: hashbrown::HashMap<u32, usize> = hashbrown::HashMap::new();
    for run in codes.chunk_by(|a, b| a == b) {
        let counted = counts.entry(run[0]).or_insert_with(|| {
            distinct.push(run[0]);
            0
        });
        *counted += run.len();
    }
    distinct.sort_unstable();
    let dense = distinct
        .last()
        .is_some_and(|last| (*last as usize) < 4 * codes.len().max(1024));
    let lens: Vec<usize> = distinct
        .iter()
        .map(|code| counts.get(code).copied().unwrap_or_default())
        .collect();
    let starts = lens.iter().scan(0, |at, len| {
        let start = *at;
        *at += len;
        Some(start)
    });
    let mut rows = vec![0u32; count as usize];
    if dense {
        let mut next = vec![0usize; distinct.last().map_or(0, |last| *last as usize + 1)];
        for (code, start) in distinct.iter().zip(starts) {
            next[*code as usize] = start;
        }
        for (row, code) in (0..count).zip(codes) {
            let at = &mut next[*code as usize];
            rows[*at] = row;
            *at += 1;
        }
    } else {
        let mut next: hashbrown::HashMap<u32, usize> = distinct.iter().copied().zip(starts).collect();
        for (row, code) in (0..count).zip(codes) {
            if let Some(at) = next.get_mut(code) {
                rows[*at] = row;
                *at += 1;
            }
        }
    }
    (rows, lens)
}

/// Parts of a column as one array.
pub(crate) fn joined(parts: &[&dyn Array]) -> Result<ArrayRef> {
    concat(parts).map_err(|error| Error::internal(format!("columns do not join: {error}")))
}

/// The values of some rows.
pub(crate) fn gathered(array: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    let rows = UInt32Array::from(rows.to_vec());
    arrow_select::take::take(array, &rows, None)
        .map_err(|error| Error::internal(format!("rows do not gather: {error}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain_order(codes: &[u32], times: &[i64]) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..u32::try_from(times.len()).expect("few rows")).collect();
        rows.sort_by_key(|row| (codes.get(*row as usize).copied(), times[*row as usize], *row));
        rows
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_plain_stable_sort(
            rows in prop::collection::vec((prop_oneof![0..5u32, Just(7_000_000), Just(u32::MAX)], -3..3i64), 0..300),
            series: bool,
        ) {
            let times: Vec<i64> = rows.iter().map(|row| row.1).collect();
            let codes: Vec<u32> = if series { rows.iter().map(|row| row.0).collect() } else { Vec::new() };
            let found = order(&codes, &times).expect("few rows");
            prop_assert_eq!(&found, &plain_order(&codes, &times));
            let sorted_times: Vec<i64> = found.iter().map(|row| times[*row as usize]).collect();
            let sorted_codes: Vec<u32> = found.iter().filter_map(|row| codes.get(*row as usize).copied()).collect();
            prop_assert!(is_sorted([(sorted_codes.as_slice(), sorted_times.as_slice())].into_iter()));
            let was_sorted = found.is_sorted();
            prop_assert_eq!(is_sorted([(codes.as_slice(), times.as_slice())].into_iter()), was_sorted);
        }
    }
}
