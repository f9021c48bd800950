"""Small stand-ins for classes of QMTL's SDK, which drive a backend the way the SDK does.

They follow its contract: which calls are made, in which order, with which ends included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

Range = tuple[int, int]


def bars(start: int, end: int, step: int, **columns: Callable[[int], Any]) -> pl.DataFrame:
    """Bars from ``start`` to ``end``, both included; each column is computed from the time."""
    times = list(range(start, end + 1, step))
    columns = columns or {"close": float}
    return pl.DataFrame({"ts": times, **{name: [of(ts) for ts in times] for name, of in columns.items()}})


@dataclass
class Stream:
    """What ``bind_stream`` is given."""

    node_id: str
    tags: dict[str, str] = field(default_factory=dict)


class Fetcher:
    """A ``DataFetcher`` over the bars that a source has; ``asked`` are its calls."""

    def __init__(self, has: Callable[[int], bool] = lambda ts: True, pause: float = 0.0) -> None:
        self.asked: list[Range] = []
        self._has = has
        self._pause = pause

    async def fetch(self, start: int, end: int, *, node_id: str, interval: int) -> pl.DataFrame:
        self.asked.append((start, end))
        await asyncio.sleep(self._pause)
        frame = bars(start, end, interval)
        return frame.filter(pl.Series([self._has(ts) for ts in frame["ts"]], dtype=pl.Boolean))


def merge_coverage(ranges: list[Range], interval: int) -> list[Range]:
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1] + interval:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def missing_ranges(ranges: list[Range], start: int, end: int, interval: int) -> list[Range]:
    gaps, cursor = [], start
    for known_start, known_end in merge_coverage(ranges, interval):
        if known_end < start or known_start > end:
            continue
        if known_start > cursor:
            gaps.append((cursor, min(known_start - interval, end)))
        cursor = max(cursor, known_end + interval)
    return [gap for gap in [*gaps, (cursor, end)] if gap[0] <= gap[1]]


class FetcherBackfillStrategy:
    """Fetches gaps and writes what is not stored yet, having read before each write."""

    def __init__(self, fetcher: Any) -> None:
        self._fetcher = fetcher

    async def ensure_range(self, request: Any, backend: Any, *, coverage_cache: list[Range]) -> list[Range]:
        key = {"node_id": request.node_id, "interval": request.interval}
        known, dropped = list(coverage_cache), False
        for gap in missing_ranges(known, request.start, request.end, request.interval):
            frame = await self._fetcher.fetch(*gap, **key)
            if frame is None or frame.is_empty():
                continue
            frame = frame.with_columns(pl.col("ts").cast(pl.Int64)).sort("ts").filter(pl.col("ts").is_between(*gap))
            stored = await backend.read_range(gap[0], gap[1] + request.interval, **key)
            new = frame
            if not stored.is_empty() and "ts" in stored.columns:
                new = frame.filter(~pl.col("ts").is_in(stored.get_column("ts").to_list()))
            dropped |= new.height < frame.height
            if not new.is_empty():
                await backend.write_rows(new, **key)
                known += [(ts, ts) for ts in new.get_column("ts").to_list()]
        return await backend.coverage(**key) if dropped else merge_coverage(known, request.interval)


class LiveReplayBackfillStrategy:
    """Takes gaps from what a recorder replays."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

    async def ensure_range(self, request: Any, backend: Any, *, coverage_cache: list[Range]) -> list[Range]:
        key = {"node_id": request.node_id, "interval": request.interval}
        for gap in missing_ranges(coverage_cache, request.start, request.end, request.interval):
            events = await self._recorder.replay(*gap, **key)
            if events:
                await backend.write_rows(pl.DataFrame([{"ts": ts, **payload} for ts, payload in events]), **key)
        return await backend.coverage(**key)


class AugmentedHistoryProvider:
    """QMTL's provider over a backend: it caches coverage for its life, and asks for it afresh before each backfill."""

    def __init__(self, backend: Any, *, fetcher: Any = None, auto_backfill: Any = None) -> None:
        self._backend = backend
        self._strategy = auto_backfill or (FetcherBackfillStrategy(fetcher) if fetcher else None)
        self._coverage: dict[Any, list[Range]] = {}
        self._locks: dict[Any, asyncio.Lock] = {}

    def bind_stream(self, stream: Any) -> None:
        if hasattr(self._backend, "bind_stream"):
            self._backend.bind_stream(stream)

    async def fetch(self, start: int, end: int, *, node_id: str, interval: int) -> Any:
        async with self._lock(node_id, interval):
            if end - interval >= start and self._strategy:
                await self._backfill(start, end - interval, node_id, interval)
            return await self._backend.read_range(start, end, node_id=node_id, interval=interval)

    async def coverage(self, *, node_id: str, interval: int) -> list[Range]:
        async with self._lock(node_id, interval):
            key = (node_id, interval)
            if key not in self._coverage:
                self._coverage[key] = await self._backend.coverage(node_id=node_id, interval=interval)
            return list(self._coverage[key])

    async def ensure_range(self, start: int, end: int, *, node_id: str, interval: int) -> None:
        async with self._lock(node_id, interval):
            if start <= end and self._strategy:
                await self._backfill(start, end, node_id, interval)

    async def fill_missing(self, start: int, end: int, *, node_id: str, interval: int) -> None:
        if start > end:
            return
        if not self._strategy:
            raise RuntimeError("Auto backfill strategy not configured")
        await self.ensure_range(start, end, node_id=node_id, interval=interval)

    async def _backfill(self, start: int, end: int, node_id: str, interval: int) -> None:
        request = Request(node_id, interval, start, end)
        known = await self._backend.coverage(node_id=node_id, interval=interval)
        self._coverage[node_id, interval] = await self._strategy.ensure_range(request, self._backend, coverage_cache=known)

    def _lock(self, node_id: str, interval: int) -> asyncio.Lock:
        return self._locks.setdefault((node_id, interval), asyncio.Lock())


@dataclass
class Request:
    node_id: str
    interval: int
    start: int
    end: int


class HistoryWarmupPoller:
    """Waits until a window is there, asking without any pause of its own. Gives how often it asked."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    async def poll(self, start: int, end: int, *, node_id: str, interval: int, timeout: float) -> int:
        key = {"node_id": node_id, "interval": interval}
        deadline, asked = time.monotonic() + timeout, 0
        await self._provider.ensure_range(start, end, **key)
        while time.monotonic() < deadline:
            gaps = missing_ranges(await self._provider.coverage(**key), start, end, interval)
            if not gaps:
                return asked
            for gap in gaps:
                asked += 1
                await self._provider.fill_missing(*gap, **key)
            await asyncio.sleep(0)
        return asked


class EventRecorderService:
    """Records fire and forget in a loop, and with a loop of its own for each event where none runs."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        self.tasks: list[asyncio.Task[None]] = []

    def record(self, node_id: str, interval: int, timestamp: int, payload: Any) -> None:
        persist = self._recorder.persist(node_id, interval, timestamp, payload)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(persist)
            return
        self.tasks.append(loop.create_task(persist))
