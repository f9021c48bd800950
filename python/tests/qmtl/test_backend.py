"""The history backend: half-open reads, inclusive coverage in seconds, stable types, one policy for equal times."""

from __future__ import annotations

import asyncio
import math
import struct
from pathlib import Path

import gapless
import polars as pl
import pytest
from gapless.qmtl import ColumnTypeError, DuplicateRowsError, GaplessBackend, SeriesKey
from polars.testing import assert_frame_equal
from qmtl_sdk import Stream, bars

NODE = "ohlcv:binance:BTC/USDT:1m"
KEY = {"node_id": NODE, "interval": 60}


def write(backend: GaplessBackend, frame: pl.DataFrame, **key: object) -> None:
    asyncio.run(backend.write_rows(frame, **{**KEY, **key}))


def read(backend: GaplessBackend, start: int = -(2**62), end: int = 2**62, **key: object) -> pl.DataFrame:
    return asyncio.run(backend.read_range(start, end, **{**KEY, **key}))


def covered(backend: GaplessBackend, **key: object) -> list[tuple[int, int]]:
    return asyncio.run(backend.coverage(**{**KEY, **key}))


def test_an_unknown_series_is_an_empty_frame_and_no_coverage(backend: GaplessBackend) -> None:
    frame = read(backend)
    assert frame.is_empty() and frame.schema == {"ts": pl.Int64}
    assert covered(backend) == []


def test_a_read_is_half_open_and_sorted(backend: GaplessBackend) -> None:
    write(backend, pl.DataFrame({"close": [3.0, 1.0, 2.0], "ts": [120, 0, 60]}))
    assert read(backend, 0, 120).to_dict(as_series=False) == {"ts": [0, 60], "close": [1.0, 2.0]}
    assert read(backend, 60, 60).is_empty() and read(backend, 120, 0).is_empty()


def test_contiguous_bars_are_one_range_and_holes_split(backend: GaplessBackend) -> None:
    write(backend, bars(0, 240, 60))
    write(backend, bars(420, 480, 60))
    write(backend, bars(600, 600, 60))
    found = covered(backend)
    assert found == [(0, 240), (420, 480), (600, 600)]
    assert all(type(bound) is int for known in found for bound in known) and type(found[0]) is tuple
    write(backend, bars(300, 360, 60))
    assert covered(backend) == [(0, 480), (600, 600)]


@pytest.mark.parametrize("offset", [0, 7, 59, -60_013])
def test_bars_off_the_grid_cover_what_they_say(backend: GaplessBackend, offset: int) -> None:
    write(backend, bars(offset, offset + 180, 60))
    assert covered(backend) == [(offset, offset + 180)]


def test_rows_without_attestation_are_coverage_by_their_presence(backend: GaplessBackend) -> None:
    write(backend, bars(0, 60, 60))
    series = backend.store.catalog.find(SeriesKey(NODE, 60))
    table = backend.store.database.table(series.table)
    table.append({"ts": [300 * 10**9, 360 * 10**9], "series": [NODE] * 2, "close": [1.0, 2.0]})
    table.forget_coverage(series=NODE)
    assert covered(backend) == [(0, 60), (300, 360)]


def test_slices_have_the_same_columns_and_types(backend: GaplessBackend) -> None:
    frame = pl.DataFrame(
        {
            "ts": [0, 60, 120],
            "open": [1.5, None, math.nan],
            "trades": pl.Series([1, 2, 3], dtype=pl.Int32),
            "big": pl.Series([2**63 - 1, -(2**63), None], dtype=pl.Int64),
            "top": pl.Series([2**64 - 1, 0, 1], dtype=pl.UInt64),
            "small": pl.Series([0.1, 0.2, 0.3], dtype=pl.Float32),
            "venue": ["a", "b", None],
            "kind": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "done": [True, None, False],
            "raw": [b"1", b"", None],
            "at": pl.Series([1, 2, 3], dtype=pl.Datetime("us", "UTC")),
            "levels": [[1.0, 2.0], [], None],
            "nothing": pl.Series([None, None, None], dtype=pl.Null),
        }
    )
    write(backend, frame)
    whole = read(backend, 0, 180)
    assert_frame_equal(whole, frame)
    slices = [read(backend, 0, 0), read(backend, 0, 60), read(backend, 60, 180), read(backend, 10_000, 20_000)]
    assert {tuple(part.schema.items()) for part in slices} == {tuple(whole.schema.items())}
    assert_frame_equal(pl.concat(slices, how="vertical"), frame)


