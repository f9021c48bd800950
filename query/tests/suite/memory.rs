//! A query holds no more memory than it may: it ends with an error that says what for, and a query that holds little passes.

use gapless_engine::ErrorKind;
use gapless_query::{AsOf, IntoQuery, Join, Query, SortKey, WindowJoin, col, count, max, n_unique, sum};

use crate::world::{Kind, Shape, World, rows};

const ROWS: usize = 20_000;

fn world() -> World {
    let kind = Kind {
        rows: ROWS,
        series: 50,
        is_wild: false,
        has_specials: false,
        is_unique: false,
    };
    World::of(&rows(7, kind), Shape::Days, true)
}

/// Asserts that a query ends without its rows where it may hold `least` bytes, and gives them all where it may hold `most`.
fn holds(what: &str, query: &Query, least: u64, most: u64) {
    let unlimited = query.clone().collect().expect("rows");
    let enough = query.clone().memory_limit(most).collect().expect(what);
    assert_eq!(enough, unlimited, "{what}");
    let error = query.clone().memory_limit(least).collect().expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{what}: {error}");
    assert!(error.to_string().contains("let it hold more"), "{what}: {error}");
    let streamed = query.clone().memory_limit(least).stream();
    let streamed = streamed.and_then(|batches| batches.collect::<Result<Vec<_>, _>>());
    assert_eq!(streamed.expect_err(what).kind(), ErrorKind::Overloaded, "{what}");
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn groups_orders_and_right_sides_are_held_within_the_limit() {
    let world = world();
    let rows = || world.scan();
    let groups = rows().group_by(["id"]).agg([count(), sum("price")]);
    holds("as many groups as rows", &groups, 256 * KIB, 64 * MIB);
    let values = rows().agg([n_unique("id")]);
    holds("values that are counted once", &values, 64 * KIB, 64 * MIB);
    let order = rows().query().order([SortKey::descending("price")]);
    holds("rows in another order", &order, 256 * KIB, 64 * MIB);
    let right = rows().query().select([col("id"), col("note").alias("text")]);
    let join = rows().query().join(right, Join::on(["id"]));
    holds("the right rows of a join", &join, 128 * KIB, 64 * MIB);
    // Rows without their series have to be put in order again.
    let regrouped = rows()
        .query()
        .select(["ts", "price"])
        .rolling(gapless_query::Rolling::rows(3));
    holds(
        "rows by time",
        &regrouped.agg([max("price").alias("x")]),
        64 * KIB,
        64 * MIB,
    );
}

#[test]
fn what_goes_by_the_stored_order_holds_little() {
    let world = world();
    let rows = || world.scan();
    let bars = rows().group_by(["sym"]).bucket("1m").agg([max("price")]);
    let joined = rows()
        .query()
        .asof_join(rows(), AsOf::backward().columns(["price"]));
    let around = rows()
        .query()
        .window_join(rows(), WindowJoin::between("-1s", "1s"));
    let around = around.agg([count().alias("n")]);
    for (what, query) in [
        ("bars", bars),
        ("an as-of join", joined),
        ("a window join", around),
    ] {
        let unlimited = query.clone().collect().expect("rows");
        let limited = query.memory_limit(MIB).collect().expect(what);
        assert_eq!(limited, unlimited, "{what}");
    }
}
