"""Gaps filled from Python: what is asked, what is taken, what fails, and who else is at it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time

import gapless
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import workers
from samples import SECOND, START, TICKS
from workers import bars_of

MINUTE = 60 * SECOND
spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def bars(db):
    return db.create_table("bars", TICKS, time="ts", series="sym", keep="last")


def times(table):
    return table.scan().to_arrow().column("ts").cast(pa.int64()).to_pylist()


def test_a_gap_is_asked_for_once(bars):
    asked = []

    def fetch(request):
        asked.append(request)
        return bars_of(request)

    report = bars.fill(fetch, START, START + MINUTE, series=["A", "B"], interval="1s")
    assert report.is_complete and report.rows == 120 and report.outcomes == {"filled": 2}
    assert report.check() is report
    assert [(gap.series, gap.start, gap.end, gap.attempts) for gap in report.gaps] == [
        ("A", START, START + MINUTE, 1),
        ("B", START, START + MINUTE, 1),
    ]
    assert (asked[0].table, asked[0].interval, asked[0].attempt) == ("bars", SECOND, 1)
    assert asked[0].schema.names == ["ts", "sym", "price", "size"]
    assert not bars.gaps(START, START + MINUTE)
    assert bars.coverage(series="A").to_arrow().column("source").to_pylist() == ["fetch"]
    again = bars.fill(fetch, START, START + MINUTE, series=["A", "B"], interval="1s")
    assert again.gaps == [] and again.is_complete and len(asked) == 2


@pytest.mark.parametrize(
    "made",
    [
        lambda rows: rows,
        pa.table,
        lambda rows: pa.record_batch(rows),
        pl.DataFrame,
        pd.DataFrame,
        lambda rows: [pa.table(rows).slice(0, 10), pa.table(rows).slice(10)],
        lambda rows: gapless.Fetched(rows),
        lambda rows: pa.table(rows).to_reader(),
    ],
    ids=["dict", "table", "batch", "polars", "pandas", "list", "fetched", "reader"],
)
def test_rows_come_in_any_form(bars, made):
    def fetch(request):
        rows = bars_of(request)
        if made(rows) is not rows:
            rows["ts"] = pd.to_datetime(rows["ts"], utc=True)
        return made(rows)

    report = bars.fill(fetch, START, START + MINUTE, series="A", interval="1s").check()
    assert report.rows == 60
    assert times(bars) == list(range(START, START + MINUTE, SECOND))


@pytest.mark.parametrize("nothing", [{}, [], gapless.Fetched(), {"ts": [], "price": [], "size": []}], ids=str)
def test_no_rows_say_that_there_are_none(bars, nothing):
    report = bars.fill(lambda request: nothing, START, START + MINUTE, series="A", interval="1s")
    assert report.outcomes == {"empty": 1}
    assert [known.state for known in bars.coverage(series="A")] == ["empty"]


def test_none_is_not_taken_for_nothing(bars):
    report = bars.fill(lambda request: None, START, START + MINUTE, series="A", interval="1s")
    assert report.outcomes == {"failed": 1} and "returned None" in report.gaps[0].reason
    assert len(bars.gaps(START, START + MINUTE, series="A")) == 1


def test_a_source_says_how_far_it_speaks(bars):
    asked = []

    def fetch(request):
        asked.append(request.start)
        through = min(request.start + 20 * SECOND, request.end)
        rows = {"ts": list(range(request.start, through, SECOND))}
        return gapless.Fetched({**rows, "price": [1.0] * len(rows["ts"]), "size": [1] * len(rows["ts"])}, through=through)

    bars.fill(fetch, START, START + MINUTE, series="A", interval="1s").check()
    assert asked == [START, START + 20 * SECOND, START + 40 * SECOND]


def test_a_source_says_that_rows_may_be_missing(bars):
    report = bars.fill(lambda request: gapless.Fetched(bars_of(request), partial=True), START, START + MINUTE, series="A", interval="1s")
    assert report.outcomes == {"partial": 1} and bars.scan().count() == 60
    assert len(bars.gaps(START, START + MINUTE, series="A")) == 1


def test_async_fetchers_share_one_loop_and_run_at_once(bars):
    loops, running, most = set(), 0, 0

    async def fetch(request):
        nonlocal running, most
        loops.add(id(asyncio.get_running_loop()))
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return bars_of(request)

    report = bars.fill(fetch, START, START + MINUTE, series="A", interval="1s", window="6s", concurrency=5).check()
    assert len(report.gaps) == 10 and len(loops) == 1 and most == 5
    assert times(bars) == list(range(START, START + MINUTE, SECOND))


def test_a_plain_fetcher_may_give_an_awaitable_and_an_object_may_be_one(bars):
    class Source:
        name = "vendor"

        async def __call__(self, request):
            await asyncio.sleep(0)
            return bars_of(request)

    bars.fill(Source(), START, START + MINUTE, series="A", interval="1s").check()
    bars.fill(lambda request: Source()(request), START, START + MINUTE, series="B", interval="1s").check()
    assert [known.source for known in bars.coverage(series="A")] == ["vendor"]


def test_what_may_work_later_is_tried_again(bars):
    attempts = []

    def fetch(request):
        attempts.append(request.attempt)
        if request.attempt < 3:
            raise ConnectionError("the line is down")
        return bars_of(request)

    report = bars.fill(fetch, START, START + MINUTE, series="A", interval="1s", backoff="5ms").check()
    assert attempts == [1, 2, 3] and report.gaps[0].attempts == 3 and report.gaps[0].error is None


def test_what_fails_is_in_the_report_with_what_was_raised(bars):
    def fetch(request):
        if request.series == "B":
            raise KeyError("no such symbol")
        return bars_of(request)

    report = bars.fill(fetch, START, START + MINUTE, series=["A", "B"], interval="1s")
    assert report.outcomes == {"filled": 1, "failed": 1} and not report.is_complete
    (failed,) = report.failed
    assert failed.series == "B" and failed.attempts == 1 and isinstance(failed.error, KeyError)
    with pytest.raises(gapless.BackfillError, match="KeyError") as raised:
        report.check()
    assert raised.value.__cause__ is failed.error and raised.value.report is report
    assert raised.value.__cause__.__traceback__ is not None


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (gapless.FetchError("rate limit", retry_after=0.01), 3),
        (gapless.FetchError("no such symbol", retry=False), 1),
        (OSError("unreachable"), 3),
        (TimeoutError(), 3),
        (RuntimeError("who knows"), 3),
        (TypeError("a bug"), 1),
        (ValueError("a bug"), 1),
        (asyncio.CancelledError(), 1),
    ],
    ids=repr,
)
def test_what_is_tried_again(bars, error, attempts):
    def fetch(request):
        raise error

    report = bars.fill(fetch, START, START + MINUTE, series="A", interval="1s", retries=2, backoff="1ms")
    assert (report.gaps[0].attempts, report.gaps[0].error) == (attempts, error)


def test_rows_that_do_not_belong_are_refused_or_left_out(bars):
    def fetch(request):
        return {"ts": [request.start - SECOND, request.start], "price": [1.0, 2.0], "size": [1, 2]}

    report = bars.fill(fetch, START, START + SECOND, series="A", interval="1s")
    assert report.outcomes == {"failed": 1} and bars.scan().count() == 0
    bars.fill(fetch, START, START + SECOND, series="A", interval="1s", clip=True).check()
    assert times(bars) == [START]


def test_a_column_that_is_missing_is_refused_unless_it_may(bars):
    def fetch(request):
        return {"ts": [request.start], "price": [1.0]}

    assert bars.fill(fetch, START, START + SECOND, series="A", interval="1s").outcomes == {"failed": 1}
    bars.fill(fetch, START, START + SECOND, series="A", interval="1s", missing_columns=True).check()


def test_a_request_that_takes_too_long_is_given_up(bars):
    begun = time.monotonic()
    report = bars.fill(lambda request: time.sleep(30), START, START + MINUTE, series="A", interval="1s", timeout="100ms", retries=0)
    assert time.monotonic() - begun < 10
    assert "no answer" in report.gaps[0].reason


def test_options_are_checked(bars):
    for options, text in [
        ({"order": "best"}, "there are"),
        ({"timeout": 0}, "positive"),
        ({"window": "soon"}, "no length of time"),
    ]:
        with pytest.raises(gapless.InvalidError, match=text):
            bars.fill(bars_of, START, START + MINUTE, series="A", interval="1s", **options)
    with pytest.raises(TypeError, match="unexpected keyword"):
        bars.fill(bars_of, START, START + MINUTE, colour="red")
    with pytest.raises(TypeError, match="callable"):
        bars.fill(7, START, START + MINUTE)


def test_the_newest_comes_first_where_it_is_asked_for(bars):
    asked = []

    def fetch(request):
        asked.append(request.start)
        return bars_of(request)

    bars.fill(fetch, START, START + MINUTE, series="A", interval="1s", window="20s", order="newest").check()
    assert asked == [START + 40 * SECOND, START + 20 * SECOND, START]


class Bar:
    """What tqdm is to who fills it."""

    def __init__(self, total=None, unit="it", unit_scale=False):
        self.total, self.n, self.closed = total, 0, False
        Bar.last = self

    def update(self, n):
        self.n += n

    def close(self):
        self.closed = True


def test_progress_goes_to_a_bar_its_class_or_a_callable(bars):
    bar, told = Bar(), []
    bars.fill(bars_of, START, START + MINUTE, series="A", interval="1s", window="10s", progress=bar)
    assert (bar.n, bar.total, bar.closed) == (6, 6, False)
    bars.fill(bars_of, START, START + MINUTE, series="B", interval="1s", window="10s", progress=Bar)
    assert (Bar.last.n, Bar.last.total, Bar.last.closed) == (6, 6, True)
    bars.fill(bars_of, START, START + MINUTE, series="C", interval="1s", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)
    with pytest.raises(TypeError, match="progress"):
        bars.fill(bars_of, START, START + MINUTE, series="D", interval="1s", progress=7)


def test_what_progress_raises_ends_the_fill(db, bars):
    def stop(done, total):
        raise RuntimeError("enough")

    def fetch(request):
        time.sleep(0.2)
        return bars_of(request)

    with pytest.raises(RuntimeError, match="enough"):
        bars.fill(fetch, START, START + MINUTE, series="A", interval="1s", window="1s", progress=stop)
    assert db.leases() == []
    assert bars.gaps(START, START + MINUTE, series="A", interval="1s")


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_ctrl_c_ends_a_fill_and_leaves_no_lease(db, bars, is_async):
    started = threading.Event()

    def plain(request):
        started.set()
        time.sleep(60)

    async def slow(request):
        started.set()
        await asyncio.sleep(60)

    def interrupt():
        started.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    killer = threading.Thread(target=interrupt)
    killer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bars.fill(slow if is_async else plain, START, START + MINUTE, series=["A", "B", "C"], interval="1s", concurrency=2)
    killer.join()
    assert time.monotonic() - begun < 10
    assert db.leases() == []
    bars.fill(bars_of, START, START + MINUTE, series=["A", "B", "C"], interval="1s").check()


def test_an_exit_in_a_fetcher_ends_the_fill(db, bars):
    def fetch(request):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        bars.fill(fetch, START, START + MINUTE, series=["A", "B"], interval="1s")
    assert db.leases() == []


def test_a_fill_that_was_interrupted_does_not_keep_the_process(path, bars, tmp_path):
    program = f"""
