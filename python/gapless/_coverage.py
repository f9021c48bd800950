"""A range of which something is known."""

from __future__ import annotations

from typing import NamedTuple


class CoverageRange(NamedTuple):
    """What is known of a range ``[start, end)`` of a series. Times are nanoseconds since the epoch."""

    series: str | None
    """The series; ``None`` for every series of the table, or in a table without series."""
    interval: int | None
    """Grid step in nanoseconds; 0 for rows on no grid, ``None`` for every interval."""
    start: int
    """First time."""
    end: int
    """First time after it; 2**63 - 1 for no end."""
    state: str
    """``complete``, ``empty``, ``not_applicable``, ``live``, ``expired``, ``partial`` or ``lost``; the last two are gaps."""
    source: str
    """Who said so."""
    batch: str
    """The newest batch that it came with."""
    rows: int | None
    """Rows that the source gave for it, where that is known."""
    fetched_at: int
    """When the newest of them were fetched."""
    commit: int
    """When the newest statement in it was committed."""
