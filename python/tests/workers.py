"""What runs in processes of its own: spawned, since a fork has neither the threads nor the locks of gapless."""

from __future__ import annotations

import time

import gapless

SECOND = 1_000_000_000


def bars_of(request: gapless.FetchRequest) -> dict:
    """A row for each slot that is asked for."""
    times = list(range(request.start, request.end, request.interval or SECOND))
    return {"ts": times, "price": [float(at // SECOND % 1000) for at in times], "size": [1] * len(times)}


def fill(path: str, start: int, end: int, asked, ready, go) -> None:
    """Fills a range of A; each request is counted."""

    def fetch(request: gapless.FetchRequest) -> dict:
        asked.put((request.start, request.end))
        time.sleep(0.02)
        return bars_of(request)

    with gapless.open(path) as db:
        ready.put(1)
        go.wait(30)
        db.table("bars").fill(fetch, start, end, series="A", interval="1s", window="10s", concurrency=2).check()


def fill_and_hang(path: str, start: int, end: int, claimed) -> None:
    """Leases a gap and never comes back."""

    def fetch(request: gapless.FetchRequest) -> dict:
        claimed.set()
        time.sleep(600)
        return bars_of(request)

    with gapless.open(path) as db:
        db.table("bars").fill(fetch, start, end, series="A", interval="1s", lease_ttl_ms=1000)


def hold_lease(path: str, start: int, end: int, claimed) -> None:
    """Has a lease until it is killed."""
    with gapless.open(path) as db:
        db.table("bars").claim(start, end, series="A", interval="1s", ttl_ms=1500, holder="worker")
        claimed.set()
        time.sleep(600)


def append_rows(path: str, table: str, start: int, count: int) -> None:
    """Streams rows one by one."""
    with gapless.open(path) as db:
        rows = db.table(table)
        for at in range(count):
            rows.append({"ts": [start + at * SECOND], "sym": ["A"], "price": [float(at)], "size": [at]})


def follow(path: str, table: str, count: int, found) -> None:
    """Reads rows as they are committed elsewhere."""
    with gapless.open(path, mode="r") as db, db.table(table).subscribe() as new:
        seen: list[int] = []
        until = time.monotonic() + 30
        while len(seen) < count and time.monotonic() < until:
            batch = new.next(timeout=1.0)
            if batch is not None:
                seen += batch.column("size").to_pylist()
        found.put(seen)


def session_and_hang(path: str, start: int, ready) -> None:
    """Follows a source until it is killed."""
    with gapless.open(path) as db:
        session = db.table("bars").session(series="A", start=start, ahead_max=2**62)
        session.heartbeat(start + 10 * SECOND)
        ready.set()
        time.sleep(600)
