//! Queries that are ended from another thread.

use std::time::{Duration, Instant};

use gapless_engine::ErrorKind;
use gapless_query::{AsOf, Interrupt, IntoQuery, Join, Query, SortKey, WindowJoin, count, max, sum};

use crate::world::{Kind, Shape, World, rows};

fn world() -> World {
    let kind = Kind {
        rows: 20_000,
        series: 20,
        is_wild: false,
        has_specials: false,
        is_unique: false,
    };
    World::of(&rows(11, kind), Shape::Days, true)
}

fn queries(world: &World) -> Vec<(&'static str, Query)> {
    let rows = || world.scan();
    let around = rows()
        .query()
        .window_join(rows(), WindowJoin::between("-1s", "1s"));
    vec![
        ("a scan", rows().query()),
        (
            "a filter",
            rows().query().filter(gapless_query::col("size").gt(3)),
        ),
        ("one row", rows().agg([count(), sum("price")])),
        ("groups by a hash", rows().group_by(["id"]).agg([count()])),
        ("bars", rows().group_by(["sym"]).bucket("1m").agg([max("price")])),
        (
            "another order",
            rows().query().order([SortKey::descending("price")]),
        ),
        (
            "an as-of join",
            rows().query().asof_join(rows(), AsOf::backward()),
        ),
        ("a window join", around.agg([count().alias("n")])),
        (
            "a join",
            rows()
                .query()
                .join(rows().query().select(["id"]), Join::on(["id"])),
        ),
    ]
}

#[test]
fn an_interrupted_query_fails_as_such_and_others_do_not() {
    let world = world();
    for (what, query) in queries(&world) {
        let interrupt = Interrupt::new();
        let query = query.interrupted_by(&interrupt);
        let rows = query.clone().collect().expect(what);
        assert!(!rows.is_empty(), "{what}");
        interrupt.interrupt();
        let error = query.clone().collect().expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{what}: {error}");
        let streamed = query
            .stream()
            .and_then(|batches| batches.collect::<Result<Vec<_>, _>>());
        assert_eq!(streamed.expect_err(what).kind(), ErrorKind::Interrupted, "{what}");
    }
}

#[test]
fn a_stream_that_is_dropped_interrupts_nothing_else() {
    let world = world();
    for (what, query) in queries(&world) {
        let interrupt = Interrupt::new();
        let query = query.interrupted_by(&interrupt);
        let mut stream = query.clone().stream().expect(what);
        assert!(stream.next().is_some_and(|batch| batch.is_ok()), "{what}");
        drop(stream);
        assert!(!interrupt.is_interrupted(), "{what}");
        assert!(query.collect().is_ok(), "{what}");
    }
}

#[test]
fn nothing_comes_after_the_failure() {
    let world = world();
    let interrupt = Interrupt::new();
    let query = world.scan().query().interrupted_by(&interrupt);
    let mut stream = query.stream().expect("a stream");
    interrupt.interrupt();
    assert!(stream.next().is_some_and(|batch| batch.is_err()));
    assert!(stream.next().is_none());
}

#[test]
fn a_query_that_runs_ends_soon() {
    let world = world();
    // Each row with each: 20,000 windows of a third of the rows of a series, again and again.
    let one = || {
        let around = world
            .scan()
            .query()
            .window_join(world.scan(), WindowJoin::between("-30d", "30d"));
        around.agg([gapless_query::n_unique("id").alias("n")])
    };
    let interrupt = Interrupt::new();
    let query = Query::concat((0..1000).map(|_| one())).interrupted_by(&interrupt);
    let begun = Instant::now();
    let error = std::thread::scope(|scope| {
        let running = scope.spawn(|| query.collect());
        std::thread::sleep(Duration::from_millis(200));
        interrupt.interrupt();
        running.join().expect("no panic").expect_err("it was ended")
    });
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
