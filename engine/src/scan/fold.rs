//! Fold.
use super::builder::Scan;
use crate::error::Result;
use arrow_array::RecordBatch;
pub(crate) fn count(_: Scan) -> Result<u64> {
    Ok(0)
}
pub(crate) fn fold<T: Send>(
    _: Scan,
    start: impl Fn() -> T + Sync + Send,
    _take: impl Fn(T, RecordBatch) -> Result<T> + Sync + Send,
    _join: impl Fn(T, T) -> T + Sync + Send,
) -> Result<T> {
    Ok(start())
}
