//! Rules of types, errors, symbols and names.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Schema};
use gapless_engine::ErrorKind;

use super::fixture::{Random, batch};
use crate::expr::node::Kind;
use crate::expr::tree::{Expr, col, lit, null};
use crate::expr::{Bound, duration, timestamp};

fn of(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

fn value(expr: impl Into<Expr>, batch: &RecordBatch) -> ArrayRef {
    let bound = Bound::new(&expr.into(), &batch.schema()).expect("an expression");
    bound.evaluate(batch).expect("values")
}

fn error(expr: &Expr, batch: &RecordBatch) -> String {
    let error = match Bound::new(expr, &batch.schema()) {
        Ok(bound) => bound.evaluate(batch).expect_err("an error"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    error.to_string()
}

fn booleans(array: &ArrayRef) -> Vec<Option<bool>> {
    array.as_boolean().iter().collect()
}

fn numbers() -> RecordBatch {
    of(vec![
        (
            "f",
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])),
        ),
        (
            "g",
            Arc::new(Float32Array::from(vec![Some(0.5), None, Some(2.0)])),
        ),
        (
            "i",
            Arc::new(Int32Array::from(vec![Some(i32::MAX), None, Some(-7)])),
        ),
        (
            "l",
            Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(0)])),
        ),
        (
            "u",
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)])),
        ),
        (
            "t",
            Arc::new(StringArray::from(vec![Some("12"), None, Some("x")])),
        ),
    ])
}

#[test]
fn types_are_promoted_and_literals_follow_what_they_stand_beside() {
    let batch = numbers();
    let types = [
        (col("g") * col("g"), DataType::Float32),
        (col("g") * 2.0, DataType::Float64),
        (col("g") * col("i"), DataType::Float64),
        (col("i") * col("i"), DataType::Int64),
        (col("i") / 2, DataType::Float64),
        (col("u") + 1, DataType::UInt64),
        (col("u") + -1, DataType::Int64),
        (col("i").coalesce(0), DataType::Int32),
        (col("i").coalesce(1i64 << 40), DataType::Int64),
        (col("i").coalesce(0.5), DataType::Float64),
        (col("f").coalesce(0), DataType::Float64),
        (col("f").gt(1).if_then_else(null(), col("t")), DataType::Utf8),
    ];
    for (expr, wanted) in types {
        let bound = Bound::new(&expr, &batch.schema()).expect("an expression");
        assert_eq!(*bound.data_type(), wanted, "{expr}");
    }
    let sum = value(col("i") + col("i"), &batch);
    assert_eq!(sum.as_primitive::<Int64Type>().value(0), i64::from(i32::MAX) * 2);
    let rest = value(col("i") % 0, &batch);
    assert_eq!(rest.null_count(), 3);
    let same = value(col("u") % 10, &batch);
    assert_eq!(same.as_primitive::<UInt64Type>().value(0), u64::MAX % 10);
    let infinite = value(col("i") / 0, &batch);
    assert_eq!(infinite.as_primitive::<Float64Type>().value(2), f64::NEG_INFINITY);
}

#[test]
fn overflow_and_impossible_casts_are_errors_that_say_so() {
    let batch = numbers();
    assert_eq!(
        error(&(col("l") + 1), &batch),
        "l + 1: overflow: 9223372036854775807 + 1 does not fit Int64; cast a side to Float64 or a decimal"
    );
    assert!(error(&(col("u") - 1), &batch).contains("0 - 1 does not fit UInt64"));
    assert!(error(&(col("u") + col("l")), &batch).contains("overflow"));
    assert!(error(&-col("u"), &batch).contains("u"));
    assert!(error(&(lit(i64::MAX) + 1), &batch).contains("overflow"));
    assert!(
        error(&col("t").cast(DataType::Int64), &batch).contains("cast(t as Int64): Cannot cast string 'x'")
    );
    assert!(error(&col("i").cast(DataType::Int8), &batch).contains("2147483647"));
    // What lies below a null is nobody's value.
    let hidden = Int64Array::new(vec![i64::MAX, 1].into(), Some(vec![false, true].into()));
    let hidden = of(vec![("l", Arc::new(hidden))]);
    assert_eq!(
        value(col("l") + 1, &hidden).as_primitive::<Int64Type>().value(1),
        2
    );
    assert_eq!(value(col("l").abs(), &hidden).null_count(), 1);
}

