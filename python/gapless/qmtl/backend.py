"""The history backend: what QMTL asks for rows and for what is there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

import gapless

from .errors import DuplicateRowsError
from .frames import FramesOption
from .keys import SeriesKey, seconds
from .ranges import Range
from .rows import rows_of
from .store import Keep, Store

__all__ = ["DuplicateRowsError", "GaplessBackend", "SeriesKeyHook"]

SeriesKeyHook = Callable[[Any, int], str]
"""Gives the text under which a series is stored, of a stream that is bound, or else of a node id, and an interval in seconds."""

# Reads of more bars than this are made on a thread, so that they do not hold up the event loop.
_BARS_INLINE_MAX = 200_000


class Handle:
    """What backend, provider, recorder and data source have in common: a store, and the names of its series."""

    def __init__(
        self,
        path: str | os.PathLike[str] | gapless.Database | Handle,
        *,
        keep: Keep | None = None,
        frames: FramesOption = "auto",
        series_key: SeriesKeyHook | None = None,
        mode: Literal["rw", "r"] = "rw",
    ) -> None:
        if keep not in (None, "last", "first", "raise", "all"):
            raise ValueError(f'keep={keep!r}: there are "last", "first", "raise" and "all"')
        shared = path if isinstance(path, Handle) else None
        self.store: Store = shared.store if shared else Store(path, mode=mode, option=frames)  # type: ignore[arg-type]
        self._is_shared = shared is not None
        self.keep: Keep | None = keep if keep is not None or shared is None else shared.keep
        self._series_key: SeriesKeyHook | None = series_key if series_key is not None or shared is None else shared._series_key
        self._streams: dict[str, list[Any]] = {}

    def bind_stream(self, stream: Any) -> None:
        """Tells of a stream, for ``series_key``. Any number may be bound."""
        bound = self._streams.setdefault(stream.node_id, [])
        if not any(known is stream for known in bound):
            bound.append(stream)

    def key_of(self, node_id: str, interval: int | str) -> SeriesKey:
        """The series of a node at an interval.

        Raises ``ValueError`` for an interval that is no whole seconds, and for a node of which streams are bound that have different keys.
        """
        step = seconds(interval)
        if self._series_key is None:
            return SeriesKey(node_id, step)
        keys = {self._series_key(stream, step) for stream in self._streams.get(node_id) or [node_id]}
        if len(keys) > 1:
            raise ValueError(f"streams with the series keys {sorted(keys)} have one node id, {node_id!r}: give each a backend of its own")
        return SeriesKey(keys.pop(), step)

    def close(self) -> None:
        """Closes the directory; what was made from another handle or an open database leaves that open."""
        if not self._is_shared:
            self.store.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.store.database.path!r})"


class GaplessBackend(Handle):
    """QMTL's ``HistoryBackend`` on a directory.

    ``path`` is a directory, which is made if it is not there; an open :class:`gapless.Database`; or another handle of this module, which
    is shared. ``keep`` is what counts of rows with one time: "last" (the default), "first", "raise" (:class:`DuplicateRowsError`), or "all"
    for trades; a series keeps what it began with. ``frames`` is "auto" (polars where it is installed), "polars" or "pandas".
    ``series_key(stream or node_id, interval)`` gives the text to store a series under. ``known_empty=False`` leaves ranges that are known to
    be empty out of ``coverage``. With ``mode="r"`` nothing can be written.
    """

    def __init__(self, path: Any, *, known_empty: bool = True, **options: Any) -> None:
        super().__init__(path, **options)
        self.known_empty = known_empty

    async def read_range(self, start: int, end: int, *, node_id: str, interval: int) -> Any:
        """Rows with ``start <= ts < end``, by ``ts``, in the same columns and types whatever the range. No rows: an empty frame."""
        key = self.key_of(node_id, interval)
        if (end - start) // key.interval > _BARS_INLINE_MAX:
            return await asyncio.to_thread(self.store.read, key, int(start), int(end))
        return self.store.read(key, int(start), int(end))

    async def write_rows(self, rows: Any, *, node_id: str, interval: int) -> None:
        """Adds rows as one commit, durable when this returns, with a bar of coverage for each.

        Raises ``KeyError`` without a column ``ts``, ``ValueError``, ``TypeError``; nothing was written then.
        """
        given = rows_of(rows)
        if given is None:
            return
        key = self.key_of(node_id, interval)
        await asyncio.to_thread(self.store.write, key, given, keep=self.keep, source="write_rows")

    async def coverage(self, *, node_id: str, interval: int) -> list[Range]:
        """First and last bar of each range that is known, in seconds, sorted."""
        return self.store.coverage(self.key_of(node_id, interval), with_empty=self.known_empty)

    def alias(self, node_id: str, *, of: str, interval: int) -> None:
        """Makes ``node_id`` another name of the series ``of``: nothing is copied. For a node whose id has changed."""
        self.store.catalog.alias(SeriesKey(node_id, seconds(interval)), SeriesKey(of, seconds(interval)))

    def series(self) -> list[SeriesKey]:
        """All series, sorted."""
        return self.store.catalog.keys()
