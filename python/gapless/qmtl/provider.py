"""The history provider: rows, and filling what is missing, without asking twice for what is known to be empty."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gapless import Lease, LeaseError

from . import events, metrics
from .backend import GaplessBackend
from .clip import clipped
from .keys import LeaseKey, SeriesKey
from .ranges import SECOND, Range, missing, to_ns
from .rows import Rows, rows_of

__all__ = ["AutoBackfillRequest", "GaplessHistoryProvider"]

_LEASE_TTL_MS = 120_000
_PAUSE_MIN_SECONDS, _PAUSE_MAX_SECONDS = 0.01, 0.25


@dataclass(frozen=True)
class AutoBackfillRequest:
    """What a strategy of QMTL is asked for: bars from ``start`` to ``end``, both included."""

    node_id: str
    interval: int
    start: int
    end: int


class GaplessHistoryProvider(GaplessBackend):
    """QMTL's ``HistoryProvider`` on a directory, and its ``HistoryBackend`` at the same time.

    ``fetcher`` is QMTL's ``DataFetcher``: ``await fetcher.fetch(start, end, node_id=..., interval=...)`` gives a frame of the bars from
    ``start`` to ``end``, both included. What it was asked for is known from then on: with no rows, known to be empty. ``auto_backfill`` is a
    strategy of QMTL instead. Bars that ended less than ``settle_seconds`` ago (two intervals unless told otherwise) may still come: with
    no rows they stay missing, and are asked for at most once in ``retry_seconds``. The other arguments are those of
    :class:`GaplessBackend`.

    A range is fetched by one worker at a time, of whatever process: it is leased, and the others wait until it is there.
    """

    def __init__(
        self,
        path: Any,
        *,
        fetcher: Any = None,
        auto_backfill: Any = None,
        settle_seconds: float | None = None,
        retry_seconds: float = 1.0,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._fetcher = fetcher
        self._strategy = auto_backfill
        self._settle_seconds = settle_seconds
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._asked: dict[tuple[SeriesKey, Range], float] = {}
        self._stream_id: str | None = None

    def bind_stream(self, stream: Any) -> None:
        """Tells of a stream, for ``series_key``."""
        super().bind_stream(stream)
        self._stream_id = stream.node_id

    async def fetch(self, start: int, end: int, *, node_id: str, interval: int) -> Any:
        """Rows with ``start <= ts < end``; what is missing of them is filled first, where there is a fetcher or strategy."""
        key = self.key_of(node_id, interval)
        if end - key.interval >= start:
            await self.ensure_range(start, end - key.interval, node_id=node_id, interval=interval)
        return await self.read_range(start, end, node_id=node_id, interval=interval)

    async def ensure_range(self, start: int, end: int, *, node_id: str, interval: int) -> None:
        """Fills what is missing of the bars from ``start`` to ``end``, both included. Without fetcher and strategy nothing happens."""
        if start > end or (self._fetcher is None and self._strategy is None):
            return
        key = self.key_of(node_id, interval)
        if self._strategy is not None:
            await self._run_strategy(key, node_id, int(start), int(end))
        else:
            await self._fill(key, node_id, int(start), int(end))

    async def fill_missing(self, start: int, end: int, *, node_id: str, interval: int) -> None:
        """As ``ensure_range``; raises ``RuntimeError`` without fetcher and strategy."""
        if start > end:
            return
        if self._fetcher is None and self._strategy is None:
            raise RuntimeError("Auto backfill strategy not configured")
        await self.ensure_range(start, end, node_id=node_id, interval=interval)

    async def _run_strategy(self, key: SeriesKey, node_id: str, start: int, end: int) -> None:
        for gap in missing(self.store.coverage(key), start, end, key.interval):
            await self._wait_for_turn(key, gap)
        request = AutoBackfillRequest(node_id, key.interval, start, end)
        known = self.store.coverage(key)
        await self._strategy.ensure_range(request, self, coverage_cache=known)
        for gap in missing(self.store.coverage(key), start, end, key.interval):
            self._asked[key, gap] = time.monotonic()

    async def _fill(self, key: SeriesKey, node_id: str, start: int, end: int) -> None:
        began = time.monotonic()
        labels = {"strategy": "fetcher", "node_id": node_id, "interval": key.interval}
        metrics.add("history_auto_backfill_requests_total", 1, **labels)
        gaps = missing(self.store.coverage(key), start, end, key.interval)
        metrics.add("history_auto_backfill_missing_ranges_total", len(gaps), **labels)
        for gap in gaps:
            rows = await self._fill_leased(key, node_id, gap)
            metrics.add("history_auto_backfill_rows_total", rows, **labels)
        metrics.observe("history_auto_backfill_duration_ms", (time.monotonic() - began) * 1000, strategy="fetcher")

    async def _fill_leased(self, key: SeriesKey, node_id: str, gap: Range) -> int:
        """Fills a gap that may be somebody else's by now; gives how many rows came."""
        pause, count = _PAUSE_MIN_SECONDS, 0
        while still := missing(self.store.coverage(key), *gap, key.interval):
            lease = self._claim(key, still[0])
            if lease is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX_SECONDS)
                continue
            try:
                # Looked at again under the lease: it may have been filled just before.
                if missing(self.store.coverage(key), *still[0], key.interval) == [still[0]]:
                    count += await self._fill_gap(key, node_id, still[0], lease)
            except BaseException as error:
                _end(lease, str(error) or type(error).__name__)
                raise
            _end(lease, None)
            if (key, still[0]) in self._asked or len(still) == 1:
                break
            gap = (still[1][0], gap[1])
        return count

    async def _fill_gap(self, key: SeriesKey, node_id: str, gap: Range, lease: Lease) -> int:
        await self._wait_for_turn(key, gap)
        fields: dict[str, Any] = {"node_id": node_id, "interval": key.interval, "start": gap[0], "end": gap[1], "source": "fetcher"}
        fields |= {"batch_id": f"{node_id}:{key.interval}:{gap[0]}:{gap[1]}", "attempt": 1}
        events.backfill("attempt", **fields)
        try:
            rows = rows_of(_inside(await self._fetcher.fetch(*gap, node_id=node_id, interval=key.interval), gap))
            lease.renew(_LEASE_TTL_MS)
            await asyncio.to_thread(self._commit, key, gap, rows)
        except Exception as error:
            events.backfill("failed", **fields, error=str(error))
            raise
        events.backfill("succeeded", **fields)
        return len(rows) if rows is not None else 0

    def _commit(self, key: SeriesKey, gap: Range, rows: Rows | None) -> None:
        """Writes what came of a gap, and says of it what is known now."""
        start, through = gap[0], min(gap[1] + key.interval, self._settled(key.interval))
        if rows is not None:
            through = max(through, max(rows.times()) + key.interval)
            self.store.write(key, rows, keep=self.keep, known=[(start, through)], source="fetcher")
        elif through > start:
            self.store.attest(key, (start, through), "empty", "fetcher")
        if through < gap[1] + key.interval:
            self._asked[key, (max(through, start), gap[1])] = time.monotonic()

    def _settled(self, interval: int) -> int:
        """The end of the bars that a source must have by now, if it has them at all."""
        settle = 2 * interval if self._settle_seconds is None else self._settle_seconds
        return int(self._clock() - settle)

    async def _wait_for_turn(self, key: SeriesKey, gap: Range) -> None:
        """Lets ``retry_seconds`` pass between two requests for the same bars: QMTL's warm-up asks without a pause."""
        asked = [at for (of, (start, end)), at in self._asked.items() if of == key and start <= gap[1] and end >= gap[0]]
        if asked:
            await asyncio.sleep(max(0.0, max(asked) + self._retry_seconds - time.monotonic()))
            self._asked = {of: at for of, at in self._asked.items() if at + self._retry_seconds > time.monotonic()}

    def _claim(self, key: SeriesKey, gap: Range) -> Lease | None:
        table = self.store.catalog.table
        assert table is not None, "only what is writable is filled"
        start, end = to_ns(gap[0]), to_ns(gap[1] + 1)
        batch = LeaseKey(key.node_id, key.interval, *gap, "", "").text
        try:
            return table.claim(start, end, series=key.node_id, interval=key.interval * SECOND, ttl_ms=_LEASE_TTL_MS, batch=batch)
        except LeaseError:
            return None


def _end(lease: Lease, failure: str | None) -> None:
    try:
        lease.complete() if failure is None else lease.fail(failure)
    except LeaseError:
        # It was taken over after it had expired: there is nothing to end.
        pass


def _inside(frame: Any, gap: Range) -> Any:
    """The rows of a fetched frame that were asked for."""
    return clipped(getattr(frame, "frame", frame), *gap)
