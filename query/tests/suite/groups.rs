//! Groups against a loop over the rows, on databases of every shape.
//!
//! Long because the twin says anew what every aggregate and every bucket means.

use gapless_query::{
    Aggregate, Bucket, Expr, Grouped, IntoQuery, Query, col, corr, count, count_of, cov, first, last, max,
    mean, median, min, n_unique, ohlc, quantile, std as deviation, sum, var, vwap, wmean,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::cells::{Cell, assert_near, assert_same, cells};
use crate::world::{DAY, HOUR, Kind, Row, SECOND, SHAPES, START, Shape, UNIQUE_SHAPES, World, by_time, rows};

/// A key and its twin.
type Key = (Expr, Box<dyn Fn(&Row) -> Cell>);

/// An aggregate and its twin, which is given the rows of a group by time.
type Asked = (Aggregate, Box<dyn Fn(&[&Row]) -> Cell>);

/// A bucket and its twin: where the bucket of a time begins.
type Bucketing = (Bucket, Box<dyn Fn(i64) -> i64>);

/// A condition and its twin: the three values of logic.
type Condition = (Expr, fn(&Row) -> Option<bool>);

fn key(column: &'static str) -> Key {
    (col(column), Box::new(move |row| row.cell(column).normal()))
}

fn floats(rows: &[&Row], column: &str) -> Vec<f64> {
    rows.iter().filter_map(|row| row.cell(column).number()).collect()
}

fn pairs(rows: &[&Row], a: &str, b: &str) -> Vec<(f64, f64)> {
    rows.iter()
        .filter_map(|row| Some((row.cell(a).number()?, row.cell(b).number()?)))
        .collect()
}

fn plain_sum(values: &[f64]) -> f64 {
    // Exact for the eighths of worlds that are not wild; never -0.0.
    values.iter().fold(0.0, |sum, value| sum + value)
}

fn some(values: &[f64], of: impl Fn(&[f64]) -> f64) -> Cell {
    Cell::float((!values.is_empty()).then(|| of(values)))
}

fn covariance(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 2 {
        return None;
    }
    let n = pairs.len() as f64;
    let (a, b) = (
        pairs.iter().map(|(a, _)| a).sum::<f64>() / n,
        pairs.iter().map(|(_, b)| b).sum::<f64>() / n,
    );
    Some(pairs.iter().map(|(x, y)| (x - a) * (y - b)).sum::<f64>() / (n - 1.0))
}

fn same(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().map(|value| (*value, *value)).collect()
}

fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (va, vb) = (covariance(&same(&a))?, covariance(&same(&b))?);
    let together = covariance(pairs)?;
    let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    Some(if varies(&a) && varies(&b) {
        together / (va * vb).sqrt()
    } else {
        f64::NAN
    })
}

fn part_below(values: &[f64], part: f64) -> f64 {
    let mut values: Vec<f64> = values
        .iter()
        .map(|value| if value.is_nan() { f64::NAN } else { *value })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = (values.len() - 1) as f64 * part;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    let rest = at - at.floor();
    match (low == high || rest == 0.0, low.is_infinite(), high.is_infinite()) {
        (true, _, _) => low,
        (_, true, true) => f64::NAN,
        (_, true, false) => {
            if high.is_nan() {
                high
            } else {
                low
            }
        }
        _ => low + (high - low) * rest,
    }
}

fn weighted(rows: &[&Row], price: &str, size: &str) -> Cell {
    let pairs = pairs(rows, price, size);
    let of_sizes: f64 = pairs.iter().map(|(_, size)| size).sum();
    let of_both: f64 = pairs.iter().map(|(price, size)| price * size).sum();
    let mean = if of_sizes == 0.0 {
        f64::NAN
    } else {
        of_both / of_sizes
    };
    Cell::float((!pairs.is_empty()).then_some(mean))
}

fn valid(rows: &[&Row], column: &str) -> Vec<Cell> {
    rows.iter()
        .map(|row| row.cell(column))
        .filter(|cell| *cell != Cell::Null)
        .collect()
}

fn extreme(rows: &[&Row], column: &str, greatest: bool) -> Cell {
    let mut values = valid(rows, column);
    let is_nan = |cell: &Cell| matches!(cell, Cell::Float(bits) if f64::from_bits(*bits).is_nan());
    if !values.iter().all(is_nan) {
        values.retain(|cell| !is_nan(cell));
    }
    values.sort_by(Cell::compare);
    let found = if greatest {
        values.pop()
    } else {
        values.into_iter().next()
    };
    found.unwrap_or(Cell::Null)
}

