//! Sums, means and moments against exact arithmetic: the same bits, whatever the order.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};
use proptest::prelude::*;

use super::harness::{at_once, bits, by_group, groups, in_pieces, ways, windows};
use crate::aggregate::*;

/// `number * 2^exponent`, all multiples of 2^-40.
fn value() -> impl Strategy<Value = Option<i128>> {
    let number = prop_oneof![
        any::<i32>().prop_map(i64::from),
        -(1i64 << 53)..(1 << 53),
        -10..10i64
    ];
    let finite = (number, 0..40u32).prop_map(|(number, exponent)| Some(i128::from(number) << exponent));
    prop_oneof![1 => Just(None), 9 => finite]
}

const UNIT: f64 = 1.0 / (1u64 << 40) as f64;

fn floats(values: &[Option<i128>]) -> ArrayRef {
    Arc::new(Float64Array::from_iter(
        values.iter().map(|value| value.map(|value| value as f64 * UNIT)),
    ))
}

fn expected(values: Vec<Vec<Option<i128>>>, result: impl Fn(&[i128]) -> Option<f64>) -> Vec<Option<u64>> {
    let of_group = |values: Vec<Option<i128>>| {
        let values: Vec<i128> = values.into_iter().flatten().collect();
        if values.is_empty() { None } else { result(&values) }
    };
    values
        .into_iter()
        .map(of_group)
        .map(|value| value.map(f64::to_bits))
        .collect()
}

/// What varies little around something great, as multiples of 2^-20.
fn noise() -> impl Strategy<Value = Vec<i64>> {
    (any::<i32>(), prop::collection::vec(-1000..1000i64, 600)).prop_map(|(around, noise)| {
        let around = i64::from(around) << 20;
        noise.into_iter().map(|noise| around + noise).collect()
    })
}

