//! All types, against the same values as text or whole numbers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_cast::display::array_value_to_string;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, TimeUnit};
use gapless_engine::error::ErrorKind;
use proptest::prelude::*;

use super::harness::{GROUPS, at_once, by_group, groups, in_pieces, made, ways, windows};
use crate::aggregate::accumulator::{Sequence, Span};
use crate::aggregate::*;

fn cast(array: &dyn Array, to: &DataType) -> ArrayRef {
    cast_with_options(
        array,
        to,
        &CastOptions {
            safe: false,
            ..CastOptions::default()
        },
    )
    .expect("a cast")
}

fn symbols() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

fn all_types() -> Vec<DataType> {
    use DataType as D;
    let unit = TimeUnit::Millisecond;
    vec![
        D::Int8,
        D::Int16,
        D::Int32,
        D::Int64,
        D::UInt8,
        D::UInt16,
        D::UInt32,
        D::UInt64,
        D::Float32,
        D::Float64,
        D::Decimal128(20, 3),
        D::Date32,
        D::Time32(unit),
        D::Time64(TimeUnit::Nanosecond),
        D::Timestamp(unit, Some("+00:00".into())),
        D::Timestamp(TimeUnit::Nanosecond, None),
        D::Duration(unit),
        D::Boolean,
        D::Utf8,
        D::Binary,
        symbols(),
    ]
}

fn typed(values: &[Option<i64>], of: &DataType) -> ArrayRef {
    let values = Int64Array::from(values.to_vec());
    match of {
        DataType::Boolean => cast(
            &Int64Array::from_iter(values.iter().map(|value| value.map(|value| value % 2))),
            of,
        ),
        DataType::Date32 => cast(&cast(&values, &DataType::Int32), of),
        DataType::Time32(_) => cast(&cast(&values, &DataType::Int32), of),
        DataType::Binary => cast(&cast(&values, &DataType::Utf8), of),
        DataType::Dictionary(..) => cast(&cast(&values, &DataType::Utf8), of),
        _ => cast(&values, of),
    }
}

fn shown(array: &ArrayRef) -> Vec<Option<String>> {
    let show = |row| {
        array
            .is_valid(row)
            .then(|| array_value_to_string(array, row).expect("a value"))
    };
    (0..array.len()).map(show).collect()
}

