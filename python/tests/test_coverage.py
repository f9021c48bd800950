"""What is known of ranges, what is missing, and saying it."""

from __future__ import annotations

import gapless
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from samples import SECOND, START, TICKS

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


@pytest.fixture
def bars(db):
    """An hour of minutes of A, complete but for the ten in the middle."""
    table = db.create_table("bars", TICKS, time="ts", series="sym", keep="last")
    times = [START + at * MINUTE for at in range(60) if not 25 <= at < 35]
    table.append(
        {"ts": times, "sym": ["A"] * 50, "price": [1.0] * 50, "size": [1] * 50},
        coverage=[
            {"series": "A", "start": START, "end": START + 25 * MINUTE, "interval": "1m", "source": "vendor", "rows": 25},
            {"series": "A", "start": START + 35 * MINUTE, "end": START + HOUR, "interval": "1m", "source": "vendor"},
        ],
    )
    return table


def test_gaps_are_objects_and_rows(bars):
    gaps = bars.gaps(START, START + HOUR, series="A")
    assert len(gaps) == 1 and gaps
    assert list(gaps) == [gapless.Gap("A", START + 25 * MINUTE, START + 35 * MINUTE, MINUTE)]
    assert gaps[-1].series == "A" and gaps[0].end - gaps[0].start == 10 * MINUTE
    with pytest.raises(IndexError):
        gaps[1]
    with pytest.raises(IndexError):
        gaps[-2]
    table = pa.table(gaps)
    assert table.column_names == ["series", "interval", "start", "end"]
    assert table.column("start")[0].value == START + 25 * MINUTE
    assert pl.DataFrame(gaps).height == gaps.to_polars().height == len(gaps.to_pandas()) == gaps.num_rows == 1
    assert "A" in repr(gaps)
    assert not bars.gaps(START, START + 20 * MINUTE, series="A")


def test_coverage_is_rows_and_objects_of_the_same_commit_as_the_rows(bars):
    coverage = bars.coverage(series="A")
    assert [(known.state, known.start, known.end, known.rows, known.source) for known in coverage] == [
        ("complete", START, START + 25 * MINUTE, 25, "vendor"),
        ("complete", START + 35 * MINUTE, START + HOUR, None, "vendor"),
    ]
    table = coverage.to_arrow()
    assert table.schema.names == coverage.schema.names
    assert table.column("state").to_pylist() == ["complete"] * 2
    assert isinstance(coverage.to_pandas(), pd.DataFrame)
    assert coverage.to_polars()["series"].to_list() == ["A", "A"]
    assert len(coverage) == 2 and "2 complete" in repr(coverage)
    assert len(bars.coverage(interval="1h")) == 0
    cut = list(bars.coverage(series="A", start=START + MINUTE, end=START + 2 * MINUTE))
    assert [(known.start, known.end, known.rows) for known in cut] == [(START + MINUTE, START + 2 * MINUTE, None)]


def test_rows_and_coverage_are_one_commit_or_none(bars):
    before = bars.scan().count()
    for write in (bars.append, bars.write):
        with pytest.raises(gapless.InvalidError):
            write({"ts": [START + HOUR], "sym": ["A"], "price": ["no number"]}, coverage=[{"start": START, "end": START + HOUR}])
        with pytest.raises(gapless.InvalidError, match="before its end"):
            write({"ts": [START + HOUR], "sym": ["A"]}, coverage={"start": START, "end": START})
    assert bars.scan().count() == before
    assert len(bars.gaps(START, START + HOUR, series="A")) == 1


def test_bulk_writes_cover_too_and_take_what_coverage_gives(bars, db):
    other = db.create_table("other", TICKS, time="ts", series="sym")
    rows = bars.scan().to_arrow()
    assert other.write(rows, coverage=bars.coverage(series="A")) == 50
    known = [known._replace(commit=0) for known in other.coverage(series="A")]
    assert known == [known._replace(commit=0) for known in bars.coverage(series="A")]


def test_there_may_be_coverage_without_rows(bars):
    assert bars.append(
        {"ts": [], "sym": []},
        coverage={"series": "A", "start": START + 25 * MINUTE, "end": START + 35 * MINUTE, "state": "empty", "interval": "1m"},
    ) == 0
    assert not bars.gaps(START, START + HOUR, series="A")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"start": START}, "a start and an end"),
        ({"start": START, "end": START + 1, "status": "complete"}, "has no"),
        ({"start": START, "end": START + 1, "state": "done"}, "there are"),
        ({"start": START, "end": START + 1, "state": "live"}, "session"),
        ({"start": START, "end": START + 1, "state": "unknown"}, "forget_coverage"),
        ({"start": "2026-11-20", "end": START + 1}, "no zone"),
        (7, "no coverage"),
        ("A", "no coverage"),
    ],
)
def test_what_cannot_be_said_is_refused(bars, said, text):
    with pytest.raises(gapless.InvalidError, match=text):
        bars.append({"ts": [START], "sym": ["A"]}, coverage=said)


