"""What can go wrong, as a tree: every exception of the package is a :class:`GaplessError`.

The message carries the evidence: what was asked, of which table, series, file and offset, what was found and expected, and what
to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._gap import Gap

if TYPE_CHECKING:
    from ._fill import FillReport
    from ._gapless import Lease

__all__ = [
    "BackfillError",
    "ConflictError",
    "CorruptionError",
    "CoverageError",
    "FetchError",
    "GaplessError",
    "InternalError",
    "InvalidError",
    "LeaseError",
    "LockedError",
    "NotFoundError",
    "OverlapError",
    "OverloadedError",
    "StorageError",
    "UnsupportedError",
]


class GaplessError(Exception):
    """Any error of gapless."""


class InvalidError(GaplessError, ValueError):
    """The request cannot be right: a bad name, range, schema or value, or a directory that is no database."""


class NotFoundError(GaplessError, LookupError):
    """What was asked for does not exist; the message lists what does."""


class LockedError(GaplessError):
    """Another holder has the lock. ``pid`` is its process, where that is known."""

    pid: int | None = None


class ConflictError(GaplessError):
    """Somebody else's change came first, or the thing exists already. Read again and decide anew."""


class OverlapError(ConflictError):
    """A range that may be there once only overlaps with one that is there."""


class CorruptionError(GaplessError):
    """Stored bytes are not what they must be. ``where`` is the file, relative to the database, where the message names one."""

    where: str | None = None


class UnsupportedError(GaplessError):
    """Sound, but made by a newer gapless, or not built into this one."""


class CoverageError(GaplessError):
    """The asked range is not covered. ``gaps`` has every range that is missing."""

    gaps: list[Gap] = []


class LeaseError(GaplessError):
    """A lease that was taken over, ended, or never granted. What was to be done under it was not done.

    ``lease`` is the one that is in the way, where a claim was refused.
    """

    lease: Lease | None = None


class BackfillError(GaplessError):
    """A gap that could not be filled. ``report`` says what became of all."""

    report: FillReport | None = None


class FetchError(GaplessError):
    """Raised by a fetcher that knows whether it may work later.

    ``retry_after`` is how many seconds to wait at least, when the source says so.
    """

    def __init__(self, message: str = "", *, retry: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after = retry_after


class StorageError(GaplessError, OSError):
    """The operating system refused. After a failed sync the database must be opened again."""


class OverloadedError(GaplessError):
    """More rows wait in memory than are allowed, and nothing frees it. Nothing was written."""


class InternalError(GaplessError):
    """A broken invariant of gapless itself: a bug worth reporting."""
