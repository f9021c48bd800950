"""Damage is found, healed, and filled again."""

from __future__ import annotations

from pathlib import Path

import gapless
import pytest
from samples import SECOND, START, TICKS


def damage(path: Path, column: str) -> Path:
    """Flips bytes in the first file of a column."""
    file = sorted((path / "tables").rglob(f"{column}.col"))[0]
    content = bytearray(file.read_bytes())
    for at in range(64, min(len(content), 128)):
        content[at] ^= 0xFF
    file.write_bytes(content)
    return file


@pytest.fixture
def broken(path):
    """A table of 120,000 rows of A, all attested, of which a page is damaged."""
    with gapless.open(path) as db:
        table = db.create_table("trade", TICKS, time="ts", series="sym", keep="last")
        count = 120_000
        times = [START + at * SECOND // 10 for at in range(count)]
        table.write(
            {"ts": times, "sym": ["A"] * count, "price": [1.5] * count, "size": [1] * count},
            coverage={"series": "A", "start": START, "end": times[-1] + 1},
        )
    damage(path, "price")
    with gapless.open(path) as db:
        yield db


def test_a_sound_database_is_clean(db, filled):
    db.flush()
    told = []
    report = db.check(progress=lambda done, total: told.append((done, total)))
    assert report.is_clean and report.rows == 1200 and report.tables == 1 and report.damage == []
    assert report.segments >= 1 and told[-1] == (report.segments, report.segments)
    assert not db.repair().has_damage
    assert db.check(table="trade").rows == 1200
    for ask in (db.check, db.repair):
        with pytest.raises(gapless.NotFoundError):
            ask(table="quote")


def test_damage_is_found_repaired_and_filled(broken):
    trade = broken.table("trade")
    with pytest.raises(gapless.CorruptionError) as read:
        trade.scan().to_arrow()
    assert read.value.where is not None and read.value.where.startswith("tables/")
    report = broken.check()
    assert not report.is_clean
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert errors and errors[0].table == "trade" and errors[0].column == "price" and errors[0].message
    assert {lost.series for lost in report.damage} == {"A"}
    planned = broken.repair(dry_run=True)
    assert planned.is_dry_run and planned.has_damage and not planned.is_whole and not broken.check().is_clean
    repaired = broken.repair()
    assert repaired.is_whole and repaired.rows_lost == 65_536 == repaired.segments[0].rows_lost
    assert broken.check().is_clean
    assert trade.scan().count() == 120_000 - 65_536
    end = START + 12_000 * SECOND
    lost = [known for known in trade.coverage(series="A") if known.state == "lost"]
    assert len(lost) == 1

    def fetch(request):
        step = SECOND // 10
        times = list(range(-(-request.start // step) * step, request.end, step))
        return {"ts": times, "price": [1.5] * len(times), "size": [1] * len(times)}

    trade.fill(fetch, START, end - SECOND, series="A").check()
    assert trade.scan().count() == 120_000
    assert not broken.repair().has_damage
