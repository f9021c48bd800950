//! Rows on a grid, against a look at every row for every slot.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_cast::cast;
use arrow_schema::DataType;
use gapless_engine::scan::col;
use gapless_engine::{Attestation, Keep};
use gapless_query::fill::{FillMethod, constant, linear, previous};
use gapless_query::{Fill, IntoQuery, Query};
use proptest::prelude::*;

use crate::missing::{buckets, series_of, slots};
use crate::tables::{DAY, HOUR, MINUTE, Row, commits, in_memory, keeps, rows, symbol, table, texts, times};

/// A filled row: series, time, price, note, id as a number, whether there was a row. Floats by their bits.
type Filled = (
    Option<String>,
    i64,
    Option<u64>,
    Option<String>,
    Option<u64>,
    bool,
);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Null,
    Previous(Option<i64>),
    Linear,
    Constant,
}

fn ways(line: bool) -> impl Strategy<Value = Way> {
    let mut ways = vec![
        Way::Null,
        Way::Previous(None),
        Way::Previous(Some(5 * MINUTE)),
        Way::Previous(Some(0)),
        Way::Constant,
    ];
    if line {
        ways.extend([Way::Linear; 3]);
    }
    prop::sample::select(ways)
}

fn method(way: Way, value: impl Into<gapless_engine::scan::Literal>) -> FillMethod {
    match way {
        Way::Null => FillMethod::null(),
        Way::Previous(None) => previous(),
        Way::Previous(Some(age)) => previous().max_age(age),
        Way::Linear => linear(),
        Way::Constant => constant(value),
    }
}

fn bits(value: Option<f64>) -> Option<u64> {
    // Which NaN a line gives is not said.
    value.map(|value| if value.is_nan() { f64::NAN } else { value }.to_bits())
}

fn blocked(gaps: &[Range<i64>], start: i64, end: i64) -> bool {
    gaps.iter().any(|gap| gap.start < end && gap.end > start)
}

/// What a slot has of a column, of the rows of one series in order.
fn value<T: Clone>(
    rows: &[&Row],
    slot: &Range<i64>,
    gaps: &[Range<i64>],
    way: Way,
    of: impl Fn(&Row) -> Option<T>,
    filler: &T,
    line: impl Fn((i64, T), (i64, T), i64) -> T,
) -> Option<T> {
    let last = rows.iter().rfind(|row| slot.contains(&row.ts));
    if let Some(own) = last.and_then(|row| of(row)) {
        return Some(own);
    }
    let before = |end: i64| {
        let row = rows.iter().rfind(|row| row.ts < end && of(row).is_some())?;
        Some((row.ts, of(row)?))
    };
    match way {
        Way::Null => None,
        Way::Constant => (!blocked(gaps, slot.start, slot.end)).then(|| filler.clone()),
        Way::Previous(age) => {
            let (time, value) = before(slot.end)?;
            let is_old = age.is_some_and(|age| slot.start - time > age);
            (!is_old && !blocked(gaps, time, slot.end)).then_some(value)
        }
        Way::Linear => {
            let left = before(slot.start)?;
            let right = rows
                .iter()
                .find(|row| row.ts >= slot.start && of(row).is_some())?;
            let right = (right.ts, of(right)?);
            (!blocked(gaps, left.0, right.0 + 1)).then(|| line(left, right, slot.start))
        }
    }
}

struct Asked<'a> {
    slots: &'a [Range<i64>],
    names: Option<&'a [String]>,
    ways: [Way; 3],
    gaps: &'a dyn Fn(&Option<String>) -> Vec<Range<i64>>,
}

fn twin(all: &[Row], asked: &Asked<'_>) -> Vec<Filled> {
    let float = |(t0, v0): (i64, f64), (t1, v1): (i64, f64), t: i64| {
        v0 + (v1 - v0) * ((t - t0) as f64 / (t1 - t0) as f64)
    };
    let mut filled = Vec::new();
    for name in series_of(all, asked.slots, asked.names) {
        let rows: Vec<&Row> = all.iter().filter(|row| row.sym == name).collect();
        let gaps = (asked.gaps)(&name);
        for slot in asked.slots {
            let price = value(&rows, slot, &gaps, asked.ways[0], |row| row.price, &-1.0, float);
            let note = value(
                &rows,
                slot,
                &gaps,
                asked.ways[1],
                |row| row.note.clone(),
                &"none".to_owned(),
                |_, _, _| unreachable!(),
            );
            let id = value(
                &rows,
                slot,
                &gaps,
                asked.ways[2],
                |row| Some(row.id as f64),
                &0.0,
                float,
            );
            let observed = rows.iter().any(|row| slot.contains(&row.ts));
            filled.push((name.clone(), slot.start, bits(price), note, bits(id), observed));
        }
    }
    filled
}

