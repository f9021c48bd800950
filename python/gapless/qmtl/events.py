"""QMTL's log events: the message is the event's name, its fields are attributes of the record. Loggers have the names of QMTL's modules,
so that what is set up for them gets these events as well, with or without QMTL."""

from __future__ import annotations

import logging
import os

_BACKFILL = logging.getLogger("qmtl.runtime.io.seamless_provider")
_COORDINATOR = logging.getLogger("qmtl.runtime.sdk.backfill_coordinator")


def backfill(event: str, **fields: object) -> None:
    """``seamless.backfill.attempt``, ``.succeeded`` or ``.failed`` of one gap."""
    level = logging.ERROR if event == "failed" else logging.INFO
    _BACKFILL.log(level, f"seamless.backfill.{event}", extra=fields)


def coordinator(event: str, **fields: object) -> None:
    """``seamless.backfill.coordinator_claimed``, ``_completed`` or ``_failed``. Fields that are ``None`` are left out."""
    extra = {name: value for name, value in {**fields, "worker": worker()}.items() if value is not None}
    _COORDINATOR.info(f"seamless.backfill.coordinator_{event}", extra=extra)


def worker() -> str | None:
    """Who works: the first of QMTL's variables that is set."""
    names = ("QMTL_SEAMLESS_WORKER", "QMTL_WORKER_ID", "HOSTNAME")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