def test_floats_are_bit_exact_and_null_is_not_nan(backend: GaplessBackend) -> None:
    odd = [0.1 + 0.2, -0.0, math.inf, -math.inf, 5e-324, math.nan, None, 1.7976931348623157e308]
    write(backend, pl.DataFrame({"ts": list(range(8)), "x": odd}), interval=1)
    found = read(backend, interval=1)["x"].to_list()
    assert found[6] is None and math.isnan(found[5])
    bits = [struct.pack("<d", value) for value in odd if value is not None]
    assert [struct.pack("<d", value) for value in found if value is not None] == bits


def test_no_ts_is_a_key_error_and_nothing_is_written(backend: GaplessBackend) -> None:
    with pytest.raises(KeyError, match="ts"):
        write(backend, pl.DataFrame({"close": [1.0]}))
    assert backend.series() == [] and read(backend).is_empty()


@pytest.mark.parametrize("nothing", [None, pl.DataFrame(), pl.DataFrame({"close": []})])
def test_no_rows_are_no_write(backend: GaplessBackend, nothing: pl.DataFrame | None) -> None:
    write(backend, nothing)  # type: ignore[arg-type]
    assert backend.series() == []


@pytest.mark.parametrize("dtype", [pl.Int32, pl.UInt16, pl.Float64, pl.UInt64])
def test_ts_may_be_any_whole_number(backend: GaplessBackend, dtype: type[pl.DataType]) -> None:
    write(backend, pl.DataFrame({"ts": pl.Series([0, 60], dtype=dtype), "close": [1.0, 2.0]}))
    assert read(backend)["ts"].to_list() == [0, 60] and read(backend)["ts"].dtype == pl.Int64


