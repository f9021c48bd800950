//! What a fill goes by, beside what it fills.

use std::time::Duration;

use gapless::backfill::{Backfill, BackfillOrder, RetryPolicy};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::database::durability;
use crate::duration::Length;
use crate::error::invalid;

const NAMES: &str = "order, window, merge_within, rate, timeout, backoff, backoff_max, stalled_after, holder, world, source, durability, \
                     missing_columns, clip and wait_for_others";

/// Sets what is said by name. `timeout` and `clip` are the fetchers'.
pub(super) fn with(mut fill: Backfill, retries: u32, options: &Bound<'_, PyDict>) -> PyResult<Backfill> {
    let mut retry = RetryPolicy {
        retries,
        ..RetryPolicy::default()
    };
    for (name, value) in options {
        if value.is_none() {
            continue;
        }
        fill = match name.extract::<String>()?.as_str() {
            "order" => fill.order(order(&value.extract::<String>()?)?),
            "window" => fill.window_max(value.extract::<Length>()?.0),
            "merge_within" => fill.merge_within(value.extract::<Length>()?.0),
            "rate" => fill.requests_per_second(value.extract()?),
            "stalled_after" => fill.stalled_after(positive(&value)?),
            "holder" => fill.holder(value.extract::<String>()?),
            "world" => fill.world(value.extract::<String>()?),
            "source" => fill.source(value.extract::<String>()?),
            "durability" => fill.durability(durability(&value)?),
            "missing_columns" => fill.missing_columns(value.extract()?),
            "wait_for_others" => fill.waits_for_others(value.extract()?),
            "backoff" => {
                retry.backoff = positive(&value)?;
                fill
            }
            "backoff_max" => {
                retry.backoff_max = positive(&value)?;
                fill
            }
            "timeout" | "clip" => fill,
            other => {
                return Err(PyTypeError::new_err(format!(
                    "fill() got an unexpected keyword argument {other:?}; there are also {NAMES}"
                )));
            }
        };
    }
    Ok(fill.retry(retry))
}

fn order(text: &str) -> PyResult<BackfillOrder> {
    match text {
        "oldest" => Ok(BackfillOrder::OldestFirst),
        "newest" => Ok(BackfillOrder::NewestFirst),
        other => Err(invalid(format!(
            "order {other:?}: there are \"oldest\" and \"newest\""
        ))),
    }
}

/// A length of time of something that takes some.
pub(super) fn positive(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let ns = value.extract::<Length>()?.0;
    u64::try_from(ns)
        .ok()
        .filter(|ns| *ns > 0)
        .map(Duration::from_nanos)
        .ok_or_else(|| invalid(format!("{ns} ns: give a positive length of time, such as \"30s\"")))
}
