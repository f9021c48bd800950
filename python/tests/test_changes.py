"""Rows replaced, deleted and expired, columns changed, maintenance, and what a table looks like."""

from __future__ import annotations

import gapless
import pyarrow as pa
import pytest
from samples import SECOND, START

DAY = 86_400 * SECOND


def test_a_range_is_replaced_as_one(filled):
    assert filled.replace({"ts": [START + 5], "sym": ["A"], "price": [7.0]}, START, START + 10 * SECOND, series="A") == 1
    got = filled.scan(end=START + 10 * SECOND, series="A").to_arrow()
    assert got.column("price").to_pylist() == [7.0]
    assert filled.scan(end=START + 10 * SECOND, series="B").count() == 10
    with pytest.raises(gapless.InvalidError):
        filled.replace({"ts": [START + 11 * SECOND], "sym": ["A"]}, START, START + 10 * SECOND)
    assert filled.scan().count() == 1191


def test_rows_are_deleted_and_scans_that_are_there_have_them(filled):
    before = filled.scan()
    filled.delete(start=START, end=START + SECOND)
    filled.delete(series="B")
    assert filled.scan().count() == 599
    assert before.count() == 1200
    with pytest.raises(gapless.InvalidError, match="every row"):
        filled.delete()
    filled.delete(end="2100-01-01T00:00:00Z")
    assert filled.scan().count() == 0


def test_columns_are_added_renamed_widened_and_dropped(filled):
    filled.add_column("venue", "symbol")
    filled.add_column("flag", pa.bool_())
    filled.rename_column("price", "px")
    filled.drop_column("flag")
    filled.add_column("seq", "int32")
    filled.widen_column("seq", "int64")
    assert filled.schema.names == ["ts", "sym", "px", "size", "venue", "seq"]
    assert filled.schema["seq"] == "int64"
    filled.append({"ts": [START], "sym": ["A"], "venue": ["X"], "seq": [2**40]})
    assert filled.scan(where=gapless.col("venue") == "X").to_arrow().column("seq").to_pylist() == [2**40]
    for wrong in (
        lambda: filled.add_column("px", "int8"),
        lambda: filled.rename_column("price", "p"),
        lambda: filled.drop_column("ts"),
        lambda: filled.widen_column("seq", "int8"),
        lambda: filled.add_column("x", "money"),
    ):
        with pytest.raises(gapless.InvalidError):
            wrong()


def test_old_partitions_expire(ticks):
    ticks.write({"ts": [START - 3 * DAY, START], "sym": ["A", "A"]})
    ticks.flush()
    assert ticks.expire(before=START - DAY) == 1
    assert ticks.scan().count() == 1


def test_compaction_makes_one_segment(db, ticks):
    for at in range(4):
        ticks.write({"ts": [START + at * SECOND + row for row in range(5000)], "sym": ["A"] * 5000})
    done = ticks.compact()
    assert done["segments_removed"] > done["segments_added"] > 0
    assert db.compact() == dict.fromkeys(done, 0)
    assert ticks.scan().count() == 20_000
    with pytest.raises(gapless.NotFoundError):
        db.compact("quote")


def test_streamed_rows_are_flushed_on_demand(path, db, ticks):
    ticks.append({"ts": [START], "sym": ["A"]})
    assert not list(path.glob("tables/trade/*/*/*/ts.col"))
    ticks.flush()
    assert list(path.glob("tables/trade/**/ts.col"))
    db.flush()
    db.sync()


def test_a_table_shows_its_shape_range_and_completeness(filled, ticks):
    text = repr(filled)
    assert text == 'Table("trade": 1200 rows x 4 columns, 2026-11-20T14:00:00Z to 2026-11-20T14:09:59Z)'
    html = filled._repr_html_()
    assert "1200 rows &times; 4 columns" in html and "<td>timestamp[ns, UTC]</td>" in html
    filled.drop_column("size")
    assert "3 columns" in repr(filled)


def test_an_empty_table_and_one_that_is_gone_have_a_look_too(db, ticks):
    assert repr(ticks) == 'Table("trade": 0 rows x 4 columns)'
    assert "0 rows" in ticks._repr_html_()
    db.drop_table("trade")
    assert repr(ticks) == 'Table("trade")'
    assert repr(db).endswith('market.db")')
    db.close()
    assert repr(db).endswith("closed)")


def test_names_cannot_be_html(db):
    table = db.create_table("a<b>", {"ts": "timestamp[ns, UTC]", "<script>": "int8"}, time="ts")
    assert "<script>" not in table._repr_html_() and "a<b>" not in table._repr_html_()
