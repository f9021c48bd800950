"""The data source of the seamless provider: an inclusive end, joined strictly with what a fetcher brings."""

from __future__ import annotations

import asyncio
import sys
import types

import polars as pl
import pytest
from gapless.qmtl import DataSourcePriority, GaplessBackend, GaplessDataSource
from qmtl_sdk import bars

KEY = {"node_id": "blake3:1", "interval": 60}


def test_the_last_bar_is_there_and_a_store_of_one_bar_has_one_row(backend: GaplessBackend) -> None:
    async def run() -> None:
        source = GaplessDataSource(backend)
        await backend.write_rows(bars(600, 600, 60), **KEY)
        assert (await source.fetch(600, 600, **KEY))["ts"].to_list() == [600]
        await backend.write_rows(bars(660, 900, 60), **KEY)
        ((start, end),) = await source.coverage(**KEY)
        frame = await source.fetch(start, end, **KEY)
        assert frame["ts"].to_list() == [600, 660, 720, 780, 840, 900]
        joined = pl.concat([frame, bars(960, 1020, 60)], how="vertical")
        assert joined.height == 8

    asyncio.run(run())


def test_available_is_what_one_range_contains(backend: GaplessBackend) -> None:
    async def run() -> None:
        source = GaplessDataSource(backend)
        assert not await source.is_available(0, 60, **KEY)
        await backend.write_rows(bars(0, 300, 60), **KEY)
        await backend.write_rows(bars(600, 900, 60), **KEY)
        asked = [(0, 300), (60, 60), (0, 360), (300, 600), (600, 900), (900, 960)]
        assert [await source.is_available(*span, **KEY) for span in asked] == [True, True, False, False, True, False]

    asyncio.run(run())


def test_the_priority_is_the_sdks_where_it_is_loaded(backend: GaplessBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GaplessDataSource(backend).priority is DataSourcePriority.STORAGE
    module = types.ModuleType("qmtl.runtime.sdk.seamless_data_provider")
    module.DataSourcePriority = types.SimpleNamespace(STORAGE="sdk's", CACHE="c")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert GaplessDataSource(backend).priority == "sdk's"
    assert GaplessDataSource(backend, priority="CACHE").priority == "c"
