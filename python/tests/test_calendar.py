"""When rows are expected: calendars, and the life of series."""

from __future__ import annotations

import datetime as dt

import gapless
import pytest
from samples import SECOND, TICKS

HOUR = 3600 * SECOND


def ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.fixture
def nyse(db):
    db.create_calendar(
        "nyse",
        zone="America/New_York",
        sessions=[(day, "09:30", "16:00") for day in range(5)],
        holidays=["2026-12-25"],
        early_closes={dt.date(2026, 12, 24): dt.time(13)},
        closures=[("2026-11-20T10:00:00-05:00", "2026-11-20T10:30:00-05:00", "halted")],
    )


def test_a_calendar_is_open_in_its_sessions(db, nyse):
    assert db.calendars() == ["nyse"]
    days = db.open_ranges("nyse", "2026-12-24T00:00:00-05:00", "2026-12-29T00:00:00-05:00")
    assert days == [
        (ns("2026-12-24T09:30:00-05:00"), ns("2026-12-24T13:00:00-05:00")),
        (ns("2026-12-28T09:30:00-05:00"), ns("2026-12-28T16:00:00-05:00")),
    ]
    halted = db.open_ranges("nyse", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")
    assert halted[0][1] == ns("2026-11-20T10:00:00-05:00") and halted[1][0] == ns("2026-11-20T10:30:00-05:00")
    summer = db.open_ranges("nyse", "2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z")
    assert summer == [(ns("2026-07-01T13:30:00+00:00"), ns("2026-07-01T20:00:00+00:00"))]


def test_nothing_is_missing_when_the_market_is_closed(db, nyse):
    bars = db.create_table("bars", TICKS, time="ts", series="sym")
    bars.set_calendar("nyse")
    week = ("2026-11-23T00:00:00-05:00", "2026-11-30T00:00:00-05:00")
    gaps = bars.gaps(*week, series="A", interval="30m")
    assert [(gap.end - gap.start) / HOUR for gap in gaps] == [6.5] * 5
    bars.set_calendar(None)
    assert [(gap.end - gap.start) / HOUR for gap in bars.gaps(*week, series="A", interval="30m")] == [7 * 24]
    bars.set_calendar("nyse", series=["A"])
    assert len(bars.gaps(*week, series="A")) == 5 and len(bars.gaps(*week, series="B")) == 1


def test_rows_are_expected_in_the_life_of_a_series_only(db):
    bars = db.create_table("bars", TICKS, time="ts", series="sym")
    bars.set_listing("A", start="2026-11-20T00:00:00Z")
    bars.set_listing(["B", "C"], end="2026-11-20T00:00:00Z")
    days = ("2026-11-19T00:00:00Z", "2026-11-21T00:00:00Z")
    middle = ns("2026-11-20T00:00:00+00:00")
    assert [(gap.series, gap.start == middle, gap.end == middle) for gap in bars.gaps(*days)] == [
        ("A", True, False),
        ("B", False, True),
        ("C", False, True),
    ]
    assert bars.listing("A") == (middle, None) and bars.listing("B") == (None, middle)
    assert bars.listing("nobody") == (None, None)
    with pytest.raises(gapless.InvalidError):
        bars.set_listing("A", start=2, end=1)


def test_a_calendar_is_its_text(db, nyse):
    text = db.calendar_text("nyse")
    assert 'zone = "America/New_York"' in text
    db.import_calendar("copy", "# mine\n" + text)
    assert db.calendar_text("copy").startswith("# mine")
    year = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    assert db.open_ranges("copy", *year) == db.open_ranges("nyse", *year)
    with pytest.raises(gapless.InvalidError):
        db.import_calendar("bad", "zone = 7")


def test_sessions_over_midnight_late_opens_and_extras(db):
    db.create_calendar(
        "cme",
        zone="America/Chicago",
        sessions=[("sun-thu", "17:00", "16:00")],
        late_opens={"2026-11-23": "18:00"},
        extras=[("2026-11-28T09:00:00-06:00", "2026-11-28T12:00:00-06:00")],
    )
    open_ = db.open_ranges("cme", "2026-11-23T12:00:00-06:00", "2026-11-29T00:00:00-06:00")
    assert open_[0] == (ns("2026-11-23T12:00:00-06:00"), ns("2026-11-23T16:00:00-06:00"))
    assert open_[1] == (ns("2026-11-23T18:00:00-06:00"), ns("2026-11-24T16:00:00-06:00"))
    assert open_[-1] == (ns("2026-11-28T09:00:00-06:00"), ns("2026-11-28T12:00:00-06:00"))


@pytest.mark.parametrize(
    "calendar",
    [
        {"zone": "Mars/Phobos"},
        {"sessions": [(7, "09:30", "16:00")]},
        {"sessions": [("someday", "09:30", "16:00")]},
        {"sessions": [("mon", "9h", "16:00")]},
        {"sessions": [([], "09:00", "16:00")]},
        {"holidays": ["25.12.2026"]},
        {"early_closes": {"2026-11-21": "13:00"}, "sessions": [("mon-fri", "09:30", "16:00")]},
        {"closures": [(2, 1)]},
        {"closures": [("2026-11-20T10:00:00", "2026-11-20T11:00:00")]},
        {"closures": [(1,)]},
    ],
    ids=str,
)
def test_what_is_no_calendar_is_refused(db, calendar):
    with pytest.raises(gapless.InvalidError):
        db.create_calendar("x", **calendar)
    assert db.calendars() == []


def test_a_calendar_that_is_used_is_not_dropped(db, nyse):
    bars = db.create_table("bars", TICKS, time="ts", series="sym")
    bars.set_calendar("nyse")
    with pytest.raises(gapless.ConflictError):
        db.drop_calendar("nyse")
    bars.set_calendar(None)
    db.drop_calendar("nyse")
    assert db.calendars() == []
    with pytest.raises(gapless.NotFoundError):
        db.calendar_text("nyse")
    with pytest.raises(gapless.NotFoundError):
        bars.set_calendar("nyse")
