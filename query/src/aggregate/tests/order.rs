//! First and last of rows that come in any order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;

use super::harness::made;
use crate::aggregate::accumulator::{Sequence, Span};
use crate::aggregate::{first, last};

proptest! {
    #[test]
    fn first_and_last_go_by_time_rank_and_arrival(
        rows in prop::collection::vec((0..3u32, prop::option::weighted(0.8, any::<i64>()), -2..3i64, 0..3u32), 1..80),
        cut in 0..80usize,
    ) {
        let cut = cut.min(rows.len());
        for aggregate in [first("a"), last("a")] {
            let is_last = aggregate == last("a");
            let wanted: Vec<Option<i64>> = (0..3).map(|group| {
                let some = rows.iter().filter(|row| row.0 == group && row.1.is_some());
                // Both take the first of equal ones: so the last is looked for backwards.
                let best = if is_last { some.max_by_key(|row| (row.2, row.3)) } else { some.min_by_key(|row| (row.2, row.3)) };
                best.and_then(|row| row.1)
            }).collect();
            for text in [false, true] {
                let array = |rows: &[(u32, Option<i64>, i64, u32)]| -> ArrayRef {
                    if text {
                        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.map(|value| value.to_string()))))
                    } else {
                        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)))
                    }
                };
                let mut parts: Vec<_> = [&rows[..cut], &rows[cut..]].iter().map(|rows| {
                    let inputs = [array(rows)];
                    let mut part = made(&aggregate, &inputs);
                    part.grow(3);
                    let spans: Vec<Span> = rows.iter().zip(0..).map(|(row, at)| Span { group: row.0, start: at, end: at + 1 }).collect();
                    let times: Vec<i64> = rows.iter().map(|row| row.2).collect();
                    let ranks: Vec<u32> = rows.iter().map(|row| row.3).collect();
                    part.update(&inputs, &spans, &Sequence::Placed { times: &times, ranks: &ranks }).expect("an update");
                    part
                }).collect();
                let second = parts.pop().expect("two parts");
                let mut whole = parts.pop().expect("two parts");
                whole.merge(second, &[0, 1, 2]).expect("a merge");
                let found = whole.emit(3).expect("results");
                let found: Vec<Option<i64>> = if text {
                    found.as_string::<i32>().iter().map(|value| value.and_then(|value| value.parse().ok())).collect()
                } else {
                    found.as_primitive::<Int64Type>().iter().collect()
                };
                prop_assert_eq!(&found, &wanted, "{} {}", &aggregate, text);
            }
        }
    }
}
