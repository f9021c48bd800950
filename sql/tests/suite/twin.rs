//! Random statements over a table of the engine, and over the same rows in one Arrow table that DataFusion reads itself.
//!
//! A condition that the engine takes for another than DataFusion does shows as rows that only one of the two has. A failure prints
//! its seed; `GAPLESS_SQL_SEED` runs that one again.

use datafusion::prelude::SessionContext;
use gapless_engine::TableSpec;

use crate::fixture::{Market, START, Trade, trade_batch, trade_schema};
use crate::support::{Random, lines, query, seed};

const STATEMENTS: usize = 60;

fn rows(random: &mut Random, count: usize) -> Vec<Trade> {
    let prices = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1.5,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let row = |random: &mut Random| {
        let time = START + i64::try_from(random.below(4 * 86_400)).expect("a second") * 1_000_000_000;
        let sym = random.pick(&[Some("A"), Some("B"), Some("C"), None]);
        let price = Some(random.pick(&prices)).filter(|_| random.below(5) > 0);
        let size = Some(i64::try_from(random.below(20)).expect("a size")).filter(|_| random.below(5) > 0);
        (time, sym, price, size, random.pick(&[Some("N"), Some("Q"), None]))
    };
    (0..count).map(|_| row(random)).collect()
}

fn condition(random: &mut Random, depth: u32) -> String {
    if depth > 0 && random.below(2) == 0 {
        let (a, b) = (condition(random, depth - 1), condition(random, depth - 1));
        return match random.below(3) {
            0 => format!("({a} AND {b})"),
            1 => format!("({a} OR {b})"),
            _ => format!("NOT ({a})"),
        };
    }
    let comparison = random.pick(&["=", "<>", "<", "<=", ">", ">="]);
    let not = random.pick(&["", "NOT "]);
    match random.below(8) {
        0 => format!(
            "price {comparison} {}",
            random.pick(&[
                "0.0",
                "'-0.0'::double",
                "1",
                "1.25",
                "'NaN'::double",
                "'-inf'::double"
            ])
        ),
        1 => format!(
            "size {comparison} {}",
            random.pick(&["0", "7", "7.5", "-1", "NULL"])
        ),
        2 => format!("sym {comparison} '{}'", random.pick(&["A", "B", "a", ""])),
        3 => format!("sym {not}IN ('A', 'C', 'Z', 'Y', 'X')"),
        4 => format!(
            "ts {comparison} '2026-11-2{}T0{}:00:00Z'",
            random.below(5),
            random.below(10)
        ),
        5 => format!("{} IS {not}NULL", random.pick(&["price", "size", "sym", "exch"])),
        6 => format!("size {not}BETWEEN {} AND {}", random.below(10), random.below(20)),
        _ => format!("exch {not}IN ('N', 'M') AND {} late", random.pick(&["", "NOT"])),
    }
}

fn statement(random: &mut Random) -> String {
    let what = random.pick(&[
        "ts, sym, price, size, exch",
        "count(*), count(price), sum(size), min(ts), max(ts)",
        "sym, count(*), max(size)",
    ]);
    let wanted = condition(random, 3);
    let group = if what.starts_with("sym") {
        " GROUP BY sym"
    } else {
        ""
    };
    format!("SELECT {what} FROM trade WHERE {wanted}{group}")
}

#[test]
fn random_statements_give_what_datafusion_gives_over_the_same_rows() {
    let seed = seed();
    let mut random = Random(seed);
    let market = Market::empty();
    let spec = TableSpec::new("trade", trade_schema().as_ref().clone())
        .time("ts")
        .series("sym");
    let table = market.database.create_table(&spec).expect("a table");
    let twin = SessionContext::new();
    let parts: Vec<_> = (0..4u8)
        .map(|part| trade_batch(&rows(&mut random, 300), part > 1))
        .collect();
    let (last, bulk) = parts.split_last().expect("parts");
    for part in bulk {
        table.write([part.clone()]).expect("rows");
    }
    table.append(last).expect("streamed rows");
    let all = arrow_select::concat::concat_batches(&trade_schema(), &parts).expect("one table");
    twin.register_batch("trade", all).expect("the twin");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let session = market.session();
    for _ in 0..STATEMENTS {
        let text = statement(&mut random);
        let mut found = query(&session, &text);
        let expected = runtime.block_on(async { twin.sql(&text).await?.collect().await });
        let mut expected = lines(&expected.unwrap_or_else(|error| panic!("{text}: {error}")));
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "GAPLESS_SQL_SEED={seed}\n{text}");
    }
}
