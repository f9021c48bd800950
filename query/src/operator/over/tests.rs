//! Every function against a slow and obvious twin, on rows that are cut into batches and parts at any place.

use arrow_array::types::{
    Decimal128Type, DurationNanosecondType, Float64Type, Int64Type, TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, Float32Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt64Array,
};
use gapless_engine::error::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::expr::{col, lit, timestamp};
use crate::operator::testing::{Cut, Row, assert_near, by_series, numbers, rows, run, texts};
use crate::{Expr, Query};

type Cuts = (Vec<Row>, Vec<usize>);

/// The values that a function gives, under the name `x`, with other columns beside it or alone.
fn over((rows, cuts): &Cuts, function: SeriesFunction) -> Vec<RecordBatch> {
    let operator = Over::new(Cut::input(rows, cuts), vec![function.alias("x")]).expect("a function");
    let alone = run(&operator, &["x"]).expect("rows");
    let all = run(&operator, &["ts", "price", "size", "word", "symbol", "x"]).expect("rows");
    let column = |batches: &[RecordBatch]| -> Vec<ArrayRef> {
        batches
            .iter()
            .map(|batch| Arc::clone(batch.column_by_name("x").expect("x")))
            .collect()
    };
    assert_eq!(format!("{:?}", column(&alone)), format!("{:?}", column(&all)));
    let ts: Vec<i64> = numbers::<TimestampNanosecondType>(&all, "ts")
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(
        ts,
        rows.iter().map(|row| row.ts).collect::<Vec<_>>(),
        "rows keep their order"
    );
    all
}

/// The twin of a function: what it gives for the rows of one series.
fn twin<T>((rows, _): &Cuts, of_series: impl Fn(&[Row]) -> Vec<T>) -> Vec<T> {
    by_series(rows).flat_map(of_series).collect()
}

/// A twin that goes by the values that are not null.
fn twin_of_values(cuts: &Cuts, of: impl Fn(&[f64]) -> f64) -> Vec<Option<f64>> {
    twin(cuts, |series| {
        let upto = |at: usize| -> Vec<f64> { series[..=at].iter().filter_map(|row| row.price).collect() };
        (0..series.len())
            .map(|at| series[at].price.map(|_| of(&upto(at))))
            .collect()
    })
}

fn shifted<T>(series: &[Row], by: isize, value: impl Fn(&Row) -> Option<T>) -> Vec<Option<T>> {
    let other = |at: usize| at.checked_add_signed(by).and_then(|at| series.get(at));
    (0..series.len()).map(|at| other(at).and_then(&value)).collect()
}

fn floats(batches: &[RecordBatch]) -> Vec<Option<f64>> {
    numbers::<Float64Type>(batches, "x")
}

