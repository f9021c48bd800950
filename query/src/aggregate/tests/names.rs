//! Names, result types and what is refused.

use arrow_schema::{DataType, TimeUnit};
use gapless_engine::error::ErrorKind;

use crate::aggregate::*;

#[test]
fn an_aggregate_is_named_by_its_call() {
    assert_eq!(count().name(), "count()");
    assert_eq!(count_of("price").name(), "count(price)");
    assert_eq!(vwap("price", String::from("size")).name(), "vwap(price, size)");
    assert_eq!(quantile("price", 0.25).name(), "quantile(price, 0.25)");
    assert_eq!(n_unique("sym").alias("symbols").name(), "symbols");
    assert_eq!(
        ohlc("price").map(|each| each.name()),
        ["open", "high", "low", "close"]
    );
    assert_eq!(cov("a", "b").arguments().len(), 2);
}

#[test]
fn result_types_are_those_that_are_documented() {
    let of = |aggregate: Aggregate, argument: DataType| {
        let types = vec![argument; aggregate.arguments().len()];
        aggregate.result_type(&types).expect("a type")
    };
    let duration = DataType::Duration(TimeUnit::Nanosecond);
    assert_eq!(of(sum("a"), DataType::Int8), DataType::Int64);
    assert_eq!(of(sum("a"), DataType::UInt32), DataType::UInt64);
    assert_eq!(
        of(sum("a"), DataType::Decimal128(10, 4)),
        DataType::Decimal128(38, 4)
    );
    assert_eq!(of(sum("a"), duration.clone()), duration);
    assert_eq!(of(mean("a"), duration.clone()), duration);
    assert_eq!(of(mean("a"), DataType::Decimal128(10, 4)), DataType::Float64);
    assert_eq!(of(max("a"), DataType::Date32), DataType::Date32);
    assert_eq!(of(first("a"), DataType::Binary), DataType::Binary);
    assert_eq!(of(vwap("a", "b"), DataType::Int32), DataType::Float64);
    assert_eq!(of(n_unique("a"), DataType::Utf8), DataType::Int64);
}

#[test]
fn what_is_refused_names_the_aggregate_the_column_and_the_type() {
    let error = vwap("price", "sym")
        .result_type(&[DataType::Float64, DataType::Utf8])
        .expect_err("text has no weight");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "vwap(price, sym): sym is Utf8, and vwap takes numbers and decimals: choose another column or cast it"
    );
    for part in [-0.1, 1.1, f64::NAN] {
        let error = quantile("a", part)
            .result_type(&[DataType::Float64])
            .expect_err("no part");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(
        sum("a")
            .result_type(&[DataType::Timestamp(TimeUnit::Second, None)])
            .is_err()
    );
    assert!(sum("a").result_type(&[]).is_err());
}
