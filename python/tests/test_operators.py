"""Each operator gives what polars gives, on generated data; and what cannot be is said at the step.

The tables have nulls, equal times, series of different lengths, and rows that were streamed after others were written.
"""

from __future__ import annotations

import datetime as dt
import math
import random

import gapless
import polars as pl
import pytest
from samples import SECOND, START
from polars.testing import assert_frame_equal

col = gapless.col


@pytest.fixture(params=[1, 2, 3])
def rows(request) -> pl.DataFrame:
    """Trades in order of series and time; no two of a series at one time, so that every order is the same."""
    random.seed(request.param)
    found = []
    for sym in ("A", "BB", "C"):
        at = START
        for _ in range(random.randrange(150, 400)):
            at += random.randrange(1, 3 * SECOND)
            found.append(
                {
                    "ts": at,
                    "sym": sym,
                    "price": random.choice([None, *[random.uniform(90, 110) for _ in range(9)]]),
                    "size": random.randrange(1, 500),
                    "venue": random.choice([None, "X", "Y", "ZZ"]),
                }
            )
    return pl.DataFrame(found, schema_overrides={"venue": pl.String, "price": pl.Float64}).with_columns(
        pl.col("ts").cast(pl.Datetime("ns", "UTC"))
    )


@pytest.fixture
def trades(db, rows) -> gapless.Table:
    table = db.create_table(
        "trade",
        {"ts": "timestamp[ns, UTC]", "sym": "symbol", "price": "float64", "size": "int64", "venue": "symbol"},
        time="ts",
        series="sym",
    )
    parted = rows.with_row_index("row")
    table.write(parted.filter(pl.col("row") % 3 == 0).drop("row"))
    table.append(parted.filter(pl.col("row") % 3 == 1).drop("row"))
    table.append(parted.filter(pl.col("row") % 3 == 2).drop("row"))
    return table


@pytest.fixture
def quotes(db, rows) -> tuple[gapless.Table, pl.DataFrame]:
    frame = rows.select(
        pl.col("ts").dt.offset_by("-700ms"), "sym", (pl.col("size") / 7).alias("bid"), pl.col("size").alias("depth")
    ).filter(pl.col("depth") % 4 != 0)
    table = db.create_table(
        "quote", {"ts": "timestamp[ns, UTC]", "sym": "symbol", "bid": "float64", "depth": "int64"}, time="ts", series="sym"
    )
    table.write(frame)
    return table, frame


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Symbols are text to compare with."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def assert_same(scan: gapless.Scan, expected: pl.DataFrame, **options) -> None:
    assert_frame_equal(plain(scan.to_polars()), expected, check_dtypes=False, abs_tol=1e-9, rel_tol=1e-9, **options)


def test_a_scan_is_the_rows(trades, rows):
    assert_same(trades.scan(), rows)
    assert_same(trades.scan(order="time"), rows.sort("ts", "sym"))
    assert_same(trades.scan(series=["C", "A", "none"]), rows.filter(pl.col("sym") != "BB"))
    assert_same(trades.scan(columns=["size", "ts"]), rows.select("size", "ts"))
    assert_same(trades.scan(limit=7), rows.head(7))
    assert trades.scan(limit=0).count() == 0
    assert trades.scan(series="none").to_polars().columns == rows.columns
    assert trades.scan(series=[]).count() == 0


