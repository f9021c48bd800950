//! [`Session`]: a writer that follows a source.

use gapless::{Error, LiveSession};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::call::engine;
use crate::data;
use crate::table::Table;
use crate::time::Instant;

/// A live session: a writer that follows a source and says how far. It covers up to its watermark, which moves with its rows and
/// heartbeats; what comes after it is a gap by itself when the session ends, however it ends.
///
/// It is a context manager, which closes it.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Session {
    table: Py<Table>,
    session: Mutex<Option<LiveSession>>,
    /// What is known of it when it is over.
    about: About,
}

#[derive(Debug)]
struct About {
    series: Option<String>,
    interval: i64,
    watermark: Mutex<i64>,
}

impl Session {
    pub(crate) fn new(table: Py<Table>, session: LiveSession) -> Self {
        let about = About {
            series: session.series().map(str::to_owned),
            interval: session.interval(),
            watermark: Mutex::new(session.watermark()),
        };
        Self {
            table,
            session: Mutex::new(Some(session)),
            about,
        }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut LiveSession) -> gapless::Result<T> + Send,
    ) -> PyResult<T> {
        engine(py, || {
            let mut session = self.session.lock();
            let session = session
                .as_mut()
                .ok_or_else(|| Error::invalid("the session is closed: open another"))?;
            let outcome = call(session);
            *self.about.watermark.lock() = session.watermark();
            outcome
        })
    }
}

#[pymethods]
impl Session {
    /// Its series; `None` for every one of the table.
    #[getter]
    fn series(&self) -> Option<&str> {
        self.about.series.as_deref()
    }

    /// The grid step of its rows in nanoseconds; 0 for none.
    #[getter]
    fn interval(&self) -> i64 {
        self.about.interval
    }

    /// The time up to which it covers: the first that is not, in nanoseconds since the epoch.
    #[getter]
    fn watermark(&self) -> i64 {
        *self.about.watermark.lock()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.session.lock().is_none())
    }

    /// Appends rows and covers everything up to the last of their times, in one commit: on a grid to the end of its slot, else to the time
    /// itself, since more rows may come that have it. Gives how many rows they are. `data` is as in `Table.append`.
    ///
    /// Raises InvalidError for rows of another series than the session's, and for times more than `ahead_max` ahead of the clock. Nothing was
    /// written then, and the watermark has not moved.
    fn append(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u64> {
        let rows = self.table.get().rows(data)?;
        self.with(py, move |session| {
            Ok(session.append(&data::one_batch(rows)?)?.rows)
        })
    }

    /// Says that the source was followed up to a time, whether rows came or not. An earlier time than the watermark changes nothing.
    ///
    /// Raises InvalidError for a time more than `ahead_max` ahead of the clock.
    fn heartbeat(&self, py: Python<'_>, until: Instant) -> PyResult<()> {
        self.with(py, |session| session.heartbeat(until.0))
    }

    /// Closes it: what it covered is complete. Closing twice does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.session.lock().take()));
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let series = self
            .series()
            .map_or_else(|| "every series".to_owned(), |series| format!("{series:?}"));
        let closed = if self.closed(py) { ", closed" } else { "" };
        format!("Session({series}, watermark={}{closed})", self.watermark())
    }
}
