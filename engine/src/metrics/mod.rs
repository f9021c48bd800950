//! Prometheus metrics of backfills, coverage and live sessions, under the names and labels that QMTL's dashboards read.
//!
//! | name | type | labels | set by |
//! | --- | --- | --- | --- |
//! | `backfill_last_timestamp` | gauge | node_id, interval | a gap that is closed: its end, in seconds |
//! | `backfill_jobs_in_progress` | gauge | | gaps that are being filled |
//! | `backfill_retry_total` | counter | node_id, interval | an attempt that failed and will be made again |
//! | `backfill_failure_total` | counter | node_id, interval | a gap that could not be filled |
//! | `backfill_completion_ratio` | gauge | node_id, interval, lease_key | each claim, commit and end of a gap |
//! | `history_auto_backfill_requests_total` | counter | strategy, node_id, interval | a job, once for each series with gaps |
//! | `history_auto_backfill_missing_ranges_total` | counter | strategy, node_id, interval | a job: gaps as they were planned |
//! | `history_auto_backfill_rows_total` | counter | strategy, node_id, interval | a gap that is over: rows that were new or changed |
//! | `history_auto_backfill_duration_ms` | histogram | strategy | a job that is over |
//! | `coverage_ratio` | gauge | node_id, interval, world_id | [`Metrics::observe_coverage`] |
//! | `live_staleness_seconds` | gauge | node_id, interval, world_id | [`Metrics::observe_live`] |
//! | `gap_repair_latency_ms` | histogram | node_id, interval, world_id | a gap that was closed by the job: from its claim on |
//!
//! `node_id` is the series, empty where there is none. `interval` is the text of its seconds (`"60"`), or of its nanoseconds with the
//! suffix `ns` where they are no whole ones; `"0"` is no grid. `world_id` is the world of the job or of the call.
//!
//! QMTL's other metrics belong to who calls: what it waits for (`seamless_*_ms`, `seamless_sla_deadline_seconds`), its caches
//! (`seamless_cache_*`, `nodecache_*`, `cache_*`), its artifacts, fingerprints and conformance, its rate limiters, and what it
//! decides (`domain_gate_holds`, `partial_fill_returns`, `as_of_advancement_events`). This engine cannot know them.

mod job;
mod labels;
mod server;
mod set;
#[cfg(test)]
mod tests;

/// The crate whose registries take the metrics.
pub use prometheus_client;
pub use server::MetricsServer;
pub use set::Metrics;
