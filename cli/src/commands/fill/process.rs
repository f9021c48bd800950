//! A command that is run for a request: in a process group of its own, for a limited time, its output in files.
//!
//! Output goes to files and not through pipes, so that nothing waits for who still holds a pipe.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;

use crate::stop::Stop;

/// The longest pause between two looks at the process.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Bytes at the end of standard error that are kept.
const STDERR_BYTES: u64 = 16 << 10;

/// What came of a command.
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) stdout: NamedTempFile,
    /// The end of what it wrote to standard error.
    pub(super) stderr: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
    /// It was killed, because its time was over.
    TimeOver,
    /// It was killed, because the fill was asked to end.
    Stopped,
}

/// A process group that is killed if its leader is still there.
struct Group(Child);

impl Group {
    fn kill(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Runs a line of shell.
///
/// # Errors
/// When it cannot be started.
pub(super) fn run(
    line: &str,
    environment: &[(&str, Cow<'_, str>)],
    timeout: Duration,
    stop: &Stop,
) -> std::io::Result<Ran> {
    let stdout = NamedTempFile::with_prefix("gapless-fill-")?;
    let mut stderr = tempfile::tempfile()?;
    let child = Command::new("sh")
        .args(["-c", line])
        .envs(environment.iter().map(|(name, value)| (name, value.as_ref())))
        .stdin(Stdio::null())
        .stdout(stdout.reopen()?)
        .stderr(stderr.try_clone()?)
        .process_group(0)
        .spawn()?;
    let ended = wait(Group(child), timeout, stop)?;
    Ok(Ran {
        ended,
        stdout,
        stderr: tail(&mut stderr)?,
    })
}

fn wait(mut group: Group, timeout: Duration, stop: &Stop) -> std::io::Result<Ended> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = group.0.try_wait()? {
            return Ok(ended(status));
        }
        let over = match (stop.is_asked(), began.elapsed() >= timeout) {
            (true, _) => Some(Ended::Stopped),
            (_, true) => Some(Ended::TimeOver),
            _ => None,
        };
        if let Some(over) = over {
            group.kill();
            return Ok(over);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

fn tail(file: &mut File) -> std::io::Result<String> {
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(STDERR_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(STDERR_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
