//! Splits the rows of a batch by the partition of their time.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use gapless_format::{PartitionKey, PartitionUnit};

use crate::error::{Error, Result};

/// More runs than this are gathered row by row instead of sliced.
const RUNS_MAX: usize = 256;

/// The rows of `columns` by partition, each part in the order of the batch.
///
/// `unit` gives the unit for a time. It may change at times that begin a partition of every unit it gives.
pub(crate) fn split(
    columns: &[ArrayRef],
    times: &[i64],
    unit: impl Fn(i64) -> PartitionUnit,
) -> Result<Vec<(PartitionKey, Vec<ArrayRef>)>> {
    let runs = runs(times, unit);
    if let [(key, _, _)] = runs.as_slice() {
        return Ok(vec![(*key, columns.to_vec())]);
    }
    if runs.len() <= RUNS_MAX {
        let slice =
            |from: usize, to: usize| columns.iter().map(|array| array.slice(from, to - from)).collect();
        return Ok(runs
            .into_iter()
            .map(|(key, from, to)| (key, slice(from, to)))
            .collect());
    }
    gather(columns, &runs)
}

/// Runs of consecutive rows in the same partition: key, first row, row after the last.
fn runs(times: &[i64], unit: impl Fn(i64) -> PartitionUnit) -> Vec<(PartitionKey, usize, usize)> {
    let mut runs: Vec<(PartitionKey, usize, usize)> = Vec::new();
    // The first and the last time of the partition that the rows are in now.
    let (mut first, mut last) = (0, 0);
    for (row, time) in times.iter().enumerate() {
        match runs.last_mut() {
            Some((_, _, end)) if first <= *time && *time <= last => *end = row + 1,
            _ => {
                let key = PartitionKey::containing(unit(*time), *time);
                // The end saturates at the end of time, which then still belongs to the partition.
                first = key.start;
                last = if key.contains(i64::MAX) {
                    i64::MAX
                } else {
                    key.end() - 1
                };
                runs.push((key, row, row + 1));
            }
        }
    }
    runs
}

fn gather(
    columns: &[ArrayRef],
    runs: &[(PartitionKey, usize, usize)],
) -> Result<Vec<(PartitionKey, Vec<ArrayRef>)>> {
    let mut rows: hashbrown::HashMap<(i64, PartitionUnit), (PartitionKey, Vec<u32>)> =
        hashbrown::HashMap::new();
    for (key, from, to) in runs {
        let (_, rows) = rows
            .entry((key.start, key.unit))
            .or_insert_with(|| (*key, Vec::new()));
        for row in *from..*to {
            rows.push(u32::try_from(row).map_err(|_| Error::invalid("a batch holds at most 2^32 rows"))?);
        }
    }
    let mut parts: Vec<_> = rows.into_values().collect();
    parts.sort_by_key(|(key, _)| key.start);
    parts
        .into_iter()
        .map(|(key, rows)| {
            let rows = UInt32Array::from(rows);
            let columns = columns
                .iter()
                .map(|array| take(array, &rows, None))
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|error| Error::internal(format!("rows do not gather: {error}")))?;
            Ok((key, columns))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_rows_of_a_partition_are_one_run() {
        const HOUR: i64 = 3_600_000_000_000;
        let found = runs(&[0, 1, HOUR, HOUR + 5, -1, i64::MAX, i64::MAX], |_| {
            PartitionUnit::Hour
        });
        let spans: Vec<_> = found
            .iter()
            .map(|(key, from, to)| (key.start, *from, *to))
            .collect();
        assert_eq!(spans[..3], [(0, 0, 2), (HOUR, 2, 4), (-HOUR, 4, 5)]);
        assert_eq!((found[3].1, found[3].2), (5, 7));
    }
}
