//! Work that is watched: it says how far it is, and Ctrl-C ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use gapless::{Error, Result};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::call::{Cancel, check_process};
use crate::error::py_error;

/// How often signals are looked for, and who watches is told.
const TICK: Duration = Duration::from_millis(50);

/// How far work is, in whatever it counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<(AtomicU64, AtomicU64)>);

impl Meter {
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.0.1.store(total, Ordering::Relaxed);
        self.0.0.store(done, Ordering::Relaxed);
    }

    fn now(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

/// Who watches: an object of tqdm's kind, or a callable.
struct Watcher<'py>(Option<Bound<'py, PyAny>>);

impl<'py> Watcher<'py> {
    fn new(py: Python<'py>, progress: Option<&Bound<'py, PyAny>>, unit: &str) -> PyResult<Self> {
        let Some(progress) = progress.filter(|progress| !progress.is_none()) else {
            return Ok(Self(None));
        };
        let class = py.import("gapless._progress")?.getattr("Progress")?;
        Ok(Self(Some(class.call1((progress, unit))?)))
    }

    fn tell(&self, (done, total): (u64, u64)) -> PyResult<()> {
        match &self.0 {
            Some(watcher) => watcher.call_method1("tell", (done, total)).map(|_| ()),
            None => Ok(()),
        }
    }

    fn close(&self) -> PyResult<()> {
        match &self.0 {
            Some(watcher) => watcher.call_method0("close").map(|_| ()),
            None => Ok(()),
        }
    }
}

/// Calls the engine on a thread of its own, and tells `progress` on the caller's how far it is, in `unit`. Ctrl-C, and whatever
/// `progress` raises, tells the call to end; the exception comes when it has.
pub(crate) fn watched<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    unit: &str,
    call: impl FnOnce(&Cancel, &Meter) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let (cancel, meter, watcher) = (
        Cancel::default(),
        Meter::default(),
        Watcher::new(py, progress, unit)?,
    );
    let (sender, receiver) = sync_channel(1);
    let receiver = Mutex::new(receiver);
    let (told, told_meter) = (cancel.clone(), meter.clone());
    py.detach(|| {
        check_process()?;
        let run = move || {
            // The caller waits for it.
            let _ = sender.send(call(&told, &told_meter));
        };
        std::thread::Builder::new()
            .name("gapless-python".to_owned())
            .spawn(run)
            .map_err(|error| Error::io(format!("cannot start a thread: {error}")))
    })
    .map_err(py_error)?;
    let outcome = loop {
        let received = py.detach(|| receiver.lock().recv_timeout(TICK));
        match received {
            Ok(outcome) => break outcome.map_err(py_error),
            Err(RecvTimeoutError::Disconnected) => {
                break Err(py_error(Error::internal("a thread of gapless has panicked")));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(raised) = py.check_signals().and_then(|()| watcher.tell(meter.now())) {
            cancel.flag().store(true, Ordering::Relaxed);
            let _ = py.detach(|| receiver.lock().recv());
            let _ = watcher.close();
            return Err(raised);
        }
    };
    if outcome.is_ok() {
        watcher.tell(meter.now())?;
    }
    watcher.close()?;
    outcome
}
