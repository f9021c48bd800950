"""Trades and quotes of a market: Zipf popularity, a U-shaped day, tick-rounded walks, sweeps, bursts, late rows.

The answers rely on two properties: (sym, ts) of a quote is unique, and trades that share it (fills of one sweep) share
their price. So first, last and as-of are unambiguous in every engine.
"""
import time
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from gen_columns import dictionary, midnight_ns, utc, write

FIRST_DAY = date(2026, 3, 2)
OPEN_NS = (13 * 60 + 30) * 60 * 10**9          # 13:30 UTC
SESSION_NS = int(6.5 * 3600) * 10**9           # 6.5 h < 2^45 ns
# A key is (symbol's code, ns since the open) in one integer, so that sorting keys sorts rows.
SHIFT = np.uint64(45)
MASK = np.uint64((1 << 45) - 1)
EXCHANGES = ["A", "B", "C", "D", "I", "J", "K", "M", "N", "P", "Q", "T", "U", "V", "X", "Y"]
CONDITIONS = ["@", "F", "I", "T", "O", "X", "6", "M", "U", "Z", "4", "W"]
LOTS = np.array([100, 200, 300, 400, 500, 700, 1000, 1500, 2000, 5000], np.int32)


def shares(weights):
    weights = np.array(weights, float)
    return weights / weights.sum()


EXCHANGE_SHARES = shares([1, 4, 1, 14, 1, 3, 6, 1, 18, 12, 20, 2, 3, 6, 3, 5])
CONDITION_SHARES = shares([40, 22, 24, 6, 1, 1, .5, .5, 2, 1, 1, 1])
LOT_SHARES = shares([40, 20, 10, 8, 6, 5, 4, 3, 3, 1.])


def tickers(n, rng):
    found, seen = [], set()
    while len(found) < n:
        letters = int(rng.integers(2, 5))
        name = "".join(chr(65 + int(c)) for c in rng.integers(0, 26, letters))
        if name not in seen:
            seen.add(name)
            found.append(name)
    return found


def inverse_of_u_shape():
    """The inverse of the distribution of times in a session: busy at its ends."""
    x = np.linspace(0, 1, 4097)
    density = 0.35 + 2.4 * (2 * x - 1) ** 4 + 0.6 * (2 * x - 1) ** 2
    cdf = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return cdf / cdf[-1], x


U_SHAPE = inverse_of_u_shape()


def session_times(rng, n):
    return (np.interp(rng.random(n), *U_SHAPE) * (SESSION_NS - 1)).astype(np.uint64)


def pick(rng, n, weights):
    """Weighted choice through a table of 64 Ki entries, which is quick."""
    table = np.repeat(np.arange(len(weights)), np.maximum(1, np.round(weights * 65536)).astype(int)).astype(np.int32)
    return table[rng.integers(0, len(table), n)]


def counts_by_rank(rng, n, ranks):
    weights = 1 / np.arange(1, ranks + 1) ** 0.9
    return np.maximum(rng.multinomial(n, weights / weights.sum()), 20)


class Quotes:
    """A day of quotes by (symbol's code, time); prices in ticks of a cent."""

    def __init__(self, key, bid, ask):
        self.key, self.bid, self.ask = key, bid, ask
        self.code = (key >> SHIFT).astype(np.int32)
        self.time = (key & MASK).astype(np.int64)


