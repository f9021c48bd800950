//! [`Subscription`]: what is committed to a table, as it comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gapless::{Committed, Error, Position};
use parking_lot::Mutex;
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use crate::batch::py_batch;
use crate::call::engine;
use crate::error::{invalid, py_error};
use crate::table::Table;

/// How long is waited before signals are looked for.
const TICK: Duration = Duration::from_millis(50);

/// What is committed to a table from some position on, each row once, in the order of commits: first what is stored, and then what comes, in
/// this process or another. Deletions are not delivered.
///
/// It is an iterator over batches that waits for the next one and ends when it is closed, and an async iterator. Keep `position` with what was
/// made of the rows, and go on from it later: `table.subscribe(position)`.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug)]
pub(crate) struct Subscription {
    state: Arc<Mutex<State>>,
    /// Of what was handed out: not of what waits.
    about: Mutex<About>,
}

#[derive(Debug)]
struct State {
    subscription: Option<gapless::Subscription>,
    /// What has come and nobody has taken: whoever waited for it was cancelled.
    waiting: Option<Committed>,
}

#[derive(Debug)]
struct About {
    position: Position,
    last_commit: Option<i64>,
}

impl Subscription {
    fn new(subscription: gapless::Subscription) -> Self {
        let position = subscription.position();
        Self {
            state: Arc::new(Mutex::new(State {
                subscription: Some(subscription),
                waiting: None,
            })),
            about: Mutex::new(About {
                position,
                last_commit: None,
            }),
        }
    }

    /// Waits for rows until a time; whether there are any, or it is over.
    fn arrives(&self, py: Python<'_>, wait: Duration) -> PyResult<bool> {
        let state = Arc::clone(&self.state);
        engine(py, move || {
            let mut state = state.lock();
            if state.waiting.is_some() {
                return Ok(true);
            }
            let Some(subscription) = state.subscription.as_mut() else {
                return Ok(true);
            };
            let next = subscription.next(wait)?;
            state.waiting = next;
            Ok(state.waiting.is_some())
        })
    }

    /// What has come.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let taken = py.detach(|| self.state.lock().waiting.take());
        let Some(committed) = taken else {
            return Ok(None);
        };
        {
            let mut about = self.about.lock();
            about.position = committed.position;
            about.last_commit = Some(committed.last_commit);
        }
        py_batch(py, committed.batch).map(Some)
    }
}

#[pymethods]
impl Subscription {
    /// The position behind what was handed out, as text: what to subscribe from to go on.
    #[getter]
    fn position(&self) -> String {
        self.about.lock().position.to_string()
    }

    /// When the newest commit of the batch that was handed out last was made, in nanoseconds since the epoch.
    #[getter]
    fn last_commit(&self) -> Option<i64> {
        self.about.lock().last_commit
    }

    /// The next batch; `None` when there is none within `timeout` seconds, or when it is closed. Without a timeout it waits.
    ///
    /// Raises NotFoundError when the table was dropped; ConflictError when rows behind a saved position can no longer be told from those
    /// before it.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = timeout
            .map(|seconds| {
                Duration::try_from_secs_f64(seconds)
                    .map_err(|_| invalid(format!("a timeout of {seconds} s: give seconds from 0 on")))
            })
            .transpose()?;
        let begun = Instant::now();
        loop {
            let left = timeout.map_or(TICK, |timeout| timeout.saturating_sub(begun.elapsed()));
            if self.arrives(py, left.min(TICK))? {
                return self.take(py);
            }
            py.check_signals()?;
            if timeout.is_some_and(|timeout| begun.elapsed() >= timeout) {
                return Ok(None);
            }
        }
    }

    /// Ends it, also for who waits.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let mut state = self.state.lock();
            state.subscription = None;
            state.waiting = None;
        });
    }

    /// Waits for so many seconds at most; whether `_take` has something to give, or it is over. For async iteration.
    fn _arrives(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        self.arrives(py, Duration::try_from_secs_f64(seconds).unwrap_or(TICK))
    }

    /// What has come; `None` when it is over.
    fn _take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.take(py)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.next(py, None)?
            .ok_or_else(|| PyStopIteration::new_err(()))
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("gapless._subscription")?
            .call_method1("following", (&slf,))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }
}

#[pymethods]
impl Table {
    /// What is committed to the table, batch by batch, each row once: first what is stored, then what comes, in this process or another.
    ///
    /// `from_` is where to begin: `None` or 0 is the beginning, "end" what comes after now, and a text is the `position` of an earlier
    /// subscription. A batch has `batch_rows` rows at most.
    ///
    /// >>> rows = table.append({"ts": [1], "sym": ["X"], "price": [1.5], "size": [100]})
    /// >>> with table.subscribe() as new:
    /// ...     next(new).num_rows
    /// 1
    #[pyo3(signature = (from_=None, batch_rows=None))]
    fn subscribe(
        &self,
        py: Python<'_>,
        from_: Option<&Bound<'_, PyAny>>,
        batch_rows: Option<usize>,
    ) -> PyResult<Subscription> {
        let text = from_.map(begin).transpose()?.flatten();
        let subscription = engine(py, || {
            let table = self.engine()?;
            let from = match text.as_deref() {
                None => None,
                Some("end") => Some(self.handle.database()?.snapshot()?.position(&self.name)?),
                Some(text) => Some(text.parse::<Position>()?),
            };
            let subscription = table.subscribe(from)?;
            Ok(match batch_rows {
                Some(rows) => subscription.batch_rows(rows),
                None => subscription,
            })
        })?;
        Ok(Subscription::new(subscription))
    }
}

/// The text of a position; none for the beginning.
fn begin(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Some(text.to_cow()?.into_owned()));
    }
    let is_zero = value.is_instance_of::<PyInt>() && value.extract::<i64>().is_ok_and(|number| number == 0);
    match is_zero {
        true => Ok(None),
        false => Err(py_error(Error::invalid(
            "from_ is None or 0 for the beginning, \"end\", or the position of an earlier subscription",
        ))),
    }
}
