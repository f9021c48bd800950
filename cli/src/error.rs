//! The one error of the command: a kind, which gives the exit code, a message, and perhaps a hint.

use std::process::ExitCode;

use gapless::ErrorKind;
use gapless_interchange::InterchangeError;
use serde::Serialize;

use crate::output::Output;

/// Why a verb failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    /// The signal that ended it.
    signal: Option<i32>,
}

#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl CliError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            signal: None,
        }
    }

    /// A signal came before it was done.
    #[cfg(feature = "sql")]
    pub(crate) fn interrupted(signal: i32) -> Self {
        Self {
            signal: Some(signal),
            ..Self::new(ErrorKind::Io, "interrupted")
        }
    }

    /// The signal that ended it.
    #[cfg(feature = "sql")]
    pub(crate) fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// The command line cannot be right.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The operating system refused.
    pub(crate) fn io(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{doing}: {error}"))
    }

    /// A broken invariant of gapless itself.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// What sort of failure it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message, with more after it.
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        self.message = format!("{}; {note}", self.message);
        self
    }

    /// The message, with its place before it.
    #[cfg(feature = "sql")]
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The kind as scripts read it.
    fn kind_name(&self) -> &'static str {
        if self.signal.is_some() {
            return "interrupted";
        }
        match self.kind {
            ErrorKind::Invalid => "invalid",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Locked => "locked",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Io => "io",
            ErrorKind::Gaps => "gaps",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Lease => "lease",
            ErrorKind::Interrupted => "interrupted",
            _ => "internal",
        }
    }

    /// 1 a gap; 2 misuse; 3 the data is not what it must be; 4 the machine, or another process; 128 and the signal's number.
    fn exit_code(&self) -> u8 {
        if let Some(signal) = self.signal {
            return 128 | u8::try_from(signal).unwrap_or(0);
        }
        match self.kind {
            ErrorKind::Gaps => 1,
            ErrorKind::Invalid | ErrorKind::NotFound => 2,
            ErrorKind::Corrupt | ErrorKind::Unsupported => 3,
            _ => 4,
        }
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(&self, output: &mut Output) -> ExitCode {
        // What was printed before the error comes first; if it cannot be printed, the error still can.
        let _ = output.flush();
        if output.is_json() {
            let body = Body {
                kind: self.kind_name(),
                message: &self.message,
                hint: self.hint.as_deref(),
            };
            let _ = output.json(&Document { error: body });
            let _ = output.flush();
        }
        eprintln_quietly(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            eprintln_quietly(&format!("hint: {hint}"));
        }
        ExitCode::from(self.exit_code())
    }
}

/// A line on standard error; if that is closed there is nobody to tell.
pub(crate) fn eprintln_quietly(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl From<gapless::Error> for CliError {
    fn from(error: gapless::Error) -> Self {
        let said = Self::new(error.kind(), error.message());
        match error.kind() {
            ErrorKind::Corrupt => said.hint(
                "gapless check DB says what else is damaged; with --repair it keeps what is sound and makes a gap of what is lost",
            ),
            _ => said,
        }
    }
}

impl From<InterchangeError> for CliError {
    fn from(error: InterchangeError) -> Self {
        use gapless_interchange::ErrorKind as Kind;
        let kind = match error.kind {
            Kind::Invalid => ErrorKind::Invalid,
            Kind::NotFound => ErrorKind::NotFound,
            Kind::Unsupported => ErrorKind::Unsupported,
            Kind::Io => ErrorKind::Io,
            Kind::Internal => ErrorKind::Internal,
        };
        let hint = error.hint.as_deref().map(str::to_owned);
        let message = InterchangeError { hint: None, ..error }.to_string();
        Self {
            hint,
            ..Self::new(kind, message)
        }
    }
}
