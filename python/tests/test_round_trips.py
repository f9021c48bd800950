"""What goes in comes out: every type, nulls, zones, empty and chunked input, dictionaries, slices, misaligned buffers.

Each value is compared bit by bit where it is a float: NaN, -0.0 and infinities survive.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import struct
import tempfile
from pathlib import Path

import duckdb
import gapless
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from samples import SECOND, START, TICKS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

INT = {bits: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
UINT = {bits: st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64)}
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
DAY = 86_400

# Arrow's type and the values that it has, as pyarrow takes them.
TYPES = {
    "bool": (pa.bool_(), st.booleans()),
    **{f"int{bits}": (getattr(pa, f"int{bits}")(), INT[bits]) for bits in INT},
    **{f"uint{bits}": (getattr(pa, f"uint{bits}")(), UINT[bits]) for bits in UINT},
    "float32": (pa.float32(), st.floats(width=32)),
    "float64": (pa.float64(), st.floats()),
    "decimal": (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4)),
    "date": (pa.date32(), st.dates()),
    "time_s": (pa.time32("s"), st.integers(0, DAY - 1)),
    "time_ms": (pa.time32("ms"), st.integers(0, DAY * 10**3 - 1)),
    "time_us": (pa.time64("us"), st.integers(0, DAY * 10**6 - 1)),
    "time_ns": (pa.time64("ns"), st.integers(0, DAY * 10**9 - 1)),
    **{f"at_{unit}": (pa.timestamp(unit), INT[64]) for unit in ("s", "ms", "us", "ns")},
    "at_zone": (pa.timestamp("us", "America/New_York"), INT[64]),
    "at_offset": (pa.timestamp("ms", "+05:30"), INT[64]),
    **{f"for_{unit}": (pa.duration(unit), INT[64]) for unit in ("s", "ms", "us", "ns")},
    "text": (pa.string(), TEXT),
    "bytes": (pa.binary(), st.binary(max_size=12)),
    "symbol": (pa.dictionary(pa.uint32(), pa.string()), TEXT),
    "list": (pa.list_(pa.float64()), st.lists(st.floats(), max_size=5)),
    "book": (pa.list_(pa.int64(), 3), st.lists(INT[64], min_size=3, max_size=3)),
}
LARGE = {
    pa.string(): [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    pa.binary(): [pa.large_binary(), pa.binary_view()],
    pa.list_(pa.float64()): [pa.large_list(pa.float64())],
    pa.dictionary(pa.uint32(), pa.string()): [pa.string(), pa.dictionary(pa.int16(), pa.large_string())],
}
FEW = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@contextlib.contextmanager
def scratch():
    """A database of one example, which survives no power cut."""
    with tempfile.TemporaryDirectory() as directory, gapless.open(Path(directory) / "db", durability="buffered") as db:
        yield db


def bits(value):
    """A value to compare: floats by their bits."""
    if isinstance(value, float):
        return struct.pack("<d", value) if value == value else "nan"
    if isinstance(value, list):
        return [bits(item) for item in value]
    return value


def values_of(column: pa.ChunkedArray) -> list:
    """The values of a column, times as their counts: Python has no year 300,000 and no nanoseconds."""
    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_date(kind):
        column = column.cast(pa.int64() if kind.bit_width == 64 else pa.int32()) if kind.bit_width == 64 else column.cast(pa.int32())
    if pa.types.is_dictionary(kind):
        column = column.cast(pa.string())
    return [bits(value) for value in column.to_pylist()]


def array(values: list, kind: pa.DataType) -> pa.Array:
    if pa.types.is_temporal(kind) and not pa.types.is_date(kind):
        return pa.array(values, pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def chunked(table: pa.Table, sizes: list[int]) -> pa.Table:
    """The same rows in batches of these sizes, slices of one another's buffers, some of them empty."""
    batches, at = [], 0
    for size in [*sizes, len(table)]:
        batches += table.slice(at, size).combine_chunks().to_batches() if size % 2 else table.slice(at, size).to_batches()
        at += size
    return pa.Table.from_batches(batches, table.schema)


