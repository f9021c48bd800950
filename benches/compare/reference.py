"""The reference answers: NumPy and Polars straight over the generator's Parquet.

Nothing here is shared with an engine's adapter. Each function answers the queries that need the same rows, and yields
(query, answer); `build` writes the answers that are not there yet.
"""
import os

import numpy as np
import polars as pl

from answers import canon
from queries import HOUR, MIN, NS, Params, load_meta


def build(data, queries, out):
    """Writes out/<query>.parquet for each query that has none."""
    os.makedirs(out, exist_ok=True)
    missing = {q for q in queries if not os.path.exists(f"{out}/{q}.parquet")}
    p = Params(load_meta(data))
    for answer, answered in PARTS.items():
        if not missing & answered:
            continue
        for q, frame in answer(data, p):
            canon(frame, q).write_parquet(f"{out}/{q}.part")
            os.rename(f"{out}/{q}.part", f"{out}/{q}.parquet")


def one_day_of_trades(data, p):
    t = day_of(data, "trade", p.day)
    one = t.filter(pl.col("sym") == p.sym)
    yield "Q1", one.filter((pl.col("ts") >= p.w0) & (pl.col("ts") < p.w1))
    yield "Q2", one
    volume = pl.col("size").cast(pl.Int64).sum()
    yield "Q3", t.group_by("sym").agg(vwap=(pl.col("price") * pl.col("size")).sum() / volume, vol=volume, n=pl.len())
    yield "Q5", minute_bars(t, ["sym"])


def one_day_of_both(data, p):
    t, q = day_of(data, "trade", p.day), day_of(data, "quote", p.day)
    joined = as_of(t, q)
    yield "Q7b", joined
    yield "Q7", joined.filter(pl.col("sym").is_in(p.syms))
    yield "Q9", t.filter(pl.col("sym") == p.sym).pipe(mean_bid_around, q.filter(pl.col("sym") == p.sym))


def one_day_of_quotes(data, p):
    q = day_of(data, "quote", p.day)
    ts, bid, ask = (q[c].to_numpy() for c in ("ts", "bid", "ask"))
    latest, spreads, variances = [], [], []
    for sym, (a, b) in runs(q).items():
        latest += [a + i - 1 for i in [np.searchsorted(ts[a:b], p.t8, side="right")] if i]
        spreads += [(sym, hour, spread) for hour, spread in spread_by_hour(ts[a:b], ask[a:b] - bid[a:b], p)]
        variances.append((sym, realised_variance(ts[a:b], (bid[a:b] + ask[a:b]) / 2)))
    yield "Q8", q[latest]
    yield "Q11", pl.DataFrame(spreads, schema=["sym", "hour", "tw_spread"], orient="row")
    yield "Q12", pl.DataFrame(variances, schema=["sym", "rv"], orient="row")


def all_trades(data, p):
    bars, above, turnover = [], 0, {}
    for day in p.dates:
        t = day_of(data, "trade", day, ["ts", "sym", "price", "size"])
        bars.append(minute_bars(t.filter(pl.col("sym") == p.sym), []))
        value = t["price"].to_numpy() * t["size"].to_numpy()
        above += int((value > p.x).sum())
        for sym, (a, b) in runs(t).items():
            turnover[sym] = turnover.get(sym, 0.0) + float(value[a:b].sum())
    yield "Q4", pl.concat(bars)
    yield "Q10", pl.DataFrame({"n": [above]})
    top = sorted(turnover.items(), key=lambda pair: -pair[1])[:10]
    yield "Q13", pl.DataFrame(top, schema=["sym", "turnover"], orient="row")


def all_quotes(data, p):
    high, total = {}, 0.0
    for day in p.dates:
        q = day_of(data, "quote", day, ["ts", "sym", "bid"])
        bid = q["bid"].to_numpy()
        total += float(np.sum(bid))
        for sym, (a, b) in runs(q).items():
            high[sym] = max(high.get(sym, -np.inf), float(bid[a:b].max()))
    yield "Q6", pl.DataFrame(list(high.items()), schema=["sym", "max_bid"], orient="row")
    yield "Q14", pl.DataFrame({"s": [total]})


