//! Small cases that once failed, each named for its symptom, and ends of ranges.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_engine::ErrorKind;
use gapless_engine::scan::Order;
use gapless_query::expr::timestamp;
use gapless_query::{
    AsOf, IntoQuery, Query, SortKey, col, count, first, last, lit, max, mean, sum, var, vwap,
};

use crate::cells::{Cell, assert_same, cells};
use crate::world::{HOUR, Row, START, Shape, UNIQUE_SHAPES, World};

fn run(query: &Query) -> Vec<Vec<Cell>> {
    let found = cells(&query.clone().collect().expect("rows"));
    let streamed: Result<Vec<_>, _> = query.clone().stream().expect("a stream").collect();
    assert_same(&cells(&streamed.expect("batches")), &found, "streamed");
    found
}

fn int(value: i64) -> Cell {
    Cell::Int(value.into())
}

fn row(ts: i64, sym: &str, id: i64) -> Row {
    Row::new(ts, Some(sym), id)
}

/// Keys that threads had found on their own could not be made columns: a panic.
#[test]
fn groups_that_several_threads_found_become_rows() {
    let world = World::new();
    // Each segment has a key of its own.
    let rows: Vec<Row> = (0..40).map(|id| row(START + id * HOUR, "a", id)).collect();
    world.fill("t", &rows, Shape::Hours, true);
    let query = world
        .scan()
        .group_by([(col("id") / 2).alias("half")])
        .agg([count()]);
    let half = |id: i64| vec![Cell::float(Some(id as f64 / 2.0)), int(1)];
    let wanted: Vec<Vec<Cell>> = (0..40).map(half).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .expect("a pool");
    assert_same(&pool.install(|| run(&query)), &wanted, "halves");
}

/// Which NaN a sum was depended on the order of its rows, and so on the segments.
#[test]
fn a_float_that_is_no_number_has_the_same_bits_in_any_order_of_rows() {
    let values = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN];
    for order in [
        [0, 1, 2, 3],
        [1, 0, 3, 2],
        [2, 3, 0, 1],
        [3, 2, 1, 0],
        [0, 3, 1, 2],
    ] {
        for count in 2..=4 {
            let priced = |(id, at): (i64, &usize)| Row {
                price: Some(values[*at]),
                ..row(START + id, "a", id + 1)
            };
            let rows: Vec<Row> = (0..).zip(&order[..count]).map(priced).collect();
            let world = World::of(&rows, Shape::Late, true);
            let query = world.scan().group_by(["sym"]).agg([
                sum("price"),
                mean("price"),
                vwap("price", "size"),
                var("price"),
            ]);
            let found = run(&query.select(["sum(price)", "mean(price)", "vwap(price, size)", "var(price)"]));
            assert_same(
                &found,
                &[vec![Cell::float(Some(f64::NAN)); 4]],
                &format!("{order:?} {count}"),
            );
        }
    }
}

/// Right rows came by their series, which nobody saw any more, and not by time.
#[test]
fn right_rows_whose_series_was_left_out_match_by_time_alone() {
    let world = World::new();
    world.fill("t", &[row(START + 10, "z", 0)], Shape::Days, true);
    world.fill(
        "r",
        &[
            row(START + 9, "a", 1),
            row(START + 3, "b", 2),
            row(START + 11, "b", 3),
        ],
        Shape::Days,
        true,
    );
    let right = || world.table("r").scan().expect("a scan").select(["ts", "id"]);
    for (options, wanted) in [(AsOf::backward(), 1), (AsOf::forward(), 3), (AsOf::nearest(), 1)] {
        let query = world
            .scan()
            .query()
            .asof_join(right(), options)
            .select(["id_right"]);
        assert_same(&run(&query), &[vec![int(wanted)]], "right");
    }
}

/// The rows of a join that nothing is read of were no batch.
#[test]
fn rows_of_a_join_are_counted_without_any_column() {
    let world = World::new();
    world.fill(
        "t",
        &[row(START, "a", 0), row(START + 5, "b", 1)],
        Shape::Days,
        true,
    );
    world.fill("r", &[row(START, "a", 1)], Shape::Days, true);
    let right = || world.table("r").scan().expect("a scan");
    let joined = |options| world.scan().query().asof_join(right(), options);
    assert_same(
        &run(&joined(AsOf::backward()).agg([count()])),
        &[vec![int(2)]],
        "left",
    );
    assert_same(
        &run(&joined(AsOf::backward().inner()).agg([count()])),
        &[vec![int(1)]],
        "inner",
    );
}

