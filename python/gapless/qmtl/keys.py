"""What names a series, and what names a piece of work on it.

A node id is opaque text that may hold ``:`` and ``/``, so a lease key is read from its numbers, not split at its first colons.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LEASE_KEY = re.compile(r"(?P<node>.+):(?P<interval>\d+):(?P<start>-?\d+):(?P<end>-?\d+):(?P<world>[^:]*):(?P<as_of>.*)", re.DOTALL)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class SeriesKey(NamedTuple):
    """A series: a node at an interval."""

    node_id: str
    interval: int
    """Seconds."""


class LeaseKey(NamedTuple):
    """The parts of ``node_id:interval:start:end:world:requested_as_of``; ``end`` is included."""

    node_id: str
    interval: int
    start: int
    end: int
    world: str
    requested_as_of: str

    @property
    def text(self) -> str:
        return ":".join(str(part) for part in self)


def lease_key(text: str) -> LeaseKey | None:
    """The parts of a key of QMTL; ``None`` for another text, which is a key as well.

    >>> lease_key("blake3:7f:60:0:540:w:")
    LeaseKey(node_id='blake3:7f', interval=60, start=0, end=540, world='w', requested_as_of='')
    """
    found = _LEASE_KEY.fullmatch(text)
    if found is None:
        return None
    node, interval, start, end, world, as_of = found.groups()
    return LeaseKey(node, int(interval), int(start), int(end), world, as_of)


def seconds(interval: int | str) -> int:
    """An interval in whole seconds: 60, "60s", "1m", "2h", "1d".

    >>> seconds("1m")
    60
    """
    if isinstance(interval, str):
        number, unit = interval[:-1], interval[-1:]
        interval = int(number) * _UNITS[unit] if number.isdigit() and unit in _UNITS else -1
    # Numbers of NumPy become plain ones: coverage is compared with ==.
    value = int(interval)
    if value <= 0:
        raise ValueError(f"interval {interval!r}: give whole seconds above 0, or text such as \"60s\", \"1m\", \"2h\"")
    return value
