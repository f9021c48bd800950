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

/// A small generator: the same numbers for a seed, for ever.
pub struct Random(pub u64);

impl Random {
    /// A number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// One of some values.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("a place")]
    }
}

/// The seed of a test that generates: another for each run, or the one that is given.
pub fn seed() -> u64 {
    let given = std::env::var("GAPLESS_SQL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| std::process::id().into())
}