proptest! {
    #[test]
    fn previous_and_next_are_the_values_of_other_rows(cuts in rows(), n in 1..6usize) {
        let by = n as isize;
        let text = |row: &Row| row.word.map(str::to_string);
        for (by, function) in [(-by, previous as fn(Expr) -> _), (by, next)] {
            let of = |name: &str| over(&cuts, function(col(name)).rows(n));
            assert_near(&floats(&of("price")), &twin(&cuts, |s| shifted(s, by, |row| row.price)), "price");
            prop_assert_eq!(numbers::<Int64Type>(&of("size"), "x"), twin(&cuts, |s| shifted(s, by, |row| row.size)));
            let words = twin(&cuts, |s| shifted(s, by, text));
            prop_assert_eq!(texts(&of("word"), "x"), words.clone());
            prop_assert_eq!(texts(&of("symbol"), "x"), words);
        }
    }

    #[test]
    fn defaults_stand_where_there_is_no_other_row(cuts in rows(), n in 1..4usize) {
        let wanted = twin(&cuts, |s| {
            (0..s.len()).map(|at| s.get(at + n).map_or(s[at].ts + 7, |row| row.ts)).map(Some).collect()
        });
        let seven = Expr::Literal(crate::expr::Value::Duration(7));
        let found = over(&cuts, next("ts").rows(n).or_else(col("ts") + seven));
        prop_assert_eq!(numbers::<TimestampNanosecondType>(&found, "x"), wanted);
        let wanted = twin(&cuts, |s| {
            (0..s.len()).map(|at| if at < n { Some(-1) } else { s[at - n].size }).collect()
        });
        prop_assert_eq!(numbers::<Int64Type>(&over(&cuts, previous("size").rows(n).or_else(lit(-1))), "x"), wanted);
        let wanted = twin(&cuts, |s| {
            let text = |at: usize| if at < n { Some("none") } else { s[at - n].word };
            (0..s.len()).map(|at| text(at).map(str::to_string)).collect()
        });
        for name in ["word", "symbol"] {
            prop_assert_eq!(texts(&over(&cuts, previous(name).rows(n).or_else(lit("none"))), "x"), wanted.clone());
        }
    }

    #[test]
    fn delta_and_ratio_compare_with_an_earlier_row(cuts in rows(), n in 1..4usize) {
        let price = |row: &Row| row.price;
        let wanted = twin(&cuts, |s| {
            let before = shifted(s, -(n as isize), price);
            s.iter().zip(before).map(|(row, before)| Some(row.price? - before?)).collect()
        });
        assert_near(&floats(&over(&cuts, delta("price").rows(n))), &wanted, "delta");
        let wanted = twin(&cuts, |s| {
            let before = shifted(s, -(n as isize), price);
            s.iter().zip(before).map(|(row, before)| Some(row.price? / before?)).collect()
        });
        assert_near(&floats(&over(&cuts, ratio("price").rows(n))), &wanted, "ratio");
        let wanted: Vec<Option<i64>> = twin(&cuts, |s| {
            let before = shifted(s, -(n as isize), |row| Some(row.ts));
            s.iter().zip(before).map(|(row, before)| Some(row.ts - before?)).collect()
        });
        prop_assert_eq!(numbers::<DurationNanosecondType>(&over(&cuts, delta("ts").rows(n)), "x"), wanted);
    }

    #[test]
    fn sums_and_products_go_up_to_the_row(cuts in rows()) {
        let wanted = twin_of_values(&cuts, |values| values.iter().sum::<f64>() + 0.0);
        assert_near(&floats(&over(&cuts, cum_sum("price"))), &wanted, "cum_sum");
        let wanted = twin_of_values(&cuts, |values| values.iter().product());
        assert_near(&floats(&over(&cuts, cum_prod("price"))), &wanted, "cum_prod");
        let wanted: Vec<Option<i64>> = twin(&cuts, |s| {
            let upto = |at: usize| s[..=at].iter().filter_map(|row| row.size).sum();
            (0..s.len()).map(|at| s[at].size.map(|_| upto(at))).collect()
        });
        prop_assert_eq!(numbers::<Int64Type>(&over(&cuts, cum_sum("size")), "x"), wanted);
    }

    #[test]
    fn extremes_go_up_to_the_row_and_skip_nan(cuts in rows()) {
        let numbers_of = |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|v| !v.is_nan()).collect() };
        let least = |values: &[f64]| numbers_of(values).into_iter().min_by(f64::total_cmp).unwrap_or(f64::NAN);
        let greatest = |values: &[f64]| numbers_of(values).into_iter().max_by(f64::total_cmp).unwrap_or(f64::NAN);
        let bits = |values: Vec<Option<f64>>| -> Vec<Option<u64>> {
            let canonical = |value: f64| if value.is_nan() { f64::NAN } else { value };
            values.into_iter().map(|value| value.map(|value| canonical(value).to_bits())).collect()
        };
        prop_assert_eq!(bits(floats(&over(&cuts, cum_min("price")))), bits(twin_of_values(&cuts, least)));
        prop_assert_eq!(bits(floats(&over(&cuts, cum_max("price")))), bits(twin_of_values(&cuts, greatest)));
    }

    #[test]
    fn rows_and_values_are_counted(cuts in rows()) {
        let wanted = twin(&cuts, |s| (1..=s.len() as i64).map(Some).collect());
        prop_assert_eq!(numbers::<Int64Type>(&over(&cuts, row_number()), "x"), wanted);
        for name in ["word", "symbol"] {
            let wanted = twin(&cuts, |s| {
                let upto = |at: usize| s[..=at].iter().filter(|row| row.word.is_some()).count();
                (0..s.len()).map(|at| Some(upto(at) as i64)).collect()
            });
            prop_assert_eq!(numbers::<Int64Type>(&over(&cuts, cum_count(name)), "x"), wanted);
        }
    }

    #[test]
    fn averages_forget(cuts in rows(), half_life in 1..50i64) {
        let averages = |alpha: f64| twin_of_values(&cuts, move |values| {
            let next = |average: f64, value: &f64| alpha * value + (1.0 - alpha) * average;
            values[1..].iter().fold(values[0], next)
        });
        assert_near(&floats(&over(&cuts, ema("price", 0.3))), &averages(0.3), "ema");
        assert_near(&floats(&over(&cuts, ema_span("price", 9.0))), &averages(0.2), "ema_span");
        assert_near(&floats(&over(&cuts, ema_half_life("price", 1.0))), &averages(0.5), "ema_half_life");
        let wanted = twin(&cuts, |s| {
            let mut state: Option<(f64, i64)> = None;
            s.iter().map(|row| {
                let value = row.price?;
                let average = state.map_or(value, |(average, last)| {
                    let old = 0.5f64.powf((row.ts - last) as f64 / half_life as f64);
                    (1.0 - old) * value + old * average
                });
                state = Some((average, row.ts));
                Some(average)
            }).collect()
        });
        assert_near(&floats(&over(&cuts, ema_by_time("price", half_life))), &wanted, "ema_by_time");
    }

    #[test]
    fn nulls_are_filled_from_before(cuts in rows()) {
        fn filled<T>(series: &[Row], value: impl Fn(&Row) -> Option<T>) -> Vec<Option<T>> {
            (0..series.len()).map(|at| series[..=at].iter().rev().find_map(&value)).collect()
        }
        assert_near(&floats(&over(&cuts, forward_fill("price"))), &twin(&cuts, |s| filled(s, |row| row.price)), "price");
        let words = twin(&cuts, |s| filled(s, |row| row.word.map(str::to_string)));
        prop_assert_eq!(texts(&over(&cuts, forward_fill("word")), "x"), words.clone());
        prop_assert_eq!(texts(&over(&cuts, forward_fill("symbol")), "x"), words);
    }
}