CONDITIONS = [
    (col("price") > 100, pl.col("price") > 100),
    (100 < col("price"), pl.col("price") > 100),
    ((col("price") * col("size") >= 5_000.0) & (col("size") != 7), (pl.col("price") * pl.col("size") >= 5_000.0) & (pl.col("size") != 7)),
    ((col("venue") == "X") | col("price").is_null(), (pl.col("venue") == "X") | pl.col("price").is_null()),
    (~(col("venue") == "X"), ~(pl.col("venue") == "X")),
    (col("venue").is_in(["X", "ZZ"]), pl.col("venue").is_in(["X", "ZZ"])),
    (col("size").is_in([1, 2, 3]) & col("price").is_not_null(), pl.col("size").is_in([1, 2, 3]) & pl.col("price").is_not_null()),
    (col("venue").like("Z%"), pl.col("venue").str.starts_with("Z")),
    (col("venue").ilike("z_"), pl.col("venue") == "ZZ"),
    (col("size") % 5 == 2, pl.col("size") % 5 == 2),
    (-col("size") < -400, pl.col("size") > 400),
    (col("size").between(10, 20), pl.col("size").is_between(10, 20)),
    ((1000 - col("size")) / 2 > 450, (1000 - pl.col("size")) / 2 > 450),
    (2 ** (col("size") / 100) > 8.0, pl.lit(2.0) ** (pl.col("size") / 100) > 8.0),
    (abs(col("price") - 100.0) < 1.0, (pl.col("price") - 100.0).abs() < 1.0),
    (gapless.when(col("venue") == "X", col("size"), 0) > 250, pl.when(pl.col("venue") == "X").then("size").otherwise(0) > 250),
    (col("price").fill_null(0.0) == 0.0, pl.col("price").is_null()),
    (
        col("ts") >= dt.datetime(2026, 11, 20, 14, 2, tzinfo=dt.timezone.utc),
        pl.col("ts") >= dt.datetime(2026, 11, 20, 14, 2, tzinfo=dt.timezone.utc),
    ),
    (col("ts") < "2026-11-20T14:02:00Z", pl.col("ts") < dt.datetime(2026, 11, 20, 14, 2, tzinfo=dt.timezone.utc)),
    (col("ts").part("minute") == 3, pl.col("ts").dt.minute() == 3),
    (col("ts").part("hour", "America/New_York") == 9, pl.lit(True)),
    (col("price").is_nan(), pl.col("price").is_nan()),
]


@pytest.mark.parametrize(("ours", "theirs"), CONDITIONS, ids=lambda expr: str(expr)[:60])
def test_a_condition_leaves_the_rows_that_polars_leaves(trades, rows, ours, theirs):
    assert_same(trades.scan(where=ours), rows.filter(theirs))
    assert_same(trades.scan().filter(ours).limit(5), rows.filter(theirs).head(5))
    assert_same(trades.scan(where=ours, columns="ts", limit=9), rows.filter(theirs).select("ts").head(9))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (col("price").round(1), pl.col("price").round(1, mode="half_away_from_zero")),
        (col("price").floor(), pl.col("price").floor()),
        (col("price").ceil(), pl.col("price").ceil()),
        (col("price").sqrt(), pl.col("price").sqrt()),
        (col("price").ln() + col("price").log10() + (col("price") / 100).exp(),
         pl.col("price").log() + pl.col("price").log10() + (pl.col("price") / 100).exp()),
        (col("size").cast("float64") ** 2, pl.col("size").cast(pl.Float64) ** 2),
        (col("price").least(100.0), pl.min_horizontal("price", pl.lit(100.0))),
        (col("price").greatest(col("size")), pl.max_horizontal("price", "size")),
        ((col("price") - 100).sign(), (pl.col("price") - 100).sign()),
        (gapless.lit(3) + col("size"), pl.col("size") + 3),
        (gapless.lit(None), pl.lit(None)),
        (col("ts") + dt.timedelta(seconds=5), pl.col("ts") + pl.duration(seconds=5)),
        (col("ts").part("date"), pl.col("ts").dt.date()),
    ],
    ids=str,
)
def test_a_computed_column_is_that_of_polars(trades, rows, ours, theirs):
    if str(ours) == "Expr(null)":
        ours = ours.cast("float64")
    assert_same(trades.scan().with_columns(x=ours), rows.with_columns(x=theirs))
    assert_same(trades.scan().select("sym", x=ours), rows.select("sym", x=theirs))


def test_an_expression_has_no_truth_and_no_hash():
    for use in (lambda: bool(col("a") > 1), lambda: (col("a") > 1) and (col("b") > 1), lambda: 1 < col("a") < 2):
        with pytest.raises(TypeError, match="not with and, or"):
            use()
    with pytest.raises(TypeError):
        hash(col("a"))
    with pytest.raises(gapless.InvalidError, match="is no literal"):
        col("a") + object()
    with pytest.raises(gapless.InvalidError, match="has no zone"):
        col("ts") == dt.datetime(2026, 11, 20)  # noqa: B015
    with pytest.raises(gapless.InvalidError, match="not one text"):
        col("a").is_in("abc")


