//! What a job tells of itself: `tracing` events, under the names that QMTL's dashboards read.

use super::job::JobCore;
use super::report::{GapOutcome, GapReport};
use super::strategy::BackfillError;
use super::writer::GapWriter;

/// What a node is called where there are no series.
fn node_id(writer: &GapWriter) -> &str {
    writer.gap().series.as_deref().unwrap_or_default()
}

/// An attempt begins.
pub(super) fn attempt(core: &JobCore, writer: &GapWriter, attempt: u32) {
    let gap = writer.gap();
    tracing::info!(
        batch_id = core.batch_of(gap),
        attempt,
        node_id = node_id(writer),
        interval = gap.interval / 1_000_000_000,
        start = gap.start,
        end = gap.end,
        source = core.strategy_name.as_str(),
        "seamless.backfill.attempt"
    );
}

/// An attempt failed and is made again.
pub(super) fn retry(core: &JobCore, writer: &GapWriter, attempt: u32, error: &BackfillError) {
    let gap = writer.gap();
    tracing::warn!(
        batch_id = core.batch_of(gap),
        attempt,
        node_id = node_id(writer),
        interval = gap.interval / 1_000_000_000,
        start = gap.start,
        end = gap.end,
        source = core.strategy_name.as_str(),
        error = %error,
        "backfill.retry"
    );
}

/// A gap is done with.
pub(super) fn over(core: &JobCore, writer: &GapWriter, report: &GapReport) {
    let gap = writer.gap();
    let (batch_id, interval) = (core.batch_of(gap), gap.interval / 1_000_000_000);
    match &report.outcome {
        GapOutcome::Failed(error) => tracing::error!(
            batch_id,
            attempt = report.attempts,
            attempts = report.attempts,
            node_id = node_id(writer),
            interval,
            start = gap.start,
            end = gap.end,
            source = core.strategy_name.as_str(),
            error,
            "seamless.backfill.failed"
        ),
        outcome => tracing::info!(
            batch_id,
            attempt = report.attempts,
            node_id = node_id(writer),
            interval,
            start = gap.start,
            end = gap.end,
            source = core.strategy_name.as_str(),
            outcome = outcome.name(),
            rows = report.rows.inserted,
            "seamless.backfill.succeeded"
        ),
    }
}