/// An aggregate that nobody reads left a batch without columns.
#[test]
fn one_row_of_aggregates_is_one_row_without_them() {
    let world = World::of(&[row(START, "a", 0)], Shape::Days, true);
    let one = || world.scan().agg([sum("id"), count()]);
    assert_same(&run(&one().agg([count()])), &[vec![int(1)]], "counted");
    assert_same(
        &run(&one().select([lit(7i64).alias("seven")])),
        &[vec![int(7)]],
        "a constant",
    );
}

/// The end of a range that means "no end" let the last instant in.
#[test]
fn the_last_instants_of_time_are_told_apart() {
    let last_times = [i64::MIN, i64::MIN + 1, i64::MAX - 2, i64::MAX - 1, i64::MAX];
    for shape in [Shape::Days, Shape::Memory] {
        let rows: Vec<Row> = (0..).zip(last_times).map(|(id, ts)| row(ts, "a", id)).collect();
        let world = World::of(&rows, shape, true);
        let ids = |condition: gapless_query::Expr| -> Vec<Cell> {
            run(&world.scan().query().filter(condition).select(["id"]))
                .into_iter()
                .flatten()
                .collect()
        };
        for (number, time) in (0i64..).zip(last_times) {
            let time = timestamp(time);
            let some = |range: std::ops::Range<i64>| range.map(int).collect::<Vec<_>>();
            assert_eq!(
                ids(col("ts").le(time.clone())),
                some(0..number + 1),
                "{shape:?} <= {number}"
            );
            assert_eq!(
                ids(col("ts").lt(time.clone())),
                some(0..number),
                "{shape:?} < {number}"
            );
            assert_eq!(
                ids(col("ts").ge(time.clone())),
                some(number..5),
                "{shape:?} >= {number}"
            );
            assert_eq!(
                ids(col("ts").gt(time.clone())),
                some(number + 1..5),
                "{shape:?} > {number}"
            );
            assert_eq!(
                ids(col("ts").eq(time.clone())),
                some(number..number + 1),
                "{shape:?} = {number}"
            );
            let others: Vec<Cell> = (0..5).filter(|other| *other != number).map(int).collect();
            assert_eq!(ids(col("ts").ne(time)), others, "{shape:?} != {number}");
        }
    }
}

/// A row at the last instant did not match the one of its own time.
#[test]
fn rows_at_the_ends_of_time_match_and_are_in_buckets() {
    let ends = [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX, i64::MAX];
    let rows: Vec<Row> = (0..).zip(ends).map(|(id, ts)| row(ts, "a", id)).collect();
    let world = World::of(&rows, Shape::Days, true);
    world.fill("r", &rows, Shape::Memory, true);
    let joined = |options: AsOf| -> Vec<Cell> {
        let right = world.table("r").scan().expect("a scan");
        let query = world
            .scan()
            .query()
            .asof_join(right, options.columns(["id"]))
            .select(["id_right"]);
        run(&query).into_iter().flatten().collect()
    };
    let ints = |ids: [i64; 6]| ids.map(|id| if id < 0 { Cell::Null } else { int(id) }).to_vec();
    for by in [vec![], vec!["venue"]] {
        assert_eq!(
            joined(AsOf::backward().by(by.clone())),
            ints([0, 1, 2, 3, 5, 5]),
            "by {by:?}"
        );
        assert_eq!(
            joined(AsOf::backward().strict().by(by.clone())),
            ints([-1, 0, 1, 2, 3, 3]),
            "by {by:?}"
        );
        assert_eq!(
            joined(AsOf::forward().by(by.clone())),
            ints([0, 1, 2, 3, 5, 5]),
            "by {by:?}"
        );
        assert_eq!(
            joined(AsOf::forward().strict().by(by.clone())),
            ints([1, 2, 3, 5, -1, -1]),
            "by {by:?}"
        );
        assert_eq!(
            joined(AsOf::nearest().by(by.clone())),
            ints([0, 1, 2, 3, 5, 5]),
            "by {by:?}"
        );
        assert_eq!(
            joined(AsOf::nearest().strict().tolerance(1).by(by.clone())),
            ints([1, 0, -1, 5, 3, 3]),
            "by {by:?}"
        );
    }
    let hours = run(&world.scan().group_by(["sym"]).bucket("1h").agg([count()]));
    let counts: Vec<&Cell> = hours.iter().map(|row| &row[2]).collect();
    assert_eq!(counts, [&int(2), &int(1), &int(3)]);
    let hashed = run(&world.scan().group_by(["venue"]).bucket("1h").agg([count()]));
    assert_eq!(hashed.len(), 3);
}