/// Aggregates whose results are exact.
fn exact() -> Vec<Asked> {
    let mut all: Vec<Asked> = vec![
        (count(), Box::new(|rows| Cell::Int(rows.len() as i128))),
        (
            sum("qty"),
            Box::new(|rows| {
                let values: Vec<i64> = rows.iter().filter_map(|row| row.qty.map(i64::from)).collect();
                Cell::int((!values.is_empty()).then(|| values.iter().sum::<i64>()))
            }),
        ),
        (
            sum("size"),
            Box::new(|rows| {
                Cell::int((!rows.is_empty()).then(|| rows.iter().map(|row| row.size).sum::<u64>()))
            }),
        ),
    ];
    for column in ["price", "qty", "flag", "venue", "note", "at", "sym"] {
        all.push((
            count_of(column),
            Box::new(move |rows| Cell::Int(valid(rows, column).len() as i128)),
        ));
    }
    for column in ["price", "qty", "size", "flag", "venue", "note", "at", "sym", "ts"] {
        all.push((min(column), Box::new(move |rows| extreme(rows, column, false))));
        all.push((max(column), Box::new(move |rows| extreme(rows, column, true))));
        all.push((
            first(column),
            Box::new(move |rows| valid(rows, column).into_iter().next().unwrap_or(Cell::Null)),
        ));
        all.push((
            last(column),
            Box::new(move |rows| valid(rows, column).pop().unwrap_or(Cell::Null)),
        ));
        all.push((
            n_unique(column),
            Box::new(move |rows| {
                let values: std::collections::HashSet<Cell> =
                    valid(rows, column).iter().map(Cell::normal).collect();
                Cell::Int(values.len() as i128)
            }),
        ));
    }
    let [open, high, low, close] = ohlc(col("price"));
    all.push((
        open,
        Box::new(|rows| valid(rows, "price").into_iter().next().unwrap_or(Cell::Null)),
    ));
    all.push((high, Box::new(|rows| extreme(rows, "price", true))));
    all.push((low, Box::new(|rows| extreme(rows, "price", false))));
    all.push((
        close,
        Box::new(|rows| valid(rows, "price").pop().unwrap_or(Cell::Null)),
    ));
    all
}

/// Aggregates of floats.
fn rounded() -> Vec<Asked> {
    vec![
        (
            sum("price"),
            Box::new(|rows| some(&floats(rows, "price"), plain_sum)),
        ),
        (
            mean("price"),
            Box::new(|rows| {
                some(&floats(rows, "price"), |values| {
                    plain_sum(values) / values.len() as f64
                })
            }),
        ),
        (
            mean("qty"),
            Box::new(|rows| {
                some(&floats(rows, "qty"), |values| {
                    plain_sum(values) / values.len() as f64
                })
            }),
        ),
        (
            sum(col("price") * col("qty")).alias("notional"),
            Box::new(|rows| {
                let products: Vec<f64> = pairs(rows, "price", "qty").iter().map(|(a, b)| a * b).collect();
                some(&products, plain_sum)
            }),
        ),
        (
            vwap("price", "size"),
            Box::new(|rows| weighted(rows, "price", "size")),
        ),
        (
            wmean("qty", "size"),
            Box::new(|rows| weighted(rows, "qty", "size")),
        ),
        (
            median("price"),
            Box::new(|rows| some(&floats(rows, "price"), |values| part_below(values, 0.5))),
        ),
        (
            quantile("price", 0.9),
            Box::new(|rows| some(&floats(rows, "price"), |values| part_below(values, 0.9))),
        ),
        (
            quantile("qty", 0.0),
            Box::new(|rows| some(&floats(rows, "qty"), |values| part_below(values, 0.0))),
        ),
        (
            median("size"),
            Box::new(|rows| some(&floats(rows, "size"), |values| part_below(values, 0.5))),
        ),
    ]
}

/// Aggregates whose twins lose digits.
fn moments() -> Vec<Asked> {
    vec![
        (
            var("price"),
            Box::new(|rows| Cell::float(covariance(&same(&floats(rows, "price"))))),
        ),
        (
            deviation("qty"),
            Box::new(|rows| Cell::float(covariance(&same(&floats(rows, "qty"))).map(f64::sqrt))),
        ),
        (
            cov("price", "qty"),
            Box::new(|rows| Cell::float(covariance(&pairs(rows, "price", "qty")))),
        ),
        (
            corr("price", "size"),
            Box::new(|rows| Cell::float(correlation(&pairs(rows, "price", "size")))),
        ),
    ]
}