/// A series of one column `v`.
fn column(values: ArrayRef) -> Query {
    let times = TimestampNanosecondArray::from_iter_values(0..values.len() as i64);
    let schema = Arc::new(Schema::new(vec![
        Field::new("ts", times.data_type().clone(), false),
        Field::new("v", values.data_type().clone(), true),
    ]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(times), values]).expect("columns");
    Query::timed_batches(schema, vec![batch], "ts", None)
}

fn computed(values: &ArrayRef, function: SeriesFunction) -> Result<ArrayRef> {
    let batches = column(Arc::clone(values)).over([function.alias("x")]).collect()?;
    Ok(Arc::clone(batches[0].column_by_name("x").expect("x")))
}

#[test]
fn every_type_of_numbers_is_taken() {
    use arrow_schema::DataType as T;
    let decimal = T::Decimal128(9, 2);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None, Some(3), Some(9)]));
    let types = [
        (T::Int8, T::Int64),
        (T::UInt8, T::UInt64),
        (T::Int16, T::Int64),
        (T::UInt16, T::UInt64),
        (T::Int32, T::Int64),
        (T::UInt32, T::UInt64),
        (T::Int64, T::Int64),
        (T::UInt64, T::UInt64),
        (T::Float32, T::Float64),
        (T::Float64, T::Float64),
        (decimal.clone(), T::Decimal128(38, 2)),
    ];
    for (of, sum) in types {
        let values = arrow_cast::cast(&numbers, &of).expect("numbers");
        let is = |function: SeriesFunction, to: &T, wanted: [Option<i64>; 4]| {
            let text = function.to_string();
            let found = computed(&values, function).expect("values");
            assert_eq!(found.data_type(), to, "{text} of {of}");
            let wanted: ArrayRef = Arc::new(Int64Array::from(wanted.to_vec()));
            assert_eq!(
                &found,
                &arrow_cast::cast(&wanted, to).expect("numbers"),
                "{text} of {of}"
            );
        };
        let difference = match of.is_integer() {
            true => T::Int64,
            false if of == decimal => sum.clone(),
            false => of.clone(),
        };
        is(delta("v"), &difference, [None, None, None, Some(6)]);
        is(delta("v").rows(2), &difference, [None, None, Some(-2), None]);
        is(ratio("v"), &T::Float64, [None, None, None, Some(3)]);
        is(cum_sum("v"), &sum, [Some(5), None, Some(8), Some(17)]);
        is(cum_min("v"), &of, [Some(5), None, Some(3), Some(3)]);
        is(cum_max("v"), &of, [Some(5), None, Some(5), Some(9)]);
        is(cum_count("v"), &T::Int64, [Some(1), Some(1), Some(2), Some(3)]);
        is(ema("v", 1.0), &T::Float64, [Some(5), None, Some(3), Some(9)]);
        is(forward_fill("v"), &of, [Some(5), Some(5), Some(3), Some(9)]);
        is(next("v").or_else(lit(1)), &of, [None, Some(3), Some(9), Some(1)]);
        if of != decimal {
            is(cum_prod("v"), &sum, [Some(5), None, Some(15), Some(135)]);
        }
    }
}

