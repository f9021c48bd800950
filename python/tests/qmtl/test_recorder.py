"""The event recorder: in a loop, without one, many at once."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
from gapless.qmtl import ColumnTypeError, GaplessBackend, GaplessEventRecorder
from qmtl_sdk import EventRecorderService, Stream

NODE = "blake3:" + "7f" * 32
KEY = {"node_id": NODE, "interval": 60}


def test_a_loop_of_its_own_for_each_event(path: Path) -> None:
    with GaplessEventRecorder(path) as recorder, GaplessBackend(path) as backend:
        service = EventRecorderService(recorder)
        recorder.bind_stream(Stream(NODE))
        for ts in range(0, 300, 60):
            service.record(NODE, 60, ts, {"close": float(ts), "n": ts})
        frame = asyncio.run(backend.read_range(0, 300, **KEY))
        assert frame.to_dict(as_series=False) == {
            "ts": [0, 60, 120, 180, 240],
            "close": [0.0, 60.0, 120.0, 180.0, 240.0],
            "n": [0, 60, 120, 180, 240],
        }
        assert asyncio.run(backend.coverage(**KEY)) == [(0, 240)]


def test_events_at_once_are_all_recorded_and_the_last_of_a_time_counts(path: Path) -> None:
    async def run() -> None:
        with GaplessEventRecorder(path) as recorder:
            service = EventRecorderService(recorder)
            for at in range(300):
                service.record(f"node{at % 3}", 1, at // 6, {"v": at})
            await asyncio.gather(*service.tasks)
            for node in range(3):
                events = await recorder.replay(0, 49, node_id=f"node{node}", interval=1)
                assert events == [(ts, {"v": 6 * ts + 3 + node}) for ts in range(50)]

    asyncio.run(run())


def test_replay_has_an_inclusive_end(path: Path) -> None:
    async def run() -> None:
        with GaplessEventRecorder(path) as recorder:
            for ts in (0, 61, 120):
                await recorder.persist(NODE, 60, ts, {"v": ts})
            assert [ts for ts, _ in await recorder.replay(61, 120, **KEY)] == [61, 120]
            assert await recorder.replay(62, 119, **KEY) == []
            assert await recorder.replay(0, 10, node_id="nobody", interval=60) == []

    asyncio.run(run())


def test_payloads_of_any_shape(path: Path) -> None:
    @dataclasses.dataclass
    class Quote:
        bid: float

    payloads = [
        {"ts": 0, "node_id": NODE, "interval": 60, "a": np.float64(1.5), "b": np.int32(7)},
        {"ts": 99, "a": 2, "book": {"bids": [[1, 2]]}, "levels": [1, 2.5], "names": ["x"]},
        Quote(1.25),
        3.5,
        {"a": None},
        {},
    ]

    async def run() -> list[tuple[int, dict[str, object]]]:
        with GaplessEventRecorder(path) as recorder:
            for at, payload in enumerate(payloads):
                await recorder.persist(NODE, 60, np.int64(at * 60), payload)
            return await recorder.replay(0, 600, **KEY)

    events = [(ts, {name: value for name, value in row.items() if value is not None}) for ts, row in asyncio.run(run())]
    assert events == [
        (0, {"a": 1.5, "b": 7}),
        (60, {"a": 2.0, "payload_ts": 99, "book": '{"bids": [[1, 2]]}', "levels": [1.0, 2.5], "names": '["x"]'}),
        (120, {"bid": 1.25}),
        (180, {"value": 3.5}),
        (240, {}),
        (300, {}),
    ]


def test_an_event_that_cannot_be_stored_does_not_take_others_with_it(path: Path) -> None:
    async def run() -> None:
        with GaplessEventRecorder(path) as recorder:
            await recorder.persist(NODE, 60, 0, {"close": 1.0})
            persists = [recorder.persist(NODE, 60, 60 * at, {"close": "high" if at == 2 else float(at)}) for at in range(1, 5)]
            outcomes = await asyncio.gather(*persists, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [type(None), ColumnTypeError, type(None), type(None)]
            assert [ts for ts, _ in await recorder.replay(0, 600, **KEY)] == [0, 60, 180, 240]

    asyncio.run(run())


def test_trades_of_one_second_are_all_kept(path: Path) -> None:
    async def run() -> None:
        with GaplessEventRecorder(path, keep="all") as recorder:
            await asyncio.gather(*(recorder.persist(NODE, 1, 10, {"price": 1.0, "id": at}) for at in range(20)))
            await asyncio.gather(*(recorder.persist(NODE, 1, 10, {"price": 1.0, "id": at}) for at in range(20, 25)))
            events = await recorder.replay(10, 10, node_id=NODE, interval=1)
            assert [row["id"] for _, row in events] == list(range(25))

    asyncio.run(run())
