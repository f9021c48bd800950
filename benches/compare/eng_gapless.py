"""gapless through its Python package: ticks in day partitions, bars in month partitions with the key (node, time), keep="last".

Ticks and bars are two databases, so that each can be measured and copied on its own. Everything is stored in the order
(series, time), which the queries use as it is: no adapter code sorts or joins.
"""
import os
from datetime import datetime, timezone

import gapless
from gapless import col, count, delta, first, last, max, mean, min, next, sum, vwap, wmean

from adapter import Adapter, copy_tree, fresh

TICK_FILES = ("trade", "quote")
OHLCV = dict(open=first("price"), high=max("price"), low=min("price"), close=last("price"), vol=sum("size"), n=count())


def schema_of(file):
    import pyarrow.parquet as pq
    return pq.read_schema(file)


def parquet(files):
    """The rows of some files of one schema, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    def batches():
        for file in files:
            yield from pq.ParquetFile(file).iter_batches(1 << 20)
    return pa.RecordBatchReader.from_batches(schema_of(files[0]), batches())


class Gapless(Adapter):
    durability = "log record synced per append (durability=\"sync\", the default)"

    def warm_library(self):
        with gapless.open(fresh(os.path.join(self.store, "warm"))) as db:
            table = db.create_table("t", {"ts": "timestamp[ns, UTC]", "sym": "symbol"}, time="ts", series="sym")
            table.append({"ts": [0], "sym": ["X"]})
            table.scan().group_by(by="sym").agg(n=count()).to_arrow()

    # -- store
    def load(self, what):
        folder = fresh(os.path.join(self.store, what))
        with gapless.open(folder) as db:
            if what == "taq":
                for name in TICK_FILES:
                    self.ticks(db, name).write(parquet([f"{self.data}/{name}/{day}.parquet" for day in self.p.dates]))
            else:
                files = [f"{self.data}/bar1m/{file}" for file in sorted(os.listdir(f"{self.data}/bar1m"))]
                bars = db.create_table("bar1m", schema_of(files[0]), time="ts", series="node", partition="month", keep="last")
                bars.write(parquet(files))

    def ticks(self, db, name):
        schema = schema_of(f"{self.data}/{name}/{self.p.day}.parquet")
        return db.create_table(name, schema, time="ts", series="sym")

    def open(self):
        """Each of the two databases when it is first asked for."""
        self.opened = {}

    def table(self, name):
        what = "bars" if name == "bar1m" else "taq"
        if what not in self.opened:
            self.opened[what] = gapless.open(os.path.join(self.store, what), mode="r")
        return self.opened[what].table(name)

    def close(self):
        for db in self.opened.values():
            db.close()

    def trades(self, columns=None, series=None):
        return self.table("trade").scan(start=self.p.day0, end=self.p.day1, columns=columns, series=series)

    def quotes(self, columns=None, series=None):
        return self.table("quote").scan(start=self.p.day0, end=self.p.day1, columns=columns, series=series)

    # -- queries
    def q1(self):
        return self.table("trade").scan(start=self.p.w0, end=self.p.w1, series=self.p.sym).to_arrow()

    def q2(self):
        return self.trades(series=self.p.sym).to_arrow()

    def q3(self):
        return self.trades().group_by(by="sym").agg(vwap=vwap("price", "size"), vol=sum("size"), n=count()).to_arrow()

    def q4(self):
        return self.table("trade").scan(series=self.p.sym).group_by(every="1m").agg(**OHLCV).to_arrow()

    def q5(self):
        return self.trades().group_by(every="1m", by="sym").agg(**OHLCV).to_arrow()

    def q6(self):
        return self.table("quote").scan().group_by(by="sym").agg(max_bid=max("bid")).to_arrow()

    def as_of(self, series=None):
        trades = self.trades(["ts", "sym", "price", "size"], series)
        return trades.asof_join(self.quotes(), by="sym", columns=["bid", "ask"]).to_arrow()

    def q7(self):
        return self.as_of(self.p.syms)

    def q7b(self):
        return self.as_of()

    def q8(self):
        return self.quotes(["sym", "ts", "bid", "ask", "bsize", "asize"]).latest(at=self.p.t8).to_arrow()

    def q9(self):
        trades = self.trades(["ts", "price"], self.p.sym)
        around = trades.window_join(self.quotes(series=self.p.sym), start="-10s", end="10s")
        return around.agg(avg_bid=mean("bid")).to_arrow()

    def q10(self):
        large = col("price") * col("size") > self.p.x
        return self.table("trade").scan().filter(large).group_by().agg(n=count()).to_arrow()

    def q11(self):
        close = datetime.fromtimestamp(self.p.close // 10**9, timezone.utc)
        held = self.quotes().with_columns(until=next("ts", default=close)).with_columns(held=col("until") - col("ts"))
        hours = held.group_by(every="1h", by="sym").agg(tw_spread=wmean(col("ask") - col("bid"), "held"))
        return hours.select("sym", "tw_spread", hour=col("ts").part("hour")).to_arrow()

    def q12(self):
        minutes = self.quotes().group_by(every="1m", by="sym").agg(bid=last("bid"), ask=last("ask"))
        changes = minutes.with_columns(change=delta(((col("bid") + col("ask")) / 2).ln()))
        squares = changes.group_by(by="sym").agg(rv=sum(col("change") * col("change")))
        return squares.with_columns(rv=col("rv").fill_null(0.0)).to_arrow()

    def q13(self):
        turnover = self.table("trade").scan().group_by(by="sym").agg(turnover=sum(col("price") * col("size")))
        return turnover.top(10, by="turnover").to_arrow()

    def q14(self):
        return self.table("quote").scan().group_by().agg(s=sum("bid")).to_arrow()

    def q15(self):
        return self.table("bar1m").scan(start=self.p.b0, end=self.p.b1, series=self.p.node).to_arrow()

    def q16(self):
        missing = self.table("bar1m").scan().missing("1m", self.p.g0, self.p.g1)
        return missing.select("node", gap_start="start", gap_end="end", n="slots").to_arrow()

    # -- ingest
    def ingest_open(self, folder):
        self.written = gapless.open(fresh(folder))
        self.tables = {name: self.ticks(self.written, name) for name in TICK_FILES}

    def bulk(self, table, day, tab):
        self.tables[table].write(tab)

    def stream_begin(self):
        """The table of the trades is there and empty."""

    def append(self, tab):
        self.tables["trade"].append(tab)

    def stream_count(self):
        return self.tables["trade"].scan().count()

    def merge_late(self, day, tab):
        self.tables["trade"].append(tab)

    def q2_ingest(self):
        return self.tables["trade"].scan(start=self.p.day0, end=self.p.day1, series=self.p.sym).to_arrow()

    def backfill_open(self, folder):
        copy_tree(os.path.join(self.store, "bars"), folder)
        self.copied = gapless.open(folder).table("bar1m")

    def backfill(self, node, tab):
        self.copied.append(tab)

    def backfill_check(self, node, t0, t1):
        closes = self.copied.scan(start=t0, end=t1, series=node, columns=["close"]).to_arrow()["close"].to_numpy()
        return len(closes), closes.sum()
