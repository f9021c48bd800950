//! Calendars of a database, and which tables and series go by them.

use gapless::calendar::Session;
use gapless::{Calendar, Days, Listing};
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyInt, PyMapping, PyString, PyTime};

use crate::call::engine;
use crate::database::Database;
use crate::error::{invalid, py_error};
use crate::table::Table;
use crate::text::Names;
use crate::time::Instant;

#[pymethods]
impl Database {
    /// Creates a calendar, or replaces the one of that name, atomically and durably: when rows of a series are expected.
    ///
    /// `zone` is an IANA name; times of day are local to it, also when clocks change. `sessions` are (days, open, close): days are a number (0 is
    /// Monday) or text such as "mon-fri"; a close that is not after the open is on the next day, "24:00" is the end of the day. Without any it is
    /// open all the time but for what follows. `holidays` are dates, or a dict of dates and names: what opens on them does not. `early_closes`
    /// and `late_opens` are dicts of dates and times. `closures` and `extras` are (start, end) or (start, end, reason), instants: closed, or open
    /// once more.
    ///
    /// Raises InvalidError for what cannot be read, and for an early close or a late open that changes no session. Nothing has changed then.
    ///
    /// >>> db.create_calendar("nyse", zone="America/New_York", sessions=[("mon-fri", "09:30", "16:00")], holidays=["2026-12-25"])
    /// >>> db.calendars()
    /// ['nyse']
    #[pyo3(signature = (name, *, zone="UTC", sessions=None, holidays=None, early_closes=None, late_opens=None, closures=None, extras=None))]
    #[expect(clippy::too_many_arguments, reason = "they are what a calendar is, by name")]
    fn create_calendar(
        &self,
        py: Python<'_>,
        name: &str,
        zone: &str,
        sessions: Option<Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>)>>,
        holidays: Option<&Bound<'_, PyAny>>,
        early_closes: Option<&Bound<'_, PyAny>>,
        late_opens: Option<&Bound<'_, PyAny>>,
        closures: Option<Vec<Bound<'_, PyAny>>>,
        extras: Option<Vec<Bound<'_, PyAny>>>,
    ) -> PyResult<()> {
        let mut calendar = Calendar::new(zone).map_err(py_error)?;
        for (days, open, close) in sessions.into_iter().flatten() {
            let session =
                Session::new(days_of(&days)?, &time_text(&open)?, &time_text(&close)?).map_err(py_error)?;
            calendar = calendar.with_session(session);
        }
        for (date, name) in holidays.map(dated).transpose()?.into_iter().flatten() {
            calendar = calendar.holiday(&date, &name).map_err(py_error)?;
        }
        for (date, time) in early_closes.map(dated).transpose()?.into_iter().flatten() {
            calendar = calendar.early_close(&date, &time).map_err(py_error)?;
        }
        for (date, time) in late_opens.map(dated).transpose()?.into_iter().flatten() {
            calendar = calendar.late_open(&date, &time).map_err(py_error)?;
        }
        for occasion in closures.into_iter().flatten() {
            let (start, end, reason) = occasion_of(&occasion)?;
            calendar = calendar.closure(start, end, &reason).map_err(py_error)?;
        }
        for occasion in extras.into_iter().flatten() {
            let (start, end, reason) = occasion_of(&occasion)?;
            calendar = calendar.extra(start, end, &reason).map_err(py_error)?;
        }
        engine(py, || self.handle.database()?.set_calendar(name, &calendar))
    }

    /// Creates a calendar, or replaces the one of that name, from its text (TOML; see docs/coverage.md), which is kept as it is.
    ///
    /// Raises InvalidError with the line of what is no calendar.
    fn import_calendar(&self, py: Python<'_>, name: &str, text: &str) -> PyResult<()> {
        engine(py, || self.handle.database()?.import_calendar(name, text))
    }

    /// Names of the calendars, sorted.
    fn calendars(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        engine(py, || self.handle.database()?.calendars())
    }

    /// The text of a calendar.
    ///
    /// Raises NotFoundError, listing the calendars there are.
    fn calendar_text(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        engine(py, || self.handle.database()?.calendar_text(name))
    }

    /// The ranges (start, end) in which a calendar is open, in nanoseconds since the epoch.
    ///
    /// Raises NotFoundError, listing the calendars there are.
    fn open_ranges(&self, py: Python<'_>, name: &str, start: Instant, end: Instant) -> PyResult<Vec<(i64, i64)>> {
        engine(py, || {
            let open = self.handle.database()?.calendar(name)?.open_between(&(start.0..end.0));
            Ok(open.as_slice().iter().map(|range| (range.start, range.end)).collect())
        })
    }

    /// Drops a calendar, atomically and durably.
    ///
    /// Raises NotFoundError; ConflictError when a table or a series goes by it.
    fn drop_calendar(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        engine(py, || self.handle.database()?.drop_calendar(name))
    }
}