/// The row of each group that wins, by a comparison of rows of the array.
fn winners(array: &ArrayRef, groups: &[u32], wins: impl Fn(usize, usize) -> bool) -> Vec<Option<String>> {
    let rows: Vec<usize> = (0..array.len()).collect();
    let shown = shown(array);
    by_group(&rows, groups)
        .into_iter()
        .map(|rows| {
            let some = rows.into_iter().filter(|row| array.is_valid(*row));
            let best = some.reduce(|best, row| if wins(row, best) { row } else { best });
            best.and_then(|row| shown[row].clone())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_type_has_its_extremes_edges_and_number_of_values(
        values in prop::collection::vec(prop::option::weighted(0.8, 0..100i64), 400),
        ways in ways(),
    ) {
        let groups = groups(&ways.runs, values.len());
        let values = &values[..groups.len()];
        for of in all_types() {
            let array = typed(values, &of);
            // The order of what the values are in this type.
            let keys: Vec<String> = match &of {
                DataType::Utf8 | DataType::Binary | DataType::Dictionary(..) => {
                    values.iter().map(|value| value.map_or(String::new(), |value| value.to_string())).collect()
                }
                DataType::Boolean => values.iter().map(|value| value.map_or(String::new(), |value| (value % 2).to_string())).collect(),
                _ => values.iter().map(|value| value.map_or(String::new(), |value| format!("{value:04}"))).collect(),
            };
            let inputs = [array.clone()];
            let cases: [(Aggregate, Vec<Option<String>>, bool); 4] = [
                (min("a"), winners(&array, &groups, |row, best| keys[row] < keys[best]), true),
                (max("a"), winners(&array, &groups, |row, best| keys[row] > keys[best]), true),
                (first("a"), winners(&array, &groups, |_, _| false), false),
                (last("a"), winners(&array, &groups, |_, _| true), false),
            ];
            for (aggregate, wanted, reorder) in cases {
                let found = at_once(&aggregate, &inputs, &groups);
                prop_assert_eq!(found.data_type(), &of);
                prop_assert_eq!(shown(&found), wanted.clone(), "{} of {}", &aggregate, &of);
                let found = in_pieces(&aggregate, &inputs, &groups, &ways, reorder);
                prop_assert_eq!(shown(&found), wanted, "{} of {} in pieces", &aggregate, &of);
                let [updated, slid] = windows(&aggregate, &inputs, groups.len() as u32, 5);
                prop_assert_eq!(shown(&updated), shown(&slid), "{} of {} sliding", &aggregate, &of);
            }
            let wanted: Vec<i64> = by_group(&(0..groups.len()).collect::<Vec<_>>(), &groups).into_iter().map(|rows| {
                let some: std::collections::BTreeSet<&String> =
                    rows.into_iter().filter(|row| array.is_valid(*row)).map(|row| &keys[row]).collect();
                some.len() as i64
            }).collect();
            for found in [at_once(&n_unique("a"), &inputs, &groups), in_pieces(&n_unique("a"), &inputs, &groups, &ways, true)] {
                prop_assert_eq!(found.as_primitive::<Int64Type>().values().to_vec(), wanted.clone(), "{}", &of);
            }
        }
    }

    #[test]
    fn every_type_of_numbers_has_the_sums_of_whole_numbers(
        values in prop::collection::vec(prop::option::weighted(0.8, 0..100i64), 400),
        ways in ways(),
    ) {
        use DataType as D;
        let groups = groups(&ways.runs, values.len());
        let values = &values[..groups.len()];
        let all = [
            sum("a"), mean("a"), median("a"), quantile("a", 0.9), var("a"), std("a"), vwap("a", "a"), cov("a", "a"), corr("a", "a"),
        ];
        for aggregate in all {
            let floats = typed(values, &D::Float64);
            let inputs = |array: &ArrayRef| vec![array.clone(); aggregate.arguments().len()];
            let wanted = at_once(&aggregate, &inputs(&floats), &groups);
            for of in [D::Int8, D::Int16, D::Int32, D::Int64, D::UInt8, D::UInt16, D::UInt32, D::UInt64, D::Float32, D::Decimal128(20, 3)] {
                let inputs = inputs(&typed(values, &of));
                let ways_of = [
                    at_once(&aggregate, &inputs, &groups),
                    in_pieces(&aggregate, &inputs, &groups, &ways, true),
                ];
                for found in ways_of {
                    prop_assert_eq!(&cast(&found, &D::Float64), &wanted, "{} of {}", &aggregate, &of);
                }
                let [updated, slid] = windows(&aggregate, &inputs, groups.len() as u32, 12);
                prop_assert_eq!(&updated, &slid, "{} of {} sliding", &aggregate, &of);
            }
        }
    }
}

#[test]
fn whole_sums_are_exact_and_an_overflow_is_an_error() {
    let big: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![
        i64::MAX,
        i64::MAX,
        i64::MIN,
        i64::MIN,
        7,
    ]))];
    let found = at_once(&sum("a"), &big, &[0; 5]);
    assert_eq!(found.as_primitive::<Int64Type>().value(0), 5);
    let unsigned: [ArrayRef; 1] = [Arc::new(arrow_array::UInt64Array::from(vec![u64::MAX, 0]))];
    let found = at_once(&sum("a"), &unsigned, &[0; 2]);
    assert_eq!(
        found.as_primitive::<arrow_array::types::UInt64Type>().value(0),
        u64::MAX
    );
    let digits = 10i128.pow(38) - 1;
    let decimals: [ArrayRef; 1] = [Arc::new(
        arrow_array::Decimal128Array::from(vec![digits, digits, digits, -digits, -digits])
            .with_precision_and_scale(38, 2)
            .expect("decimals"),
    )];
    let found = at_once(&sum("a"), &decimals, &[0; 5]);
    assert_eq!(
        found
            .as_primitive::<arrow_array::types::Decimal128Type>()
            .value(0),
        digits
    );
    for inputs in [&big, &unsigned, &decimals] {
        let mut accumulator = made(&sum("a"), inputs);
        accumulator.grow(1);
        let span = Span {
            group: 0,
            start: 0,
            end: 2,
        };
        let twice = [span, span];
        accumulator
            .update(inputs, &twice, &Sequence::InOrder)
            .expect("an update");
        let error = accumulator.emit(1).expect_err("it does not fit");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.message().starts_with("sum(a): the result does not fit"),
            "{error}"
        );
    }
}

