//! Statements that native operators run, and the same statements run by DataFusion's own: the answers have to be the same.
//!
//! Floats may differ in their last digits: native sums are exact. A failure prints its seed; `GAPLESS_SQL_SEED` runs that one again.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int8Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::TableSpec;
use gapless_sql::Session;

use crate::fixture::{Market, SECOND, START};
use crate::support::{Random, seed};

const STATEMENTS: usize = 250;
/// Native sums are exact, those of DataFusion are not; what they cancel to differs by more than they do.
const TOLERANCE: f64 = 1e-6;

fn schema() -> SchemaRef {
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("sym", symbol.clone(), true),
        Field::new("venue", symbol, true),
        Field::new("side", DataType::Int8, true),
        Field::new("lot", DataType::Int32, true),
        Field::new("qty", DataType::Int64, true),
        Field::new("px", DataType::Float64, true),
        Field::new("wt", DataType::Float32, true),
        Field::new("ok", DataType::Boolean, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
    ]))
}

/// Rows of few times, so that many are equal; those of one day if it is given.
fn rows(random: &mut Random, count: usize, day: Option<i64>) -> RecordBatch {
    let mut times = Vec::new();
    for _ in 0..count {
        let day = day.unwrap_or_else(|| i64::try_from(random.below(4)).expect("a day"));
        let second = i64::try_from(random.below(240)).expect("a second") * 30;
        times.push(START + day * 86_400 * SECOND + 36_000 * SECOND + second * SECOND);
    }
    let mut some = |from: &[f64]| -> Vec<Option<f64>> {
        let value = |_| Some(random.pick(from)).filter(|_| random.below(6) > 0);
        (0..count).map(value).collect()
    };
    let special = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
    let mut prices: Vec<f64> = (0..60).map(|at| f64::from(at) / 3.0 - 5.0).collect();
    prices.extend(special);
    let few: Vec<f64> = (0..9).map(|at| f64::from(at) - 2.0).collect();
    let whole: Vec<Vec<Option<f64>>> = (0..5).map(|_| some(&few)).collect();
    let (px, wt) = (some(&prices), some(&prices));
    let text = |values: &[Option<f64>], names: &[&'static str]| -> StringArray {
        let name = |value: &Option<f64>| value.and_then(|value| names.get((value + 2.0) as usize).copied());
        values.iter().map(name).collect()
    };
    let (syms, venues) = (
        text(&whole[0], &["A", "B", "", "AA", "b"]),
        text(&whole[1], &["N", "Q", "Z"]),
    );
    let schema = schema();
    let symbols = |texts: StringArray, at: usize| {
        arrow_cast::cast(&texts, schema.field(at).data_type()).expect("symbols")
    };
    let int = |at: usize| whole[at].iter().map(|value| value.map(|value| value as i64));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
        symbols(syms, 1),
        symbols(venues, 2),
        Arc::new(
            int(2)
                .map(|value| value.map(|value| value as i8))
                .collect::<Int8Array>(),
        ),
        Arc::new(
            int(3)
                .map(|value| value.map(|value| 1_000_000 * value as i32))
                .collect::<Int32Array>(),
        ),
        Arc::new(int(4).collect::<Int64Array>()),
        Arc::new(px.into_iter().collect::<Float64Array>()),
        Arc::new(
            wt.into_iter()
                .map(|value| value.map(|value| value as f32))
                .collect::<Float32Array>(),
        ),
        Arc::new(
            int(3)
                .map(|value| value.map(|value| value % 2 == 0))
                .collect::<BooleanArray>(),
        ),
        Arc::new(text(&whole[4], &["x", "yy", "", "é"])),
        Arc::new(
            int(1)
                .map(|value| value.map(|value| value as i32))
                .collect::<Date32Array>(),
        ),
    ];
    RecordBatch::try_new(schema, columns).expect("the columns fit")
}

/// Several partitions, segments whose times overlap, late rows and rows that are in no segment yet.
fn market(random: &mut Random) -> Market {
    let market = Market::empty();
    for name in ["t", "nothing"] {
        let spec = TableSpec::new(name, schema().as_ref().clone())
            .time("ts")
            .series("sym");
        market.database.create_table(&spec).expect("a table");
    }
    let table = market.database.table("t").expect("the table");
    for _ in 0..3 {
        table.write([rows(random, 300, None)]).expect("rows");
    }
    table.write([rows(random, 40, Some(1))]).expect("late rows");
    table.append(&rows(random, 60, Some(3))).expect("streamed rows");
    table
        .append(&rows(random, 20, Some(0)))
        .expect("late streamed rows");
    market
}