fn found(batches: &[RecordBatch]) -> Vec<Filled> {
    let mut found = Vec::new();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).expect("a column");
        let floats = |name: &str| {
            let column = cast(column(name), &DataType::Float64).expect("numbers");
            let values: Vec<Option<f64>> = column.as_primitive::<Float64Type>().iter().collect();
            values
        };
        let (names, notes) = (texts(batch, "sym"), texts(batch, "note"));
        let (prices, ids) = (floats("price"), floats("id"));
        let observed = column("there").as_boolean();
        let times = column("ts").as_primitive::<TimestampNanosecondType>();
        for at in 0..batch.num_rows() {
            found.push((
                names[at].clone(),
                times.value(at),
                bits(prices[at]),
                notes[at].clone(),
                bits(ids[at]),
                observed.value(at),
            ));
        }
    }
    found
}

fn fill(bucket: &gapless_query::Bucket, ways: [Way; 3]) -> Fill {
    Fill::every(bucket.clone())
        .with("price", method(ways[0], -1.0))
        .with("note", method(ways[1], "none"))
        .with("id", method(ways[2], 0i64))
        .observed("there")
}

/// Few enough slots to look at every row for each.
fn near(range: (i64, i64)) -> (i64, i64) {
    let start = range.0.min(range.1);
    (start, range.0.max(range.1).min(start + 3 * HOUR))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_slot_has_what_its_method_says(
        commits in commits(),
        keep in keeps(),
        range in (times(), times()),
        by_scan: bool,
        series in prop::option::of(prop::collection::vec(0..5u8, 0..4)),
        bucket in buckets(),
        filtered: bool,
        ways in (ways(true), ways(false), ways(true)),
        batch_rows in 1..9usize,
    ) {
        let (_directory, _db, table) = table(keep, &commits);
        let (start, end) = near(range);
        let ways = [ways.0, ways.1, ways.2];
        let mut scan = table.scan().expect("a scan");
        let names: Option<Vec<String>> = series.map(|series| series.into_iter().map(symbol).collect());
        if let Some(names) = &names {
            scan = scan.series(names.clone());
        }
        if filtered {
            scan = scan.filter(col("id").ge(3i64));
        }
        let all = rows(&scan.clone().collect().expect("rows"));
        let slots = slots(&bucket, start, end);
        let mut asked = Asked { slots: &slots, names: names.as_deref(), ways, gaps: &|_| Vec::new() };
        let expected = twin(&all, &asked);
        let mut asks = fill(&bucket, ways);
        let streamed = scan.clone().query().with_column("price").fill(asks.clone().between(start, end));
        match by_scan {
            true => scan = scan.between(start, end),
            false => asks = asks.between(start, end),
        }
        prop_assert_eq!(found(&scan.clone().query().fill(asks.clone()).collect().expect("rows")), &expected[..]);
        prop_assert_eq!(found(&streamed.collect().expect("rows")), &expected[..]);
        let few = scan.query().fill(asks.clone()).select(["price", "there"]).collect().expect("rows");
        prop_assert_eq!(few.iter().map(RecordBatch::num_rows).sum::<usize>(), expected.len());
        asked.names = None;
        let in_memory = in_memory(&all, batch_rows).fill(fill(&bucket, ways).between(start, end));
        prop_assert_eq!(found(&in_memory.collect().expect("rows")), twin(&all, &asked));
    }

    #[test]
    fn nothing_is_filled_over_gaps(
        commits in commits(),
        covered in prop::collection::vec((0..4u8, 0..120i64, 0..60i64), 0..6),
        range in (0..90i64, 1..60i64),
        ways in (ways(true), ways(false), ways(true)),
    ) {
        let (_directory, _db, table) = table(Keep::All, &commits);
        for (series, start, minutes) in covered {
            let said = Attestation::new(start * MINUTE..(start + minutes + 1) * MINUTE);
            table.attest([said.series(symbol(series)).interval(MINUTE).source("test")]).expect("coverage");
        }
        let (start, end) = (range.0 * MINUTE, (range.0 + range.1) * MINUTE);
        let ways = [ways.0, ways.1, ways.2];
        let bucket = gapless_query::Bucket::new("1m").expect("a bucket");
        let names: Vec<String> = (0..4).map(symbol).collect();
        let scan = table.scan().expect("a scan").series(names.clone());
        let all = rows(&scan.clone().collect().expect("rows"));
        let gaps = scan.clone().between(-DAY, 3 * DAY).uncovered(MINUTE).expect("gaps");
        let of = |name: &Option<String>| gaps.iter().filter(|gap| gap.series == *name).map(|gap| gap.range()).collect();
        let slots = slots(&bucket, start, end);
        let expected = twin(&all, &Asked { slots: &slots, names: Some(&names), ways, gaps: &of });
        let query = scan.between(start, end).query().fill(fill(&bucket, ways).stop_at_gaps("1m"));
        prop_assert_eq!(found(&query.collect().expect("rows")), expected);
    }
}

