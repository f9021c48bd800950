//! The two operators of as-of joins against each other: one streams both sides, the other keeps the right one.
//!
//! A key that is an expression is in no order that is known, so the same join by `sym || ''` keeps the right side. A failure prints
//! its seed; `GAPLESS_SQL_SEED` runs that one again.

use gapless_engine::{Database, ErrorKind, TableSpec};
use gapless_sql::Session;

use crate::fixture::{Market, SECOND, START, Trade, trade_batch, trade_schema};
use crate::sessions::many_rows;
use crate::support::{Random, query, seed};

/// A table of rows at so many different times: few, so that many are equal.
fn table(database: &Database, name: &str, random: &mut Random, count: usize, syms: &[Option<&'static str>]) {
    let spec = TableSpec::new(name, trade_schema().as_ref().clone())
        .time("ts")
        .series("sym");
    let table = database.create_table(&spec).expect("a table");
    for part in 0..3 {
        let rows: Vec<Trade> = (0..count)
            .map(|row| {
                let time =
                    START + i64::try_from(random.below(2 * count as u64)).expect("a time") * 7200 * SECOND;
                let id = i64::try_from(part * count + row).expect("a number");
                let price = Some(id as f64).filter(|_| random.below(5) > 0);
                (
                    time,
                    random.pick(syms),
                    price,
                    Some(id),
                    random.pick(&[Some("N"), Some("Q"), None]),
                )
            })
            .collect();
        let batch = trade_batch(&rows, part == 1);
        if part == 2 {
            table.append(&batch).expect("streamed rows");
        } else {
            table.write([batch]).expect("rows");
        }
    }
}

fn statement(random: &mut Random, key: &str) -> String {
    let sign = random.pick(&[">=", ">", "<=", "<"]);
    let equal = random.pick(&["=", "IS NOT DISTINCT FROM"]);
    let columns = random.pick(&[
        "*",
        "l.ts, l.sym, l.size, r.ts AS at, r.size AS matched",
        "l.size, r.price, r.exch",
        "r.late",
    ]);
    let left = random.pick(&[
        "lhs",
        "(SELECT * FROM lhs WHERE exch = 'N')",
        "(SELECT ts, sym, size FROM lhs)",
    ]);
    let left = if columns == "*" { "lhs" } else { left };
    let right = random.pick(&[
        "rhs",
        "(SELECT * FROM rhs WHERE price > 20)",
        "(SELECT ts, sym, price, size, exch, late FROM rhs WHERE exch IS NULL)",
    ]);
    let wanted = random.pick(&[
        "",
        "WHERE l.sym = 'B'",
        "WHERE l.sym IN ('A', 'C') AND l.ts >= '2026-11-21'",
        "WHERE l.ts < '2026-11-22' AND r.size > 5",
        "WHERE l.sym IS NULL",
        "WHERE r.ts IS NULL",
    ]);
    let key = key.replace("KEY", equal);
    format!(
        "SELECT {columns} FROM {left} l ASOF JOIN {right} r MATCH_CONDITION (l.ts {sign} r.ts) ON {key} {wanted}"
    )
}

fn operators(session: &Session, text: &str) -> String {
    query(session, &format!("EXPLAIN {text}")).join("\n")
}

#[test]
fn the_streaming_join_gives_what_the_one_gives_that_keeps_the_right_side() {
    let seed = seed();
    let mut random = Random(seed);
    for _ in 0..4 {
        let market = Market::empty();
        let (few, many) = (random.pick(&[1, 5, 40]), random.pick(&[1, 30, 400]));
        table(
            &market.database,
            "lhs",
            &mut random,
            few,
            &[Some("A"), Some("B"), Some("C"), None],
        );
        table(
            &market.database,
            "rhs",
            &mut random,
            many,
            &[Some("A"), Some("B"), Some("D"), None],
        );
        let session = market.session();
        for _ in 0..6 {
            let statement_seed = random.0;
            let streaming = statement(&mut random, "l.sym KEY r.sym");
            let keeping = statement(&mut Random(statement_seed), "l.sym || '' KEY r.sym || ''");
            let plan = operators(&session, &streaming);
            assert!(
                plan.contains("AsOfMergeExec") && !plan.contains("SortExec"),
                "{streaming}\n{plan}"
            );
            let plan = operators(&session, &keeping);
            assert!(plan.contains("AsOfJoinExec"), "{keeping}\n{plan}");
            assert_eq!(
                query(&session, &streaming),
                query(&session, &keeping),
                "GAPLESS_SQL_SEED={seed}\n{streaming}"
            );
        }
    }
}

#[test]
fn sides_larger_than_memory_stream() {
    let market = Market::empty();
    many_rows(&market.database, 800_000);
    let session = |bytes| {
        let builder = Session::builder(&market.database).threads(2);
        builder.memory_bytes_max(bytes).open().expect("a session")
    };
    let text = |key: &str| {
        format!(
            "SELECT count(*), count(b.id), sum(a.id - b.id), min(a.id - b.id) FROM tick a ASOF JOIN tick b \
             MATCH_CONDITION (a.ts > b.ts) ON {key}"
        )
    };
    // Each scan has two shares; rows of both are merged, not sorted.
    let plan = operators(&session(24 << 20), &text("a.sym = b.sym"));
    assert!(
        plan.contains("ranges=2") && plan.contains("SortPreservingMergeExec"),
        "{plan}"
    );
    assert!(
        plan.contains("AsOfMergeExec") && !plan.contains("SortExec"),
        "{plan}"
    );
    let expected = ["| 800000 | 799998 | 1599996 | 2 |"];
    assert_eq!(query(&session(24 << 20), &text("a.sym = b.sym")), expected);
    assert_eq!(
        query(&session(1 << 30), &text("a.sym || '' = b.sym || ''")),
        expected
    );
    let rows = session(24 << 20)
        .sql(&text("a.sym || '' = b.sym || ''"))
        .expect("a plan");
    let error = rows.collect_batches().expect_err("the right side does not fit");
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
}