#[test]
fn means_and_quantiles_of_times_are_times() {
    let of = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let times = Int64Array::from(vec![i64::MAX, i64::MAX - 1, i64::MAX - 4]);
    let inputs = [cast(&times, &of)];
    let value = |aggregate: Aggregate| {
        let found = at_once(&aggregate, &inputs, &[0; 3]);
        assert_eq!(found.data_type(), &of);
        cast(&found, &DataType::Int64)
            .as_primitive::<Int64Type>()
            .value(0)
    };
    assert_eq!(value(mean("a")), i64::MAX - 2);
    assert_eq!(value(median("a")), i64::MAX - 1);
    assert_eq!(value(quantile("a", 0.25)), i64::MAX - 2);
}

#[test]
fn first_takes_lists_and_keeps_few_rows_of_many_batches() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let mut accumulator = last("a")
        .accumulator(std::slice::from_ref(&list))
        .expect("an accumulator");
    accumulator.grow(GROUPS as usize);
    for batch in 0..500i64 {
        let lists = arrow_array::ListArray::from_iter_primitive::<Int64Type, _, _>(
            (0..4).map(|row| Some(vec![Some(batch), Some(row)])),
        );
        let group = u32::try_from(batch % 3).expect("small");
        let spans = [
            Span {
                group,
                start: 0,
                end: 4,
            },
            Span {
                group,
                start: 1,
                end: 3,
            },
        ];
        accumulator
            .update(&[Arc::new(lists)], &spans, &Sequence::InOrder)
            .expect("an update");
    }
    assert!(accumulator.bytes() < 100_000, "{}", accumulator.bytes());
    let found = [accumulator.emit(1), accumulator.emit(4)].map(|array| shown(&array.expect("results")));
    let list = |batch: i32| Some(format!("[{batch}, 2]"));
    assert_eq!(found[0], [list(498)]);
    assert_eq!(found[1], [list(499), list(497), None, None]);
}

#[test]
fn symbols_of_different_dictionaries_are_the_same_by_text() {
    let symbols = |texts: &[&str]| -> ArrayRef {
        Arc::new(
            texts
                .iter()
                .copied()
                .collect::<arrow_array::DictionaryArray<UInt32Type>>(),
        )
    };
    let (one, other) = (symbols(&["b", "a", "b"]), symbols(&["c", "b", "a"]));
    let run = |aggregate: Aggregate| {
        let mut accumulator = made(&aggregate, std::slice::from_ref(&one));
        accumulator.grow(1);
        for array in [&one, &other] {
            let span = Span {
                group: 0,
                start: 0,
                end: 3,
            };
            accumulator
                .update(std::slice::from_ref(array), &[span], &Sequence::InOrder)
                .expect("an update");
        }
        shown(&accumulator.emit(1).expect("a result"))[0]
            .clone()
            .expect("a value")
    };
    assert_eq!(run(n_unique("a")), "3");
    assert_eq!(run(max("a")), "c");
    assert_eq!(run(first("a")), "b");
    assert_eq!(run(last("a")), "a");
}

#[test]
fn rows_that_are_not_there_are_refused() {
    let inputs: [ArrayRef; 2] = [
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(Int64Array::from(vec![3, 4])),
    ];
    let all = [
        count_of("a"),
        sum("a"),
        mean("a"),
        min("a"),
        first("a"),
        vwap("a", "b"),
        var("a"),
        corr("a", "b"),
        median("a"),
        n_unique("a"),
    ];
    for aggregate in all {
        let inputs = &inputs[..aggregate.arguments().len()];
        for (group, start, end) in [(0, 0, 3), (1, 0, 2), (0, 2, 1)] {
            let mut accumulator = made(&aggregate, inputs);
            accumulator.grow(1);
            let span = [Span { group, start, end }];
            let updated = accumulator.update(inputs, &span, &Sequence::InOrder);
            let slid = accumulator.slide(inputs, &span);
            if start < end {
                assert!(updated.is_err() && slid.is_err(), "{aggregate} {span:?}");
            }
        }
        let other = made(&count(), &[]);
        if aggregate != count_of("a") {
            assert!(made(&aggregate, inputs).merge(other, &[]).is_err(), "{aggregate}");
        }
    }
}