import signal, threading, time, os, gapless
def fetch(request):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    time.sleep(60)
with gapless.open({str(path)!r}) as db:
    try:
        db.table("bars").fill(fetch, {START}, {START + MINUTE}, series="A", interval="1s")
    except KeyboardInterrupt:
        print("interrupted", len(db.leases()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "interrupted 0\n"), done.stderr


def test_two_processes_share_the_gaps(path, bars):
    asked, ready, go = spawn.Queue(), spawn.Queue(), spawn.Event()
    fillers = [spawn.Process(target=workers.fill, args=(str(path), START, START + 5 * MINUTE, asked, ready, go)) for _ in range(2)]
    for filler in fillers:
        filler.start()
    for _ in fillers:
        ready.get(timeout=60)
    go.set()
    ranges = []
    for filler in fillers:
        while filler.is_alive():
            try:
                ranges.append(asked.get(timeout=0.1))
            except queue.Empty:
                pass
        assert filler.exitcode == 0
    while not asked.empty():
        ranges.append(asked.get())
    assert sorted(ranges) == [(at, at + 10 * SECOND) for at in range(START, START + 5 * MINUTE, 10 * SECOND)], "each once"
    assert times(bars) == list(range(START, START + 5 * MINUTE, SECOND))
    assert not bars.gaps(START, START + 5 * MINUTE, series="A", interval="1s")


def test_a_killed_filler_is_taken_over_when_its_lease_is_over(path, db, bars):
    claimed = spawn.Event()
    filler = spawn.Process(target=workers.fill_and_hang, args=(str(path), START, START + MINUTE, claimed))
    filler.start()
    assert claimed.wait(60)
    assert len(db.leases()) == 1
    busy = bars.fill(bars_of, START, START + MINUTE, series="A", interval="1s", wait_for_others=False)
    assert busy.outcomes == {"leased": 1} and bars.scan().count() == 0
    os.kill(filler.pid, signal.SIGKILL)
    filler.join()
    bars.fill(bars_of, START, START + MINUTE, series="A", interval="1s").check()
    assert bars.scan().count() == 60 and db.leases() == []


def test_strategies_are_tried_in_order(db, bars, tmp_path):
    ticks = db.create_table("ticks", TICKS, time="ts", series="sym")
    half = [START + at * SECOND // 2 for at in range(60)]
    ticks.append(
        {"ts": half, "sym": ["A"] * 60, "price": [float(at) for at in range(60)], "size": [2] * 60},
        coverage={"series": "A", "start": START, "end": START + 30 * SECOND},
    )
    file = tmp_path / "more.csv"
    lines = [f"{(START + at * SECOND)},A,7.5,9" for at in range(30, 45)]
    file.write_text("ts,sym,price,size\n" + "\n".join(lines) + "\n")
    made = gapless.Strategy.from_table(ticks, price=("first", "price"), size=("sum", "size"))
    files = gapless.Strategy.files(file, attests="bounds", time="ts", time_unit="ns", series="sym")
    chain = gapless.Strategy.chain(made, files, bars_of)
    bars.fill(chain, START, START + MINUTE, series="A", interval="1s").check()
    rows = bars.scan(series="A").to_arrow().to_pydict()
    assert len(rows["ts"]) == 60
    assert rows["size"][:30] == [4] * 30 and rows["price"][:30] == [float(2 * at) for at in range(30)]
    assert rows["size"][30:45] == [9] * 15 and rows["size"][45:] == [1] * 15
    copy = db.create_table("copy", TICKS, time="ts", series="sym", keep="last")
    copy.fill(gapless.Strategy.live_replay(bars), START, START + MINUTE, series="A", interval="1s").check()
    assert copy.scan().to_arrow() == bars.scan().to_arrow()
    assert repr(chain) == "Strategy.chain(...)"
    with pytest.raises(gapless.InvalidError):
        gapless.Strategy.chain()
    with pytest.raises(gapless.InvalidError, match="there are"):
        gapless.Strategy.files(file, attests="some")


def test_a_reader_does_not_fill(path, bars):
    with gapless.open(path, mode="r") as reader, pytest.raises(gapless.InvalidError, match='rw|writ'):
        reader.table("bars").fill(bars_of, START, START + MINUTE, series="A", interval="1s")