class Market:
    def __init__(self, symbols, trades_a_day, quotes_a_day, rng):
        self.rng, self.symbols = rng, symbols
        self.trades_a_day, self.quotes_a_day = trades_a_day, quotes_a_day
        self.by_rank = tickers(symbols, rng)
        self.names = sorted(self.by_rank)                # the order of codes is that of names
        self.code_of_rank = np.array([self.names.index(s) for s in self.by_rank])
        self.mid = np.round(np.exp(rng.uniform(np.log(20), np.log(500), symbols)) * 100).astype(np.int64)
        self.spread = rng.integers(1, 5, symbols)        # the least spread of each, in ticks

    def quote_keys(self):
        codes = np.repeat(self.code_of_rank, counts_by_rank(self.rng, self.quotes_a_day, self.symbols))
        n = len(codes)
        times = session_times(self.rng, n)
        instants = session_times(self.rng, max(10, n // 50))     # of bursts across the market
        burst = self.rng.random(n) < 0.05
        times[burst] = instants[self.rng.integers(0, len(instants), int(burst.sum()))]
        return np.unique((codes.astype(np.uint64) << SHIFT) | times)

    def quotes(self):
        """The next day's quotes: each symbol's mid walks on from where it ended the day before."""
        key = self.quote_keys()
        n, code = len(key), (key >> SHIFT).astype(np.int32)
        step = pick(self.rng, n, np.array([.09, .82, .09])).astype(np.int64) - 1
        first = np.searchsorted(code, np.arange(self.symbols))
        walk = np.cumsum(step)
        before = np.where(first > 0, walk[np.maximum(first - 1, 0)], 0)
        mid = self.mid[code] + walk - before[code]
        last = np.append(first[1:], n) - 1
        self.mid = np.maximum(mid[last], 500)
        mid = np.maximum(mid, 100)
        spread = self.spread[code] + pick(self.rng, n, np.array([.6, .25, .1, .05]))
        bid = mid - spread // 2
        return Quotes(key, bid, bid + spread)

    def quote_table(self, q, day_ns):
        n, rng = len(q.key), self.rng
        return pa.table(dict(
            ts=utc(q.time + day_ns), sym=dictionary(q.code, self.names), bid=q.bid / 100.0, ask=q.ask / 100.0,
            bsize=LOTS[pick(rng, n, LOT_SHARES)], asize=LOTS[pick(rng, n, LOT_SHARES)],
            exch=dictionary(pick(rng, n, EXCHANGE_SHARES), EXCHANGES)))

    def order_keys(self):
        """The orders whose fills are the trades: 1.6 fills each on average."""
        orders = int(self.trades_a_day / 1.6)
        code = np.repeat(self.code_of_rank, counts_by_rank(self.rng, orders, self.symbols))
        return np.unique((code.astype(np.uint64) << SHIFT) | session_times(self.rng, len(code)))

    def trade_table(self, q, day_ns):
        """A day of trades at the quotes `q`: an order takes the ask or hits the bid that stands."""
        rng, key = self.rng, self.order_keys()
        buys = rng.random(len(key)) < 0.5
        standing = np.searchsorted(q.key, key, side="right") - 1
        code = (key >> SHIFT).astype(np.int32)
        first = np.searchsorted(q.code, np.arange(self.symbols))
        other = (standing < 0) | (q.code[np.maximum(standing, 0)] != code)
        standing = np.where(other, first[code], standing)
        price = np.where(buys, q.ask[standing], q.bid[standing])
        fills = np.minimum(rng.geometric(1 / 1.6, len(key)), 40)
        order = np.repeat(np.arange(len(key)), fills)
        n = len(order)
        odd = rng.random(n) < 0.45
        size = np.where(odd, rng.integers(1, 100, n), LOTS[pick(rng, n, LOT_SHARES)]).astype(np.int32)
        return pa.table(dict(
            ts=utc((key & MASK).astype(np.int64)[order] + day_ns), sym=dictionary(code[order], self.names),
            price=price[order] / 100.0, size=size, side=np.where(buys[order], 1, -1).astype(np.int8),
            exch=dictionary(pick(rng, n, EXCHANGE_SHARES), EXCHANGES),
            cond=dictionary(pick(rng, n, CONDITION_SHARES), CONDITIONS)))

    def in_order_of_arrival(self, table):
        times = table["ts"].cast(pa.int64()).to_numpy()
        arrival = times + (self.rng.exponential(50e3, len(times))).astype(np.int64)
        late = self.rng.random(len(times)) < 0.005
        delay = np.exp(self.rng.uniform(np.log(60e9), np.log(4 * 3600e9), int(late.sum())))
        arrival[late] += delay.astype(np.int64)
        return table.take(pa.array(np.argsort(arrival, kind="stable")))


def weekdays(n):
    days, day = [], FIRST_DAY
    while len(days) < n:
        if day.weekday() < 5:
            days.append(day)
        day += timedelta(days=1)
    return days


def write_days(market, days, out, ipc_too, arrival):
    """Returns the symbols by popularity, the dates, and the rows of each table."""
    dates, rows = weekdays(days), dict(trade=0, quote=0)
    for day in dates:
        start = time.time()
        day_ns = midnight_ns(day) + OPEN_NS
        quotes = market.quotes()
        tables = dict(quote=market.quote_table(quotes, day_ns))
        tables["trade"] = market.trade_table(quotes, day_ns)
        for name in ("trade", "quote"):
            rows[name] += tables[name].num_rows
            write(tables[name], f"{out}/{name}/{day}", ipc_too)
            if arrival == "all" or (arrival == "last" and day == dates[-1]):
                write(market.in_order_of_arrival(tables[name]), f"{out}/arrival_{name}/{day}")
        print(f"{day} trade {tables['trade'].num_rows:,} quote {tables['quote'].num_rows:,} {time.time() - start:.1f} s", flush=True)
    return market.by_rank, [str(day) for day in dates], rows
