//! What tests do with rows.

use arrow_array::RecordBatch;
use arrow_cast::pretty::pretty_format_batches;
use gapless_sql::Session;

/// Rows as text, one each, in the order in which they come.
pub fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(batches)
        .expect("types that can be shown")
        .to_string();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// The rows of a statement as text.
pub fn query(session: &Session, text: &str) -> Vec<String> {
    let rows = session
        .sql(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    lines(
        &rows
            .collect_batches()
            .unwrap_or_else(|error| panic!("{text}: {error}")),
    )
}
