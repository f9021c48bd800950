//! Window join.

use gapless_engine::ErrorKind;
use gapless_query::{
    Aggregate, Query, WindowJoin, col, count, count_of, first, last, max, mean, median, min, n_unique, sum,
};
use proptest::prelude::*;

use super::ticks::{
    MINUTE, Place, Tick, batch, by_series_and_time, float, held, int, place, prices, schema, text, ticks,
    values,
};

fn aggregates() -> Vec<Aggregate> {
    vec![
        count().alias("rows"),
        count_of("price").alias("prices"),
        sum("size").alias("total"),
        mean("price").alias("avg"),
        min("price").alias("low"),
        max("price").alias("high"),
        first("size").alias("first"),
        last("size").alias("last"),
        n_unique("size").alias("sizes"),
        median("size").alias("middle"),
    ]
}

fn said_of(rows: &[&Tick]) -> Vec<String> {
    let prices: Vec<f64> = rows.iter().filter_map(|row| row.price).collect();
    let sizes: Vec<i64> = rows.iter().filter_map(|row| row.size).collect();
    let numbers: Vec<f64> = prices.iter().copied().filter(|price| !price.is_nan()).collect();
    let best = |better: fn(f64, f64) -> f64| match prices.is_empty() {
        true => None,
        false => Some(numbers.iter().copied().reduce(better).unwrap_or(f64::NAN)),
    };
    let mut sorted = sizes.clone();
    sorted.sort_unstable();
    let middle = (!sorted.is_empty()).then(|| {
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        (low + high) as f64 / 2.0
    });
    let mut unique = sorted.clone();
    unique.dedup();
    vec![
        rows.len().to_string(),
        prices.len().to_string(),
        int((!sizes.is_empty()).then(|| sizes.iter().sum())),
        float((!prices.is_empty()).then(|| prices.iter().sum::<f64>() / prices.len() as f64)),
        float(best(f64::min)),
        float(best(f64::max)),
        int(sizes.first().copied()),
        int(sizes.last().copied()),
        unique.len().to_string(),
        float(middle),
    ]
}

fn twin(
    lefts: &[Tick],
    rights: &[Tick],
    window: (i64, i64),
    is_prevailing: bool,
    shared: bool,
) -> Vec<Vec<String>> {
    let row = |left: &Tick| {
        let own: Vec<&Tick> = rights
            .iter()
            .filter(|right| shared || right.sym == left.sym)
            .collect();
        let (start, end) = (left.ts + window.0, left.ts + window.1);
        let before = own.iter().rfind(|right| right.ts < start);
        let inside = own.iter().filter(|right| right.ts >= start && right.ts <= end);
        let rows: Vec<&Tick> = before
            .filter(|_| is_prevailing)
            .into_iter()
            .chain(inside)
            .copied()
            .collect();
        values(left).into_iter().chain(said_of(&rows)).collect()
    };
    lefts.iter().map(row).collect()
}

fn window() -> impl Strategy<Value = (i64, i64)> {
    (-60i64..60, -60i64..60, 1i64..40).prop_map(|(a, b, scale)| {
        let minutes = |n: i64| n * 20 / scale * MINUTE;
        (minutes(a.min(b)), minutes(a.max(b)))
    })
}

fn options(window: (i64, i64), is_prevailing: bool) -> WindowJoin {
    let join = WindowJoin::between(window.0, window.1);
    if is_prevailing { join.prevailing() } else { join }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn each_row_gets_what_is_said_of_the_rows_around_it(
        lefts in (ticks(60, prices()), place()),
        rights in (ticks(150, prices()), place()),
        window in window(),
        is_prevailing in any::<bool>(),
    ) {
        let (left, right) = (held(&lefts.0, &lefts.1), held(&rights.0, &rights.1));
        let query = left.query.window_join(right.query, options(window, is_prevailing)).agg(aggregates());
        let wanted = twin(&by_series_and_time(&lefts.0), &by_series_and_time(&rights.0), window, is_prevailing, false);
        let streamed: Vec<_> = query.clone().stream().expect("a stream").collect::<Result<_, _>>().expect("rows");
        prop_assert_eq!(&text(&streamed), &wanted);
        prop_assert_eq!(text(&query.collect().expect("rows")), wanted);
    }

    #[test]
    fn rows_without_series_are_around_those_of_every_series(
        lefts in (ticks(60, prices()), place()),
        rights in ticks(80, prices()),
        window in window(),
        is_prevailing in any::<bool>(),
    ) {
        let left = held(&lefts.0, &lefts.1);
        let right = Query::timed_batches(schema(), rights.chunks(7).map(batch).collect(), "ts", None);
        let query = left.query.window_join(right, options(window, is_prevailing)).agg(aggregates());
        let mut by_time = rights.clone();
        by_time.sort_by_key(|right| right.ts);
        let wanted = twin(&by_series_and_time(&lefts.0), &by_time, window, is_prevailing, true);
        prop_assert_eq!(text(&query.collect().expect("rows")), wanted);
    }
}

fn some_ticks() -> Vec<Tick> {
    let tick = |at: i64| Tick {
        ts: at * MINUTE,
        sym: Some(["a", "bb"][at as usize % 2]),
        price: Some(at as f64),
        size: Some(at),
    };
    (0..20).map(tick).collect()
}

#[test]
fn a_window_join_goes_on_with_other_steps_and_reads_what_these_need() {
    let left = held(
        &some_ticks(),
        &Place::Table(gapless_engine::PartitionUnit::Day, 7),
    );
    let right = held(
        &some_ticks(),
        &Place::Table(gapless_engine::PartitionUnit::Hour, 9),
    );
    let joined = left
        .query
        .window_join(right.query, WindowJoin::between("-2m", "2m").by(["sym"]))
        .agg([mean("price").alias("avg"), max(col("size") * 2).alias("twice")]);
    let query = joined.filter(col("avg").gt(10.0)).select(["twice"]);
    let explained = query.explain().expect("an explanation");
    assert!(explained.contains("window join from -2m to 2m"), "{explained}");
    let found: Vec<_> = text(&query.collect().expect("rows")).concat();
    assert_eq!(found, ["28", "32", "36", "36", "26", "30", "34", "38", "38"]);
}

#[test]
fn what_a_window_join_cannot_do_is_said() {
    let rows = || held(&some_ticks(), &Place::Batches(3)).query;
    let error = |window: WindowJoin, aggregate: Aggregate| {
        let query = rows().window_join(rows(), window).agg([aggregate]);
        query.collect().expect_err("no such join")
    };
    let backwards = error(WindowJoin::between("1s", "-1s"), count());
    assert!(
        backwards
            .message()
            .contains("starts at 1s and ends before, at -1s"),
        "{backwards}"
    );
    let by = error(WindowJoin::between("-1s", "1s").by(["size"]), count());
    assert_eq!(by.kind(), ErrorKind::Unsupported);
    let name = error(WindowJoin::between("-1s", "1s"), mean("price").alias("price"));
    assert!(name.message().contains("alias()"), "{name}");
    let unknown = error(WindowJoin::between("-1s", "1s"), mean("bid"));
    assert!(unknown.message().contains("\"bid\""), "{unknown}");
    assert!(WindowJoin::between("1 s", "2s").to_string().contains("from"));
    let text = error(WindowJoin::between("1 s", "2s"), count());
    assert_eq!(text.kind(), ErrorKind::Invalid);
}
