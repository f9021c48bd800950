"""h5i-db: versioned tables of Parquet segments, time first in the sort order (it refuses another), DataFusion SQL.

Ticks are one table by (ts, sym); its own asof_join() reads the right table whole. Bars are one table a node, because a range
is replaced for all rows of a table. Text is stored as text: with dictionary columns `sym = 'X'` finds no rows (0.1.6).
It has no window join: Q9 is a range frame over the union of both. Appends must come in time order, so arrivals go to a table
without a time column.
"""
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adapter import Adapter, copy_tree, fresh

MIN = 60_000_000_000


def at(ns):
    return f"arrow_cast({ns}, 'Timestamp(ns, \"UTC\")')"


def plain_text(table):
    fields = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(fields))


def by_time(table):
    """Rows that are equal in time stay by symbol, as they come."""
    times = table["ts"].cast(pa.int64()).to_numpy()
    return plain_text(table.take(pa.array(np.argsort(times, kind="stable"))))


class H5i(Adapter):
    durability = "segment, manifest and HEAD synced per append"

    def warm_library(self):
        import h5i_db
        with h5i_db.Database(fresh(os.path.join(self.store, "warm")), create=True) as db:
            db.sql("SELECT 1").to_arrow()

    def database(self, path):
        import h5i_db
        return h5i_db.Database(path, create=True)

    def load(self, what):
        db = self.database(fresh(os.path.join(self.store, what)))
        self.load_ticks(db) if what == "taq" else self.load_bars(db)
        db.close()
        os.sync()

    def load_ticks(self, db):
        for name in ("trade", "quote"):
            for day in self.p.dates:
                table = by_time(pq.read_table(f"{self.data}/{name}/{day}.parquet"))
                if day == self.p.dates[0]:
                    db.create_table(name, table.schema, time_column="ts", sort_key=["ts", "sym"])
                db.append(name, table)

    def load_bars(self, db):
        for file in sorted(os.listdir(f"{self.data}/bar1m")):
            table = pq.read_table(f"{self.data}/bar1m/{file}")
            node = table["node"].combine_chunks()
            node = node.chunk(0) if isinstance(node, pa.ChunkedArray) else node
            codes = node.indices.to_numpy()
            cut = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
            table = table.drop_columns(["node"])
            for a, b in zip(cut, cut[1:]):
                name = node.dictionary[codes[a]].as_py()
                db.create_table(name, table.schema, time_column="ts")
                db.append(name, table.slice(a, b - a))

    def open(self):
        """Each of the two databases when it is first asked for."""
        self.opened = {}

    def db(self, what):
        if what not in self.opened:
            self.opened[what] = self.database(os.path.join(self.store, what))
        return self.opened[what]

    def close(self):
        for db in self.opened.values():
            db.close()

    def sql(self, text, db=None):
        return (db or self.db("taq")).sql(text, target_partitions=self.threads).to_arrow()

    @property
    def day(self):
        return f"ts >= {at(self.p.day0)} AND ts < {at(self.p.day1)}"

    def q1(self):
        p = self.p
        return self.sql(f"SELECT * FROM trade WHERE sym = '{p.sym}' AND ts >= {at(p.w0)} AND ts < {at(p.w1)} ORDER BY ts")

    def q2(self, db=None):
        return self.sql(f"SELECT * FROM trade WHERE sym = '{self.p.sym}' AND {self.day} ORDER BY ts", db)

    def q3(self):
        return self.sql(f"SELECT sym, vwap(price, size) vwap, sum(size) vol, count(*) n FROM trade WHERE {self.day} GROUP BY sym")

    def bars(self, keys, where):
        return self.sql(f"""SELECT {keys} time_bucket('1m', ts) AS ts, first_value(price ORDER BY ts) AS open, max(price) AS high,
            min(price) AS low, last_value(price ORDER BY ts) AS close, sum(size) AS vol, count(*) AS n
            FROM trade WHERE {where} GROUP BY {keys} time_bucket('1m', ts)""")

    def q4(self):
        return self.bars("", f"sym = '{self.p.sym}'")

    def q5(self):
        return self.bars("sym,", self.day)

    def q6(self):
        return self.sql("SELECT sym, max(bid) max_bid FROM quote GROUP BY sym")

    def as_of(self, where):
        """Quotes of earlier days are matched as well, and are taken out afterwards."""
        of_day = ", ".join(f"CASE WHEN ts_right >= {at(self.p.day0)} THEN {c} END AS {c}" for c in ("bid", "ask"))
        return self.sql(f"""SELECT ts, sym, price, size, {of_day} FROM asof_join('trade', 'quote', 'ts', 'ts', 'sym')
            WHERE {self.day} {where}""")

    def q7(self):
        return self.as_of("AND sym IN (" + ",".join(f"'{s}'" for s in self.p.syms) + ")")

    def q7b(self):
        return self.as_of("")

    def q8(self):
        p = self.p
        last = ", ".join(f"last_value({c} ORDER BY ts) {c}" for c in ("bid", "ask", "bsize", "asize"))
        return self.sql(f"SELECT sym, max(ts) AS ts, {last} FROM quote WHERE ts >= {at(p.day0)} AND ts <= {at(p.t8)} GROUP BY sym")

    def q9(self):
        where = f"sym = '{self.p.sym}' AND {self.day}"
        return self.sql(f"""SELECT ts, price, mean AS avg_bid FROM (
            SELECT ts, price, avg(bid) OVER (ORDER BY x RANGE BETWEEN 10000000000 PRECEDING AND 10000000000 FOLLOWING) mean FROM (
            SELECT ts, CAST(ts AS BIGINT) x, price, CAST(NULL AS DOUBLE) bid FROM trade WHERE {where}
            UNION ALL SELECT ts, CAST(ts AS BIGINT), CAST(NULL AS DOUBLE), bid FROM quote WHERE {where})) WHERE price IS NOT NULL""")

    def q10(self):
        return self.sql(f"SELECT count(*) n FROM trade WHERE price * size > {self.p.x}")

    def q11(self):
        p = self.p
        return self.sql(f"""SELECT sym, (k - {p.day0}) / 3600000000000 AS hour, sum(spread * held) / sum(held) AS tw_spread FROM (
            SELECT sym, CAST(ts AS BIGINT) k, ask - bid AS spread,
            lead(CAST(ts AS BIGINT), 1, {p.close}) OVER (PARTITION BY sym ORDER BY ts) - CAST(ts AS BIGINT) AS held
            FROM quote WHERE {self.day}) GROUP BY 1, 2""")

    def q12(self):
        return self.sql(f"""SELECT sym, coalesce(sum(r * r), 0) rv FROM (SELECT sym, ln(m / lag(m) OVER (PARTITION BY sym ORDER BY b)) r FROM (
            SELECT sym, time_bucket('1m', ts) b, last_value((bid + ask) / 2 ORDER BY ts) m FROM quote WHERE {self.day} GROUP BY 1, 2))
            GROUP BY sym""")

    def q13(self):
        return self.sql("SELECT sym, sum(price * size) turnover FROM trade GROUP BY sym ORDER BY turnover DESC LIMIT 10")

    def q14(self):
        return self.sql("SELECT sum(bid) s FROM quote")

    def node(self, node, start, end, columns=None, db=None):
        return (db or self.db("bars")).read(node, columns=columns, time_start=start, time_end=end)

    def q15(self):
        p = self.p
        rows = self.node(p.node, p.b0, p.b1)
        return rows.append_column("node", pa.DictionaryArray.from_arrays(np.zeros(rows.num_rows, np.int32), [p.node]))

    def q16(self):
        p, found = self.p, []
        for i, node in enumerate(p.nodes):
            times = self.node(node, p.g0, p.g1, ["ts"])["ts"].cast(pa.int64()).to_numpy()
            start, end = np.concatenate([[p.g0], times + MIN]), np.append(times, p.g1)
            gap = end > start
            found.append((np.full(gap.sum(), i, np.int32), start[gap], end[gap]))
        node, start, end = (np.concatenate(column) for column in zip(*found))
        return dict(node=pa.DictionaryArray.from_arrays(node, p.nodes), gap_start=start, gap_end=end, n=(end - start) // MIN)

    # -- ingest
    def ingest_open(self, folder):
        self.written = self.database(fresh(folder))

    def bulk(self, table, day, tab):
        tab = by_time(tab)
        self.written.create_table(table, tab.schema, time_column="ts", sort_key=["ts", "sym"])
        self.written.append(table, tab)

    def stream_begin(self):
        self.arrivals_made = False

    def append(self, tab):
        tab = plain_text(tab)
        if not self.arrivals_made:
            self.written.create_table("trade", tab.schema)
            self.arrivals_made = True
        self.written.append("trade", tab)

    def stream_count(self):
        return self.sql("SELECT count(*) n FROM trade", self.written)["n"][0].as_py()

    def merge_late(self, day, tab):
        """There is no merge: the span of the late rows is read, sorted with them and replaced."""
        times = tab["ts"].cast(pa.int64()).to_numpy()
        start, end = int(times.min()), int(times.max()) + 1
        held = self.written.read("trade", time_start=start, time_end=end)
        merged = pa.concat_tables([held, plain_text(tab).cast(held.schema)])
        order = np.lexsort((merged["sym"].to_numpy(zero_copy_only=False), merged["ts"].cast(pa.int64()).to_numpy()))
        self.written.plan_replace_range("trade", start, end, merged.take(pa.array(order))).apply()

    def q2_ingest(self):
        return self.q2(self.written)

    def backfill_open(self, folder):
        copy_tree(os.path.join(self.store, "bars"), folder)
        self.copied = self.database(folder)

    def backfill(self, node, tab):
        start, end = (tab["ts"][i].cast(pa.int64()).as_py() for i in (0, -1))
        self.copied.plan_replace_range(node, start, end + 1, tab.drop_columns(["node"])).apply()

    def backfill_check(self, node, t0, t1):
        closes = self.node(node, t0, t1, ["ts", "close"], self.copied)["close"].to_numpy()
        return len(closes), closes.sum()
