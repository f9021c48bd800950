//! A fetcher of Python as the engine's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use gapless::backfill::{FetchError, FetchRequest, Fetched, Fetcher};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping, PyTuple};

use crate::data;
use crate::schema::Schema;
use crate::time::instant;

/// How often who waits for an answer looks whether it is wanted still.
const TICK: Duration = Duration::from_millis(20);

/// What a fetcher gave, or raised.
type Answer = Result<Py<PyAny>, Py<PyAny>>;

/// Asks a callable of Python. The call runs beside the worker that waits for it, so that a fill ends when it is told to, whatever the
/// callable does.
#[derive(Debug)]
pub(super) struct PyFetcher {
    caller: Py<PyAny>,
    name: String,
    timeout: Option<Duration>,
    is_cancelled: AtomicBool,
    /// What was raised last, by series and the start of the request.
    raised: Mutex<HashMap<(Option<String>, i64), Py<PyAny>>>,
    /// What ends the fill: Ctrl-C or an exit inside of the callable.
    fatal: Mutex<Option<Py<PyAny>>>,
}

impl PyFetcher {
    pub(super) fn new(fetcher: &Bound<'_, PyAny>, timeout: Option<Duration>) -> PyResult<Self> {
        let module = fetcher.py().import("gapless._fill")?;
        let caller = module.getattr("Caller")?.call1((fetcher,))?;
        Ok(Self {
            name: caller.getattr("name")?.extract()?,
            caller: caller.unbind(),
            timeout,
            is_cancelled: AtomicBool::new(false),
            raised: Mutex::default(),
            fatal: Mutex::default(),
        })
    }

    /// Waits for no answer any more.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether something was raised that ends the fill.
    pub(super) fn is_fatal(&self) -> bool {
        self.fatal.lock().is_some()
    }

    /// Ends what still runs.
    pub(super) fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.caller.bind(py).call_method0("close").map(|_| ())
    }

    pub(super) fn fatal(&self, py: Python<'_>) -> Option<PyErr> {
        let fatal = self.fatal.lock().take()?;
        Some(PyErr::from_value(fatal.into_bound(py)))
    }

    /// What was raised for a gap.
    pub(super) fn raised<'py>(&self, py: Python<'py>, gap: &gapless::Gap) -> Option<Bound<'py, PyAny>> {
        let raised = self.raised.lock();
        let of_gap = raised
            .iter()
            .filter(|((series, start), _)| *series == gap.series && gap.range().contains(start));
        let (_, error) = of_gap.min_by_key(|((_, start), _)| *start)?;
        Some(error.bind(py).clone())
    }

    /// Begins a call; gives where its answer comes, and what gives it up.
    fn start(&self, request: &FetchRequest) -> PyResult<(Receiver<Answer>, Py<PyAny>)> {
        Python::attach(|py| {
            let (sender, receiver) = sync_channel(1);
            let class = py.import("gapless._fill")?.getattr("FetchRequest")?;
            let asked = class.call1((
                &request.table,
                request.series.as_deref(),
                request.start,
                request.end,
                request.interval,
                request.attempt,
                Schema::from(Arc::clone(&request.schema)),
            ))?;
            let done = Done { sender };
            let cancel = self.caller.bind(py).call_method1("start", (asked, done))?;
            Ok((receiver, cancel.unbind()))
        })
    }

    /// Waits for an answer.
    fn wait(&self, receiver: &Receiver<Answer>, cancel: &Py<PyAny>) -> Result<Answer, FetchError> {
        let begun = Instant::now();
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(FetchError::permanent("the fetcher ended without an answer"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let is_late = self.timeout.is_some_and(|timeout| begun.elapsed() > timeout);
            if is_late || self.is_cancelled.load(Ordering::Relaxed) {
                // What it does not end by itself is left behind.
                let _ = Python::attach(|py| cancel.bind(py).call0().map(|_| ()));
                let why = match is_late {
                    true => format!(
                        "the fetcher gave no answer for {:?}",
                        self.timeout.unwrap_or_default()
                    ),
                    false => "the fill was interrupted while the fetcher was asked".to_owned(),
                };
                return Err(FetchError::transient(why));
            }
        }
    }

    /// What a raised exception means.
    fn failed(&self, request: &FetchRequest, error: Py<PyAny>) -> FetchError {
        Python::attach(|py| {
            let value = error.bind(py);
            let shown = shown(value);
            let is_fatal = !value.is_instance_of::<pyo3::exceptions::PyException>()
                && !value.is_instance_of::<pyo3::exceptions::PyGeneratorExit>()
                && value
                    .get_type()
                    .name()
                    .map_or(true, |name| name != "CancelledError");
            if is_fatal {
                *self.fatal.lock() = Some(error.clone_ref(py));
                return FetchError::permanent(shown);
            }
            let verdict = py
                .import("gapless._fill")
                .and_then(|module| module.call_method1("verdict", (value,)))
                .and_then(|verdict| verdict.extract::<(bool, Option<f64>)>());
            let key = (request.series.clone(), request.start);
            self.raised.lock().insert(key, error.clone_ref(py));
            let (is_transient, after) = verdict.unwrap_or((false, None));
            if !is_transient {
                return FetchError::permanent(shown);
            }
            match after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
                Some(delay) => FetchError::transient(shown).retry_after(delay),
                None => FetchError::transient(shown),
            }
        })
    }

    fn ask(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let raised = |error: PyErr| Python::attach(|py| error.into_value(py).into_any());
        let (receiver, cancel) = self
            .start(request)
            .map_err(|error| self.failed(request, raised(error)))?;
        let answer = self
            .wait(&receiver, &cancel)?
            .map_err(|error| self.failed(request, error))?;
        let given = Python::attach(|py| Given::new(answer.bind(py), request));
        // The rows may be made by Python as they are read, on whatever thread.
        let fetched = given.and_then(|given| given.read().map_err(crate::error::py_error));
        fetched.map_err(|error| self.failed(request, raised(error)))
    }
}

