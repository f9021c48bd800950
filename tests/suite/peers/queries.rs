//! The queries of `benches/compare`, as a user of gapless writes them.

use gapless::query::expr::timestamp;
use gapless::query::{
    AsOf, IntoQuery, Query, WindowJoin, col, count, delta, first, last, max, mean, min, next, sum, vwap,
    wmean,
};
use gapless::{Database, Table};

use super::parameters::{DAY, Parameters};

/// The tables, and what is asked for.
pub struct Peers {
    pub trade: Table,
    pub quote: Table,
    pub bars: Table,
    pub ask: Parameters,
}

/// Each query with the columns that its checksum goes over: those of times, of text, and others.
pub const QUERIES: [(&str, &[&str]); 17] = [
    ("Q1", &["ts", "sym", "price", "size", "side", "exch", "cond"]),
    ("Q2", &["ts", "sym", "price", "size", "side", "exch", "cond"]),
    ("Q3", &["sym", "vwap", "vol", "n"]),
    ("Q4", &["ts", "open", "high", "low", "close", "vol", "n"]),
    ("Q5", &["sym", "ts", "open", "high", "low", "close", "vol", "n"]),
    ("Q6", &["sym", "max_bid"]),
    ("Q7", &["ts", "sym", "price", "size", "bid", "ask"]),
    ("Q7b", &["ts", "sym", "price", "size", "bid", "ask"]),
    ("Q8", &["sym", "ts", "bid", "ask", "bsize", "asize"]),
    ("Q9", &["ts", "price", "avg_bid"]),
    ("Q10", &["n"]),
    ("Q11", &["sym", "hour", "tw_spread"]),
    ("Q12", &["sym", "rv"]),
    ("Q13", &["sym", "turnover"]),
    ("Q14", &["s"]),
    ("Q15", &["ts", "node", "open", "high", "low", "close", "volume"]),
    ("Q16", &["node", "gap_start", "gap_end", "n"]),
];

impl Peers {
    pub fn open(db: &Database, ask: Parameters) -> Self {
        let table = |name: &str| db.table(name).expect("a table");
        Self {
            trade: table("trade"),
            quote: table("quote"),
            bars: table("bar1m"),
            ask,
        }
    }

    /// A query by its name in [`QUERIES`].
    pub fn query(&self, name: &str) -> Query {
        let ask = &self.ask;
        let day = (ask.day, ask.day + DAY);
        let trades = || self.trade.scan().expect("a scan").between(day.0, day.1);
        let quotes = || self.quote.scan().expect("a scan").between(day.0, day.1);
        let bars = [
            first("price").alias("open"),
            max("price").alias("high"),
            min("price").alias("low"),
            last("price").alias("close"),
            sum("size").alias("vol"),
            count().alias("n"),
        ];
        let left = ["ts", "sym", "price", "size"];
        let right = || AsOf::backward().columns(["bid", "ask"]);
        match name {
            "Q1" => self
                .trade
                .scan()
                .expect("a scan")
                .between(ask.window.0, ask.window.1)
                .series([&ask.symbol])
                .query(),
            "Q2" => trades().series([&ask.symbol]).query(),
            "Q3" => trades().group_by(["sym"]).agg([
                vwap("price", "size").alias("vwap"),
                sum("size").alias("vol"),
                count().alias("n"),
            ]),
            "Q4" => self
                .trade
                .scan()
                .expect("a scan")
                .series([&ask.symbol])
                .bucket("1m")
                .agg(bars),
            "Q5" => trades().group_by(["sym"]).bucket("1m").agg(bars),
            "Q6" => self
                .quote
                .scan()
                .expect("a scan")
                .group_by(["sym"])
                .agg([max("bid").alias("max_bid")]),
            "Q7" => trades()
                .columns(left)
                .series(&ask.symbols)
                .query()
                .asof_join(quotes(), right()),
            "Q7b" => trades().columns(left).query().asof_join(quotes(), right()),
            "Q8" => quotes()
                .query()
                .latest(Some(ask.latest))
                .select(["sym", "ts", "bid", "ask", "bsize", "asize"]),
            "Q9" => trades()
                .columns(["ts", "price"])
                .series([&ask.symbol])
                .query()
                .window_join(quotes().series([&ask.symbol]), WindowJoin::between("-10s", "10s"))
                .agg([mean("bid").alias("avg_bid")]),
            "Q10" => self
                .trade
                .scan()
                .expect("a scan")
                .query()
                .filter((col("price") * col("size")).gt(ask.turnover))
                .agg([count().alias("n")]),
            "Q11" => quotes()
                .query()
                .over([next("ts").or_else(timestamp(ask.close)).alias("until")])
                .with_column((col("until") - col("ts")).alias("held"))
                .group_by(["sym"])
                .bucket("1h")
                .agg([wmean(col("ask") - col("bid"), "held").alias("tw_spread")])
                .select([col("sym"), col("ts").hour().alias("hour"), col("tw_spread")]),
            "Q12" => quotes()
                .group_by(["sym"])
                .bucket("1m")
                .agg([last("bid").alias("bid"), last("ask").alias("ask")])
                .over([delta(((col("bid") + col("ask")) / 2.0).ln()).alias("change")])
                .group_by(["sym"])
                .agg([sum(col("change") * col("change")).alias("rv")])
                .with_column(col("rv").coalesce(0.0).alias("rv")),
            "Q13" => self
                .trade
                .scan()
                .expect("a scan")
                .group_by(["sym"])
                .agg([sum(col("price") * col("size")).alias("turnover")])
                .top(10, "turnover"),
            "Q14" => self.quote.scan().expect("a scan").agg([sum("bid").alias("s")]),
            "Q15" => self
                .bars
                .scan()
                .expect("a scan")
                .between(ask.bars.0, ask.bars.1)
                .series([&ask.node])
                .query(),
            "Q16" => self
                .bars
                .scan()
                .query()
                .missing("1m", ask.grid.0, ask.grid.1)
                .select([
                    col("node"),
                    col("start").alias("gap_start"),
                    col("end").alias("gap_end"),
                    col("slots").alias("n"),
                ]),
            other => panic!("there is no query {other}"),
        }
    }
}
