//! Last.
use super::builder::Scan;
use crate::error::Result;
use arrow_array::RecordBatch;
pub(crate) fn last(_: Scan, _: usize) -> Result<Vec<RecordBatch>> {
    Ok(vec![])
}