fn key(random: &mut Random) -> Vec<&'static str> {
    let bucket = random.pick(&[
        "time_bucket('1m', ts)",
        "time_bucket(INTERVAL '1 hour', ts)",
        "time_bucket('1d', ts, 'America/New_York')",
        "time_bucket('1w', ts)",
        "time_bucket('1mo', ts)",
        "time_bucket('7m', ts, TIMESTAMP '2026-11-20T00:01:00Z')",
    ]);
    let other = random.pick(&["venue", "side", "ok", "day", "lot", "qty", "note", "px", "ts"]);
    random
        .pick(&[
            &[][..],
            &["sym"],
            &["bucket"],
            &["sym", "bucket"],
            &["bucket", "sym"],
            &["other"],
            &["other", "sym"],
            &["other", "bucket", "sym"],
        ])
        .iter()
        .map(|key| match *key {
            "bucket" => bucket,
            "other" => other,
            key => key,
        })
        .collect()
}

fn aggregate(random: &mut Random) -> String {
    let column = random.pick(&[
        "ts", "sym", "venue", "side", "lot", "qty", "px", "wt", "ok", "note", "day",
    ]);
    let number = random.pick(&[
        "side",
        "lot",
        "qty",
        "px",
        "wt",
        "px * qty",
        "px / wt - 1.5",
        "px + wt * px",
    ]);
    match random.below(12) {
        0 => "count(*)".to_owned(),
        1 => format!("count({column})"),
        2 => format!("sum({number})"),
        3 => format!("avg({number})"),
        4 | 5 => format!("{}({column})", random.pick(&["min", "max"])),
        6 | 7 => format!("{}({column}, ts)", random.pick(&["first", "last"])),
        8 => format!("vwap({number}, {})", random.pick(&["qty", "wt", "side"])),
        9 => format!("{}({number})", random.pick(&["stddev", "var"])),
        10 => format!("count(DISTINCT {column})"),
        // What is left to DataFusion.
        _ => random
            .pick(&[
                "sum(qty / 2)",
                "sum(px) FILTER (WHERE qty > 3)",
                "sum(DISTINCT lot)",
                "max(qty * 2)",
                "median(qty)",
                "first(px, arrow_cast(ts, 'Int64'))",
            ])
            .to_owned(),
    }
}

fn condition(random: &mut Random) -> &'static str {
    random.pick(&[
        "",
        "",
        "WHERE sym = 'A'",
        "WHERE sym = 'B' AND qty > 1",
        "WHERE sym IN ('A', 'AA', 'none')",
        "WHERE sym = 'none'",
        "WHERE sym IS NULL",
        "WHERE sym = NULL",
        "WHERE venue <> 'N'",
        "WHERE ts >= '2026-11-21T00:00:00Z' AND ts < '2026-11-22T10:30:00Z'",
        "WHERE ok",
        "WHERE px > 1.25",
        "WHERE px < 0",
        "WHERE px * qty > 10",
        "WHERE px > 0 AND px <= 3.5",
        "WHERE px >= 0",
        "WHERE px <> 1.0 OR qty = 3",
        "WHERE sym = 'B' OR venue IS NULL OR px > 1.5",
        "WHERE NOT px > 1",
        "WHERE 0.5 >= px - qty AND sym > 'A'",
        "WHERE px = 'NaN'::double",
        "WHERE wt < 1.5 AND wt * px < 2.5",
        "WHERE sym LIKE 'A%'",
    ])
}

/// A statement, and how many of its columns are keys.
fn statement(random: &mut Random) -> (String, usize) {
    let keys = key(random);
    let named: Vec<String> = (0..keys.len())
        .map(|at| format!("{} AS k{at}", keys[at]))
        .collect();
    let mut columns = named;
    for at in 0..1 + random.below(4) {
        columns.push(format!("{} AS a{at}", aggregate(random)));
    }
    let places: Vec<String> = (1..=keys.len()).map(|place| place.to_string()).collect();
    let group = match places.is_empty() {
        true => String::new(),
        false => format!(" GROUP BY {0} ORDER BY {0}", places.join(", ")),
    };
    let from = random.pick(&[
        "t",
        "t",
        "nothing AS t",
        "(SELECT sym, px, wt, qty, side, lot, ok, ts, note, day, venue FROM t) AS t",
        "(SELECT ts, sym, px - 1.0 AS px, wt, qty, side, lot, ok, note, day, venue FROM t) AS t",
        "(SELECT * FROM t LIMIT 50) AS t",
    ]);
    let text = format!(
        "SELECT {} FROM {from} {}{group}",
        columns.join(", "),
        condition(random)
    );
    (text, keys.len())
}

