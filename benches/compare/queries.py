"""What is asked: the 17 queries in words, and their parameters."""
import json
import os
from datetime import datetime, timezone

import numpy as np

NS = 1_000_000_000
MIN = 60 * NS
HOUR = 3600 * NS
DAY = 24 * HOUR

# name -> (definition, columns of the result, must the rows come back ordered by ts?)
QUERIES = {
    "Q1": ("one symbol, 10-minute window of trades, all columns, ts order", ["ts", "sym", "price", "size", "side", "exch", "cond"], True),
    "Q2": ("one symbol, one whole day of trades, all columns, ts order", ["ts", "sym", "price", "size", "side", "exch", "cond"], True),
    "Q3": ("VWAP by symbol, one day: sum(price*size)/sum(size), sum(size), count", ["sym", "vwap", "vol", "n"], False),
    "Q4": ("1-minute OHLCV of one symbol, all days (only minutes with trades)", ["ts", "open", "high", "low", "close", "vol", "n"], False),
    "Q5": ("1-minute OHLCV of all symbols, one day", ["sym", "ts", "open", "high", "low", "close", "vol", "n"], False),
    "Q6": ("high bid per symbol, all days", ["sym", "max_bid"], False),
    "Q7": ("as-of join trades->quotes (last quote with q.ts<=t.ts), 50 symbols, one day, full rows out", ["ts", "sym", "price", "size", "bid", "ask"], False),
    "Q7b": ("as-of join, all symbols, one day, full rows out", ["ts", "sym", "price", "size", "bid", "ask"], False),
    "Q8": ("latest quote row per symbol with ts<=t within t's day", ["sym", "ts", "bid", "ask", "bsize", "asize"], False),
    "Q9": ("window join: each trade of one symbol-day, avg bid of quotes in [ts-10s, ts+10s]", ["ts", "price", "avg_bid"], False),
    "Q10": ("count of trades with price*size > X, full history", ["n"], False),
    "Q11": ("time-weighted spread by symbol and hour, one day (weight = ns to the symbol's next quote, last one to the close; booked in the quote's hour)", ["sym", "hour", "tw_spread"], False),
    "Q12": ("realised variance of mid per symbol, one day: last mid of each minute that has one, sum of squared log returns", ["sym", "rv"], False),
    "Q13": ("top 10 symbols by turnover sum(price*size), all days", ["sym", "turnover"], False),
    "Q14": ("sum(bid) over all quotes, all days", ["s"], False),
    "Q15": ("one node's bars over 30 days (10 at S), all columns, ts order", ["ts", "node", "open", "high", "low", "close", "volume"], True),
    "Q16": ("every maximal run of missing minutes per node over the whole range: start, end (exclusive), minutes", ["node", "gap_start", "gap_end", "n"], False),
}
SHORT = {
    "Q1": "ten minutes of a symbol", "Q2": "a day of a symbol", "Q3": "vwap by symbol", "Q4": "minute bars of a symbol", "Q5": "minute bars of all",
    "Q6": "high bid by symbol", "Q7": "as-of join, 50 symbols", "Q7b": "as-of join, all symbols", "Q8": "latest quotes at a time",
    "Q9": "window join", "Q10": "count by a product", "Q11": "time-weighted spread", "Q12": "realised variance", "Q13": "top 10 turnovers",
    "Q14": "sum of a column", "Q15": "30 days of a node", "Q16": "missing minutes of all",
}
BARS = ["Q15", "Q16"]
TAQ = [q for q in QUERIES if q not in BARS]


class Params:
    """What the queries ask for, from the generator's meta.json. Times are nanoseconds since the epoch."""

    def __init__(self, m):
        self.m = m
        ranked = m["syms_by_rank"]
        self.dates = m["dates"]
        self.day = m["dates"][-1]
        self.day0 = ns_of(self.day)
        self.day1 = self.day0 + DAY
        self.close = self.day0 + m["open_ns"] + m["sess_ns"]
        self.sym = ranked[4]
        self.w0 = self.day0 + 14 * HOUR
        self.w1 = self.w0 + 10 * MIN
        self.syms = sorted({ranked[int(i)] for i in np.linspace(0, len(ranked) - 1, min(50, len(ranked)))})
        self.t8 = self.day0 + 17 * HOUR
        self.x = 250_000.0
        self.nodes = m["nodes"]
        self.node = m["nodes"][len(m["nodes"]) // 3]
        days = m["bar_minutes"] // 1440
        offset, length = (20, 30) if days >= 60 else (days // 6, max(1, days // 3))
        self.b0 = m["bar_start_ns"] + offset * DAY
        self.b1 = self.b0 + length * DAY
        self.g0 = m["bar_start_ns"]
        self.g1 = self.g0 + m["bar_minutes"] * MIN


def ns_of(date):
    year, month, day = map(int, date.split("-"))
    return int(datetime(year, month, day, tzinfo=timezone.utc).timestamp()) * NS


def load_meta(data):
    with open(os.path.join(data, "meta.json")) as f:
        return json.load(f)
