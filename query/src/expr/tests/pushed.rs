//! What a scan checks and the rest are together the whole condition.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Schema, TimeUnit};
use arrow_select::{concat::concat_batches, filter::filter_record_batch};
use gapless_engine::scan::{Comparison, Literal, Predicate, col as column};
use gapless_engine::{Database, Maintenance, TableSpec};
use proptest::prelude::*;

use super::fixture::{Random, batch, condition, simple};
use super::twin::{V, accepts, at, of_literal, order};
use crate::Bucket;
use crate::expr::tree::{Expr, Value, col, lit, timestamp};
use crate::expr::{Bound, duration};

/// The engine's rules, row by row.
fn holds(predicate: &Predicate, batch: &RecordBatch, row: usize) -> Option<bool> {
    let value = |name: &str| at(batch.column_by_name(name).expect("a column"), row);
    let compare = |name: &str, comparison, literal: &Literal| match value(name) {
        V::Null => None,
        value => Some(accepts(
            comparison,
            order(&value, &of_literal(&Value::Plain(literal.clone()))),
        )),
    };
    let all = |parts: &[Predicate], all: bool| {
        let parts: Vec<_> = parts.iter().map(|part| holds(part, batch, row)).collect();
        if parts.contains(&Some(!all)) {
            return Some(!all);
        }
        (!parts.contains(&None)).then_some(all)
    };
    match predicate {
        Predicate::Compare {
            column,
            comparison,
            value,
        } => compare(column, *comparison, value),
        Predicate::In { column, values } => {
            let known = (value(column) != V::Null).then_some(false);
            let found = values
                .iter()
                .any(|other| compare(column, Comparison::Eq, other) == Some(true));
            if found { Some(true) } else { known }
        }
        Predicate::IsNull(column) => Some(value(column) == V::Null),
        Predicate::And(parts) => all(parts, true),
        Predicate::Or(parts) => all(parts, false),
        Predicate::Not(part) => holds(part, batch, row).map(|holds| !holds),
    }
}

fn passing(expr: &Expr, batch: &RecordBatch) -> gapless_engine::Result<BooleanBuffer> {
    Bound::new(expr, &batch.schema())?.passing(batch)
}

fn conjunction(random: &mut Random, depth: usize) -> Expr {
    let mut expr = simple(random);
    for _ in 0..random.below(4) {
        expr = match random.below(4) {
            0 => expr.and(condition(random, depth)),
            1 => expr.and(simple(random).or(simple(random))),
            2 => expr.and(!simple(random)),
            _ => expr.and(simple(random)),
        };
    }
    expr
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_pushed_and_the_rest_are_the_whole(seed in any::<u64>(), depth in 0usize..3) {
        let mut random = Random(seed);
        let batch = batch(&mut random, true);
        let expr = conjunction(&mut random, depth);
        // The rows of an error are those of the whole.
        let Ok(whole) = passing(&expr, &batch) else { return Ok(()) };
        let (pushed, rest) = expr.clone().push_down(&batch.schema());
        let pushed = BooleanBuffer::collect_bool(batch.num_rows(), |row| {
            pushed.as_ref().is_none_or(|pushed| holds(pushed, &batch, row) == Some(true))
        });
        let rest = rest.map(|rest| passing(&rest, &batch).expect("a part of the whole"));
        let both = rest.map_or_else(|| pushed.clone(), |rest| &pushed & &rest);
        prop_assert_eq!(whole, both, "{}", expr);
    }
}

