//! Horizon join.

use gapless_query::{AsOf, HorizonJoin, Query, col};
use proptest::prelude::*;

use super::ticks::{
    MINUTE, Place, Tick, batch, by_series_and_time, float, held, int, place, prices, schema, text, ticks,
    values,
};

fn twin(
    lefts: &[Tick],
    rights: &[Tick],
    offsets: &[i64],
    tolerance: Option<i64>,
    is_shared: bool,
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for left in lefts {
        for offset in offsets {
            let at = left.ts + offset;
            let mut own = rights.iter().filter(|right| is_shared || right.sym == left.sym);
            let found = own.rfind(|right| right.ts <= at);
            let found = found.filter(|right| tolerance.is_none_or(|tolerance| at - right.ts <= tolerance));
            let mut row = values(left);
            row.push(offset.to_string());
            row.push(float(found.and_then(|right| right.price)));
            row.push(int(found.and_then(|right| right.size)));
            rows.push(row);
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_row_comes_once_for_each_offset(
        lefts in (ticks(60, prices()), place()),
        rights in (ticks(120, prices()), place()),
        offsets in prop::collection::vec((-200i64..200).prop_map(|n| n * 10 * MINUTE), 1..5),
        tolerance in prop::option::of(0i64..3000),
        is_shared in any::<bool>(),
    ) {
        let (left, right) = (held(&lefts.0, &lefts.1), held(&rights.0, &rights.1));
        let mut options = HorizonJoin::offsets(offsets.clone()).columns(["price", "size"]);
        if let Some(tolerance) = tolerance {
            options = options.tolerance(tolerance * MINUTE);
        }
        let mut of_rights = by_series_and_time(&rights.0);
        let mut right = right.query;
        if is_shared {
            of_rights = rights.0.clone();
            of_rights.sort_by_key(|right| right.ts);
            right = Query::timed_batches(schema(), rights.0.chunks(11).map(batch).collect(), "ts", None);
        }
        let query = left.query.horizon_join(right, options);
        let tolerance = tolerance.map(|tolerance| tolerance * MINUTE);
        let wanted = twin(&by_series_and_time(&lefts.0), &of_rights, &offsets, tolerance, is_shared);
        prop_assert_eq!(text(&query.collect().expect("rows")), wanted);
    }

    #[test]
    fn further_columns_can_have_to_be_equal(
        lefts in ticks(40, prices()),
        rights in (ticks(80, prices()), place()),
    ) {
        let (left, right) = (held(&lefts, &Place::Batches(9)), held(&rights.0, &rights.1));
        let at_zero = left.query.clone().horizon_join(right.query.clone(), HorizonJoin::offsets(["0s"]).by(["size"]));
        let as_of = left.query.asof_join(right.query, AsOf::backward().by(["size"]));
        let without_offset = at_zero.select(["ts", "sym", "price", "size", "price_right"]);
        prop_assert_eq!(text(&without_offset.collect().expect("rows")), text(&as_of.collect().expect("rows")));
    }

    #[test]
    fn the_series_among_the_columns_that_must_be_equal_says_nothing(
        lefts in ticks(40, prices()),
        rights in (ticks(80, prices()), place()),
    ) {
        let (left, right) = (held(&lefts, &Place::Batches(9)), held(&rights.0, &rights.1));
        let joined = |by: &[&str]| {
            let query = left.query.clone().asof_join(right.query.clone(), AsOf::backward().columns(["price"]).by(by.to_vec()));
            (query.explain().expect("a plan"), text(&query.collect().expect("rows")))
        };
        prop_assert_eq!(joined(&["sym"]), joined(&[]));
        prop_assert_eq!(joined(&["sym", "size"]), joined(&["size"]));
        let at_zero = |by: &[&str]| {
            let query = left.query.clone().horizon_join(right.query.clone(), HorizonJoin::offsets(["0s"]).by(by.to_vec()));
            text(&query.collect().expect("rows"))
        };
        prop_assert_eq!(at_zero(&["sym"]), at_zero(&[]));
    }
}

#[test]
fn a_result_of_many_offsets_comes_in_batches_of_bounded_size() {
    let tick = |at: i64| Tick {
        ts: at * MINUTE,
        sym: Some("a"),
        price: Some(at as f64),
        size: None,
    };
    let rows: Vec<Tick> = (0..3000).map(tick).collect();
    let query = || held(&rows, &Place::Batches(500)).query;
    let offsets: Vec<i64> = (-20..20).map(|at| at * MINUTE).collect();
    let joined = query().horizon_join(query(), HorizonJoin::offsets(offsets.clone()).columns(["price"]));
    let batches = joined.clone().collect().expect("rows");
    assert!(batches.iter().all(|batch| batch.num_rows() <= 16_384));
    assert_eq!(
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        3000 * 40
    );
    let middle = joined
        .filter(col("ts").eq(col("ts")))
        .select(["price", "offset", "price_right"]);
    for (row, values) in text(&middle.collect().expect("rows")).into_iter().enumerate() {
        let (left, offset) = ((row / 40) as i64, offsets[row % 40]);
        let right = (left + offset / MINUTE).min(2999);
        let right = if right < 0 {
            String::new()
        } else {
            format!("{:?}", right as f64)
        };
        assert_eq!(values, [format!("{:?}", left as f64), offset.to_string(), right]);
    }
}

#[test]
fn what_a_horizon_join_cannot_do_is_said() {
    let rows = || held(&[], &Place::Batches(3)).query;
    let error = |left: Query, options: HorizonJoin| {
        left.horizon_join(rows(), options)
            .collect()
            .expect_err("no such join")
    };
    let none = error(rows(), HorizonJoin::offsets([0i64; 0]));
    assert!(none.message().contains("needs an offset"), "{none}");
    let unit = error(rows(), HorizonJoin::offsets(["1 month"]));
    assert!(unit.message().contains("1 month"), "{unit}");
    let column = error(rows(), HorizonJoin::offsets(["1s"]).columns(["bid"]));
    assert!(column.message().contains("\"bid\""), "{column}");
    let renamed = rows().with_column(col("size").alias("offset"));
    let taken = error(renamed, HorizonJoin::offsets(["1s"]));
    assert!(taken.message().contains("\"offset\""), "{taken}");
}
