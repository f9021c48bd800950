//! Times, durations, their parts and buckets.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{DurationNanosecondType, Float64Type, Int32Type, TimestampNanosecondType};
use arrow_array::{
    ArrayRef, Date32Array, DurationMillisecondArray, Int32Array, RecordBatch, TimestampNanosecondArray,
    TimestampSecondArray,
};
use arrow_schema::DataType;
use jiff::Timestamp;
use jiff::civil::Date;
use proptest::prelude::*;

use crate::bucket::zone_of;
use crate::expr::tree::{Expr, TimePart, col, lit, timestamp};
use crate::expr::{Bound, duration};
use crate::{Bucket, Every};

fn ns(text: &str) -> i64 {
    let time: Timestamp = text.parse().expect("a time");
    i64::try_from(time.as_nanosecond()).expect("in range")
}

fn batch(times: &[i64]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC")),
        ),
        (
            "sec",
            Arc::new(TimestampSecondArray::from_iter_values(
                times.iter().map(|time| time.div_euclid(1_000_000_000)),
            )),
        ),
        (
            "wait",
            Arc::new(DurationMillisecondArray::from(vec![Some(1500); times.len()])),
        ),
        ("n", Arc::new(Int32Array::from(vec![3; times.len()]))),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(
                times
                    .iter()
                    .map(|time| time.div_euclid(86_400_000_000_000) as i32),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

fn value(expr: &Expr, batch: &RecordBatch) -> ArrayRef {
    let bound = Bound::new(expr, &batch.schema()).unwrap_or_else(|error| panic!("{error}"));
    bound.evaluate(batch).unwrap_or_else(|error| panic!("{error}"))
}

/// The part as jiff has it.
fn by_jiff(part: TimePart, zone: &str, time: i64) -> i64 {
    let time = Timestamp::from_nanosecond(time.into()).expect("in range");
    let time = time.to_zoned(zone_of(zone).expect("a zone"));
    let clock = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    match part {
        TimePart::Year => time.year().into(),
        TimePart::Month => time.month().into(),
        TimePart::Day => time.day().into(),
        TimePart::Hour => time.hour().into(),
        TimePart::Minute => time.minute().into(),
        TimePart::Second => time.second().into(),
        TimePart::Millisecond => (time.subsec_nanosecond() / 1_000_000).into(),
        TimePart::Microsecond => (time.subsec_nanosecond() / 1_000).into(),
        TimePart::Nanosecond => time.subsec_nanosecond().into(),
        TimePart::Weekday => time.weekday().to_monday_one_offset().into(),
        TimePart::DayOfYear => time.day_of_year().into(),
        TimePart::Date => Date::constant(1970, 1, 1).duration_until(time.date()).as_hours() / 24,
        TimePart::TimeOfDay => clock * 1_000_000_000 + i64::from(time.subsec_nanosecond()),
    }
}

const PARTS: [TimePart; 13] = [
    TimePart::Year,
    TimePart::Month,
    TimePart::Day,
    TimePart::Hour,
    TimePart::Minute,
    TimePart::Second,
    TimePart::Millisecond,
    TimePart::Microsecond,
    TimePart::Nanosecond,
    TimePart::Weekday,
    TimePart::DayOfYear,
    TimePart::Date,
    TimePart::TimeOfDay,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn parts_are_those_of_the_calendar(
        mut times in prop::collection::vec(prop_oneof![any::<i64>(), 0i64..2_000_000_000_000_000_000], 1..40),
        zone in prop::sample::select(vec!["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]),
        sorted in any::<bool>(),
    ) {
        if sorted {
            times.sort_unstable();
        }
        let batch = batch(&times);
        for part in PARTS {
            let found = value(&col("ts").part_in(part, zone), &batch);
            let found = arrow_cast::cast(&found, &match part {
                TimePart::Date => DataType::Int32,
                _ => DataType::Int64,
            }).and_then(|found| arrow_cast::cast(&found, &DataType::Int64)).expect("integers");
            let found = found.as_primitive::<arrow_array::types::Int64Type>();
            for (time, found) in times.iter().zip(found.values()) {
                prop_assert_eq!(*found, by_jiff(part, zone, *time), "{:?} {} {}", part, zone, time);
            }
        }
    }
}

#[test]
fn parts_change_at_the_very_transition() {
    let at = ns("2026-03-08T07:00:00Z");
    let batch = batch(&[at - 1, at, at + 1, at - 1]);
    let hours = value(&col("ts").part_in(TimePart::Hour, "America/New_York"), &batch);
    assert_eq!(hours.as_primitive::<Int32Type>().values(), &[1, 3, 3, 1]);
}

#[test]
fn times_and_durations_compute_in_their_units() {
    let time = ns("2026-11-20T14:33:59Z");
    let batch = batch(&[time]);
    let utc = DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, Some("UTC".into()));
    let later = value(&(col("ts") + col("wait")), &batch);
    assert_eq!(later.data_type(), &utc);
    assert_eq!(
        later.as_primitive::<TimestampNanosecondType>().value(0),
        time + 1_500_000_000
    );
    let earlier = value(&(col("sec") - duration("1ns").expect("a length")), &batch);
    assert_eq!(
        earlier.as_primitive::<TimestampNanosecondType>().value(0),
        time - 1
    );
    let between = value(&(col("ts") - timestamp(time - 7)), &batch);
    assert_eq!(between.as_primitive::<DurationNanosecondType>().value(0), 7);
    let ratio = value(&(col("wait") / duration("1s").expect("a length")), &batch);
    assert_eq!(ratio.as_primitive::<Float64Type>().value(0), 1.5);
    for (expr, ms) in [
        (col("wait") * col("n"), 4500),
        (col("wait") * 0.5, 750),
        (2 * col("wait"), 3000),
        (-col("wait"), -1500),
        ((-col("wait")).abs(), 1500),
        (col("wait") / 4, 375),
    ] {
        let found = value(&expr.clone().cast(DataType::Int64), &batch);
        assert_eq!(
            found.as_primitive::<arrow_array::types::Int64Type>().value(0),
            ms,
            "{expr}"
        );
    }
}

#[test]
fn times_compare_across_units_with_integers_and_with_text_that_has_a_zone() {
    let time = ns("2026-11-20T14:33:59.5Z");
    let batch = batch(&[time]);
    for expr in [
        col("ts").gt(col("sec")),
        col("sec").lt(col("ts")),
        col("sec").lt(timestamp(time)),
        col("ts").eq(time),
        col("sec").eq(time / 1_000_000_000),
        col("ts").eq("2026-11-20T15:33:59.5+01:00"),
        lit("2026-11-20T14:00:00Z").lt(col("ts")),
        col("ts").is_in(["2026-11-20T14:33:59.5Z"]),
        col("day").eq("2026-11-20"),
        col("ts").date().eq(col("day")),
        col("wait").eq("1500ms"),
        (col("ts") - timestamp(time)).eq("0s"),
    ] {
        let found = value(&expr, &batch);
        assert!(found.as_boolean().value(0), "{expr}");
    }
    let refused = Bound::new(&col("ts").gt("2026-11-20T14:33"), &batch.schema())
        .err()
        .expect("no zone");
    assert!(
        refused.to_string().contains("is no time with a zone"),
        "{refused}"
    );
    let refused = Bound::new(&col("ts").part_in(TimePart::Day, "Mars/Olympus"), &batch.schema());
    assert!(
        refused
            .err()
            .expect("no zone")
            .to_string()
            .contains("there is no time zone \"Mars/Olympus\"")
    );
}

#[test]
fn buckets_are_those_of_the_operator() {
    let times: Vec<i64> = (0..200)
        .map(|n| ns("2026-10-24T00:00:00Z") + n * 1_000_000_000_007 * 3)
        .collect();
    let batch = batch(&times);
    for bucket in [
        Bucket::of(Every::Ns(3_600_000_000_000)),
        Bucket::new("1d")
            .and_then(|days| days.zone("Europe/Berlin"))
            .expect("a bucket"),
        Bucket::new("1mo").expect("a bucket"),
    ] {
        let found = value(&col("ts").bucket(bucket.clone()), &batch);
        let wanted: Vec<i64> = times.iter().map(|time| bucket.range(*time).start).collect();
        assert_eq!(
            found.as_primitive::<TimestampNanosecondType>().values().as_ref(),
            wanted
        );
    }
}
