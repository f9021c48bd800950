"""Rows of files in, and out into files."""

from __future__ import annotations

import gzip
import os
import signal
import threading

import gapless
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from samples import SECOND, START, TICKS


def test_a_table_goes_to_a_file_and_comes_back(db, filled, tmp_path):
    rows = filled.scan().to_arrow()
    for name in ("trade.parquet", "trade.csv", "trade.csv.gz", "trade.jsonl", "trade.arrow"):
        file, table = tmp_path / name, name.replace(".", "_")
        done = filled.export(file)
        assert (done["rows"], done["files"], done["bytes"]) == (1200, [file], file.stat().st_size)
        report = db.import_files(table, file, time="ts", series="sym")
        assert report == {"rows": 1200, "rejected": 0, "created": True, "time": "ts", "series": "sym"}
        assert db.table(table).scan().to_arrow().cast(rows.schema) == rows, name
    assert pq.read_table(tmp_path / "trade.parquet").num_rows == 1200


def test_a_tree_has_a_file_for_each_day_or_hour(db, ticks, tmp_path):
    day = 86_400 * SECOND
    ticks.append({"ts": [START, START + 3600 * SECOND, START + day], "sym": ["A"] * 3, "price": [1.0, 2.0, 3.0], "size": [1, 2, 3]})
    done = ticks.export(tmp_path / "days")
    assert [str(file.relative_to(tmp_path / "days").parent) for file in done["files"]] == ["date=2026-11-20", "date=2026-11-21"]
    hours = ticks.export(tmp_path / "hours", by="hour", end=START + day, format="csv")
    assert len(hours["files"]) == 2 and hours["rows"] == 2 and str(hours["files"][0]).endswith(".csv")
    back = pa.dataset.dataset(tmp_path / "days", partitioning="hive").to_table()
    assert back.num_rows == 3 and set(back.column("date").to_pylist()) == {"2026-11-20", "2026-11-21"}


def test_nothing_is_replaced_unless_it_is_asked_for(filled, tmp_path):
    file = tmp_path / "trade.parquet"
    filled.export(file, series="A", columns=["ts", "price"], start=START, end=START + 10 * SECOND)
    assert pq.read_table(file).column_names == ["ts", "price"] and pq.read_table(file).num_rows == 10
    with pytest.raises(gapless.InvalidError, match="overwrite=True"):
        filled.export(file)
    assert filled.export(file, overwrite=True)["rows"] == 1200
    with pytest.raises(gapless.InvalidError, match="is not empty"):
        filled.export(tmp_path)
    with pytest.raises(gapless.InvalidError, match="there are"):
        filled.export(tmp_path / "x", by="week")
    with pytest.raises(gapless.InvalidError):
        filled.export(tmp_path / "x", format="xlsx")


def test_files_go_into_a_table_in_its_own_types(db, ticks, tmp_path):
    file = tmp_path / "more.csv"
    file.write_text(f"ts,sym,price\n{START},A,7\n{START + SECOND},B,8\n")
    report = db.import_files("trade", str(file), time_unit="ns")
    assert (report["rows"], report["created"]) == (2, False)
    assert ticks.scan().to_arrow().column("price").to_pylist() == [7.0, 8.0]
    file.write_text(f"ts,sym,bid\n{START},A,7\n")
    with pytest.raises(gapless.InvalidError, match="no column \"bid\""):
        db.import_files("trade", file, time_unit="ns")


def test_what_is_not_certain_is_refused_and_leaves_nothing(db, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("ts,sym,price\n1795183200,A,1\n1795183201,A,x\n")
    with pytest.raises(gapless.InvalidError):
        db.import_files("t", file, time="ts", types={"price": "f64"}, time_unit="s")
    with pytest.raises(gapless.NotFoundError):
        db.import_files("t", tmp_path / "missing.csv")
    with pytest.raises(TypeError, match="unexpected keyword"):
        db.import_files("t", file, colour="red")
    with pytest.raises(gapless.InvalidError):
        db.import_files("t", [])
    with pytest.raises(gapless.InvalidError):
        db.import_files("t", file, time_unit="fortnight")
    assert db.tables() == []
    rejects = tmp_path / "rejects.csv"
    report = db.import_files("t", file, time="ts", types={"price": "f64"}, time_unit="s", rejects=rejects, series="sym", partition="month", keep="last")
    assert (report["rows"], report["rejected"]) == (1, 1) and "1795183201,A,x" in rejects.read_text()


def test_several_files_are_one_import(db, tmp_path):
    files = []
    for at in range(3):
        file = tmp_path / f"{at}.csv.gz"
        file.write_bytes(gzip.compress(f"ts;sym;price\n{START + at};A;{at}\n".encode()))
        files.append(file)
    told = []
    report = db.import_files("t", files, time_unit="ns", series="sym", delimiter=";", progress=lambda done, total: told.append((done, total)))
    assert report["rows"] == 3 and told[-1][0] == told[-1][1] == sum(file.stat().st_size for file in files)


def test_ctrl_c_ends_an_import_and_nothing_of_it_is_there(db, tmp_path):
    file = tmp_path / "large.csv"
    count = 3_000_000
    pa.csv.write_csv(pa.table({"ts": pa.array(range(START, START + count)), "price": pa.array([1.5] * count)}), file)

    def stop(done, total):
        if not stopped.is_set():
            stopped.set()
            os.kill(os.getpid(), signal.SIGINT)

    stopped = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        db.import_files("t", file, time="ts", time_unit="ns", progress=stop)
    assert db.tables() == []


def test_an_export_is_watched_and_reads_a_snapshot(db, filled, tmp_path):
    db.create_snapshot("before")
    filled.append({"ts": [START], "sym": ["C"]})
    told = []
    done = filled.export(tmp_path / "t.parquet", as_of="before", progress=lambda done, total: told.append((done, total)))
    assert done["rows"] == 1200 and told[-1] == (1200, 1200)


def test_schema_types_are_kept(db, filled, tmp_path):
    filled.export(tmp_path / "t.parquet")
    db.import_files("t", tmp_path / "t.parquet", series="sym", symbols="sym")
    assert dict(db.table("t").schema) == TICKS
