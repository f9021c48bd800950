"""The coordinator, in process and over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from gapless.qmtl import GaplessCoordinator, LeaseServer, lease_key

NODE = "blake3:" + "7f" * 32
WORK = f"{NODE}:60:0:540:world:"


@pytest.fixture
def coordinator(path: Path) -> Iterator[GaplessCoordinator]:
    with GaplessCoordinator(path) as handle:
        yield handle


def test_a_key_is_granted_once_until_it_ends(coordinator: GaplessCoordinator) -> None:
    async def run() -> None:
        lease = await coordinator.claim(WORK, 60_000)
        assert lease is not None and lease.key == WORK
        assert lease.lease_until_ms == pytest.approx(time.time() * 1000 + 60_000, abs=5_000)
        assert await coordinator.claim(WORK, 60_000) is None
        await coordinator.complete(lease)
        again = await coordinator.claim(WORK, 60_000)
        assert again is not None and again.token != lease.token
        await coordinator.fail(again, "the source is down")
        assert await coordinator.claim(WORK, 60_000) is not None
        # Over already: nothing happens.
        await coordinator.complete(lease)
        assert await coordinator.claim(WORK, 60_000) is None

    asyncio.run(run())


def test_keys_do_not_exclude_each_other(coordinator: GaplessCoordinator) -> None:
    keys = [WORK, f"{NODE}:60:540:1080:world:", f"{NODE}:60:0:540:world:2026-01-01T00:00:00Z", f"{NODE}:60:0:540::", "any text", "a:b"]
    assert all(coordinator.claim_now(key, 60_000) for key in keys)
    assert not any(coordinator.claim_now(key, 60_000) for key in keys)


def test_an_expired_lease_is_taken_over_and_its_token_is_worth_nothing(coordinator: GaplessCoordinator) -> None:
    late = coordinator.claim_now(WORK, 30)
    assert late is not None
    time.sleep(0.06)
    taken = coordinator.claim_now(WORK, 60_000)
    assert taken is not None
    assert coordinator.complete_now(WORK, late.token) is False and coordinator.inspect(WORK, late.token) is None
    assert coordinator.claim_now(WORK, 60_000) is None
    assert coordinator.complete_now("other", taken.token) is False
    assert coordinator.complete_now(WORK, taken.token.split(".")[0] + ".0") is False
    assert coordinator.complete_now(WORK, taken.token) is True


def test_a_lease_outlives_the_coordinator_that_granted_it(path: Path) -> None:
    with GaplessCoordinator(path) as first:
        lease = first.claim_now(WORK, 60_000)
    assert lease is not None
    with GaplessCoordinator(path) as second:
        assert second.claim_now(WORK, 60_000) is None
        assert second.complete_now(WORK, lease.token) is True


def test_keys_are_read_from_their_numbers() -> None:
    key = lease_key("ohlcv:binance:BTC/USDT:1m:60:-60:540:w:2026-01-01T00:00:00Z")
    assert key == ("ohlcv:binance:BTC/USDT:1m", 60, -60, 540, "w", "2026-01-01T00:00:00Z")
    assert key is not None and lease_key(key.text) == key
    assert lease_key("a:b") is None


def test_events_and_metrics_have_the_names_and_fields_of_the_sdk(
    coordinator: GaplessCoordinator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QMTL_SEAMLESS_WORKER", "worker-1")
    caplog.set_level(logging.INFO, logger="qmtl.runtime.sdk.backfill_coordinator")
    lease = coordinator.claim_now(WORK, 60_000)
    assert lease is not None
    coordinator.fail_now(WORK, lease.token, "down")
    claimed, failed = caplog.records
    assert claimed.getMessage() == "seamless.backfill.coordinator_claimed"
    assert failed.getMessage() == "seamless.backfill.coordinator_failed"
    expected = {
        "lease_key": WORK, "node_id": NODE, "interval": 60, "batch_start": 0, "batch_end": 540, "world": "world",
        "requested_as_of": "", "worker": "worker-1", "lease_token": lease.token, "lease_until_ms": lease.lease_until_ms,
    }  # fmt: skip
    assert {name: getattr(claimed, name) for name in expected} == expected
    assert (failed.reason, failed.completion_ratio) == ("down", 0.0)  # type: ignore[attr-defined]
    assert not hasattr(claimed, "reason")
    labels = {"node_id": NODE, "interval": "60", "lease_key": WORK}
    assert prometheus_client.REGISTRY.get_sample_value("backfill_completion_ratio", labels) == 0.0


class Client:
    def __init__(self, server: LeaseServer) -> None:
        self._host = server.url.removeprefix("http://")

    def ask(self, path: str, body: Any = None, raw: bytes | None = None, method: str = "POST") -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        connection.request(method, path, content)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer


@pytest.fixture
def client(coordinator: GaplessCoordinator) -> Iterator[Client]:
    with LeaseServer(coordinator) as server:
        yield Client(server)


def test_the_endpoints(client: Client) -> None:
    assert client.ask("/healthz", method="GET") == (200, {"status": "ok"})
    status, answer = client.ask("/v1/leases/claim", {"key": WORK, "lease_ms": 60_000})
    lease = answer["lease"]
    assert status == 200 and lease["key"] == WORK and lease["lease_until_ms"] > time.time() * 1000
    assert client.ask("/v1/leases/claim", {"key": WORK, "lease_ms": 60_000})[0] == 409
    assert client.ask("/v1/leases/inspect", {"key": WORK, "token": lease["token"]})[1]["lease"]["is_live"] is True
    assert client.ask("/v1/leases/complete", {"key": WORK, "token": "1.0"})[0] == 409
    assert client.ask("/v1/leases/complete", {"key": WORK, "token": lease["token"]}) == (200, {"completion_ratio": 1.0})
    assert client.ask("/v1/leases/complete", {"key": WORK, "token": lease["token"]})[0] == 409
    token = client.ask("/v1/leases/claim", {"key": WORK, "lease_ms": 60_000})[1]["lease"]["token"]
    assert client.ask("/v1/leases/fail", {"key": WORK, "token": token, "reason": "down"}) == (200, {"completion_ratio": 0.0})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"key": "a"}', b'{"key": 5, "lease_ms": 1}', b'{"key": "a", "lease_ms": -1}',
     b'{"key": "a", "lease_ms": true}', b'{"key": "a", "lease_ms": 1e300}', b"x" * 70_000],
)  # fmt: skip
def test_what_cannot_be_right_is_a_400_and_the_server_goes_on(client: Client, body: bytes) -> None:
    try:
        status, answer = client.ask("/v1/leases/claim", raw=body)
        assert status == 400 and answer["error"]
    except (ConnectionResetError, BrokenPipeError):
        # It does not read a body that is too long to its end.
        assert len(body) > 64 * 1024
    assert client.ask("/nowhere", {})[0] == 404
    assert client.ask("/v1/leases/claim", {"key": "k", "lease_ms": 1000})[0] == 200


def test_it_does_not_listen_to_other_machines(coordinator: GaplessCoordinator) -> None:
    with pytest.raises(ValueError, match="can be reached from other machines"):
        LeaseServer(coordinator, host="0.0.0.0")