fn row(sym: &str, ts: i64, price: Option<f64>, id: i64) -> Row {
    Row {
        sym: Some(sym.to_owned()),
        ts,
        price,
        note: None,
        id,
    }
}

#[test]
fn a_long_line_and_many_slots_come_in_batches() {
    let all = [
        row("a", 0, Some(0.0), 0),
        row("a", 100_000 * MINUTE, Some(100_000.0), 1),
        row("b", 7, Some(1.0), 2),
    ];
    let asked = Fill::every("1m")
        .between(0, 100_001 * MINUTE)
        .with("price", linear())
        .with("id", previous());
    let batches = in_memory(&all, 2).fill(asked).collect().expect("rows");
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 2 * 100_001);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 16_384));
    let prices: Vec<Option<f64>> = batches
        .iter()
        .flat_map(|batch| {
            batch
                .column_by_name("price")
                .expect("prices")
                .as_primitive::<Float64Type>()
        })
        .collect();
    for (minute, price) in (0..=100_000).zip(prices) {
        let off = price.map(|price| (price - f64::from(minute)).abs());
        assert!(off.is_some_and(|off| off < 1e-9), "minute {minute}: {price:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let rows = || in_memory(&[row("a", 0, None, 0)], 1);
    let refused = |query: Query| query.collect().expect_err("refused").to_string();
    let minutes = || Fill::every("1m").between(0, HOUR);
    assert!(refused(rows().fill(Fill::every("1m"))).contains("needs a range"));
    assert!(refused(rows().fill(minutes().with("nothing", previous()))).contains("no column"));
    assert!(refused(rows().fill(minutes().with("ts", previous()))).contains("which slot"));
    assert!(refused(rows().fill(minutes().with("note", linear()))).contains("no values in a line"));
    assert!(refused(rows().fill(minutes().with("id", constant(1.5)))).contains("no value"));
    assert!(refused(rows().fill(minutes().with("id", previous()).with("id", linear()))).contains("two ways"));
    assert!(refused(rows().fill(minutes().with("id", previous().max_age("-1m")))).contains("negative"));
    assert!(
        refused(rows().fill(minutes().with("id", linear().max_age("1m")))).contains("only what previous()")
    );
    assert!(refused(rows().fill(minutes().observed("id"))).contains("another name"));
    assert!(refused(rows().fill(minutes().stop_at_gaps("1m"))).contains("from no table"));
    assert!(refused(Query::batches(crate::tables::schema(), Vec::new()).fill(minutes())).contains("no time"));
}

/// The value lies in a gap that ends where the range begins. A look for gaps that began at its time, between two slots of the
/// coverage, did not see that gap, and the value was carried over it.
#[test]
fn a_value_off_the_grid_is_not_carried_out_of_its_gap() {
    let (_directory, db, table) = table(Keep::All, &[]);
    let all = [row("a", 8 * MINUTE + 7, Some(1.0), 0)];
    table.write([crate::tables::batch(&all)]).expect("a row");
    let said = Attestation::new(9 * MINUTE..42 * MINUTE)
        .series("a")
        .interval(MINUTE)
        .source("test");
    table.attest([said]).expect("coverage");
    let filled = |stops: bool| {
        let scan = db
            .snapshot()
            .and_then(|snapshot| snapshot.scan("t"))
            .expect("a scan");
        let fill = Fill::every("1m").with("price", previous());
        let fill = if stops { fill.stop_at_gaps("1m") } else { fill };
        let scan = scan.series(["a"]).between(9 * MINUTE, 10 * MINUTE);
        let batches = scan.query().fill(fill).collect().expect("a row");
        let prices = batches[0]
            .column_by_name("price")
            .expect("prices")
            .as_primitive::<Float64Type>()
            .clone();
        prices.iter().collect::<Vec<_>>()
    };
    assert_eq!((filled(false), filled(true)), (vec![Some(1.0)], vec![None]));
}
