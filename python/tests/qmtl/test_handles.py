"""Several processes on one directory: each sees the others' rows, and shares their work."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import pytest
from gapless.qmtl import GaplessBackend, GaplessCoordinator, GaplessHistoryProvider
from qmtl_sdk import Fetcher, bars

SPAWN = multiprocessing.get_context("spawn")


def write_shapes(path: Path, number: int, nodes: int) -> None:
    """Everybody begins all series, each with a column of its own: the catalog is fought for."""

    async def run() -> None:
        with GaplessBackend(path) as backend:
            for node in range(nodes):
                columns = {"close": float, f"from{number}": int}
                await backend.write_rows(bars(number * 600, number * 600 + 540, 60, **columns), node_id=f"n{node}", interval=60)

    asyncio.run(run())


def fill(path: Path, number: int, asked: object) -> None:
    async def run() -> None:
        fetcher = Fetcher(pause=0.2)
        with GaplessHistoryProvider(path, fetcher=fetcher) as provider:
            frame = await provider.fetch(0, 6_000, node_id="shared", interval=60)
            assert frame.height == 100
        asked.put(fetcher.asked)  # type: ignore[attr-defined]

    asyncio.run(run())


def claim(path: Path, number: int, granted: object) -> None:
    with GaplessCoordinator(path) as coordinator:
        lease = coordinator.claim_now("k:60:0:60::", 60_000)
        granted.put(lease is not None)  # type: ignore[attr-defined]


def run_all(target: object, path: Path, argument: object) -> None:
    workers = [SPAWN.Process(target=target, args=(path, number, argument)) for number in range(3)]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]


def test_series_that_are_begun_by_all_at_once_are_one_series(path: Path) -> None:
    run_all(write_shapes, path, 5)
    with GaplessBackend(path) as backend:
        for node in range(5):
            frame = asyncio.run(backend.read_range(0, 10_000, node_id=f"n{node}", interval=60))
            assert frame.height == 30 and set(frame.columns) == {"ts", "close", "from0", "from1", "from2"}
            assert frame["close"].to_list() == [float(ts) for ts in range(0, 1800, 60)]
            for number in range(3):
                assert frame[f"from{number}"].drop_nulls().to_list() == list(range(number * 600, number * 600 + 600, 60))
            assert asyncio.run(backend.coverage(node_id=f"n{node}", interval=60)) == [(0, 1740)]


def test_a_range_that_all_want_is_fetched_once(path: Path) -> None:
    asked = SPAWN.Queue()
    run_all(fill, path, asked)
    assert sorted(asked.get(timeout=10) for _ in range(3)) == [[], [], [(0, 5_940)]]


def test_a_key_is_granted_to_one_process(path: Path) -> None:
    granted = SPAWN.Queue()
    run_all(claim, path, granted)
    assert sorted(granted.get(timeout=10) for _ in range(3)) == [False, False, True]


def test_a_handle_that_is_open_sees_what_another_process_writes(path: Path) -> None:
    with GaplessBackend(path) as backend:
        key = {"node_id": "n0", "interval": 60}
        asyncio.run(backend.write_rows(bars(100_000, 100_060, 60), **key))
        worker = SPAWN.Process(target=write_shapes, args=(path, 1, 1))
        worker.start()
        worker.join(60)
        assert worker.exitcode == 0
        frame = asyncio.run(backend.read_range(0, 200_000, **key))
        assert frame.height == 12 and frame.columns == ["ts", "close", "from1"]
        assert asyncio.run(backend.coverage(**key)) == [(600, 1140), (100_000, 100_060)]


if __name__ == "__main__":
    pytest.main([__file__])
