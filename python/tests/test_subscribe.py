"""Following a table: each row once, from anywhere, in this process or another."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time

import gapless
import pytest
import workers
from samples import SECOND, START

spawn = multiprocessing.get_context("spawn")


def row(size: int) -> dict:
    return {"ts": [START + size * SECOND], "sym": ["A"], "price": [1.0], "size": [size]}


def sizes(batch) -> list[int]:
    return batch.column("size").to_pylist()


def test_what_is_stored_comes_first_and_then_what_is_new(filled):
    with filled.subscribe() as new:
        assert sum(batch.num_rows for batch in iter(lambda: new.next(timeout=0.05), None)) == 1200
        filled.append(row(7000))
        assert sizes(next(new)) == [7000]
        assert new.next(timeout=0) is None
        assert new.last_commit > START


@pytest.mark.parametrize("start", [None, 0])
def test_the_beginning_is_where_it_begins(filled, start):
    with filled.subscribe(start, batch_rows=100) as new:
        assert new.next().num_rows <= 100


def test_the_end_is_after_what_is_there(filled):
    with filled.subscribe("end") as new:
        assert new.next(timeout=0) is None
        filled.append(row(1))
        assert sizes(new.next(timeout=5)) == [1]


def test_a_position_is_kept_and_gone_on_from(path, ticks):
    for size in range(3):
        ticks.append(row(size))
    with ticks.subscribe(batch_rows=1) as new:
        first = sizes(next(new))
        position = new.position
    with gapless.open(path, mode="r") as other, other.table("trade").subscribe(position) as later:
        rest = [size for batch in iter(lambda: later.next(timeout=0.1), None) for size in sizes(batch)]
    assert sorted(first + rest) == [0, 1, 2] and len(first) >= 1
    with pytest.raises(gapless.InvalidError):
        ticks.subscribe("nonsense")
    for wrong in (7, 1.5, [], True):
        with pytest.raises(gapless.InvalidError, match="from_"):
            ticks.subscribe(wrong)


def test_closing_ends_who_waits(ticks):
    new = ticks.subscribe()
    threading.Timer(0.2, new.close).start()
    assert list(new) == []
    assert new.next() is None
    new.close()


def test_ctrl_c_ends_who_waits(ticks):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with ticks.subscribe() as new, pytest.raises(KeyboardInterrupt):
        next(new)


def test_a_dropped_table_ends_with_an_error(db, ticks):
    new = ticks.subscribe()
    db.drop_table("trade")
    with pytest.raises(gapless.NotFoundError):
        new.next(timeout=5)


def test_an_event_loop_goes_on_while_it_waits(ticks):
    async def main():
        found, beats = [], 0

        async def follow():
            async for batch in ticks.subscribe():
                found.extend(sizes(batch))
                if len(found) == 5:
                    return

        async def beat():
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.005)

        beating = asyncio.create_task(beat())
        following = asyncio.create_task(follow())
        for size in range(5):
            await asyncio.sleep(0.02)
            ticks.append(row(size))
        await asyncio.wait_for(following, 10)
        beating.cancel()
        assert found == [0, 1, 2, 3, 4] and beats > 10

    asyncio.run(main())


def test_a_cancelled_wait_loses_no_rows(ticks):
    async def main():
        new, found, total = ticks.subscribe(), [], 50

        async def write():
            for size in range(total):
                ticks.append(row(size))
                await asyncio.sleep(0.003)

        writing = asyncio.create_task(write())
        deadline = time.monotonic() + 30
        while len(found) < total and time.monotonic() < deadline:
            try:
                found += sizes(await asyncio.wait_for(anext(new), 0.004))
            except asyncio.TimeoutError:
                pass
        await writing
        new.close()
        assert found == list(range(total))

    asyncio.run(main())


def test_an_async_iteration_ends_when_it_is_closed(ticks):
    async def main():
        new = ticks.subscribe()
        asyncio.get_running_loop().call_later(0.1, new.close)
        return [batch async for batch in new]

    assert asyncio.run(main()) == []


def test_rows_of_writers_in_other_processes_come_once_to_a_reader_in_another(path, ticks):
    found = spawn.Queue()
    reader = spawn.Process(target=workers.follow, args=(str(path), "trade", 200, found))
    writers = [spawn.Process(target=workers.append_rows, args=(str(path), "trade", START, 100)) for _ in range(2)]
    for process in (reader, *writers):
        process.start()
    seen = found.get(timeout=90)
    for process in (reader, *writers):
        process.join()
        assert process.exitcode == 0
    assert sorted(seen) == sorted([*range(100), *range(100)])
    assert ticks.scan().count() == 200


def test_a_killed_writer_loses_nothing_that_it_was_told_is_there(path, ticks):
    writer = spawn.Process(target=workers.append_rows, args=(str(path), "trade", START, 100_000))
    writer.start()
    with ticks.subscribe() as new:
        seen = []
        while len(seen) < 20:
            seen += sizes(new.next(timeout=60))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        while (batch := new.next(timeout=0.5)) is not None:
            seen += sizes(batch)
    assert seen == list(range(len(seen)))
    assert ticks.scan().count() == len(seen)
