"""Frames of polars, in and out. Nothing is copied but the times, which are seconds here and nanoseconds there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from .ranges import SECOND, Range
from .rows import KEY_COLUMNS, SERIES, TIME, Target, check_seconds, no_payload_type
from .series import Column, Series

_NAMES: dict[Any, str] = {
    pl.Int8: "int8", pl.Int16: "int16", pl.Int32: "int32", pl.Int64: "int64",
    pl.UInt8: "uint8", pl.UInt16: "uint16", pl.UInt32: "uint32", pl.UInt64: "uint64",
    pl.Float32: "float32", pl.Float64: "float64", pl.Boolean: "bool", pl.String: "utf8", pl.Binary: "binary",
    pl.Date: "date32", pl.Time: "time64[ns]", pl.Categorical: "symbol", pl.Enum: "symbol",
}  # fmt: skip
_NUMBERS = {name: dtype for dtype, name in _NAMES.items() if name[-1].isdigit() and "int" in name or "float" in name}
_TEXT = {"utf8": pl.String, "symbol": pl.Categorical}
_STORED_TIME = pl.Datetime("ns", "UTC")


class PolarsRows:
    """Rows of a frame that has some."""

    def __init__(self, frame: pl.DataFrame) -> None:
        if TIME not in frame.columns:
            raise KeyError(TIME)
        self._frame = frame
        self._times = _seconds(frame.get_column(TIME))
        payload = [column for column in frame.get_columns() if column.name != TIME and column.name not in KEY_COLUMNS]
        self.types = {column.name: _type(column) for column in payload}
        self.nullable = {column.name for column in payload if column.null_count()}

    types: dict[str, str | None]
    nullable: set[str]

    def __len__(self) -> int:
        return self._frame.height

    def spans(self, interval: int) -> list[Range]:
        times = self._times if self._times.is_sorted() else self._times.sort()
        breaks = (times.diff() > interval).fill_null(True).arg_true()
        starts = times.gather(breaks).to_list()
        lasts = [*times.gather(breaks[1:] - 1).to_list(), times[-1]]
        return [(start, last + interval) for start, last in zip(starts, lasts, strict=True)]

    def times(self) -> Sequence[int]:
        return self._times.to_list()

    def data(self, series: str, targets: list[Target]) -> Any:
        columns = [(self._times * SECOND).cast(_STORED_TIME).alias(TIME)]
        for name, stored, type_ in targets:
            column = self._frame.get_column(name)
            dtype = _NUMBERS.get(type_) or _TEXT.get(type_)
            if dtype is not None and column.dtype != dtype and self.types[name] != type_:
                column = column.cast(dtype)
            columns.append(column.alias(stored))
        frame = pl.DataFrame(columns)
        return frame.with_columns(pl.lit(series).alias(SERIES))


def _seconds(column: pl.Series) -> pl.Series:
    if column.null_count():
        raise ValueError(f"ts is null in {column.null_count()} rows: each row needs its second. Nothing was written")
    if column.dtype.is_float():
        if not bool((column == column.floor()).all()):
            raise ValueError("ts has fractions of seconds: give whole seconds since the epoch. Nothing was written")
    elif not column.dtype.is_integer():
        raise TypeError(f"ts is {column.dtype}: give whole seconds since the epoch as integers. Nothing was written")
    times = column.cast(pl.Int64)
    check_seconds(times.min(), times.max())
    return times


def _type(column: pl.Series) -> str | None:
    dtype = column.dtype
    if name := _NAMES.get(type(dtype)):
        return name
    match dtype:
        case pl.Null():
            return None
        case pl.Datetime():
            zone = f", {dtype.time_zone}" if dtype.time_zone else ""
            return f"timestamp[{dtype.time_unit}{zone}]"
        case pl.Duration():
            return f"duration[{dtype.time_unit}]"
        case pl.Decimal():
            return f"decimal128({dtype.precision or 38}, {dtype.scale})"
        case pl.List() if _NAMES.get(type(dtype.inner)) in _NUMBERS:
            return f"list<{_NAMES[type(dtype.inner)]}>"
        case pl.Array() if _NAMES.get(type(dtype.inner)) in _NUMBERS:
            return f"fixed_size_list<{_NAMES[type(dtype.inner)]}>[{dtype.size}]"
    raise no_payload_type(column.name, dtype)


class PolarsFrames:
    """Answers in frames of polars."""

    name = "polars"

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema={TIME: pl.Int64})

    def read(self, scan: Any, series: Series) -> pl.DataFrame:
        """The rows of a scan of :meth:`Series.stored_columns`, in the series' own names."""
        frame = scan.to_polars()
        seconds = (frame.to_series(0).to_physical() // SECOND).alias(TIME)
        if series.is_plain:
            frame.replace_column(0, seconds)
            frame.columns = series.names
            return frame
        columns = [_column(frame, column) for column in series.columns.values()]
        return pl.DataFrame([seconds, *columns])

    def times(self, scan: Any) -> list[int]:
        """The seconds of a scan of the time column."""
        return (scan.to_polars().to_series(0).to_physical() // SECOND).to_list()

    def dicts(self, scan: Any) -> list[dict[str, Any]]:
        return scan.to_polars().to_dicts()

    def records(self, frame: pl.DataFrame) -> list[dict[str, Any]]:
        return frame.to_dicts()


def _column(frame: pl.DataFrame, column: Column) -> pl.Series:
    if not column.pieces:
        return pl.Series(column.name, [None] * frame.height, dtype=pl.Null)
    stored, type_ = column.pieces[-1]
    values = frame.get_column(stored)
    dtype = _NUMBERS.get(type_) or _TEXT.get(type_)
    if dtype is not None:
        values = values.cast(dtype)
    for older, _ in reversed(column.pieces[:-1]):
        # A row has its value in one of the pieces.
        values = values.zip_with(values.is_not_null(), frame.get_column(older).cast(values.dtype))
    return values.alias(column.name)
