"""Rows on their way in: frames of polars, pandas and Arrow, and events, as the store wants them.

Each kind says the types of its payload columns, which of them hold nulls, what it covers, and gives itself as Arrow under other names.
Nothing here looks at single rows of a frame.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from .errors import ColumnTypeError
from .ranges import SECOND, SECONDS_MAX, SECONDS_MIN, Range

TIME = "ts"
SERIES = "series"
# The key, which a row does not say again.
KEY_COLUMNS = frozenset(("node_id", "interval"))


class Target(NamedTuple):
    """Where a payload column goes."""

    name: str
    stored: str
    type: str


class Rows(Protocol):
    """Rows of one series."""

    types: dict[str, str | None]
    """Payload columns in their order; ``None`` for one that is null in every row."""
    nullable: set[str]
    """Columns with a null."""

    def __len__(self) -> int: ...

    def spans(self, interval: int) -> list[Range]:
        """Half-open ranges of seconds that the rows cover, each a bar long."""

    def times(self) -> Sequence[int]:
        """The rows' seconds, in their order."""

    def data(self, series: str, targets: list[Target]) -> Any:
        """The rows as Arrow, in stored names and types."""


def rows_of(frame: Any) -> Rows | None:
    """The rows of a frame; ``None`` for no frame and for one without rows.

    Raises ``KeyError`` without a column ``ts``, ``TypeError`` for what is no frame.
    """
    if frame is None:
        return None
    frame = getattr(frame, "frame", frame)
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    if polars is not None and isinstance(frame, polars.DataFrame):
        from .polars_frames import PolarsRows

        return PolarsRows(frame) if frame.height else None
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        from .pandas_frames import ArrowRows, arrow_of

        return ArrowRows(arrow_of(frame)) if len(frame) else None
    if hasattr(frame, "__arrow_c_stream__"):
        import pyarrow

        from .pandas_frames import ArrowRows

        table = pyarrow.table(frame)
        return ArrowRows(table) if table.num_rows else None
    raise TypeError(f"rows are a {type(frame).__name__}: give a frame of polars or pandas, or anything with __arrow_c_stream__")


def check_seconds(first: int, last: int) -> None:
    """Refuses what cannot be seconds."""
    for second in (first, last):
        if not SECONDS_MIN <= second <= SECONDS_MAX:
            raise ValueError(
                f"ts {second} is beyond the year 2262: ts is in seconds since the epoch; divide milliseconds by 1000. Nothing was written"
            )


def no_payload_type(column: str, found: object) -> ColumnTypeError:
    return ColumnTypeError(
        f"column {column!r} is {found}: numbers, booleans, text, bytes, times and lists of numbers are stored. Turn it into one "
        "of them, JSON text for example, or leave it out. Nothing was written"
    )


class EventRows:
    """Events of one series as rows: one for each (second, values), with the types of Python's values."""

    def __init__(self, events: list[tuple[int, dict[str, Any]]]) -> None:
        from .column_types import wider

        check_seconds(min(ts for ts, _ in events), max(ts for ts, _ in events))
        self._events = events
        self.types = {}
        self.nullable = set()
        for _, values in events:
            for name, value in values.items():
                found, known = type_of(value), self.types.setdefault(name, None)
                both = wider(known, found) if known and found else known or found
                if known and found and both is None:
                    raise no_payload_type(name, f"{known} in one event and {found} in the next")
                self.types[name] = both
        for name in self.types:
            if any(values.get(name) is None for _, values in events):
                self.nullable.add(name)

    types: dict[str, str | None]
    nullable: set[str]

    def __len__(self) -> int:
        return len(self._events)

    def spans(self, interval: int) -> list[Range]:
        return [(ts, ts + interval) for ts in sorted(set(self.times()))]

    def times(self) -> Sequence[int]:
        return [ts for ts, _ in self._events]

    def data(self, series: str, targets: list[Target]) -> Any:
        columns: dict[str, Any] = {TIME: [ts * SECOND for ts, _ in self._events], SERIES: [series] * len(self._events)}
        for name, stored, type_ in targets:
            values = [values.get(name) for _, values in self._events]
            if type_.startswith("float"):
                values = [None if value is None else float(value) for value in values]
            columns[stored] = values
        return columns


def type_of(value: Any) -> str | None:
    """The column type of a value of an event, after :func:`gapless.qmtl.payload.plain`."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if -(2**63) <= value < 2**63 else "uint64" if 0 <= value < 2**64 else "float64"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, datetime.datetime):
        return "timestamp[us, UTC]"
    if isinstance(value, list):
        return "list<float64>"
    return "binary" if isinstance(value, bytes) else "utf8"
