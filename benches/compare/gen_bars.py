"""Minute bars of many nodes with missing minutes, and windows of rows to upsert into them."""
import os
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gen_columns import PARQUET, dictionary, midnight_ns, utc

FIRST_DAY = date(2026, 1, 1)
NODES_A_FILE = 50
MINUTE_NS = 60 * 10**9
PRICES = ("open", "high", "low", "close")


class Bars:
    """The bars of some nodes on the whole grid; `present` says which of them exist. Prices in cents, one row a node."""

    def __init__(self, nodes, days, rng):
        minutes = days * 1440
        shape = (nodes, minutes)
        self.present = present(shape, days, rng)
        step = rng.integers(-3, 4, shape, dtype=np.int16)
        start = np.round(np.exp(rng.uniform(np.log(2000), np.log(60000), nodes)) * 100).astype(np.int64)
        self.close = np.maximum(np.cumsum(step, axis=1, dtype=np.int64) + start[:, None], 100)
        self.open = self.close - step
        beyond = rng.integers(0, 4, (2,) + shape, dtype=np.int8)
        self.high = np.maximum(self.open, self.close) + beyond[0]
        self.low = np.minimum(self.open, self.close) - beyond[1]
        self.volume = np.round(rng.standard_exponential(shape, dtype=np.float32) * 1e5).astype(np.int64)

    def table(self, grid, names, first_node):
        """The rows that exist."""
        at = np.nonzero(self.present.ravel())[0]
        node = (at // len(grid)).astype(np.int32) + first_node
        prices = {name: getattr(self, name).ravel()[at] / 100.0 for name in PRICES}
        return pa.table(dict(ts=utc(grid[at % len(grid)]), node=dictionary(node, names), **prices,
                             volume=self.volume.ravel()[at] / 1000.0))

    def window(self, node, name, grid, rng):
        """60 to 1,440 minutes of one node without a gap, its closes revised by a cent."""
        length = int(rng.integers(60, 1440))
        start = int(rng.integers(0, len(grid) - length))
        at = slice(start, start + length)
        prices = {price: getattr(self, price)[node, at] / 100.0 for price in PRICES[:3]}
        return pa.table(dict(ts=utc(grid[at]), node=pa.array([name] * length), **prices,
                             close=(self.close[node, at] + 1) / 100.0, volume=self.volume[node, at] / 1000.0))


def present(shape, days, rng):
    """One minute in a thousand is missing, and every third day an outage of a minute to a day begins."""
    there = rng.random(shape) >= 0.001
    for node in range(shape[0]):
        for _ in range(rng.poisson(days / 3)):
            length = int(np.exp(rng.uniform(0, np.log(1440))))
            start = int(rng.integers(0, shape[1]))
            there[node, start:start + length] = False
    return there


def write_nodes(out, nodes, days, rng):
    """Returns the nodes' names, the rows, the first minute in ns and the number of minutes."""
    first_minute = midnight_ns(FIRST_DAY)
    grid = first_minute + np.arange(days * 1440, dtype=np.int64) * MINUTE_NS
    names = [f"N{i:05d}" for i in range(nodes)]
    os.makedirs(f"{out}/bar1m", exist_ok=True)
    revised = set(rng.choice(nodes, min(nodes, 100), replace=False).tolist())
    windows, rows = [], 0
    for first in range(0, nodes, NODES_A_FILE):
        count = min(NODES_A_FILE, nodes - first)
        bars = Bars(count, days, rng)
        table = bars.table(grid, names, first)
        pq.write_table(table, f"{out}/bar1m/part-{first // NODES_A_FILE:04d}.parquet", **PARQUET)
        rows += table.num_rows
        windows += [bars.window(i, names[first + i], grid, rng) for i in range(count) if first + i in revised]
        if (first + count) % 500 == 0:
            print(f"bars of {first + count:,} nodes", flush=True)
    pq.write_table(pa.concat_tables(windows), f"{out}/bar1m_backfill.parquet", **PARQUET)
    return names, rows, first_minute, len(grid)