impl Fetcher for PyFetcher {
    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let fetched = self.ask(request)?;
        let key = (request.series.clone(), request.start);
        let before = self.raised.lock().remove(&key);
        if before.is_some() {
            Python::attach(|_| drop(before));
        }
        Ok(fetched)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// An exception in one line.
fn shown(error: &Bound<'_, PyAny>) -> String {
    let name = error
        .get_type()
        .name()
        .map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    match error.str().map(|text| text.to_string()) {
        Ok(text) if !text.is_empty() => format!("{name}: {text}"),
        _ => name,
    }
}

/// Takes the answer of a call.
#[pyclass(frozen)]
#[derive(Debug)]
struct Done {
    sender: SyncSender<Answer>,
}

#[pymethods]
impl Done {
    fn __call__(&self, value: Py<PyAny>, error: Option<Py<PyAny>>) {
        // Who has waited may be gone.
        let _ = self.sender.try_send(match error {
            Some(error) => Err(error),
            None => Ok(value),
        });
    }
}

/// An answer whose rows are not read yet.
struct Given {
    readers: Vec<data::Reader>,
    through: Option<i64>,
    is_partial: bool,
}

impl Given {
    fn new(answer: &Bound<'_, PyAny>, request: &FetchRequest) -> PyResult<Self> {
        let class = answer.py().import("gapless._fill")?.getattr("Fetched")?;
        if !answer.is_instance(&class)? {
            if answer.is_none() {
                return Err(crate::error::invalid(
                    "the fetcher has returned None: return rows, or gapless.Fetched() where the source has nothing",
                ));
            }
            return Ok(Self {
                readers: readers(answer, request)?,
                through: None,
                is_partial: false,
            });
        }
        let (data, through) = (answer.getattr("data")?, answer.getattr("through")?);
        Ok(Self {
            readers: match data.is_none() {
                true => Vec::new(),
                false => readers(&data, request)?,
            },
            through: match through.is_none() {
                true => None,
                false => Some(instant(&through)?),
            },
            is_partial: answer.getattr("partial")?.is_truthy()?,
        })
    }

    fn read(self) -> gapless::Result<Fetched> {
        let mut batches = Vec::new();
        for reader in self.readers {
            for batch in reader {
                batches.push(batch.map_err(data::source_error)?);
            }
        }
        Ok(Fetched {
            batches,
            through: self.through,
            is_partial: self.is_partial,
        })
    }
}

/// Rows, or several of them.
fn readers(rows: &Bound<'_, PyAny>, request: &FetchRequest) -> PyResult<Vec<data::Reader>> {
    if rows.is_instance_of::<PyList>() || rows.is_instance_of::<PyTuple>() {
        let mut all = Vec::new();
        for rows in rows.try_iter()? {
            all.extend(readers(&rows?, request)?);
        }
        return Ok(all);
    }
    if let Ok(columns) = rows.cast::<PyMapping>()
        && columns.is_empty()?
    {
        return Ok(Vec::new());
    }
    data::reader(rows, || Ok(Arc::clone(&request.schema))).map(|reader| vec![reader])
}