fn compare(a: &[Cell], b: &[Cell]) -> std::cmp::Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.compare(b))
        .find(|order| order.is_ne())
        .unwrap_or(std::cmp::Ordering::Equal)
}

/// What groups of rows must be; `rows` come by time.
fn twin(rows: &[Row], keys: &[Key], bucket: Option<&dyn Fn(i64) -> i64>, asked: &[Asked]) -> Vec<Vec<Cell>> {
    let mut groups: Vec<(Vec<Cell>, Vec<&Row>)> = Vec::new();
    let mut places: std::collections::HashMap<Vec<Cell>, usize> = std::collections::HashMap::new();
    for row in rows {
        let mut of_row: Vec<Cell> = keys.iter().map(|(_, of)| of(row)).collect();
        of_row.extend(bucket.map(|bucket| Cell::Time(bucket(row.ts))));
        let place = *places.entry(of_row.clone()).or_insert_with(|| {
            groups.push((of_row, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(row);
    }
    if keys.is_empty() && bucket.is_none() && groups.is_empty() {
        groups.push((Vec::new(), Vec::new()));
    }
    groups.sort_by(|(a, _), (b, _)| compare(a, b));
    let row = |(mut cells, rows): (Vec<Cell>, Vec<&Row>)| {
        cells.extend(asked.iter().map(|(_, of)| of(&rows)));
        cells
    };
    groups.into_iter().map(row).collect()
}

fn local_midnight(ts: i64, zone: &str) -> i64 {
    let zone = TimeZone::get(zone).expect("a zone");
    let time = Timestamp::from_nanosecond(ts.into())
        .expect("a time")
        .to_zoned(zone);
    time.start_of_day().expect("a day").timestamp().as_nanosecond() as i64
}

fn local_month(ts: i64, zone: &str) -> i64 {
    let zone = TimeZone::get(zone).expect("a zone");
    let time = Timestamp::from_nanosecond(ts.into())
        .expect("a time")
        .to_zoned(zone);
    let first = time
        .first_of_month()
        .expect("a month")
        .start_of_day()
        .expect("a day");
    first.timestamp().as_nanosecond() as i64
}

/// Buckets and their twins.
fn buckets() -> Vec<Bucketing> {
    let bucket = |every: &str| Bucket::new(every).expect("a bucket");
    let of_zone = |every: &str, zone: &str| bucket(every).zone(zone).expect("a zone");
    vec![
        (bucket("1h"), Box::new(|ts| ts - ts.rem_euclid(HOUR))),
        (
            bucket("7m").origin(START + 5),
            Box::new(|ts| ts - (ts - START - 5).rem_euclid(420 * SECOND)),
        ),
        (
            bucket("6h").offset("-90m").expect("an offset"),
            Box::new(|ts| {
                let moved = ts + 90 * 60 * SECOND;
                moved - moved.rem_euclid(6 * HOUR) - 90 * 60 * SECOND
            }),
        ),
        (bucket("1ns"), Box::new(|ts| ts)),
        (bucket("2ns"), Box::new(|ts| ts - ts.rem_euclid(2))),
        (bucket("1d"), Box::new(|ts| ts - ts.rem_euclid(DAY))),
        (
            of_zone("1d", "America/New_York"),
            Box::new(|ts| local_midnight(ts, "America/New_York")),
        ),
        (
            of_zone("1d", "Asia/Kathmandu"),
            Box::new(|ts| local_midnight(ts, "Asia/Kathmandu")),
        ),
        (
            of_zone("1mo", "Europe/Berlin"),
            Box::new(|ts| local_month(ts, "Europe/Berlin")),
        ),
    ]
}

/// Keys and whether there are buckets.
fn groupings() -> Vec<(Vec<Key>, bool)> {
    let expression = || -> Key {
        (
            (col("qty") * 2 + 1).alias("odd"),
            Box::new(|row: &Row| Cell::int(row.qty.map(|qty| i64::from(qty) * 2 + 1))),
        )
    };
    let renamed = || -> Key { (col("sym").alias("ticker"), Box::new(|row: &Row| row.cell("sym"))) };
    vec![
        (vec![], false),
        (vec![], true),
        (vec![key("sym")], false),
        (vec![key("sym")], true),
        (vec![key("venue")], false),
        (vec![key("venue")], true),
        (vec![key("price")], false),
        (vec![key("flag"), key("note")], true),
        (vec![key("sym"), key("venue")], false),
        (vec![key("sym"), key("flag")], true),
        (vec![key("venue"), key("sym")], true),
        (vec![expression()], false),
        (vec![key("sym"), expression()], true),
        (vec![renamed()], true),
        (vec![key("at")], false),
    ]
}

fn conditions() -> Vec<Option<Condition>> {
    vec![
        None,
        Some((col("size").gt(300), |row| Some(row.size > 300))),
        Some((col("venue").eq("X"), |row| {
            row.venue.as_ref().map(|venue| venue == "X")
        })),
        Some((
            col("ts")
                .ge(gapless_query::expr::timestamp(START + DAY))
                .and(col("ts").lt(gapless_query::expr::timestamp(START + 2 * DAY))),
            |row| Some((START + DAY..START + 2 * DAY).contains(&row.ts)),
        )),
        Some((col("sym").is_in(["m", "zeta", "nobody"]), |row| {
            row.sym.as_ref().map(|sym| sym == "m" || sym == "zeta")
        })),
        // Not for a scan to check.
        Some(((col("qty") * col("qty")).gt(col("size")), |row| {
            row.qty
                .map(|qty| i128::from(qty) * i128::from(qty) > i128::from(row.size))
        })),
        Some(((col("qty") % 2).eq(0).or(col("flag")), |row| {
            match (row.qty.map(|qty| qty % 2 == 0), row.flag) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            }
        })),
        Some((col("id").lt(0), |row| Some(row.id < 0))),
    ]
}

fn grouped(query: Query, keys: &[Key], bucket: Option<&Bucket>) -> Grouped {
    let keys: Vec<Expr> = keys.iter().map(|(expr, _)| expr.clone()).collect();
    let grouped = query.group_by(keys);
    match bucket {
        Some(bucket) => grouped.bucket(bucket.clone()),
        None => grouped,
    }
}

fn asked(kind: Kind) -> (Vec<Asked>, usize, f64) {
    let mut all = exact();
    let exact_count = all.len();
    if !kind.is_wild {
        all.extend(rounded());
        if !kind.has_specials {
            all.extend(moments());
        }
    }
    (all, exact_count, 1e-9)
}

/// Runs a query in both ways.
fn run(query: &Query, what: &str) -> Vec<Vec<Cell>> {
    let collected = query
        .clone()
        .collect()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let schema = query.schema().expect("a schema");
    assert!(
        collected.iter().all(|batch| batch.schema() == schema),
        "{what}: {schema:?}"
    );
    assert!(
        collected.iter().all(|batch| batch.num_rows() > 0) || collected.len() == 1,
        "{what}: empty batches"
    );
    let collected = cells(&collected);
    let streamed: Result<Vec<_>, _> = query.clone().stream().expect("a stream").collect();
    assert_same(
        &cells(&streamed.expect("batches")),
        &collected,
        &format!("streamed {what}"),
    );
    collected
}

fn check(
    seed: u64,
    kind: Kind,
    shapes: &[Shape],
    has_series: bool,
    grouping: usize,
    bucket: usize,
    condition: usize,
) {
    let all = rows(seed, kind);
    let (keys, has_bucket) = &groupings()[grouping];
    let (bucket, bucket_twin) = &buckets()[bucket];
    let condition = &conditions()[condition];
    let (asked, exact_count, tolerance) = asked(kind);
    let mut passing = by_time(&all, has_series);
    if let Some((_, twin)) = condition {
        passing.retain(|row| twin(row) == Some(true));
    }
    let bucket_twin: Option<&dyn Fn(i64) -> i64> = has_bucket.then_some(bucket_twin.as_ref());
    let wanted = twin(&passing, keys, bucket_twin, &asked);
    let mut others: Option<(Shape, Vec<Vec<Cell>>)> = None;
    // What the twin does not say is the same in every shape all the same.
    let mut aggregates: Vec<Aggregate> = asked.iter().map(|(aggregate, _)| aggregate.clone()).collect();
    let more = [rounded(), moments()]
        .into_iter()
        .flatten()
        .map(|(aggregate, _)| aggregate);
    aggregates.extend(more.filter(|more| !asked.iter().any(|(aggregate, _)| aggregate == more)));
    let places = keys.len() + usize::from(*has_bucket);
    for shape in shapes {
        let world = World::of(&all, *shape, has_series);
        let mut query = world.scan().query();
        if let Some((condition, _)) = condition {
            query = query.filter(condition.clone());
        }
        let query = grouped(query, keys, has_bucket.then_some(bucket)).agg(aggregates.clone());
        let what = format!(
            "seed {seed} {kind:?} {shape:?} series {has_series}\n{}",
            query.explain().expect("an explanation")
        );
        let found = run(&query, &what);
        let cut = |from: usize, to: usize| -> Vec<Vec<Cell>> {
            found.iter().map(|row| row[from..to].to_vec()).collect()
        };
        let of_twin = |from: usize, to: usize| -> Vec<Vec<Cell>> {
            wanted.iter().map(|row| row[from..to].to_vec()).collect()
        };
        assert_same(
            &cut(0, places + exact_count),
            &of_twin(0, places + exact_count),
            &what,
        );
        let end = places + asked.len();
        assert_near(
            &cut(places + exact_count, end),
            &of_twin(places + exact_count, end),
            tolerance,
            &what,
        );
        match &others {
            Some((other, wanted)) => assert_same(&found, wanted, &format!("{shape:?} and {other:?}: {what}")),
            None => others = Some((*shape, found)),
        }
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let sizes = prop_oneof![1 => 0..4usize, 6 => 4..160usize, 1 => 300..900usize];
    let series = prop_oneof![1 => Just(1u64), 6 => 2..7u64, 1 => Just(300u64)];
    (sizes, series, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(rows, series, is_wild, has_specials, is_unique)| Kind {
            rows,
            series,
            is_wild,
            has_specials,
            is_unique,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_grouping_says_what_a_loop_over_the_rows_says_whatever_the_shape(
        seed: u64,
        kind in kinds(),
        has_series in prop_oneof![1 => Just(false), 4 => Just(true)],
        grouping in 0..groupings().len(),
        bucket in 0..buckets().len(),
        condition in 0..conditions().len(),
        from in 0..9usize,
    ) {
        let mut shapes = if kind.is_unique { UNIQUE_SHAPES.to_vec() } else { SHAPES.to_vec() };
        let from = from % shapes.len();
        shapes.rotate_left(from);
        shapes.truncate(3);
        check(seed, kind, &shapes, has_series, grouping, bucket, condition);
    }

    #[test]
    fn buckets_of_one_series_are_those_of_a_loop_over_its_rows(
        seed: u64, kind in kinds(), bucket in 0..buckets().len(), shape in 0..UNIQUE_SHAPES.len(),
        name in prop::sample::select(vec!["zeta", "", "m", "nobody"]),
    ) {
        let kind = Kind { is_unique: true, ..kind };
        let all = rows(seed, kind);
        let (bucket, bucket_twin) = &buckets()[bucket];
        let (asked, exact_count, _) = asked(kind);
        let asked: Vec<Asked> = asked.into_iter().take(exact_count).collect();
        let mut of_series = by_time(&all, true);
        of_series.retain(|row| row.sym.as_deref() == Some(name));
        let wanted = twin(&of_series, &[], Some(bucket_twin.as_ref()), &asked);
        let world = World::of(&all, UNIQUE_SHAPES[shape], true);
        let query = world.scan().series([name]).bucket(bucket.clone());
        let query = query.agg(asked.iter().map(|(aggregate, _)| aggregate.clone()));
        assert_same(&run(&query, "one series"), &wanted, &format!("seed {seed} {:?} {name:?}", UNIQUE_SHAPES[shape]));
    }
}

/// Each grouping is looked at once at least, on one world with all there is.
#[test]
fn each_grouping_with_each_bucket_is_the_same_in_all_shapes() {
    let kind = Kind {
        rows: 150,
        series: 5,
        is_wild: false,
        has_specials: true,
        is_unique: true,
    };
    let all = rows(7, kind);
    let worlds: Vec<(Shape, World)> = UNIQUE_SHAPES
        .iter()
        .map(|shape| (*shape, World::of(&all, *shape, true)))
        .collect();
    let (asked, exact_count, tolerance) = asked(kind);
    let passing = by_time(&all, true);
    for (keys, has_bucket) in groupings() {
        let buckets = buckets();
        let buckets = if has_bucket { &buckets[..] } else { &buckets[..1] };
        for (bucket, bucket_twin) in buckets {
            let bucket_twin: Option<&dyn Fn(i64) -> i64> = has_bucket.then_some(bucket_twin.as_ref());
            let wanted = twin(&passing, &keys, bucket_twin, &asked);
            let places = keys.len() + usize::from(has_bucket) + exact_count;
            for (shape, world) in &worlds {
                let query = grouped(world.scan().query(), &keys, has_bucket.then_some(bucket));
                let query = query.agg(asked.iter().map(|(aggregate, _)| aggregate.clone()));
                let what = format!("{shape:?} {}", query.explain().expect("an explanation"));
                let found = cells(&query.collect().expect("groups"));
                let cut = |rows: &[Vec<Cell>], exact: bool| -> Vec<Vec<Cell>> {
                    rows.iter()
                        .map(|row| {
                            if exact {
                                row[..places].to_vec()
                            } else {
                                row[places..].to_vec()
                            }
                        })
                        .collect()
                };
                assert_same(&cut(&found, true), &cut(&wanted, true), &what);
                assert_near(&cut(&found, false), &cut(&wanted, false), tolerance, &what);
            }
        }
    }
}

/// Several pages of one series; batches and pages end within buckets and at their ends.
#[test]
fn a_series_of_several_pages_has_the_groups_of_a_loop() {
    let mut all: Vec<Row> = Vec::new();
    for id in 0..140_000i64 {
        let mut row = Row::new(START + id / 2 * 100_000_000, Some("big"), id);
        row.price = (id % 11 != 0).then_some((id % 1000) as f64 / 8.0);
        row.qty = Some((id % 97) as i32);
        all.push(row);
    }
    for id in 140_000..140_300i64 {
        let name = format!("s{}", id % 7);
        all.push(Row::new(START + id * 1000, Some(&name), id));
    }
    let asked = || -> Vec<Asked> {
        let mut all = exact();
        all.retain(|(aggregate, _)| {
            let name = aggregate.name();
            !name.contains("note")
                && !name.contains("n_unique")
                && !name.contains("venue")
                && !name.contains("at)")
        });
        all.extend(rounded());
        all
    };
    let asked = asked();
    let passing = by_time(&all, true);
    let of_length = |length: i64| move |ts: i64| ts - ts.rem_euclid(length);
    for shape in [Shape::Days, Shape::Tail] {
        let world = World::of(&all, shape, true);
        // 8192 rows, 65,536 rows, and lengths that fit no batch.
        for length in [4096 * 100_000_000, 32_768 * 100_000_000, 1, 61 * SECOND] {
            if length == 1 && shape == Shape::Tail {
                continue;
            }
            let bucket = Bucket::of(gapless_query::Every::Ns(length));
            let wanted = twin(&passing, &[key("sym")], Some(&of_length(length)), &asked);
            let query = world.scan().query().group_by(["sym"]).bucket(bucket);
            let query = query.agg(asked.iter().map(|(aggregate, _)| aggregate.clone()));
            assert_near(
                &run(&query, "pages"),
                &wanted,
                1e-11,
                &format!("{shape:?} {length}"),
            );
        }
        let wanted = twin(&passing, &[key("venue")], None, &asked);
        let query = world
            .scan()
            .group_by(["venue"])
            .agg(asked.iter().map(|(aggregate, _)| aggregate.clone()));
        assert_near(
            &run(&query, "pages"),
            &wanted,
            1e-11,
            &format!("{shape:?} by venue"),
        );
    }
}

#[test]
fn hundreds_of_series_with_few_rows_have_the_groups_of_a_loop() {
    for (seed, shape) in [
        (1, Shape::Days),
        (2, Shape::Hours),
        (3, Shape::Late),
        (4, Shape::Memory),
    ] {
        let kind = Kind {
            rows: 700,
            series: 400,
            is_wild: false,
            has_specials: true,
            is_unique: false,
        };
        let all = rows(seed, kind);
        let (asked, exact_count, _) = asked(kind);
        let asked: Vec<Asked> = asked.into_iter().take(exact_count).collect();
        let aggregates = || asked.iter().map(|(aggregate, _)| aggregate.clone());
        let world = World::of(&all, shape, true);
        let day = |ts: i64| ts - ts.rem_euclid(DAY);
        let wanted = twin(&by_time(&all, true), &[key("sym")], Some(&day), &asked);
        let query = world.scan().group_by(["sym"]).bucket("1d").agg(aggregates());
        assert_same(&run(&query, "series"), &wanted, &format!("{shape:?} seed {seed}"));
        let wanted = twin(&by_time(&all, true), &[key("sym"), key("flag")], None, &asked);
        let query = world.scan().group_by(["sym", "flag"]).agg(aggregates());
        assert_same(&run(&query, "series"), &wanted, &format!("{shape:?} seed {seed}"));
    }
}
