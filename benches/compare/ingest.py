"""The ingest tests I1 to I5: each on a new store, with its input already an Arrow table in memory, and checked."""
import os
import statistics
import time

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import answers

STREAM_SECONDS_MAX = 60
BACKFILL_SECONDS_MAX = 90
WINDOWS_CHECKED = 20


class Wrong(Exception):
    """What the engine holds is not what was written."""


def bulk_day(engine, job):
    """I1: one sorted day of trades and of quotes."""
    tables = {t: pq.read_table(day_file(engine, job, t)) for t in ("trade", "quote")}
    rows = sum(t.num_rows for t in tables.values())
    engine.ingest_open(folder(job))
    start = time.perf_counter()
    for name, table in tables.items():
        engine.bulk(name, engine.p.day, table)
    s = time.perf_counter() - start
    return dict(s=s, rows=rows, rows_s=rows / s)


def stream(rows, count):
    """I2, I3: `count` batches of `rows` trades in order of arrival, each durable on return."""
    def run(engine, job):
        table = pq.read_table(day_file(engine, job, "arrival_trade")).slice(0, rows * count).combine_chunks()
        batches = [table.slice(i * rows, rows) for i in range(table.num_rows // rows)]
        engine.ingest_open(folder(job))
        engine.stream_begin()
        latencies, s = each_timed(batches, engine.append, STREAM_SECONDS_MAX)
        written, seen = len(latencies) * rows, engine.stream_count()
        if seen != written:
            raise Wrong(f"{seen} rows visible, {written} appended")
        return dict(batches=len(latencies), rows_s=written / s, **percentiles(latencies))
    return run


def late_rows(engine, job):
    """I4: one per cent of a day's trades, shuffled, merged into the rest of that day; then Q2 of the full day."""
    table = pq.read_table(day_file(engine, job, "trade"))
    rng = np.random.default_rng(7)
    is_late = rng.random(table.num_rows) < 0.01
    late = table.filter(pa.array(is_late))
    late = late.take(pa.array(rng.permutation(late.num_rows))).combine_chunks()
    engine.ingest_open(folder(job))
    engine.bulk("trade", engine.p.day, table.filter(pa.array(~is_late)))
    merge_s, _ = timed(lambda: engine.merge_late(engine.p.day, late))
    first_s, result = timed(engine.q2_ingest)
    wrong = answers.compare("Q2", result, pl.read_parquet(f"{job['ref']}/Q2.parquet"))
    if wrong:
        raise Wrong(wrong)
    times = [timed(engine.q2_ingest)[0] for _ in range(5)]
    return dict(merge_ms=merge_s * 1e3, late_rows=late.num_rows, q2_first_ms=first_s * 1e3, q2_ms=statistics.median(times) * 1e3)


def backfill(engine, job):
    """I5: one window of bars for each of 100 nodes, upserted by (node, ts), each durable and visible on return."""
    windows = backfill_windows(job)
    engine.backfill_open(os.path.join(job["store"], "backfill"))
    latencies, s = each_timed(windows, lambda window: engine.backfill(*window), BACKFILL_SECONDS_MAX)
    done = windows[:len(latencies)]
    for node, window in done[:WINDOWS_CHECKED]:
        check_window(engine, node, window)
    rows = sum(window.num_rows for _, window in done)
    return dict(windows=len(done), rows=rows, rows_s=rows / s, **percentiles(latencies))


TESTS = {"I1": bulk_day, "I2": stream(1000, 300), "I3": stream(1, 200), "I4": late_rows, "I5": backfill}


def day_file(engine, job, table):
    return f"{job['data']}/{table}/{engine.p.day}.parquet"


def folder(job):
    return os.path.join(job["store"], "ingest")


def backfill_windows(job):
    rows = pq.read_table(f"{job['data']}/bar1m_backfill.parquet")
    node = rows["node"].to_pylist()
    cut = [0] + [i for i in range(1, len(node)) if node[i] != node[i - 1]] + [len(node)]
    return [(node[a], rows.slice(a, b - a).combine_chunks()) for a, b in zip(cut, cut[1:])]


def check_window(engine, node, window):
    ts, close = window["ts"].cast(pa.int64()), window["close"].to_numpy().sum()
    rows, total = engine.backfill_check(node, ts[0].as_py(), ts[-1].as_py() + 1)
    if rows != window.num_rows or abs(total - close) > 1e-9 * abs(close):
        raise Wrong(f"{node}: {rows} rows with the sum {total}, {window.num_rows} with {close} written")


def timed(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def each_timed(items, call, seconds_max):
    """The latency of each call, until the items or the seconds run out, and the seconds of all."""
    latencies, start = [], time.perf_counter()
    for item in items:
        latencies.append(timed(lambda: call(item))[0])
        if time.perf_counter() - start > seconds_max:
            break
    return latencies, time.perf_counter() - start


def percentiles(latencies):
    ordered = sorted(latencies)
    return dict(p50_ms=ordered[len(ordered) // 2] * 1e3, p99_ms=ordered[int(len(ordered) * .99)] * 1e3)
