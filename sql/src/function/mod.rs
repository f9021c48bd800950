//! Functions of time series.
//!
//! | module | owns |
//! | --- | --- |
//! | `time_bucket` | the start of the bucket that a time falls into |
//! | `edge` | `first` and `last`: the value of the earliest or latest row |
//! | `extreme` | `min` and `max`, which skip `NaN` |
//! | `fill` | `locf`, `interpolate` and `is_filled`: what buckets without rows have |
//! | `filtered` | `FILTER` of the aggregates |
//! | `sum` | `sum`, which refuses what does not fit |
//! | `vwap` | the mean of prices, weighted by quantities |

mod edge;
mod extreme;
mod fill;
mod filtered;
mod sum;
mod time_bucket;
mod vwap;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(crate) use fill::{FillFunction, FillKind};
pub(crate) use time_bucket::{TimeBucket, bucket, constant_bucket};

use edge::{Edge, EdgeFunction};
use extreme::Extreme;
use sum::Sum;
use vwap::Vwap;

/// Adds the functions to a planner.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for bucket in [TimeBucket::new(), TimeBucket::gapfill()] {
        state.register_udf(Arc::new(ScalarUDF::from(bucket)))?;
    }
    for kind in [FillKind::Locf, FillKind::Interpolate, FillKind::IsFilled] {
        state.register_udf(Arc::new(ScalarUDF::from(FillFunction::new(kind))))?;
    }
    for edge in [Edge::First, Edge::Last] {
        state.register_udaf(Arc::new(AggregateUDF::from(EdgeFunction::new(edge))))?;
    }
    state.register_udaf(Arc::new(AggregateUDF::from(Vwap::new())))?;
    state.register_udaf(Arc::new(AggregateUDF::from(Sum::new())))?;
    for extreme in [Extreme::min(), Extreme::max()] {
        state.register_udaf(Arc::new(AggregateUDF::from(extreme)))?;
    }
    Ok(())
}