@pytest.mark.parametrize(
    ("ts", "error", "says"),
    [
        ([0.5], ValueError, "whole seconds"),
        ([None], (ValueError, TypeError), "Nothing was written"),
        (["0"], TypeError, "whole seconds"),
        ([1_700_000_000_000], ValueError, "divide milliseconds by 1000"),
    ],
)
def test_a_ts_that_is_no_second_is_refused(backend: GaplessBackend, ts: list[object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        write(backend, pl.DataFrame({"ts": ts, "close": [1.0]}))
    assert read(backend).is_empty()


def test_key_columns_of_rows_are_not_payload(backend: GaplessBackend) -> None:
    write(backend, bars(0, 60, 60).with_columns(node_id=pl.lit(NODE), interval=60))
    assert read(backend).columns == ["ts", "close"]


def test_payload_may_have_the_names_of_stored_columns(backend: GaplessBackend) -> None:
    frame = pl.DataFrame({"ts": [0], "series": ["mine"], "table": [1], "close:float64": [2.0], "close": [1.0], "a b/c": [3]})
    write(backend, frame)
    assert_frame_equal(read(backend), frame)


def test_series_are_kept_apart_by_node_and_interval(backend: GaplessBackend) -> None:
    nodes = ["blake3:" + "0" * 64, "trades:binance:BTC/USDT", "Trades:binance:BTC/USDT", "a:60", "é|%/..", "a"]
    for at, node in enumerate(nodes):
        for interval in (1, 60):
            write(backend, pl.DataFrame({"ts": [0], "v": [at * 100 + interval]}), node_id=node, interval=interval)
    for at, node in enumerate(nodes):
        for interval in (1, 60):
            assert read(backend, node_id=node, interval=interval)["v"].to_list() == [at * 100 + interval]
    assert len(backend.series()) == 12
    # Nodes of one shape share a table: two intervals, two tables, and the catalog.
    assert len(backend.store.database.tables()) == 3


def test_a_column_that_comes_later_is_null_before_and_other_series_do_not_see_it(backend: GaplessBackend) -> None:
    write(backend, bars(0, 60, 60))
    write(backend, bars(0, 60, 60), node_id="other")
    write(backend, bars(120, 120, 60, close=float, volume=int))
    assert read(backend).to_dict(as_series=False) == {"ts": [0, 60, 120], "close": [0.0, 60.0, 120.0], "volume": [None, None, 120]}
    assert read(backend, node_id="other").columns == ["ts", "close"]
    write(backend, bars(180, 180, 60))
    assert read(backend, 180, 181).to_dict(as_series=False) == {"ts": [180], "close": [180.0], "volume": [None]}


def test_ints_widen_to_floats_and_both_are_read_as_floats(backend: GaplessBackend) -> None:
    write(backend, pl.DataFrame({"ts": [0, 60], "close": [100, 101]}))
    assert read(backend)["close"].dtype == pl.Int64
    write(backend, pl.DataFrame({"ts": [60, 120], "close": [101.5, None]}))
    assert read(backend)["close"].to_list() == [100.0, 101.5, None]
    write(backend, pl.DataFrame({"ts": [0], "close": [7]}))
    found = read(backend, 0, 60)
    assert found["close"].to_list() == [7.0] and found["close"].dtype == pl.Float64


def test_a_column_of_two_series_may_have_two_types(backend: GaplessBackend) -> None:
    write(backend, pl.DataFrame({"ts": [0], "a": [1.0]}))
    write(backend, pl.DataFrame({"ts": [0], "a": [1.0]}), node_id="other")
    write(backend, pl.DataFrame({"ts": [60], "a": [1.0], "tag": ["text"]}))
    write(backend, pl.DataFrame({"ts": [60], "a": [1.0], "tag": [5]}), node_id="other")
    assert read(backend)["tag"].to_list() == [None, "text"]
    assert read(backend, node_id="other")["tag"].to_list() == [None, 5]


def test_text_does_not_become_a_number(backend: GaplessBackend) -> None:
    write(backend, bars(0, 60, 60))
    with pytest.raises(ColumnTypeError, match="'close' of this series is float64, and rows bring utf8"):
        write(backend, pl.DataFrame({"ts": [120], "close": ["high"]}))
    assert read(backend).height == 2
    with pytest.raises(ColumnTypeError, match="column 'x' is"):
        write(backend, pl.DataFrame({"ts": [0], "x": [{"a": 1}]}))


def test_the_last_row_of_a_time_counts_unless_told_otherwise(path: Path) -> None:
    first, again = bars(0, 120, 60), bars(60, 60, 60, close=lambda ts: -1.0)
    expected = {"last": [0.0, -1.0, 120.0], "first": [0.0, 60.0, 120.0], "all": [0.0, 60.0, -1.0, 120.0], None: [0.0, -1.0, 120.0]}
    for keep, closes in expected.items():
        with GaplessBackend(path, keep=keep) as backend:
            write(backend, first, node_id=f"n{keep}")
            write(backend, again, node_id=f"n{keep}")
            assert read(backend, node_id=f"n{keep}")["close"].to_list() == closes
            backend.store.database.flush()
            assert read(backend, node_id=f"n{keep}")["close"].to_list() == closes


def test_with_raise_a_time_that_is_stored_is_an_error(path: Path) -> None:
    with GaplessBackend(path, keep="raise") as backend:
        write(backend, bars(0, 120, 60))
        with pytest.raises(RuntimeError, match=r"has rows at \[60\] already") as caught:
            write(backend, bars(60, 60, 60))
        assert isinstance(caught.value, DuplicateRowsError) and isinstance(caught.value, gapless.GaplessError)
        with pytest.raises(DuplicateRowsError, match=r"more than once \[180\]"):
            write(backend, pl.DataFrame({"ts": [180, 180], "close": [1.0, 2.0]}))
        assert read(backend)["ts"].to_list() == [0, 60, 120] and covered(backend) == [(0, 120)]


def test_a_series_keeps_the_policy_that_it_began_with(path: Path) -> None:
    with GaplessBackend(path, keep="all") as trades, GaplessBackend(path, keep="last") as bars_:
        write(trades, bars(0, 0, 60))
        with pytest.raises(ValueError, match="keeps 'all'"):
            write(bars_, bars(0, 0, 60))
        with pytest.raises(ValueError, match="keep='newest'"):
            GaplessBackend(path, keep="newest")  # type: ignore[arg-type]


def test_streams_of_one_node_id_are_told_apart_by_their_series_key(path: Path) -> None:
    def by_symbol(stream: object, interval: int) -> str:
        return f"{stream.tags['symbol']}@{interval}" if isinstance(stream, Stream) else str(stream)

    with GaplessBackend(path, series_key=by_symbol) as btc, GaplessBackend(path, series_key=by_symbol) as eth:
        btc.bind_stream(Stream(NODE, {"symbol": "BTC"}))
        eth.bind_stream(Stream(NODE, {"symbol": "ETH"}))
        write(btc, bars(0, 60, 60))
        assert read(eth).is_empty() and read(btc).height == 2
        assert btc.series() == [SeriesKey("BTC@60", 60)]
        btc.bind_stream(Stream(NODE, {"symbol": "ETH"}))
        with pytest.raises(ValueError, match="give each a backend of its own"):
            read(btc)


def test_an_alias_is_another_name_of_the_same_rows(backend: GaplessBackend) -> None:
    write(backend, bars(0, 60, 60))
    backend.alias("renamed", of=NODE, interval=60)
    write(backend, bars(120, 120, 60), node_id="renamed")
    assert read(backend).equals(read(backend, node_id="renamed")) and covered(backend, node_id="renamed") == [(0, 120)]
    with pytest.raises(gapless.ConflictError):
        backend.alias("renamed", of=NODE, interval=60)
    with pytest.raises(gapless.NotFoundError):
        backend.alias("x", of="nobody", interval=60)


def test_handles_in_one_process_see_each_other_at_once(path: Path) -> None:
    with GaplessBackend(path) as one, GaplessBackend(path) as other, GaplessBackend(one) as shared:
        write(one, bars(0, 60, 60))
        assert read(other).height == 2 and read(shared).height == 2
        write(other, bars(120, 120, 60, close=float, volume=int))
        assert read(one).columns == ["ts", "close", "volume"] and covered(one) == [(0, 120)]


def test_a_database_that_was_given_stays_open(path: Path) -> None:
    with gapless.open(path) as database:
        with GaplessBackend(database) as backend:
            write(backend, bars(0, 60, 60))
        assert not database.closed
    with GaplessBackend(path, mode="r") as reader:
        assert read(reader).height == 2
        with pytest.raises(gapless.GaplessError):
            write(reader, bars(0, 60, 60))


def test_what_was_written_is_there_after_it_is_opened_again(path: Path) -> None:
    with GaplessBackend(path) as backend:
        write(backend, bars(0, 600, 60, close=float, trades=int))
        before = read(backend)
    with GaplessBackend(path) as backend:
        assert_frame_equal(read(backend), before)
        assert covered(backend) == [(0, 600)]


def test_an_interval_may_be_text_and_must_be_whole_seconds(backend: GaplessBackend) -> None:
    write(backend, bars(0, 60, 60), interval="1m")
    assert covered(backend, interval="60s") == [(0, 60)]
    for bad in (0, -60, "1x", "500ms"):
        with pytest.raises(ValueError, match="interval"):
            read(backend, interval=bad)