#[test]
fn times_and_durations_are_taken() {
    use arrow_schema::{DataType as T, TimeUnit};
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![5, 3, 9]));
    for unit in [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ] {
        for of in [T::Duration(unit), T::Timestamp(unit, Some("UTC".into()))] {
            let values = arrow_cast::cast(&numbers, &of).expect("times");
            let wanted: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(-2), Some(6)]));
            let wanted = arrow_cast::cast(&wanted, &T::Duration(unit)).expect("durations");
            assert_eq!(&computed(&values, delta("v")).expect("values"), &wanted);
            assert_eq!(computed(&values, cum_max("v")).expect("values").data_type(), &of);
        }
        let values = arrow_cast::cast(&numbers, &T::Duration(unit)).expect("durations");
        assert_eq!(
            computed(&values, cum_sum("v")).expect("values").data_type(),
            &T::Duration(unit)
        );
        assert_eq!(
            computed(&values, ratio("v")).expect("values").data_type(),
            &T::Float64
        );
    }
    let dates = arrow_cast::cast(&arrow_cast::cast(&numbers, &T::Int32).expect("days"), &T::Date32);
    let dates = dates.expect("dates");
    assert_eq!(
        computed(&dates, cum_min("v")).expect("values").data_type(),
        &T::Date32
    );
}

#[test]
fn what_does_not_fit_is_an_error_and_what_a_null_hides_is_not() {
    let ints = |values: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let far = ints(vec![Some(i64::MIN), Some(1)]);
    let huge: ArrayRef = Arc::new(UInt64Array::from(vec![0, u64::MAX]));
    let decimals = arrow_array::PrimitiveArray::<Decimal128Type>::from(vec![10i128.pow(38) - 1, 1]);
    let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(38, 0).expect("decimals"));
    let cases = [
        (delta("v"), Arc::clone(&far)),
        (delta("v"), Arc::clone(&huge)),
        (cum_sum("v"), ints(vec![Some(i64::MAX), Some(1), Some(-5)])),
        (cum_prod("v"), ints(vec![Some(i64::MAX), Some(2)])),
        (cum_sum("v"), Arc::new(UInt64Array::from(vec![u64::MAX, 1]))),
        (cum_sum("v"), decimals),
    ];
    for (function, values) in cases {
        let text = function.to_string();
        let error = computed(&values, function).expect_err("an overflow");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(&text), "{error}");
    }
    let hidden = Int64Array::new(vec![i64::MIN, 1, 2].into(), Some(vec![false, true, true].into()));
    let found = computed(&(Arc::new(hidden) as ArrayRef), delta("v")).expect("values");
    assert_eq!(
        found.as_ref(),
        &Int64Array::from(vec![None, None, Some(1)]) as &dyn Array
    );
    let near = computed(
        &(Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX - 3])) as ArrayRef),
        delta("v"),
    );
    assert_eq!(
        near.expect("values").as_ref(),
        &Int64Array::from(vec![None, Some(-3)]) as &dyn Array
    );
}

