"""The rows and the coverage of QMTL's series in a database.

Rows and what they cover are one commit, durable when it returns. Nothing here belongs to an event loop; any number of threads, handles and
processes may work on one directory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any, Literal

import gapless

from .catalog import TABLE, Catalog
from .errors import DuplicateRowsError
from .frames import Frames, FramesOption, frames
from .keys import SeriesKey
from .ranges import SECOND, Range, inclusive, to_ns
from .rows import SERIES, TIME, Rows
from .series import Series

Keep = Literal["last", "first", "raise", "all"]

# States of which a source need not be asked again.
_KNOWN = frozenset(("complete", "live", "empty", "not_applicable", "expired"))
_EMPTY = frozenset(("empty", "not_applicable"))
_NS_MIN, _NS_MAX = -(2**63), 2**63 - 1


class Store:
    """A directory that is opened, or a database that is open already and stays so."""

    def __init__(self, database: str | os.PathLike[str] | gapless.Database, *, mode: Literal["rw", "r"] = "rw", option: FramesOption = "auto"):
        self.frames: Frames = frames(option)
        self._is_own = not isinstance(database, gapless.Database)
        self.database = gapless.open(database, mode=mode) if not isinstance(database, gapless.Database) else database
        self.catalog = Catalog(self.database, self.frames, is_writable=mode == "rw")
        self._raise_lock = threading.Lock()

    def close(self) -> None:
        """Closes the directory; a database that was given stays open."""
        if self._is_own:
            self.database.close()

    def read(self, key: SeriesKey, start: int, end: int) -> Any:
        """Rows with ``start <= ts < end``, by time."""
        series = self.catalog.find(key)
        if series is None:
            return self.frames.empty()
        return self.frames.read(self._scan(series, start, end, series.stored_columns), series)

    def write(self, key: SeriesKey, rows: Rows, *, keep: Keep | None, known: Iterable[Range] | None = None, source: str = "") -> None:
        """Adds rows, and says what they cover: ``known``, half-open ranges of seconds, or else a bar for each row."""
        series = self.catalog.prepare(key, rows.types, rows.nullable, keep)
        spans = list(known) if known is not None else rows.spans(key.interval)
        said = [attestation(series.symbol, key, span, "complete", source) for span in spans]
        if series.keep != "raise":
            self._append(series, rows, said)
            return
        with self._raise_lock, self.catalog.exclusive(key):
            self._check_duplicates(key, series, rows)
            self._append(series, rows, said)

    def attest(self, key: SeriesKey, span: Range, state: str, source: str) -> None:
        """Says of a half-open range of seconds what is known of it, of a series that may have no rows so far."""
        series = self.catalog.find(key)
        table = self.catalog.table_of(series) if series else self.catalog.table
        assert table is not None, "only what is writable is attested"
        said = attestation(series.symbol if series else key.node_id, key, span, state, source)
        table.attest(**said)

    def coverage(self, key: SeriesKey, *, with_empty: bool = True) -> list[Range]:
        """First and last bar of each range that is known, in seconds. From what was attested; of rows that came without, each is a bar."""
        states = _KNOWN if with_empty else _KNOWN - _EMPTY
        series = self.catalog.find(key)
        # While it had no table of its own, that nothing is there was said in the catalog's.
        said = self._said(TABLE, key.node_id, key) if self.catalog.table else []
        if series is not None:
            said += self._said(series.table, series.symbol, key)
        ranges = [(known.start, known.end) for known in said if known.state in states]
        if not said and series is not None:
            times = self.frames.times(self._scan(series, None, None, [TIME]))
            ranges = [(ts * SECOND, (ts + key.interval) * SECOND) for ts in times]
        return inclusive(_finite(ranges), key.interval)

    def _said(self, table: str, symbol: str, key: SeriesKey) -> list[Any]:
        known = self.database.table(table).coverage(series=symbol, interval=key.interval * SECOND)
        return list(known)

    def _append(self, series: Series, rows: Rows, said: list[dict[str, Any]]) -> None:
        table = self.catalog.table_of(series)
        table.append(rows.data(series.symbol, series.targets(rows.types)), coverage=said)

    def _scan(self, series: Series, start: int | None, end: int | None, columns: list[str]) -> Any:
        table = self.catalog.table_of(series)
        first, last = (to_ns(start) if start is not None else None), (to_ns(end) if end is not None else None)
        return table.scan(start=first, end=last, series=series.symbol, columns=columns)

    def _check_duplicates(self, key: SeriesKey, series: Series, rows: Rows) -> None:
        times = rows.times()
        unique = set(times)
        if len(unique) < len(times):
            twice = sorted(ts for ts in unique if list(times).count(ts) > 1) if len(times) < 10_000 else []
            raise DuplicateRowsError(f"{key.node_id!r}: the rows bring {len(times) - len(unique)} times more than once {twice[:5]}")
        stored = self.frames.times(self._scan(series, min(unique), max(unique) + 1, [TIME]))
        if double := sorted(unique.intersection(stored)):
            raise DuplicateRowsError(
                f"{key.node_id!r} at {key.interval} s has rows at {double[:5]} already, {len(double)} in all, and keep is \"raise\". "
                "Nothing was written"
            )


def attestation(symbol: str, key: SeriesKey, span: Range, state: str, source: str) -> dict[str, Any]:
    """What is said of a half-open range of seconds, as ``Table.append`` and ``Table.attest`` take it."""
    return {
        SERIES: symbol,
        "start": to_ns(span[0]),
        "end": to_ns(span[1]),
        "state": state,
        "interval": key.interval * SECOND,
        "source": source,
    }


def _finite(ranges: list[Range]) -> list[Range]:
    """Ranges without those parts that go on for ever: they are cut to what the others span."""
    starts = [start for start, _ in ranges if start > _NS_MIN]
    ends = [end for _, end in ranges if end < _NS_MAX]
    if not starts or not ends:
        return []
    first, last = min(starts), max(ends)
    cut = ((max(start, first), min(end, last)) for start, end in ranges)
    return [(start, end) for start, end in cut if start < end]
