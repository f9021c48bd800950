#!/usr/bin/env python3
"""Writes the data of the comparison: deterministic, like a trade-and-quote feed, with minute bars beside it.

    python gen.py --scale S --out DIR [--seed 42] [--ipc] [--arrival last|all|none] [--bar-nodes N] [--bar-days N]

Under DIR/<scale>/:
    trade/YYYY-MM-DD.parquet                 by (sym, ts)
    quote/YYYY-MM-DD.parquet                 by (sym, ts)
    arrival_trade/..., arrival_quote/...     the same rows in order of arrival, 0.5 % of them late by a minute to four hours
    bar1m/part-0000.parquet                  50 nodes a file, by (node, ts)
    bar1m_backfill.parquet                   windows to upsert: rows revised, missing ones filled
    meta.json                                what queries.Params needs; written last, so that it marks the data as whole

The same seed gives the same rows. With --ipc the days are also written as uncompressed Arrow IPC (*.arrow).
"""
import argparse
import json
import os
import time

import numpy as np
import pyarrow as pa

import gen_bars
import gen_taq

SCALES = {  # days, symbols, trades and quotes in all, nodes and days of bars
    "XS": (2, 20, 50_000, 200_000, 10, 10),
    "S": (2, 100, 1_000_000, 4_000_000, 100, 30),
    "M": (5, 500, 20_000_000, 60_000_000, 2000, 90),
    "L": (20, 2000, 200_000_000, 600_000_000, 5000, 365),
}


def arguments():
    parser = argparse.ArgumentParser(description="Writes the data of the comparison.")
    parser.add_argument("--scale", default="S", choices=SCALES)
    parser.add_argument("--out", default="data")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--ipc", action="store_true")
    parser.add_argument("--arrival", default="last", choices=["last", "all", "none"], help="days that are also written in order of arrival")
    parser.add_argument("--bar-nodes", type=int)
    parser.add_argument("--bar-days", type=int)
    return parser.parse_args()


def main():
    a = arguments()
    days, symbols, trades, quotes, nodes, bar_days = SCALES[a.scale]
    nodes, bar_days = a.bar_nodes or nodes, a.bar_days or bar_days
    out = os.path.join(a.out, a.scale)
    os.makedirs(out, exist_ok=True)
    pa.set_cpu_count(2)
    start = time.time()
    taq = gen_taq.Market(symbols, trades // days, quotes // days, np.random.default_rng(a.seed))
    by_rank, dates, rows = gen_taq.write_days(taq, days, out, a.ipc, a.arrival)
    names, bar_rows, first_minute, minutes = gen_bars.write_nodes(out, nodes, bar_days, np.random.default_rng(a.seed + 1))
    meta = dict(scale=a.scale, seed=a.seed, syms_by_rank=by_rank, dates=dates, rows=dict(rows, bar1m=bar_rows), nodes=names,
                bar_start_ns=first_minute, bar_minutes=minutes, open_ns=gen_taq.OPEN_NS, sess_ns=gen_taq.SESSION_NS)
    with open(f"{out}/meta.json", "w") as f:
        json.dump(meta, f)
    print(f"done {out}: {rows} bar1m {bar_rows:,} in {time.time() - start:.1f} s")


if __name__ == "__main__":
    main()
