//! The source that runs a command for each request.

use std::borrow::Cow;
use std::sync::Arc;

use gapless::Table;
use gapless::backfill::{FetchError, FetchRequest, Fetched, Fetcher};
use gapless_format::TableMeta;

use super::arguments::Args;
use super::index::Layout;
use super::marks::Reach;
use super::printed::Printed;
use super::process::{self, Ended, Limits, Ran};
use super::reply;
use super::template::{Template, Values};
use crate::error::CliError;
use crate::render::{bytes, seconds};
use crate::stop::Stop;

/// A command says that it may work later: `EX_TEMPFAIL` of sysexits.h.
const TRANSIENT: i32 = 75;
/// Lines of standard error that a message has.
const LINES_MAX: usize = 5;

/// A command, and how its rows are read.
pub(super) struct Exec {
    template: Template,
    limits: Limits,
    stop: Stop,
    meta: Arc<TableMeta>,
    reading: gapless_interchange::ReadOptions,
    has_header: bool,
}

impl Exec {
    pub(super) fn new(args: &Args, table: &Table, template: Template, stop: Stop) -> Result<Self, CliError> {
        let meta = table.meta()?;
        Ok(Self {
            reading: Layout::new(args, &meta).options,
            template,
            limits: Limits {
                timeout: super::duration(args.timeout),
                output: args.output_max as u64,
            },
            stop,
            meta,
            has_header: args.reading.has_header(),
        })
    }
}

impl Fetcher for Exec {
    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let values = values(request);
        let line = self.template.shown(&values);
        if let Some((variable, _)) = values.variables().find(|(_, value)| value.contains('\0')) {
            return Err(FetchError::permanent(format!(
                "`{line}` cannot be run: the value of {variable} has a NUL byte, which no command can be given"
            )));
        }
        let environment = environment(request, &values);
        let Ran {
            ended,
            stdout,
            mut stderr,
        } = process::run(&self.template.line(), &environment, self.limits, &self.stop)
            .map_err(|error| FetchError::permanent(format!("`{line}` cannot be run: {error}")))?;
        let tail = stderr.tail();
        let failed = |what: String| format!("`{line}` {what}{}", last_lines(&tail));
        match ended {
            Ended::Code(0) => {
                let rows = stderr.reach().and_then(|reach| self.rows(stdout, reach));
                rows.map_err(|error| {
                    FetchError::permanent(failed(format!("printed what cannot be used: {error}")))
                })
            }
            Ended::Code(TRANSIENT) => Err(FetchError::transient(failed(
                "failed for now (exit code 75)".to_owned(),
            ))),
            Ended::Code(code) => Err(FetchError::permanent(failed(format!(
                "failed with exit code {code}"
            )))),
            Ended::Signal(signal) => Err(FetchError::permanent(failed(format!(
                "was ended by signal {signal}"
            )))),
            Ended::TimeOver => {
                let limit = seconds(self.limits.timeout);
                Err(FetchError::transient(failed(format!(
                    "was killed after {limit} (--timeout)"
                ))))
            }
            Ended::TooMuch => {
                let limit = bytes(self.limits.output);
                Err(FetchError::permanent(failed(format!(
                    "was killed: it printed more than {limit} (--output-max)"
                ))))
            }
            Ended::Stopped => Err(FetchError::transient(failed(
                "was killed: the fill was asked to end".to_owned(),
            ))),
        }
    }

    fn name(&self) -> &'static str {
        "exec"
    }
}

impl Exec {
    fn rows(&self, printed: Printed, reach: Reach) -> Result<Fetched, CliError> {
        let layout = Layout {
            meta: &self.meta,
            options: self.reading.clone(),
        };
        reply::read(printed, reach, &layout, self.has_header)
    }
}

fn values(request: &FetchRequest) -> Values {
    let series = request.series.as_deref();
    Values::new(
        &request.table,
        series,
        request.interval,
        request.start,
        request.end,
    )
}

fn environment<'a>(request: &FetchRequest, values: &'a Values) -> Vec<(&'static str, Cow<'a, str>)> {
    let numbers = [
        ("GAPLESS_START_NS", request.start),
        ("GAPLESS_END_NS", request.end),
        ("GAPLESS_INTERVAL_NS", request.interval),
        ("GAPLESS_ATTEMPT", i64::from(request.attempt)),
    ];
    let texts = values
        .variables()
        .map(|(name, value)| (name, Cow::Borrowed(value)));
    texts
        .chain(numbers.map(|(name, number)| (name, Cow::Owned(number.to_string()))))
        .collect()
}

/// The end of standard error, for a message.
fn last_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.get(lines.len().saturating_sub(LINES_MAX)..) {
        None | Some([]) => String::new(),
        Some(last) => format!(": {}", last.join(" / ")),
    }
}