#[test]
fn a_sum_of_floats_keeps_what_additions_lose() {
    let values: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![1e16, 1.0, 1.0, -1e16]));
    let found = computed(&values, cum_sum("v")).expect("values");
    assert_eq!(
        found.as_ref(),
        &arrow_array::Float64Array::from(vec![1e16, 1e16, 1e16 + 2.0, 2.0]) as &dyn Array
    );
    let singles: ArrayRef = Arc::new(Float32Array::from(vec![f32::INFINITY, 1.0, f32::NEG_INFINITY]));
    let found = computed(&singles, cum_sum("v")).expect("values");
    let found: Vec<String> = numbers::<Float64Type>(
        &[RecordBatch::try_from_iter([("x", found)]).expect("a batch")],
        "x",
    )
    .into_iter()
    .map(|value| format!("{value:?}"))
    .collect();
    assert_eq!(found, ["Some(inf)", "Some(inf)", "Some(NaN)"]);
}

#[test]
fn what_cannot_be_is_refused_when_it_is_written() {
    let rows: Cuts = (Vec::new(), Vec::new());
    let refused = |function: SeriesFunction, part: &str| {
        let error = Over::new(Cut::input(&rows.0, &rows.1), vec![function]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(delta("word"), "delta(word): word is Utf8");
    refused(cum_sum("ts"), "takes numbers, decimals and durations");
    refused(cum_max("word"), "cum_max");
    refused(ema("price", 0.0), "alpha");
    refused(ema("price", f64::NAN), "alpha");
    refused(ema_span("price", 0.5), "span");
    refused(ema_half_life("price", -1.0), "half-life");
    refused(ema_by_time("price", "0s"), "half-life");
    refused(ema_by_time("price", "soon"), "no length of time");
    refused(previous("nothing"), "nothing");
    refused(previous("price").rows(0), "rows()");
    refused(cum_sum("price").rows(2), "rows()");
    refused(delta("price").or_else(lit(0)), "or_else()");
    refused(next("ts").or_else(lit(0)), "does not fit");
    refused(next("size").or_else(lit(0.5)), "does not fit");
    refused(next("ts").or_else(col("nothing")), "nothing");
    refused(next("word").or_else(col("price")), "does not fit");
    let twice = Over::new(Cut::input(&[], &[]), vec![delta("price"), delta("price")]);
    assert!(twice.expect_err("twice").to_string().contains("alias()"));
    assert!(Over::new(Cut::input(&[], &[]), vec![next("ts").or_else(timestamp(5))]).is_ok());
}

#[test]
fn a_default_that_fails_counts_only_where_it_is_asked_for() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX, i64::MAX]));
    let found = computed(&values, previous("v").or_else(col("v") + 1)).expect("values");
    assert_eq!(
        found.as_ref(),
        &Int64Array::from(vec![2, 1, i64::MAX]) as &dyn Array
    );
}

#[test]
fn a_column_of_the_same_name_is_replaced_and_functions_read_the_former_one() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 5, 2]));
    let query = column(values).over([delta("v").alias("v"), cum_sum("v")]);
    let batches = query.clone().collect().expect("rows");
    let schema = query.schema().expect("a schema");
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, ["ts", "v", "cum_sum(v)"]);
    assert_eq!(batches[0].schema(), schema);
    assert_eq!(numbers::<Int64Type>(&batches, "v"), [None, Some(4), Some(-3)]);
    assert_eq!(
        numbers::<Int64Type>(&batches, "cum_sum(v)"),
        [Some(1), Some(6), Some(8)]
    );
}

#[test]
fn only_next_with_a_default_or_functions_that_count_are_without_nulls() {
    let query = column(Arc::new(Int64Array::from(vec![1, 5, 2])));
    let query = query.over([
        row_number().alias("a"),
        next("ts").or_else(timestamp(9)).alias("b"),
        next("ts").alias("c"),
        cum_sum("v").alias("d"),
    ]);
    let schema = query.schema().expect("a schema");
    let nullable: Vec<bool> = schema.fields().iter().map(|field| field.is_nullable()).collect();
    assert_eq!(nullable, [false, true, false, false, true, true]);
}