@pytest.mark.parametrize("name", TYPES)
@FEW
@given(data=st.data())
def test_values_of_every_type_come_out_as_they_went_in(name, data):
    kind, strategy = TYPES[name]
    values = data.draw(st.lists(st.none() | strategy, max_size=40))
    sizes = data.draw(st.lists(st.integers(0, 9), max_size=6))
    form = data.draw(st.sampled_from([kind, *LARGE.get(kind, [])]))
    streamed = data.draw(st.booleans())
    times = pa.array(range(len(values)), pa.int64()).cast(pa.timestamp("ns", "UTC"))
    try:
        column = array(values, kind).cast(form)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        column = array(values, kind)
    rows = chunked(pa.table({"ts": times, "x": column}), sizes)
    with scratch() as db:
        table = db.create_table("t", pa.schema([("ts", pa.timestamp("ns", "UTC")), ("x", kind)]), time="ts")
        wrote = table.append(rows) if streamed else table.write(rows)
        assert wrote == len(values)
        for _ in range(2):
            got = table.scan().to_arrow()
            assert got.schema.field("x").type == kind
            assert values_of(got.column("x")) == values_of(pa.chunked_array([array(values, kind)]))
            assert got.column("ts").cast(pa.int64()).to_pylist() == list(range(len(values)))
            # Once more from segments.
            table.flush()


@FEW
@given(data=st.data())
def test_rows_of_python_values_are_rows_of_arrow(data):
    """A dict of lists gives what pyarrow gives, for every type that has Python values."""
    kinds = {
        "b": ("bool", st.booleans()),
        "i": ("int32", INT[32]),
        "u": ("uint64", UINT[64]),
        "f": ("float64", st.floats()),
        "d": ("decimal128(20, 4)", st.decimals(-(10**15), 10**15, places=4)),
        "day": ("date32", st.dates()),
        "time": ("time64[us]", st.times()),
        "at": ("timestamp[us, UTC]", st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.timezone.utc))),
        "wall": ("timestamp[us]", st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))),
        "for": ("duration[us]", st.timedeltas(dt.timedelta(-(10**4)), dt.timedelta(10**4))),
        "text": ("utf8", TEXT),
        "bytes": ("binary", st.binary(max_size=9)),
        "sym": ("symbol", TEXT),
        "list": ("list<float32>", st.lists(st.floats(width=32), max_size=4)),
        "book": ("fixed_size_list<int16>[2]", st.lists(INT[16], min_size=2, max_size=2)),
    }
    size = data.draw(st.integers(0, 12))
    columns = {
        name: data.draw(st.lists(st.none() | strategy, min_size=size, max_size=size)) for name, (_, strategy) in kinds.items()
    }
    with scratch() as db:
        schema = {"ts": "timestamp[ns, UTC]", **{name: kind for name, (kind, _) in kinds.items()}}
        table = db.create_table("t", schema, time="ts")
        assert table.append({"ts": list(range(size)), **columns}) == size
        got = table.scan().to_arrow()
        for name, values in columns.items():
            expected = pa.array(values, got.schema.field(name).type if name != "sym" else pa.string())
            assert values_of(got.column(name)) == values_of(pa.chunked_array([expected])), name


def frames(rows: pa.Table) -> dict:
    """The same rows as everything that speaks Arrow."""
    return {
        "pyarrow table": rows,
        "pyarrow batch": rows.combine_chunks().to_batches()[0],
        "pyarrow reader": rows.to_reader(),
        "polars": pl.from_arrow(rows),
        "pandas": rows.to_pandas(),
        "duckdb": duckdb.sql("SELECT * FROM rows"),
        "dict of numpy": {
            "ts": rows.column("ts").to_numpy(),
            "sym": rows.column("sym").to_pylist(),
            "price": rows.column("price").to_numpy(),
            "size": rows.column("size").to_numpy().astype("int16"),
        },
        "dict of arrow": {name: rows.column(name) for name in rows.column_names},
        "dict of pandas": {name: rows.to_pandas()[name] for name in rows.column_names},
        "dict of polars": {name: pl.from_arrow(rows)[name] for name in rows.column_names},
    }


