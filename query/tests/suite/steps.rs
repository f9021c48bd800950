//! Filters, columns, orders and limits against plain rows; what is refused; threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use gapless_engine::ErrorKind;
use gapless_engine::scan::Order;
use gapless_query::{
    AsOf, Bucket, Expr, IntoQuery, Query, SortKey, col, count, first, lit, mean, quantile, sum,
};
use proptest::prelude::*;
use rayon::prelude::*;

use crate::cells::{Cell, assert_same, cells};
use crate::world::{COLUMNS, Kind, Row, START, Shape, UNIQUE_SHAPES, World, batch, by_series, rows, schema};

fn run(query: &Query, what: &str) -> Vec<Vec<Cell>> {
    let schema = query.schema().expect("a schema");
    let batches = query
        .clone()
        .collect()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(batches.iter().all(|batch| batch.schema() == schema), "{what}");
    let found = cells(&batches);
    let streamed: Result<Vec<_>, _> = query.clone().stream().expect("a stream").collect();
    assert_same(
        &cells(&streamed.expect("batches")),
        &found,
        &format!("streamed {what}"),
    );
    found
}

/// True, false or neither.
type Logic = Option<bool>;

/// A condition and its twin.
type Condition = (Expr, Box<dyn Fn(&Row) -> Logic>);

