"""Databases for the tests: each in a directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gapless
import pytest
from samples import SECOND, START, TICKS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


@pytest.fixture
def db(path: Path) -> Iterator[gapless.Database]:
    with gapless.open(path) as database:
        yield database


@pytest.fixture
def ticks(db: gapless.Database) -> gapless.Table:
    """An empty table of ticks."""
    return db.create_table("trade", TICKS, time="ts", series="sym")


@pytest.fixture
def filled(ticks: gapless.Table) -> gapless.Table:
    """600 ticks of A and of B, one each second, from START."""
    ticks.write(
        {
            "ts": [START + at * SECOND for at in range(600) for _ in range(2)],
            "sym": ["A", "B"] * 600,
            "price": [100.0 + at % 7 + series for at in range(600) for series in range(2)],
            "size": [at % 13 + 1 for at in range(600) for _ in range(2)],
        }
    )
    return ticks


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The line that `cargo xtask test` counts, as Rust's harness prints it."""
    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    failed = counts["failed"] + counts["error"]
    terminalreporter.write_line(
        f"test result: {'FAILED' if failed else 'ok'}. {counts['passed']} passed; {failed} failed; {counts['skipped']} ignored; "
        "0 measured; 0 filtered out"
    )