#[pymethods]
impl Table {
    /// Says by which calendar the table goes, or some of its series; `None` takes it back: a series goes by the table's then, and a table is
    /// always open. Atomic and durable.
    ///
    /// Raises NotFoundError for a calendar that is not there.
    #[pyo3(signature = (name, series=None))]
    fn set_calendar(&self, py: Python<'_>, name: Option<&str>, series: Option<Names>) -> PyResult<()> {
        engine(py, || {
            let series: Option<Vec<&str>> = series
                .as_ref()
                .map(|series| series.0.iter().map(String::as_str).collect());
            self.engine()?.set_calendar(name, series.as_deref())
        })
    }

    /// Says when series are listed: rows are expected from `start` until `end` only; without a bound, always. Atomic and durable.
    ///
    /// Raises InvalidError when the end is not after the start, or the table has no series.
    #[pyo3(signature = (series, start=None, end=None))]
    fn set_listing(
        &self,
        py: Python<'_>,
        series: Names,
        start: Option<Instant>,
        end: Option<Instant>,
    ) -> PyResult<()> {
        engine(py, || {
            let listing = Listing::new(start.map(|at| at.0), end.map(|at| at.0))?;
            let listings = series.0.iter().map(|series| (series.as_str(), listing));
            self.engine()?.set_listings(listings)
        })
    }

    /// When a series is listed: (start, end) in nanoseconds since the epoch, `None` where there is no bound.
    fn listing(&self, py: Python<'_>, series: &str) -> PyResult<(Option<i64>, Option<i64>)> {
        engine(py, || {
            let listing = self.engine()?.listing(series)?;
            Ok((listing.start(), listing.end()))
        })
    }
}

fn days_of(value: &Bound<'_, PyAny>) -> PyResult<Days> {
    if value.is_instance_of::<PyInt>() {
        let day = value
            .extract()
            .map_err(|_| invalid("a weekday is a number from 0, Monday, to 6"))?;
        return Days::day(day).map_err(py_error);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_cow()?.parse().map_err(py_error);
    }
    let mut all: Option<Days> = None;
    for day in value.try_iter()? {
        let day = days_of(&day?)?;
        all = Some(all.map_or(day, |days| days | day));
    }
    all.ok_or_else(|| invalid("a session on no day: give a number (0 is Monday), or text such as \"mon-fri\""))
}

/// A time of day as text.
fn time_text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.is_instance_of::<PyTime>() {
        true => value.call_method0("isoformat")?.extract(),
        false => value.extract(),
    }
}

/// A date as text.
fn date_text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.is_instance_of::<PyDate>() {
        true => value.call_method1("strftime", ("%Y-%m-%d",))?.extract(),
        false => value.extract(),
    }
}

/// Dates, each with its time or its name; without any in a list.
fn dated(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    if let Ok(mapping) = value.cast::<PyMapping>() {
        let pair = |item: Bound<'_, PyAny>| {
            let (date, what): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            Ok((date_text(&date)?, time_text(&what)?))
        };
        return mapping.items()?.iter().map(pair).collect();
    }
    let dates = value.try_iter()?;
    dates.map(|date| Ok((date_text(&date?)?, String::new()))).collect()
}

/// (start, end) or (start, end, reason).
fn occasion_of(value: &Bound<'_, PyAny>) -> PyResult<(i64, i64, String)> {
    if let Ok((start, end)) = value.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() {
        let (start, end) = (crate::time::instant(&start)?, crate::time::instant(&end)?);
        return Ok((start, end, String::new()));
    }
    let (start, end, reason): (Bound<'_, PyAny>, Bound<'_, PyAny>, String) = value
        .extract()
        .map_err(|_| invalid("a closure is (start, end) or (start, end, reason)"))?;
    Ok((
        crate::time::instant(&start)?,
        crate::time::instant(&end)?,
        reason,
    ))
}
