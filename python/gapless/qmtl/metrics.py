"""QMTL's metrics by their names: its own collectors where QMTL is loaded, new ones of prometheus_client otherwise, else none.

A name can be registered once in a process, so the registry is asked first.
"""

from __future__ import annotations

import threading
from typing import Any

_LABELS = {
    "history_auto_backfill_requests_total": ("strategy", "node_id", "interval"),
    "history_auto_backfill_missing_ranges_total": ("strategy", "node_id", "interval"),
    "history_auto_backfill_rows_total": ("strategy", "node_id", "interval"),
    "history_auto_backfill_duration_ms": ("strategy",),
    "backfill_completion_ratio": ("node_id", "interval", "lease_key"),
}
_KINDS = {"history_auto_backfill_duration_ms": "Histogram", "backfill_completion_ratio": "Gauge"}
_HELP = "As QMTL's metric of this name."

_collectors: dict[str, Any] = {}
_lock = threading.Lock()


def add(name: str, amount: float, **labels: object) -> None:
    """Adds to a counter."""
    if collector := _collector(name):
        collector.labels(**_texts(labels)).inc(amount)


def observe(name: str, value: float, **labels: object) -> None:
    """Adds a value to a histogram."""
    if collector := _collector(name):
        collector.labels(**_texts(labels)).observe(value)


def set_to(name: str, value: float, **labels: object) -> None:
    """Sets a gauge."""
    if collector := _collector(name):
        collector.labels(**_texts(labels)).set(value)


def _texts(labels: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in labels.items()}


def _collector(name: str) -> Any:
    if name not in _collectors:
        with _lock:
            if name not in _collectors:
                _collectors[name] = _found_or_made(name)
    return _collectors[name]


def _found_or_made(name: str) -> Any:
    try:
        import prometheus_client
    except ImportError:
        return None
    registered = getattr(prometheus_client.REGISTRY, "_names_to_collectors", {})
    if name in registered:
        return registered[name]
    kind = getattr(prometheus_client, _KINDS.get(name, "Counter"))
    return kind(name, _HELP, _LABELS[name])
