"""QMTL's provider over the backend, and gapless's own provider: fetched once, known to be empty, one worker at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import polars as pl
import prometheus_client
import pytest
from gapless.qmtl import GaplessBackend, GaplessEventRecorder, GaplessHistoryProvider
from qmtl_sdk import (
    AugmentedHistoryProvider,
    Fetcher,
    FetcherBackfillStrategy,
    HistoryWarmupPoller,
    LiveReplayBackfillStrategy,
    bars,
)

NODE = "ohlcv:binance:BTC/USDT:1m"
KEY = {"node_id": NODE, "interval": 60}


def test_the_sdks_provider_works_on_an_empty_store_and_fetches_once(backend: GaplessBackend) -> None:
    async def run() -> None:
        fetcher = Fetcher()
        provider = AugmentedHistoryProvider(backend, fetcher=fetcher)
        frame = await provider.fetch(0, 600, **KEY)
        assert frame["ts"].to_list() == list(range(0, 600, 60)) and fetcher.asked == [(0, 540)]
        await provider.fetch(0, 600, **KEY)
        assert fetcher.asked == [(0, 540)] and await provider.coverage(**KEY) == [(0, 540)]

    asyncio.run(run())


def test_the_sdks_strategy_fills_holes_around_what_is_stored(backend: GaplessBackend) -> None:
    async def run() -> None:
        await backend.write_rows(bars(120, 180, 60, close=lambda ts: -1.0), **KEY)
        fetcher = Fetcher()
        provider = AugmentedHistoryProvider(backend, fetcher=fetcher)
        await provider.fill_missing(0, 360, **KEY)
        assert fetcher.asked == [(0, 60), (240, 360)]
        assert await provider.coverage(**KEY) == [(0, 360)]
        closes = (await backend.read_range(0, 420, **KEY))["close"].to_list()
        assert closes == [0.0, 60.0, -1.0, -1.0, 240.0, 300.0, 360.0]

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["sdk", "own"])
def test_without_a_fetcher_ensuring_does_nothing_and_filling_is_an_error(backend: GaplessBackend, kind: str) -> None:
    provider = AugmentedHistoryProvider(backend) if kind == "sdk" else GaplessHistoryProvider(backend)

    async def run() -> None:
        await provider.ensure_range(0, 60, **KEY)
        await provider.fill_missing(60, 0, **KEY)
        with pytest.raises(RuntimeError, match="^Auto backfill strategy not configured$"):
            await provider.fill_missing(0, 60, **KEY)
        assert (await provider.fetch(0, 60, **KEY)).is_empty() and await provider.coverage(**KEY) == []

    asyncio.run(run())


def test_what_a_source_does_not_have_is_asked_for_once_for_ever(path: Path) -> None:
    fetcher = Fetcher(has=lambda ts: ts < 120 or ts > 240)

    async def run(provider: GaplessHistoryProvider) -> None:
        frame = await provider.fetch(0, 600, **KEY)
        assert frame["ts"].to_list() == [0, 60, 300, 360, 420, 480, 540]
        assert await provider.coverage(**KEY) == [(0, 540)]
        await provider.fill_missing(0, 540, **KEY)

    for _ in range(2):
        with GaplessHistoryProvider(path, fetcher=fetcher) as provider:
            asyncio.run(run(provider))
    assert fetcher.asked == [(0, 540)]


@pytest.mark.parametrize("answer", [None, pl.DataFrame(), pl.DataFrame(schema={"ts": pl.Int64})])
def test_a_series_of_which_nothing_ever_came_is_known_to_be_empty(path: Path, answer: pl.DataFrame | None) -> None:
    asked = []

    class Nothing:
        async def fetch(self, start: int, end: int, **key: object) -> pl.DataFrame | None:
            asked.append((start, end))
            return answer

    async def run(provider: GaplessHistoryProvider) -> None:
        assert (await provider.fetch(0, 600, **KEY)).is_empty()
        assert await provider.coverage(**KEY) == [(0, 540)]
        assert await GaplessBackend(provider, known_empty=False).coverage(**KEY) == []

    for _ in range(2):
        with GaplessHistoryProvider(path, fetcher=Nothing()) as provider:
            asyncio.run(run(provider))
    assert asked == [(0, 540)]
    # Rows that come later are there, beside what is known to be empty.
    with GaplessBackend(path) as backend:
        asyncio.run(backend.write_rows(bars(600, 660, 60), **KEY))
        assert asyncio.run(backend.coverage(**KEY)) == [(0, 660)]


def test_warm_up_over_a_source_without_rows_does_not_poll(path: Path) -> None:
    fetcher = Fetcher(has=lambda ts: False)
    with GaplessHistoryProvider(path, fetcher=fetcher) as provider:
        asked = asyncio.run(HistoryWarmupPoller(provider).poll(0, 540, **KEY, timeout=2.0))
    assert asked == 0 and fetcher.asked == [(0, 540)]


def test_bars_that_may_still_come_are_not_empty_and_not_polled(path: Path) -> None:
    now = 1_000_000_000.0
    fetcher = Fetcher(has=lambda ts: ts < now - 100)
    start, end = 999_999_360, 1_000_000_020
    with GaplessHistoryProvider(path, fetcher=fetcher, clock=lambda: now, retry_seconds=0.2) as provider:
        began = time.monotonic()
        asyncio.run(HistoryWarmupPoller(provider).poll(start, end, **KEY, timeout=1.0))
        assert asyncio.run(provider.coverage(**KEY)) == [(start, 999_999_840)]
        took = time.monotonic() - began
    # The first request, and at most one in each 0.2 s.
    assert 2 <= len(fetcher.asked) <= took / 0.2 + 2
    assert fetcher.asked[0] == (start, end) and set(fetcher.asked[1:]) == {(999_999_900, end)}


def test_a_failure_of_the_source_is_the_callers_and_says_nothing_of_the_range(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def fetch(self, start: int, end: int, **key: object) -> pl.DataFrame:
            raise ConnectionError("the source is down")

    caplog.set_level(logging.INFO)
    with GaplessHistoryProvider(path, fetcher=Broken()) as provider:
        with pytest.raises(ConnectionError, match="the source is down"):
            asyncio.run(provider.fill_missing(0, 60, **KEY))
        assert asyncio.run(provider.coverage(**KEY)) == []
        assert provider.store.database.leases() == []
    names = [record.getMessage() for record in caplog.records if record.name == "qmtl.runtime.io.seamless_provider"]
    assert names == ["seamless.backfill.attempt", "seamless.backfill.failed"]
    failed = next(record for record in caplog.records if record.getMessage() == "seamless.backfill.failed")
    assert (failed.batch_id, failed.attempt, failed.source) == (f"{NODE}:60:0:60", 1, "fetcher")  # type: ignore[attr-defined]
    assert "the source is down" in failed.error  # type: ignore[attr-defined]


def test_rows_without_ts_from_a_source_are_a_key_error(path: Path) -> None:
    class NoTs:
        async def fetch(self, start: int, end: int, **key: object) -> pl.DataFrame:
            return pl.DataFrame({"close": [1.0]})

    with GaplessHistoryProvider(path, fetcher=NoTs()) as provider, pytest.raises(KeyError, match="ts"):
        asyncio.run(provider.fill_missing(0, 60, **KEY))


def test_rows_outside_of_what_was_asked_for_are_left_out(path: Path) -> None:
    class Generous:
        async def fetch(self, start: int, end: int, **key: object) -> pl.DataFrame:
            return bars(start - 600, end + 600, 60)

    with GaplessHistoryProvider(path, fetcher=Generous()) as provider:
        asyncio.run(provider.fill_missing(0, 60, **KEY))
        assert asyncio.run(provider.read_range(-10_000, 10_000, **KEY))["ts"].to_list() == [0, 60]


def test_two_providers_that_want_the_same_range_fetch_it_once(path: Path) -> None:
    fetcher = Fetcher(pause=0.1)

    async def run() -> None:
        with GaplessHistoryProvider(path, fetcher=fetcher) as one, GaplessHistoryProvider(path, fetcher=fetcher) as other:
            frames = await asyncio.gather(*(provider.fetch(0, 600, **KEY) for provider in (one, other, one)))
            assert all(frame.height == 10 for frame in frames)

    asyncio.run(run())
    assert fetcher.asked == [(0, 540)]


@pytest.mark.parametrize("strategy", [FetcherBackfillStrategy(Fetcher()), None])
def test_a_strategy_of_the_sdk_is_used_by_our_provider(path: Path, strategy: FetcherBackfillStrategy | None) -> None:
    async def run() -> None:
        with GaplessHistoryProvider(path, auto_backfill=strategy, fetcher=None if strategy else Fetcher()) as provider:
            assert (await provider.fetch(0, 600, **KEY)).height == 10
            assert await provider.coverage(**KEY) == [(0, 540)]

    asyncio.run(run())


def test_live_replay_takes_a_gap_to_its_last_bar(tmp_path: Path) -> None:
    async def run() -> None:
        with GaplessEventRecorder(tmp_path / "live.db") as recorder, GaplessBackend(tmp_path / "history.db") as backend:
            for ts in range(0, 601, 60):
                await recorder.persist(NODE, 60, ts, {"close": float(ts)})
            provider = AugmentedHistoryProvider(backend, auto_backfill=LiveReplayBackfillStrategy(recorder))
            await provider.ensure_range(0, 600, **KEY)
            assert await provider.coverage(**KEY) == [(0, 600)]
            assert (await backend.read_range(600, 601, **KEY)).to_dict(as_series=False) == {"ts": [600], "close": [600.0]}

    asyncio.run(run())


def test_metrics_have_the_names_of_the_sdk(path: Path) -> None:
    def value(name: str, **labels: str) -> float:
        return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0.0

    labels = {"strategy": "fetcher", "node_id": "metrics:node", "interval": "60"}
    with GaplessHistoryProvider(path, fetcher=Fetcher()) as provider:
        asyncio.run(provider.fill_missing(0, 540, node_id="metrics:node", interval=60))
    assert value("history_auto_backfill_requests_total", **labels) == 1
    assert value("history_auto_backfill_missing_ranges_total", **labels) == 1
    assert value("history_auto_backfill_rows_total", **labels) == 10
    assert value("history_auto_backfill_duration_ms_count", strategy="fetcher") >= 1
