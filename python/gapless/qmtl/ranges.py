"""Ranges of bars in seconds, as QMTL has them (both ends included), and as gapless has them (nanoseconds, half-open)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

SECOND = 1_000_000_000
# What gapless can hold, in whole seconds: the years 1677 to 2262.
SECONDS_MIN = -(2**63) // SECOND + 1
SECONDS_MAX = (2**63 - 1) // SECOND

Range = tuple[int, int]


def merged(ranges: Iterable[Range], interval: int) -> list[Range]:
    """Sorted, disjoint ranges; those that overlap or are next to each other on the grid become one.

    >>> merged([(120, 180), (0, 60)], 60)
    [(0, 180)]
    """
    result: list[Range] = []
    for start, end in sorted(ranges):
        if result and start <= result[-1][1] + interval:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def missing(ranges: Iterable[Range], start: int, end: int, interval: int) -> list[Range]:
    """What of ``[start, end]`` the ranges leave out. The grid hangs on the edges of ranges and window, as in QMTL.

    >>> missing([(60, 120)], 0, 240, 60)
    [(0, 0), (180, 240)]
    """
    gaps: list[Range] = []
    cursor = start
    for known_start, known_end in merged(ranges, interval):
        if known_end < start or known_start > end:
            continue
        if known_start > cursor:
            gaps.append((cursor, min(known_start - interval, end)))
        cursor = max(cursor, known_end + interval)
    if cursor <= end:
        gaps.append((cursor, end))
    return [gap for gap in gaps if gap[0] <= gap[1]]


def to_ns(second: int) -> int:
    """Nanoseconds of a bound in seconds; bounds beyond what a time can be are the first or last there is."""
    return max(SECONDS_MIN, min(second, SECONDS_MAX)) * SECOND


def joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """Half-open ranges, sorted by start, as few as possible."""
    current: Range | None = None
    for start, end in sorted(ranges):
        if current is not None and start <= current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current


def inclusive(ranges: Iterable[Range], interval: int) -> list[Range]:
    """Half-open ranges of nanoseconds as the first and last bar of each, in seconds. Bars begin at the ranges' starts."""
    bars = []
    for start_ns, end_ns in joined(ranges):
        start = -(-start_ns // SECOND)
        last = end_ns // SECOND - interval
        if end_ns > start * SECOND:
            bars.append((start, max(start, last)))
    return merged(bars, interval)
