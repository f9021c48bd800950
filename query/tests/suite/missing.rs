//! Slots without a row, against a look at every slot, and against what the coverage engine infers.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use gapless_engine::coverage::Gap;
use gapless_engine::scan::col;
use gapless_query::{Bucket, IntoQuery, Query};
use proptest::prelude::*;

use crate::tables::{DAY, HOUR, MINUTE, Row, commits, in_memory, keeps, rows, symbol, table, texts, times};

/// Series, start, end, slots.
type Missing = (Option<String>, i64, i64, i64);

/// The slots of which any part lies in a range.
pub fn slots(bucket: &Bucket, start: i64, end: i64) -> Vec<Range<i64>> {
    let mut slots = Vec::new();
    let mut at = start;
    while at < end {
        let slot = bucket.range(at);
        at = slot.end;
        slots.push(slot);
    }
    slots
}

/// The series that an answer is about, in order, null last.
pub fn series_of(rows: &[Row], within: &[Range<i64>], asked: Option<&[String]>) -> Vec<Option<String>> {
    let mut series: Vec<Option<String>> = match asked {
        Some(asked) => asked.iter().cloned().map(Some).collect(),
        None => rows
            .iter()
            .filter(|row| within.iter().any(|slot| slot.contains(&row.ts)))
            .map(|row| row.sym.clone())
            .collect(),
    };
    series.sort_by_key(|name| (name.is_none(), name.clone()));
    series.dedup();
    series
}

fn twin(rows: &[Row], slots: &[Range<i64>], asked: Option<&[String]>) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    for name in series_of(rows, slots, asked) {
        for slot in slots {
            if rows.iter().any(|row| row.sym == name && slot.contains(&row.ts)) {
                continue;
            }
            match missing.last_mut() {
                Some((last, _, end, count)) if *last == name && *end == slot.start => {
                    (*end, *count) = (slot.end, *count + 1);
                }
                _ => missing.push((name.clone(), slot.start, slot.end, 1)),
            }
        }
    }
    missing
}

fn found(query: Query) -> Vec<Missing> {
    let mut found = Vec::new();
    for batch in query.collect().expect("missing slots") {
        let names = texts(&batch, "sym");
        let [start, end] = ["start", "end"].map(|name| {
            let column = batch.column_by_name(name).expect("a time");
            column.as_primitive::<TimestampNanosecondType>().clone()
        });
        let slots = batch
            .column_by_name("slots")
            .expect("slots")
            .as_primitive::<Int64Type>()
            .clone();
        for (at, name) in names.into_iter().enumerate() {
            found.push((name, start.value(at), end.value(at), slots.value(at)));
        }
    }
    found
}

pub fn buckets() -> impl Strategy<Value = Bucket> {
    let bucket = |every: &str| Bucket::new(every).expect("a bucket");
    prop::sample::select(vec![
        bucket("1m"),
        bucket("20s"),
        bucket("7m").origin(13),
        bucket("1h").offset("5m").expect("an offset"),
        bucket("1d").zone("America/New_York").expect("a zone"),
        bucket("2d"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn slots_without_a_row_are_found_however_the_rows_lie(
        commits in commits(),
        keep in keeps(),
        range in (times(), times()),
        own in prop::option::weighted(0.3, (times(), times())),
        series in prop::option::of(prop::collection::vec(0..5u8, 0..4)),
        bucket in buckets(),
        filtered: bool,
        batch_rows in 1..9usize,
    ) {
        let (_directory, _db, table) = table(keep, &commits);
        let (start, end) = (range.0.min(range.1), range.0.max(range.1));
        let mut scan = table.scan().expect("a scan");
        let names: Option<Vec<String>> = series.map(|series| series.into_iter().map(symbol).collect());
        if let Some(names) = &names {
            scan = scan.series(names.clone());
        }
        if let Some((start, end)) = own {
            scan = scan.between(start, end);
        }
        if filtered {
            scan = scan.filter(col("price").is_not_null());
        }
        let all = rows(&scan.clone().collect().expect("rows"));
        let slots = slots(&bucket, start, end);
        let expected = twin(&all, &slots, names.as_deref());
        prop_assert_eq!(found(scan.clone().query().missing(bucket.clone(), start, end)), &expected[..]);
        let streamed = scan.query().with_column("price").missing(bucket.clone(), start, end);
        prop_assert_eq!(found(streamed), &expected[..]);
        let of_rows = twin(&all, &slots, None);
        prop_assert_eq!(found(in_memory(&all, batch_rows).missing(bucket, start, end)), of_rows);
    }

    #[test]
    fn what_is_missing_is_what_inferred_coverage_lacks(commits in commits(), every in prop::sample::select(vec![20, 60, 3600])) {
        let (_directory, _db, table) = table(gapless_engine::Keep::All, &commits);
        let every = every * MINUTE / 60;
        let inferred = table.scan().and_then(|scan| scan.between(0, 2 * DAY).infer_coverage(every)).expect("coverage");
        table.infer_coverage(every, None).expect("coverage");
        let mut gaps: Vec<Missing> = Vec::new();
        for (name, ranges) in &inferred.series {
            let mut from = 0;
            let ends = std::iter::once(2 * DAY..2 * DAY);
            for range in ranges.iter().chain(ends) {
                if range.start > from {
                    gaps.push((name.clone(), from, range.start, (range.start - from) / every));
                }
                from = range.end;
            }
        }
        let mut missing = found(table.scan().expect("a scan").query().missing(gapless_query::Every::Ns(every), 0, 2 * DAY));
        missing.retain(|(name, ..)| name.is_some());
        prop_assert_eq!(&missing, &gaps);
        let query = gapless_engine::GapQuery::new(0, 2 * DAY).interval(every);
        let mut gaps: Vec<Gap> = table.gaps(&query).expect("gaps");
        // Coverage also knows series whose rows were all deleted; nobody asked for these here.
        gaps.retain(|gap| inferred.series.iter().any(|(name, _)| *name == gap.series));
        let gaps: Vec<Missing> = gaps.into_iter().map(|gap| (gap.series, gap.start, gap.end, (gap.end - gap.start) / every)).collect();
        prop_assert_eq!(missing, gaps);
    }
}

#[test]
fn a_range_without_an_end_is_refused() {
    let (_directory, _db, table) = table(gapless_engine::Keep::All, &[]);
    let query = |start, end| {
        table
            .scan()
            .expect("a scan")
            .query()
            .missing("1m", start, end)
            .collect()
    };
    assert!(query(0, i64::MAX).is_err());
    assert!(query(i64::MIN, HOUR).is_err());
    assert!(query(HOUR, 0).expect("nothing").is_empty());
}