#[test]
fn what_can_fail_is_computed_only_where_it_is_asked_for() {
    let batch = numbers();
    let guarded = col("t")
        .ne("x")
        .if_then_else(col("t").cast(DataType::Int64), col("l"));
    let guarded = value(guarded, &batch);
    assert_eq!(
        guarded.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [Some(12), None, Some(0)]
    );
    let passed = value(col("l").lt(5).and((col("l") + 1).gt(0)), &batch);
    assert_eq!(booleans(&passed), [Some(false), None, Some(true)]);
    let passed = value(col("l").gt(5).or((col("l") + 1).gt(0)), &batch);
    assert_eq!(booleans(&passed), [Some(true), None, Some(true)]);
    let first = value(col("f").coalesce(col("l") + 1), &batch);
    assert_eq!(first.as_primitive::<Float64Type>().value(0), 1.5);
}

#[test]
fn wrong_types_and_unknown_columns_are_told() {
    let batch = numbers();
    assert_eq!(
        error(&(col("price") * 2.0), &batch),
        "there is no column \"price\"; the columns are \"f\", \"g\", \"i\", \"l\", \"u\", \"t\""
    );
    assert_eq!(
        error(&(col("t") + 1), &batch),
        "t + 1 does not work with Utf8 and Int64; cast a side to another type"
    );
    assert!(error(&col("f").gt("a"), &batch).contains("f > \"a\" does not work with Float64 and Utf8"));
    assert!(error(&col("f").like("a"), &batch).contains("does not work with Float64"));
    assert!(error(&col("f").and(true), &batch).contains("f is Float64 and no condition"));
    assert!(error(&col("f").year(), &batch).contains("year(f)"));
    assert!(error(&col("f").eq(1).if_then_else("a", 1), &batch).contains("Utf8 and Int64"));
    assert!(error(&(timestamp(0) + timestamp(0)), &batch).contains("does not work with Timestamp"));
    let bound = Bound::new(&(col("f") + 1), &batch.schema()).expect("an expression");
    let refused = bound.passing(&batch).expect_err("no condition");
    assert_eq!(
        refused.to_string(),
        "f + 1 is Float64 and no condition: compare it with a value"
    );
    let other = of(vec![("f", Arc::new(Int64Array::from(vec![1])))]);
    assert!(bound.evaluate(&other).is_err());
    assert!(
        bound
            .evaluate(&RecordBatch::new_empty(Arc::new(Schema::empty())))
            .is_err()
    );
}

#[test]
fn symbols_are_answered_once_for_a_dictionary() {
    let mut random = Random(3);
    let symbols = super::fixture::symbols(&mut random, 1000);
    let batch = of(vec![
        ("s", symbols),
        ("i", Arc::new(Int32Array::from(vec![1; 1000]))),
    ]);
    let condition = col("s").like("A%").or(col("s").is_null());
    let expr = condition.clone().and(col("i").gt(0));
    let bound = Bound::new(&expr, &batch.schema()).expect("an expression");
    for start in 0..10 {
        bound
            .passing(&batch.slice(start * 100, 100))
            .expect("a condition");
    }
    let Kind::Logic(logic) = &bound.node().kind else {
        panic!("no conjunction");
    };
    let Some(Kind::PerSymbol(part)) = logic.parts().first().map(|part| &part.kind) else {
        panic!("not per symbol");
    };
    assert_eq!(part.evaluated(), 1);
    // Whatever is no condition, too, and null keys alike.
    let shown = value(col("s").coalesce("none"), &batch);
    let plain = value(col("s").cast(DataType::Utf8), &batch);
    for (shown, plain) in shown
        .as_string::<i32>()
        .iter()
        .zip(plain.as_string::<i32>().iter())
    {
        assert_eq!(shown, plain.or(Some("none")));
    }
    // A symbol without an answer matters only where a row has it.
    let values: ArrayRef = Arc::new(StringArray::from(vec!["1", "x", "3"]));
    let rows = |keys: Vec<u32>| {
        let keys = DictionaryArray::new(UInt32Array::from(keys), Arc::clone(&values));
        of(vec![("s", Arc::new(keys))])
    };
    let number = col("s").cast(DataType::Int64);
    assert_eq!(
        value(number.clone(), &rows(vec![2, 0]))
            .as_primitive::<Int64Type>()
            .values(),
        &[3, 1]
    );
    assert!(error(&number, &rows(vec![2, 1])).contains('x'));
}

