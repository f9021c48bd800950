"""The backfill coordinator: who works on what, by leases of the database, so that every process on the directory agrees.

A lease is exclusive for its key, as text. It is taken over once it has expired, and was fenced by a number that only grows: a token that
was taken over completes nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Any

from gapless import LeaseError

from . import events, metrics
from .backend import Handle
from .keys import LeaseKey, lease_key
from .ranges import SECOND, to_ns

__all__ = ["GaplessCoordinator", "Lease"]

_WORLD = "coordinator"


@dataclass(frozen=True)
class Lease:
    """A lease as QMTL has it."""

    key: str
    token: str
    """``<epoch>.<nonce>``: only who was granted it has it."""
    lease_until_ms: int
    """When it may be taken over, in milliseconds since the epoch."""


class GaplessCoordinator(Handle):
    """QMTL's backfill coordinator on a directory: ``claim``, ``complete``, ``fail``. The first argument is that of
    :class:`GaplessBackend`.
    """

    coordinator_id = "gapless"

    async def claim(self, key: str, lease_ms: int) -> Lease | None:
        """Claims a key for ``lease_ms`` milliseconds; ``None`` while somebody else has it."""
        return await asyncio.to_thread(self.claim_now, key, lease_ms)

    async def complete(self, lease: Lease) -> None:
        """Ends a lease whose work is done. One that was taken over, or is over, is left as it is."""
        await asyncio.to_thread(self.complete_now, lease.key, lease.token)

    async def fail(self, lease: Lease, reason: str) -> None:
        """Ends a lease whose work is given up: the key can be claimed at once. One that is over is left as it is."""
        await asyncio.to_thread(self.fail_now, lease.key, lease.token, reason)

    def claim_now(self, key: str, lease_ms: int) -> Lease | None:
        """:meth:`claim` for code without an event loop."""
        if lease_ms <= 0:
            raise ValueError(f"lease_ms {lease_ms}: give a length of time above 0")
        table = self.store.catalog.table
        assert table is not None, "a coordinator writes"
        parts = lease_key(key)
        # The whole key is the leased series: other keys are no business of this one, be it of the same bars.
        start, end = (to_ns(parts.start), to_ns(max(parts.end, parts.start) + 1)) if parts else (0, 1)
        interval = parts.interval * SECOND if parts else 0
        nonce = secrets.token_hex(8)
        try:
            claim = table.claim(start, end, series=key, interval=interval, ttl_ms=lease_ms, world=_WORLD, batch=nonce)
        except LeaseError:
            return None
        lease = Lease(key, f"{claim.epoch}.{nonce}", claim.expires_at // 1_000_000)
        _tell("claimed", lease)
        return lease

    def complete_now(self, key: str, token: str) -> bool:
        """:meth:`complete` for code without an event loop; whether there was such a lease."""
        return self._end("completed", key, token, None)

    def fail_now(self, key: str, token: str, reason: str) -> bool:
        """:meth:`fail` for code without an event loop; whether there was such a lease."""
        return self._end("failed", key, token, reason)

    def inspect(self, key: str, token: str) -> dict[str, Any] | None:
        """Until when a lease is good and who has it; ``None`` when it is over."""
        claim = self._find(key, token)
        if claim is None:
            return None
        until = claim.expires_at // 1_000_000
        return {"key": key, "lease_until_ms": until, "holder": claim.holder, "is_live": until > time.time() * 1000}

    def _end(self, event: str, key: str, token: str, reason: str | None) -> bool:
        claim = self._find(key, token)
        if claim is None:
            return False
        lease = Lease(key, token, claim.expires_at // 1_000_000)
        try:
            claim.complete() if reason is None else claim.fail(reason)
        except LeaseError:
            return False
        ratio = 1.0 if reason is None else 0.0
        _tell(event, lease, completion_ratio=ratio, reason=reason)
        parts = lease_key(key)
        if parts:
            metrics.set_to("backfill_completion_ratio", ratio, node_id=parts.node_id, interval=parts.interval, lease_key=key)
        return True

    def _find(self, key: str, token: str) -> Any:
        """The claim of a token, be it from before this process; ``None`` when it is over or of another key."""
        epoch, _, nonce = token.partition(".")
        for claim in self.store.database.leases():
            if (str(claim.epoch), claim.series, claim.world) == (epoch, key, _WORLD):
                return claim if secrets.compare_digest(claim.batch.encode(), nonce.encode()) else None
        return None


def _tell(event: str, lease: Lease, **fields: object) -> None:
    parts = lease_key(lease.key) or LeaseKey(lease.key, 0, 0, 0, "", "")
    events.coordinator(
        event,
        coordinator_id=GaplessCoordinator.coordinator_id,
        lease_key=lease.key,
        node_id=parts.node_id,
        interval=parts.interval,
        batch_start=parts.start,
        batch_end=parts.end,
        world=parts.world,
        requested_as_of=parts.requested_as_of,
        lease_token=lease.token,
        lease_until_ms=lease.lease_until_ms,
        **fields,
    )
