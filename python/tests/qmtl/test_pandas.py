"""Frames of pandas: the same semantics, and types that do not depend on the slice."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from gapless.qmtl import ColumnTypeError, GaplessBackend, GaplessHistoryProvider

KEY = {"node_id": "blake3:1", "interval": 60}


def test_round_trip_and_stable_slices(path: Path) -> None:
    frame = pd.DataFrame(
        {
            "ts": [0, 60, 120],
            "close": [1.5, math.nan, -0.0],
            "volume": np.array([1, 2**62 + 1, 3], dtype="int64"),
            "flags": np.array([1, 2, 3], dtype="uint8"),
            "done": [True, False, True],
            "venue": ["a", "b", "c"],
            "maybe": pd.array([1, None, 2**53 + 1], dtype="Int64"),
        }
    )

    async def run() -> None:
        with GaplessBackend(path, frames="pandas") as backend:
            empty = await backend.read_range(0, 60, **KEY)
            assert list(empty.columns) == ["ts"] and len(empty) == 0 and empty["ts"].dtype == np.int64
            await backend.write_rows(frame.iloc[[2, 0, 1]], **KEY)
            whole = await backend.read_range(0, 180, **KEY)
            assert list(whole.columns) == list(frame.columns)
            for name in ("ts", "close", "volume", "flags", "done"):
                assert whole[name].dtype == frame[name].dtype
                assert whole[name].to_numpy().tobytes() == frame[name].to_numpy().tobytes()
            assert whole["venue"].tolist() == ["a", "b", "c"]
            assert whole["maybe"].isna().tolist() == [False, True, False] and int(whole["maybe"][2]) == 2**53 + 1
            for span in ((0, 0), (0, 60), (120, 180), (900, 960)):
                part = await backend.read_range(*span, **KEY)
                assert list(part.dtypes) == list(whole.dtypes), span
            assert await backend.coverage(**KEY) == [(0, 120)]

    asyncio.run(run())


def test_errors_are_the_same(path: Path) -> None:
    async def run() -> None:
        with GaplessBackend(path, frames="pandas") as backend:
            with pytest.raises(KeyError, match="ts"):
                await backend.write_rows(pd.DataFrame({"close": [1.0]}), **KEY)
            await backend.write_rows(pd.DataFrame(), **KEY)
            with pytest.raises(ValueError, match="whole seconds"):
                await backend.write_rows(pd.DataFrame({"ts": [0.5]}), **KEY)
            with pytest.raises(ColumnTypeError, match="'x'"):
                await backend.write_rows(pd.DataFrame({"ts": [0], "x": [object()]}), **KEY)
            await backend.write_rows(pd.DataFrame({"ts": [0.0, 60.0], "x": [1, 2]}), **KEY)
            await backend.write_rows(pd.DataFrame({"ts": [60], "x": [2.5]}), **KEY)
            assert (await backend.read_range(0, 120, **KEY))["x"].tolist() == [1.0, 2.5]
            assert backend.series() == [("blake3:1", 60)]

    asyncio.run(run())


def test_one_handle_takes_both_and_answers_in_one(path: Path) -> None:
    async def run() -> None:
        with GaplessBackend(path) as auto, GaplessBackend(path, frames="pandas") as pandas:
            await auto.write_rows(pd.DataFrame({"ts": [0], "x": [1.0]}), **KEY)
            await pandas.write_rows(pl.DataFrame({"ts": [60], "x": [2.0]}), **KEY)
            assert (await auto.read_range(0, 120, **KEY)).equals(pl.DataFrame({"ts": [0, 60], "x": [1.0, 2.0]}))
            assert (await pandas.read_range(0, 120, **KEY))["x"].tolist() == [1.0, 2.0]

    asyncio.run(run())


def test_a_fetcher_may_speak_pandas(path: Path) -> None:
    class Fetcher:
        async def fetch(self, start: int, end: int, **key: object) -> object:
            times = list(range(start - 60, end + 61, 60))
            return pd.DataFrame({"ts": times, "close": [float(ts) for ts in times]})

    async def run() -> None:
        with GaplessHistoryProvider(path, fetcher=Fetcher(), frames="pandas") as provider:
            frame = await provider.fetch(0, 300, **KEY)
            assert frame["ts"].tolist() == [0, 60, 120, 180, 240]

    asyncio.run(run())