#[test]
fn a_column_costs_nothing_and_literals_are_folded() {
    let mut random = Random(5);
    let batch = batch(&mut random, true);
    assert!(Arc::ptr_eq(
        &value("s", &batch),
        batch.column_by_name("s").expect("a column")
    ));
    assert!(Arc::ptr_eq(
        &value(col("f").alias("x"), &batch),
        batch.column_by_name("f").expect("a column")
    ));
    for folded in [
        lit(1) + 2,
        lit("a").like("a%"),
        lit(true).and(col("b")).or(true),
        null().is_null(),
    ] {
        let bound = Bound::new(&folded, &batch.schema()).expect("an expression");
        assert!(matches!(bound.node().kind, Kind::Literal(_)), "{folded}");
        assert_eq!(bound.evaluate(&batch).expect("values").len(), batch.num_rows());
    }
    let empty = batch.slice(0, 0);
    for expr in [
        lit(1),
        col("f") + 1,
        col("s").like("A"),
        col("f").gt(1).and(col("l").lt(2)),
        col("l").abs(),
    ] {
        assert_eq!(value(expr, &empty).len(), 0);
    }
}

#[test]
fn what_comes_to_a_literal_for_all_rows_of_a_batch_is_computed_on() {
    let batch = numbers();
    let chosen = |literal: f64| col("i").is_in(Vec::<i64>::new()).if_then_else(col("f"), literal);
    assert_eq!(booleans(&value(chosen(2.5).is_null(), &batch)), [Some(false); 3]);
    let sums = value(chosen(2.5) + chosen(1.0), &batch);
    assert_eq!(sums.as_primitive::<Float64Type>().values(), &[3.5; 3]);
    assert_eq!(
        booleans(&value(chosen(2.5).is_null().or(chosen(1.0).gt(0)), &batch)),
        [Some(true); 3]
    );
}

#[test]
fn decimals_are_exact() {
    let prices = Decimal128Array::from(vec![Some(1050), None, Some(-5)]).with_precision_and_scale(10, 2);
    let batch = of(vec![
        ("d", Arc::new(prices.expect("decimals"))),
        ("i", Arc::new(Int32Array::from(vec![3, 1, 0]))),
    ]);
    let sum = value(col("d") * 3 + col("i"), &batch);
    let DataType::Decimal128(_, 2) = sum.data_type() else {
        panic!("{}", sum.data_type());
    };
    assert_eq!(
        sum.as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>(),
        [Some(3450), None, Some(-15)]
    );
    assert_eq!(
        value(col("d") / 2, &batch).as_primitive::<Float64Type>().value(0),
        5.25
    );
    assert!(value(col("d") % col("i"), &batch).is_null(2));
    for (expr, wanted) in [
        (col("d").eq(1050i128), [Some(true), None, Some(false)]),
        (col("d").gt(10), [Some(true), None, Some(false)]),
        (col("d").gt(col("i")), [Some(true), None, Some(false)]),
        (col("d").lt(col("d") * 2), [Some(true), None, Some(false)]),
    ] {
        assert_eq!(booleans(&value(expr.clone(), &batch)), wanted, "{expr}");
    }
    assert!(error(&col("d").gt(0.5), &batch).contains("Decimal128(10, 2) and Float64"));
}

#[test]
fn functions_of_numbers() {
    let batch = of(vec![(
        "f",
        Arc::new(Float64Array::from(vec![-2.5, 0.125, 1234.567])),
    )]);
    let check = |expr: Expr, wanted: [f64; 3]| {
        let found = value(expr.clone(), &batch);
        let found: Vec<String> = found
            .as_primitive::<Float64Type>()
            .values()
            .iter()
            .map(|v| format!("{v:?}"))
            .collect();
        assert_eq!(found, wanted.map(|v| format!("{v:?}")), "{expr}");
    };
    check(col("f").round(), [-3.0, 0.0, 1235.0]);
    check(col("f").round_to(2), [-2.5, 0.13, 1234.57]);
    check(col("f").round_to(-2), [-0.0, 0.0, 1200.0]);
    check(col("f").floor(), [-3.0, 0.0, 1234.0]);
    check(col("f").ceil(), [-2.0, 1.0, 1235.0]);
    check(col("f").sign(), [-1.0, 1.0, 1.0]);
    check(col("f").pow(2), [6.25, 0.015625, 1234.567f64.powi(2)]);
    check(col("f").sqrt(), [f64::NAN, 0.125f64.sqrt(), 1234.567f64.sqrt()]);
    check(col("f").exp().ln(), [-2.5, 0.125, f64::INFINITY]);
    check(lit(1000.0).log10() + col("f") * 0.0, [3.0, 3.0, 3.0]);
}

