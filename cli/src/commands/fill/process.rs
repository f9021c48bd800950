//! A command that is run for a request: in a process group of its own, for a limited time, its output read as it comes.
//!
//! Its pipes are read without blocking, until the command itself has ended: nothing waits for who still holds one. What is read is
//! kept by us, so that no write of the command can fail without our knowing.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::marks::Marks;
use super::printed::Printed;
use crate::stop::Stop;

/// The pauses between two looks at a process that prints nothing.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Bytes that are read at once, and between two looks at the process.
const READ_BYTES: usize = 64 << 10;
const TURN_BYTES: u64 = 1 << 20;

/// What came of a command.
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) stdout: Printed,
    pub(super) stderr: Marks,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
    /// It was killed, because its time was over.
    TimeOver,
    /// It was killed, because it printed more than it may.
    TooMuch,
    /// It was killed, because the fill was asked to end.
    Stopped,
}

/// What it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    /// Bytes of standard output.
    pub(super) output: u64,
}

/// Where what is read goes.
pub(super) trait Sink {
    fn take(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Runs a line of shell.
///
/// # Errors
/// When it cannot be started, or what it prints cannot be kept.
pub(super) fn run(
    line: &str,
    environment: &[(&str, Cow<'_, str>)],
    limits: Limits,
    stop: &Stop,
) -> Result<Ran> {
    let mut child = Command::new("sh")
        .args(["-c", line])
        .envs(environment.iter().map(|(name, value)| (name, value.as_ref())))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut pipes = Pipes {
        stdout: Pipe::new(child.stdout.take(), Printed::new(limits.output)),
        stderr: Pipe::new(child.stderr.take(), Marks::default()),
        buffer: vec![0; READ_BYTES],
    };
    let followed = pipes
        .set_nonblocking()
        .and_then(|()| follow(&mut child, &mut pipes, limits.timeout, stop));
    if !matches!(followed, Ok(Ended::Code(_) | Ended::Signal(_))) {
        kill(&mut child);
    }
    let ended = followed?;
    Ok(Ran {
        ended,
        stdout: pipes.stdout.sink,
        stderr: pipes.stderr.sink,
    })
}

/// Ends a process and all that it has started.
fn kill(child: &mut Child) {
    // Once it was waited for, its number may be another's.
    if matches!(child.try_wait(), Ok(None)) {
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = child.wait();
    }
}

fn follow(child: &mut Child, pipes: &mut Pipes, timeout: Duration, stop: &Stop) -> Result<Ended> {
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        let status = child.try_wait()?;
        let came = match status {
            // All that it has printed is in the pipes now; what others print later is not its answer.
            Some(_) => pipes.rest()?,
            None => pipes.turn(pause)?,
        };
        if pipes.stdout.sink.is_too_much() {
            return Ok(Ended::TooMuch);
        }
        if let Some(status) = status {
            return Ok(ended(status));
        }
        if stop.is_asked() {
            return Ok(Ended::Stopped);
        }
        if began.elapsed() >= timeout {
            return Ok(Ended::TimeOver);
        }
        pause = match came {
            true => PAUSE_MIN,
            false => (pause * 2).min(PAUSE_MAX),
        };
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

struct Pipes {
    stdout: Pipe<Printed>,
    stderr: Pipe<Marks>,
    buffer: Vec<u8>,
}

impl Pipes {
    fn set_nonblocking(&self) -> Result<()> {
        for file in [&self.stdout.file, &self.stderr.file].into_iter().flatten() {
            rustix::io::ioctl_fionbio(file, true)?;
        }
        Ok(())
    }

    /// Waits until there is something, for so long at most, and takes it. Whether there was.
    fn turn(&mut self, pause: Duration) -> Result<bool> {
        let open = [&self.stdout.file, &self.stderr.file].into_iter().flatten();
        let mut fds: Vec<PollFd<'_>> = open.map(|file| PollFd::new(file, PollFlags::IN)).collect();
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: pause.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&pause)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            ready => ready?,
        };
        drop(fds);
        self.stdout.read(TURN_BYTES, &mut self.buffer)?;
        self.stderr.read(TURN_BYTES, &mut self.buffer)?;
        Ok(true)
    }

    /// Takes what is there.
    fn rest(&mut self) -> Result<bool> {
        self.stdout.rest(&mut self.buffer)?;
        self.stderr.rest(&mut self.buffer)?;
        Ok(true)
    }
}

/// The end of a pipe that is read, until there is nothing more.
struct Pipe<S> {
    file: Option<File>,
    sink: S,
}

impl<S: Sink> Pipe<S> {
    fn new(end: Option<impl Into<OwnedFd>>, sink: S) -> Self {
        let file = end.map(|end| File::from(end.into()));
        Self { file, sink }
    }

    /// Takes so many bytes, or fewer if there are no more at the moment.
    fn read(&mut self, most: u64, buffer: &mut [u8]) -> Result<()> {
        let mut left = most;
        while let Some(file) = self.file.as_mut().filter(|_| left > 0) {
            let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let read = match file.read(buffer.get_mut(..room).unwrap_or_default()) {
                Ok(0) => {
                    self.file = None;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            self.sink.take(buffer.get(..read).unwrap_or_default())?;
            left = left.saturating_sub(read as u64);
        }
        Ok(())
    }

    /// Takes all that is in the pipe, and not what comes while that is taken.
    fn rest(&mut self, buffer: &mut [u8]) -> Result<()> {
        let there = match &self.file {
            Some(file) => rustix::io::ioctl_fionread(file).map_err(Error::from)?,
            None => 0,
        };
        self.read(there, buffer)
    }
}