def all_bars(data, p):
    gaps = []
    for file in sorted(os.listdir(f"{data}/bar1m")):
        b = pl.read_parquet(f"{data}/bar1m/{file}").with_columns(pl.col("ts").cast(pl.Int64), pl.col("node").cast(pl.String))
        ts = b["ts"].to_numpy()
        for node, (i, j) in runs(b, "node").items():
            gaps.append(missing_minutes(node, ts[i:j], p))
            if node == p.node:
                yield "Q15", b[i:j].filter((pl.col("ts") >= p.b0) & (pl.col("ts") < p.b1))
    yield "Q16", pl.concat(gaps)


PARTS = {
    one_day_of_trades: {"Q1", "Q2", "Q3", "Q5"},
    one_day_of_both: {"Q7", "Q7b", "Q9"},
    one_day_of_quotes: {"Q8", "Q11", "Q12"},
    all_trades: {"Q4", "Q10", "Q13"},
    all_quotes: {"Q6", "Q14"},
    all_bars: {"Q15", "Q16"},
}


def day_of(data, table, day, columns=None):
    return pl.read_parquet(f"{data}/{table}/{day}.parquet", columns=columns).with_columns(
        pl.col("ts").dt.cast_time_unit("ns").cast(pl.Int64), pl.col("sym").cast(pl.String))


def runs(frame, column="sym"):
    """value -> (start, end) in a frame sorted by that column."""
    codes = frame[column].to_numpy()
    cut = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    starts, ends = np.concatenate([[0], cut]), np.concatenate([cut, [len(codes)]])
    return {codes[a]: (int(a), int(b)) for a, b in zip(starts, ends)}


def minute_bars(trades, by):
    return trades.with_columns(minute=pl.col("ts") // MIN * MIN).group_by(by + ["minute"], maintain_order=True).agg(
        open=pl.col("price").first(), high=pl.col("price").max(), low=pl.col("price").min(), close=pl.col("price").last(),
        vol=pl.col("size").cast(pl.Int64).sum(), n=pl.len()).rename({"minute": "ts"})


def as_of(t, q):
    """The trades with the bid and ask of their symbol's last quote at or before them."""
    t_times, q_times, q_runs = t["ts"].to_numpy(), q["ts"].to_numpy(), runs(q)
    match = np.full(t.height, -1, np.int64)
    for sym, (a, b) in runs(t).items():
        if sym in q_runs:
            c, d = q_runs[sym]
            i = np.searchsorted(q_times[c:d], t_times[a:b], side="right") - 1
            match[a:b] = np.where(i >= 0, i + c, -1)

    def matched(column):
        values = q[column].to_numpy()[np.maximum(match, 0)].astype(float)
        values[match < 0] = np.nan
        return pl.Series(column, values).fill_nan(None)
    return t.select("ts", "sym", "price", "size").with_columns(matched("bid"), matched("ask"))


def mean_bid_around(t, q):
    """The trades of one symbol with the mean bid of its quotes within ten seconds either way."""
    x, y, bid = t["ts"].to_numpy(), q["ts"].to_numpy(), q["bid"].to_numpy()
    sums = np.concatenate([[0.0], np.cumsum(bid - bid[0])])
    low = np.searchsorted(y, x - 10 * NS, side="left")
    high = np.searchsorted(y, x + 10 * NS, side="right")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = bid[0] + (sums[high] - sums[low]) / (high - low)
    return t.select("ts", "price").with_columns(pl.Series("avg_bid", mean).fill_nan(None))


def spread_by_hour(ts, spread, p):
    held = np.append(ts[1:], p.close) - ts
    hour = (ts - p.day0) // HOUR
    weighted, weight = np.bincount(hour, spread * held, 24), np.bincount(hour, held, 24)
    return [(int(h), weighted[h] / weight[h] if weight[h] else None) for h in np.unique(hour)]


def realised_variance(ts, mid):
    minute = ts // MIN
    last = np.append(np.flatnonzero(minute[1:] != minute[:-1]), len(ts) - 1)
    return float(np.sum(np.diff(np.log(mid[last])) ** 2))


def missing_minutes(node, ts, p):
    missing = np.ones((p.g1 - p.g0) // MIN + 2, np.int8)
    missing[0] = missing[-1] = 0
    missing[(ts - p.g0) // MIN + 1] = 0
    edges = np.diff(missing)
    start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return pl.DataFrame({"node": [node] * len(start), "gap_start": p.g0 + start * MIN, "gap_end": p.g0 + end * MIN, "n": end - start})