#[test]
fn the_text_reads_like_sql_and_is_the_name() {
    let texts = [
        (col("a") * (col("b") + 1) - 2.0, "a * (b + 1) - 2.0"),
        (col("a") - (col("b") - col("c")), "a - (b - c)"),
        (-(col("a") + 1), "-(a + 1)"),
        (
            col("my col").eq(1).or(col("b")).and(!col("c")),
            "(`my col` = 1 or b) and not c",
        ),
        (
            col("s").not_like("A%").and(col("s").is_not_null()),
            "s not like \"A%\" and s is not null",
        ),
        (!(col("a").gt(1).and(col("b"))), "not (a > 1 and b)"),
        (col("s").is_in(["a", "b"]), "s in (\"a\", \"b\")"),
        (
            col("a").cast(DataType::Int64).coalesce(null()),
            "coalesce(cast(a as Int64), null)",
        ),
        (col("t").ge(timestamp(0)), "t >= 1970-01-01T00:00:00Z"),
        (col("t") + duration("5m").expect("a length"), "t + 5m"),
        (col("a").gt(1).if_then_else("x", "y"), "if(a > 1, \"x\", \"y\")"),
        (
            col("t").bucket(crate::Bucket::new("1w").expect("a bucket")),
            "time_bucket(1w, t)",
        ),
        (
            col("t").part_in(crate::expr::TimePart::Hour, "Europe/Berlin"),
            "hour(t, \"Europe/Berlin\")",
        ),
    ];
    for (expr, text) in texts {
        assert_eq!(expr.to_string(), text);
        assert_eq!(expr.name(), text);
    }
    assert_eq!((col("a") + 1).alias("my col").name(), "my col");
    assert_eq!(col("my col").name(), "my col");
    assert_eq!((col("b") + col("a") * col("b")).columns(), ["a", "b"]);
}

#[test]
fn lists_have_the_three_values() {
    let batch = numbers();
    let of_list = |expr: Expr| booleans(&value(expr, &batch));
    assert_eq!(
        of_list(col("i").is_in(Vec::<i64>::new())),
        [Some(false), None, Some(false)]
    );
    assert_eq!(
        of_list(col("f").is_in([f64::NAN, 1.5])),
        [Some(true), None, Some(true)]
    );
    let with_null = Expr::In(Box::new(col("i")), vec![crate::expr::Value::Null, lit_value(-7)]);
    assert_eq!(of_list(with_null), [None, None, Some(true)]);
    assert_eq!(of_list(col("i").is_in(0..9)), [Some(false), None, Some(false)]);
}

fn lit_value(value: i64) -> crate::expr::Value {
    crate::expr::Value::Plain(value.into())
}

#[test]
fn a_nan_with_a_sign_comes_before_all_numbers_where_that_is_asked_for() {
    let floats = vec![
        Some(-f64::NAN),
        Some(f64::NAN),
        Some(f64::NEG_INFINITY),
        Some(-0.0),
        Some(2.5),
        None,
    ];
    let batch = of(vec![("f", Arc::new(Float64Array::from(floats)))]);
    let ordered = value(col("f").nan_by_sign(), &batch);
    let ordered = ordered.as_primitive::<Float64Type>();
    assert_eq!(ordered.value(0), f64::NEG_INFINITY);
    assert!(ordered.value(1).is_nan() && ordered.value(1).is_sign_positive());
    assert_eq!(ordered.values().get(2..5), Some([f64::NEG_INFINITY, 0.0, 2.5].as_slice()));
    assert!(ordered.is_null(5));
    let greater = booleans(&value(col("f").nan_by_sign().gt(0.0), &batch));
    let wanted = [false, true, false, false, true].map(Some);
    assert_eq!(greater, [&wanted[..], &[None]].concat());
}
