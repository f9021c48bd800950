//! Floats of all kinds: NaN, infinities, zeros of both signs, nulls.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use proptest::prelude::*;

use super::harness::{at_once, bits, by_group, groups, in_pieces, ways, windows};
use crate::aggregate::*;

fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)].prop_map(Some),
        2 => prop_oneof![Just(0.0), Just(-0.0)].prop_map(Some),
        6 => (-5..5i32).prop_map(|value| Some(f64::from(value) / 2.0)),
    ]
}

fn array(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn ieee_sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// NaN is worst.
fn extreme(values: &[f64], max: bool) -> Option<f64> {
    let some = values.iter().copied().filter(|value| !value.is_nan());
    let best = if max {
        some.max_by(f64::total_cmp)
    } else {
        some.min_by(f64::total_cmp)
    };
    best.or((!values.is_empty()).then_some(f64::NAN))
}

fn quantile_of(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a, b) => a.cmp(&b),
    });
    let at = part * (values.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    let rest = at - at.floor();
    Some(if rest == 0.0 || low == high {
        low
    } else {
        let way = (high - low) * rest;
        // Towards an infinity all is infinite; the other form says so.
        if way.is_finite() {
            low + way
        } else {
            low * (1.0 - rest) + high * rest
        }
    })
}

fn twin(aggregate: &Aggregate, rows: &[(Option<f64>, Option<f64>)]) -> Option<f64> {
    let values: Vec<f64> = rows.iter().filter_map(|(a, _)| *a).collect();
    let pairs: Vec<(f64, f64)> = rows.iter().filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let some = |value: f64, len: usize| (len > 0).then_some(value);
    match aggregate.to_string().as_str() {
        "sum(a)" => some(ieee_sum(values.iter().copied()), values.len()),
        "mean(a)" => some(
            ieee_sum(values.iter().copied()) / values.len() as f64,
            values.len(),
        ),
        "min(a)" => extreme(&values, false),
        "max(a)" => extreme(&values, true),
        "median(a)" => quantile_of(&values, 0.5),
        "quantile(a, 0.3)" => quantile_of(&values, 0.3),
        "first(a)" => values.first().copied(),
        "last(a)" => values.last().copied(),
        "wmean(a, b)" => {
            let weight = ieee_sum(pairs.iter().map(|(_, b)| *b));
            let mean = ieee_sum(pairs.iter().map(|(a, b)| a * b)) / weight;
            some(if weight == 0.0 { f64::NAN } else { mean }, pairs.len())
        }
        "var(a)" => (values.len() > 1).then(|| {
            let mean = ieee_sum(values.iter().copied()) / values.len() as f64;
            ieee_sum(values.iter().map(|value| (value - mean).powi(2))) / (values.len() - 1) as f64
        }),
        "cov(a, b)" => (pairs.len() > 1).then(|| {
            let n = pairs.len() as f64;
            let mean = (
                ieee_sum(pairs.iter().map(|p| p.0)) / n,
                ieee_sum(pairs.iter().map(|p| p.1)) / n,
            );
            ieee_sum(pairs.iter().map(|(a, b)| (a - mean.0) * (b - mean.1))) / (n - 1.0)
        }),
        other => panic!("{other} has no twin"),
    }
}

/// Equal, where the twin is not exact nearly.
fn same(aggregate: &Aggregate, found: Option<u64>, wanted: Option<f64>) -> bool {
    let near = ["var", "cov", "wmean", "mean"]
        .iter()
        .any(|name| aggregate.to_string().starts_with(name));
    match (found.map(f64::from_bits), wanted) {
        (None, None) => true,
        (Some(found), Some(wanted)) if found.is_nan() || wanted.is_nan() => found.is_nan() && wanted.is_nan(),
        (Some(found), Some(wanted)) if near => {
            found == wanted || (found - wanted).abs() < 1e-9 * wanted.abs().max(1.0)
        }
        (Some(found), Some(wanted)) => found.to_bits() == wanted.to_bits(),
        _ => false,
    }
}

proptest! {
    #[test]
    fn floats_of_all_kinds_are_as_the_twin_has_them(
        a in prop::collection::vec(value(), 400),
        b in prop::collection::vec(value(), 400),
        ways in ways(),
        len in 1..50u32,
    ) {
        let groups = groups(&ways.runs, a.len());
        let pair = [array(&a[..groups.len()]), array(&b[..groups.len()])];
        let rows: Vec<(Option<f64>, Option<f64>)> = a.into_iter().zip(b).take(groups.len()).collect();
        for aggregate in [
            sum("a"), mean("a"), min("a"), max("a"), median("a"), quantile("a", 0.3), first("a"), last("a"),
            wmean("a", "b"), var("a"), cov("a", "b"),
        ] {
            let inputs = &pair[..aggregate.arguments().len()];
            let ordered = matches!(aggregate.to_string().as_str(), "first(a)" | "last(a)");
            let found = bits(&at_once(&aggregate, inputs, &groups));
            for (found, rows) in found.iter().zip(by_group(&rows, &groups)) {
                let wanted = twin(&aggregate, &rows);
                prop_assert!(same(&aggregate, *found, wanted), "{aggregate}: {found:?} {:?} for {wanted:?} of {rows:?}", found.map(f64::from_bits));
            }
            prop_assert_eq!(&found, &bits(&in_pieces(&aggregate, inputs, &groups, &ways, !ordered)), "{} in pieces", aggregate);
            let [updated, slid] = windows(&aggregate, inputs, groups.len() as u32, len);
            prop_assert_eq!(bits(&updated), bits(&slid), "{} sliding", aggregate);
        }
    }

    #[test]
    fn counts_are_as_the_twin_has_them(a in prop::collection::vec(value(), 400), ways in ways()) {
        let groups = groups(&ways.runs, a.len());
        let rows = &a[..groups.len()];
        let inputs = [array(rows)];
        for aggregate in [count_of("a"), n_unique("a")] {
            let wanted: Vec<i64> = by_group(rows, &groups).into_iter().map(|rows| {
                let mut values: Vec<u64> = rows.into_iter().flatten()
                    .map(|value| if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits()).collect();
                if aggregate == n_unique("a") {
                    values.sort_unstable();
                    values.dedup();
                }
                values.len() as i64
            }).collect();
            let one = at_once(&aggregate, &inputs, &groups);
            prop_assert_eq!(one.as_primitive::<Int64Type>().values().to_vec(), wanted);
            prop_assert_eq!(one.null_count(), 0);
            prop_assert_eq!(&one, &in_pieces(&aggregate, &inputs, &groups, &ways, true));
            let [updated, slid] = windows(&aggregate, &inputs, groups.len() as u32, 10);
            prop_assert_eq!(&updated, &slid);
        }
        prop_assert_eq!(
            at_once(&count(), &[], &groups).as_primitive::<Int64Type>().values().to_vec(),
            by_group(rows, &groups).iter().map(|rows| rows.len() as i64).collect::<Vec<_>>()
        );
    }
}
