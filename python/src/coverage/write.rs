//! Rows and what they cover, in one commit.

use arrow_array::RecordBatch;
use gapless::{Database, Error, Result, Table, WriteOptions};

use super::said::Said;

/// Rows of more bytes become segments of their own.
const STREAMED_BYTES_MAX: usize = 32 << 20;

/// Streams rows and what they cover; gives how many rows.
///
/// # Errors
/// As [`Table::append_covering`] and [`Said::resolve`]. Nothing was written then.
pub(crate) fn append(database: &Database, table: &Table, batch: RecordBatch, said: Vec<Said>) -> Result<u64> {
    if batch.get_array_memory_size() > STREAMED_BYTES_MAX {
        return write(database, table, [Ok(batch)], said);
    }
    let said = Said::resolve(said, table)?;
    Ok(table.append_covering(&batch, said, None)?.rows)
}

/// Writes rows, and what they cover, as one commit; gives how many rows.
///
/// # Errors
/// The source's own; as [`Table::write`] and [`Said::resolve`]. Nothing was written then.
pub(crate) fn write(
    database: &Database,
    table: &Table,
    batches: impl IntoIterator<Item = Result<RecordBatch>>,
    said: Vec<Said>,
) -> Result<u64> {
    let said = Said::resolve(said, table)?;
    let mut transaction = database.transaction()?;
    transaction.write::<Error>(table.name(), batches, &WriteOptions::default())?;
    for said in said {
        transaction.attest(table.name(), said)?;
    }
    Ok(transaction.commit()?.rows)
}