def test_groups_are_those_of_polars(trades, rows):
    ours = trades.scan().group_by(every="1m", by="sym").agg(
        gapless.count(),
        values=gapless.count("price"),
        open=gapless.first("price"),
        high=gapless.max("price"),
        low=gapless.min("price"),
        close=gapless.last("price"),
        total=gapless.sum("size"),
        mean=gapless.mean("price"),
        var=gapless.var("size"),
        std=gapless.std("size"),
        median=gapless.median("price"),
        q=gapless.quantile("size", 0.3),
        venues=gapless.n_unique("venue"),
        vwap=gapless.vwap("size", "size"),
        notional=gapless.sum(col("price") * col("size")),
    )
    known = pl.col("price").drop_nulls()
    theirs = (
        rows.group_by("sym", pl.col("ts").dt.truncate("1m"), maintain_order=True)
        .agg(
            pl.len().alias("count()"),
            values=known.len(),
            open=known.first(),
            high=known.max(),
            low=known.min(),
            close=known.last(),
            total=pl.col("size").sum(),
            mean=known.mean(),
            var=pl.col("size").var(),
            std=pl.col("size").std(),
            median=known.median(),
            q=pl.col("size").quantile(0.3, "linear"),
            venues=pl.col("venue").drop_nulls().n_unique(),
            vwap=(pl.col("size") * pl.col("size")).sum() / pl.col("size").sum(),
            notional=pl.when(known.len() > 0).then((pl.col("price") * pl.col("size")).sum()),
        )
        .sort("sym", "ts")
    )
    assert_same(ours, theirs)


def test_groups_of_any_column_have_one_of_null(trades, rows):
    ours = trades.scan().group_by(by=["venue", col("size") % 2]).agg(n=gapless.count())
    theirs = rows.group_by("venue", (pl.col("size") % 2).alias("size % 2")).agg(n=pl.len())
    names = plain(ours.to_polars()).columns
    theirs = theirs.rename({"size % 2": names[1]})
    assert_frame_equal(plain(ours.to_polars()), theirs, check_row_order=False, check_dtypes=False)
    assert trades.scan().group_by().agg(n=gapless.count()).to_arrow().column("n").to_pylist() == [len(rows)]


def test_days_are_those_of_a_zone(ticks):
    ticks.append({"ts": ["2026-11-20T04:59:00Z", "2026-11-20T05:00:00Z"], "sym": ["A", "A"]})
    days = ticks.scan().group_by(every="1d", zone="America/New_York").agg(n=gapless.count()).to_arrow()
    assert [at.isoformat() for at in days.column("ts").to_pylist()] == ["2026-11-19T05:00:00+00:00", "2026-11-20T05:00:00+00:00"]
    assert ticks.scan().group_by(every="1d").agg(n=gapless.count()).count() == 1
    assert ticks.scan().group_by(every=dt.timedelta(minutes=1), offset="30s").agg(n=gapless.count()).count() == 2


def test_ohlc_is_four_columns(trades):
    assert trades.scan().group_by(every="1h", by="sym").agg(*gapless.ohlc("price")).schema.names == [
        "sym", "ts", "open", "high", "low", "close",
    ]


@pytest.mark.parametrize("strategy", ["backward", "forward", "nearest"])
@pytest.mark.parametrize("tolerance", [None, "800ms"])
def test_an_asof_join_is_that_of_polars(trades, rows, quotes, strategy, tolerance):
    table, frame = quotes
    if strategy == "nearest":
        # Of two that are as far away polars takes the later; none are here.
        assert not set(rows["ts"].dt.epoch("ns")) & set(frame["ts"].dt.epoch("ns"))
    ours = trades.scan().asof_join(table.scan(), by="sym", strategy=strategy, tolerance=tolerance)
    theirs = rows.sort("ts").join_asof(
        frame.sort("ts"), on="ts", by="sym", strategy=strategy, tolerance=tolerance, check_sortedness=False
    )
    assert_same(ours, theirs.sort("sym", "ts"))
    inner = trades.scan().asof_join(table, by="sym", strategy=strategy, tolerance=tolerance, how="inner", columns="bid")
    assert_same(inner, theirs.sort("sym", "ts").filter(pl.col("bid").is_not_null()).drop("depth"))