fn and(a: Logic, b: Logic) -> Logic {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn condition(random: &mut crate::world::Random, depth: u32) -> Condition {
    if depth > 0 && !random.one_in(3) {
        let (a, one) = condition(random, depth - 1);
        if random.one_in(4) {
            return (!a, Box::new(move |row| one(row).map(|it| !it)));
        }
        let (b, other) = condition(random, depth - 1);
        return match random.one_in(2) {
            true => (a.and(b), Box::new(move |row| and(one(row), other(row)))),
            false => {
                let not = |it: Logic| it.map(|it| !it);
                (
                    a.or(b),
                    Box::new(move |row| not(and(not(one(row)), not(other(row))))),
                )
            }
        };
    }
    let number = random.below(100) as i32 - 50;
    let price = f64::from(number);
    match random.below(10) {
        0 => (
            col("qty").gt(number),
            Box::new(move |row| row.qty.map(|qty| qty > number)),
        ),
        1 => (col("flag"), Box::new(|row| row.flag)),
        2 => (
            col("venue").eq("A"),
            Box::new(|row| row.venue.as_ref().map(|venue| venue == "A")),
        ),
        3 => (col("note").is_null(), Box::new(|row| Some(row.note.is_none()))),
        4 => (
            col("price").ge(price),
            Box::new(move |row| row.price.map(|it| it.is_nan() || it >= price)),
        ),
        5 => (
            col("price").eq(0.0),
            Box::new(|row| row.price.map(|it| it == 0.0)),
        ),
        6 => (
            col("sym").ne("m"),
            Box::new(|row| row.sym.as_ref().map(|sym| sym != "m")),
        ),
        7 => (
            (col("qty") + col("size")).lt(number + 300),
            Box::new(move |row| {
                row.qty
                    .map(|qty| i64::from(qty) + (row.size as i64) < i64::from(number) + 300)
            }),
        ),
        8 => (
            gapless_query::expr::null().cast(DataType::Boolean),
            Box::new(|_| None),
        ),
        _ => (
            col("note").like("note 1%"),
            Box::new(|row| row.note.as_ref().map(|note| note.starts_with("note 1"))),
        ),
    }
}

fn kind(rows: usize) -> Kind {
    Kind {
        rows,
        series: 5,
        is_wild: false,
        has_specials: true,
        is_unique: true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn filters_have_the_three_values_of_logic_wherever_they_are_checked(
        seed: u64, shape in 0..UNIQUE_SHAPES.len(), has_series: bool, depth in 0..4u32,
    ) {
        let all = rows(seed, kind(80));
        let (expr, twin) = condition(&mut crate::world::Random::new(seed ^ 1), depth);
        let world = World::of(&all, UNIQUE_SHAPES[shape], has_series);
        let mut wanted = by_series(&all, has_series);
        wanted.retain(|row| twin(row) == Some(true));
        let wanted: Vec<Vec<Cell>> = wanted.iter().map(|row| row.cells(&COLUMNS)).collect();
        let what = format!("seed {seed} {expr} {:?}", UNIQUE_SHAPES[shape]);
        let pushed = world.scan().query().filter(expr.clone());
        assert_same(&run(&pushed, &what), &wanted, &what);
        // Behind columns nothing is pushed.
        let kept = world.scan().query().select(COLUMNS).filter(expr.clone());
        assert_same(&run(&kept, &what), &wanted, &what);
        // A column of conditions.
        let column = world.scan().with_column(expr.alias("is"));
        let is = by_series(&all, has_series).iter().map(|row| vec![Cell::bool(twin(row))]).collect::<Vec<_>>();
        assert_same(&run(&column.clone().select(["is"]), &what), &is, &what);
        assert_same(&run(&column.filter("is").select(COLUMNS), &what), &wanted, &what);
    }

    #[test]
    fn orders_and_limits_keep_ties_in_the_order_of_rows(
        seed: u64, shape in 0..UNIQUE_SHAPES.len(), limit in prop::sample::select(vec![0usize, 1, 7, 1000]),
        keys in prop::collection::vec((prop::sample::select(vec!["price", "qty", "flag", "venue", "note", "at", "sym", "ts"]), any::<bool>()), 1..4),
    ) {
        let all = rows(seed, kind(90));
        let world = World::of(&all, UNIQUE_SHAPES[shape], true);
        let mut wanted = by_series(&all, true);
        let by = |keys: &[(&'static str, bool)]| {
            let keys = keys.to_vec();
            move |a: &Row, b: &Row| {
                let one = |(key, is_descending): &(&'static str, bool)| {
                    let (a, b) = (a.cell(key).normal(), b.cell(key).normal());
                    let order = a.compare(&b);
                    let flips = *is_descending && a != Cell::Null && b != Cell::Null;
                    if flips { order.reverse() } else { order }
                };
                keys.iter().map(one).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
            }
        };
        let plain: Vec<Vec<Cell>> = wanted.iter().take(limit).map(|row| row.cells(&COLUMNS)).collect();
        let what = format!("seed {seed} {:?} {keys:?} {limit}", UNIQUE_SHAPES[shape]);
        assert_same(&run(&world.scan().query().limit(limit), &what), &plain, &what);
        assert_same(&run(&world.scan().query().select(COLUMNS).limit(limit), &what), &plain, &what);
        wanted.sort_by(by(&keys));
        let sort_keys = keys.iter().map(|(key, is_descending)| match is_descending {
            true => SortKey::descending(*key),
            false => SortKey::ascending(*key),
        });
        let of = |rows: &[Row]| -> Vec<Vec<Cell>> { rows.iter().take(limit).map(|row| row.cells(&COLUMNS)).collect() };
        let query = world.scan().query().order(sort_keys.clone()).limit(limit);
        assert_same(&run(&query, &what), &of(&wanted), &what);
        // Few columns of it.
        let ids: Vec<Vec<Cell>> = of(&wanted).iter().map(|row| vec![row[9].clone()]).collect();
        assert_same(&run(&query.select(["id"]), &what), &ids, &what);
        let mut top = by_series(&all, true);
        top.sort_by(by(&[(keys[0].0, true)]));
        assert_same(&run(&world.scan().query().top(limit, keys[0].0), &what), &of(&top), &what);
    }

    #[test]
    fn columns_that_nobody_asks_for_change_nothing(seed: u64, shape in 0..UNIQUE_SHAPES.len(), steps in 0..8usize) {
        let all = rows(seed, kind(80));
        let world = World::of(&all, UNIQUE_SHAPES[shape], true);
        world.fill("r", &rows(seed ^ 9, kind(60)), Shape::Late, true);
        let right = || world.table("r").scan().expect("a scan");
        let scan = || world.scan().query();
        let query = match steps {
            0 => scan().with_columns([(col("qty") * 2).alias("two"), col("price").alias("p")]).filter(col("two").gt(0)),
            1 => scan().select(["ts".into(), col("sym").alias("s"), "qty".into(), "id".into(), col("venue").alias("v")]).order(["v"]),
            2 => scan().asof_join(right(), AsOf::nearest().by(["venue"])).filter(col("qty_right").is_not_null()),
            3 => scan().group_by(["sym"]).bucket("1h").agg([sum("qty"), count(), first("note"), mean("price")]),
            4 => scan().group_by(["venue", "sym"]).bucket("1d").agg([sum("qty"), count(), first("note")]),
            5 => scan().limit(40).asof_join(right().query().order(["price"]), AsOf::backward()),
            6 => scan().group_by([col("sym").alias("s")]).bucket("6h").agg([sum("qty").alias("q"), first("price")])
                .filter(col("q").gt(-20)).group_by(["s"]).bucket("1d").agg([sum("q"), first("first(price)"), count()]),
            _ => scan().top(30, "size").with_column((col("size") + 1).alias("size")).limit(20),
        };
        let all = run(&query, "all columns");
        let names: Vec<String> = query.schema().expect("a schema").fields().iter().map(|field| field.name().clone()).collect();
        for (at, name) in names.iter().enumerate() {
            let wanted: Vec<Vec<Cell>> = all.iter().map(|row| vec![row[at].clone()]).collect();
            let what = format!("seed {seed} steps {steps} column {name}");
            assert_same(&run(&query.clone().select([name.as_str()]), &what), &wanted, &what);
        }
        let constants = run(&query.clone().select([lit(1i64).alias("one")]), "no column");
        prop_assert_eq!(constants.len(), all.len());
        let counted = run(&query.agg([count()]), "counted");
        prop_assert_eq!(counted, vec![vec![Cell::Int(all.len() as i128)]]);
    }
}

#[test]
fn times_and_series_are_known_by_their_new_names() {
    let all = rows(3, kind(60));
    let world = World::of(&all, Shape::Late, true);
    let renamed = world.scan().select([
        col("ts").alias("when"),
        col("sym").alias("price"),
        col("price").alias("sym"),
        "id".into(),
    ]);
    let grouped = renamed.group_by(["price"]).bucket("1d").agg([count()]);
    let names: Vec<String> = grouped
        .schema()
        .expect("a schema")
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["price", "when", "count()"]);
    let plain = world.scan().group_by(["sym"]).bucket("1d").agg([count()]);
    assert_same(&run(&grouped, "renamed"), &run(&plain, "plain"), "renamed");
    assert!(
        grouped
            .explain()
            .expect("an explanation")
            .contains("in stored order")
    );
    // A column that only has the name is not the series.
    let replaced = world
        .scan()
        .with_column(col("venue").alias("sym"))
        .group_by(["sym"])
        .bucket("1d")
        .agg([count()]);
    let venues = world.scan().group_by(["venue"]).bucket("1d").agg([count()]);
    assert_same(&run(&replaced, "replaced"), &run(&venues, "venues"), "replaced");
    let replaced = world
        .scan()
        .with_column(col("at").alias("ts"))
        .bucket("1d")
        .agg([count()]);
    assert_eq!(
        replaced.collect().expect_err("no time").kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn an_explanation_says_what_is_read_and_what_is_not() {
    let all = rows(3, kind(200));
    let world = World::of(&all, Shape::Days, true);
    let query = world
        .scan()
        .query()
        .filter(col("ts").ge(gapless_query::expr::timestamp(START + 2 * crate::world::DAY)));
    let text = query
        .group_by(["sym"])
        .agg([sum("qty")])
        .explain()
        .expect("an explanation");
    assert!(text.contains("scan t [qty]"), "{text}");
    assert!(
        text.contains("1 of 3 partitions") || text.contains("1 of 4 partitions"),
        "{text}"
    );
    assert!(text.contains("in stored order by sym"), "{text}");
    let text = world
        .scan()
        .group_by(["venue"])
        .agg([count()])
        .explain()
        .expect("an explanation");
    assert!(
        text.contains("by hash by venue") && text.contains("scan t [venue]"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_is_refused_when_the_query_is_asked() {
    let world = World::of(&[Row::new(START, Some("a"), 1)], Shape::Days, true);
    let scan = || world.scan().query();
    let no_batch = |error: &str| {
        Query::batches(
            schema(),
            vec![RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new(
                error,
                DataType::Int64,
                true,
            )])))],
        )
    };
    let cases: Vec<(&str, Query)> = vec![
        ("filter", scan().filter(col("nothing").gt(1))),
        ("filter type", scan().filter(col("price") + 1)),
        ("select", scan().select(["nothing"])),
        ("names", scan().select([col("id"), col("qty").alias("id")])),
        ("order", scan().order(["nothing"])),
        ("no order", scan().order(Vec::<SortKey>::new())),
        ("top", scan().top(1, "nothing")),
        ("key", scan().group_by(["nothing"]).agg([count()])),
        ("argument", scan().agg([sum("nothing")])),
        ("argument type", scan().agg([sum("note")])),
        ("two names", scan().agg([sum("qty"), sum("qty")])),
        ("key name", scan().group_by(["ts"]).bucket("1h").agg([count()])),
        (
            "key and aggregate",
            scan().group_by(["sym"]).agg([count().alias("sym")]),
        ),
        ("bucket", scan().bucket("1 hour").agg([count()])),
        ("no time", scan().select(["price"]).bucket("1h").agg([count()])),
        (
            "no time in memory",
            Query::batches(schema(), vec![]).bucket("1h").agg([count()]),
        ),
        (
            "zone",
            scan()
                .bucket(Bucket::new("1d").and_then(|days| days.zone("Moon/Base")))
                .agg([count()]),
        ),
        ("quantile", scan().agg([quantile("price", 1.5)])),
        (
            "as-of time",
            scan().asof_join(scan().select(["price"]), AsOf::backward()),
        ),
        (
            "as-of left time",
            scan().select(["price"]).asof_join(scan(), AsOf::backward()),
        ),
        (
            "as-of column",
            scan().asof_join(scan(), AsOf::backward().columns(["nothing"])),
        ),
        (
            "as-of by",
            scan().asof_join(scan(), AsOf::backward().by(["nothing"])),
        ),
        (
            "as-of by types",
            scan().asof_join(
                scan().with_column((col("price") + 0.5).alias("qty")),
                AsOf::backward().by(["qty"]),
            ),
        ),
        (
            "as-of tolerance",
            scan().asof_join(scan(), AsOf::backward().tolerance("-1s")),
        ),
        (
            "as-of names",
            scan()
                .asof_join(scan(), AsOf::backward())
                .asof_join(scan(), AsOf::backward()),
        ),
        ("batches", no_batch("other")),
        (
            "time of batches",
            Query::timed_batches(schema(), vec![], "nothing", None),
        ),
        (
            "sum",
            scan()
                .select([
                    (col("size") + i64::MAX as u64).alias("x"),
                    (col("size") + i64::MAX as u64).alias("y"),
                ])
                .agg([sum("x"), sum(col("y") + u64::MAX)]),
        ),
    ];
    for (what, query) in cases {
        let Err(error) = query.collect() else {
            panic!("{what} is taken");
        };
        assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
    }
}

#[test]
fn a_sum_that_does_not_fit_is_an_error_and_one_that_fits_at_last_is_none() {
    let table = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let batch = |values: Vec<i64>| {
        RecordBatch::try_new(Arc::clone(&table), vec![Arc::new(Int64Array::from(values))]).expect("a batch")
    };
    let sum_of = |batches: Vec<RecordBatch>| {
        Query::batches(Arc::clone(&table), batches)
            .agg([sum("n")])
            .collect()
    };
    let fits = sum_of(vec![
        batch(vec![i64::MAX, i64::MAX]),
        batch(vec![-i64::MAX]),
        batch(vec![-i64::MAX, 5]),
    ]);
    assert_same(&cells(&fits.expect("a sum")), &[vec![Cell::Int(5)]], "fits");
    let error = sum_of(vec![batch(vec![i64::MAX]), batch(vec![1])]).expect_err("too great");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let product = Query::batches(Arc::clone(&table), vec![batch(vec![1, i64::MAX])])
        .select([(col("n") * 2).alias("n")]);
    assert_eq!(
        product.collect().expect_err("too great").kind(),
        ErrorKind::Invalid
    );
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Many series, so that there are parts for all threads.
fn wide() -> World {
    let all: Vec<Row> = (0..60_000)
        .map(|id| Row::new(START + id, Some(&format!("s{}", id % 50)), id))
        .collect();
    World::of(&all, Shape::Days, true)
}

#[test]
fn a_stream_that_is_dropped_ends_its_threads() {
    let world = wide();
    let query = || world.scan().with_column((col("qty") * 2).alias("two"));
    assert_eq!(run(&query().agg([count()]), "all"), [[Cell::Int(60_000)]]);
    for taken in [0, 1, 3] {
        let streams: Vec<_> = (0..40)
            .map(|_| {
                let mut stream = query().stream().expect("a stream");
                (0..taken).for_each(|_| drop(stream.next().expect("a batch").expect("rows")));
                stream
            })
            .collect();
        drop(streams);
    }
    // Others of this process come and go; 120 streams would leave more than any of them.
    let start = Instant::now();
    while threads() > 60 {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{} threads are left",
            threads()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_error_of_one_part_reaches_the_caller_once() {
    let world = wide();
    // One row of 60,000 is too great for its type.
    let fails = col("id")
        .eq(43_210)
        .if_then_else(col("id") + i64::MAX, col("id"))
        .alias("x");
    let query = world.scan().with_column(fails);
    assert_eq!(
        query.clone().collect().expect_err("too great").kind(),
        ErrorKind::Invalid
    );
    let mut stream = query.clone().stream().expect("a stream");
    let failed = stream.by_ref().find_map(Result::err).expect("too great");
    assert_eq!(failed.kind(), ErrorKind::Invalid);
    assert!(stream.next().is_none(), "nothing comes after a failure");
    for query in [
        query.clone().group_by(["sym"]).agg([sum("x")]),
        query.clone().group_by(["venue"]).agg([sum("x")]),
        query.clone().order(["x"]),
        query.clone().top(3, "x"),
        query
            .clone()
            .asof_join(world.scan(), AsOf::backward().columns(["id"])),
        world
            .scan()
            .query()
            .asof_join(query.clone(), AsOf::backward().columns(["x"])),
    ] {
        assert_eq!(
            query.clone().collect().expect_err("too great").kind(),
            ErrorKind::Invalid
        );
        let error = query
            .stream()
            .and_then(|mut stream| stream.find_map(Result::err).map_or(Ok(()), Err));
        assert_eq!(error.expect_err("too great").kind(), ErrorKind::Invalid);
    }
    // Where no row of it is read, nothing fails.
    assert_eq!(run(&query.limit(5).select(["id"]), "limited").len(), 5);
}

#[test]
fn queries_inside_of_threads_of_rayon_and_many_at_once_come_to_an_end() {
    let world = wide();
    let queries = || -> Vec<Query> {
        let scan = || world.scan().query();
        let joined = || scan().asof_join(world.scan(), AsOf::backward().strict().columns(["id"]));
        vec![
            scan().with_column((col("qty") + 1).alias("more")),
            scan().select(COLUMNS).limit(50_000),
            joined(),
            joined().limit(30_000).group_by(["venue"]).agg([count()]),
            scan().group_by(["sym", "flag"]).agg([count()]).limit(60),
            joined().select(COLUMNS).limit(50_000).order(["id"]).limit(3),
            scan()
                .limit(40_000)
                .asof_join(joined().limit(100), AsOf::nearest().columns(["note"])),
        ]
    };
    let wanted: Vec<usize> = queries()
        .into_iter()
        .map(|query| run(&query, "alone").len())
        .collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a pool");
    let (send, done) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let one = |(query, wanted): (Query, usize)| {
            let rows: usize = query
                .clone()
                .stream()
                .expect("a stream")
                .map(|batch| batch.expect("rows").num_rows())
                .sum();
            assert_eq!(rows, wanted);
            let rows: usize = query
                .collect()
                .expect("rows")
                .iter()
                .map(RecordBatch::num_rows)
                .sum();
            assert_eq!(rows, wanted);
        };
        let all = || queries().into_iter().zip(wanted.clone()).collect::<Vec<_>>();
        let send = &send;
        scope.spawn(move || {
            // In the common pool, all at once and nested.
            (0..3)
                .into_par_iter()
                .for_each(|_| all().into_par_iter().for_each(one));
            pool.install(|| all().into_par_iter().for_each(one));
            std::thread::scope(|scope| {
                for pair in all().into_iter().chain(all()) {
                    scope.spawn(move || one(pair));
                }
            });
            send.send(()).expect("somebody waits");
        });
        if done.recv_timeout(Duration::from_secs(100)).is_err() {
            eprintln!("queries wait for each other");
            std::process::abort();
        }
    });
}

#[test]
fn the_order_of_a_scan_is_kept_by_steps_that_have_none() {
    let all = rows(5, kind(100));
    let world = World::of(&all, Shape::Late, true);
    let mut by_time = all.clone();
    by_time.sort_by_key(|row| (row.ts, row.sym.is_none(), row.sym.clone()));
    let wanted: Vec<Vec<Cell>> = by_time.iter().map(|row| row.cells(&["id"])).collect();
    let query = || world.scan().order(Order::Time).query();
    assert_same(&run(&query().select(["id"]), "by time"), &wanted, "by time");
    assert_same(
        &run(
            &query().filter((col("id") + 1).gt(0)).select(["id"]).limit(9),
            "limited",
        ),
        &wanted[..9],
        "limited",
    );
    let memory = Query::batches(schema(), all.chunks(7).map(batch).collect()).select(["id"]);
    let arrived: Vec<Vec<Cell>> = all.iter().map(|row| row.cells(&["id"])).collect();
    assert_same(&run(&memory, "memory"), &arrived, "memory");
}
