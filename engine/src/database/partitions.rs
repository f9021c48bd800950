//! The days or hours that the rows of a table lie in, however the table is partitioned.

use std::collections::BTreeSet;
use std::ops::Range;

use gapless_format::{PartitionKey, PartitionUnit};

use super::snapshot::Snapshot;
use crate::error::Result;

impl Snapshot {
    /// The partitions of a unit that may have rows of a table in a range, in order of time: those that its segments and its streamed
    /// rows reach into. No row is read. A range that ends at `i64::MAX` has no end.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn partitions_between(
        &self,
        table: &str,
        unit: PartitionUnit,
        range: &Range<i64>,
    ) -> Result<Vec<PartitionKey>> {
        let state = self.table(table)?;
        let streamed = self.live().blocks(state.meta().table, range)?;
        let stored = state
            .segments()
            .map(|segment| (segment.min_time, segment.max_time));
        let spans = stored.chain(streamed.iter().map(|block| (block.min_time, block.max_time)));
        let end = match range.end {
            i64::MAX => i64::MAX,
            end => end.saturating_sub(1),
        };
        let mut starts = BTreeSet::new();
        for (first, last) in spans {
            let (first, last) = (first.max(range.start), last.min(end));
            if first <= last {
                starts.extend(starts_between(unit, first, last));
            }
        }
        let key = |start| PartitionKey { unit, start };
        Ok(starts.into_iter().map(key).collect())
    }
}

/// The starts of the partitions from that of one time to that of another.
fn starts_between(unit: PartitionUnit, first: i64, last: i64) -> impl Iterator<Item = i64> {
    let next = move |key: &PartitionKey| {
        let end = key.end();
        (end <= last && end != i64::MAX).then(|| PartitionKey::containing(unit, end))
    };
    std::iter::successors(Some(PartitionKey::containing(unit, first)), next).map(|key| key.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn partitions_go_from_the_first_time_to_the_last() {
        let starts = |unit, first, last| starts_between(unit, first, last).collect::<Vec<_>>();
        assert_eq!(starts(PartitionUnit::Hour, 5, 5), [0]);
        assert_eq!(starts(PartitionUnit::Hour, HOUR - 1, HOUR), [0, HOUR]);
        assert_eq!(
            starts(PartitionUnit::Hour, -1, 2 * HOUR),
            [-HOUR, 0, HOUR, 2 * HOUR]
        );
        assert_eq!(starts(PartitionUnit::Day, 0, 24 * HOUR - 1), [0]);
        let last = starts(PartitionUnit::Hour, i64::MAX - 1, i64::MAX);
        assert_eq!(last.len(), 1);
        let first = starts(PartitionUnit::Hour, i64::MIN, i64::MIN + 1);
        assert_eq!(first.len(), 1);
    }
}
