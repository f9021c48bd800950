"""Processes, threads and signals: several on one directory, forks, Ctrl-C, and nothing that leaks."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import gapless
import pyarrow as pa
import pytest
from samples import SECOND, START, TICKS


def append_rows(path: str, name: str, rows: int) -> int:
    """What a writing process does."""
    with gapless.open(path) as db:
        table = db.table("trade")
        for at in range(rows):
            table.append({"ts": [START + at], "sym": [name], "size": [at]})
        return table.scan(series=name).count()


def test_processes_write_and_read_one_directory(path, db, ticks):
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        counts = pool.starmap(append_rows, [(str(path), f"P{at}", 20) for at in range(3)])
    assert counts == [20, 20, 20]
    assert ticks.scan().count() == 60
    assert ticks.scan(series="P1").to_arrow().column("size").to_pylist() == list(range(20))


def test_a_fork_is_refused_and_does_not_hang(filled, path):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            refused = 0
            for use in (filled.scan, lambda: gapless.open(path), lambda: filled.append({"ts": [1], "sym": ["A"]})):
                try:
                    use()
                except gapless.InvalidError as error:
                    refused += "fork" in str(error) and "spawn" in str(error)
            code = 0 if refused == 3 else 2
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            break
        time.sleep(0.02)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert filled.scan().count() == 1200, "the parent goes on"


def test_a_fork_before_gapless_is_used_may_use_it(path, tmp_path):
    script = f"""
    import os, gapless
    child = os.fork()
    db = gapless.open({str(path)!r} + str(child > 0))
    t = db.create_table("t", {TICKS!r}, time="ts", series="sym")
    t.append({{"ts": [1], "sym": ["A"]}})
    assert t.scan().count() == 1
    db.close()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_other_threads_run_while_the_engine_works(filled):
    """A join that takes a while must not hold the GIL."""
    ticked, stop = 0, threading.Event()

    def tick():
        nonlocal ticked
        while not stop.is_set():
            ticked += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.monotonic()
        while time.monotonic() - start < 0.5:
            filled.scan().window_join(filled, start="-100s", end="100s").agg(m=gapless.median("price")).to_arrow()
    finally:
        stop.set()
        thread.join()
    assert ticked > 50


INTERRUPTED = """
import os, signal, sys, threading, time
import gapless

db = gapless.open(sys.argv[1])
t = db.table("trade")

def endless():
    import pyarrow as pa
    schema = pa.schema([("ts", pa.timestamp("ns", "UTC")), ("sym", pa.string())])
    def batches():
        while True:
            yield pa.record_batch([pa.array([1], schema.types[0]), pa.array(["Z"])], schema)
    t.write(pa.RecordBatchReader.from_batches(schema, batches()))

def query():
    # Every row with every other, and that again.
    db.sql("SELECT sum(a.size * b.size * c.size) FROM trade a, trade b, trade c WHERE a.size + b.size <> c.size + 100000")

def scans():
    while True:
        t.scan().to_arrow()

def window():
    while True:
        t.scan().window_join(t, start="-600s", end="600s").agg(m=gapless.median("price")).to_arrow()

work = {"write": endless, "sql": query, "scan": scans, "window": window}[sys.argv[2]]
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    work()
except KeyboardInterrupt:
    took = time.monotonic() - start
    assert took < 10, took
    assert t.scan(series="Z").count() == 0
    print("interrupted")
    sys.stdout.flush()
    os._exit(0)
"""


@pytest.mark.parametrize("work", ["write", "sql", "scan", "window"])
def test_ctrl_c_ends_long_calls(filled, path, tmp_path, work):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(path), work], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "interrupted\n", done.stderr


def resident() -> int:
    """Bytes of memory that are this process's own: maps of files are not."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts memory as Linux does")
def test_opening_scanning_and_dropping_a_thousand_times_leaks_nothing(path, db, filled):
    filled.flush()
    db.close()

    def cycle():
        with gapless.open(path) as again:
            table = again.table("trade")
            rows = table.scan(series="A").to_arrow()
            assert rows.num_rows == 600
            table.scan().group_by(every="1m", by="sym").agg(gapless.count()).collect()
            next(iter(table.scan().to_batches()))

    for _ in range(50):
        cycle()
    gc.collect()
    memory, files = resident(), descriptors()
    for _ in range(1000):
        cycle()
    gc.collect()
    assert descriptors() <= files + 2
    assert resident() - memory < 16 << 20, f"{(resident() - memory) >> 20} MiB more after 1,000 cycles"


def test_arrays_outlive_the_database(path, db, filled):
    filled.flush()
    rows = filled.scan().to_arrow()
    db.drop_table("trade")
    db.close()
    del db
    gc.collect()
    assert rows.column("size").to_pylist()[:3] == [1, 2, 3]
    rows.validate(full=True)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts memory as Linux does")
def test_a_whole_table_is_handed_out_without_a_copy(db):
    """Numbers of plain segments are read where they are mapped."""
    count = 4_000_000
    table = db.create_table("n", {"ts": "timestamp[ns, UTC]", "x": "float64", "y": "int64"}, time="ts")
    numbers = pa.array(range(count), pa.int64())
    table.write(pa.table({"ts": numbers.cast(pa.timestamp("ns", "UTC")), "x": numbers.cast(pa.float64()), "y": numbers}))
    table.scan().limit(10).to_polars()
    gc.collect()
    before = resident()
    frame = table.scan().to_polars()
    grown = resident() - before
    assert frame.height == count and frame["y"].sum() == count * (count - 1) // 2
    assert grown < count * 24 * 0.05, f"{grown} bytes of {count * 24}"


def test_a_gap_and_an_error_go_from_process_to_process(filled):
    import pickle

    with pytest.raises(gapless.CoverageError) as refused:
        filled.scan(start=START, end=START + SECOND, require_coverage=True, interval="1s").to_arrow()
    again = pickle.loads(pickle.dumps(refused.value))
    assert again.gaps == refused.value.gaps and str(again) == str(refused.value)
