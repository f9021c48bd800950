"""Which series there are, and how each is stored: rows of the table ``qmtl``, which are only ever added.

A series lies in the table of its interval, its duplicate policy and the columns that it began with, so that thousands of nodes with bars
of one kind share one table. A column that comes later, or widens, is added to that table for this series alone: the others do not
see it. Changes are made under a lease, one process at a time.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gapless import ConflictError, Database, LeaseError, LockedError, NotFoundError, Table

from .frames import Frames
from .keys import SeriesKey
from .ranges import SECOND
from .rows import SERIES, TIME
from .series import Column, Series

TABLE = "qmtl"
_SCHEMA = {
    TIME: "timestamp[ns, UTC]", "node_id": "symbol", "interval": "int64", "table": "utf8", "symbol": "utf8", "keep": "utf8",
    "column": "utf8", "stored": "utf8", "type": "utf8", "nullable": "bool",
}  # fmt: skip
_LEASE_TTL_MS = 10_000
_LEASE_PATIENCE_SECONDS = 30.0


class Catalog:
    """The series of a database. Any number of threads may use it."""

    def __init__(self, database: Database, frames: Frames, *, is_writable: bool) -> None:
        self._database = database
        self._frames = frames
        self._is_writable = is_writable
        self._known: dict[SeriesKey, Series] = {}
        self._tables: dict[str, Table] = {}
        self._lock = threading.RLock()

    @property
    def table(self) -> Table | None:
        """The table ``qmtl``; ``None`` in a database that is read only and has none yet."""
        return self._table(TABLE) or (self._create_own() if self._is_writable else None)

    def table_of(self, series: Series) -> Table:
        """The table that a series lies in."""
        table = self._table(series.table)
        if table is None:
            raise NotFoundError(f"the table {series.table!r} of a series in the catalog is gone: it was dropped")
        return table

    def find(self, key: SeriesKey) -> Series | None:
        """The series as it is now; ``None`` for one without rows so far."""
        table = self.table
        if table is None:
            return None
        known = self._known.get(key)
        scan = table.scan(series=key.node_id, order="stored", columns=["interval"])
        # Rows are only ever added: as many as before are the same.
        if known is not None and scan.count() == known.entries:
            return known
        return self._load(table, key)

    def keys(self) -> list[SeriesKey]:
        """All series, sorted."""
        if self.table is None:
            return []
        rows = self._frames.dicts(self.table.scan(columns=["node_id", "interval"]))
        return sorted({SeriesKey(row["node_id"], row["interval"]) for row in rows})

    def prepare(self, key: SeriesKey, types: dict[str, str | None], nullable: set[str], keep: str | None) -> Series:
        """The series, made ready for rows with these columns; ``keep`` is that of a new one, ``None`` for "last".

        Raises ``ValueError`` when it has another ``keep``, :class:`ColumnTypeError`.
        """
        series = self.find(key)
        if series is not None and _check_keep(key, series, keep).takes(types, nullable):
            return series
        with self._lock, self.exclusive(key):
            series = self.find(key)
            if series is None:
                series = self._new(key, types, keep or "last")
            elif _check_keep(key, series, keep).takes(types, nullable):
                return series
            self._extend(key, series, types, nullable)
            made = self.find(key)
            assert made is not None, "what was just committed is there"
            return made

    def alias(self, key: SeriesKey, of: SeriesKey) -> None:
        """Makes ``key`` another name of a series: rows written to either are those of both. Nothing is copied.

        Raises :class:`NotFoundError` when there is no such series, :class:`ConflictError` when ``key`` is one itself.
        """
        series = self.find(of)
        if series is None:
            raise NotFoundError(f"there is no series {of.node_id!r} at {of.interval} s")
        with self._lock, self.exclusive(key):
            if self.find(key) is not None:
                raise ConflictError(f"{key.node_id!r} at {key.interval} s is a series of its own already")
            self._add(key, series, list(series.columns.values()))

    @contextmanager
    def exclusive(self, key: SeriesKey) -> Iterator[None]:
        """Keeps other processes from changing how a series is stored.

        Raises :class:`LockedError` when another does not end.
        """
        table = self.table
        assert table is not None, "only what is writable is changed"
        deadline = time.monotonic() + _LEASE_PATIENCE_SECONDS
        while True:
            try:
                lease = table.claim(0, 1, series=key.node_id, interval=key.interval * SECOND, ttl_ms=_LEASE_TTL_MS, world="columns")
                break
            except LeaseError as error:
                if time.monotonic() > deadline:
                    raise LockedError(f"somebody else changes the columns of {key.node_id!r}, and does not end: {error}") from None
            time.sleep(0.005)
        try:
            yield
        finally:
            lease.complete()

    def _table(self, name: str) -> Table | None:
        table = self._tables.get(name)
        if table is None:
            try:
                table = self._tables[name] = self._database.table(name)
            except NotFoundError:
                return None
        return table

    def _create_own(self) -> Table:
        try:
            self._database.create_table(TABLE, _SCHEMA, time=TIME, series="node_id", partition="year")
        except ConflictError:
            # Another process was first.
            pass
        self._tables[TABLE] = self._database.table(TABLE)
        return self._tables[TABLE]

    def _load(self, table: Table, key: SeriesKey) -> Series | None:
        entries = self._frames.dicts(table.scan(series=key.node_id))
        rows = [row for row in entries if row["interval"] == key.interval]
        if not rows:
            return None
        columns: dict[str, Column] = {}
        for row in rows:
            if row["column"] is not None:
                columns[row["column"]] = _with(columns.get(row["column"]), row)
        series = Series(rows[0]["table"], rows[0]["symbol"], rows[0]["keep"], columns, len(entries))
        self._known[key] = series
        return series

    def _new(self, key: SeriesKey, types: dict[str, str | None], keep: str) -> Series:
        name = _table_name(key.interval, keep, types)
        if self._table(name) is None:
            columns = {column: type_ for column, type_ in types.items() if type_ and column != SERIES}
            schema = {TIME: "timestamp[ns, UTC]", SERIES: "symbol", **columns}
            stored: Any = "first" if keep == "raise" else keep
            try:
                self._database.create_table(
                    name, schema, time=TIME, series=SERIES, partition=_partition(key.interval), keep=stored
                )
            except ConflictError:
                # Another process was first: it has the same columns, for they are in its name.
                pass
        return Series(name, key.node_id, keep, {}, 0)

    def _extend(self, key: SeriesKey, series: Series, types: dict[str, str | None], nullable: set[str]) -> None:
        is_new = not series.columns
        changed = []
        for name, found in types.items():
            column = series.columns.get(name) or Column(name)
            type_ = column.type_with(found)
            # What comes later is null in the rows before.
            is_nullable = column.nullable or name in nullable or found is None or not (is_new or name in series.columns)
            pieces = column.pieces
            if type_ is not None and type_ != column.type:
                pieces = [*pieces, (self._stored(series, name, type_), type_)]
            if name not in series.columns or pieces != column.pieces or is_nullable != column.nullable:
                changed.append(Column(name, pieces, is_nullable))
        absent = [column for name, column in series.columns.items() if name not in types and not column.nullable]
        changed += [Column(column.name, column.pieces, True) for column in absent]
        self._add(key, series, changed)

    def _stored(self, series: Series, name: str, type_: str) -> str:
        """The stored column for values of a type, made if it is not there. One of the same name and another type is another series'."""
        taken = {stored for column in series.columns.values() for stored, _ in column.pieces}
        table = self.table_of(series)
        for stored in (name, f"{name}:{type_}", f"{name}:{type_}:{hashlib.sha256(name.encode()).hexdigest()[:8]}"):
            if stored in taken or stored in (TIME, SERIES):
                continue
            if stored not in table.schema:
                try:
                    table.add_column(stored, type_)
                except ConflictError:
                    # Another process was first, perhaps with another type.
                    pass
            if table.schema[stored] == type_:
                return stored
        raise ConflictError(f"no column of the table {series.table!r} is free for {name!r} as {type_}")

    def _add(self, key: SeriesKey, series: Series, columns: list[Column]) -> None:
        nowhere: list[Any] = [(None, None)]
        rows: list[tuple[Any, ...]] = [(column.name, *piece, column.nullable) for column in columns for piece in column.pieces or nowhere]
        # A series without payload has an entry too.
        rows = rows or [(None, None, None, None)]
        names, stored, types, nullable = zip(*rows, strict=True)
        count = len(rows)
        table = self.table
        assert table is not None, "only what is writable is changed"
        table.append(
            {
                TIME: [0] * count, "node_id": [key.node_id] * count, "interval": [key.interval] * count, "table": [series.table] * count,
                "symbol": [series.symbol] * count, "keep": [series.keep] * count, "column": list(names), "stored": list(stored),
                "type": list(types), "nullable": list(nullable),
            }
        )  # fmt: skip


def _with(column: Column | None, row: dict[str, Any]) -> Column:
    pieces = list(column.pieces) if column else []
    piece = (row["stored"], row["type"])
    if row["stored"] is not None and piece not in pieces:
        pieces.append(piece)
    return Column(row["column"], pieces, bool(row["nullable"]) or (column is not None and column.nullable))


def _check_keep(key: SeriesKey, series: Series, keep: str | None) -> Series:
    if keep is not None and keep != series.keep:
        raise ValueError(
            f"series {key.node_id!r} at {key.interval} s keeps {series.keep!r} of rows with one time since its first row, and this handle "
            f"says keep={keep!r}: open it with keep={series.keep!r}, or without keep. Nothing was written"
        )
    return series


def _table_name(interval: int, keep: str, types: dict[str, str | None]) -> str:
    columns = "\n".join(sorted(f"{name}\t{type_}" for name, type_ in types.items() if type_))
    return f"qmtl_{interval}s_{keep}_{hashlib.sha256(columns.encode()).hexdigest()[:8]}"


def _partition(interval: int) -> Any:
    """So that a partition holds some hundred bars of a series at least."""
    return "day" if interval <= 300 else "month" if interval <= 21_600 else "year"