@pytest.mark.parametrize(
    "source",
    [
        "pyarrow table", "pyarrow batch", "pyarrow reader", "polars", "pandas", "duckdb", "dict of numpy", "dict of arrow",
        "dict of pandas", "dict of polars",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["append", "write"])
def test_rows_of_every_library_are_the_same_rows(ticks, source, how):
    rows = pa.table(
        {
            "ts": pa.array([START, START + 1_000, START + 2_000], pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "sym": ["A", "A", "B"],
            "price": [1.5, float("nan"), -0.0],
            "size": [1, 2, 3],
        }
    )
    assert getattr(ticks, how)(frames(rows)[source]) == 3
    got = ticks.scan().to_arrow()
    assert values_of(got.column("ts"))[:2] == [START, START + 1_000]
    assert values_of(got.column("sym")) == ["A", "A", "B"]
    # pandas has no null of its own in floats: pyarrow takes its NaN for null.
    known = values_of(got.column("price"))
    assert known[0] == bits(1.5) and known[2] == bits(-0.0) and known[1] in ("nan", None if "pandas" in source else "nan")
    assert got.column("size").to_pylist() == [1, 2, 3]


def test_results_are_taken_by_every_library(filled):
    scan = filled.scan(series="A", columns=["ts", "price", "size"])
    rows = scan.to_arrow()
    assert pa.table(scan).equals(rows) and pa.table(scan.collect()).equals(rows)
    assert pl.DataFrame(scan).equals(scan.to_polars()) and scan.to_polars().height == 600
    assert duckdb.sql("SELECT sum(size) FROM rows").fetchall() == [(sum(at % 13 + 1 for at in range(600)),)]
    reader = pa.RecordBatchReader.from_stream(scan)
    assert duckdb.sql("SELECT count(*) FROM reader").fetchall() == [(600,)]
    frame = scan.to_pandas()
    assert frame["price"].tolist() == rows.column("price").to_pylist() and str(frame["ts"].dtype) == "datetime64[ns, UTC]"
    assert sum(batch.num_rows for batch in scan.to_batches()) == 600
    batches = scan.to_batches()
    assert isinstance(next(batches), pa.RecordBatch)
    assert batches.schema == scan.schema
    batches.close()
    assert list(batches) == []
    with pytest.raises(gapless.InvalidError, match="have been read"):
        pa.table(batches)
    assert pa.schema(scan) == rows.schema == scan.schema.to_arrow()
    assert len(scan.collect()) == 600 and scan.collect().schema == scan.schema


def test_rows_without_pyarrow_speak_arrow(filled, tmp_path):
    """In an interpreter that cannot import pyarrow."""
    import subprocess
    import sys

    script = f"""
import sys
sys.modules["pyarrow"] = None
import gapless
db = gapless.open({str(tmp_path / "other.db")!r})
t = db.create_table("t", {TICKS!r}, time="ts", series="sym")
assert t.append({{"ts": [1, 2], "sym": ["A", "B"], "price": [1.5, None]}}) == 2
rows = t.scan().to_arrow()
assert type(rows) is gapless.Rows and len(rows) == 2, rows
(batch,) = t.scan(series="B").to_batches()
assert type(batch) is gapless.Batch and batch.num_rows == 1
assert t.append(batch) == 1 and t.append(rows) == 2 and t.append(t.scan()) == 5
import polars
assert polars.DataFrame(rows)["price"].to_list() == [1.5, None]
assert t.scan().to_polars().height == 10
try:
    t.scan().to_pandas()
except ImportError as error:
    assert "pip install pyarrow" in str(error)
else:
    raise AssertionError
db.close()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_misaligned_buffers_are_read_right(ticks):
    raw = np.frombuffer(b"\0" + np.arange(1000, dtype="<i8").tobytes(), np.uint8)
    buffer = pa.py_buffer(raw).slice(1)
    assert buffer.address % 8
    size = pa.Array.from_buffers(pa.int64(), 1000, [None, buffer])
    price = pa.Array.from_buffers(pa.float64(), 999, [None, pa.py_buffer(np.frombuffer(b"\0" * 3 + np.arange(999.0).tobytes(), np.uint8)).slice(3)])
    rows = pa.table({"ts": pa.array(range(999), pa.timestamp("ns", "UTC")), "sym": ["A"] * 999, "size": size[1:], "price": price})
    ticks.append(rows)
    ticks.write(rows)
    got = ticks.scan().to_arrow()
    assert sorted(got.column("size").to_pylist()) == sorted(list(range(1, 1000)) * 2)
    assert sorted(got.column("price").to_pylist()) == sorted([float(at) for at in range(999)] * 2)


def test_dictionaries_with_nulls_repetitions_and_unused_values(ticks):
    codes = pa.array([0, 2, None, 1, 3], pa.int8())
    sym = pa.DictionaryArray.from_arrays(codes, pa.array(["A", "A", None, "B", "unused"], pa.string()))
    ticks.append(pa.table({"ts": pa.array(range(5), pa.timestamp("ns", "UTC")), "sym": sym}))
    got = ticks.scan(order="time").to_arrow()
    assert values_of(got.column("sym")) == ["A", None, None, "A", "B"]


def test_no_rows_are_no_rows(ticks):
    empty = pa.schema([("ts", pa.timestamp("ns", "UTC")), ("sym", pa.string())]).empty_table()
    for rows in (empty, pl.DataFrame(empty), {"ts": [], "sym": []}, empty.to_reader()):
        assert ticks.append(rows) == 0
        assert ticks.write(rows) == 0
    assert ticks.scan().to_polars().shape == (0, 4)
    assert ticks.scan().to_arrow().schema.names == ["ts", "sym", "price", "size"]
    assert list(ticks.scan().to_batches()) == []


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ({"ts": [1], "bid": [1.0]}, "no column \"bid\""),
        ({"ts": [1, 2], "sym": ["A"]}, "all need the same number"),
        ({"ts": ["2026-11-20T14:00:00"]}, "row 0.*has no zone"),
        ({"ts": [1], "price": ["1.5"]}, "row 0.*is no number"),
        ({"ts": [1], "size": [1.5]}, "row 0.*is no integer"),
        ({"ts": [1], "size": [True]}, "is no integer"),
        ({"ts": [1], "size": [2**63]}, "is no integer"),
        ({"ts": [1], "sym": [7]}, "is no text"),
        ({"ts": [1], "sym": "A"}, "not one text"),
        ({"ts": [1], "price": 1.5}, "is iterable"),
        ({"ts": [1], "price": [2**60 + 1]}, "holds exactly"),
        ({"ts": np.array([[1], [2]])}, "is no"),
        ({"ts": np.zeros((1, 1, 1))}, "one dimension"),
        ({"ts": [1], "size": np.array([1.5])}, "no int64"),
        ({"ts": np.array(["2026-11"], "datetime64[M]")}, "no fixed length"),
        ({"ts": [None]}, "null"),
        ([1, 2], "is no rows"),
        (7, "is no rows"),
        (pa.table({"ts": [1]}), "ts"),
    ],
    ids=str,
)
def test_rows_that_cannot_be_are_refused_with_the_reason(ticks, rows, text):
    for write in (ticks.append, ticks.write):
        with pytest.raises(gapless.InvalidError, match=text):
            write(rows)
    assert ticks.scan().count() == 0


def test_numpy_columns_of_any_stride_and_byte_order(ticks):
    sizes = np.arange(20)[::-2]
    ticks.append(
        {
            "ts": np.arange(10).astype(">i8"),
            "sym": np.array(["A", "B"] * 5),
            "price": np.arange(10, dtype=">f4"),
            "size": sizes,
        }
    )
    got = ticks.scan(order="time").to_arrow()
    assert got.column("size").to_pylist() == sizes.tolist()
    assert got.column("price").to_pylist() == [float(at) for at in range(10)]
    assert values_of(got.column("sym")) == ["A", "B"] * 5
    ticks.append({"ts": np.array(["2026-11-20T00:00:00", "2026-11-21"], "datetime64[s]"), "sym": pd.Categorical(["A", None])})
    assert ticks.scan(start="2026-11-20T00:00:00Z").count() == 2
    readonly = np.arange(3.0)
    readonly.flags.writeable = False
    assert ticks.append({"ts": [1, 2, 3], "price": readonly, "size": [pd.NA, None, 3]}) == 3


def test_a_naive_column_is_refused_where_the_table_has_a_zone(ticks):
    naive = pd.DataFrame({"ts": pd.to_datetime(["2026-11-20"]), "sym": ["A"]})
    with pytest.raises(gapless.InvalidError, match="ts"):
        ticks.append(naive)
    assert ticks.append(naive.assign(ts=naive["ts"].dt.tz_localize("UTC"))) == 1


def test_a_source_that_fails_writes_nothing(ticks):
    schema = pa.schema([("ts", pa.timestamp("ns", "UTC"))])

    def batches():
        yield pa.record_batch([pa.array([1], pa.timestamp("ns", "UTC"))], schema)
        raise RuntimeError("the feed is gone")

    for write in (ticks.append, ticks.write):
        with pytest.raises(gapless.InvalidError, match="the feed is gone"):
            write(pa.RecordBatchReader.from_batches(schema, batches()))
    assert ticks.scan().count() == 0


def test_decimals_are_exact(db):
    table = db.create_table("t", {"ts": "timestamp[ns, UTC]", "x": "decimal128(38, 10)"}, time="ts")
    values = [decimal.Decimal("12345678901234567890.1234567890"), decimal.Decimal("-0.0000000001"), "7.5", 3, None]
    table.append({"ts": range(5), "x": values})
    got = table.scan().to_arrow().column("x").to_pylist()
    assert got == [decimal.Decimal(value) if value is not None else None for value in values]
    assert table.scan(where=gapless.col("x") == decimal.Decimal("7.5")).count() == 1
    for wrong in (decimal.Decimal("0.00000000001"), decimal.Decimal("1e29"), decimal.Decimal("nan"), 1.5, "one"):
        with pytest.raises(gapless.InvalidError, match="is no decimal"):
            table.append({"ts": [1], "x": [wrong]})


def test_dates_and_times_of_day_compare_with_python_values(db):
    table = db.create_table("t", {"ts": "timestamp[ns, UTC]", "day": "date32", "at": "time64[ns]", "for": "duration[ms]"}, time="ts")
    table.append({"ts": [0, SECOND], "day": ["2026-11-20", dt.date(1969, 12, 31)], "at": ["09:30:00.000000001", 5], "for": ["5ms", dt.timedelta(1)]})
    assert table.scan(where=gapless.col("day") == dt.date(1969, 12, 31)).count() == 1
    assert table.scan(where=gapless.col("day") > dt.date(2026, 1, 1)).count() == 1
    assert table.scan(where=gapless.col("for") > dt.timedelta(seconds=1)).count() == 1
    got = table.scan().to_arrow()
    assert values_of(got.column("at")) == [34_200_000_000_001, 5] and values_of(got.column("for")) == [5, 86_400_000]
