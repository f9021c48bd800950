//! How fast the loops are; run by hand: `cargo test --release -p gapless-query aggregate::tests::speed -- --ignored --nocapture`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Array, ArrayRef, Float32Array, Float64Array, Int64Array, UInt32Array};

use crate::aggregate::accumulator::{Sequence, Span};
use crate::aggregate::*;

const ROWS: u32 = 16_384;

fn inputs() -> Vec<ArrayRef> {
    let random = |row: u32| f64::from(row.wrapping_mul(2_654_435_761) >> 8) / 1000.0;
    let a: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ROWS).map(random)));
    let b: ArrayRef = Arc::new(Float64Array::from_iter_values(
        (0..ROWS).map(|row| random(row + 7)),
    ));
    vec![a, b]
}

fn seconds(mut run: impl FnMut(), times: u32) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| run());
            start.elapsed().as_secs_f64() / f64::from(times)
        })
        .fold(f64::MAX, f64::min)
}

fn measure(name: &str, aggregate: &Aggregate, inputs: &[ArrayRef]) {
    let inputs = &inputs[..aggregate.arguments().len()];
    let types: Vec<_> = inputs.iter().map(|array| array.data_type().clone()).collect();
    let one = |len: u32, slide: bool| {
        let spans: Vec<Span> = (0..ROWS / len)
            .map(|group| Span {
                group,
                start: group * len,
                end: (group + 1) * len,
            })
            .collect();
        let windows: Vec<Span> = (0..ROWS)
            .map(|group| Span {
                group,
                start: group.saturating_sub(len),
                end: group + 1,
            })
            .collect();
        let spans = if slide { windows } else { spans };
        let mut accumulator = aggregate.accumulator(&types).expect("an accumulator");
        accumulator.grow(spans.len());
        seconds(
            || {
                let inputs = black_box(inputs);
                if slide {
                    accumulator.slide(inputs, &spans).expect("a slide");
                } else {
                    accumulator
                        .update(inputs, &spans, &Sequence::InOrder)
                        .expect("an update");
                }
            },
            if matches!(name, "median" | "n_unique") || slide {
                20
            } else {
                200
            },
        )
    };
    let width = inputs
        .iter()
        .map(|array| array.data_type().primitive_width().unwrap_or(0));
    let bytes = f64::from(ROWS) * width.sum::<usize>() as f64;
    println!(
        "{name:14} long {:6.1} GB/s  20 rows {:7.1} ns/span  slide of 100 {:6.1} ns/row",
        bytes / one(ROWS, false) / 1e9,
        one(20, false) * 1e9 / f64::from(ROWS / 20),
        one(100, true) * 1e9 / f64::from(ROWS),
    );
}

#[test]
#[ignore = "measures, asserts nothing"]
fn speed() {
    let floats = inputs();
    let small: Vec<ArrayRef> = vec![Arc::new(Float32Array::from_iter_values(
        (0..ROWS).map(|row| row as f32),
    ))];
    let whole: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values((0..ROWS).map(i64::from)))];
    let whole_small: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from_iter_values(0..ROWS))];
    for aggregate in [
        count(),
        count_of("a"),
        sum("a"),
        min("a"),
        max("a"),
        mean("a"),
        first("a"),
        last("a"),
        vwap("a", "b"),
        var("a"),
        cov("a", "b"),
        corr("a", "b"),
    ] {
        measure(&aggregate.to_string(), &aggregate, &floats);
    }
    measure("sum f32", &sum("a"), &small);
    measure("max f32", &max("a"), &small);
    measure("sum i64", &sum("a"), &whole);
    measure("max i64", &max("a"), &whole);
    measure("sum u32", &sum("a"), &whole_small);
    measure("max u32", &max("a"), &whole_small);
    let sparse: Vec<ArrayRef> = vec![Arc::new(Float64Array::from_iter(
        (0..ROWS).map(|row| (row % 10 != 0).then_some(f64::from(row))),
    ))];
    measure("sum nulls", &sum("a"), &sparse);
}
