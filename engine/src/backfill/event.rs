//! What a job tells of itself: `tracing` events, under the names that QMTL's dashboards read.
//!
//! - One `backfill.start` for each gap that is leased and not covered, and one `backfill.complete` or `backfill.failed` when it is
//!   over. Between them one `seamless.backfill.attempt` for each attempt, and one `seamless.backfill.succeeded` or
//!   `seamless.backfill.failed` when that is over; `backfill.retry` when there will be another.
//! - `node_id` is the series as it is. Intervals and times are in seconds, or in nanoseconds with the suffix `ns` where they
//!   are no whole ones, as in events of leases and in lease keys.
//! - Only `backfill.failed` of a gap that nothing can be done about is an error. A gap that another worker took over, or whose job
//!   was cancelled, ends with the same name as a warning.

use super::job::JobCore;
use super::report::{GapOutcome, GapReport};
use super::strategy::BackfillError;
use super::writer::GapWriter;
use crate::lease::TimeText;

macro_rules! event {
    ($level:ident, $name:literal, $gap:expr $(, $field:ident = $value:expr)*) => {{
        let gap: &crate::coverage::Gap = $gap;
        tracing::$level!(
            node_id = gap.series.as_deref().unwrap_or_default(),
            interval = %TimeText(gap.interval),
            start = %TimeText(gap.start),
            end = %TimeText(gap.end),
            $($field = $value,)*
            $name
        );
    }};
}

/// A gap is leased, and something of it is missing.
pub(super) fn start(writer: &GapWriter) {
    event!(info, "backfill.start", writer.gap());
}

/// An attempt begins.
pub(super) fn attempt(core: &JobCore, writer: &GapWriter, attempt: u32) {
    event!(
        info,
        "seamless.backfill.attempt",
        writer.gap(),
        batch_id = core.batch_of(writer.gap()),
        attempt = attempt,
        source = core.strategy_name.as_str()
    );
}

/// The strategy is done with the gap.
pub(super) fn succeeded(core: &JobCore, writer: &GapWriter, attempt: u32, outcome: &GapOutcome) {
    event!(
        info,
        "seamless.backfill.succeeded",
        writer.gap(),
        batch_id = core.batch_of(writer.gap()),
        attempt = attempt,
        source = core.strategy_name.as_str(),
        outcome = outcome.name(),
        rows = writer.counts().inserted
    );
}

/// An attempt failed.
pub(super) fn failed(core: &JobCore, writer: &GapWriter, attempt: u32, error: &str) {
    event!(
        warn,
        "seamless.backfill.failed",
        writer.gap(),
        batch_id = core.batch_of(writer.gap()),
        attempt = attempt,
        source = core.strategy_name.as_str(),
        error = error
    );
}

/// There will be another attempt.
pub(super) fn retry(writer: &GapWriter, attempt: u32, error: &BackfillError) {
    event!(
        warn,
        "backfill.retry",
        writer.gap(),
        attempt = attempt,
        error = tracing::field::display(error)
    );
}

/// A gap that was begun is over.
pub(super) fn over(report: &GapReport) {
    let (gap, attempts) = (&report.gap, report.attempts);
    match &report.outcome {
        GapOutcome::Failed(error) => {
            event!(
                error,
                "backfill.failed",
                gap,
                attempts = attempts,
                error = error.as_str()
            );
        }
        outcome @ (GapOutcome::Leased(_) | GapOutcome::Cancelled) => {
            event!(
                warn,
                "backfill.failed",
                gap,
                attempts = attempts,
                error = outcome.name()
            );
        }
        outcome => event!(
            info,
            "backfill.complete",
            gap,
            attempts = attempts,
            outcome = outcome.name(),
            rows = report.rows.inserted
        ),
    }
}
