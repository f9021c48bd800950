//! Bars of real ticks, against a twin in a few lines. Needs the folder of real data, and says so without it.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::backfill::{Aggregation, FromTableStrategy};
use gapless::{Attestation, Keep, TableSpec};
use gapless_interchange::{ReadOptions, Source, plan};

use super::fixture::MINUTE;

/// Open, high, low, close, ticks.
type Bar = [f64; 5];

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a [f64] {
    batch[name].as_primitive::<Float64Type>().values()
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> &'a [i64] {
    batch[name].as_primitive::<TimestampNanosecondType>().values()
}

#[test]
fn minute_bars_of_real_ticks_are_those_of_the_twin() {
    let Some(folder) = crate::real_data::data() else {
        return;
    };
    let options = ReadOptions {
        series: Some("sym".to_owned()),
        ..ReadOptions::default()
    };
    let file = folder.join("fx/eurusd_fxcm_ticks_20140501-15.csv.zst");
    let plan = plan(&[file], &options).expect("a plan");
    let rows = Source::open(&plan, &options).expect("a file");
    let rows: Vec<RecordBatch> = rows.collect::<Result<_, _>>().expect("rows");
    let (_directory, db) = crate::common::scratch();
    let spec = TableSpec::new("ticks", plan.schema.as_ref().clone());
    let spec = spec.time(&plan.time).series("sym").keep(Keep::All);
    let ticks = db.create_table(&spec).expect("a table");
    ticks.write(rows.iter().cloned()).expect("written");
    let mut twin: BTreeMap<i64, Bar> = BTreeMap::new();
    for batch in &rows {
        for (time, bid) in times(batch, &plan.time).iter().zip(column(batch, "bid")) {
            let bar = twin.entry(time.div_euclid(MINUTE) * MINUTE);
            let bar = bar.or_insert([*bid, *bid, *bid, *bid, 0.0]);
            *bar = [bar[0], bar[1].max(*bid), bar[2].min(*bid), *bid, bar[4] + 1.0];
        }
    }
    let first = *twin.keys().next().expect("a bar");
    let end = *twin.keys().next_back().expect("a bar") + MINUTE;
    let said = Attestation::new(first..end).series("EURUSD").source("fxcm");
    ticks.attest([said]).expect("attested");

    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let mut fields = vec![Field::new("ts", ts, false), Field::new("sym", text, false)];
    let names = ["open", "high", "low", "close", "ticks"];
    fields.extend(names.map(|name| Field::new(name, DataType::Float64, true)));
    let spec = TableSpec::new("bars", Schema::new(fields))
        .time("ts")
        .series("sym");
    let bars = db.create_table(&spec.keep(Keep::Last)).expect("a table");
    let strategy = FromTableStrategy::new(&ticks)
        .ohlc("bid")
        .bars([("ticks", Aggregation::count("bid"))]);
    let job = bars.backfill(strategy).range(first, end + 10 * MINUTE);
    let report = job.series(["EURUSD"]).interval("1m").run().expect("a report");
    assert_eq!(
        report.rows().inserted,
        twin.len() as u64,
        "{:?}",
        report.gaps.first()
    );

    let mut found: BTreeMap<i64, Bar> = BTreeMap::new();
    for batch in bars.scan().expect("a scan").collect().expect("rows") {
        for (row, time) in times(&batch, "ts").iter().enumerate() {
            found.insert(*time, names.map(|name| column(&batch, name)[row]));
        }
    }
    assert!(found == twin, "the bars are not those of the twin");
    println!(
        "{} ticks, {} bars, {:?}",
        ticks.rows().expect("rows"),
        twin.len(),
        report.elapsed
    );
}
