"""Frames of pandas, in and out, by way of pyarrow. NaN of a NumPy column is a value, not a null."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from .ranges import SECOND, Range
from .rows import KEY_COLUMNS, SERIES, TIME, Target, check_seconds, no_payload_type
from .series import Column, Series

_NAMES = {
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "float": "float32", "double": "float64", "bool": "bool", "binary": "binary", "large_binary": "binary", "binary_view": "binary",
    "string": "utf8", "large_string": "utf8", "string_view": "utf8", "date32[day]": "date32", "time32[s]": "time32[s]",
    "time32[ms]": "time32[ms]", "time64[us]": "time64[us]", "time64[ns]": "time64[ns]",
}  # fmt: skip
_NUMBERS = {
    name: getattr(pa, name)()
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
}
_LIST = re.compile(r"(?:large_)?list<\w+: (\w+)(?: not null)?>")
_FIXED = re.compile(r"fixed_size_list<\w+: (\w+)(?: not null)?>\[(\d+)\]")


def arrow_of(frame: Any) -> pa.Table:
    """A frame of pandas as Arrow, without its index."""
    columns: dict[str, Any] = {}
    for name, column in frame.items():
        try:
            is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb"
            columns[str(name)] = pa.array(column.to_numpy()) if is_plain else pa.array(column, from_pandas=True)
        except pa.ArrowException as error:
            raise no_payload_type(str(name), f"{column.dtype} ({error})") from None
    return pa.table(columns)


class ArrowRows:
    """Rows of a table of pyarrow that has some."""

    def __init__(self, table: pa.Table) -> None:
        if TIME not in table.column_names:
            raise KeyError(TIME)
        self._table = table
        self._times = _seconds(table.column(TIME))
        payload = [name for name in table.column_names if name != TIME and name not in KEY_COLUMNS]
        self.types = {name: _type(name, table.schema.field(name).type) for name in payload}
        self.nullable = {name for name in payload if table.column(name).null_count}

    types: dict[str, str | None]
    nullable: set[str]

    def __len__(self) -> int:
        return self._table.num_rows

    def spans(self, interval: int) -> list[Range]:
        times = np.sort(self._times)
        breaks = np.flatnonzero(np.diff(times) > interval) + 1
        starts, lasts = times[np.r_[0, breaks]].tolist(), times[np.r_[breaks - 1, -1]].tolist()
        return [(start, last + interval) for start, last in zip(starts, lasts, strict=True)]

    def times(self) -> Sequence[int]:
        return self._times.tolist()

    def data(self, series: str, targets: list[Target]) -> Any:
        columns: dict[str, Any] = {TIME: pa.array(self._times * SECOND).cast(pa.timestamp("ns", "UTC"))}
        columns[SERIES] = pa.repeat(series, len(self))
        for name, stored, type_ in targets:
            column = self._table.column(name)
            if self.types[name] != type_:
                column = column.cast(_NUMBERS.get(type_, pa.string()), safe=False)
            columns[stored] = column
        return pa.table(columns)


def _seconds(column: pa.ChunkedArray) -> Any:
    if column.null_count:
        raise ValueError(f"ts is null in {column.null_count} rows: each row needs its second. Nothing was written")
    values = column.to_numpy()
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.floor(values)).all()):
            raise ValueError("ts has fractions of seconds: give whole seconds since the epoch. Nothing was written")
    elif values.dtype.kind not in "iu":
        raise TypeError(f"ts is {column.type}: give whole seconds since the epoch as integers. Nothing was written")
    check_seconds(int(values.min()), int(values.max()))
    return values.astype(np.int64)


def _type(name: str, type_: pa.DataType) -> str | None:
    text = str(type_)
    if known := _NAMES.get(text):
        return known
    if pa.types.is_null(type_):
        return None
    if pa.types.is_dictionary(type_) and _NAMES.get(str(type_.value_type)) == "utf8":
        return "symbol"
    if pa.types.is_timestamp(type_):
        return f"timestamp[{type_.unit}, {type_.tz}]" if type_.tz else f"timestamp[{type_.unit}]"
    if pa.types.is_duration(type_):
        return f"duration[{type_.unit}]"
    if pa.types.is_decimal128(type_):
        return f"decimal128({type_.precision}, {type_.scale})"
    if (found := _LIST.fullmatch(text)) and found[1] in _NAMES:
        return f"list<{_NAMES[found[1]]}>"
    if (found := _FIXED.fullmatch(text)) and found[1] in _NAMES:
        return f"fixed_size_list<{_NAMES[found[1]]}>[{found[2]}]"
    raise no_payload_type(name, text)


class PandasFrames:
    """Answers in frames of pandas. A column that never had a null is NumPy's, one that had is Arrow's, whatever the slice holds."""

    name = "pandas"

    def __init__(self) -> None:
        import pandas

        self._pandas = pandas

    def empty(self) -> Any:
        return self._pandas.DataFrame({TIME: np.array([], dtype=np.int64)})

    def read(self, scan: Any, series: Series) -> Any:
        """The rows of a scan of :meth:`Series.stored_columns`, in the series' own names."""
        table = scan.to_arrow()
        columns: dict[str, Any] = {TIME: _stored_seconds(table)}
        for column in series.columns.values():
            columns[column.name] = self._column(table, column)
        return self._pandas.DataFrame(columns, copy=False)

    def _column(self, table: pa.Table, column: Column) -> Any:
        if not column.pieces:
            return self._pandas.Series([None] * table.num_rows, dtype=object)
        values = _values(table, column)
        is_plain = pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)
        if is_plain and not column.nullable:
            return values.to_numpy()
        if pa.types.is_timestamp(values.type) or (pa.types.is_string(values.type) and not column.nullable):
            return values.to_pandas()
        return self._pandas.Series(self._pandas.arrays.ArrowExtensionArray(values))

    def times(self, scan: Any) -> list[int]:
        """The seconds of a scan of the time column."""
        return _stored_seconds(scan.to_arrow()).tolist()

    def dicts(self, scan: Any) -> list[dict[str, Any]]:
        return scan.to_arrow().to_pylist()

    def records(self, frame: Any) -> list[dict[str, Any]]:
        return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()


def _stored_seconds(table: pa.Table) -> Any:
    return table.column(0).cast(pa.int64()).to_numpy() // SECOND


def _values(table: pa.Table, column: Column) -> pa.ChunkedArray:
    stored, type_ = column.pieces[-1]
    values = table.column(stored)
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    for older, _ in reversed(column.pieces[:-1]):
        # A row has its value in one of the pieces.
        values = pa.compute.coalesce(values, table.column(older).cast(values.type, safe=False))
    return values