fn table_batch(random: &mut Random, rows: usize) -> RecordBatch {
    let ts = (0..rows).map(|row| row as i64 * 40_000_000_000_000 - 5);
    let ts = TimestampNanosecondArray::from_iter_values(ts).with_timezone("UTC");
    let floats: Vec<Option<f64>> = (0..rows)
        .map(|_| {
            random.of(&[
                None,
                Some(0.0),
                Some(-0.0),
                Some(f64::NAN),
                Some(-f64::NAN),
                Some(2.5),
            ])
        })
        .collect();
    let ints: Vec<Option<i32>> = (0..rows)
        .map(|_| random.of(&[None, Some(0), Some(-3), Some(7)]))
        .collect();
    let wide: Vec<Option<u64>> = (0..rows)
        .map(|_| random.of(&[None, Some(0), Some(7), Some(u64::MAX)]))
        .collect();
    let bools: Vec<Option<bool>> = (0..rows)
        .map(|_| random.of(&[None, Some(true), Some(false)]))
        .collect();
    let texts: Vec<Option<&str>> = (0..rows)
        .map(|_| random.of(&[None, Some("A"), Some("AB"), Some("b"), Some("")]))
        .collect();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("ts", Arc::new(ts), false),
        ("s", super::fixture::symbols(random, rows), true),
        ("f", Arc::new(Float64Array::from(floats)), true),
        ("i", Arc::new(Int32Array::from(ints)), true),
        ("u", Arc::new(UInt64Array::from(wide)), true),
        ("b", Arc::new(BooleanArray::from(bools)), true),
        ("t", Arc::new(StringArray::from(texts)), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

fn has_columns(expr: &Expr, schema: &Schema) -> bool {
    expr.columns()
        .iter()
        .all(|name| schema.field_with_name(name).is_ok())
}

#[test]
fn a_scan_of_a_database_with_what_is_pushed_gives_the_rows_of_the_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = Database::builder(directory.path().join("test.db"))
        .maintenance(Maintenance::Manual)
        .without_sync();
    let db = db.open().expect("a database");
    let mut random = Random(7);
    let rows = table_batch(&mut random, 500);
    let spec = TableSpec::new("trade", rows.schema().as_ref().clone())
        .time("ts")
        .series("s");
    let table = db.create_table(&spec).expect("a table");
    table.write([rows]).expect("rows");
    let scan = || table.scan().expect("a scan");
    let schema = scan().schema().expect("a schema");
    let filtered = |batch: &RecordBatch, expr: &Expr| {
        let passing = BooleanArray::new(passing(expr, batch).expect("a condition"), None);
        filter_record_batch(batch, &passing).expect("rows")
    };
    let (mut tried, mut pushes) = (0, 0);
    let times = [
        col("ts").ge("1970-01-02T00:00:00+01:00").and(col("f").gt(0)),
        col("ts")
            .between(timestamp(5), "1970-03-01T00:00:00Z")
            .and((col("f") * col("i")).ge(0.0)),
        col("ts").lt(1e15).and(col("s").like("A%")),
        lit(7_000_000_000_000_000i64)
            .gt(col("ts"))
            .and(col("ts").month().eq(2)),
        (col("ts") - timestamp(0)).gt(duration("1w").expect("a week")),
    ];
    let generated = (0..600).map(|_| conjunction(&mut random, 1));
    let all = scan().collect().expect("batches");
    let all = concat_batches(&schema, &all).expect("a batch");
    for expr in times
        .into_iter()
        .chain(generated)
        .filter(|expr| has_columns(expr, &schema))
    {
        let Ok(bound) = Bound::new(&expr, &schema) else {
            continue;
        };
        if bound.passing(&all).is_err() {
            continue;
        }
        let (pushed, rest) = expr.clone().push_down(&schema);
        pushes += usize::from(pushed.is_some());
        tried += 1;
        let batches = match pushed {
            Some(pushed) => scan().filter(pushed),
            None => scan(),
        };
        let found = concat_batches(&schema, &batches.collect().expect("batches")).expect("a batch");
        let found = rest.map_or_else(|| found.clone(), |rest| filtered(&found, &rest));
        let wanted = filtered(&all, &expr);
        assert_eq!(found.num_rows(), wanted.num_rows(), "{expr}");
        for index in 0..schema.fields().len() {
            let text =
                |batch: &RecordBatch| format!("{:?}", arrow_cast::cast(batch.column(index), &DataType::Utf8));
            assert_eq!(text(&found), text(&wanted), "{expr}, column {index}");
        }
    }
    assert!(tried > 50 && pushes > tried / 2, "{tried} {pushes}");
}

#[test]
fn only_what_the_engine_means_the_same_is_pushed() {
    let mut random = Random(1);
    let batch = batch(&mut random, true);
    let schema = batch.schema();
    let split = |expr: Expr| expr.push_down(&schema);
    let (pushed, rest) = split(
        col("i")
            .gt(1)
            .and((col("f") * 2.0).gt(1.0))
            .and(lit("B").ge(col("s"))),
    );
    assert_eq!(pushed, Some(column("i").gt(1).and(column("s").le("B"))));
    assert_eq!(
        rest.map(|rest| rest.to_string()).as_deref(),
        Some("f * 2.0 > 1.0")
    );
    let (pushed, rest) = split(col("s").like("AB%"));
    assert_eq!(
        (pushed, rest),
        (Some(column("s").ge("AB").and(column("s").lt("AC"))), None)
    );
    for kept in [
        col("s").like("%B"),
        col("s").like("A_"),
        col("s").gt(1),
        col("nowhere").gt(1),
        col("i").eq("x"),
        col("i").eq(crate::expr::null()),
        col("i").gt(col("a")),
    ] {
        assert_eq!(split(kept.clone()), (None, Some(kept)));
    }
    let seconds = Schema::new(vec![arrow_schema::Field::new(
        "at",
        DataType::Timestamp(TimeUnit::Second, None),
        true,
    )]);
    let at = |expr: Expr| expr.push_down(&seconds).0;
    assert_eq!(at(col("at").ge("1970-01-01T00:00:05Z")), Some(column("at").ge(5)));
    assert_eq!(at(col("at").ge(timestamp(5_500_000_000))), None);
    let bucket = Bucket::new("1m").expect("a bucket");
    assert_eq!(at(col("at").bucket(bucket).ge(5)), None);
}
