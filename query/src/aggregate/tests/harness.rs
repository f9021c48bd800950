//! The same rows in many ways.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use proptest::prelude::*;

use crate::aggregate::Aggregate;
use crate::aggregate::accumulator::{Accumulator, Sequence, Span};

/// The groups that rows can be of; the last never has any.
pub(super) const GROUPS: u32 = 5;

/// How rows come: runs of groups, where batches end, and whether batches and groups come backwards.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    pub runs: Vec<(u32, u32)>,
    pub cuts: Vec<u32>,
    pub backwards: bool,
    pub emitted: usize,
}

pub(super) fn ways() -> impl Strategy<Value = Ways> {
    let runs = prop::collection::vec((0..GROUPS - 1, prop_oneof![0..4u32, 0..40u32, 60..200u32]), 1..12);
    let cuts = prop::collection::vec(0..300u32, 0..6);
    (runs, cuts, any::<bool>(), 0..=GROUPS as usize).prop_map(|(runs, cuts, backwards, emitted)| Ways {
        runs,
        cuts,
        backwards,
        emitted,
    })
}

/// The groups of rows, as many as there are.
pub(super) fn groups(runs: &[(u32, u32)], rows: usize) -> Vec<u32> {
    let all = runs
        .iter()
        .flat_map(|(group, len)| std::iter::repeat_n(*group, *len as usize));
    all.take(rows).collect()
}

fn spans(groups: &[u32]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (row, group) in groups.iter().enumerate() {
        let row = u32::try_from(row).expect("few rows");
        match spans.last_mut().filter(|span| span.group == *group) {
            Some(span) => span.end = row + 1,
            None => spans.push(Span {
                group: *group,
                start: row,
                end: row + 1,
            }),
        }
    }
    spans
}

pub(super) fn types(inputs: &[ArrayRef]) -> Vec<DataType> {
    inputs.iter().map(|array| array.data_type().clone()).collect()
}

pub(super) fn made(aggregate: &Aggregate, inputs: &[ArrayRef]) -> Box<dyn Accumulator> {
    aggregate.accumulator(&types(inputs)).expect("an accumulator")
}

/// All rows at once.
pub(super) fn at_once(aggregate: &Aggregate, inputs: &[ArrayRef], groups: &[u32]) -> ArrayRef {
    let mut accumulator = made(aggregate, inputs);
    accumulator.grow(GROUPS as usize);
    accumulator
        .update(inputs, &spans(groups), &Sequence::InOrder)
        .expect("an update");
    accumulator.emit(GROUPS as usize).expect("results")
}

/// One accumulator per batch, all merged into the first, and the results taken in two pieces.
///
/// `reorder` is for aggregates that do not go by the order of rows.
pub(super) fn in_pieces(
    aggregate: &Aggregate,
    inputs: &[ArrayRef],
    groups: &[u32],
    ways: &Ways,
    reorder: bool,
) -> ArrayRef {
    let mut cuts: Vec<usize> = ways
        .cuts
        .iter()
        .map(|cut| *cut as usize % (groups.len() + 1))
        .collect();
    cuts.extend([0, groups.len()]);
    cuts.sort_unstable();
    let mut parts: Vec<Box<dyn Accumulator>> = cuts
        .windows(2)
        .map(|cut| {
            let (start, end) = (cut[0], cut[1]);
            let batch: Vec<ArrayRef> = inputs
                .iter()
                .map(|array| array.slice(start, end - start))
                .collect();
            // Groups of parts are numbered backwards.
            let groups: Vec<u32> = groups[start..end]
                .iter()
                .map(|group| GROUPS - 1 - group)
                .collect();
            let mut part = made(aggregate, inputs);
            part.grow(GROUPS as usize);
            part.update(&batch, &spans(&groups), &Sequence::InOrder)
                .expect("an update");
            part
        })
        .collect();
    if reorder && ways.backwards {
        parts.reverse();
    }
    let mut whole = made(aggregate, inputs);
    whole.grow(GROUPS as usize);
    let back: Vec<u32> = (0..GROUPS).rev().collect();
    for part in parts {
        whole.merge(part, &back).expect("a merge");
    }
    let first = whole.emit(ways.emitted).expect("results");
    let second = whole.emit(GROUPS as usize - ways.emitted).expect("results");
    concat(&[&*first, &*second]).expect("one array")
}

/// Each row as a window with some before it, once sliding and once not.
pub(super) fn windows(aggregate: &Aggregate, inputs: &[ArrayRef], rows: u32, len: u32) -> [ArrayRef; 2] {
    let spans: Vec<Span> = (0..rows)
        .map(|row| Span {
            group: row,
            // Some windows are empty, and some reach far back.
            start: if row % 7 == 6 {
                row
            } else {
                (row + 1).saturating_sub(len)
            }
            .max(row.saturating_sub(row % 7 * len)),
            end: row + u32::from(row % 7 != 6),
        })
        .collect();
    let mut start = 0;
    let spans: Vec<Span> = spans
        .into_iter()
        .map(|span| {
            start = start.max(span.start);
            Span {
                start: start.min(span.end),
                ..span
            }
        })
        .collect();
    [false, true].map(|slides| {
        let mut accumulator = made(aggregate, inputs);
        accumulator.grow(rows as usize);
        if slides {
            accumulator.slide(inputs, &spans).expect("a slide");
        } else {
            accumulator
                .update(inputs, &spans, &Sequence::InOrder)
                .expect("an update");
        }
        accumulator.emit(rows as usize).expect("results")
    })
}

/// Values as bits, all NaN the same.
pub(super) fn bits(array: &ArrayRef) -> Vec<Option<u64>> {
    use arrow_array::cast::AsArray;
    let floats = array.as_primitive::<arrow_array::types::Float64Type>();
    floats
        .iter()
        .map(|value| {
            value.map(|value| {
                if value.is_nan() {
                    f64::NAN.to_bits()
                } else {
                    value.to_bits()
                }
            })
        })
        .collect()
}

/// The values of each group.
pub(super) fn by_group<T: Clone>(values: &[T], groups: &[u32]) -> Vec<Vec<T>> {
    let mut by = vec![Vec::new(); GROUPS as usize];
    for (value, group) in values.iter().zip(groups) {
        by[*group as usize].push(value.clone());
    }
    by
}