proptest! {
    #[test]
    fn sums_are_rounded_once(values in prop::collection::vec(value(), 600), ways in ways()) {
        let groups = groups(&ways.runs, values.len());
        let rows = &values[..groups.len()];
        let array = [floats(rows)];
        let wanted = expected(by_group(rows, &groups), |values| Some(values.iter().sum::<i128>() as f64 * UNIT));
        prop_assert_eq!(bits(&at_once(&sum("a"), &array, &groups)), wanted.clone());
        prop_assert_eq!(bits(&in_pieces(&sum("a"), &array, &groups, &ways, true)), wanted);
        let [updated, slid] = windows(&sum("a"), &array, groups.len() as u32, 9);
        prop_assert_eq!(bits(&updated), bits(&slid));
    }

    #[test]
    fn means_do_not_depend_on_the_order(values in prop::collection::vec(value(), 600), ways in ways()) {
        let groups = groups(&ways.runs, values.len());
        let array = [floats(&values[..groups.len()])];
        let wanted = at_once(&mean("a"), &array, &groups);
        prop_assert_eq!(bits(&wanted), bits(&in_pieces(&mean("a"), &array, &groups, &ways, true)));
        let pair = [array[0].clone(), floats(&values.iter().rev().take(groups.len()).copied().collect::<Vec<_>>())];
        let wanted = at_once(&vwap("a", "b"), &pair, &groups);
        prop_assert_eq!(bits(&wanted), bits(&in_pieces(&vwap("a", "b"), &pair, &groups, &ways, true)));
        let [updated, slid] = windows(&vwap("a", "b"), &pair, groups.len() as u32, 30);
        prop_assert_eq!(bits(&updated), bits(&slid));
    }

    #[test]
    fn moments_of_noise_around_something_great_are_exact(a in noise(), b in noise(), ways in ways()) {
        const UNIT: f64 = 1.0 / (1u64 << 20) as f64;
        let groups = groups(&ways.runs, a.len());
        let array = |values: &[i64]| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(values[..groups.len()].iter().map(|value| *value as f64 * UNIT)))
        };
        let pair = [array(&a), array(&b)];
        let rows: Vec<(i64, i64)> = a.iter().copied().zip(b.iter().copied()).take(groups.len()).collect();
        // n sum(xy) - sum(x) sum(y), which i128 holds.
        let central = |rows: &[(i64, i64)]| {
            let sum = |of: &dyn Fn(i128, i128) -> i128| rows.iter().map(|(x, y)| of(i128::from(*x), i128::from(*y))).sum::<i128>();
            rows.len() as i128 * sum(&|x, y| x * y) - sum(&|x, _| x) * sum(&|_, y| y)
        };
        let sample = |rows: &[(i64, i64)]| {
            let n = rows.len() as f64;
            (rows.len() > 1).then(|| central(rows) as f64 / (n * (n - 1.0)) * UNIT * UNIT)
        };
        let both = |rows: &[(i64, i64)], second: bool| -> Vec<(i64, i64)> {
            rows.iter().map(|(x, y)| if second { (*y, *y) } else { (*x, *x) }).collect()
        };
        let wanted: Vec<[Option<u64>; 4]> = by_group(&rows, &groups).into_iter().map(|rows| {
            let (xx, yy) = (both(&rows, false), both(&rows, true));
            let corr = (rows.len() > 1).then(|| {
                let corr = central(&rows) as f64 / (central(&xx) as f64 * central(&yy) as f64).sqrt();
                if corr.is_nan() { f64::NAN } else { corr.clamp(-1.0, 1.0) }
            });
            [sample(&xx), sample(&xx).map(f64::sqrt), sample(&rows), corr].map(|value| value.map(f64::to_bits))
        }).collect();
        for (at, aggregate) in [var("a"), std("a"), cov("a", "b"), corr("a", "b")].iter().enumerate() {
            let pair = &pair[..aggregate.arguments().len()];
            let wanted: Vec<Option<u64>> = wanted.iter().map(|wanted| wanted[at]).collect();
            prop_assert_eq!(bits(&at_once(aggregate, pair, &groups)), wanted.clone(), "{}", aggregate);
            prop_assert_eq!(bits(&in_pieces(aggregate, pair, &groups, &ways, true)), wanted, "{} in pieces", aggregate);
        }
    }
}

#[test]
fn an_intermediate_sum_that_overflows_changes_nothing() {
    let max = f64::MAX;
    for values in [
        [max, max, -max, -max, 1.0],
        [max, -max, 1.0, max, -max],
        [1.0, max, -max, -max, max],
    ] {
        let array: [ArrayRef; 1] = [Arc::new(Float64Array::from(values.to_vec()))];
        let group = [0; 5];
        assert_eq!(
            bits(&at_once(&sum("a"), &array, &group))[0],
            Some(1.0f64.to_bits()),
            "{values:?}"
        );
    }
    let array: [ArrayRef; 1] = [Arc::new(Float64Array::from(vec![max, max]))];
    assert_eq!(
        bits(&at_once(&mean("a"), &array, &[0; 2]))[0],
        Some(max.to_bits())
    );
    assert_eq!(
        bits(&at_once(&sum("a"), &array, &[0; 2]))[0],
        Some(f64::INFINITY.to_bits())
    );
}

#[test]
fn a_spike_leaves_nothing_in_the_windows_after_it() {
    let mut values = vec![0.1; 50];
    values[10] = 1e300;
    values[20] = f64::INFINITY;
    values[30] = f64::NAN;
    let array: [ArrayRef; 1] = [Arc::new(Float64Array::from(values))];
    for aggregate in [sum("a"), mean("a"), min("a"), max("a")] {
        let [updated, slid] = windows(&aggregate, &array, 50, 3);
        assert_eq!(bits(&updated), bits(&slid), "{aggregate}");
    }
    let slid = bits(&windows(&sum("a"), &array, 50, 3)[1]);
    let after = f64::from_bits(slid[45].expect("a sum"));
    assert!((0.1..1.0).contains(&after), "{after}");
}
