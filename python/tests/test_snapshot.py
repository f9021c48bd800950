"""Versions that are kept by a name."""

from __future__ import annotations

import gapless
import pytest
from samples import SECOND, START, TICKS


def test_a_snapshot_is_read_as_it_was(path, db, filled):
    version = db.create_snapshot("before")
    filled.append({"ts": [START + 1000 * SECOND], "sym": ["A"]}, coverage={"series": "A", "start": START, "end": START + SECOND})
    db.create_table("later", TICKS, time="ts", series="sym")
    assert filled.scan().count() == 1201 and filled.scan(as_of="before").count() == 1200
    with gapless.open(path, as_of="before") as then:
        table = then.table("trade")
        assert then.tables() == ["trade"] and table.scan().count() == 1200
        assert len(table.coverage()) == 0 and len(table.gaps(START, START + SECOND, series="A")) == 1
    assert len(filled.coverage()) == 1
    assert db.snapshots() == {"before": version}


def test_names_are_taken_once_and_given_back(db, filled):
    db.create_snapshot("a")
    with pytest.raises(gapless.ConflictError):
        db.create_snapshot("a")
    with pytest.raises(gapless.InvalidError):
        db.create_snapshot("")
    db.create_snapshot("b")
    assert sorted(db.snapshots()) == ["a", "b"]
    db.drop_snapshot("a")
    assert list(db.snapshots()) == ["b"]
    with pytest.raises(gapless.NotFoundError):
        db.drop_snapshot("a")
    with pytest.raises(gapless.NotFoundError):
        filled.scan(as_of="a")