def test_a_strict_asof_join_leaves_out_equal_times(ticks):
    ticks.append({"ts": [1, 2], "sym": ["A", "A"], "size": [1, 2]})
    joined = ticks.scan(columns=["ts", "sym"]).asof_join(ticks, by="sym", strict=True, columns="size")
    assert joined.to_arrow().column("size").to_pylist() == [None, 1]
    assert ticks.scan().asof_join(ticks, columns="size").schema.names[-1] == "size_right"


def test_a_window_join_is_what_is_there(trades, rows, quotes):
    table, frame = quotes
    ours = trades.scan().window_join(table.scan(), by="sym", start="-5s", end="5s").agg(
        n=gapless.count(), depth=gapless.sum("depth"), bid=gapless.max("bid")
    )
    found = []
    quotes_of = {sym[0]: part for sym, part in frame.group_by("sym")}
    for row in rows.iter_rows(named=True):
        near = quotes_of[row["sym"]].filter(pl.col("ts").is_between(row["ts"] - dt.timedelta(seconds=5), row["ts"] + dt.timedelta(seconds=5)))
        found.append((near.height, near["depth"].sum() if near.height else None, near["bid"].max()))
    got = ours.to_arrow()
    # datetime has microseconds, so a row at the edge may differ by the nanoseconds: none of these are there.
    assert got.column("n").to_pylist() == [n for n, _, _ in found]
    assert got.column("depth").to_pylist() == [depth for _, depth, _ in found]


def test_a_window_join_may_have_the_row_before(ticks):
    ticks.append({"ts": [0, 10, 20], "sym": ["A"] * 3, "size": [1, 2, 4]})
    sums = lambda **more: (  # noqa: E731
        ticks.scan().window_join(ticks, start="-5ns", end=0, **more).agg(s=gapless.sum("size")).to_arrow().column("s").to_pylist()
    )
    assert sums() == [1, 2, 4]
    assert sums(prevailing=True) == [1, 3, 6]


def test_a_horizon_join_has_a_row_for_each_offset(trades, rows, quotes):
    table, frame = quotes
    ours = trades.scan().horizon_join(table, by="sym", offsets=["-1s", "0s", dt.timedelta(seconds=1)], columns=["bid"])
    parts = []
    for at, offset in enumerate([-SECOND, 0, SECOND]):
        moved = rows.with_row_index("row").with_columns(at=pl.col("ts").dt.offset_by(f"{offset}ns")).sort("at")
        part = moved.join_asof(frame.select("sym", "bid", at="ts").sort("at"), on="at", by="sym", check_sortedness=False)
        parts.append(part.drop("at").with_columns(offset=pl.lit(offset), nth=pl.lit(at)))
    theirs = pl.concat(parts).sort("row", "nth").drop("row", "nth")
    got = plain(ours.to_polars()).with_columns(pl.col("offset").cast(pl.Int64))
    assert_frame_equal(got.select(theirs.columns), theirs, check_dtypes=False)


@pytest.mark.parametrize("how", ["inner", "left", "semi", "anti"])
def test_a_join_by_keys_is_that_of_polars(trades, rows, db, how):
    names = pl.DataFrame({"venue": ["X", "Y", None], "name": ["Xetra", "Yard", "none"]})
    ours = trades.scan().join(gapless.from_arrow(names), on="venue", how=how)
    assert_same(ours, rows.join(names, on="venue", how=how, nulls_equal=True, maintain_order="left"))


