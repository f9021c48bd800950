"""What a check has found, and what a repair has done."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is not as it should be, and where."""

    severity: str
    """``error`` (rows are lost or wrong), ``warning`` (every row can be read) or ``note`` (worth knowing)."""
    kind: str
    """What is wrong, in a word."""
    where: str
    """From the table down to the rows, then the file and the byte."""
    message: str
    """What was looked at, found and expected, and what to do."""
    table: str | None
    partition: str | None
    segment: str | None
    column: str | None
    file: str | None
    offset: int | None


class LostRange(NamedTuple):
    """Rows of a series in ``[start, end)`` that cannot be read any more; nanoseconds since the epoch."""

    table: str
    series: str | None
    """``None`` where there is none, and where any may be concerned."""
    start: int
    end: int
    rows: int | None
    """How many, where that is known."""


class CheckReport(NamedTuple):
    """What was checked and what was found."""

    is_clean: bool
    """Whether there is nothing but notes."""
    findings: list[Finding]
    findings_left_out: int
    version: int | None
    tables: int
    segments: int
    rows: int
    coverage_files: int
    files: int
    bytes: int
    damage: list[LostRange]
    """What the damaged segments of the newest version have lost."""


class RepairedSegment(NamedTuple):
    """A damaged segment whose sound rows are in another one now."""

    table: str
    partition: str
    segment: str
    rows: int
    rows_lost: int
    quarantine: str
    """Where its files are, relative to the database."""


class RepairReport(NamedTuple):
    """What a repair did, or would do."""

    is_whole: bool
    """Whether no damage is left."""
    has_damage: bool
    """Whether there was damage that a repair heals."""
    is_dry_run: bool
    segments_checked: int
    segments: list[RepairedSegment]
    coverage_files: list[str]
    """Damaged coverage files, out of use now."""
    rows_lost: int
    lost: list[LostRange]
    """Gaps now, where coverage is asked for."""
    left: list[Finding]
    """Damage that was left as it is; each message says what to do."""
