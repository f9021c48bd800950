"""Opening, closing, creating: what a database is from Python."""

from __future__ import annotations

import os
import threading

import gapless
import pytest
from samples import START, TICKS


def test_a_database_is_made_and_found_again(path):
    with gapless.open(path) as db:
        assert db.tables() == []
        db.create_table("trade", TICKS, time="ts", series="sym")
        assert db.path == str(path)
    with gapless.open(str(path), mode="r") as db:
        assert db.tables() == ["trade"]
        assert db.table("trade").schema.names == ["ts", "sym", "price", "size"]


def test_a_closed_database_says_so(db, filled):
    scan = filled.scan()
    db.close()
    db.close()
    assert db.closed
    for use in (db.tables, lambda: filled.schema, lambda: filled.append({"ts": [1], "sym": ["A"]}), filled.scan):
        with pytest.raises(gapless.InvalidError, match="is closed"):
            use()
    assert scan.count() == 1200, "a scan that is there keeps what it needs"


def test_a_database_that_is_not_there_is_not_read(path):
    with pytest.raises(gapless.NotFoundError):
        gapless.open(path, mode="r")
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(gapless.InvalidError, match="not a gapless database"):
        gapless.open(path)
    with pytest.raises(gapless.InvalidError, match='there are "rw" and "r"'):
        gapless.open(path, mode="w")


def test_a_reader_does_not_write(path, db, filled):
    reader = gapless.open(path, mode="r")
    with pytest.raises(gapless.InvalidError, match='mode "rw"'):
        reader.table("trade").append({"ts": [START], "sym": ["A"]})
    assert reader.table("trade").scan().count() == 1200


def test_a_database_that_is_read_only_here_is_locked_for_writing(path):
    gapless.open(path).close()
    reader = gapless.open(path, mode="r")
    with pytest.raises(gapless.LockedError) as refused:
        gapless.open(path)
    assert refused.value.pid == os.getpid()
    reader.close()


def test_exceptions_are_one_tree_and_what_python_calls_them():
    assert issubclass(gapless.InvalidError, ValueError)
    assert issubclass(gapless.NotFoundError, LookupError)
    assert issubclass(gapless.StorageError, OSError)
    assert issubclass(gapless.OverlapError, gapless.ConflictError)
    for name in gapless.errors.__all__:
        assert issubclass(getattr(gapless, name), gapless.GaplessError), name


def test_a_table_that_is_there_is_a_conflict_and_one_that_is_not_lists_those_that_are(db, ticks):
    with pytest.raises(gapless.ConflictError, match="exists already"):
        db.create_table("trade", TICKS, time="ts")
    with pytest.raises(gapless.NotFoundError, match="trade"):
        db.table("quote")
    db.drop_table("trade")
    assert db.tables() == []
    with pytest.raises(gapless.NotFoundError):
        ticks.scan()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"partition": "week"}, 'there are "hour"'),
        ({"keep": "newest"}, 'there are "all"'),
        ({"time": "when"}, "no column"),
        ({"series": "price"}, "cannot be a symbol"),
        ({"retain": "-1d"}, "no age"),
        ({"attributes": {"price": "hashed"}}, 'there are "sorted"'),
        ({"key": "size"}, "keeps all rows"),
    ],
)
def test_options_that_cannot_be_are_refused(db, options, text):
    with pytest.raises(gapless.InvalidError, match=text):
        db.create_table("trade", TICKS, **{"time": "ts", "series": "sym", **options})
    with pytest.raises(TypeError, match="unexpected keyword"):
        db.create_table("trade", TICKS, time="ts", colour="red")


def test_a_key_keeps_the_last_row(db):
    bars = db.create_table("bars", TICKS, time="ts", series="sym", keep="last", partition="month", retain="3650d")
    bars.append({"ts": [START], "sym": ["A"], "price": [1.0]})
    bars.write({"ts": [START], "sym": ["A"], "price": [2.0]})
    assert bars.scan().to_arrow().column("price").to_pylist() == [2.0]


def test_a_snapshot_is_read_by_its_name_when_it_is_opened_so(path, db, filled):
    with pytest.raises(gapless.NotFoundError):
        gapless.open(path, as_of="before")


def test_threads_share_a_database(filled):
    counts = []

    def read():
        for _ in range(20):
            counts.append(filled.scan(series="A").to_arrow().num_rows)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [600] * 160


def test_a_schema_is_a_mapping_and_arrow(ticks):
    import pyarrow as pa

    schema = ticks.schema
    assert schema.types == ["timestamp[ns, UTC]", "symbol", "float64", "int64"]
    assert dict(schema)["sym"] == "symbol"
    assert len(schema) == 4 and "price" in schema and schema[2] == "float64" and list(schema) == schema.names
    assert pa.schema(schema) == schema.to_arrow()
    assert schema == TICKS or schema == pa.schema(schema)
    assert schema != pa.schema([("ts", pa.int64())])
    with pytest.raises(KeyError):
        schema["bid"]


@pytest.mark.parametrize(
    "text",
    ["int64[ns]", "timestamp", "timestamp[min]", "list<symbol>", "fixed_size_list<float64>[0]", "decimal128(39, 2)", ""],
)
def test_types_that_are_not_there_are_refused(db, text):
    with pytest.raises(gapless.InvalidError, match="is no column type"):
        db.create_table("t", {"ts": "timestamp[ns, UTC]", "x": text}, time="ts")