def test_a_fill_has_every_slot(ticks):
    minute = 60 * SECOND
    ticks.append(
        {
            "ts": [START, START + minute, START + 4 * minute, START],
            "sym": ["A", "A", "A", "B"],
            "price": [1.0, 2.0, 5.0, 7.0],
            "size": [1, 2, 3, 4],
        }
    )
    scan = ticks.scan(start=START, end=START + 5 * minute)
    filled = scan.fill(every="1m", methods={"price": "linear", "size": 0}, observed="seen")
    got = plain(filled.to_polars())
    assert got.filter(pl.col("sym") == "A")["price"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert got.filter(pl.col("sym") == "A")["size"].to_list() == [1, 2, 0, 0, 3]
    assert got["seen"].to_list() == [True, True, False, False, True, True, False, False, False, False]
    carried = scan.fill(every="1m", methods={"price": "previous"}, max_age="2m").to_polars()
    assert carried["price"].to_list() == [1.0, 2.0, 2.0, 2.0, 5.0, 7.0, 7.0, 7.0, None, None]
    seeded = ticks.scan(start=START + 2 * minute, end=START + 3 * minute, series="A").fill("1m", {"price": "previous"})
    assert seeded.to_arrow().column("price").to_pylist() == [2.0]
    asked = ticks.scan(series=["A", "none"]).fill("1m", start=START, end=START + 2 * minute)
    assert asked.count() == 4
    with pytest.raises(gapless.InvalidError, match="both start and end"):
        scan.fill("1m", start=START)
    with pytest.raises(gapless.InvalidError, match='there are "previous"'):
        scan.fill("1m", {"price": "cubic"})


def test_a_fill_stops_at_gaps_of_the_coverage(ticks):
    minute = 60 * SECOND
    ticks.append({"ts": [START], "sym": ["A"], "price": [1.0]})
    scan = ticks.scan(start=START, end=START + 3 * minute)
    assert scan.fill("1m", {"price": "previous"}).to_polars()["price"].to_list() == [1.0] * 3
    assert scan.fill("1m", {"price": "previous"}, stop_at_gaps=True).to_polars()["price"].to_list() == [1.0, None, None]


def test_functions_over_a_series_are_those_of_polars(trades, rows):
    ours = trades.scan().with_columns(
        by="sym",
        d=gapless.delta("size"),
        d3=gapless.delta("size", rows=3),
        r=gapless.ratio("size"),
        p=gapless.previous("size", default=0),
        n=gapless.next("venue"),
        total=gapless.cum_sum("size"),
        top=gapless.cum_max("size"),
        low=gapless.cum_min("size"),
        count=gapless.cum_count("price"),
        row=gapless.row_number(),
        known=gapless.forward_fill("price"),
        e=gapless.ema("size", alpha=0.1),
        s=gapless.ema("size", span=9),
        h=gapless.ema("size", half_life=3),
        notional=col("price") * col("size"),
    )
    size, over = pl.col("size"), "sym"
    theirs = rows.with_columns(
        d=size.diff().over(over),
        d3=size.diff(3).over(over),
        r=(size / size.shift(1)).over(over),
        p=size.shift(1, fill_value=0).over(over),
        n=pl.col("venue").shift(-1).over(over),
        total=size.cum_sum().over(over),
        top=size.cum_max().over(over),
        low=size.cum_min().over(over),
        count=pl.col("price").cum_count().over(over),
        row=pl.int_range(1, pl.len() + 1).over(over),
        known=pl.col("price").forward_fill().over(over),
        e=size.ewm_mean(alpha=0.1, adjust=False).over(over),
        s=size.ewm_mean(span=9, adjust=False).over(over),
        h=size.ewm_mean(half_life=3, adjust=False).over(over),
        notional=pl.col("price") * size,
    )
    assert_same(ours, theirs)


def test_an_average_by_time_halves_in_its_half_life(ticks):
    ticks.append({"ts": [0, SECOND, 3 * SECOND], "sym": ["A"] * 3, "price": [8.0, 0.0, 0.0]})
    got = ticks.scan().with_columns(e=gapless.ema("price", half_life="1s")).to_arrow()
    assert got.column("e").to_pylist() == [8.0, 4.0, 1.0]
    with pytest.raises(gapless.InvalidError, match="one of alpha"):
        gapless.ema("price")
    with pytest.raises(gapless.InvalidError, match="use two"):
        ticks.scan().with_columns(price=gapless.delta("price"), x=col("price") * 2)
    with pytest.raises(gapless.InvalidError, match="go by the series"):
        ticks.scan().with_columns(by="price", d=gapless.delta("price"))
    with pytest.raises(gapless.InvalidError, match="go by the series"):
        ticks.scan().filter(col("size") > 1).rolling(by="price", rows=3)


def test_rolling_windows_are_those_of_polars(trades, rows):
    by_rows = trades.scan().rolling(by="sym", rows=5).agg(total=gapless.sum("size"), top=gapless.max("size"))
    assert_same(
        by_rows,
        rows.with_columns(
            total=pl.col("size").rolling_sum(5, min_samples=1).over("sym"), top=pl.col("size").rolling_max(5, min_samples=1).over("sym")
        ),
    )
    by_time = trades.scan().rolling(period="10s", min_rows=3).agg(total=gapless.sum("size"))
    theirs = rows.with_columns(
        total=pl.when(pl.col("size").rolling_sum_by("ts", "10s", min_samples=3).over("sym").is_not_null()).then(
            pl.col("size").rolling_sum_by("ts", "10s", min_samples=3).over("sym")
        )
    )
    assert_same(by_time, theirs)
    with pytest.raises(gapless.InvalidError, match="one of rows and period"):
        trades.scan().rolling(by="sym")


def test_top_sort_and_latest(trades, rows):
    assert_same(trades.scan().top(10, by="price").select("price"), rows.top_k(10, by="price").select("price").sort("price", descending=True))
    assert_same(
        trades.scan().sort(["venue", "ts"]), rows.sort("venue", "ts", nulls_last=True, maintain_order=True)
    )
    assert_same(trades.latest(), rows.group_by("sym", maintain_order=True).last().select(rows.columns))
    at = rows["ts"][40]
    early = rows.filter(pl.col("ts") <= at)
    ns = rows["ts"].dt.epoch("ns")[40]
    assert_same(trades.latest(at=ns), early.group_by("sym", maintain_order=True).last().select(rows.columns))
    assert trades.latest(series="BB").to_arrow().column("sym").to_pylist() == ["BB"]
    assert trades.scan().latest().count() == 3


def test_steps_follow_each_other(trades, rows):
    bars = trades.scan().group_by(every="1m", by="sym").agg(close=gapless.last("price"), n=gapless.count())
    best = bars.filter(col("n") > 5).with_columns(change=gapless.delta("close")).top(3, by="change")
    assert best.count() == 3
    changes = best.to_arrow().column("change").to_pylist()
    assert changes == sorted(changes, reverse=True) and all(math.isfinite(change) for change in changes)
    assert "trade" in bars.explain() and len(bars.explain().splitlines()) > 1


@pytest.mark.parametrize(
    "step",
    [
        lambda scan: scan.filter("none"),
        lambda scan: scan.select("none"),
        lambda scan: scan.group_by(by="none").agg(gapless.count()),
        lambda scan: scan.group_by(every="1 minute"),
        lambda scan: scan.group_by(zone="UTC"),
        lambda scan: scan.group_by(by="sym").agg(),
        lambda scan: scan.group_by(by="sym").agg(x="price"),
        lambda scan: scan.asof_join(scan, strategy="sideways"),
        lambda scan: scan.asof_join("quote"),
        lambda scan: scan.join(scan, on="sym", how="outer"),
        lambda scan: scan.filter(col("venue") > 1),
        lambda scan: scan.with_columns(x=col("price").cast("money")),
        lambda scan: scan.horizon_join(scan),
        lambda scan: scan.window_join(scan, start="5s", end="-5s").agg(gapless.count()),
        lambda scan: scan.rolling(rows=0).agg(gapless.count()),
        lambda scan: scan.filter(col("ts").part("fortnight") > 1),
    ],
)
def test_what_cannot_be_is_said_at_the_step(trades, step):
    with pytest.raises(gapless.InvalidError):
        step(trades.scan())


def test_sql_sees_the_tables(db, trades, rows):
    assert db.sql("SELECT count(*) AS n FROM trade").to_arrow().column("n").to_pylist() == [len(rows)]
    got = db.sql("SELECT sym, max(size) AS top FROM trade GROUP BY sym ORDER BY sym").to_polars()
    assert_frame_equal(plain(got), rows.group_by("sym").agg(top=pl.col("size").max()).sort("sym"), check_dtypes=False)
    assert len(db.sql("SELECT * FROM trade WHERE size < 0")) == 0
    with pytest.raises(gapless.InvalidError):
        db.sql("SELEKT 1")
    with pytest.raises(gapless.GaplessError, match="trade"):
        db.sql("SELECT * FROM quotes")


def test_coverage_that_is_required_is_missing_with_its_gaps(filled):
    with pytest.raises(gapless.CoverageError) as refused:
        filled.scan(start=START, end=START + SECOND, series="A", require_coverage=True, interval="1s").to_arrow()
    assert refused.value.gaps == [gapless.Gap("A", START, START + SECOND, SECOND)]
    assert refused.value.gaps == filled.scan(start=START, end=START + SECOND, series="A", interval="1s").uncovered
    with pytest.raises(gapless.CoverageError):
        filled.scan(start=START, end=START + SECOND, require_coverage=True).count()
