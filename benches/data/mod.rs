//! Generated trades for the benches: symbols of Zipf popularity, one trading day from 13:30 to 20:00 UTC, in the
//! column types of a tick store. The same seed gives the same rows.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int8Array, Int32Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless::TableSpec;

pub const DAY_NS: i64 = 86_400_000_000_000;
/// 2026-03-02, a Monday.
pub const FIRST_DAY: i64 = 20_514 * DAY_NS;
const OPEN_NS: i64 = 48_600_000_000_000;
const SESSION_NS: u64 = 23_400_000_000_000;

/// How much to generate.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub days: usize,
    pub symbols: usize,
    pub rows: usize,
}

/// The scale of the figures, or a tiny one when the benches are only run to see that they work.
pub fn scale() -> Scale {
    if is_test() {
        Scale {
            days: 2,
            symbols: 20,
            rows: 20_000,
        }
    } else {
        Scale {
            days: 5,
            symbols: 500,
            rows: 20_000_000,
        }
    }
}

/// Whether the benches run once, in test mode.
pub fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test") || std::env::var_os("GAPLESS_BENCH_TEST").is_some()
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

pub fn schema() -> SchemaRef {
    let symbol = || DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("sym", symbol(), true),
        Field::new("price", DataType::Float64, true),
        Field::new("size", DataType::Int32, true),
        Field::new("side", DataType::Int8, true),
        Field::new("exch", symbol(), true),
        Field::new("cond", symbol(), true),
    ]))
}

pub fn spec(name: &str) -> TableSpec {
    TableSpec::new(name, schema().as_ref().clone())
        .time("ts")
        .series("sym")
}

/// The name of a symbol; names sort like their numbers.
pub fn symbol(number: usize) -> String {
    format!("S{number:05}")
}

/// Rows of each symbol on one day: Zipf with exponent 0.9, by rank.
fn counts(rows: usize, symbols: usize) -> Vec<usize> {
    let weights: Vec<f64> = (1..=symbols).map(|rank| (rank as f64).powf(-0.9)).collect();
    let total: f64 = weights.iter().sum();
    weights
        .iter()
        .map(|weight| ((rows as f64 * weight / total) as usize).max(20))
        .collect()
}

/// One day, sorted by (sym, ts).
pub fn sorted_day(day: usize, rows: usize, symbols: usize) -> RecordBatch {
    let mut random = Random(day as u64 + 1);
    let counts = counts(rows, symbols);
    let total = counts.iter().sum();
    let (mut ts, mut sym, mut price) = (
        Vec::with_capacity(total),
        Vec::with_capacity(total),
        Vec::with_capacity(total),
    );
    let start = FIRST_DAY + day as i64 * DAY_NS + OPEN_NS;
    for (code, count) in counts.iter().enumerate() {
        let mut times: Vec<i64> = (0..*count)
            .map(|_| start + random.below(SESSION_NS) as i64)
            .collect();
        times.sort_unstable();
        let mut cents = 10_000 + random.below(40_000) as i64;
        for time in times {
            cents = (cents + random.below(3) as i64 - 1).max(100);
            ts.push(time);
            sym.push(code as u32);
            price.push(cents as f64 / 100.0);
        }
    }
    let names = |count: usize, name: fn(usize) -> String| {
        Arc::new(StringArray::from_iter_values((0..count).map(name)))
    };
    let mut keys = |count: u64| UInt32Array::from_iter_values((0..total).map(|_| random.below(count) as u32));
    let (exch, cond) = (keys(16), keys(12));
    let size = Int32Array::from_iter_values((0..total).map(|_| 1 + random.below(500) as i32));
    let side = Int8Array::from_iter_values((0..total).map(|_| if random.below(2) == 0 { -1 } else { 1 }));
    let dictionary = |keys: UInt32Array, values: Arc<StringArray>| -> ArrayRef {
        Arc::new(DictionaryArray::new(keys, values))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(ts).with_timezone("UTC")),
        dictionary(sym.into(), names(symbols, symbol)),
        Arc::new(Float64Array::from(price)),
        Arc::new(size),
        Arc::new(side),
        dictionary(exch, names(16, |number| format!("X{number}"))),
        dictionary(cond, names(12, |number| format!("C{number}"))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit the schema")
}
