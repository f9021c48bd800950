//! How the engine is called.
//!
//! - The GIL is released around every call.
//! - A process that was forked after gapless was used has none of its threads and locks: it is refused, before anything hangs.
//! - What may take long runs beside the caller's thread, which looks for signals meanwhile: Ctrl-C ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use gapless::query::Interrupt;
use gapless::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::error::py_error;

/// How often signals are looked for.
const SIGNALS: Duration = Duration::from_millis(50);

/// The process that used gapless first; 0 before.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Refuses to go on in a process that was forked.
///
/// # Errors
/// `Invalid`, saying what to do instead.
pub(crate) fn check_process() -> Result<()> {
    let this = std::process::id();
    match PROCESS.compare_exchange(0, this, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(first) if first == this => Ok(()),
        Err(first) => Err(Error::invalid(format!(
            "this process is a fork of process {first}, which has used gapless: its threads and locks are not here. Start \
             workers with multiprocessing.get_context(\"spawn\"), or fork before gapless is used"
        ))),
    }
}

/// Calls the engine without the GIL.
pub(crate) fn engine<T: Send>(py: Python<'_>, call: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| {
        check_process()?;
        call()
    })
    .map_err(py_error)
}

/// Tells a call that its caller does not want it any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel {
    is_set: Arc<AtomicBool>,
    /// Told at the same time.
    queries: Interrupt,
}

impl Cancel {
    /// Whether it was told.
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// An error once it was told.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() {
            return Err(Error::new(ErrorKind::Invalid, "interrupted: nothing was written"));
        }
        Ok(())
    }

    /// The flag itself, for what takes one.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_set)
    }

    /// What ends queries when it is told.
    pub(crate) fn queries(&self) -> &Interrupt {
        &self.queries
    }

    fn tell(&self) {
        self.is_set.store(true, Ordering::Relaxed);
        self.queries.interrupt();
    }
}

/// Calls the engine on a thread of its own. A signal whose handler raises, as Ctrl-C does, tells the call to end; what
/// `wait` says is whether the exception comes only when it has.
fn beside<T: Send + 'static>(
    py: Python<'_>,
    wait: bool,
    call: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let cancel = Cancel::default();
    let (sender, receiver) = sync_channel(1);
    let receiver = Mutex::new(receiver);
    let told = cancel.clone();
    py.detach(|| {
        check_process()?;
        let run = move || {
            // The caller may be gone.
            let _ = sender.send(call(&told));
        };
        std::thread::Builder::new()
            .name("gapless-python".to_owned())
            .spawn(run)
            .map_err(|error| Error::io(format!("cannot start a thread: {error}")))
    })
    .map_err(py_error)?;
    loop {
        let received = py.detach(|| receiver.lock().recv_timeout(SIGNALS));
        match received {
            Ok(outcome) => return outcome.map_err(py_error),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(signal) = py.check_signals() {
                    cancel.tell();
                    if wait {
                        let _ = py.detach(|| receiver.lock().recv());
                    }
                    return Err(signal);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(py_error(Error::internal("a thread of gapless has panicked")));
            }
        }
    }
}

/// Calls what writes, which ends soon after it is told: an exception comes when it has ended.
pub(crate) fn writing<T: Send + 'static>(
    py: Python<'_>,
    call: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    beside(py, true, call)
}

/// Calls what only reads: an exception comes at once, and the reading ends when it notices.
pub(crate) fn reading<T: Send + 'static>(
    py: Python<'_>,
    call: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    beside(py, false, call)
}