/// Buckets of milliseconds were said to be milliseconds, and were nanoseconds.
#[test]
fn buckets_of_rows_in_other_units_are_in_nanoseconds() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("who", DataType::Utf8, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![61_000, 1, 60_000])),
        Arc::new(StringArray::from(vec![Some("b"), Some("a"), None])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
    let rows = || Query::timed_batches(Arc::clone(&schema), vec![batch.clone()], "t", Some("who"));
    let minute = 60_000_000_000;
    let wanted = [vec![Cell::Time(0), int(1)], vec![Cell::Time(minute), int(2)]];
    assert_same(&run(&rows().bucket("1m").agg([count()])), &wanted, "minutes");
    assert_eq!(
        run(&rows().group_by(["who"]).bucket("1m").agg([count()])).len(),
        3
    );
}

#[test]
fn times_must_be_timestamps_and_series_text() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let time = Query::timed_batches(Arc::clone(&schema), Vec::new(), "n", None);
    assert_eq!(
        time.collect().expect_err("no timestamp").kind(),
        ErrorKind::Invalid
    );
}

/// Times that a scan leaves out were missing where its first rows were put into buckets.
#[test]
fn buckets_need_no_column_of_times() {
    let world = World::of(
        &[row(START, "a", 1), row(START + HOUR, "b", 2)],
        Shape::Days,
        true,
    );
    let scan = || world.scan().columns(["id"]);
    let wanted = [
        vec![Cell::Time(START), int(1)],
        vec![Cell::Time(START + HOUR), int(2)],
    ];
    let sums = |query: Query| run(&query.bucket("1h").agg([sum("id").alias("sum")]));
    assert_same(&sums(scan().query()), &wanted, "all");
    assert_same(&sums(scan().limit(10).query()), &wanted, "the first");
    assert_same(&sums(scan().order(Order::Time).query()), &wanted, "by time");
    assert_same(&sums(scan().query().order(["id"])), &wanted, "ordered");
}

/// Zeros of both signs were two places in an order, and two keys of a join.
#[test]
fn both_zeros_are_equal_in_orders_and_keys() {
    let priced = |price: f64, id: i64| Row {
        price: Some(price),
        ..row(START + id, "a", id)
    };
    let rows = [
        priced(0.0, 0),
        priced(-0.0, 1),
        priced(f64::NAN, 2),
        priced(-f64::NAN, 3),
        priced(f64::INFINITY, 4),
    ];
    let world = World::of(&rows, Shape::Days, true);
    let ids = |key: SortKey| -> Vec<Cell> {
        run(&world.scan().query().order([key]).select(["id"]))
            .into_iter()
            .flatten()
            .collect()
    };
    assert_eq!(ids(SortKey::ascending("price")), [0, 1, 4, 2, 3].map(int));
    assert_eq!(ids(SortKey::descending("price")), [2, 3, 4, 0, 1].map(int));
    let joined = world.scan().query().asof_join(
        world.scan(),
        AsOf::backward().strict().by(["price"]).columns(["id"]),
    );
    let matched: Vec<Cell> = run(&joined.select(["id_right"])).into_iter().flatten().collect();
    assert_eq!(matched, [Cell::Null, int(0), Cell::Null, int(2), Cell::Null]);
    assert_eq!(run(&world.scan().group_by(["price"]).agg([count()])).len(), 3);
}

#[test]
fn tables_without_rows_give_no_groups_and_one_row_of_all() {
    for shape in UNIQUE_SHAPES {
        for has_series in [false, true] {
            let world = World::of(&[], shape, has_series);
            let all = run(&world
                .scan()
                .agg([count(), sum("price"), first("note"), max("venue")]));
            assert_same(
                &all,
                &[vec![int(0), Cell::Null, Cell::Null, Cell::Null]],
                &format!("{shape:?}"),
            );
            assert!(run(&world.scan().query()).is_empty());
            assert!(run(&world.scan().group_by(["sym"]).agg([count()])).is_empty());
            assert!(run(&world.scan().group_by(["sym"]).bucket("1d").agg([count()])).is_empty());
            assert!(run(&world.scan().group_by(["venue"]).bucket("1d").agg([count()])).is_empty());
            assert!(run(&world.scan().query().asof_join(world.scan(), AsOf::nearest())).is_empty());
            assert!(run(&world.scan().query().order(["price"]).limit(3)).is_empty());
            assert!(run(&world.scan().query().top(3, "price")).is_empty());
        }
    }
}

