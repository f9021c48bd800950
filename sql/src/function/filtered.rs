//! `FILTER (WHERE ...)` of an aggregate: what it leaves out is null, which aggregates skip.

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_select::nullif::nullif;
use datafusion::common::Result;

/// The columns that an aggregate is given, the first null where the filter is not true.
pub(super) fn filtered(columns: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
    let mut columns = columns.to_vec();
    if let (Some(first), Some(filter)) = (columns.first_mut(), filter) {
        let passing = match filter.nulls() {
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        };
        *first = nullif(first, &BooleanArray::new(!&passing, None))?;
    }
    Ok(columns)
}
