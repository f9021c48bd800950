"""Handles on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gapless.qmtl import GaplessBackend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def backend(path: Path) -> Iterator[GaplessBackend]:
    with GaplessBackend(path) as handle:
        yield handle
