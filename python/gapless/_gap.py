"""A range that is missing."""

from __future__ import annotations

from typing import NamedTuple


class Gap(NamedTuple):
    """A range ``[start, end)`` of a series that is expected and not covered."""

    series: str | None
    """The series; ``None`` in a table without series."""
    start: int
    """First time, nanoseconds since the epoch; a slot of the grid, if there is one."""
    end: int
    """First time after it."""
    interval: int
    """Grid step in nanoseconds; 0 for rows on no grid."""