def test_what_was_said_is_overridden_and_taken_back(bars):
    middle = START + 25 * MINUTE
    bars.attest(start=middle, end=middle + 5 * MINUTE, series=["A", "B"], state="partial", source="feed")
    assert [known.state for known in bars.coverage(series="A")] == ["complete", "partial", "complete"]
    assert bars.gaps(START, START + HOUR, series="A")[0].end == START + 35 * MINUTE, "partial is a gap"
    bars.attest(middle, START + 35 * MINUTE, series="A")
    assert not bars.gaps(START, START + HOUR, series="A")
    bars.forget_coverage(START, START + MINUTE, series="A")
    assert [gap.start for gap in bars.gaps(START, START + HOUR, series="A")] == [START]
    bars.forget_coverage()
    assert len(bars.coverage()) == 0


def test_an_interval_is_the_tables_own_unless_there_are_several(bars):
    bars.attest(START, START + HOUR, series="A", interval="1h")
    for ask in (
        lambda: bars.gaps(START, START + HOUR),
        lambda: bars.attest(START, START + HOUR, series="A"),
        lambda: bars.scan(require_coverage=True),
    ):
        with pytest.raises(gapless.InvalidError, match="1m, 1h"):
            ask()


def test_a_scan_that_requires_coverage_says_what_is_missing(bars):
    scan = bars.scan(START, START + HOUR, series="A", require_coverage=True, interval="1m")
    with pytest.raises(gapless.CoverageError) as refused:
        scan.to_arrow()
    assert refused.value.gaps == list(bars.gaps(START, START + HOUR, series="A"))


def test_coverage_draws_itself(bars):
    coverage = bars.coverage()
    svg = coverage._repr_svg_()
    assert svg.startswith("<?xml") and svg.rstrip().endswith("</svg>") and "A: complete" in svg
    assert coverage._repr_html_().startswith("<svg")
    assert 'width="400"' in coverage.svg(width=400)
    bars.forget_coverage()
    assert bars.coverage().svg() is None and "nothing" in bars.coverage()._repr_html_()


def test_names_in_a_picture_are_text(db):
    table = db.create_table("t", TICKS, time="ts", series="sym")
    table.attest(START, START + HOUR, series="<script>alert(1)</script>")
    assert "<script>" not in table.coverage()._repr_html_()


def test_coverage_is_inferred_where_it_is_asked_for(db):
    table = db.create_table("t", TICKS, time="ts", series="sym")
    table.append({"ts": [START, START + MINUTE, START + 3 * MINUTE], "sym": ["A"] * 3})
    assert table.infer_coverage("1m") == {"ranges": 2, "rows": 3, "off_grid": 0}
    assert [gap.start for gap in table.gaps(START, START + 4 * MINUTE)] == [START + 2 * MINUTE]
    with pytest.raises(gapless.InvalidError, match="off the grid"):
        table.infer_coverage("7m")
    assert {known.interval for known in table.coverage()} == {MINUTE}
    assert table.infer_coverage("7m", off_grid=True)["off_grid"] > 0


def test_a_session_covers_as_far_as_it_has_followed(db):
    table = db.create_table("t", TICKS, time="ts", series="sym")
    with table.session(series="A", source="feed", start=START, ahead_max=2**62) as session:
        assert session.watermark == START and session.series == "A" and session.interval == 0
        session.append({"ts": [START + SECOND], "sym": ["A"]})
        session.heartbeat(START + 10 * SECOND)
        session.heartbeat(START)
        assert session.watermark == START + 10 * SECOND
        assert [known.state for known in table.coverage(series="A")] == ["live"]
        with pytest.raises(gapless.InvalidError, match="another series"):
            session.append({"ts": [START + SECOND], "sym": ["B"]})
    assert session.closed and session.watermark == START + 10 * SECOND
    with pytest.raises(gapless.InvalidError, match="closed"):
        session.heartbeat(START + 20 * SECOND)
    assert [known.state for known in table.coverage(series="A")] == ["complete"]
    assert [gap.start for gap in table.gaps(START, START + 20 * SECOND, series="A")] == [START + 10 * SECOND]


def test_a_session_is_not_ahead_of_the_clock(db):
    table = db.create_table("t", TICKS, time="ts", series="sym")
    with table.session(series="A") as session, pytest.raises(gapless.InvalidError, match="ahead of the clock"):
        session.heartbeat("2199-01-01T00:00:00Z")


def test_a_watermark_ends_at_the_first_gap(bars):
    assert bars.watermark(series="A") == START + 25 * MINUTE
    assert bars.watermark(series="A", until=START + MINUTE) == START + MINUTE
    assert bars.watermark(series="nobody") is None
    assert bars.series() == ["A"]


def test_a_table_without_series_has_coverage_too(db):
    table = db.create_table("t", {"ts": "timestamp[ns, UTC]", "x": "float64"}, time="ts")
    table.append({"ts": [START], "x": [1.0]}, coverage={"start": START, "end": START + SECOND})
    assert [(known.series, known.state) for known in table.coverage()] == [(None, "complete")]
    assert [(gap.series, gap.start) for gap in table.gaps(START, START + 2 * SECOND)] == [(None, START + SECOND)]
    assert table.coverage().svg() is not None
    with pytest.raises(gapless.InvalidError):
        table.coverage(series="A")
