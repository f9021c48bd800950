//! The queries of `benches/compare` in SQL, as someone would write them.

use super::parameters::{DAY, Parameters};

fn text(ns: i64) -> String {
    let at = jiff::Timestamp::from_nanosecond(ns.into()).expect("a time");
    format!("'{at}'")
}

fn between(start: i64, end: i64) -> String {
    format!("ts >= {} AND ts < {}", text(start), text(end))
}

/// Each query by its name.
pub fn statements(ask: &Parameters) -> Vec<(&'static str, String)> {
    let day = between(ask.day, ask.day + DAY);
    let sym = format!("sym = '{}'", ask.symbol);
    let symbols: Vec<String> = ask.symbols.iter().map(|name| format!("'{name}'")).collect();
    let symbols = format!(" AND sym IN ({})", symbols.join(", "));
    let (window, bars) = (
        between(ask.window.0, ask.window.1),
        between(ask.bars.0, ask.bars.1),
    );
    let ohlc = "first(price, ts) AS open, max(price) AS high, min(price) AS low, last(price, ts) AS close, \
                sum(size) AS vol, count(*) AS n";
    let as_of = |further: &str| {
        format!(
            "SELECT t.ts, t.sym, t.price, t.size, q.bid, q.ask \
             FROM (SELECT ts, sym, price, size FROM trade WHERE {day}{further}) t \
             ASOF JOIN (SELECT ts, sym, bid, ask FROM quote WHERE {day}) q \
             MATCH_CONDITION (t.ts >= q.ts) ON t.sym = q.sym"
        )
    };
    let (start, latest, close, node, turnover) = (
        text(ask.day),
        text(ask.latest),
        ask.close,
        &ask.node,
        ask.turnover,
    );
    vec![
        ("Q1", format!("SELECT * FROM trade WHERE {sym} AND {window} ORDER BY ts")),
        ("Q2", format!("SELECT * FROM trade WHERE {sym} AND {day} ORDER BY ts")),
        (
            "Q3",
            format!(
                "SELECT sym, vwap(price, size) AS vwap, sum(size) AS vol, count(*) AS n \
                 FROM trade WHERE {day} GROUP BY sym"
            ),
        ),
        (
            "Q4",
            format!("SELECT time_bucket('1m', ts) AS ts, {ohlc} FROM trade WHERE {sym} GROUP BY 1 ORDER BY 1"),
        ),
        (
            "Q5",
            format!(
                "SELECT sym, time_bucket('1m', ts) AS ts, {ohlc} FROM trade WHERE {day} \
                 GROUP BY 1, 2 ORDER BY 1, 2"
            ),
        ),
        ("Q6", "SELECT sym, max(bid) AS max_bid FROM quote GROUP BY sym".to_owned()),
        ("Q7", as_of(&symbols)),
        ("Q7b", as_of("")),
        (
            "Q8",
            format!(
                "SELECT sym, max(ts) AS ts, last(bid, ts) AS bid, last(ask, ts) AS ask, last(bsize, ts) AS bsize, \
                 last(asize, ts) AS asize FROM quote WHERE ts >= {start} AND ts <= {latest} GROUP BY sym"
            ),
        ),
        (
            "Q9",
            format!(
                "SELECT ts, price, avg_bid FROM (SELECT ts, price, avg(bid) OVER (ORDER BY x RANGE BETWEEN \
                 10000000000 PRECEDING AND 10000000000 FOLLOWING) AS avg_bid FROM (\
                 SELECT ts, CAST(ts AS BIGINT) AS x, price, CAST(NULL AS DOUBLE) AS bid FROM trade WHERE {sym} AND {day} \
                 UNION ALL \
                 SELECT ts, CAST(ts AS BIGINT), CAST(NULL AS DOUBLE), bid FROM quote WHERE {sym} AND {day})) \
                 WHERE price IS NOT NULL"
            ),
        ),
        ("Q10", format!("SELECT count(*) AS n FROM trade WHERE price * size > {turnover:?}")),
        (
            "Q11",
            format!(
                "SELECT sym, time_bucket('1h', ts) AS hour, vwap(spread, held) AS tw_spread FROM (\
                 SELECT sym, ts, ask - bid AS spread, lead(CAST(ts AS BIGINT), 1, {close}) \
                 OVER (PARTITION BY sym ORDER BY ts) - CAST(ts AS BIGINT) AS held FROM quote WHERE {day}) GROUP BY 1, 2"
            ),
        ),
        (
            "Q12",
            format!(
                "SELECT sym, coalesce(sum(r * r), 0.0) AS rv FROM (\
                 SELECT sym, ln(mid / lag(mid) OVER (PARTITION BY sym ORDER BY minute)) AS r FROM (\
                 SELECT sym, time_bucket('1m', ts) AS minute, (last(bid, ts) + last(ask, ts)) / 2 AS mid \
                 FROM quote WHERE {day} GROUP BY 1, 2)) GROUP BY sym"
            ),
        ),
        (
            "Q13",
            "SELECT sym, sum(price * size) AS turnover FROM trade GROUP BY sym ORDER BY turnover DESC LIMIT 10"
                .to_owned(),
        ),
        ("Q14", "SELECT sum(bid) AS s FROM quote".to_owned()),
        ("Q15", format!("SELECT * FROM bar1m WHERE node = '{node}' AND {bars} ORDER BY ts")),
    ]
}
