"""The event recorder: events become history as they come."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

from .backend import Handle
from .keys import SeriesKey
from .payload import values
from .rows import TIME, EventRows

__all__ = ["GaplessEventRecorder"]

_Event = tuple[SeriesKey, int, dict[str, Any], "Future[None]"]


class GaplessEventRecorder(Handle):
    """QMTL's ``EventRecorder`` on a directory; the arguments are those of :class:`GaplessBackend`.

    Events that wait at the same time are one commit for each series, in the order in which they came. Nothing belongs to an event loop:
    ``asyncio.run`` for each event works.
    """

    def __init__(self, path: Any, **options: Any) -> None:
        super().__init__(path, **options)
        self._waiting: deque[_Event] = deque()
        self._writer = threading.Lock()

    async def persist(self, node_id: str, interval: int, timestamp: int, payload: Any) -> None:
        """Adds an event, durable when this returns.

        ``payload`` is a mapping or dataclass of columns; anything else is the column ``value``. What is nested is kept as JSON text.

        Raises ``ValueError`` or ``TypeError`` for what cannot be stored: this event was not recorded then, others are not touched.
        """
        ts = int(timestamp)
        done: Future[None] = Future()
        self._waiting.append((self.key_of(node_id, interval), ts, values(payload, ts), done))
        await asyncio.to_thread(self._write_waiting)
        done.result()

    async def replay(self, start: int, end: int, *, node_id: str, interval: int) -> list[tuple[int, dict[str, Any]]]:
        """(ts, payload) of each event with ``start <= ts <= end``, by ``ts``."""
        frame = self.store.read(self.key_of(node_id, interval), int(start), int(end) + 1)
        return [(row.pop(TIME), row) for row in self.store.frames.records(frame)]

    def _write_waiting(self) -> None:
        with self._writer:
            # What came before this call is written when it returns, by this thread or by the one that was here before.
            events = [self._waiting.popleft() for _ in range(len(self._waiting))]
            by_series: dict[SeriesKey, list[_Event]] = {}
            for event in events:
                by_series.setdefault(event[0], []).append(event)
            for key, together in by_series.items():
                self._write(key, together)

    def _write(self, key: SeriesKey, events: list[_Event]) -> None:
        try:
            self.store.write(key, EventRows([(ts, row) for _, ts, row, _ in events]), keep=self.keep, source="recorder")
        except Exception as error:
            if len(events) == 1:
                events[0][3].set_exception(error)
                return
            # One that cannot be stored must not take the others with it.
            for event in events:
                self._write(key, [event])
            return
        for *_, done in events:
            done.set_result(None)
