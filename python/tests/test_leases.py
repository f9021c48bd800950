"""Leases: one worker on a range, whichever process it is in."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import gapless
import pytest
import workers
from samples import SECOND, START, TICKS

MINUTE = 60 * SECOND
spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def bars(db):
    return db.create_table("bars", TICKS, time="ts", series="sym")


def test_a_lease_is_claimed_renewed_and_completed(db, bars):
    before = time.time_ns()
    lease = bars.claim(START, START + MINUTE, series="node:1", interval="1m", ttl_ms=30_000, holder="worker-1", world="w", as_of=START, batch="b")
    assert (lease.series, lease.interval, lease.start, lease.end) == ("node:1", MINUTE, START, START + MINUTE)
    assert (lease.holder, lease.world, lease.as_of, lease.batch, lease.completion_ratio) == ("worker-1", "w", START, "b", 0.0)
    assert lease.key == f"node%3A1:60:{START // SECOND}:{START // SECOND + 60}:w:{START // SECOND}"
    assert lease.expires_at - lease.claimed_at == 30 * SECOND and lease.claimed_at >= before
    (held,) = db.leases()
    assert (held.epoch, held.key) == (lease.epoch, lease.key)
    lease.renew(60_000, completion_ratio=0.25)
    assert lease.completion_ratio == 0.25 and lease.expires_at - lease.claimed_at >= 60 * SECOND
    lease.complete()
    assert db.leases() == []
    with pytest.raises(gapless.LeaseError):
        lease.complete()
    assert bars.claim(START, START + MINUTE, series="node:1").epoch > lease.epoch


def test_a_range_has_one_lease(bars):
    lease = bars.claim(START, START + MINUTE, series="A", interval="1s", holder="first")
    with pytest.raises(gapless.LeaseError, match="first") as refused:
        bars.claim(START + 30 * SECOND, START + 2 * MINUTE, series="A", interval="1m", holder="second")
    assert refused.value.lease.epoch == lease.epoch and refused.value.lease.holder == "first"
    bars.claim(START + MINUTE, START + 2 * MINUTE, series="A", interval="1s")
    bars.claim(START, START + MINUTE, series="B", interval="1s")
    bars.claim(START, START + MINUTE, series="A", interval="1s", world="other")
    lease.fail("gave up")
    bars.claim(START, START + MINUTE, series="A", interval="1s")


def test_one_that_has_expired_is_taken_over_and_cannot_end_it_any_more(db, bars):
    old = bars.claim(START, START + MINUTE, series="A", ttl_ms=1)
    time.sleep(0.01)
    new = bars.claim(START, START + MINUTE, series="A")
    assert new.epoch > old.epoch
    for use in (old.complete, old.fail, lambda: old.renew(1000)):
        with pytest.raises(gapless.LeaseError):
            use()
    assert [lease.epoch for lease in db.leases()] == [new.epoch]


def test_leases_are_recovered_and_released_by_hand(db, bars):
    bars.claim(START, START + MINUTE, series="A", ttl_ms=1)
    kept = bars.claim(START, START + MINUTE, series="B")
    time.sleep(0.01)
    assert [lease.series for lease in db.recover_leases()] == ["A"]
    assert db.release_lease(kept.epoch).series == "B"
    assert db.leases() == []
    with pytest.raises(gapless.NotFoundError):
        db.release_lease(kept.epoch)


def test_what_cannot_be_claimed_is_refused(bars):
    for ask in (
        lambda: bars.claim(START, START, series="A"),
        lambda: bars.claim(START, START + 1, series="A", holder=""),
        lambda: bars.claim(START, START + 1, series="A", ttl_ms=0),
        lambda: bars.claim(START, START + 1, series="A").renew(1000, completion_ratio=1.5),
    ):
        with pytest.raises(gapless.InvalidError):
            ask()


def test_a_killed_worker_keeps_a_range_until_its_lease_is_over(path, db, bars):
    claimed = spawn.Event()
    worker = spawn.Process(target=workers.hold_lease, args=(str(path), START, START + MINUTE, claimed))
    worker.start()
    assert claimed.wait(60)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    with pytest.raises(gapless.LeaseError) as refused:
        bars.claim(START, START + MINUTE, series="A", interval="1s")
    time.sleep(max(0.0, (refused.value.lease.expires_at - time.time_ns()) / 1e9) + 0.05)
    bars.claim(START, START + MINUTE, series="A", interval="1s").complete()
    assert db.leases() == []


def test_a_killed_session_leaves_a_gap_after_its_watermark(path, bars):
    ready = spawn.Event()
    worker = spawn.Process(target=workers.session_and_hang, args=(str(path), START, ready))
    worker.start()
    assert ready.wait(60)
    assert [known.state for known in bars.coverage(series="A")] == ["live"]
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert [gap.start for gap in bars.gaps(START, START + MINUTE, series="A")] == [START + 10 * SECOND]
