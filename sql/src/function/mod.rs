//! Functions of time series.

use datafusion::common::Result;
use datafusion::execution::SessionState;

/// Adds the functions to a planner.
pub(crate) fn register(_state: &mut SessionState) -> Result<()> {
    Ok(())
}