/// A value as text, and a float as a number too.
type Cell = (String, Option<f64>);

/// The cells of a statement's rows.
fn cells(session: &Session, text: &str) -> Result<Vec<Vec<Cell>>, String> {
    let batches = session.sql(text).and_then(gapless_sql::Rows::collect_batches);
    let batches = batches.map_err(|error| error.to_string())?;
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| {
                let shown = ArrayFormatter::try_new(column, &options).expect("a type that can be shown");
                (shown.value(row).to_string(), float(column, row))
            };
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    Ok(rows)
}

fn float(column: &ArrayRef, row: usize) -> Option<f64> {
    let value = match column.data_type() {
        DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => Some(f64::from(column.as_primitive::<Float32Type>().value(row))),
        _ => None,
    };
    value.filter(|_| column.is_valid(row))
}

fn is_same(one: &Cell, other: &Cell) -> bool {
    match (one.1, other.1) {
        (Some(one), Some(other)) if one.is_finite() && other.is_finite() => {
            (one - other).abs() <= TOLERANCE * one.abs().max(other.abs()).max(1.0)
        }
        _ => one.0 == other.0,
    }
}

fn sessions(market: &Market) -> [Session; 2] {
    [true, false].map(|native| {
        let builder = Session::builder(&market.database)
            .threads(2)
            .native_operators(native);
        builder.open().expect("a session")
    })
}

#[test]
fn what_native_operators_answer_is_what_datafusion_answers() {
    let seed = seed();
    let mut random = Random(seed);
    let market = market(&mut random);
    let [native, own] = sessions(&market);
    let mut replaced = 0;
    for _ in 0..STATEMENTS {
        let (text, keys) = statement(&mut random);
        let said = format!("GAPLESS_SQL_SEED={seed}\n{text}");
        let (found, expected) = match (cells(&native, &text), cells(&own, &text)) {
            (Err(one), Err(other)) => {
                assert_eq!(one, other, "{said}");
                continue;
            }
            (found, expected) => (
                found.unwrap_or_else(|error| panic!("{said}: {error}")),
                expected.unwrap_or_else(|error| panic!("{said}: {error}")),
            ),
        };
        let plan = cells(&native, &format!("EXPLAIN {text}")).expect("a plan");
        replaced += usize::from(plan.iter().flatten().any(|cell| cell.0.contains("NativeExec")));
        assert_eq!(found.len(), expected.len(), "{said}\n{found:?}\n{expected:?}");
        for (found, expected) in found.iter().zip(&expected) {
            let equal = found
                .iter()
                .zip(expected)
                .all(|(found, expected)| is_same(found, expected));
            assert!(equal, "{keys} keys, {said}\n{found:?}\n{expected:?}");
        }
    }
    assert!(
        replaced > STATEMENTS / 4,
        "{replaced} of {STATEMENTS} statements ran natively"
    );
}

#[test]
fn the_last_rows_are_those_that_a_sort_finds() {
    let seed = seed();
    let mut random = Random(seed);
    let market = market(&mut random);
    let [session, _] = sessions(&market);
    for _ in 0..40 {
        let (wanted, limit) = (condition(&mut random), 1 + random.below(70));
        let last = format!("SELECT ts FROM t {wanted} ORDER BY ts DESC LIMIT {limit}");
        // An expression that the scan knows nothing of.
        let sorted = format!("SELECT ts FROM t {wanted} ORDER BY arrow_cast(ts, 'Int64') * -1 LIMIT {limit}");
        let said = format!("GAPLESS_SQL_SEED={seed}\n{last}");
        assert_eq!(cells(&session, &last), cells(&session, &sorted), "{said}");
        // Rows are whole: each is one of the table.
        let whole = format!("SELECT sym, ts, qty, px FROM t {wanted} ORDER BY ts DESC LIMIT {limit}");
        let all = cells(&session, &format!("SELECT sym, ts, qty, px FROM t {wanted}")).expect("rows");
        for row in cells(&session, &whole).expect("rows") {
            let text = |row: &[Cell]| row.iter().map(|cell| cell.0.clone()).collect::<Vec<_>>();
            assert!(
                all.iter().any(|other| text(other) == text(&row)),
                "{said}\n{row:?}"
            );
        }
    }
}