#[test]
fn series_that_a_table_does_not_have_give_no_rows() {
    let world = World::of(&[row(START, "a", 1)], Shape::Late, true);
    let scan = || world.scan().series(["nobody"]);
    assert!(run(&scan().query()).is_empty());
    assert!(run(&scan().bucket("1h").agg([count()])).is_empty());
    assert!(run(&scan().group_by(["sym"]).bucket("1h").agg([count()])).is_empty());
    assert_same(&run(&scan().agg([count()])), &[vec![int(0)]], "one row");
    let none = world.scan().series(Vec::<String>::new());
    assert_same(&run(&none.agg([count()])), &[vec![int(0)]], "no series");
    let joined = world
        .scan()
        .query()
        .asof_join(scan(), AsOf::backward().columns(["id"]))
        .select(["id_right"]);
    assert_same(&run(&joined), &[vec![Cell::Null]], "an empty right side");
}

#[test]
fn rows_without_series_come_last_and_match_each_other() {
    for shape in [Shape::Days, Shape::Hours, Shape::Memory, Shape::Late] {
        let null = |ts: i64, id: i64| Row::new(ts, None, id);
        let world = World::of(
            &[
                null(START, 0),
                row(START, "b", 1),
                null(START + 1, 2),
                row(START, "", 3),
            ],
            shape,
            true,
        );
        world.fill("r", &[row(START, "a", 5), null(START, 6)], shape, true);
        let right = world.table("r").scan().expect("a scan");
        let query = world
            .scan()
            .query()
            .asof_join(right, AsOf::backward().columns(["id"]))
            .select(["sym", "id", "id_right"]);
        let text = |text: &str| Cell::text(Some(text));
        let wanted = [
            vec![text(""), int(3), Cell::Null],
            vec![text("b"), int(1), Cell::Null],
            vec![Cell::Null, int(0), int(6)],
            vec![Cell::Null, int(2), int(6)],
        ];
        assert_same(&run(&query), &wanted, &format!("{shape:?}"));
        let groups = run(&world.scan().group_by(["sym"]).agg([last("id").alias("id")]));
        assert_same(
            &groups,
            &[
                vec![text(""), int(3)],
                vec![text("b"), int(1)],
                vec![Cell::Null, int(2)],
            ],
            &format!("{shape:?}"),
        );
    }
}

/// Which of two columns of one name stayed depended on their order, in silence.
#[test]
fn two_new_columns_of_one_name_are_an_error() {
    let world = World::new();
    world.fill("t", &[row(START, "a", 1)], Shape::Days, true);
    let twice = world
        .scan()
        .query()
        .with_columns([col("id").alias("x"), col("size").alias("x")]);
    let error = twice.collect().expect_err("two names").to_string();
    assert!(error.contains("two columns would be called \"x\""), "{error}");
}

/// `first` and `last` went by time over a scan, and by the order of rows after a limit or an order.
#[test]
fn first_and_last_go_by_time_wherever_rows_have_one() {
    let world = World::new();
    let rows: Vec<Row> = [(3, "a"), (1, "b"), (2, "a"), (1, "a"), (3, "b")]
        .into_iter()
        .zip(0..)
        .map(|((second, sym), id)| row(START + second, sym, id))
        .collect();
    world.fill("t", &rows, Shape::Days, true);
    let ends = || [first("id"), last("id")];
    let wanted = [vec![int(3), int(4)]];
    assert_same(&run(&world.scan().agg(ends())), &wanted, "a scan");
    let ordered = world.scan().query().order([SortKey::descending("id")]);
    assert_same(
        &run(&ordered.clone().select(["ts", "id"]).agg(ends())),
        &[vec![int(3), int(0)]],
        "an order: of rows equal in time the order of rows decides",
    );
    assert_same(
        &run(&world.scan().query().limit(3).agg(ends())),
        &[vec![int(3), int(0)]],
        "the rows of a",
    );
    // Rows whose time was left out come in their order.
    assert_same(
        &run(&ordered.select(["id"]).agg(ends())),
        &[vec![int(4), int(0)]],
        "no time",
    );
}

/// Rows of no series would match rows of any: not one of them, in silence.
#[test]
fn right_rows_with_series_are_refused_where_left_rows_have_none() {
    let world = World::new();
    world.fill("t", &[row(START, "a", 1)], Shape::Days, true);
    world.fill("plain", &[row(START, "a", 1)], Shape::Days, false);
    let plain = world.table("plain").scan().expect("a scan");
    let joined = plain.query().asof_join(world.scan(), AsOf::backward());
    let error = joined.collect().expect_err("series on one side").to_string();
    assert!(
        error.contains("have no series") && error.contains("select()"),
        "{error}"
    );
}
