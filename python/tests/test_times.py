"""What is an instant, what is a length of time, and what is neither."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import gapless
import numpy as np
import pandas as pd
import pytest
from samples import SECOND, START

AT = START + 10 * SECOND
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    "at",
    [
        AT,
        np.int64(AT),
        dt.datetime(2026, 11, 20, 14, 0, 10, tzinfo=dt.timezone.utc),
        dt.datetime(2026, 11, 20, 9, 0, 10, tzinfo=NEW_YORK),
        pd.Timestamp("2026-11-20T14:00:10Z"),
        pd.Timestamp("2026-11-20T09:00:10", tz="America/New_York"),
        pd.Timestamp("2026-11-20T14:00:10Z").as_unit("s"),
        np.datetime64("2026-11-20T14:00:10"),
        np.datetime64("2026-11-20T14:00:10", "ns"),
        "2026-11-20T14:00:10Z",
        "2026-11-20T15:00:10+01:00",
        "2026-11-20 14:00:10.000000000Z",
        "2026-11-20T09:00:10[America/New_York]",
    ],
)
def test_every_kind_of_time_is_the_same_instant(filled, at):
    rows = filled.scan(start=at, series="A").to_arrow()
    assert rows.num_rows == 590
    assert rows.column("ts")[0].value == AT


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (dt.datetime(2026, 11, 20), "has no zone"),
        (pd.Timestamp("2026-11-20"), "has no zone"),
        ("2026-11-20T14:00:10", "has no zone"),
        ("2026-11-20", "has no zone"),
        (dt.date(2026, 11, 20), "is a day"),
        ("yesterday", "is no time"),
        (1.5, "float"),
        (True, "is no time"),
        (pd.NaT, "is no time"),
        (np.datetime64("NaT"), "is no time"),
        (np.timedelta64(1, "s"), "length of time"),
        (2**63, "64 bits"),
        (np.datetime64("1500-01-01"), "lies outside"),
        (dt.datetime(1500, 1, 1, tzinfo=dt.timezone.utc), "lies outside"),
        ([], "is no time"),
    ],
)
def test_what_is_no_certain_instant_is_refused(filled, at, text):
    with pytest.raises(gapless.InvalidError, match=text):
        filled.scan(start=at)


def test_nanoseconds_of_pandas_and_numpy_are_kept(ticks):
    ticks.append({"ts": [START + 1, START + 2], "sym": ["A", "A"]})
    for at in (pd.Timestamp(START + 2, tz="UTC"), np.datetime64(START + 2, "ns")):
        assert ticks.scan(start=at).count() == 1


def test_months_and_days_of_numpy_are_their_start_in_utc(ticks):
    ticks.append({"ts": ["2026-11-01T00:00:00Z", "2026-10-31T23:59:59.999999999Z"], "sym": ["A", "A"]})
    for at in (np.datetime64("2026-11"), np.datetime64("2026-11-01"), np.datetime64("2026-11-01T00")):
        assert ticks.scan(start=at).count() == 1


@pytest.mark.parametrize(
    "length", ["1m", 60 * SECOND, dt.timedelta(minutes=1), pd.Timedelta("1min"), np.timedelta64(1, "m"), np.timedelta64(60, "s")]
)
def test_every_kind_of_length_is_the_same(filled, length):
    assert filled.scan(start=START, end=START + 60 * SECOND, interval=length).uncovered[0].interval == 60 * SECOND


@pytest.mark.parametrize("length", ["1 minute", "m", "", True, 1.5, np.timedelta64("NaT"), np.timedelta64(1, "M")])
def test_what_is_no_length_is_refused(db, length):
    with pytest.raises(gapless.InvalidError, match="no length of time"):
        db.create_table("t", {"ts": "timestamp[ns, UTC]"}, time="ts", retain=length)
