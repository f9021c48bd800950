//! SIGINT and SIGTERM, for verbs that go on until they are told to end: the second one ends them at once. SIGXFSZ, for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::error::CliError;

/// Whether it was asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    /// By which signal.
    #[cfg_attr(
        not(feature = "sql"),
        expect(dead_code, reason = "only statements tell signals apart")
    )]
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Listens from now on.
    pub(crate) fn on_signals() -> Result<Self, CliError> {
        let asked = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            // The first: who was asked already ends as the signal would have done it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&last), signal.unsigned_abs() as usize))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .map_err(|error| CliError::io("cannot listen to signals", &error))?;
        }
        Ok(Self { asked, signal: last })
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}

#[cfg(feature = "sql")]
impl Stop {
    /// The signal that asked.
    pub(crate) fn signal(&self) -> Option<i32> {
        let signal = self.signal.load(Ordering::Acquire);
        self.is_asked().then(|| i32::try_from(signal).unwrap_or(SIGTERM))
    }

    /// What was asked is done, and something else begins.
    pub(crate) fn forget(&self) {
        self.asked.store(false, Ordering::Release);
    }

    /// While the flag is up, for somebody who waits for input that may never come, these signals end the process as if nobody
    /// listened.
    pub(crate) fn unheard_while(&self, waits: &Arc<AtomicBool>, signals: &[i32]) -> Result<(), CliError> {
        for signal in signals {
            flag::register_conditional_default(*signal, Arc::clone(waits))
                .map_err(|error| CliError::io("cannot listen to signals", &error))?;
        }
        Ok(())
    }
}

/// A file that may not grow any more (`ulimit -f`) is an error of the write, which says which it is, and not the end of the
/// command. What is run by it has the signal as ever.
pub(crate) fn outlive_file_limits() {
    // If it cannot be, the command ends without a word.
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// Whether nobody reads standard output any more, which a writer otherwise learns when it writes.
pub(crate) fn is_stdout_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = rustix::event::Timespec::default();
    poll(&mut fds, Some(&now)).is_ok_and(|ready| {
        ready > 0
            && fds
                .iter()
                .any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP))
    })
}
